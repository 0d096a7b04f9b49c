"""Finds a provider's endpoints, once for all who wait, and keeps the last good description.

Nothing is fetched before somebody logs in: a provider that is down keeps no server from starting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.clock import is_within
from asgi_security.crypto.strict_json import parse_json_object
from asgi_security.events import Severity
from asgi_security.flows.fetching import FetchFailedError, Together
from asgi_security.policy.oauth_discovery import (
    ProviderEndpoints,
    build_discovery_url,
    build_endpoints,
    parse_discovery,
)

if TYPE_CHECKING:
    from asgi_security.flows.auditing import Reporter
    from asgi_security.flows.fetching import Fetcher
    from asgi_security.policy.oauth import OAuthConfig, OAuthProvider

_PAUSE_SECONDS = 5.0


class PublishedEndpoints:
    """The endpoints of one provider: those that are configured, or those that it publishes.

    Args:
        provider: whose they are.
        config: the times.
        fetcher: asks.
        reporter: told of each failure.
    """

    def __init__(
        self,
        provider: OAuthProvider,
        config: OAuthConfig,
        *,
        fetcher: Fetcher,
        reporter: Reporter,
    ) -> None:
        self._provider = provider
        self._config = config
        self._fetcher = fetcher
        self._reporter = reporter
        self._configured = build_endpoints(provider)
        self._found: ProviderEndpoints | None = None
        self._found_at = 0.0
        # An attempt is dated by its begin: the pause after a failure is counted from its end.
        self._retry_seconds = config.timeout_seconds + _PAUSE_SECONDS
        self._failed_at: float | None = None
        self._together = Together(self._fetch)

    async def load(self, now: float) -> ProviderEndpoints | None:
        """Return the endpoints, fetched if they must be; None while they are not to be had."""
        if self._configured is not None:
            return self._configured
        if self._is_within(now, self._config.discovery_ttl_seconds):
            return self._found
        if not self._has_just_failed(now):
            await self._together.run(now)
        limit = self._config.discovery_ttl_seconds + self._config.discovery_max_stale_seconds
        return self._found if self._is_within(now, limit) else None

    def _is_within(self, now: float, seconds: float) -> bool:
        return self._found is not None and is_within(now, self._found_at, seconds)

    def _has_just_failed(self, now: float) -> bool:
        at = self._failed_at
        return at is not None and is_within(now, at, self._retry_seconds)

    async def _fetch(self, now: float) -> None:
        found = await self._download()
        if isinstance(found, ProviderEndpoints):
            self._found, self._found_at, self._failed_at = found, now, None
            return
        self._failed_at = now
        self._reporter.tell(
            "oauth_discovery_failed",
            Severity.ERROR,
            provider=self._provider.name,
            reason=found,
            kept=self._found is not None,
        )

    async def _download(self) -> ProviderEndpoints | str:
        """Return what the provider says, or why it counts for nothing."""
        try:
            answer = await self._fetcher.get(build_discovery_url(self._provider))
        except FetchFailedError as error:
            return str(error)
        if answer.status != 200:
            return "status"
        document = parse_json_object(answer.body)
        return "bad_json" if document is None else parse_discovery(document, self._provider)
