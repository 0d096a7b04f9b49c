from __future__ import annotations

import pytest

from asgi_security.storage.closing import Closing

pytestmark = pytest.mark.anyio


async def test_it_closes_once_however_the_block_ends() -> None:
    class Counting(Closing):
        closed = 0

        async def aclose(self) -> None:
            self.closed += 1

    store = Counting()
    async with store as same:
        assert same is store
    assert store.closed == 1
    with pytest.raises(LookupError):
        async with store:
            raise LookupError
    assert store.closed == 2


async def test_a_store_that_cannot_close_says_so() -> None:
    with pytest.raises(TypeError, match="how it closes"):
        async with Closing():
            pass
