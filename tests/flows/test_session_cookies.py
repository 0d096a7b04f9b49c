"""Sessions in cookies that a store can revoke; what needs no store is in `middleware/`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asgi_security.flows.revocations import revoke_subject
from asgi_security.storage.memory import MemoryStore
from tests.middleware.browser import DELETION, NAME, Browser, Watching, login, same, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.policy.session_state import Session
    from asgi_security.testing import EventRecorder, FakeClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def revocations() -> Watching:
    return Watching(MemoryStore().revocations)


@pytest.fixture
def browser(clock: FakeClock, events: EventRecorder, revocations: Watching) -> Browser:
    return Browser(clock, events, revocations=revocations)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda s: s.logout(), id="S37 logout"),
        pytest.param(lambda s: s.regenerate(), id="S37 S30 a new id"),
        pytest.param(login("bob"), id="S37 S31 a login"),
    ],
)
async def test_an_old_cookie_is_dead(browser: Browser, act: Callable[[Session], object]) -> None:
    await browser.visit(login())
    old = [f"{NAME}={browser.cookie}"]
    await browser.visit(lambda s: s.user)
    assert browser.said == "ada"
    await browser.visit(act)
    browser.clock.advance(1700)
    await browser.visit(lambda s: s.user, cookie_lines=old)
    assert browser.said is None


async def test_S37_without_them_a_logout_is_the_browsers_alone(browser: Browser) -> None:
    browser.fields["revocations"] = None
    await browser.visit(login())
    old = [f"{NAME}={browser.cookie}"]
    await browser.visit(lambda s: s.logout())
    await browser.visit(lambda s: s.user, cookie_lines=old)
    assert browser.said == "ada"


async def test_S33_a_slow_request_cannot_undo_a_logout(
    browser: Browser, revocations: Watching
) -> None:
    await browser.visit(login())
    cookie = [f"{NAME}={browser.cookie}"]
    browser.clock.advance(200)
    await browser.visit(show, cookie_lines=cookie)
    slow = [f"{NAME}={browser.cookie}"]
    await browser.visit(lambda s: s.logout(), cookie_lines=cookie)
    await browser.visit(lambda s: s.user, cookie_lines=slow)
    assert browser.said is None


async def test_S35_all_of_a_users_sessions(browser: Browser, revocations: Watching) -> None:
    await browser.visit(login())
    other = same(browser)
    await other.visit(login("bob"))
    now = browser.clock()
    await revoke_subject("ada", revocations, before=now, expires_at=now + 43200)
    for device, user in ((browser, None), (other, "bob")):
        await device.visit(lambda s: s.user)
        assert device.said == user


async def test_S39_an_outage(browser: Browser, revocations: Watching) -> None:
    await browser.visit(login())
    revocations.failing = ("is_revoked",)
    assert (await browser.visit(show)).status == 503
    revocations.failing = ("revoke",)
    answered = await browser.visit(lambda s: s.regenerate())
    assert (answered.status, answered.values("set-cookie")) == (200, [])
    answered = await browser.visit(lambda s: s.logout())
    assert answered.values("set-cookie") == [DELETION]
    assert browser.events.names == ["session_load_failed", *["session_save_failed"] * 2]


async def test_S42_junk_asks_nobody(browser: Browser, revocations: Watching) -> None:
    browser.cookie = "junk"
    await browser.visit(show)
    browser.cookie = None
    await browser.visit(show)
    assert revocations.calls == []
