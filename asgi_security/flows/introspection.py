"""Asks an authorization server about tokens, once for all who present the same, within bounds.

Usable without ASGI. What is worth knowing about the tempting wrong roads: taking a token because
the server does not answer opens every door to whoever keeps it from answering; remembering under
the token itself leaves tokens in every memory dump; keeping refused tokens beside the good ones
lets a flood of junk throw the good ones out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from asgi_security.clock import is_within
from asgi_security.crypto.jwt import encode_token
from asgi_security.crypto.strict_json import parse_json_object
from asgi_security.events import SecurityEvent, Severity, log_event
from asgi_security.flows.fetching import Fetcher, FetchFailedError, Together
from asgi_security.flows.per_loop import PerLoop
from asgi_security.flows.revocations import RevocationCheck, compute_names
from asgi_security.flows.token_cache import TokenCache
from asgi_security.policy.bearer import is_b64token
from asgi_security.policy.introspection import build_body, build_headers
from asgi_security.policy.introspection_answers import (
    Introspected,
    IntrospectionPolicy,
    IntrospectionRefused,
    IntrospectionUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asgi_security.events import EventSink
    from asgi_security.policy.introspection import IntrospectionConfig
    from asgi_security.policy.introspection_answers import IntrospectionOutcome

_Said: TypeAlias = Introspected | IntrospectionRefused

_MALFORMED = IntrospectionRefused("malformed")
_TOO_LONG = IntrospectionRefused("too_long")
_REVOKED = IntrospectionRefused("revoked")
_STORE_FAILED = IntrospectionUnavailable("store")
_ENTRY_BYTES = 1024  # more than a digest counts for, so that only the number of entries bounds


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer, and how long it counts."""

    outcome: _Said
    asked_at: float
    seconds: float


class Introspector:
    """Verifies the tokens of one configuration by asking, for as long as the process lives.

    Args:
        config: whom to ask, and what is taken.
        events: told when the endpoint or the store cannot be had.
        transport: an `httpx` transport to ask through, such as one of a proxy.
    """

    def __init__(
        self,
        config: IntrospectionConfig,
        *,
        events: EventSink = log_event,
        transport: Any = None,
    ) -> None:
        self._config = config
        self._events = events
        self._policy = IntrospectionPolicy(config)
        self._headers = build_headers(config)
        self._fetcher = Fetcher(
            timeout_seconds=config.timeout_seconds,
            max_bytes=config.max_response_bytes,
            transport=transport,
        )
        self._good, self._bad = [
            TokenCache[_Kept](
                entries=config.cache_entries, limit_bytes=config.cache_entries * _ENTRY_BYTES
            )
            for _ in range(2)
        ]
        self._flights: PerLoop[dict[bytes, _Flight]] = PerLoop(dict)
        self._check = RevocationCheck.build(config, events)
        self.asks_store: bool = self._check is not None
        """Whether a good token is asked about in a store of revocations too."""

    def try_verify(self, token: bytes, *, now: float) -> _Said | None:
        """Verify all but revocation, or return None when the server must be asked first."""
        if len(token) > self._config.max_token_bytes:  # before anything walks over all of it
            return _TOO_LONG
        if not is_b64token(token):
            return _MALFORMED
        return self._recall(_compute_digest(token), now)

    async def verify(self, token: str | bytes, *, now: float) -> IntrospectionOutcome:
        """Verify everything. Never raises for what the token holds or the server says."""
        raw = encode_token(token)
        if raw is None:
            return _MALFORMED
        outcome: IntrospectionOutcome | None = self.try_verify(raw, now=now)
        if outcome is None:
            outcome = await self._ask_together(raw, now)
        if self._check is None or not isinstance(outcome, Introspected):
            return outcome
        # Padding is no part of what names a token: the same one, spelt otherwise, is revoked too.
        names = compute_names(outcome.claims, raw.rstrip(b"="))
        standing = await self._check.decide(names, now=now)
        if standing == "good":
            return outcome
        return _REVOKED if standing == "revoked" else _STORE_FAILED

    def _recall(self, digest: bytes, now: float) -> _Said | None:
        for cache in (self._good, self._bad):
            kept = cache.get(digest)
            # Within this time the token cannot begin or end: the instant need not be decided anew.
            if kept is not None and is_within(now, kept.asked_at, kept.seconds):
                return kept.outcome
        return None

    def _keep(self, digest: bytes, outcome: _Said, now: float) -> None:
        kept = _Kept(outcome, now, self._policy.compute_cache_seconds(outcome, now=now))
        # What has taken the place of a good answer stands there: a clock that goes back must not
        # find the token good again.
        if isinstance(outcome, Introspected) or self._good.get(digest) is not None:
            self._good.put(digest, kept)
        else:
            self._bad.put(digest, kept)

    async def _ask_together(self, token: bytes, now: float) -> IntrospectionOutcome:
        import anyio  # noqa: PLC0415 -- only who asks waits

        digest = _compute_digest(token)
        flights = self._flights.get()
        flight = flights.get(digest)
        if flight is None:
            flight = flights[digest] = _Flight(lambda at: self._ask(token, digest, at))
        flight.passengers += 1
        outcome: IntrospectionOutcome | None = None
        try:
            # Twice: who waited for one that was cancelled at the last moment asks for itself.
            with anyio.move_on_after(2 * self._config.timeout_seconds):
                await flight.together.run(now)
                outcome = flight.outcome
        finally:
            flight.passengers -= 1
            if not flight.passengers:
                del flights[digest]
        return self._fail("timeout") if outcome is None else outcome

    async def _ask(self, token: bytes, digest: bytes, now: float) -> IntrospectionOutcome:
        try:
            answer = await self._fetcher.post(
                self._config.url, body=build_body(token), headers=self._headers
            )
        except FetchFailedError as error:
            return self._fail(str(error))
        outcome = self._policy.decide(answer.status, parse_json_object(answer.body), now=now)
        if isinstance(outcome, IntrospectionUnavailable):
            return self._fail(outcome.reason)
        self._keep(digest, outcome, now)
        return outcome

    def _fail(self, reason: str) -> IntrospectionUnavailable:
        # Safe to log because a reason is a word of a fixed set, or a status.
        facts = {"error": reason}
        self._events(
            SecurityEvent(name="introspection_unavailable", severity=Severity.ERROR, facts=facts)
        )
        return IntrospectionUnavailable(reason)


class _Flight:
    """One token's question under way, and how many wait for its answer."""

    __slots__ = ("_ask", "outcome", "passengers", "together")

    def __init__(self, ask: Callable[[float], Awaitable[IntrospectionOutcome]]) -> None:
        self._ask = ask
        self.together = Together(self._work)
        self.passengers = 0
        self.outcome: IntrospectionOutcome | None = None

    async def _work(self, now: float) -> None:
        self.outcome = None  # that of an earlier question is not for who asks now
        self.outcome = await self._ask(now)


def _compute_digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
