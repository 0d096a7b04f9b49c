"""Claims that follow their subject, and subjects who may not go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.errors import StorageError
from asgi_security.flows.jwt import Refused
from asgi_security.flows.refresh import RefreshRefused, Unavailable, renew_from_accounts
from asgi_security.flows.refresh_renewal import RenewalFailedError, ask_renewal
from asgi_security.policy.refresh_grants import RefreshGrant
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.protocols import Account
from tests.flows.refreshing import Logins

if TYPE_CHECKING:
    from asgi_security.testing import EventRecorder, FakeClock

pytestmark = pytest.mark.anyio

GRANT = RefreshGrant(claims={"roles": ["old"]}, auth_time=0.0)


async def renew_later(subject: str, grant: RefreshGrant) -> dict[str, Any]:
    return {"subject": subject, **grant.claims}


def raise_it(_subject: str, _grant: RefreshGrant) -> None:
    raise KeyError("secret details")


def fail_it(_subject: str, _grant: RefreshGrant) -> None:
    raise StorageError("secret details")


async def test_hooks_answer_at_once_or_later() -> None:
    assert await ask_renewal(None, "ada", GRANT) == {"roles": ["old"]}
    assert await ask_renewal(lambda *_: {"a": 1}, "ada", GRANT) == {"a": 1}
    assert await ask_renewal(renew_later, "ada", GRANT) == {"subject": "ada", "roles": ["old"]}
    assert await ask_renewal(lambda *_: None, "ada", GRANT) is None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"exp": 2**40}, id="R93 a claim that outlives"),
        pytest.param({"sub": "bob"}, id="somebody else"),
        pytest.param({"x": object()}, id="no JSON"),
        pytest.param(["roles"], id="no mapping"),
    ],
)
async def test_what_can_be_no_claims_is_a_failure(answer: Any) -> None:
    with pytest.raises(RenewalFailedError):
        await ask_renewal(lambda *_: answer, "ada", GRANT)


async def test_a_hook_that_fails(clock: FakeClock, events: EventRecorder) -> None:
    store = MemoryStore()
    pair = await Logins(store, clock, events).open()
    for hook, name in ((raise_it, "refresh_renewal_failed"), (fail_it, "refresh_store_failed")):
        failing = Logins(store, clock, events, renewal=hook)
        assert await failing.tokens.refresh(pair.refresh_token) == Unavailable()
        assert events.names[-1] == name
    assert "secret details" not in str(events.events)
    await Logins(store, clock, events).refresh(pair)  # nothing is lost by it


async def test_V78_a_hook_that_hangs_is_not_waited_for(
    clock: FakeClock, events: EventRecorder
) -> None:
    async def hang(*_: object) -> None:
        await anyio.sleep_forever()

    logins = Logins(MemoryStore(), clock, events, renewal=hang, store_timeout_seconds=0.02)
    pair = await logins.open()
    assert await logins.tokens.refresh(pair.refresh_token) == Unavailable()


async def test_P18_claims_follow_the_account_and_a_disabled_one_ends(
    clock: FakeClock, events: EventRecorder
) -> None:
    store = MemoryStore()
    accounts: dict[str, Account] = {"ada": Account("ada", "ada@example.com", roles=("admin",))}

    class Table:
        async def load(self, account_id: str) -> Account | None:
            return accounts.get(account_id)

    table: Any = Table()
    renewal = renew_from_accounts(table, lambda account: {"roles": list(account.roles)})
    logins = Logins(store, clock, events, renewal=renewal)
    pair = await logins.open(claims={"roles": ["admin"]})
    accounts["ada"] = Account("ada", "ada@example.com", roles=("user",))
    pair = await logins.refresh(pair)
    assert (await logins.read_claims(pair))["roles"] == ["user"]
    unknown = await logins.open("bob")
    accounts["ada"] = Account("ada", "ada@example.com", is_active=False)
    for each in (pair, unknown):
        outcome = await logins.tokens.refresh(each.refresh_token)
        assert outcome == RefreshRefused("subject_refused")
        assert isinstance(outcome, RefreshRefused)
        assert (outcome.code, outcome.ends_cookie) == ("invalid_grant", True)
        assert await logins.call_api(each.access_token) == Refused("revoked")
        assert await logins.tokens.refresh(each.refresh_token) == RefreshRefused("gone")
