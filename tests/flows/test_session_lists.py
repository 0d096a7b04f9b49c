"""A user's sessions: listed, revoked, limited, and voided by an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asgi_security.flows.sessions import (
    list_sessions,
    revoke_all_sessions,
    revoke_other_sessions,
    revoke_session,
)
from asgi_security.middleware.sessions import SessionMiddleware
from asgi_security.storage.memory import MemoryStore
from asgi_security.testing import call
from tests.middleware.browser import DELETION, S1, Browser, Watching, login, same, write

if TYPE_CHECKING:
    from asgi_security.asgi.types import Receive, Scope, Send
    from asgi_security.policy.session_state import Session
    from asgi_security.testing import EventRecorder, FakeClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def store() -> Watching:
    return Watching(MemoryStore().sessions)


@pytest.fixture
def browser(clock: FakeClock, events: EventRecorder, store: Watching) -> Browser:
    return Browser(clock, events, store=store)


async def test_S35_sessions_are_listed_and_revoked(browser: Browser, store: Watching) -> None:
    phone, laptop, stranger = same(browser), same(browser), same(browser)
    for device in (phone, laptop):
        await device.visit(login())
        browser.clock.advance(1)
    await stranger.visit(login("bob"))
    sessions: dict[str, Session] = {}

    def note(session: Session) -> None:
        sessions["current"] = session
        len(session)

    await laptop.visit(note)
    clock = browser.clock
    listed = await list_sessions(store, "ada", current=sessions["current"], clock=clock)
    assert [info.is_current for info in listed] == [True, False]
    assert [info.created_at for info in listed] == [clock() - 1, clock() - 2]
    assert str(laptop.cookie) not in repr(listed)
    other = listed[1].handle
    assert await revoke_session(store, "bob", other) is False
    assert await revoke_session(store, "ada", other) is True
    await phone.visit(lambda s: s.user)
    assert phone.said is None
    await phone.visit(login())
    assert await revoke_other_sessions(store, "ada", current=sessions["current"]) == 1
    await laptop.visit(lambda s: s.user)
    assert laptop.said == "ada"
    assert await revoke_all_sessions(store, "ada") == 1
    assert await list_sessions(store, "ada", clock=clock) == ()
    await stranger.visit(lambda s: s.user)
    assert stranger.said == "bob"


async def test_S35_a_record_says_who_began_it(browser: Browser, store: Watching) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["asgi_security"].client = "203.0.113.7"
        scope["session"].login("ada")
        await send({"type": "http.response.start", "status": 200, "headers": []})

    guarded = SessionMiddleware(app, store=store, secret=S1, clock=browser.clock)
    await call(guarded, headers={"user-agent": "Fire\x01fox" + "x" * 300})
    await call(SessionMiddleware(app, store=store, clock=browser.clock))
    keyed, unkeyed = await list_sessions(store, "ada", clock=browser.clock)
    if keyed.client is None:
        keyed, unkeyed = unkeyed, keyed
    assert (len(keyed.user_agent), keyed.user_agent[:7]) == (199, "Firefox")
    assert keyed.client is not None
    assert len(keyed.client) == 32
    assert "203.0.113.7" not in repr(store.arguments)
    assert (unkeyed.user_agent, unkeyed.client) == ("", None)


@pytest.mark.parametrize(
    ("on_limit", "alive", "told"),
    [
        pytest.param("evict", [False, True, True, True], "session_evicted", id="S36 evict"),
        pytest.param("refuse", [True, True, True, False], "session_limit_reached", id="S36 refuse"),
    ],
)
async def test_the_limit_of_sessions(
    browser: Browser, on_limit: str, alive: list[bool], told: str
) -> None:
    devices = [same(browser, max_sessions_per_user=3, on_limit=on_limit) for _ in range(4)]
    for device in devices:
        await device.visit(login())
        browser.clock.advance(1)
    assert browser.events.names == [told]
    for device, lives in zip(devices, alive, strict=True):
        await device.visit(lambda s: s.user)
        assert (device.said == "ada") is lives


async def test_S36_signing_in_again_evicts_nobody(browser: Browser) -> None:
    devices = [same(browser, max_sessions_per_user=2, on_limit="refuse") for _ in range(2)]
    for device in (*devices, *devices):
        await device.visit(login())
    for device in devices:
        await device.visit(lambda s: s.user)
        assert device.said == "ada"


async def test_S36_a_refused_login_leaves_nobody_signed_in(browser: Browser) -> None:
    fields = {"max_sessions_per_user": 1, "on_limit": "refuse"}
    await same(browser, **fields).visit(login())
    other = same(browser, **fields)
    await other.visit(write())
    answered = await other.visit(login())
    assert answered.values("set-cookie") == [DELETION]


@pytest.mark.parametrize(
    ("epoch", "user"),
    [
        pytest.param(None, "ada", id="S38 no epoch"),
        pytest.param(999.9, "ada", id="S38 begun after"),
        pytest.param(1000.4, None, id="S38 begun before, in the same second"),
        pytest.param(1000.25, None, id="S38 begun at that very instant"),
        pytest.param(1000, None, id="S38 a whole second counts as before"),
        pytest.param(999, "ada", id="S38 the second before"),
    ],
)
@pytest.mark.parametrize("mode", ["cookie", "store"])
async def test_user_epoch(
    browser: Browser, epoch: float | None, user: str | None, mode: str
) -> None:
    async def ask(asked: str) -> float | None:
        assert asked == "ada"
        return epoch

    browser.clock.now = 1000.25
    if mode == "cookie":
        browser.fields["store"] = None
    for hook in (ask, lambda _: epoch):
        browser.cookie = None
        await browser.visit(login(), user_epoch=hook)
        await browser.visit(lambda s: s.user, user_epoch=hook)
        assert browser.said == user
