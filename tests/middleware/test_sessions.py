"""Sessions that live in their cookies; those in a store are in `test_sessions_stored.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from asgi_security.asgi.context import current
from asgi_security.crypto.base64url import encode_base64url
from asgi_security.crypto.signing import PurposeSigner
from asgi_security.errors import ConfigError
from asgi_security.middleware.sessions import SessionLayer, SessionMiddleware
from asgi_security.policy.sessions import SessionConfig
from asgi_security.secret import Secret
from asgi_security.testing import call
from tests.middleware.browser import ATTRIBUTES, DELETION, NAME, S0, S1, Browser, show, write

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


async def test_C1_P22_a_cookie_of_another_name_or_purpose(browser: Browser) -> None:
    await browser.visit(write())
    await browser.visit(show, cookie_lines=[f"other={browser.cookie}"], cookie_name="other")
    assert browser.said == {}
    await browser.visit(show, cookie_lines=[f"other={browser.cookie}"])
    assert browser.said == {}


async def test_C6_C7_several_cookies(browser: Browser) -> None:
    await browser.visit(write("a", 1))
    good = f"{NAME}={browser.cookie}"
    browser.cookie = None
    await browser.visit(write("a", 2))
    other = f"{NAME}={browser.cookie}"
    junk = [f"{NAME}=junk{n}" for n in range(8)]
    for lines, expected in (
        ([f"{junk[0]}; {good}"], {"a": 1}),
        ([good, junk[0]], {"a": 1}),
        (["x=1", good], {"a": 1}),
        ([good, good], {"a": 1}),
        ([f"{good}; \xa0{other}"], {"a": 1}),
        ([*junk, good], {}),
    ):
        await browser.visit(show, cookie_lines=lines)
        assert browser.said == expected
    assert browser.events.names == []
    await browser.visit(show, cookie_lines=[good, other])
    assert browser.said == {}
    assert browser.events.names == ["session_cookie_conflict"]


async def test_C15_what_an_old_secret_signed_is_signed_anew_once(browser: Browser) -> None:
    await browser.visit(write(), secret=S0)
    answered = await browser.visit(show, old_secrets=[S0])
    assert len(answered.values("set-cookie")) == 1
    assert browser.said == {"a": 1}
    answered = await browser.visit(show, old_secrets=[S0])
    assert answered.values("set-cookie") == []
    await browser.visit(show)
    assert browser.said == {"a": 1}


async def test_C16_a_removed_secret(browser: Browser) -> None:
    await browser.visit(write(), secret=S0)
    await browser.visit(show)
    assert browser.said == {}


def sign(message: bytes) -> str:
    signer = PurposeSigner(Secret(S1), purpose=("asgi-security session cookie 1", NAME))
    return signer.sign(message).decode()


NOW = b"1700000000"


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param("", id="C18 empty"),
        pytest.param(".", id="C18 a dot"),
        pytest.param("..", id="C18 two dots"),
        pytest.param("x" * 100_000, id="C18 100 kB"),
        pytest.param("ü", id="C18 non-ASCII"),
        pytest.param("a\0b", id="C18 NUL"),
        pytest.param(sign(b"nonsense"), id="C18 authentic, no document"),
        pytest.param(sign(b"{}"), id="C18 authentic, one line"),
        pytest.param(sign(b'["h",1,2]\n{}'), id="C18 authentic, a short head"),
        pytest.param(sign(b'["h","x",2,null]\n{}'), id="C18 authentic, no instant"),
        pytest.param(
            sign(b'["h",' + NOW + b"," + NOW + b",null]\n[1]"), id="C18 authentic, a list"
        ),
        pytest.param(
            sign(b'["h",' + NOW + b"," + NOW + b",null]\n" + b"[" * 5000), id="C18 nesting"
        ),
        pytest.param(
            sign(b"[1," + NOW + b"," + NOW + b',2]\n{"a":1}'), id="C18 authentic, numbers for names"
        ),
    ],
)
async def test_junk_is_no_session(browser: Browser, cookie: str) -> None:
    answered = await browser.visit(show, cookie_lines=[f"{NAME}={cookie}"])
    assert (answered.status, browser.said) == (200, {})


async def test_C3_tampering_with_any_byte(browser: Browser) -> None:
    await browser.visit(write())
    assert browser.cookie is not None
    for index in range(0, len(browser.cookie), 7):
        cookie = list(browser.cookie)
        cookie[index] = "A" if cookie[index] != "A" else "B"
        await browser.visit(show, cookie_lines=[f"{NAME}={''.join(cookie)}"])
        assert browser.said == {}


async def test_C11_a_session_too_big_for_a_cookie(browser: Browser) -> None:
    await browser.visit(write("a", 1))
    answered = await browser.visit(write("b", "x" * 4000), status=201)
    assert (answered.status, answered.values("set-cookie")) == (201, [])
    (event,) = browser.events.events
    assert event.name == "session_too_large"
    assert event.facts["size_bytes"] > 4096
    await browser.visit(show)
    assert browser.said == {"a": 1}
    with pytest.raises(ValueError, match="4096"):
        await browser.visit(write("b", "x" * 4000), on_oversize="raise")


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


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"secret": S1, "store": object()}, id="a store that is none"),
        pytest.param({"secret": S1, "revocations": object()}, id="revocations that are none"),
        pytest.param({}, id="C17 no secret"),
    ],
)
def test_what_cannot_be_built(fields: dict[str, Any]) -> None:
    async def app(*_: Any) -> None: ...

    with pytest.raises(ConfigError):
        SessionMiddleware(app, **fields)


async def test_C4_the_last_character(browser: Browser) -> None:
    await browser.visit(write())
    assert browser.cookie is not None
    alphabet = encode_base64url(bytes(range(256))).decode()
    for last in set(alphabet) - {browser.cookie[-1]}:
        await browser.visit(show, cookie_lines=[f"{NAME}={browser.cookie[:-1]}{last}"])
        assert browser.said == {}
