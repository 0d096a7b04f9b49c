"""Abuse of refresh tokens on every backend: many at once, and copies in foreign hands."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from asgi_security.flows.jwt import Refused
from asgi_security.flows.refresh import FamiliesEnded, Refreshed, RefreshRefused
from asgi_security.testing.contracts.expecting import race
from tests.flows.refreshing import Logins
from tests.storage import backends

if TYPE_CHECKING:
    from asgi_security.storage.protocols import Store
    from asgi_security.testing import EventRecorder, FakeClock

pytestmark = [pytest.mark.anyio, backends.on(*backends.ALL)]


@pytest.fixture
def logins(store: Store, clock: FakeClock, events: EventRecorder) -> Logins:
    return Logins(store, clock, events, store_timeout_seconds=backends.SECONDS)


async def test_R81_a_hundred_uses_of_one_token_have_one_successor(logins: Logins) -> None:
    first = await logins.open()

    async def use(_number: int) -> tuple[str, str, bool]:
        outcome = await logins.tokens.refresh(first.refresh_token)
        assert isinstance(outcome, Refreshed)
        return outcome.pair.refresh_token, outcome.pair.access_token, outcome.is_retry

    answers = await race(100, use)
    assert len({refresh for refresh, _, _ in answers}) == 1
    assert len({access for _, access, _ in answers}) == 100
    assert Counter(retry for _, _, retry in answers) == {True: 99, False: 1}
    listed = await logins.tokens.list_for("ada")
    assert isinstance(listed, tuple)
    assert len(listed) == 1


async def test_R83_a_stolen_token_ends_the_login_of_all(logins: Logins) -> None:
    first = await logins.open()
    second = await logins.refresh(first)
    third = await logins.refresh(second)

    async def steal(number: int) -> object:
        return await logins.tokens.refresh((first, second)[number % 2].refresh_token)

    logins.clock.advance(60)
    outcomes = await race(100, steal)
    assert outcomes == [RefreshRefused("reused")] * 100
    alarms = [each for each in logins.events.events if each.name == "refresh_reuse"]
    assert Counter(each.severity.name for each in alarms) == {"WARNING": 1, "INFO": 99}
    assert await logins.tokens.refresh(third.refresh_token) == RefreshRefused("reused")
    for pair in (first, second, third):
        assert await logins.call_api(pair.access_token) == Refused("revoked")


async def test_P20_a_logout_in_the_middle_of_refreshes_is_the_last_word(logins: Logins) -> None:
    first = await logins.open()

    async def run(number: int) -> object:
        if number == 40:
            return await logins.tokens.revoke_subject("ada")
        return await logins.tokens.refresh(first.refresh_token)

    outcomes = await race(100, run)
    assert FamiliesEnded((first.handle,)) in outcomes
    for outcome in outcomes:
        if isinstance(outcome, Refreshed):
            pair = outcome.pair
            assert await logins.tokens.refresh(pair.refresh_token) == RefreshRefused("gone")
            assert await logins.call_api(pair.access_token) == Refused("revoked")
    assert await logins.tokens.list_for("ada") == ()
