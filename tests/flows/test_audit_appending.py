"""Many append at once, some are cancelled, and stores fail: the chain stays one."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.errors import StorageError
from asgi_security.flows import audit_appending
from asgi_security.flows.audit import AuditEntry, Verified
from tests.flows.audit_logs import Scene

if TYPE_CHECKING:
    from asgi_security.flows.audit import AuditLog

pytestmark = pytest.mark.anyio


@pytest.fixture
async def scene(anyio_backend: str) -> Scene:
    return Scene(store_timeout_seconds=20)


async def record(log: AuditLog, name: str, outcomes: dict[str, str] | None = None) -> None:
    try:
        await log.record(AuditEntry(action=name))
    except StorageError:
        outcome = "failed"
    else:
        outcome = "stored"
    if outcomes is not None:
        outcomes[name] = outcome


async def record_all(logs: list[AuditLog], count: int, *, prefix: str = "n") -> dict[str, str]:
    outcomes: dict[str, str] = {}
    async with anyio.create_task_group() as group:
        for number in range(count):
            log = logs[number % len(logs)]
            group.start_soon(record, log, f"{prefix}{number}", outcomes)
    return outcomes


def actions(scene: Scene) -> list[str]:
    return [one.action for one in scene.stored()]


async def verify(scene: Scene) -> int:
    found = await scene.log.verify()
    assert isinstance(found, Verified)
    return found.count


async def test_H84_what_comes_at_once_goes_in_few_calls(scene: Scene) -> None:
    outcomes = await record_all([scene.log], 250)
    assert set(outcomes.values()) == {"stored"}
    assert await verify(scene) == 250
    assert sorted(scene.between.batches, reverse=True)[:2] == [100, 100]
    assert len(scene.between.batches) <= 4
    assert scene.between.reads == 1 + 4  # the first end; head, pages and head to verify


async def test_H84_alone_an_append_is_one_call(scene: Scene) -> None:
    for _ in range(5):
        await record(scene.log, "x")
    assert scene.between.batches == [1] * 5
    assert scene.between.reads == 1  # the end of the chain is remembered


async def test_H84_those_who_wait_keep_their_order(scene: Scene) -> None:
    came: list[str] = []

    async def come(number: int) -> None:
        came.append(f"n{number}")  # a loop may start its tasks in any order
        await record(scene.log, came[-1])

    async with anyio.create_task_group() as group:
        for number in range(150):
            group.start_soon(come, number)
    assert actions(scene) == came


async def test_H84_a_hundred_appenders_of_four_logs(scene: Scene) -> None:
    async def let_others_go_first() -> None:
        await anyio.lowlevel.checkpoint()

    scene.between.before = let_others_go_first
    logs = [scene.log, *(scene.open(store_timeout_seconds=20) for _ in range(3))]
    outcomes = await record_all(logs, 100)
    assert Counter(outcomes.values()) == {"stored": 100}
    assert len(set(actions(scene))) == 100
    assert await verify(scene) == 100


async def test_chains_do_not_wait_for_one_another(scene: Scene) -> None:
    gate, entered = anyio.Event(), []

    async def hold() -> None:
        entered.append(1)
        if len(entered) == 1:
            await gate.wait()

    scene.between.before = hold
    async with anyio.create_task_group() as group:
        group.start_soon(record, scene.log, "held")
        await anyio.wait_all_tasks_blocked()
        await scene.log.record(AuditEntry(action="free", tenant="a"))
        assert len(scene.stored("tenant:a")) == 1
        gate.set()
    assert actions(scene) == ["held"]


class TestCancelled:
    async def start(self, scene: Scene, names: list[str]) -> Any:
        """Start some recorders, the first of which is held within its call."""
        gate, entered = anyio.Event(), []
        self.scopes: dict[str, anyio.CancelScope] = {}
        self.outcomes: dict[str, str] = {}

        async def hold() -> None:
            entered.append(1)
            if len(entered) == 1:
                await gate.wait()

        async def run(name: str) -> None:
            with anyio.CancelScope() as self.scopes[name]:
                await record(scene.log, name, self.outcomes)

        scene.between.before = hold
        group = anyio.create_task_group()
        await group.__aenter__()
        for name in names:
            group.start_soon(run, name)
            await anyio.wait_all_tasks_blocked()
        return gate, group

    async def test_one_who_is_in_a_call_is_recorded_with_all_others(self, scene: Scene) -> None:
        gate, group = await self.start(scene, ["leads", "follows", "last"])
        self.scopes["leads"].cancel()
        await anyio.wait_all_tasks_blocked()
        gate.set()
        await group.__aexit__(None, None, None)
        assert actions(scene) == ["leads", "follows", "last"]
        assert await verify(scene) == 3

    async def test_one_who_waits_is_cleanly_not(self, scene: Scene) -> None:
        gate, group = await self.start(scene, ["leads", "follows", "last"])
        self.scopes["follows"].cancel()
        await anyio.wait_all_tasks_blocked()
        gate.set()
        await group.__aexit__(None, None, None)
        assert self.outcomes == {"leads": "stored", "last": "stored"}
        assert actions(scene) == ["leads", "last"]

    async def test_all_who_wait(self, scene: Scene) -> None:
        gate, group = await self.start(scene, ["leads", "follows", "last"])
        for scope in self.scopes.values():
            scope.cancel()
        gate.set()
        await group.__aexit__(None, None, None)
        assert actions(scene) == ["leads"]
        await record(scene.log, "later")
        assert actions(scene) == ["leads", "later"]


class TestTasksCancelledPastTheShield:
    """asyncio's own `Task.cancel` knows no shields."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.mark.parametrize("moment", ["before", "after"])
    async def test_the_next_one_repeats_the_same_call(self, scene: Scene, moment: str) -> None:
        gate, entered = anyio.Event(), []

        async def hold() -> None:
            entered.append(1)
            if len(entered) == 2:  # the call with two of them
                await gate.wait()

        setattr(scene.between, moment, hold)
        outcomes: dict[str, str] = {}
        first = asyncio.create_task(record(scene.log, "first", outcomes))
        await anyio.wait_all_tasks_blocked()
        await first
        tasks = [
            asyncio.create_task(record(scene.log, name, outcomes)) for name in ("leads", "follows")
        ]
        await anyio.wait_all_tasks_blocked()
        tasks[0].cancel()
        await asyncio.wait(tasks)
        assert outcomes == {"first": "stored", "follows": "stored"}
        recorded = actions(scene)
        assert recorded[:2] == ["first", "leads"]
        assert recorded.count("leads") == 1
        assert recorded.count("follows") == 1
        assert await verify(scene) == len(recorded)


class TestFailures:
    async def test_H91_a_store_that_is_down_fails_all_and_loses_nothing_later(
        self, scene: Scene
    ) -> None:
        await record(scene.log, "before")
        scene.between.is_down = True
        outcomes = await record_all([scene.log], 50)
        assert set(outcomes.values()) == {"failed"}
        scene.between.is_down = False
        await record(scene.log, "after")
        assert actions(scene) == ["before", "after"]

    async def test_H84_a_lost_answer_forks_nothing(self, scene: Scene) -> None:
        await record(scene.log, "before")
        scene.between.lost = 1
        outcomes: dict[str, str] = {}
        await record(scene.log, "unclear", outcomes)
        assert outcomes == {"unclear": "failed"}  # its caller is told that nobody knows
        await record(scene.log, "after")
        assert actions(scene) == ["before", "unclear", "after"]
        assert await verify(scene) == 3

    async def test_a_store_that_does_not_answer_holds_nobody_for_long(
        self, anyio_backend: str
    ) -> None:
        scene = Scene(store_timeout_seconds=0.05)

        async def never() -> None:
            await anyio.sleep_forever()

        scene.between.before = never
        with anyio.fail_after(20):
            outcomes = await record_all([scene.log], 250)
        assert set(outcomes.values()) == {"failed"}
        scene.between.before = None
        await record(scene.log, "after")
        assert actions(scene) == ["after"]

    async def test_a_chain_that_always_moves_ends_the_tries(self, anyio_backend: str) -> None:
        scene = Scene(max_tries=5, store_timeout_seconds=20)
        rival = scene.open()
        await record(scene.log, "first")
        inner = scene.between.inner

        class Rival:
            def __getattr__(self, name: str) -> Any:
                return getattr(inner, name)

            async def append(self, records: Any, *, after: Any) -> Any:
                scene.between.inner = inner
                await rival.record(AuditEntry(action="rival"))
                scene.between.inner = self
                return await inner.append(records, after=after)

        scene.between.inner = Rival()
        outcomes: dict[str, str] = {}
        await record(scene.log, "late", outcomes)
        assert outcomes == {"late": "failed"}
        assert actions(scene) == ["first", *["rival"] * 5]

    async def test_a_store_that_raises_anything_else_blocks_nobody(self, scene: Scene) -> None:
        async def explode() -> None:
            raise LookupError

        scene.between.before = explode
        with pytest.raises(LookupError):
            await scene.log.record(AuditEntry(action="x"))
        scene.between.before = None
        await record(scene.log, "after")
        assert actions(scene) == ["after"]

    async def test_H84_stored_before_and_others_came_since(self, scene: Scene) -> None:
        """The answer of a repeated call names a head that is not ours: it is asked for anew."""
        rival = scene.open()
        inner = scene.between.inner

        class Forgetful:
            def __getattr__(self, name: str) -> Any:
                return getattr(inner, name)

            async def append(self, records: Any, *, after: Any) -> Any:
                scene.between.inner = inner
                await inner.append(records, after=after)
                await rival.record(AuditEntry(action="rival"))
                return await inner.append(records, after=after)

        scene.between.inner = Forgetful()
        await record(scene.log, "once")
        await record(scene.log, "then")
        assert actions(scene) == ["once", "rival", "then"]
        assert await verify(scene) == 3


async def test_the_ends_of_many_chains_are_bounded(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_appending, "MOST_ENDS", 10)
    for number in range(30):
        await scene.log.record(AuditEntry(action="x", tenant=f"{number}"))
    assert len(scene.log._appender._ends) == 10
    await scene.log.record(AuditEntry(action="x", tenant="29"))
    await scene.log.record(AuditEntry(action="x", tenant="0"))
    assert len(scene.stored("tenant:0")) == len(scene.stored("tenant:29")) == 2
    assert scene.log._appender._queues.get() == {}  # nobody waits, nothing is kept


async def test_tries_are_spread_by_chance(scene: Scene) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    for log in (scene.log, rival := scene.open()):
        log._appender._sleep = sleep
    inner = scene.between.inner

    class Rival:
        turns = 4

        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        async def append(self, records: Any, *, after: Any) -> Any:
            if self.turns:
                self.turns -= 1
                scene.between.inner = inner
                await rival.record(AuditEntry(action="rival"))
                scene.between.inner = self
            return await inner.append(records, after=after)

    scene.between.inner = Rival()
    await record(scene.log, "late")
    assert actions(scene)[-1] == "late"
    assert len(pauses) == 3  # the first repetition is made at once
    assert len(set(pauses)) > 1
    assert all(0 <= pause <= 0.05 for pause in pauses)


def test_one_log_in_two_event_loops_at_once() -> None:
    scene = Scene(store_timeout_seconds=20)

    def run(prefix: str) -> None:
        async def main() -> None:
            await record_all([scene.log], 100, prefix=prefix)

        anyio.run(main)

    threads = [threading.Thread(target=run, args=(prefix,)) for prefix in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(actions(scene))) == 300
