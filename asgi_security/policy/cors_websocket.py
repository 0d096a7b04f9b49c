"""Decides which pages may open a WebSocket: the server's part, since browsers guard none.

Source: RFC 6455 sections 4.2.2 and 10.2; WHATWG Fetch has no CORS check for WebSockets, and no
credentials mode either: cookies always go along.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.policy.origins import is_same_origin, parse_origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.policy.origins import OriginPolicy


@dataclass(frozen=True, slots=True)
class WebSocketAllowed:
    """The handshake may go on."""


@dataclass(frozen=True, slots=True)
class WebSocketDenied:
    """The handshake ends before `accept`, for the reason that `rule` names."""

    rule: str


WebSocketDecision: TypeAlias = WebSocketAllowed | WebSocketDenied

_ALLOWED = WebSocketAllowed()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketTerms:
    """Who may open a WebSocket: pages of the server itself, and those of `origins`."""

    origins: OriginPolicy
    require_origin: bool = False
    """Whether a client that names no origin, and is no browser thus, is denied."""
    allow_any: bool = False
    """Whether every well-formed origin is allowed."""

    def decide(
        self,
        origins: Sequence[bytes],
        hosts: Sequence[bytes],
        *,
        scheme: str,
        resolver_allows: bool = False,
    ) -> WebSocketDecision:
        """Decide on the lines of `Origin` and `Host`; `scheme` is the ASGI scope's.

        `resolver_allows` is the resolver's verdict on this origin.
        """
        if not origins:
            return WebSocketDenied("origin_missing") if self.require_origin else _ALLOWED
        if len(origins) != 1:
            return WebSocketDenied("origin_duplicated")
        if resolver_allows or self.origins.allows(origins[0]):
            return _ALLOWED
        origin = parse_origin(origins[0])
        if origin is None:
            return WebSocketDenied("origin_malformed")
        own = len(hosts) == 1 and is_same_origin(origin, scheme=scheme, host=hosts[0])
        return _ALLOWED if own or self.allow_any else WebSocketDenied("origin_not_allowed")
