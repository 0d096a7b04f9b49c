"""Asks the range service about a password, once for all who ask the same, and remembers answers.

What is worth knowing about the tempting wrong roads: asking again at once while the service says
429 keeps it saying so; caching failures turns a hiccup of a second into a day; letting the first
who asks take the others down with it turns one closed tab into fifty errors.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asgi_security.clock import is_within, system_clock
from asgi_security.flows.fetching import Fetcher, FetchFailedError
from asgi_security.flows.per_loop import PerLoop
from asgi_security.policy.breaches import (
    BreachConfig,
    Breached,
    BreachUnavailable,
    NotBreached,
    compute_pause_seconds,
    find_breach_count,
    has_range_line,
    split_digest,
)
from asgi_security.validation import resolve_configuration

if TYPE_CHECKING:
    import anyio.lowlevel

    from asgi_security.clock import Clock
    from asgi_security.flows.fetching import Fetched
    from asgi_security.policy.breaches import BreachFinding


class BreachChecker:
    """Tells whether a password stands in a known breach; only five digits of its SHA-1 leave.

    Args:
        config: a `BreachConfig`, or give its fields by name.
        clock: dates the cache and the pauses.
        transport: an `httpx` transport, for a proxy or a test; None for the default one.
    """

    def __init__(
        self,
        config: BreachConfig | None = None,
        *,
        clock: Clock = system_clock,
        transport: Any = None,
        **fields: Any,
    ) -> None:
        self.config = resolve_configuration(BreachConfig, config, fields)
        self._clock = clock
        self._fetcher = Fetcher(
            timeout_seconds=self.config.timeout_seconds,
            max_bytes=self.config.max_bytes,
            headers={
                "user-agent": self.config.user_agent,
                "add-padding": "true",
                "accept": "text/plain",
            },
            transport=transport,
        )
        self._answers: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._paused_at = 0.0
        self._pause_seconds = 0.0
        self._flights: PerLoop[dict[str, _Flight]] = PerLoop(dict)

    async def check(self, password: str) -> BreachFinding:
        """Look a password up. Never raises for what the service does or fails to do.

        Args:
            password: as it will be hashed, normalised.
        """
        prefix, suffix = split_digest(password)
        now = self._clock()
        body: bytes | BreachUnavailable | None = self._get_answer(prefix, now)
        if body is None:
            if is_within(now, self._paused_at, self._pause_seconds):
                return BreachUnavailable("paused")
            body = await self._ask_together(prefix)
        if isinstance(body, BreachUnavailable):
            return body
        count = find_breach_count(body, suffix)
        return Breached(count) if count else NotBreached()

    def _get_answer(self, prefix: str, now: float) -> bytes | None:
        at, body = self._answers.get(prefix, (0.0, None))
        if body is None or not is_within(now, at, self.config.cache_seconds):
            return None
        self._answers.move_to_end(prefix)
        return body

    def _keep_answer(self, prefix: str, body: bytes) -> None:
        self._answers[prefix] = (self._clock(), body)
        self._answers.move_to_end(prefix)
        while len(self._answers) > self.config.cache_prefixes:
            self._answers.popitem(last=False)

    async def _ask_together(self, prefix: str) -> bytes | BreachUnavailable:
        """Let one of those who ask for a prefix fetch it, and the others take what came of it.

        If the one is cancelled, the next fetches: each within its own time.
        """
        import anyio  # noqa: PLC0415 -- only who asks waits

        flights = self._flights.get()
        flight = flights.get(prefix)
        if flight is None:
            flight = flights[prefix] = _Flight(anyio.Lock())
        flight.passengers += 1
        try:
            with anyio.move_on_after(self.config.timeout_seconds) as scope:
                async with flight.lock:
                    try:
                        if flight.outcome is None:
                            flight.outcome = await self._fetch(prefix)
                    finally:
                        # Whoever waits behind a service that does not answer need not try it too.
                        if flight.outcome is None and scope.cancel_called:
                            flight.outcome = BreachUnavailable("timeout")
            return flight.outcome or BreachUnavailable("timeout")
        finally:
            flight.passengers -= 1
            if not flight.passengers:
                del flights[prefix]

    async def _fetch(self, prefix: str) -> bytes | BreachUnavailable:
        try:
            fetched = await self._fetcher.get(f"{self.config.base_url}/range/{prefix}")
        except FetchFailedError as error:
            return BreachUnavailable(str(error))
        if fetched.status != 200:
            return self._refuse(fetched)
        if not has_range_line(fetched.body):
            return BreachUnavailable("malformed")
        self._keep_answer(prefix, fetched.body)
        return fetched.body

    def _refuse(self, fetched: Fetched) -> BreachUnavailable:
        if fetched.status == 429 or fetched.status >= 500:
            self._paused_at = self._clock()
            self._pause_seconds = compute_pause_seconds(
                fetched.headers.get("retry-after"),
                now=self._paused_at,
                maximum=self.config.max_pause_seconds,
            )
        return BreachUnavailable("status")


@dataclass(slots=True)
class _Flight:
    """One question under way, and how many wait for its answer."""

    lock: anyio.Lock
    passengers: int = 0
    outcome: bytes | BreachUnavailable | None = None
