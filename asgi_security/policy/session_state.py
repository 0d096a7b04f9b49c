"""Holds one session while its request lasts: what was stored, what the app did to it.

`Session` decides nothing and waits for nothing: a source reads it in when it is first touched, and
`policy.sessions.decide_saving` says at the end what becomes of it.

Source: OWASP ASVS 5.0 chapter 7; MutableMapping is what Starlette's `request.session` promises.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from asgi_security.policy.documents import encode_json, parse_object

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

_MISSING = object()
_SCALARS = frozenset({str, int, float, bool, type(None)})
_OVER = "the response has started: the session can no longer be changed; change it before"


class Snapshot(NamedTuple):
    """A session as it was found or written; `data` is JSON. Instants in seconds since the epoch.

    `handle` names it and opens nothing; `key` is the digest a store knows it by (empty for one
    that lives in its cookie), `cookie` the value the browser holds. A tuple, because every request
    that reads its session makes one, and a frozen dataclass of nine fields costs 2 us.
    """

    handle: str
    user: str | None
    created_at: float
    seen_at: float
    data: bytes
    key: bytes = b""
    version: int = 0
    cookie: bytes = b""
    needs_resign: bool = False

    def __repr__(self) -> str:
        return f"<Snapshot {self.handle} at version {self.version}>"


class SessionSource(Protocol):
    """Where sessions come from; both operations end in `Session.fill`."""

    def read(self, session: Session) -> None:
        """Fill the session at once.

        Raises:
            SessionNotLoadedError: when only `load` can.
        """
        ...

    def load(self, session: Session) -> Awaitable[None]:
        """Fill the session, asking a store where there is one."""
        ...


class Session(MutableMapping[str, Any]):
    """The session of the request in hand: a mapping of strings to what JSON can say.

    Nothing is verified or loaded before it is first touched, and nothing is written unless it was
    changed; a change inside a value (`session["cart"].append(1)`) counts.
    """

    # Class attributes are the defaults, so that a request which never touches its session pays
    # for two assignments.
    accessed = False
    """Whether anyone has looked inside."""
    had_cookie = False
    """Whether the request carried a cookie of this session's name; known once accessed."""
    found: Snapshot | None = None
    """The live session that the request came with, or what has been written since."""
    rotates = False
    """Whether a new id is due."""
    ended = False
    """Whether the session that was found is over."""
    signed_in = False
    """Whether `login` was called."""
    confirm: Callable[[], Awaitable[bool]] | None = None
    """What is asked before the cookie of a login is sent."""
    is_detached = False
    """Whether it could not be read in: a change must not put a new session in its place."""
    varies = False
    """Whether the response says that it depends on the cookie."""
    closed = False
    """Whether the response has started."""
    reported = False
    """Whether the loss of changes has been reported, or is meant."""
    may_change_unseen = False
    """Whether the app has had a list or mapping of the session in its hands."""
    is_open_ended = False
    """Whether changes are still settled after that: a WebSocket's."""

    _data: dict[str, Any] | None = None
    _before: bytes = b"{}"
    _user: str | None = None
    _touched = False

    def __init__(self, source: SessionSource, lines: Sequence[bytes]) -> None:
        self._source = source
        self.lines = lines
        """The values of the request's Cookie field, unparsed."""
        self.accessed = False  # every response asks, and on the class it is found late

    # -- what sources and shells call

    def absorb(self, data: bytes) -> None:
        """Take over data that another request's changes were merged into."""
        self._data = parse_object(data) or {}

    @property
    def is_filled(self) -> bool:
        """Whether the session has been read in."""
        return self._data is not None

    @property
    def is_empty(self) -> bool:
        """Whether a session that has been read in holds nothing, and nobody is logged in."""
        return self._user is None and not self._data

    def fill(self, found: Snapshot | None, *, had_cookie: bool) -> None:
        """Take in what was found: None for no live session."""
        self.had_cookie = had_cookie
        data = None if found is None else parse_object(found.data)
        if found is None or data is None:
            self._data = {}
            return
        self.found = found
        self._data = data
        self._before = found.data
        self._user = found.user

    def encode_change(self) -> bytes | None:
        """Return the data as JSON if it differs from what was found, else None.

        Raises:
            TypeError: when the app has stored what JSON has no word for.
            ValueError: the same, for NaN, cycles and nesting too deep.
        """
        if not (self._touched or self.may_change_unseen):
            return None
        data = encode_json(self._data)
        return None if data == self._before else data

    def settle(self, found: Snapshot | None, data: bytes) -> None:
        """Note that the session now stands as written."""
        self.found = found
        self._before = data
        self.rotates = self.ended = self.signed_in = self._touched = False

    # -- what the app calls

    def load(self) -> Awaitable[None]:
        """Read the session in from its store: `await session.load()`, once or often.

        Raises:
            StorageError: when the store fails.
        """
        return self._source.load(self)

    def login(self, user: str, *, confirm: Callable[[], Awaitable[bool]] | None = None) -> None:
        """Make this the session of `user`, under a new id, so that one planted before is void.

        The data is kept, unless it was another user's.

        Args:
            user: what names the account for good.
            confirm: asked once the session is written, before its cookie is sent; unless it says
                True, the session is over at once. It closes the gap between a password that was
                right and the end of all sessions because it was changed meanwhile.
        """
        if type(user) is not str or user == "":
            raise TypeError("user must be a non-empty string: what names the account for good")
        data = self._renew()
        if self._user is not None and self._user != user:
            data.clear()
            self._touched = True
        self._user = user
        self.signed_in = True
        self.confirm = confirm

    def regenerate(self) -> None:
        """Give the session a new id, at each change of privilege: the old one dies with it."""
        self._renew()
        self.rotates = True

    def logout(self) -> None:
        """End the session: its record and cookie go, and a copy of the cookie opens nothing.

        Without a store, only `revocations` can make a copy useless before it expires.
        """
        self.clear()

    def clear(self) -> None:
        """Remove everything, user included: the same as `logout`."""
        self._write().clear()
        self._user = None
        self.signed_in = False
        self.ended = True

    @property
    def user(self) -> str | None:
        """Who is logged in."""
        self._read()
        return self._user

    @property
    def created_at(self) -> float | None:
        """When the session began, by its login or its first change; None for one not yet kept."""
        self._read()
        return None if self.found is None else self.found.created_at

    @property
    def handle(self) -> str | None:
        """What names the session in `list_sessions`; None for one not yet kept."""
        self._read()
        return None if self.found is None else self.found.handle

    @property
    def is_new(self) -> bool:
        """Whether the request came without a live session."""
        self._read()
        return self.found is None

    @property
    def modified(self) -> bool:
        """Whether the app has changed anything, by comparing what would be written."""
        if self.rotates or self.ended or self.signed_in:
            return True
        return self.encode_change() is not None

    # -- the mapping

    def __getitem__(self, key: str) -> Any:
        value = self._read()[key]
        if type(value) not in _SCALARS:
            self.may_change_unseen = True
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or `default`."""
        value = self._read().get(key, default)
        if type(value) not in _SCALARS:
            self.may_change_unseen = True
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        if type(key) is not str:
            raise TypeError("session keys are strings: JSON would turn any other into one")
        self._write()[key] = value
        if type(value) not in _SCALARS:
            self.may_change_unseen = True

    def __delitem__(self, key: str) -> None:
        del self._write()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        state = "unread" if self._data is None else f"{len(self._data)} keys"
        return f"<Session {state}>"

    # -- how it is done

    def _read(self) -> dict[str, Any]:
        self.accessed = True
        if self._data is None:
            self._source.read(self)
        return self._data  # type: ignore[return-value] # the source has filled it, or raised

    def _write(self) -> dict[str, Any]:
        if self.closed and not self.is_open_ended:
            raise RuntimeError(_OVER)
        data = self._read()
        self._touched = True
        return data

    def _renew(self) -> dict[str, Any]:
        # A new id travels in a Set-Cookie, which a WebSocket can send only with its accept.
        if self.closed:
            raise RuntimeError(_OVER)
        return self._read()
