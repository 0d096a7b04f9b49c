"""Verifies tokens: signature, claims, time, revocation, in the order of what they cost.

`verify_jwt` is the decision without state; `JwtVerifier` adds published keys, a memory of verified
tokens, and revocation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from asgi_security.crypto.jwt import encode_token
from asgi_security.events import log_event
from asgi_security.flows.issuing import issue_jwt
from asgi_security.flows.keys import PublishedKeys
from asgi_security.flows.revocations import (
    RevocationCheck,
    compute_token_digest,
    revoke_digest,
    revoke_session,
    revoke_subject,
)
from asgi_security.flows.token_cache import TokenCache
from asgi_security.flows.token_reading import (
    REFUSED,
    Reason,
    Refused,
    TokenReader,
    Verified,
)

if TYPE_CHECKING:
    from asgi_security.crypto.keys import KeyRing
    from asgi_security.events import EventSink
    from asgi_security.flows.token_reading import KeySource
    from asgi_security.policy.jwt import JwtConfig
    from asgi_security.storage.protocols import RevocationStore, Store

__all__ = [
    "JwtVerifier",
    "Outcome",
    "Reason",
    "Refused",
    "Unavailable",
    "Verified",
    "issue_jwt",
    "revoke_session",
    "revoke_subject",
    "revoke_token",
    "verify_jwt",
]


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nothing can be said: the store does not answer, or there are no keys to be had."""


Outcome: TypeAlias = Verified | Refused | Unavailable

_UNAVAILABLE = Unavailable()
_COMPILED_CONFIGS = 64
# By identity, each with its configuration, so that the identity is not given to another one.
_compiled: dict[int, tuple[JwtConfig, TokenReader]] = {}


def verify_jwt(token: str | bytes, config: JwtConfig, *, now: float) -> Verified | Refused:
    """Verify a token against secrets or keys at hand; never raises for what the token holds.

    Revocation is not asked, as that takes a store: `JwtVerifier` does. A configuration is compiled
    when it is first seen, so keep it.

    Raises:
        ConfigError: for keys that are none, or a `jwks_url`.
    """
    known = _compiled.get(id(config))
    reader = _compile(config) if known is None else known[1]
    raw = encode_token(token)
    if raw is None:
        return REFUSED["malformed"]
    source = reader.find_source(raw)
    if isinstance(source, Refused):
        return source
    # Every source has its ring: a reader that cannot fetch takes no others.
    read = reader.read(raw, cast("KeyRing", source.ring), source)
    return read if isinstance(read, Refused) else reader.decide_instant(read, now=now)


def _compile(config: JwtConfig) -> TokenReader:
    reader = TokenReader(config)
    while len(_compiled) >= _COMPILED_CONFIGS:
        _compiled.pop(next(iter(_compiled)), None)
    _compiled[id(config)] = (config, reader)
    return reader


class JwtVerifier:
    """Verifies the tokens of one configuration for as long as the process lives.

    Args:
        config: what is taken, and from where the keys come.
        events: told when keys change, and when keys or the store cannot be had.
        transport: an `httpx` transport to fetch keys with, such as one through a proxy.

    Raises:
        ConfigError: for keys that are none.
    """

    def __init__(
        self, config: JwtConfig, *, events: EventSink = log_event, transport: Any = None
    ) -> None:
        self._cache: TokenCache[tuple[Verified, KeySource]] = TokenCache(
            entries=config.cache_entries, limit_bytes=config.cache_bytes, admits_at_once=False
        )
        self._reader = TokenReader(
            config,
            lambda url: PublishedKeys(
                url, config, events=events, on_change=self._cache.clear, transport=transport
            ),
        )
        self._longest = config.max_token_bytes
        self._check = RevocationCheck.build(config, events)

        self.asks_store: bool = self._check is not None
        """Whether a good token still has to pass `check_revoked`."""

    def try_verify(self, token: bytes, *, now: float) -> Verified | Refused | None:
        """Verify all but revocation, or return None when keys must be waited for first."""
        if len(token) > self._longest:  # before anything walks over all of it
            return REFUSED["too_long"]
        known = self._cache.get(token)
        if known is not None:
            verified, source = known
            # Keys past their time may have been withdrawn: then even a hit must wait.
            if source.published is None or source.get_ring(now) is not None:
                return self._reader.decide_instant(verified, now=now)
        found = self._reader.find_source(token)
        if isinstance(found, Refused):
            return found
        ring = found.get_ring(now)
        if ring is None:
            return None
        outcome = self._read(token, ring, found, now)
        if found.published is not None and _has_unknown_key(outcome):
            return None if found.published.may_look_again(now) else outcome
        return outcome

    async def verify(self, token: str | bytes, *, now: float) -> Outcome:
        """Verify everything. Never raises for what the token holds."""
        raw = encode_token(token)
        if raw is None:
            return REFUSED["malformed"]
        outcome: Outcome | None = self.try_verify(raw, now=now)
        if outcome is None:
            outcome = await self._verify_with_fetched(raw, now)
        return await self.check_revoked(outcome, now=now)

    async def check_revoked(self, outcome: Outcome, *, now: float) -> Outcome:
        """Ask the store about a good token; every other outcome stays what it is."""
        if self._check is None or not isinstance(outcome, Verified):
            return outcome
        standing = await self._check.decide(outcome.names, now=now)
        if standing == "good":
            return outcome
        return REFUSED["revoked"] if standing == "revoked" else _UNAVAILABLE

    async def read_unchecked(self, token: str | bytes, *, now: float) -> Verified | Refused | None:
        """Return a token of ours whatever its time and standing; None if no keys are to be had."""
        raw = encode_token(token)
        if raw is None:
            return REFUSED["malformed"]
        found = self._reader.find_source(raw)
        if isinstance(found, Refused):
            return found
        ring = found.ring if found.published is None else await found.published.load(now)
        return None if ring is None else self._reader.read(raw, ring, found)

    async def _verify_with_fetched(self, token: bytes, now: float) -> Outcome:
        # Only a token whose source is published comes here: all others are decided at once.
        source = cast("KeySource", self._reader.find_source(token))
        published = cast("PublishedKeys", source.published)
        ring = await published.load(now)
        if ring is None:
            return _UNAVAILABLE
        outcome = self._read(token, ring, source, now)
        if _has_unknown_key(outcome):
            newer = await published.look_again(now)
            if newer is not None and newer is not ring:
                return self._read(token, newer, source, now)
        return outcome

    def _read(
        self, token: bytes, ring: KeyRing, source: KeySource, now: float
    ) -> Verified | Refused:
        read = self._reader.read(token, ring, source)
        if isinstance(read, Refused):
            return read
        outcome = self._reader.decide_instant(read, now=now)
        if outcome is read:
            self._cache.put(token, (read, source))
        return outcome


def _has_unknown_key(outcome: Outcome) -> bool:
    return isinstance(outcome, Refused) and outcome.reason == "unknown_key"


async def revoke_token(
    token: str | bytes,
    verifier: JwtVerifier,
    store: Store | RevocationStore,
    *,
    now: float,
) -> None:
    """Refuse a token from now until its end.

    A token that is unknown, expired or no token at all is a success without effect (RFC 7009
    section 2.2): the caller learns nothing. One that is not valid yet is revoked all the same.

    Raises:
        StorageError: when the store fails.
    """
    read = await verifier.read_unchecked(token, now=now)
    if isinstance(read, Verified) and now < read.lifetime.ends_at:
        digest = compute_token_digest(read.claims, read.jws.signed)
        await revoke_digest(digest, store, ends_at=read.lifetime.ends_at, now=now)
