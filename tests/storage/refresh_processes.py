"""What the other processes of `test_refresh_processes.py` do: `refresh_processes PLACE NUMBER`.

Each says "ready" once it could begin, begins when it is sent a line, and prints what it saw.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING

from asgi_security.testing.contracts.expecting import START
from asgi_security.testing.contracts.refresh_lists import advance, build_family
from tests.storage.backends import Place

if TYPE_CHECKING:
    from asgi_security.storage.protocols import Advance

USES = 25


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(place: Place) -> None:
    """Print how often each answer came to 25 uses of one token at once, in two rounds.

    The second is of the same token after the grace.
    """
    family = build_family()
    async with place.open() as store:
        await store.refresh.load_family(family.digest, now=START)
        for now in (START, START + 60):
            say("ready")
            await asyncio.to_thread(sys.stdin.readline)

            async def use(now: float = now) -> Advance:
                return await advance(store.refresh, family, 0, now=now)

            answers = await asyncio.gather(*[use() for _ in range(USES)])
            counted = Counter(
                f"{type(each).__name__} {getattr(each, 'is_first', '')}".strip() for each in answers
            )
            say(json.dumps(counted))


if __name__ == "__main__":
    asyncio.run(main(Place.from_json(sys.argv[1])))
