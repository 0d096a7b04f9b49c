"""Sessions that a store keeps, seen from a browser."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.errors import SessionNotLoadedError, StorageError
from asgi_security.middleware.sessions import SessionMiddleware
from asgi_security.storage.memory import MemoryStore
from asgi_security.testing import call
from tests.middleware.browser import DELETION, NAME, Browser, Watching, login, same, show, write

if TYPE_CHECKING:
    from collections.abc import Callable

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


async def test_S20_an_untouched_session_costs_no_call(browser: Browser, store: Watching) -> None:
    assert (await browser.visit()).headers == []
    assert store.calls == []
    await browser.visit(write())
    store.calls.clear()
    await browser.visit(lazy_load=True)
    assert store.calls == []


async def test_S42_reads_create_nothing(browser: Browser, store: Watching) -> None:
    for _ in range(1000):
        await browser.visit(show)
    browser.cookie = "not-an-id"
    await browser.visit(show)
    assert store.calls == []
    assert len(store.facet) == 0


async def test_S28_the_cookie_is_an_opaque_id_whose_digest_is_stored(
    browser: Browser, store: Watching
) -> None:
    await browser.visit(write())
    assert browser.cookie is not None
    assert len(browser.cookie) == 43
    digest = hashlib.sha256(browser.cookie.encode()).digest()
    record = await store.facet.load(digest, now=browser.clock())
    assert record.data == b'{"a":1}'
    assert browser.cookie not in repr(store.arguments)
    await browser.visit(show)
    assert browser.said == {"a": 1}


async def test_S28_ids_are_made_of_256_unpredictable_bits(browser: Browser) -> None:
    seen: set[str | None] = set()
    for _ in range(50):
        browser.cookie = None
        await browser.visit(write())
        seen.add(browser.cookie)
    assert len(seen) == 50


async def test_S29_an_unknown_id_is_never_adopted(browser: Browser, store: Watching) -> None:
    planted = browser.cookie = "A" * 43
    await browser.visit(show)
    assert browser.said == {}
    await browser.visit(write())
    assert browser.cookie != planted
    assert len(store.facet) == 1
    digest = hashlib.sha256(planted.encode()).digest()
    assert await store.facet.load(digest, now=browser.clock()) is None


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda s: s.regenerate(), id="S30 regenerate"),
        pytest.param(login(), id="S31 login"),
    ],
)
async def test_a_new_id_kills_the_old_before_the_response(
    browser: Browser, store: Watching, act: Callable[[Session], object]
) -> None:
    await browser.visit(write())
    old = browser.cookie
    digest = hashlib.sha256((old or "").encode()).digest()
    alive_at_start: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        act(scope["session"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    guarded = SessionMiddleware(app, store=store, clock=browser.clock)

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        async def look(message: Any) -> None:
            record = await store.facet.load(digest, now=browser.clock())
            alive_at_start.append(record is not None)
            await send(message)

        await guarded(scope, receive, look)

    answered = await call(server, headers={"cookie": f"{NAME}={old}"})
    new = answered.values("set-cookie")[0].partition(";")[0]
    assert alive_at_start == [False]
    await browser.visit(show, cookie_lines=[f"{NAME}={old}"])
    assert browser.said == {}
    await browser.visit(show, cookie_lines=[new])
    assert browser.said == {"a": 1}


async def test_S32_a_logout_deletes_record_and_cookie(browser: Browser, store: Watching) -> None:
    await browser.visit(login())
    old = browser.cookie
    answered = await browser.visit(lambda s: s.logout())
    assert answered.values("set-cookie") == [DELETION]
    assert len(store.facet) == 0
    await browser.visit(lambda s: s.user, cookie_lines=[f"{NAME}={old}"])
    assert browser.said is None


def log_out_and_say(session: Session) -> None:
    session.logout()
    session["flash"] = "bye"


async def test_S32_what_follows_a_logout_is_another_session(browser: Browser) -> None:
    await browser.visit(login())
    old = browser.cookie
    await browser.visit(log_out_and_say)
    assert browser.cookie not in {None, old}
    await browser.visit(lambda s: (s.user, dict(s)))
    assert browser.said == (None, {"flash": "bye"})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(write("late", 1), id="S33 a change"),
        pytest.param(lambda s: s.regenerate(), id="S33 S34 a new id"),
    ],
)
async def test_a_slow_request_cannot_undo_a_logout(
    browser: Browser, store: Watching, change: Callable[[Session], object]
) -> None:
    await browser.visit(login())
    cookie = [f"{NAME}={browser.cookie}"]

    async def log_out() -> None:
        await same(browser).visit(lambda s: s.logout(), cookie_lines=cookie)

    store.before = {"save": log_out, "replace": log_out}
    answered = await browser.visit(change)
    assert answered.values("set-cookie") == []
    assert len(store.facet) == 0
    await browser.visit(lambda s: s.user, cookie_lines=cookie)
    assert browser.said is None


@pytest.mark.parametrize(
    ("on_conflict", "expected"),
    [
        pytest.param("last_wins", {"base": 0, "slow": 1}, id="S34 the last wins"),
        pytest.param("merge", {"base": 0, "slow": 1, "quick": 1}, id="S34 merged"),
    ],
)
async def test_two_changes_at_once(
    browser: Browser, store: Watching, on_conflict: str, expected: dict[str, int]
) -> None:
    await browser.visit(write("base", 0))
    cookie = [f"{NAME}={browser.cookie}"]

    async def be_quick() -> None:
        await same(browser).visit(write("quick", 1), cookie_lines=cookie)

    store.before["save"] = be_quick
    await browser.visit(write("slow", 1), on_conflict=on_conflict)
    await browser.visit(show)
    assert browser.said == expected


async def test_S34_a_new_id_is_not_lost_to_a_change_in_between(
    browser: Browser, store: Watching
) -> None:
    await browser.visit(write())
    old = [f"{NAME}={browser.cookie}"]

    async def change() -> None:
        await same(browser).visit(write("quick", 1), cookie_lines=old)

    store.before["replace"] = change
    await browser.visit(lambda s: s.regenerate(), on_conflict="merge")
    assert [f"{NAME}={browser.cookie}"] != old
    await browser.visit(show)
    assert browser.said == {"a": 1, "quick": 1}
    await browser.visit(show, cookie_lines=old)
    assert browser.said == {}


async def test_S34_endless_conflicts_are_reported(browser: Browser, store: Watching) -> None:
    await browser.visit(write())
    cookie = [f"{NAME}={browser.cookie}"]
    count = 0

    async def interfere() -> None:
        nonlocal count
        count += 1
        await same(browser).visit(write("n", count), cookie_lines=cookie, store=store.facet)
        store.before["save"] = interfere

    store.before["save"] = interfere
    await browser.visit(write("b", 1))
    assert browser.events.names == ["session_save_failed"]


async def test_S25_S26_the_clocks_of_a_record(browser: Browser, store: Watching) -> None:
    await browser.visit(login())
    begun = browser.clock()
    while browser.clock() < begun + 13 * 3600:
        browser.clock.advance(20 * 60)
        store.calls.clear()
        for _ in range(3):
            await browser.visit(lambda s: s.user)
        alive = browser.clock() < begun + 12 * 3600
        assert (browser.said == "ada") is alive
        assert store.calls.count("touch") == alive


async def test_S25_lifetimes_made_shorter_hold_at_once(browser: Browser) -> None:
    await browser.visit(write())
    browser.clock.advance(100)
    await browser.visit(show, idle_timeout_seconds=100)
    assert browser.said == {}


async def test_a_cookie_with_a_max_age_is_sent_again(browser: Browser) -> None:
    browser.fields["max_age_seconds"] = 600
    await browser.visit(write())
    cookie = browser.cookie
    browser.clock.advance(200)
    for act in (show, write("b", 2)):
        (line,) = (await browser.visit(act)).values("set-cookie")
        assert "; Max-Age=600;" in line
        assert browser.cookie == cookie


async def test_S22_a_change_is_private_although_no_cookie_is_sent(browser: Browser) -> None:
    await browser.visit(write())
    answered = await browser.visit(write("b", 2))
    assert answered.headers == [(b"vary", b"Cookie"), (b"cache-control", b"private")]


async def test_S20_lazy_load(browser: Browser, store: Watching) -> None:
    browser.fields["lazy_load"] = True
    for act in (show, write(), login(), lambda s: s.logout()):
        with pytest.raises(SessionNotLoadedError, match="load"):
            await browser.visit(act)
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        session = scope["session"]
        await session.load()
        await session.load()
        seen.append(dict(session))
        session["n"] = len(seen)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    guarded = SessionMiddleware(app, store=store, lazy_load=True, clock=browser.clock)
    answered = await call(guarded)
    cookie = answered.values("set-cookie")[0].partition(";")[0]
    await call(guarded, headers={"cookie": cookie})
    assert seen == [{}, {"n": 1}]
    assert store.calls == ["create", "load", "save"]
    store.failing = ("load",)
    with pytest.raises(StorageError):
        await call(guarded, headers={"cookie": cookie})


async def test_C6_two_live_sessions_in_one_request(browser: Browser) -> None:
    other = same(browser)
    await browser.visit(write("a", 1))
    await other.visit(write("a", 2))
    await browser.visit(show, cookie_lines=[f"{NAME}={'A' * 43}; {NAME}={browser.cookie}"])
    assert browser.said == {"a": 1}
    cookies = [f"{NAME}={browser.cookie}; {NAME}={other.cookie}"]
    await browser.visit(show, cookie_lines=cookies)
    assert browser.said == {}
    assert browser.events.names == ["session_cookie_conflict"]


async def test_S27_a_failed_response_saves_nothing(browser: Browser, store: Watching) -> None:
    await browser.visit(write())
    store.calls.clear()
    await browser.visit(lambda s: s.regenerate(), status=500)
    assert store.calls == ["load"]
