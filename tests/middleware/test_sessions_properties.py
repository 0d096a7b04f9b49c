"""A browser and its session beside a model, through any run of visits and waits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from asgi_security.storage.memory import MemoryStore
from asgi_security.testing import EventRecorder, FakeClock, SeededEntropy
from tests.middleware.browser import NAME, Browser, login, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.policy.session_state import Session

IDLE, ABSOLUTE, REFRESH = 1800, 43200, 180


@dataclass
class Model:
    """What a live session must hold."""

    created_at: float
    seen_at: float
    user: str | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def is_live(self, now: float) -> bool:
        return now < self.seen_at + IDLE and now < self.created_at + ABSOLUTE


class SessionLife(RuleBasedStateMachine):
    """Whatever keeps the sessions, and whatever happens: the model's content, or nothing."""

    @initialize(is_stored=st.booleans())
    def open_browser(self, is_stored: bool) -> None:  # noqa: FBT001
        self.clock = FakeClock()
        fields = {"store": MemoryStore()} if is_stored else {"revocations": MemoryStore()}
        # Seeded: what is drawn below depends on the letters of a cookie.
        self.browser = Browser(self.clock, EventRecorder(), entropy=SeededEntropy(), **fields)
        self.model: Model | None = None
        self.dead: list[str] = []

    def visit(self, act: Callable[[Session], object], *, cookie: str | None = None) -> Any:
        def look(session: Session) -> object:
            act(session)
            return (session.user, dict(session))

        lines = None if cookie is None else [f"{NAME}={cookie}"]
        kept = self.browser.cookie
        asyncio.run(self.browser.visit(look, cookie_lines=lines))
        if cookie is not None:
            self.browser.cookie = kept
        return self.browser.said

    def find(self) -> Model | None:
        now = self.clock()
        if self.model is not None and not self.model.is_live(now):
            self.model = None
        if self.model is not None and now - self.model.seen_at >= REFRESH:
            self.model.seen_at = now
        return self.model

    def bury(self) -> None:
        if self.browser.cookie is not None:
            self.dead.append(self.browser.cookie)

    @rule(key=st.sampled_from("ab"), value=st.integers(0, 2))
    def change(self, key: str, value: int) -> None:
        model = self.find() or Model(self.clock(), self.clock())
        if model.data.get(key) != value:
            model.data[key] = value
            model.seen_at = self.clock()
        self.model = model
        assert self.visit(write(key, value)) == (model.user, model.data)

    @rule()
    def read(self) -> None:
        model = self.find() or Model(0, 0)
        assert self.visit(len) == (model.user, model.data)

    @rule(user=st.sampled_from(["ada", "bob"]))
    def log_in(self, user: str) -> None:
        found = self.find()
        self.bury()
        is_other = found is None or found.user not in {None, user}
        data = {} if found is None or is_other else found.data
        self.model = Model(self.clock(), self.clock(), user, data)
        assert self.visit(login(user)) == (user, data)

    @rule()
    def regenerate(self) -> None:
        found = self.find()
        if found is not None:
            self.bury()
            found.seen_at = self.clock()
        self.visit(lambda session: session.regenerate())

    @rule()
    def log_out(self) -> None:
        self.find()
        self.bury()
        self.model = None
        assert self.visit(lambda session: session.logout()) == (None, {})
        assert self.browser.cookie is None

    @rule(seconds=st.sampled_from([1, 179, 180, 900, 1799, 1800, 40_000]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.dead)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        cookie = data.draw(st.sampled_from(self.dead))
        assert self.visit(len, cookie=cookie) == (None, {})

    @precondition(lambda self: self.browser.cookie)
    @rule(data=st.data())
    def tamper(self, data: st.DataObject) -> None:
        cookie = self.browser.cookie or ""
        index = data.draw(st.integers(0, len(cookie) - 1))
        other = data.draw(st.sampled_from("AB-_.=!\xa0").filter(lambda c: c != cookie[index]))
        changed = f"{cookie[:index]}{other}{cookie[index + 1 :]}"
        assert self.visit(len, cookie=changed) == (None, {})

    @invariant()
    def nothing_was_reported(self) -> None:
        if hasattr(self, "browser"):
            assert self.browser.events.names == []


TestSessionLife = SessionLife.TestCase
TestSessionLife.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
