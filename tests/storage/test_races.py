"""Eight processes at one store, on every backend that they can share."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from asgi_security.storage.protocols import FamilyGone
from asgi_security.testing.contracts.expecting import START
from tests.storage import backends, racing
from tests.storage.racers import Racers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asgi_security.storage.protocols import Store
    from tests.storage.backends import Place

pytestmark = pytest.mark.anyio
anyio_backend = pytest.fixture(backends.use_asyncio)

PROCESSES = 8

place = pytest.fixture(scope="module", params=backends.SHARED)(backends.provide_place)


async def _prepare(place: Place) -> None:
    async with place.open() as store:
        await racing.prepare(store)


Run: TypeAlias = "Callable[[str], Counter[str]]"


@pytest.fixture(scope="module")
def run(place: Place) -> Iterator[Run]:
    """Return what lets all do a task at once, and adds up what they count.

    Each task is done once for each backend.
    """
    asyncio.run(_prepare(place))
    # Eight pools of ten connections are more than PostgreSQL takes by default.
    few = {"max_size": 4} if place.backend == "postgres" else {}
    # Eight on two cores wait for one another for longer than one alone ever would.
    theirs = replace(place, options={**place.options, "timeout_seconds": 60.0, **few})
    with Racers("tests.storage.racing", theirs.to_json(), count=PROCESSES) as racers:
        racers.wait()

        def do(task: str) -> Counter[str]:
            racers.begin(task)
            total: Counter[str] = Counter()
            for line in racers.read():
                total.update(json.loads(line))
            return total

        yield do
        racers.finish()


async def test_E14_five_attempts_are_admitted(run: Run, store: Store) -> None:
    assert run("charge") == {"admitted": 5}
    statuses = await store.attempts.status(racing.KEYS, now=START)
    assert [status.failures for status in statuses] == [5, 5]


async def test_M96_one_takes_and_one_claims(run: Run, store: Store) -> None:
    assert run("once") == {"taken": 1, "claimed": 1}
    assert await store.once.take("code", racing.CODE, now=START) is None


async def test_T50_a_quota_is_given_out_once(run: Run, store: Store) -> None:
    assert run("throttle") == {"admitted": 100}
    state = await store.throttles.take(racing.CODE, racing.RULE, now=START)
    assert (state.admitted, state.remaining) == (False, 0)


async def test_S30_one_session_takes_the_place_of_another(run: Run, store: Store) -> None:
    assert run("take_place") == {"replaced": 1}
    (living,) = await store.sessions.list_for("place", now=START)
    assert living.version == 2
    assert await store.sessions.load(racing.PLACE.digest, now=START) is None


async def test_no_save_is_lost(run: Run, store: Store) -> None:
    assert run("count_up") == {"saved": racing.SAVES * PROCESSES}
    found = await store.sessions.load(racing.COUNTER.digest, now=START)
    assert found is not None
    assert int(found.data) == racing.SAVES * PROCESSES


async def test_no_more_sessions_than_allowed(run: Run, store: Store) -> None:
    assert run("sign_in") == {"evicted": 10 * PROCESSES - 3}
    assert len(await store.sessions.list_for("grace", now=START)) == 3


async def test_the_latest_revocation_stands(run: Run, store: Store) -> None:
    run("revoke")
    ends = [(turn * 7 + number * 3) % 50 + 1 for turn in range(10) for number in range(PROCESSES)]
    latest = START + max(ends)

    async def ask(now: float, issued_at: float) -> tuple[bool, bool]:
        by_subject: dict[str, Any] = {"subject": racing.CODE, "issued_at": issued_at}
        return (
            await store.revocations.is_revoked([racing.CODE], now=now),
            await store.revocations.is_revoked([], now=now, **by_subject),
        )

    assert await ask(latest - 0.5, latest) == (True, True)
    assert await ask(latest - 0.5, latest + 0.5) == (True, False)
    assert await ask(latest, latest) == (False, False)


async def test_R81_a_refresh_token_is_used_up_once(run: Run, store: Store) -> None:
    assert run("advance") == {"Rotated": 1, "Retried": 5 * PROCESSES - 1}
    found = await store.refresh.load_family(racing.FAMILY.digest, now=START)
    assert found is not None
    assert found.generation == 1
    assert run("reuse") == {"first": 1}
    assert await store.refresh.load_family(racing.FAMILY.digest, now=START) is None
    answer = await store.refresh.advance(
        racing.FAMILY.digest, 7, grace_seconds=30.0, idle_expires_at=racing.LATER, now=START
    )
    assert isinstance(answer, FamilyGone)


async def test_a_chain_does_not_fork(run: Run, store: Store) -> None:
    run("append")
    records = await store.audit.read("main")
    assert [record.sequence for record in records] == list(range(1, 5 * PROCESSES + 1))
    for before, after in pairwise(records):
        assert after.previous == before.mac


async def test_a_name_is_registered_once(run: Run, store: Store) -> None:
    assert run("register") == {"registered": 1}
    assert await store.accounts.find("ada@example.com") is not None
