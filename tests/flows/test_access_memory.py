from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest

from asgi_security.flows.access_memory import AccessMemory, is_async

pytestmark = pytest.mark.anyio


class Loader:
    """Counts what it loads, and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.keys: list[object] = []
        self.failures = failures

    async def __call__(self, key: object) -> object:
        self.keys.append(key)
        await anyio.lowlevel.checkpoint()
        if self.failures:
            self.failures -= 1
            raise LookupError
        return f"record {key}"


async def test_Y108_a_hundred_at_once_load_once() -> None:
    memory, load, found = AccessMemory(), Loader(), []

    async def ask() -> None:
        found.append(await memory.load(("slot", 1), load, 1))

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(ask)
    assert (load.keys, set(found), len(found)) == ([1], {"record 1"}, 100)
    assert await AccessMemory().load(("slot", 1), load, 1) == "record 1"
    assert load.keys == [1, 1]  # nothing crosses requests


async def test_Y108_errors_are_not_kept_and_do_not_reach_those_who_wait() -> None:
    memory, load = AccessMemory(), Loader(failures=1)
    outcomes: list[Any] = []

    async def ask() -> None:
        try:
            outcomes.append(await memory.load("slot", load, 1))
        except LookupError:
            outcomes.append("failed")

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(ask)
    assert sorted(outcomes) == ["failed", "record 1", "record 1"]
    assert load.keys == [1, 1]


async def test_Y108_who_is_cancelled_while_loading_blocks_nobody() -> None:
    memory, load = AccessMemory(), Loader()

    async def hang(key: object) -> object:
        await anyio.sleep_forever()
        return key

    with anyio.move_on_after(0.01):
        await memory.load("slot", hang, 1)
    assert await memory.load("slot", load, 1) == "record 1"


async def test_none_is_kept_too() -> None:
    memory = AccessMemory()
    keys: list[object] = []
    for _ in range(2):
        assert await memory.load("slot", keys.append, 1) is None
        assert memory.load_now("slot", keys.append, 1) is None
    assert keys == [1]


async def test_keys_without_a_hash_are_loaded_each_time() -> None:
    memory, load = AccessMemory(), Loader()
    slot: Any = ("slot", ["x"])
    for _ in range(2):
        assert await memory.load(slot, load, "x") == "record x"
        assert memory.load_now(slot, str, 7) == "7"
    assert load.keys == ["x", "x"]


def test_plain_functions_load_once() -> None:
    memory, keys = AccessMemory(), []

    def load(key: int) -> int:
        keys.append(key)
        return key

    assert [memory.load_now("slot", load, 7) for _ in range(3)] == [7, 7, 7]
    assert keys == [7]


def test_notes_are_first_once() -> None:
    memory = AccessMemory()
    assert [memory.note("a"), memory.note("a"), memory.note("b")] == [True, False, True]


async def later(key: object) -> None:
    """Wait for nothing."""


@pytest.mark.parametrize(
    ("function", "awaits"),
    [
        (later, True),
        (partial(partial(later), 1), True),
        (Loader(), True),
        (str, False),
        (partial(str), False),
        (lambda key: key, False),
    ],
)
def test_is_async(function: Any, awaits: bool) -> None:  # noqa: FBT001 -- a parametrized value
    assert is_async(function) is awaits
