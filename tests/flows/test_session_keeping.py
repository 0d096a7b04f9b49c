"""What becomes of changes when the response has started: on a WebSocket, and never in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.errors import StorageError
from asgi_security.middleware.sessions import SessionMiddleware
from asgi_security.storage.memory import MemoryStore
from asgi_security.testing import WebSocketAnswered, connect_websocket
from tests.middleware.browser import DELETION, NAME, Browser, Watching, login, same, show, write

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asgi_security.asgi.types import Receive, Scope, Send
    from asgi_security.policy.session_state import Session
    from asgi_security.testing import EventRecorder, FakeClock

    Act = Callable[[Session], object]

pytestmark = pytest.mark.anyio


def nothing(_: Session) -> None:
    return None


async def talk(
    browser: Browser,
    before: Act = nothing,
    after: Act = nothing,
    *,
    error: type[BaseException] | None = None,
) -> WebSocketAnswered:
    """Open a WebSocket whose app acts on its session before and after it accepts."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        browser.said = before(scope["session"])
        await receive()
        await send({"type": "websocket.accept", "headers": [(b"x-app", b"1")]})
        after(scope["session"])
        if error is not None:
            raise error

    guarded = SessionMiddleware(app, clock=browser.clock, events=browser.events, **browser.fields)
    headers = {} if browser.cookie is None else {"cookie": f"{NAME}={browser.cookie}"}
    if error is None:
        return await connect_websocket(guarded, headers=headers)
    with pytest.raises(error):
        await connect_websocket(guarded, headers=headers)
    return WebSocketAnswered()


@pytest.fixture
def store() -> Watching:
    return Watching(MemoryStore().sessions)


@pytest.fixture(params=["cookie", "revocable", "store"])
def browser(
    request: pytest.FixtureRequest, clock: FakeClock, events: EventRecorder, store: Watching
) -> Browser:
    fields: dict[str, dict[str, Any]] = {
        "cookie": {},
        "revocable": {"revocations": MemoryStore()},
        "store": {"store": store},
    }
    return Browser(clock, events, **fields[request.param])


def is_stored(browser: Browser) -> bool:
    return "store" in browser.fields


async def test_W106_a_change_before_accept_goes_with_it(browser: Browser) -> None:
    answered = await talk(browser, write())
    (line,) = answered.accept_values("set-cookie")
    assert answered.accept_values("x-app") == ["1"]
    browser.cookie = line.partition(";")[0].partition("=")[2]
    answered = await talk(browser, show)
    assert browser.said == {"a": 1}
    assert answered.accept_values("set-cookie") == []
    answered = await talk(browser, lambda s: s.logout())
    assert answered.accept_values("set-cookie") == [DELETION]
    assert browser.events.names == []


async def test_S20_an_untouched_session_leaves_no_trace(browser: Browser) -> None:
    await browser.visit(write())
    answered = await talk(browser)
    assert answered.accept is not None
    assert answered.accept["headers"] == [(b"x-app", b"1")]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(write("a", [2]), id="W106 S40 a change"),
        pytest.param(lambda s: s["a"].append(2), id="W106 S40 a nested change"),
    ],
)
@pytest.mark.parametrize("error", [None, LookupError])
async def test_a_change_after_accept(
    browser: Browser, change: Act, error: type[Exception] | None
) -> None:
    await browser.visit(write("a", [1]))
    await talk(browser, after=change, error=error)
    await browser.visit(lambda s: s["a"])
    if is_stored(browser):
        assert browser.said[-1] == 2
        assert browser.events.names == []
    else:
        assert browser.said == [1]
        assert browser.events.names == ["session_change_lost"]


async def test_W106_changes_on_both_sides_of_accept(browser: Browser, store: Watching) -> None:
    await browser.visit(write())
    await talk(browser, write("b", 1), write("c", 1))
    await browser.visit(show)
    kept = {"a": 1, "b": 1, "c": 1} if is_stored(browser) else {"a": 1}
    assert browser.said == kept
    assert store.calls.count("save") == (2 if is_stored(browser) else 0)


async def test_W106_a_session_that_begins_after_accept_cannot(browser: Browser) -> None:
    await talk(browser, after=write())
    assert browser.events.names == ["session_change_lost"]


@pytest.mark.parametrize("act", [login(), lambda s: s.regenerate()])
async def test_W106_a_new_id_after_accept_cannot(browser: Browser, act: Act) -> None:
    await browser.visit(write())
    with pytest.raises(RuntimeError, match="response has started"):
        await talk(browser, after=act)


async def test_S32_a_logout_after_accept_holds(browser: Browser) -> None:
    await browser.visit(login())
    await talk(browser, after=lambda s: s.logout())
    await browser.visit(lambda s: s.user)
    is_revocable = is_stored(browser) or "revocations" in browser.fields
    assert browser.said == (None if is_revocable else "ada")
    assert browser.events.names == ([] if is_revocable else ["session_change_lost"])


async def test_S32_what_is_written_after_such_a_logout_is_lost(browser: Browser) -> None:
    await browser.visit(login())

    def act(session: Session) -> None:
        session.logout()
        session["flash"] = "bye"

    await talk(browser, after=act)
    assert browser.events.names == ["session_change_lost"]


async def test_S40_a_value_that_json_has_no_word_for(browser: Browser) -> None:
    await browser.visit(write())
    await talk(browser, after=write("a", object()))
    assert browser.events.names == ["session_change_lost"]


class Cancelled(BaseException):
    """What a server throws into an app that it stops waiting for."""


async def test_S40_an_app_that_is_cancelled_loses_its_change(
    clock: FakeClock, events: EventRecorder, store: Watching
) -> None:
    browser = Browser(clock, events, store=store)
    await browser.visit(write())
    await talk(browser, after=write("b", 2), error=Cancelled)
    assert events.names == ["session_change_lost"]
    assert "save" not in store.calls


async def test_S39_an_outage_at_the_end_is_reported(
    clock: FakeClock, events: EventRecorder, store: Watching
) -> None:
    browser = Browser(clock, events, store=store)
    await browser.visit(write())
    store.failing = ("save", "delete")
    await talk(browser, after=write("b", 2))
    await talk(browser, after=lambda s: s.logout())
    assert events.names == ["session_save_failed"] * 2


async def test_S34_what_was_merged_before_accept_is_not_lost_after_it(
    clock: FakeClock, events: EventRecorder, store: Watching
) -> None:
    browser = Browser(clock, events, store=store, on_conflict="merge")
    await browser.visit(write())
    cookie = [f"{NAME}={browser.cookie}"]

    async def be_quick() -> None:
        await same(browser).visit(write("quick", 1), cookie_lines=cookie)

    store.before["save"] = be_quick
    await talk(browser, write("slow", 1), write("late", 1))
    await browser.visit(show)
    assert browser.said == {"a": 1, "quick": 1, "slow": 1, "late": 1}


async def test_S26_a_long_connection_is_noted_at_its_end(
    clock: FakeClock, events: EventRecorder, store: Watching
) -> None:
    browser = Browser(clock, events, store=store)
    await browser.visit(write())
    await talk(browser, show, lambda _: clock.advance(1000))
    clock.advance(1000)
    await browser.visit(show)
    assert browser.said == {"a": 1}


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def unknown() -> bool:
    raise StorageError("the driver's own words")


async def undecided() -> Any:
    return 1


async def forever() -> bool:
    await anyio.sleep_forever()
    return True


def login_if(confirm: Callable[[], Awaitable[bool]]) -> Act:
    return lambda session: session.login("ada", confirm=confirm)


async def test_S38_a_login_that_is_confirmed_stands(browser: Browser) -> None:
    await browser.visit(login_if(yes))
    await browser.visit(lambda session: session.user)
    assert browser.said == "ada"


@pytest.mark.parametrize("confirm", [no, unknown, undecided, forever])
async def test_S38_a_login_that_is_not_confirmed_is_over(
    browser: Browser, store: Watching, events: EventRecorder, confirm: Any
) -> None:
    browser.fields["store_timeout_seconds"] = 0.05
    await browser.visit(write())
    planted = browser.cookie
    answered = await browser.visit(login_if(confirm))
    assert answered.values("set-cookie") == [DELETION]
    assert "session_login_unconfirmed" in events.names
    assert not await store.facet.list_for("ada", now=browser.clock())
    if "revocations" in browser.fields or "store" in browser.fields:  # else only the browser's help
        browser.cookie = planted
        await browser.visit(show)
        assert browser.said == {}


async def test_S38_an_unconfirmed_record_that_cannot_be_deleted_opens_nothing(
    clock: FakeClock, events: EventRecorder, store: Watching
) -> None:
    browser = Browser(clock, events, store=store)
    store.failing = ("delete",)
    answered = await browser.visit(login_if(no))
    assert answered.values("set-cookie") == [DELETION]
    assert events.names == ["session_login_unconfirmed", "session_save_failed"]


async def test_S38_a_confirmation_is_asked_once(browser: Browser) -> None:
    asked: list[bool] = []

    async def confirm() -> bool:
        asked.append(True)
        return True

    await browser.visit(login_if(confirm))
    await browser.visit(write())
    assert asked == [True]


async def test_S38_a_login_over_a_websocket_is_confirmed_too(browser: Browser) -> None:
    answered = await talk(browser, login_if(no))
    assert answered.accept_values("set-cookie") == [DELETION]
