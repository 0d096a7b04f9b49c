"""Refuses tokens before their time: what names a token in a store, and how it is asked.

A token is named by its `jti` and its `sid`, and without a `jti` by what its signature covers. All
names are digests with their kind in front: a store never sees a token, an id or a subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from asgi_security.crypto.digests import compute_unkeyed_digest
from asgi_security.errors import StorageError
from asgi_security.events import SecurityEvent, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.events import EventSink
    from asgi_security.policy.introspection import IntrospectionConfig
    from asgi_security.policy.jwt import JwtConfig
    from asgi_security.storage.protocols import RevocationStore, Store

Standing: TypeAlias = Literal["good", "revoked", "unavailable"]

_CENTURY_SECONDS = 100 * 365.25 * 24 * 3600


@dataclass(frozen=True, slots=True)
class TokenNames:
    """What a token is asked about, all in one call."""

    ids: tuple[bytes, ...]
    subject: bytes | None
    issued_at: float | None


def compute_token_digest(claims: Mapping[str, Any], signed: bytes) -> bytes:
    """Return the name that revokes this one token."""
    if "jti" in claims:
        return compute_unkeyed_digest("jti", claims["jti"])
    return compute_unkeyed_digest("token", signed.decode("latin-1"))


def compute_session_digest(session_id: str) -> bytes:
    """Return the name that revokes all tokens of one session, by its `sid`."""
    return compute_unkeyed_digest("sid", session_id)


def compute_subject_digest(subject: str) -> bytes:
    """Return the name of a subject, by its `sub`."""
    return compute_unkeyed_digest("sub", subject)


def compute_names(claims: Mapping[str, Any], signed: bytes) -> TokenNames:
    """Return every name that a token can be revoked by; `claims` have passed their checks."""
    ids = [compute_token_digest(claims, signed)]
    if "sid" in claims:
        ids.append(compute_session_digest(claims["sid"]))
    subject = compute_subject_digest(claims["sub"]) if "sub" in claims else None
    issued_at = claims.get("iat")
    # Whole seconds, as most issuers write them: a token of the second of a revocation is refused.
    return TokenNames(tuple(ids), subject, None if issued_at is None else floor(issued_at))


def resolve_revocations(store: object) -> RevocationStore:
    """Return the revocations of a whole store, or what is that facet already."""
    return cast("RevocationStore", getattr(store, "revocations", store))


class RevocationCheck:
    """Asks a store about tokens, and says what follows when it does not answer."""

    __slots__ = ("_events", "_fail_open", "_store", "_timeout_seconds")

    def __init__(
        self,
        store: object,
        *,
        timeout_seconds: float,
        fail_open: bool,
        events: EventSink,
    ) -> None:
        self._store = resolve_revocations(store)
        self._timeout_seconds = timeout_seconds
        self._fail_open = fail_open
        self._events = events

    @classmethod
    def build(
        cls, config: JwtConfig | IntrospectionConfig, events: EventSink
    ) -> RevocationCheck | None:
        """Build what a configuration asks for, None for one without a store of revocations."""
        if config.revocations is None:
            return None
        return cls(
            config.revocations,
            timeout_seconds=config.store_timeout_seconds,
            fail_open=config.fail_open,
            events=events,
        )

    async def decide(self, names: TokenNames, *, now: float) -> Standing:
        """Ask in one trip; a store that fails or is slow is an event, and by default a refusal."""
        from anyio import fail_after  # noqa: PLC0415 -- only who asks a store waits

        try:
            with fail_after(self._timeout_seconds):
                revoked = await self._store.is_revoked(
                    names.ids, subject=names.subject, issued_at=names.issued_at, now=now
                )
        except (StorageError, TimeoutError) as error:
            facts = {"error": type(error).__name__, "passed": self._fail_open}
            self._events(
                SecurityEvent(name="revocations_unavailable", severity=Severity.ERROR, facts=facts)
            )
            return "good" if self._fail_open else "unavailable"
        return "revoked" if revoked else "good"


async def revoke_session(
    session_id: str, store: Store | RevocationStore, *, expires_at: float
) -> None:
    """Refuse every token of a session; `expires_at` is when the last of them ends by itself."""
    digest = compute_session_digest(session_id)
    await resolve_revocations(store).revoke(digest, expires_at=expires_at)


async def revoke_subject(
    subject: str,
    store: Store | RevocationStore,
    *,
    before: float,
    expires_at: float,
) -> None:
    """Refuse every token issued to a subject in the second of `before`, or earlier.

    `expires_at` is when the last of them ends by itself.
    """
    await resolve_revocations(store).revoke_subject(
        compute_subject_digest(subject), before=before, expires_at=expires_at
    )


async def revoke_digest(
    digest: bytes, store: Store | RevocationStore, *, ends_at: float, now: float
) -> None:
    """Refuse one token until its end (leeway included), or for a century if it has none."""
    expires_at = min(ends_at, now + _CENTURY_SECONDS)
    await resolve_revocations(store).revoke(digest, expires_at=expires_at)
