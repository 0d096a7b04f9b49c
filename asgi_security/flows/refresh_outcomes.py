"""What comes of a refresh: one of a closed set of values, whatever was sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from asgi_security.flows.lockout import Unavailable

RefusalReason: TypeAlias = Literal[
    "malformed",
    "gone",
    "reused",
    "client_mismatch",
    "key_mismatch",
    "scope_widened",
    "subject_refused",
]

_OVER = frozenset({"gone", "reused", "subject_refused"})


@dataclass(frozen=True, slots=True)
class TokenPair:
    """An access token, and the refresh token that gets the next pair.

    `handle` names the login in lists, in its access tokens (`sid`) and in revocations; it opens
    nothing. `scopes` are those of the access token. From `refresh_expires_at` on the refresh token
    is worth nothing.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in_seconds: int
    handle: str
    subject: str
    scopes: tuple[str, ...]
    refresh_expires_at: float


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The login goes on with `pair`.

    `is_retry` says that the token had been used already, and its reply perhaps been lost: the
    refresh token is the same as then.
    """

    pair: TokenPair
    is_retry: bool = False


@dataclass(frozen=True, slots=True)
class RefreshRefused:
    """No new tokens. Whoever sent the token learns `code` and no more."""

    reason: RefusalReason

    @property
    def code(self) -> Literal["invalid_grant", "invalid_scope"]:
        """The error of RFC 6749 section 5.2."""
        return "invalid_scope" if self.reason == "scope_widened" else "invalid_grant"

    @property
    def ends_cookie(self) -> bool:
        """Whether to delete the cookie that carried the token: only when its login is over.

        A refusal for any other reason says nothing about the token that the cookie holds by now.
        """
        return self.reason in _OVER


@dataclass(frozen=True, slots=True)
class FamiliesEnded:
    """These logins are over, and their access tokens refused; none if there was nothing to end."""

    handles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedFamily:
    """A login, as its owner may see it.

    `client` is a keyed digest of the address it began from. `is_current` marks the one from which
    the list was asked for.
    """

    handle: str
    created_at: float
    advanced_at: float
    expires_at: float
    user_agent: str
    client: bytes | None
    client_id: str | None
    amr: tuple[str, ...]
    scopes: tuple[str, ...]
    is_current: bool = False


RefreshOutcome: TypeAlias = Refreshed | RefreshRefused | Unavailable
EndOutcome: TypeAlias = FamiliesEnded | Unavailable
