"""Does what both ways of keeping a session share: find it, judge it, settle it at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from asgi_security.errors import SessionNotLoadedError, StorageError
from asgi_security.events import SecurityEvent, Severity
from asgi_security.policy.cookies import CookieWriter
from asgi_security.policy.session_saving import Begin, End, Keep, Save, Touch, decide_saving
from asgi_security.policy.sessions import Lifetimes, is_void
from asgi_security.values import value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asgi_security.clock import Clock, Entropy
    from asgi_security.events import EventSink
    from asgi_security.policy.session_saving import Writing
    from asgi_security.policy.session_state import Session, Snapshot
    from asgi_security.policy.sessions import SessionConfig, UserEpoch

    FindCookies: TypeAlias = Callable[[Sequence[bytes]], tuple[bytes, ...]]
    """Returns the different values of the session cookie in a request's Cookie field."""

T = TypeVar("T")


@value
class Written:
    """The session was written; `cookie` is the Set-Cookie value to send, if one is."""

    cookie: bytes | None


Committed: TypeAlias = Written | None


@value
class Visitor:
    """Who began a session, for lists that a user looks at; `address` only from trusted sources."""

    user_agent: bytes = b""
    address: str | None = None


class SessionKeeper(ABC):
    """Reads sessions in and settles them; made once, shared by all requests."""

    saves_late = False
    """Whether a change can be kept when no cookie can be sent any more."""
    ends_late = False
    """Whether a session can be ended without the browser's help."""

    def __init__(
        self,
        config: SessionConfig,
        *,
        find: FindCookies,
        clock: Clock,
        entropy: Entropy,
        events: EventSink,
    ) -> None:
        self._find = find
        self._clock = clock
        self._entropy = entropy
        self._events = events
        self._lifetimes = Lifetimes(config)
        self._writer = CookieWriter(config.build_cookie())
        self._user_epoch = config.user_epoch
        self._timeout_seconds = config.store_timeout_seconds
        self.waits: bool = config.user_epoch is not None
        """Whether a session may have to be awaited."""
        self._is_lazy = config.lazy_load

    # -- reading

    def find(self, session: Session) -> tuple[bytes, ...]:
        """Return the values under the session cookie's name."""
        return self._find(session.lines) if session.lines else ()

    def needs_load(self, session: Session) -> bool:
        """Tell whether the session must be awaited before the app may read it."""
        return self.waits and not self._is_lazy and any(map(self._is_plausible, self.find(session)))

    def read(self, session: Session) -> None:
        """Fill the session without waiting; see `SessionSource`."""
        if self.waits and self._is_lazy:
            raise SessionNotLoadedError("call `await session.load()` before touching the session")
        values = self.find(session)
        # With something to wait for, whatever was plausible is loaded by now.
        found = None if self.waits or not values else self._open(values)
        session.fill(found, had_cookie=bool(values))

    async def load(self, session: Session) -> None:
        """Fill the session, asking the store; see `SessionSource`."""
        if session.is_filled:
            return
        values = self.find(session)
        found = await self.ask(self._find_live(values)) if values else None
        session.fill(found, had_cookie=bool(values))

    async def _find_live(self, values: Sequence[bytes]) -> Snapshot | None:
        found = await self._fetch(values)
        if found is None or found.user is None or self._user_epoch is None:
            return found
        epoch = await _ask_epoch(self._user_epoch, found.user)
        return None if is_void(found.created_at, epoch) else found

    def choose(self, live: Sequence[Snapshot]) -> Snapshot | None:
        """Return the only live session; of several none, as one of them was planted."""
        if len(live) > 1:
            self.report("session_cookie_conflict", Severity.WARNING, count=len(live))
            return None
        return live[0] if live else None

    @abstractmethod
    def _is_plausible(self, value: bytes) -> bool:
        """Tell by its looks alone whether a value is worth asking about."""

    def _open(self, values: Sequence[bytes]) -> Snapshot | None:  # noqa: ARG002 -- see below
        """Return the live session the values hold in themselves: a bare id holds none."""
        return None

    @abstractmethod
    async def _fetch(self, values: Sequence[bytes]) -> Snapshot | None:
        """Return the session that the values stand for, if it is one and live."""

    async def ask(self, answer: Awaitable[T]) -> T:
        """Wait for a store no longer than allowed, for however many calls it takes.

        Raises:
            StorageError: when it failed, or did not answer in time.
        """
        from anyio import fail_after  # noqa: PLC0415 -- sessions in cookies never wait

        try:
            with fail_after(self._timeout_seconds):
                return await answer
        except TimeoutError as error:
            raise StorageError("the session store did not answer in time") from error

    # -- settling

    def decide(self, session: Session, *, failed: bool) -> Writing | None:
        """Decide what becomes of an accessed session as its response starts; None for nothing."""
        now = self._clock()
        saving = decide_saving(session, self._lifetimes, now=now, failed=failed)
        if isinstance(saving, Keep):
            session.reported |= failed
            return None
        return saving

    @abstractmethod
    def carry_out(
        self, session: Session, saving: Writing, visitor: Visitor
    ) -> Awaitable[Committed] | Committed:
        """Do what was decided."""

    async def confirm(
        self, session: Session, pending: Awaitable[Committed] | Committed
    ) -> Committed:
        """Ask what a login wants asked of it, now that it is written; end it if that says no."""
        committed = await pending if isinstance(pending, Awaitable) else pending
        login, confirm = session.found, session.confirm
        session.confirm = None
        if committed is None or login is None or confirm is None:
            return committed
        if await self._is_confirmed(confirm):
            return committed
        self.report("session_login_unconfirmed", Severity.WARNING)
        session.reported = True
        try:
            await self.ask(self._end(login))
        except StorageError:  # nobody knows its id, so it can only be seen in lists
            self.report("session_save_failed", Severity.ERROR)
        return Written(self._writer.deletion)

    async def _is_confirmed(self, confirm: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await self.ask(confirm()) is True
        except Exception:  # noqa: BLE001 -- an app's own code, which must not let a login through
            return False

    @abstractmethod
    async def _end(self, over: Snapshot) -> None:
        """Make a session useless to whoever still holds its cookie, where that can be done."""

    def finish(self, session: Session, *, cancelled: bool) -> Awaitable[None] | None:
        """Settle what was changed after the response had started."""
        if session.reported or not session.closed:
            return None
        if not session.is_open_ended:
            if not session.varies:
                # A cache may keep what was read from this session and show it to another user.
                self.report("session_read_late", Severity.WARNING)
            if session.may_change_unseen and _is_changed(session):
                self.report_lost(session)
            return None
        try:
            saving = self.decide(session, failed=False)
        except (TypeError, ValueError):  # what JSON has no word for: nobody is left to tell
            self.report_lost(session)
            return None
        if saving is None:
            return None
        if cancelled:
            self.report_lost(session)
            return None
        return self._settle_late(session, saving)

    async def _settle_late(self, session: Session, saving: Writing) -> None:
        if self.saves_late and isinstance(saving, (Save, Touch)):
            pending = self.carry_out(session, saving, Visitor())
            if isinstance(pending, Awaitable):
                await pending
            return
        if isinstance(saving, (Begin, End)) and saving.over is not None:
            try:
                await self.ask(self._end(saving.over))
            except StorageError:
                self.report("session_save_failed", Severity.ERROR)
        if not isinstance(saving, Touch) and not (isinstance(saving, End) and self.ends_late):
            self.report_lost(session)

    # -- telling

    def report_lost(self, session: Session) -> None:
        """Say that a change could not be kept."""
        session.reported = True
        self.report("session_change_lost", Severity.ERROR)

    def report(self, name: str, severity: Severity, **facts: object) -> None:
        """Send an event. Safe to log because no fact is an id, a user or a value."""
        self._events(SecurityEvent(name=name, severity=severity, facts=facts))


async def _ask_epoch(user_epoch: UserEpoch, user: str) -> float | None:
    try:
        epoch = user_epoch(user)
        return await epoch if isinstance(epoch, Awaitable) else epoch
    except Exception as error:  # a failing hook must not let a session through
        raise StorageError("user_epoch failed") from error


def _is_changed(session: Session) -> bool:
    try:
        return session.encode_change() is not None
    except (TypeError, ValueError):
        return True
