"""What becomes of a request whose session store fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asgi_security.storage.memory import MemoryStore
from tests.middleware.browser import DELETION, Browser, Watching, login, show, write

if TYPE_CHECKING:
    from asgi_security.testing import EventRecorder, FakeClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def store() -> Watching:
    return Watching(MemoryStore().sessions)


@pytest.fixture
def browser(clock: FakeClock, events: EventRecorder, store: Watching) -> Browser:
    return Browser(clock, events, store=store)


@pytest.mark.parametrize("how", ["failing", "hanging"])
class TestOutage:
    async def test_S39_loading_fails_closed(
        self, browser: Browser, store: Watching, how: str
    ) -> None:
        await browser.visit(write())
        setattr(store, how, ("load",))
        answered = await browser.visit(show, store_timeout_seconds=0.001)
        assert (answered.status, answered.value("retry-after")) == (503, "5")
        assert answered.json()["code"] == "STORE_UNAVAILABLE"
        assert "driver" not in answered.body.decode()
        assert browser.events.names == ["session_load_failed"]

    async def test_S39_or_goes_on_without_a_session(
        self, browser: Browser, store: Watching, how: str
    ) -> None:
        await browser.visit(write())
        setattr(store, how, ("load",))
        answered = await browser.visit(
            show, store_timeout_seconds=0.001, on_store_error="anonymous"
        )
        assert (answered.status, browser.said) == (200, {})
        assert browser.events.names == ["session_load_failed"]
        answered = await browser.visit(
            write("b", 2), store_timeout_seconds=0.001, on_store_error="anonymous"
        )
        assert answered.values("set-cookie") == []

    @pytest.mark.parametrize("operation", ["create", "save", "replace", "touch"])
    async def test_S39_a_failed_save_keeps_the_response(
        self, browser: Browser, store: Watching, how: str, operation: str
    ) -> None:
        if operation != "create":
            await browser.visit(write())
        browser.clock.advance(200)
        act = {"touch": show, "replace": lambda s: s.regenerate()}.get(operation, write("b", 2))
        setattr(store, how, (operation,))
        answered = await browser.visit(act, store_timeout_seconds=0.001)
        assert (answered.status, answered.values("set-cookie")) == (200, [])
        assert browser.events.names == ["session_save_failed"]

    async def test_S39_a_failed_logout_removes_the_cookie_at_least(
        self, browser: Browser, store: Watching, how: str
    ) -> None:
        await browser.visit(login())
        setattr(store, how, ("delete",))
        answered = await browser.visit(lambda s: s.logout(), store_timeout_seconds=0.001)
        assert answered.values("set-cookie") == [DELETION]
        assert browser.events.names == ["session_save_failed"]


async def test_S39_an_epoch_that_cannot_be_asked_fails_closed(browser: Browser) -> None:
    await browser.visit(login())
    answered = await browser.visit(show, user_epoch=lambda user: {}[user])
    assert answered.status == 503
    assert browser.events.names == ["session_load_failed"]
