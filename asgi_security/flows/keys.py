"""Fetches the keys that an issuer publishes, once for all who wait, and keeps the last good set.

What is worth knowing about the tempting wrong roads: fetching for every unknown key id lets anyone
aim this server at its issuer; following a redirect lets whoever controls one choose our keys;
forgetting the old set when a fetch fails turns a hiccup of the issuer into our outage.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from asgi_security.crypto.keys import KeyRing
from asgi_security.crypto.strict_json import parse_json_object
from asgi_security.events import SecurityEvent, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    import anyio.lowlevel

    from asgi_security.events import EventSink
    from asgi_security.policy.jwt import JwtConfig

_HEADERS = {"accept": "application/jwk-set+json, application/json", "accept-encoding": "identity"}
_PAUSE_SECONDS = 5.0


class FetchFailedError(Exception):
    """A set could not be had. Safe to log because it says one word of a fixed set, and no URL."""


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
        self._transport = transport
        # An attempt is dated by its begin: the pause after a failure is counted from its end.
        self._retry_seconds = config.jwks_timeout_seconds + _PAUSE_SECONDS
        self._ring: KeyRing | None = None
        self._digest = b""
        self._fetched_at = 0.0
        self._attempted_at: float | None = None
        self._attempts = 0
        self._locks: anyio.lowlevel.RunVar[Any] | None = None

    def get_ring(self, now: float) -> KeyRing | None:
        """Return the keys if they may be used without asking the issuer, else None."""
        if self._ring is None or _is_within(now, self._fetched_at, self._config.jwks_ttl_seconds):
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
        await self._fetch_together(now)
        return self.get_ring(now)

    async def look_again(self, now: float) -> KeyRing | None:
        """Fetch for an unknown key id if the cool-down allows it, and return the keys."""
        if self.may_look_again(now):
            await self._fetch_together(now)
        return self.get_ring(now)

    def _has_tried(self, now: float, seconds: float) -> bool:
        return self._attempted_at is not None and _is_within(now, self._attempted_at, seconds)

    def _get_stale(self, now: float) -> KeyRing | None:
        limit = self._config.jwks_ttl_seconds + self._config.jwks_max_stale_seconds
        return self._ring if _is_within(now, self._fetched_at, limit) else None

    async def _fetch_together(self, now: float) -> None:
        """Let one of those who wait fetch, and the others take what came of it.

        A fetch that was cancelled with its request counts for nothing: the next one fetches.
        """
        import anyio.lowlevel  # noqa: PLC0415 -- only who fetches keys waits

        if self._locks is None:
            self._locks = anyio.lowlevel.RunVar("asgi_security_published_keys")
        lock = self._locks.get(None)
        if lock is None:
            lock = anyio.Lock()
            self._locks.set(lock)
        attempts = self._attempts
        async with lock:
            if self._attempts == attempts:
                await self._fetch(now)

    async def _fetch(self, now: float) -> None:
        try:
            body = await self._download()
            ring = _read_set(body)
        except FetchFailedError as error:
            self._note_attempt(now)
            facts = {"reason": str(error), "kept": self._ring is not None}
            self._events(
                SecurityEvent(name="jwks_unavailable", severity=Severity.ERROR, facts=facts)
            )
            return
        self._note_attempt(now)
        self._fetched_at = now
        digest = hashlib.sha256(body).digest()
        if digest != self._digest:
            self._ring, self._digest = ring, digest
            self._on_change()
            self._events(SecurityEvent(name="jwks_changed", facts={"keys": len(ring.keys)}))

    def _note_attempt(self, now: float) -> None:
        self._attempts += 1
        self._attempted_at = now

    async def _download(self) -> bytes:
        import anyio  # noqa: PLC0415 -- only who fetches keys waits
        import httpx  # noqa: PLC0415 -- slow to import

        client = httpx.AsyncClient(
            transport=self._transport,
            follow_redirects=False,
            trust_env=False,
            timeout=self._config.jwks_timeout_seconds,
            headers=_HEADERS,
        )
        try:
            # Around all of it: a server that sends a byte a second keeps every other timeout.
            with anyio.fail_after(self._config.jwks_timeout_seconds):
                async with client, client.stream("GET", self._url) as response:
                    return await self._read(response)
        except TimeoutError as error:
            raise FetchFailedError("timeout") from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            raise FetchFailedError("network") from error

    async def _read(self, response: Any) -> bytes:
        if response.status_code != 200:
            raise FetchFailedError("redirect" if response.is_redirect else "status")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise FetchFailedError("encoding")  # it was not asked for, and 256 kB could be 256 MB
        from anyio import CancelScope  # noqa: PLC0415 -- only who fetches keys waits

        body = bytearray()
        with CancelScope() as reading:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > self._config.jwks_max_bytes:
                    # Not left by `break`: that strands the generators below this one.
                    reading.cancel()
        if reading.cancel_called:
            raise FetchFailedError("too_long")
        return bytes(body)


def _read_set(body: bytes) -> KeyRing:
    document = parse_json_object(body)
    ring = None if document is None else KeyRing.from_published(document)
    if ring is None:
        raise FetchFailedError("no_usable_key")
    return ring


def _is_within(now: float, since: float, seconds: float) -> bool:
    """Tell whether `now` is in the span; a clock that went back is outside it."""
    return 0 <= now - since < seconds
