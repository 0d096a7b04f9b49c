"""The cookie that carries a session: which one counts, and which is as good as none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asgi_security.crypto.base64url import encode_base64url
from asgi_security.crypto.signing import PurposeSigner
from asgi_security.flows.session_cookies import CookieSessionKeeper
from asgi_security.middleware.sessions import SessionLayer
from asgi_security.secret import Secret
from tests.middleware.browser import NAME, S0, S1, Browser, show, write

if TYPE_CHECKING:
    from asgi_security.testing import EventRecorder, FakeClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def browser(clock: FakeClock, events: EventRecorder) -> Browser:
    return Browser(clock, events)


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


NOW = b"1700000000.0"


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


async def test_C4_the_last_character(browser: Browser) -> None:
    await browser.visit(write())
    assert browser.cookie is not None
    alphabet = encode_base64url(bytes(range(256))).decode()
    for last in set(alphabet) - {browser.cookie[-1]}:
        await browser.visit(show, cookie_lines=[f"{NAME}={browser.cookie[:-1]}{last}"])
        assert browser.said == {}


async def test_C13_S25_a_cookie_seen_before_expires_all_the_same(browser: Browser) -> None:
    await browser.visit(write())
    for _ in range(3):
        browser.clock.advance(599)
        await browser.visit(show, cookie_lines=[f"{NAME}={browser.cookie}"])
    cookie = browser.cookie
    browser.clock.advance(1799)
    await browser.visit(show, cookie_lines=[f"{NAME}={cookie}"])
    assert browser.said == {"a": 1}
    browser.clock.advance(1)
    await browser.visit(show, cookie_lines=[f"{NAME}={cookie}"])
    assert browser.said == {}


async def test_C18_an_authentic_cookie_must_be_right_in_every_part(browser: Browser) -> None:
    parts = [b'"h"', NOW, NOW, b"null", b'{"a":1}']
    wrong = [b"1", b"NaN", b"1e400", b"2", b"[1]"]
    for index in range(-1, 5):
        made = [*parts]
        if index >= 0:
            made[index] = wrong[index]
        cookie = sign(b"[" + b",".join(made[:4]) + b"]\n" + made[4])
        await browser.visit(show, cookie_lines=[f"{NAME}={cookie}"])
        assert browser.said == ({"a": 1} if index < 0 else {})


async def test_one_visitors_change_is_not_anothers(browser: Browser) -> None:
    await browser.visit(write("a", [1]))
    cookie = [f"{NAME}={browser.cookie}"]
    await browser.visit(lambda s: s["a"].append(2), cookie_lines=cookie)
    await browser.visit(show, cookie_lines=cookie)
    assert browser.said == {"a": [1]}


async def test_what_is_remembered_of_cookies_is_bounded(browser: Browser) -> None:
    await browser.visit(write())
    first = browser.cookie
    ((_, guarded),) = browser._guarded
    (layer,) = guarded.layers
    assert isinstance(layer, SessionLayer)
    keeper = layer._keeper
    assert isinstance(keeper, CookieSessionKeeper)
    for number in range(1100):
        await browser.visit(write("n", number))
        assert len(keeper._known) <= 1024
    for cookie, expected in ((first, {"a": 1}), (browser.cookie, {"a": 1, "n": 1099})):
        await browser.visit(show, cookie_lines=[f"{NAME}={cookie}"])
        assert browser.said == expected
