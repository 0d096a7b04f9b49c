"""Names that were typed, and the accounts behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.flows.lockout_accounts import Accounts

if TYPE_CHECKING:
    from asgi_security.testing import EventRecorder

pytestmark = pytest.mark.anyio


async def waiting(name: str) -> str:
    return f"<{name}>"


def failing(name: str) -> str:
    raise LookupError(name)


@pytest.mark.parametrize(
    ("key", "typed", "account"),
    [
        pytest.param(None, " BOB", "bob", id="E26 normalised"),
        pytest.param(None, " ", None, id="E25 blank"),
        pytest.param(failing, " ", None, id="E25 the hook is not asked about a blank name"),
        pytest.param(lambda name: f"<{name}>", "BOB", "<bob>", id="E26 hook"),
        pytest.param(waiting, "BOB", "<bob>", id="E26 hook that waits"),
        pytest.param(lambda name: "x" * 400, "BOB", "x" * 400, id="E26 what it gives is kept"),
        pytest.param(lambda name: None, "BOB", "bob", id="E27 unknown to the hook"),
        pytest.param(lambda name: "", "BOB", "bob", id="E25 never a shared empty key"),
        pytest.param(failing, "BOB", "bob", id="E27 failing hook"),
    ],
)
async def test_account(key: Any, typed: str, account: str | None, events: EventRecorder) -> None:
    assert await Accounts(key, None, events=events).resolve(typed) == account
    failed = key is failing and account is not None
    assert events.names == (["account_key_failed"] if failed else [])
    assert "bob" not in repr(events.events)


@pytest.mark.parametrize(
    ("hook", "epoch"), [(None, ""), (waiting, "<bob>"), (failing, None), (lambda name: "7", "7")]
)
async def test_E22_epoch(hook: Any, epoch: str | None, events: EventRecorder) -> None:
    assert await Accounts(None, hook, events=events).find_epoch("bob") == epoch
    assert events.names == (["account_epoch_failed"] if hook is failing else [])
