from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.asgi.exits import build_exits, build_finisher
from asgi_security.asgi.headers import COMMON_NAMES
from asgi_security.asgi.layers import Exchange, Layer

if TYPE_CHECKING:
    from collections.abc import Awaitable

pytestmark = pytest.mark.anyio


class Noting(Layer):
    """Writes its name down when it is left and finished, at once or after waiting."""

    minds = frozenset({b"vary"})

    def __init__(self, name: str, seen: list[str], *, waits: bool) -> None:
        self.name = name
        self.seen = seen
        self.waits = waits

    def leave(self, exchange: Exchange, start: Any) -> Awaitable[None] | None:
        async def wait() -> None:
            self.seen.append(self.name)

        if self.waits:
            return wait()
        self.seen.append(self.name)
        return None

    def finish(self, exchange: Exchange, error: BaseException | None) -> Awaitable[None] | None:
        return self.leave(exchange, {})


def test_layers_that_edit_nothing_have_no_exits() -> None:
    assert build_exits([Layer(), Layer()]) is None
    assert build_finisher([Layer()]) is None


def test_a_single_hook_stays_what_it_is() -> None:
    layer = Noting("a", [], waits=False)
    exits = build_exits([Layer(), layer])
    assert exits is not None
    assert exits.leave == layer.leave
    assert build_finisher([layer, Layer()]) == layer.finish


def test_a_response_that_no_layer_edits_passes_nothing() -> None:
    exits = build_exits([Noting("a", [], waits=False)])
    assert exits is not None
    assert exits.accept(Exchange(), {}) is None


@pytest.mark.parametrize("waiting", range(8))
async def test_hooks_are_called_from_the_innermost_out(waiting: int) -> None:
    seen: list[str] = []
    layers = [
        Noting(name, seen, waits=bool(waiting >> index & 1)) for index, name in enumerate("abc")
    ]
    exits, finisher = build_exits(layers), build_finisher(layers)
    assert exits is not None
    assert finisher is not None
    for hook in (exits.leave, finisher):
        seen.clear()
        pending = hook(Exchange(), {})
        assert (pending is None) == (waiting == 0)
        if pending is not None:
            await pending
        assert seen == ["c", "b", "a"]


async def test_a_layer_that_stands_twice_is_left_twice() -> None:
    seen: list[str] = []
    twice = Noting("a", seen, waits=True)
    exits = build_exits([twice, Noting("b", seen, waits=False), twice])
    assert exits is not None
    pending = exits.leave(Exchange(), {})
    assert pending is not None
    await pending
    assert seen == ["a", "b", "a"]


def test_calm_are_the_common_names_that_nobody_minds() -> None:
    exits = build_exits([Noting("a", [], waits=False), Layer()])
    assert exits is not None
    assert exits.calm == COMMON_NAMES - {b"vary"}
