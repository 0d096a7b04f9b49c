from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio import to_thread

from asgi_security.flows.access_driving import run, run_now

if TYPE_CHECKING:
    from asgi_security.flows.access_driving import Steps

pytestmark = pytest.mark.anyio


async def add_one(number: int) -> int:
    await anyio.lowlevel.checkpoint()
    return number + 1


async def fail() -> int:
    raise LookupError


def count(*pending: Any) -> Steps[list[object]]:
    """Await each in turn, and return what became of them."""
    seen: list[object] = []
    for waiting in pending:
        try:
            seen.append((yield waiting))
        except Exception as error:  # noqa: BLE001 -- what arrives is tested
            seen.append(type(error).__name__)
    return seen


async def test_results_and_errors_go_back_in() -> None:
    assert await run(count(add_one(1), fail(), add_one(2)), timeout_seconds=1) == [
        2,
        "LookupError",
        3,
    ]
    assert await run(count(), timeout_seconds=1) == []
    assert await run(count(add_one(1), fail()), timeout_seconds=1) == [2, "LookupError"]


async def test_Z110_what_takes_too_long_is_an_error() -> None:
    assert await run(count(anyio.sleep_forever(), add_one(1)), timeout_seconds=0.01) == [
        "TimeoutError",
        2,
    ]


async def test_what_the_check_raises_comes_out() -> None:
    def steps() -> Steps[None]:
        yield fail()

    with pytest.raises(LookupError):
        await run(steps(), timeout_seconds=1)
    with pytest.raises(LookupError):
        await to_thread.run_sync(lambda: run_now(steps(), timeout_seconds=1))


async def test_a_worker_thread_asks_its_loop() -> None:
    def work() -> list[object]:
        return run_now(count(add_one(1), fail(), anyio.sleep_forever()), timeout_seconds=0.01)

    assert await to_thread.run_sync(work) == [2, "LookupError", "TimeoutError"]


async def test_the_loops_own_thread_cannot_wait_for_itself() -> None:
    (outcome,) = run_now(count(add_one(1)), timeout_seconds=1)
    assert str(outcome).endswith("Error")


def test_without_a_loop_nothing_can_be_awaited() -> None:
    (outcome,) = run_now(count(add_one(1)), timeout_seconds=1)
    assert str(outcome).endswith("Error")
    assert run_now(count(), timeout_seconds=1) == []
