from __future__ import annotations

import anyio

from asgi_security.flows.per_loop import PerLoop


def test_each_loop_has_its_own_and_keeps_it() -> None:
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    one, other = PerLoop(make), PerLoop(make)

    async def ask() -> None:
        assert one.get() is one.get()
        assert one.get() is not other.get()

    for backend in ("asyncio", "trio", "asyncio"):
        anyio.run(ask, backend=backend)
    assert len(made) == 6
    assert len(set(map(id, made))) == 6
