"""What one of several processes at one store does: `racing PLACE NUMBER`.

It does the task that it reads on a line, and answers with a line of JSON. Tasks do not know how
many processes there are; `test_races.py` adds up what they say.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.storage.protocols import (
    Account,
    AccountCreated,
    Admitted,
    Appended,
    Created,
    Outcome,
    RefreshFamily,
    Saved,
    ThrottleRule,
)
from asgi_security.testing.contracts.audit import build_records
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_client,
    build_digest,
    build_session,
    build_ticket,
)
from tests.storage.backends import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from asgi_security.storage.protocols import Store

    Task: TypeAlias = Callable[[Store, int], Coroutine[None, None, Mapping[str, int]]]

LATER = START + 3600
SAVES = 25
KEYS = (build_account(), build_client())
CODE = build_digest("code")
RULE = ThrottleRule(100, 60.0)
COUNTER = build_session("counter", user="counter", data=b"0")
PLACE = build_session("place", user="place")
FAMILY = RefreshFamily(build_digest("family"), "f", "ada", b"{}", START, START, LATER, LATER)


async def prepare(store: Store) -> None:
    """Put there what the tasks compete for."""
    await store.once.put("code", CODE, b"v", expires_at=LATER, now=START)
    await store.sessions.create(COUNTER, now=START)
    await store.sessions.create(PLACE, now=START)
    await store.refresh.open_family(FAMILY, now=START)


async def charge(store: Store, number: int) -> Mapping[str, int]:
    """Try 25 attempts at once, which all fail; count those that were admitted."""
    # In another order in every other process: the order of keys must not matter.
    keys = KEYS if number % 2 else KEYS[::-1]

    async def guess(turn: int) -> bool:
        ticket = build_ticket(f"{number} {turn}")
        answer = await store.attempts.charge(keys, ticket=ticket, now=START)
        if isinstance(answer, Admitted):
            await store.attempts.settle(answer.receipt, Outcome.FAILURE, now=START)
            return True
        return False

    return {"admitted": sum(await asyncio.gather(*map(guess, range(25))))}


async def once(store: Store, number: int) -> Mapping[str, int]:
    """Let 5 take the value and 5 claim the name; count who got it."""
    takers = [store.once.take("code", CODE, now=START) for _ in range(5)]
    claims = [store.once.claim("code", CODE, expires_at=LATER, now=START) for _ in range(5)]
    taken = await asyncio.gather(*takers)
    claimed = await asyncio.gather(*claims)
    return {"taken": sum(value is not None for value in taken), "claimed": sum(claimed)}


async def throttle(store: Store, number: int) -> Mapping[str, int]:
    """Ask for 50 units at once; count those that were given."""
    takers = [store.throttles.take(CODE, RULE, now=START) for _ in range(50)]
    return {"admitted": sum(state.admitted for state in await asyncio.gather(*takers))}


async def take_place(store: Store, number: int) -> Mapping[str, int]:
    """Let 5 put a session of their own in the place of one; count who did."""

    async def put(turn: int) -> bool:
        fresh = replace(PLACE, digest=build_digest(f"fresh {number} {turn}"))
        return isinstance(await store.sessions.replace(PLACE.digest, fresh, now=START), Saved)

    return {"replaced": sum(await asyncio.gather(*map(put, range(5))))}


async def count_up(store: Store, number: int) -> Mapping[str, int]:
    """Add 1 to the counter in a session so many times, each again and again until it is saved."""
    saved = 0
    while saved < SAVES:
        found = await store.sessions.load(COUNTER.digest, now=START)
        if found is None:
            raise ValueError("the counter is gone")
        # Who saves is in the record: two that save the same would both be told it is saved.
        data = str(int(found.data) + 1).encode()
        wanted = replace(found, data=data, seen_at=START + number)
        if isinstance(await store.sessions.save(wanted, now=START), Saved):
            saved += 1
    return {"saved": saved}


async def sign_in(store: Store, number: int) -> Mapping[str, int]:
    """Sign the same user in 10 times at once, of which 3 sessions may live; count who made room."""

    async def create(turn: int) -> int:
        fresh = build_session(f"{number} {turn}", user="grace", seen_at=START + turn % 3)
        answer = await store.sessions.create(fresh, now=START, limit=3)
        return len(answer.evicted) if isinstance(answer, Created) else 0

    return {"evicted": sum(await asyncio.gather(*map(create, range(10))))}


async def revoke(store: Store, number: int) -> Mapping[str, int]:
    """Revoke one id and one subject, each process until another instant; in no order."""
    steps = []
    for turn in range(10):
        at = START + (turn * 7 + number * 3) % 50 + 1
        steps.append(store.revocations.revoke(CODE, expires_at=at))
        steps.append(store.revocations.revoke_subject(CODE, before=at, expires_at=at))
    await asyncio.gather(*steps)
    return {}


async def advance(store: Store, number: int) -> Mapping[str, int]:
    """Use one refresh token 5 times at once, and once more when its grace is over."""

    async def use(now: float) -> str:
        answer = await store.refresh.advance(
            FAMILY.digest, 0, grace_seconds=30.0, idle_expires_at=LATER, now=now
        )
        return type(answer).__name__

    return Counter(await asyncio.gather(*[use(START) for _ in range(5)]))


async def reuse(store: Store, number: int) -> Mapping[str, int]:
    """Use it 5 times when its grace is over; count who was the first to."""
    uses = [
        store.refresh.advance(
            FAMILY.digest, 0, grace_seconds=30.0, idle_expires_at=LATER, now=START + 60
        )
        for _ in range(5)
    ]
    answers = await asyncio.gather(*uses)
    return {"first": sum(getattr(answer, "is_first", False) for answer in answers)}


async def append(store: Store, number: int) -> Mapping[str, int]:
    """Append 5 records to one chain, behind whatever stands there by then."""
    for turn in range(5):
        head = await store.audit.load_head("main")
        while True:
            records = build_records(after=head, name=f"{number} {turn}")
            answer = await store.audit.append(records, after=head)
            if isinstance(answer, Appended):
                break
            head = answer.head
    return {}


async def register(store: Store, number: int) -> Mapping[str, int]:
    """Register one name 5 times at once; count who has it."""

    async def create(turn: int) -> bool:
        account = Account(f"{number} {turn}", "ada@example.com", created_at=START)
        return isinstance(await store.accounts.create(account), AccountCreated)

    return {"registered": sum(await asyncio.gather(*map(create, range(5))))}


TASKS: Mapping[str, Task] = {
    "charge": charge,
    "once": once,
    "throttle": throttle,
    "take_place": take_place,
    "count_up": count_up,
    "sign_in": sign_in,
    "revoke": revoke,
    "advance": advance,
    "reuse": reuse,
    "append": append,
    "register": register,
}


async def main(place: Place, number: int) -> None:
    async with place.open() as store:
        print("ready", flush=True)  # noqa: T201 -- read by the test
        while line := await asyncio.to_thread(sys.stdin.readline):
            told = await TASKS[line.strip()](store, number)
            print(json.dumps(told), flush=True)  # noqa: T201 -- read by the test


if __name__ == "__main__":
    asyncio.run(main(Place.from_json(sys.argv[1]), int(sys.argv[2])))
