"""Decides how a session is kept and how long it lives.

Source: OWASP ASVS 5.0 sections 3.3 (cookies), 7.2 (ids), 7.3 (timeouts), 7.4 (ending); RFC 6265bis.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal, TypeAlias

from asgi_security.errors import ConfigError, Problem
from asgi_security.policy.cookies import CookieConfig, settle_signing_secrets
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.policy.cookies import SameSite
    from asgi_security.secret import Secret

UserEpoch: TypeAlias = Callable[[str], float | Awaitable[float | None] | None]
"""Returns the instant before which a user's sessions are void (the last change of the password)."""

_CLOCK_LEEWAY_SECONDS = 60.0
_REFRESH_SHARE = 10


@configuration
class SessionConfig:
    """How sessions are kept. Without a `store` the data travels in the signed cookie.

    Args:
        secret: signs the cookie; 32 bytes or more. Needed without a store; with one it only keys
            the digest of the client's address.
        old_secrets: retired secrets that still verify; what they signed is signed anew at once.
        cookie_name: by default `__Host-session`, or a name whose prefix the attributes can keep.
        store: a store, or its `sessions` facet: the cookie then carries nothing but an id.
        idle_timeout_seconds: a session unused for so long is gone.
        absolute_timeout_seconds: a session is gone so long after its login, however active.
        refresh_after_seconds: use is noted at most this often; a tenth of the idle time if None.
        max_age_seconds: how long the browser keeps the cookie; None for until it is closed.
        max_sessions_per_user: needs a store. Beyond it the session longest unseen goes, or with
            `on_limit="refuse"` the login comes to nothing: the response has no session cookie, so
            an app that wants to say so asks `list_sessions` first.
        on_store_error: what a request meets whose session cannot be loaded: a 503, or no session.
        on_oversize: what a session too big for a cookie causes: an event and no cookie, or a raise.
        on_conflict: what happens to two changes at once: the last wins whole, or key by key.
        lazy_load: load from the store only at `await session.load()`, not before the app runs.
        revocations: a store, or its `revocations` facet: makes a logout count without a store.
        user_epoch: asked with the user; a session that began at or before its answer is void.
        store_timeout_seconds: a store that takes longer has failed.
    """

    secret: Secret | str | bytes | None = None
    old_secrets: Sequence[Secret | str | bytes] = ()
    cookie_name: str | None = None
    store: object | None = None
    idle_timeout_seconds: float = 1800
    absolute_timeout_seconds: float = 43200
    refresh_after_seconds: float | None = None
    same_site: SameSite = "lax"
    secure: bool = True
    domain: str | None = None
    path: str = "/"
    partitioned: bool = False
    max_age_seconds: int | None = None
    max_sessions_per_user: int | None = None
    on_limit: Literal["evict", "refuse"] = "evict"
    on_store_error: Literal["refuse", "anonymous"] = "refuse"
    on_oversize: Literal["event", "raise"] = "event"
    on_conflict: Literal["last_wins", "merge"] = "last_wins"
    lazy_load: bool = False
    revocations: object | None = None
    user_epoch: UserEpoch | None = None
    store_timeout_seconds: float = 2.0

    def __post_init__(self) -> None:
        """Check everything at once, and settle the defaults that depend on other fields."""
        findings = Findings(type(self).__name__)
        if self.cookie_name is None:
            object.__setattr__(self, "cookie_name", self._choose_name())
        try:
            cookie = self.build_cookie()
        except ConfigError as error:
            found = [(p.field.replace("name", "cookie_name"), p) for p in error.problems]
            renamed = [Problem(field, p.value, p.reason, p.hint) for field, p in found]
            findings.extend(ConfigError(error.owner, renamed))
        else:
            object.__setattr__(self, "same_site", cookie.same_site)
        _check_secrets(findings, self)
        _check_lifetimes(findings, self)
        _check_choices(findings, self)
        findings.raise_if_any()
        if self.refresh_after_seconds is None:
            share = self.idle_timeout_seconds / _REFRESH_SHARE
            object.__setattr__(self, "refresh_after_seconds", share)

    def _choose_name(self) -> str:
        if not self.secure:
            return "session"
        return "__Host-session" if self.domain is None and self.path == "/" else "__Secure-session"

    def build_cookie(self) -> CookieConfig:
        """Return the cookie that carries the session; scripts can never read it."""
        return CookieConfig(
            name=self.cookie_name or "",
            path=self.path,
            domain=self.domain,
            secure=self.secure,
            same_site=self.same_site,
            partitioned=self.partitioned,
            max_age_seconds=self.max_age_seconds,
        )


def _check_secrets(findings: Findings, config: SessionConfig) -> None:
    if config.secret is None:
        if config.store is None:
            hint = "give a secret (`asgi-security keys new` prints one), or a store"
            findings.add_secret("secret", "without a store the cookie must be signed", hint)
        return
    settle_signing_secrets(findings, config)


def _check_lifetimes(findings: Findings, config: SessionConfig) -> None:
    idle, absolute = config.idle_timeout_seconds, config.absolute_timeout_seconds
    right = findings.check_number("idle_timeout_seconds", idle, minimum=1)
    right &= findings.check_number("absolute_timeout_seconds", absolute, minimum=1)
    if right and idle > absolute:
        hint = f"give at most absolute_timeout_seconds, {absolute:g}"
        findings.add("idle_timeout_seconds", idle, "longer than the session can live", hint)
    refresh = config.refresh_after_seconds
    if refresh is not None and right:
        findings.check_number("refresh_after_seconds", refresh, minimum=0, maximum=idle / 2)
    findings.check_number("store_timeout_seconds", config.store_timeout_seconds, minimum=0.001)


def _check_choices(findings: Findings, config: SessionConfig) -> None:
    findings.check_boolean("lazy_load", config.lazy_load)
    findings.check_choice("on_limit", config.on_limit, ("evict", "refuse"))
    findings.check_choice("on_store_error", config.on_store_error, ("refuse", "anonymous"))
    findings.check_choice("on_oversize", config.on_oversize, ("event", "raise"))
    findings.check_choice("on_conflict", config.on_conflict, ("last_wins", "merge"))
    limit = config.max_sessions_per_user
    if limit is None:
        return
    counted = findings.check_number("max_sessions_per_user", limit, minimum=1, integer=True)
    if counted and config.store is None:
        reason = "sessions that live in cookies cannot be counted"
        findings.add("max_sessions_per_user", limit, reason, "give a store")


class Lifetimes:
    """The two clocks of a session, compiled: how long unused, and how long at all."""

    __slots__ = ("_absolute", "_idle", "_refresh")

    def __init__(self, config: SessionConfig) -> None:
        self._idle = config.idle_timeout_seconds
        self._absolute = config.absolute_timeout_seconds
        self._refresh = config.refresh_after_seconds or 0.0

    def is_live(self, created_at: float, seen_at: float, *, now: float) -> bool:
        """Tell whether a session lives: expired from the very instant, never from the future."""
        latest = now + _CLOCK_LEEWAY_SECONDS
        if created_at > latest or seen_at > latest:
            return False
        return now < seen_at + self._idle and now < created_at + self._absolute

    def is_due(self, seen_at: float, *, now: float) -> bool:
        """Tell whether use should be noted again."""
        return now - seen_at >= self._refresh

    def compute_idle_end(self, now: float) -> float:
        """Return when a session last used at `now` runs out."""
        return now + self._idle

    def compute_absolute_end(self, created_at: float) -> float:
        """Return when a session that began then is over whatever happens."""
        return created_at + self._absolute


def is_void(created_at: float, epoch: float | None) -> bool:
    """Tell whether a session began before its user's epoch.

    An epoch of whole seconds may lie anywhere within its second, so that whole second counts as
    before: a session stolen in it must not outlive the change of password.
    """
    if epoch is None:
        return False
    return created_at < epoch + 1 if epoch % 1 == 0 else created_at <= epoch
