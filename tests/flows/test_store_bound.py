"""The time that a store is given."""

from __future__ import annotations

import anyio
import pytest

from asgi_security.errors import StorageError
from asgi_security.flows.store_bound import StoreBound

pytestmark = pytest.mark.anyio


async def test_D59_what_takes_too_long_is_a_storage_error() -> None:
    for shield in (False, True):
        with pytest.raises(StorageError), StoreBound(0.01, shield=shield):
            await anyio.sleep_forever()


async def test_other_errors_pass() -> None:
    with pytest.raises(LookupError), StoreBound(1):
        raise LookupError


@pytest.mark.parametrize("shield", [False, True])
async def test_a_shield_keeps_a_cancellation_away(*, shield: bool) -> None:
    ended = False
    with anyio.CancelScope() as scope:
        scope.cancel()
        with StoreBound(1, shield=shield):
            await anyio.lowlevel.checkpoint()
            ended = True
    assert ended is shield
