"""Fetches the keys that an issuer publishes, once for all who wait, and keeps the last good set.

What is worth knowing about the tempting wrong roads: fetching for every unknown key id lets anyone
aim this server at its issuer; following a redirect lets whoever controls one choose our keys;
forgetting the old set when a fetch fails turns a hiccup of the issuer into our outage.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from asgi_security.clock import is_within
from asgi_security.crypto.keys import KeyRing
from asgi_security.crypto.strict_json import parse_json_object
from asgi_security.events import SecurityEvent, Severity
from asgi_security.flows.fetching import Fetcher, FetchFailedError, Together

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.events import EventSink
    from asgi_security.flows.fetching import Fetched
    from asgi_security.policy.jwt import JwtConfig

_HEADERS = {"accept": "application/jwk-set+json, application/json"}
_PAUSE_SECONDS = 5.0


class PublishedKeys:
    """The keys behind one URL.

    Args:
        url: of a JWK set.
        config: the times and bounds.
        events: told of each failure and each change of keys.
        on_change: called when the keys are no longer those of before.
        transport: an `httpx` transport, for a proxy or a test; None for the default one.
    """

    def __init__(
        self,
        url: str,
        config: JwtConfig,
        *,
        events: EventSink,
        on_change: Callable[[], None],
        transport: Any = None,
    ) -> None:
        self._url = url
        self._config = config
        self._events = events
        self._on_change = on_change
        self._fetcher = Fetcher(
            timeout_seconds=config.jwks_timeout_seconds,
            max_bytes=config.jwks_max_bytes,
            headers=_HEADERS,
            transport=transport,
        )
        self._together = Together(self._fetch)
        # An attempt is dated by its begin: the pause after a failure is counted from its end.
        self._retry_seconds = config.jwks_timeout_seconds + _PAUSE_SECONDS
        self._ring: KeyRing | None = None
        self._digest = b""
        self._fetched_at = 0.0
        self._attempted_at: float | None = None

    def get_ring(self, now: float) -> KeyRing | None:
        """Return the keys if they may be used without asking the issuer, else None."""
        if self._ring is None or is_within(now, self._fetched_at, self._config.jwks_ttl_seconds):
            return self._ring
        # Past its time, and the issuer has just failed to answer: the old set has to do.
        return self._get_stale(now) if self._has_tried(now, self._retry_seconds) else None

    def may_look_again(self, now: float) -> bool:
        """Tell whether an unknown key id is worth a fetch yet."""
        return not self._has_tried(now, self._config.jwks_cooldown_seconds)

    async def load(self, now: float) -> KeyRing | None:
        """Return the keys, fetched if they must be; None while there are none to be had."""
        ring = self.get_ring(now)
        if ring is not None or self._has_tried(now, self._retry_seconds):
            return ring
        await self._together.run(now)
        return self.get_ring(now)

    async def look_again(self, now: float) -> KeyRing | None:
        """Fetch for an unknown key id if the cool-down allows it, and return the keys."""
        if self.may_look_again(now):
            await self._together.run(now)
        return self.get_ring(now)

    def _has_tried(self, now: float, seconds: float) -> bool:
        return self._attempted_at is not None and is_within(now, self._attempted_at, seconds)

    def _get_stale(self, now: float) -> KeyRing | None:
        limit = self._config.jwks_ttl_seconds + self._config.jwks_max_stale_seconds
        return self._ring if is_within(now, self._fetched_at, limit) else None

    async def _fetch(self, now: float) -> None:
        try:
            fetched = await self._fetcher.get(self._url)
            ring = _read_set(fetched)
        except FetchFailedError as error:
            self._attempted_at = now
            facts = {"reason": str(error), "kept": self._ring is not None}
            self._events(
                SecurityEvent(name="jwks_unavailable", severity=Severity.ERROR, facts=facts)
            )
            return
        self._attempted_at = self._fetched_at = now
        digest = hashlib.sha256(fetched.body).digest()
        if digest != self._digest:
            self._ring, self._digest = ring, digest
            self._on_change()
            self._events(SecurityEvent(name="jwks_changed", facts={"keys": len(ring.keys)}))


def _read_set(fetched: Fetched) -> KeyRing:
    if fetched.status != 200:
        raise FetchFailedError("status")
    document = parse_json_object(fetched.body)
    ring = None if document is None else KeyRing.from_published(document)
    if ring is None:
        raise FetchFailedError("no_usable_key")
    return ring
