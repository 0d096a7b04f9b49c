"""Sessions that live in their cookies; those in a store are in `test_sessions_stored.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from asgi_security.asgi.context import current
from asgi_security.middleware.sessions import SessionLayer, SessionMiddleware
from asgi_security.policy.sessions import SessionConfig
from asgi_security.testing import call
from tests.middleware.browser import ATTRIBUTES, DELETION, NAME, S1, Browser, show, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.asgi.types import Message, Receive, Scope, Send
    from asgi_security.policy.session_state import Session
    from asgi_security.testing import EventRecorder, FakeClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def browser(clock: FakeClock, events: EventRecorder) -> Browser:
    return Browser(clock, events)


NUMBERED: Any = {1: 2}
READS = [
    pytest.param(lambda s: s.get("a"), id="S21 get"),
    pytest.param(lambda s: "a" in s, id="S21 in"),
    pytest.param(len, id="S21 len"),
    pytest.param(list, id="S21 iter"),
    pytest.param(bool, id="S21 bool"),
    pytest.param(lambda s: list(s.items()), id="S21 items"),
    pytest.param(lambda s: list(s.values()), id="S21 values"),
    pytest.param(lambda s: s.keys() & {"a"}, id="S21 keys"),
    pytest.param(lambda s: s == {}, id="S21 equality"),
    pytest.param(lambda s: s.user, id="S21 user"),
    pytest.param(lambda s: s.is_new, id="S21 is_new"),
    pytest.param(lambda s: s.created_at, id="S21 created_at"),
]


async def test_S20_an_untouched_session_leaves_no_trace(browser: Browser) -> None:
    await browser.visit(write())
    answered = await browser.visit(repr)
    assert answered.headers == []


@pytest.mark.parametrize("read", READS)
async def test_a_read_makes_the_response_vary(
    browser: Browser, read: Callable[[Session], object]
) -> None:
    await browser.visit(write())
    answered = await browser.visit(read, headers=[(b"Vary", b"Accept")])
    assert answered.values("vary") == ["Accept", "Cookie"]
    assert answered.values("set-cookie") == []


@pytest.mark.parametrize("vary", ["*", "cookie", "Accept, COOKIE"])
async def test_S21_S22_vary_is_never_doubled(browser: Browser, vary: str) -> None:
    answered = await browser.visit(write(), headers=[(b"vary", vary.encode())])
    assert answered.values("vary") == [vary]


async def test_S22_C9_a_change_is_sent_and_kept_private(browser: Browser) -> None:
    answered = await browser.visit(write("a", [1, "ü"]))
    cookie = answered.value("set-cookie") or ""
    assert cookie.startswith(f"{NAME}=")
    assert cookie.endswith(ATTRIBUTES)
    assert "Domain" not in cookie
    assert answered.value("vary") == "Cookie"
    assert answered.value("cache-control") == "private"
    await browser.visit(show)
    assert browser.said == {"a": [1, "ü"]}


@pytest.mark.parametrize(
    ("said", "sent", "told"),
    [
        ("no-store", "no-store", []),
        ("no-cache", "no-cache", []),
        ("public, max-age=9", "max-age=9, private", ["session_public_response"]),
        ("s-maxage=9", "private", ["session_public_response"]),
    ],
)
async def test_S22_cache_control(browser: Browser, said: str, sent: str, told: list[str]) -> None:
    answered = await browser.visit(write(), headers=[(b"cache-control", said.encode())])
    assert answered.value("cache-control") == sent
    assert browser.events.names == told


@pytest.mark.parametrize(
    ("act", "is_saved"),
    [
        pytest.param(write("a", [1]), False, id="S23 an equal value"),
        pytest.param(lambda s: s["a"].append(2), True, id="S23 a nested change"),
        pytest.param(lambda s: s.get("a").append(2), True, id="S23 a nested change by get"),
        pytest.param(lambda s: next(iter(s.values())).clear(), True, id="S23 through values"),
        pytest.param(lambda s: s["a"], False, id="S23 nothing but a look"),
        pytest.param(lambda s: s.update(b=1), True, id="S23 update"),
        pytest.param(lambda s: s.setdefault("b", 1), True, id="S23 setdefault"),
        pytest.param(lambda s: (s.update(b=1), s.pop("b")), False, id="S23 there and back"),
    ],
)
async def test_what_counts_as_a_change(
    browser: Browser,
    act: Callable[[Session], object],
    is_saved: bool,  # noqa: FBT001
) -> None:
    await browser.visit(write("a", [1]))
    answered = await browser.visit(act)
    assert len(answered.values("set-cookie")) == is_saved


@pytest.mark.parametrize(
    "clear",
    [
        pytest.param(lambda s: s.clear(), id="S24 clear"),
        pytest.param(lambda s: s.logout(), id="S24 S32 logout"),
        pytest.param(lambda s: s.pop("a"), id="S24 the last key"),
        pytest.param(lambda s: s.popitem(), id="S24 popitem"),
    ],
)
async def test_clearing(browser: Browser, clear: Callable[[Session], object]) -> None:
    await browser.visit(write())
    answered = await browser.visit(clear)
    assert answered.values("set-cookie") == [DELETION]
    assert answered.value("cache-control") == "private"
    assert (await browser.visit(lambda s: s.clear())).values("set-cookie") == []


async def test_S24_clearing_junk_removes_it(browser: Browser) -> None:
    browser.cookie = "junk"
    answered = await browser.visit(lambda s: s.clear())
    assert answered.values("set-cookie") == [DELETION]


async def test_S25_two_clocks(browser: Browser) -> None:
    await browser.visit(write())
    begun = browser.clock.now
    while browser.clock.now < begun + 13 * 3600:
        browser.clock.advance(20 * 60)
        await browser.visit(show)
        alive = browser.clock.now < begun + 12 * 3600
        assert browser.said == ({"a": 1} if alive else {})


@pytest.mark.parametrize(
    ("seconds", "alive"),
    [
        pytest.param(1799.9, True, id="S25 just not idle for too long"),
        pytest.param(1800, False, id="S25 idle from the very instant"),
        pytest.param(-60, True, id="C13 from the future within the leeway"),
        pytest.param(-61, False, id="C13 from the future"),
    ],
)
async def test_idle(browser: Browser, seconds: float, alive: bool) -> None:  # noqa: FBT001
    await browser.visit(write())
    browser.clock.advance(seconds)
    await browser.visit(show)
    assert bool(browser.said) is alive


async def test_S26_the_slide_is_throttled(browser: Browser) -> None:
    await browser.visit(write())
    sent = 0
    for _ in range(100):
        browser.clock.advance(0.6)
        sent += len((await browser.visit(show)).values("set-cookie"))
    assert sent == 0
    browser.clock.advance(121)
    for expected in (1, 0):
        answered = await browser.visit(show)
        assert len(answered.values("set-cookie")) == expected
        assert browser.said == {"a": 1}


@pytest.mark.parametrize("status", [500, 503])
async def test_S27_a_failed_response_saves_nothing(browser: Browser, status: int) -> None:
    answered = await browser.visit(write(), status=status)
    assert answered.headers == [(b"vary", b"Cookie")]
    assert browser.events.names == []


async def test_S27_an_app_that_raises_saves_nothing_and_a_logout_holds(browser: Browser) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["session"]["a"] = 2
        raise LookupError

    answered = await call(SessionMiddleware(app, secret=S1), catch=True)
    assert (answered.status, answered.values("set-cookie")) == (500, [])
    await browser.visit(write())
    answered = await browser.visit(lambda s: s.logout(), status=500)
    assert answered.values("set-cookie") == [DELETION]


async def test_S31_login_and_logout(browser: Browser) -> None:
    await browser.visit(write("cart", [1]))
    await browser.visit(lambda s: s.handle)
    before = browser.said
    browser.clock.advance(60)
    await browser.visit(lambda s: s.login("ada"))
    await browser.visit(lambda s: (s.user, dict(s), s.handle != before, s.created_at))
    assert browser.said == ("ada", {"cart": [1]}, True, browser.clock.now)
    await browser.visit(lambda s: s.login("bob"))
    await browser.visit(lambda s: (s.user, dict(s)))
    assert browser.said == ("bob", {})
    await browser.visit(lambda s: s.logout())
    assert browser.cookie is None


def begin(session: Session) -> None:
    session.login("ada")
    session["a"] = 1


async def test_S30_regenerate_keeps_the_data_and_the_beginning(browser: Browser) -> None:
    await browser.visit(begin)
    await browser.visit(lambda s: (s.handle, s.created_at))
    handle, created_at = browser.said
    browser.clock.advance(60)
    answered = await browser.visit(lambda s: s.regenerate())
    assert len(answered.values("set-cookie")) == 1
    await browser.visit(lambda s: (s.user, dict(s), s.created_at, s.handle == handle))
    assert browser.said == ("ada", {"a": 1}, created_at, False)


async def test_S40_changes_after_the_start_raise(browser: Browser) -> None:
    await browser.visit(write("cart", []))
    for change in (
        write("b", 1),
        lambda s: s.pop("cart"),
        lambda s: s.clear(),
        lambda s: s.login("ada"),
        lambda s: s.regenerate(),
    ):
        with pytest.raises(RuntimeError, match="response has started"):
            await browser.visit(len, after=change)
    assert browser.events.names == []


async def test_S40_a_nested_change_after_the_start_is_reported(browser: Browser) -> None:
    await browser.visit(write("cart", []))
    await browser.visit(len, after=lambda s: s["cart"].append(1))
    assert browser.events.names == ["session_change_lost"]
    await browser.visit(len, after=lambda s: s["cart"].append(object()))
    await browser.visit(len, after=lambda s: s["cart"])
    assert browser.events.names == ["session_change_lost"] * 2


async def test_S21_a_first_read_after_the_start_is_reported(browser: Browser) -> None:
    await browser.visit(write())
    await browser.visit(after=lambda s: s["a"])
    assert browser.events.names == ["session_read_late"]


async def test_a_value_that_json_has_no_word_for_is_the_apps_error(browser: Browser) -> None:
    with pytest.raises(TypeError):
        await browser.visit(write("a", object()))
    with pytest.raises(TypeError, match="strings"):
        await browser.visit(lambda s: s.update(NUMBERED))
    with pytest.raises(TypeError, match="user"):
        await browser.visit(lambda s: s.login(""))


async def test_S41_other_scopes_pass_untouched() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def nothing(*_: Any) -> Message:
        raise AssertionError

    for kind in ("lifespan", "unknown"):
        scope = {"type": kind}
        await SessionMiddleware(app, secret=S1)(scope, nothing, nothing)  # type: ignore[arg-type]
        assert seen.pop() is scope
        assert scope == {"type": kind}


async def test_the_session_is_where_frameworks_look_for_it(browser: Browser) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        request.session["n"] = 1
        assert current().session is request.session
        await PlainTextResponse("x")(scope, receive, send)

    answered = await call(SessionMiddleware(app, SessionConfig(secret=S1)))
    assert len(answered.values("set-cookie")) == 1


async def test_a_session_that_was_found_marks_the_response_private(browser: Browser) -> None:
    marks: list[bool] = []

    class Outside(SessionLayer):
        def leave(self, exchange: Any, start: Message) -> Any:
            answer = super().leave(exchange, start)
            marks.append(exchange.context.private)
            return answer

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        len(scope["session"])
        await PlainTextResponse("x")(scope, receive, send)

    from asgi_security.asgi.pipeline import Pipeline  # noqa: PLC0415

    await browser.visit(write())
    guarded = Pipeline(app, [Outside(SessionConfig(secret=S1), clock=browser.clock)])
    await call(guarded)
    await call(guarded, headers={"cookie": f"{NAME}={browser.cookie}"})
    assert marks == [False, True]
