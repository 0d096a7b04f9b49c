"""Eight processes at one store, on every backend that they can share."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.storage.opening import open_store
from asgi_security.storage.protocols import FamilyGone
from asgi_security.testing.contracts.expecting import START
from tests.storage import racing
from tests.storage.postgres_servers import URL as POSTGRES_URL
from tests.storage.postgres_servers import provide_schema
from tests.storage.redis_servers import URL as REDIS_URL
from tests.storage.redis_servers import fresh_prefix

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from asgi_security.storage.protocols import Store

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
PROCESSES = 8

schema = pytest.fixture(scope="module")(provide_schema)


@pytest.fixture(scope="module")
def prefix() -> Iterator[str]:
    with fresh_prefix() as made:
        yield made


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=["sqlite", "redis", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('races') / 'x.db'}?timeout_seconds=60"
    if request.param == "redis":
        return f"{REDIS_URL}?timeout_seconds=60&prefix={request.getfixturevalue('prefix')}"
    own = request.getfixturevalue("schema")
    return f"{POSTGRES_URL}?timeout_seconds=60&max_size=4&schema={own}"


class Racers:
    """The processes, ready to begin."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        command = [sys.executable, "-W", "error", "-m", "tests.storage.racing", url]
        self._processes = [
            subprocess.Popen(
                [*command, str(number)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            for number in range(PROCESSES)
        ]
        for process in self._processes:
            stack.enter_context(process)
        assert [self._read(process) for process in self._processes] == ["ready"] * PROCESSES

    def run(self, task: str) -> Counter[str]:
        """Let all do the task at once; return the sum of what they count."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{task}\n")
            process.stdin.flush()
        total: Counter[str] = Counter()
        for process in self._processes:
            total.update(json.loads(self._read(process)))
        return total

    def finish(self) -> None:
        """End them, and check that they end well."""
        for process in self._processes:
            process.communicate(timeout=60)
        assert [process.returncode for process in self._processes] == [0] * PROCESSES

    @staticmethod
    def _read(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()


async def _prepare(url: str) -> None:
    async with open_store(url) as store:
        await racing.prepare(store)


@pytest.fixture(scope="module")
def racers(url: str) -> Iterator[Racers]:
    """Return the processes; each task is done once for each backend."""
    asyncio.run(_prepare(url))
    with ExitStack() as stack:
        made = Racers(url, stack)
        yield made
        made.finish()


@pytest.fixture
async def store(url: str, anyio_backend: str) -> AsyncIterator[Store]:
    async with open_store(url) as opened:
        yield opened


async def test_E14_five_attempts_are_admitted(racers: Racers, store: Store) -> None:
    assert racers.run("charge") == {"admitted": 5}
    statuses = await store.attempts.status(racing.KEYS, now=START)
    assert [status.failures for status in statuses] == [5, 5]


async def test_M96_one_takes_and_one_claims(racers: Racers, store: Store) -> None:
    assert racers.run("once") == {"taken": 1, "claimed": 1}
    assert await store.once.take("code", racing.CODE, now=START) is None


async def test_T50_a_quota_is_given_out_once(racers: Racers, store: Store) -> None:
    assert racers.run("throttle") == {"admitted": 100}
    state = await store.throttles.take(racing.CODE, racing.RULE, now=START)
    assert (state.admitted, state.remaining) == (False, 0)


async def test_S30_one_session_takes_the_place_of_another(racers: Racers, store: Store) -> None:
    assert racers.run("take_place") == {"replaced": 1}
    (living,) = await store.sessions.list_for("place", now=START)
    assert living.version == 2
    assert await store.sessions.load(racing.PLACE.digest, now=START) is None


async def test_no_save_is_lost(racers: Racers, store: Store) -> None:
    assert racers.run("count_up") == {"saved": racing.SAVES * PROCESSES}
    found = await store.sessions.load(racing.COUNTER.digest, now=START)
    assert found is not None
    assert int(found.data) == racing.SAVES * PROCESSES


async def test_no_more_sessions_than_allowed(racers: Racers, store: Store) -> None:
    assert racers.run("sign_in") == {"evicted": 10 * PROCESSES - 3}
    assert len(await store.sessions.list_for("grace", now=START)) == 3


async def test_the_latest_revocation_stands(racers: Racers, store: Store) -> None:
    racers.run("revoke")
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


async def test_R81_a_refresh_token_is_used_up_once(racers: Racers, store: Store) -> None:
    assert racers.run("advance") == {"Rotated": 1, "Retried": 5 * PROCESSES - 1}
    found = await store.refresh.load_family(racing.FAMILY.digest, now=START)
    assert found is not None
    assert found.generation == 1
    assert racers.run("reuse") == {"first": 1}
    assert await store.refresh.load_family(racing.FAMILY.digest, now=START) is None
    answer = await store.refresh.advance(
        racing.FAMILY.digest, 7, grace_seconds=30.0, idle_expires_at=racing.LATER, now=START
    )
    assert isinstance(answer, FamilyGone)


async def test_a_chain_does_not_fork(racers: Racers, store: Store) -> None:
    racers.run("append")
    records = await store.audit.read("main")
    assert [record.sequence for record in records] == list(range(1, 5 * PROCESSES + 1))
    for before, after in pairwise(records):
        assert after.previous == before.mac


async def test_a_name_is_registered_once(racers: Racers, store: Store) -> None:
    assert racers.run("register") == {"registered": 1}
    assert await store.accounts.find("ada@example.com") is not None
