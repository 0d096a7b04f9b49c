"""Decides what a response says to other origins, and which of them may open a WebSocket.

Nothing is allowed by default. CORS only relaxes the same-origin policy of browsers: it is no
access control, so a request of a foreign origin runs, and its response is merely unreadable there.

Source: WHATWG Fetch, "HTTP CORS protocol"; RFC 6455 section 10.2 (origin of a WebSocket).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar, final

from asgi_security.policy.cors_config import CorsConfig, Resolver, check_cors_advice
from asgi_security.policy.cors_names import drop_safelisted
from asgi_security.policy.cors_preflight import PreflightTerms, Refused
from asgi_security.policy.cors_websocket import WebSocketTerms
from asgi_security.policy.origins import OriginPolicy, parse_origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asgi_security.policy.cors_preflight import Pairs

    RequestHeaders: TypeAlias = Mapping[bytes, Sequence[bytes]]

__all__ = [
    "ActualAllowed",
    "ActualDenied",
    "CorsConfig",
    "CorsPolicy",
    "HttpDecision",
    "NotCors",
    "PreflightAllowed",
    "PreflightDecision",
    "PreflightDenied",
    "PreflightExplained",
    "Resolver",
    "check_cors_advice",
]

READS = frozenset({b"origin", b"access-control-request-method", b"access-control-request-headers"})
"""The request headers on which a decision on an HTTP request depends."""

_ALLOW_ORIGIN = b"access-control-allow-origin"
_VARY_ON_ORIGIN: Pairs = ((b"vary", b"Origin"),)
# Fetch does not ask for the other two: caches that obey RFC 9110 to the letter do.
VARY_ON_PREFLIGHT: Pairs = (
    (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
)
_NOTHING_LISTED = (None,)

_K = TypeVar("_K")
_V = TypeVar("_V")

_MAX_REMEMBERED = 1024
_MAX_REMEMBERED_BYTES = 512


@dataclass(frozen=True, slots=True)
class NotCors:
    """No origin was named; `headers` keep caches from giving this response to another origin."""

    headers: Pairs


@final
@dataclass(frozen=True, slots=True)
class ActualAllowed:
    """The page may read the response, as `headers` tell its browser."""

    headers: Pairs


@dataclass(frozen=True, slots=True)
class ActualDenied:
    """The page may not read the response."""

    headers: Pairs


@final
@dataclass(frozen=True, slots=True)
class PreflightAllowed:
    """The page may send the request it asked for; answer 204."""

    headers: Pairs


@dataclass(frozen=True, slots=True)
class PreflightExplained:
    """The page may not, and in debug mode a 204 lets its browser name the cause."""

    headers: Pairs
    rule: str


@dataclass(frozen=True, slots=True)
class PreflightDenied:
    """The page may not: answer 403, the same bytes whatever the rule."""

    headers: Pairs
    rule: str


PreflightDecision: TypeAlias = PreflightAllowed | PreflightExplained | PreflightDenied
HttpDecision: TypeAlias = NotCors | ActualAllowed | ActualDenied | PreflightDecision

_DENIED = ActualDenied(_VARY_ON_ORIGIN)


class CorsPolicy:
    """A `CorsConfig`, compiled. Ask `select` for the policy of a path first.

    Allowed results are remembered, in bounded number and size: they follow from the configuration
    alone. A resolver's verdict may change, so what it allowed is never remembered.
    """

    __slots__ = (
        *("_actuals", "_after_origin", "_debug", "_max_age", "_origins"),
        *("_paths", "_preflights", "_public", "_terms", "_with_origin"),
        *("depends_on_path", "originless", "resolver", "websockets"),
    )

    def __init__(self, config: CorsConfig) -> None:
        public = "*" in config.allow_origins
        listed = [origin for origin in config.allow_origins if origin != "*"]
        self._origins = OriginPolicy(listed, config.allow_origin_regex)
        self._debug = config.debug
        self.websockets = WebSocketTerms(
            origins=self._origins,
            require_origin=config.require_websocket_origin,
            allow_any=config.allow_any_websocket_origin,
        )
        """The decision on WebSocket handshakes. A public policy (`*`) is about pages without
        credentials, so it opens none unless `allow_any_websocket_origin` says so."""
        self._terms = PreflightTerms(
            config.allow_methods, config.allow_headers, credentials=config.allow_credentials
        )
        seconds = config.max_age_seconds
        self._max_age: Pairs = (
            () if seconds is None else ((b"access-control-max-age", b"%d" % seconds),)
        )
        self._with_origin: Pairs = (
            ((b"access-control-allow-credentials", b"true"),) if config.allow_credentials else ()
        )
        exposed = drop_safelisted(config.expose_headers)
        names = "*" if "*" in exposed else ",".join(exposed)
        self._after_origin: Pairs = self._with_origin + (
            ((b"access-control-expose-headers", names.encode("ascii")),) if exposed else ()
        )
        self._public = (
            ActualAllowed(((_ALLOW_ORIGIN, b"*"), *self._after_origin)) if public else None
        )
        self.originless = NotCors(self._public.headers if self._public else _VARY_ON_ORIGIN)
        """The decision on a request that names no origin."""
        self.resolver: Resolver | None = config.allow_origin_resolver
        """Whom to ask about an origin that `find_unresolved` returns."""
        self._actuals: dict[bytes, ActualAllowed] = {}
        self._preflights: dict[tuple[bytes, bytes, bytes | None], PreflightAllowed] = {}
        self._paths = tuple(
            (prefix, f"{prefix}/", CorsPolicy(nested)) for prefix, nested in config.policies
        )
        self.depends_on_path: bool = bool(self._paths)
        """Whether `select` can return another policy than this one."""

    def select(self, path: str) -> CorsPolicy:
        """Return the policy of a path as the app sees it: of its longest listed prefix, or this.

        A prefix ends at a segment: `/api` is no prefix of `/apix`. Nothing is normalised, as the
        app's router does not either.
        """
        for exact, prefix, policy in self._paths:
            if path == exact or path.startswith(prefix):
                return policy
        return self

    def find_unresolved(self, headers: RequestHeaders) -> str | None:
        """Return the origin that only the resolver can judge; None if the policy itself can."""
        lines = headers.get(b"origin", ())
        if self.resolver is None or self._public is not None or len(lines) != 1:
            return None
        raw = lines[0]
        if self._origins.allows(raw) or parse_origin(raw) is None:
            return None
        return raw.decode("ascii")

    def decide(
        self, headers: RequestHeaders, *, method: str, resolver_allows: bool = False
    ) -> HttpDecision:
        """Decide on an HTTP request.

        Args:
            headers: the lines of `READS`, duplicates kept.
            method: as in the ASGI scope.
            resolver_allows: the resolver's verdict on this origin.
        """
        lines = headers.get(b"origin")
        if lines is None:
            return self.originless
        if method == "OPTIONS" and b"access-control-request-method" in headers:
            return self._decide_preflight(lines, headers, resolver_allows=resolver_allows)
        if self._public is not None:
            return self._public
        if len(lines) != 1:
            return _DENIED
        raw = lines[0]
        known = self._actuals.get(raw)
        if known is not None:
            return known
        if resolver_allows:
            return self._build_actual(raw)
        if not self._origins.allows(raw):
            return _DENIED
        allowed = self._build_actual(raw)
        _remember(self._actuals, raw, allowed)
        return allowed

    def _build_actual(self, raw: bytes) -> ActualAllowed:
        return ActualAllowed(((_ALLOW_ORIGIN, raw), *self._after_origin, *_VARY_ON_ORIGIN))

    def _decide_preflight(
        self, origins: Sequence[bytes], headers: RequestHeaders, *, resolver_allows: bool
    ) -> PreflightDecision:
        methods = headers[b"access-control-request-method"]
        names = headers.get(b"access-control-request-headers", ())
        try:
            [origin], [method], [listed] = origins, methods, names or _NOTHING_LISTED
        except ValueError:  # two lines of one
            return self._judge_preflight(origins, methods, names, resolver_allows=resolver_allows)
        key = (origin, method, listed)
        known = self._preflights.get(key)
        if known is not None:
            return known
        decision = self._judge_preflight(origins, methods, names, resolver_allows=resolver_allows)
        if (
            isinstance(decision, PreflightAllowed)
            and not resolver_allows
            and sum(len(part or b"") for part in key) <= _MAX_REMEMBERED_BYTES
        ):
            _remember(self._preflights, key, decision)
        return decision

    def _judge_preflight(
        self,
        origins: Sequence[bytes],
        methods: Sequence[bytes],
        names: Sequence[bytes],
        *,
        resolver_allows: bool,
    ) -> PreflightDecision:
        if self._public is not None:
            shown = b"*"
        elif len(origins) != 1:
            return PreflightDenied(VARY_ON_PREFLIGHT, "origin_duplicated")
        elif resolver_allows or self._origins.allows(origins[0]):
            shown = origins[0]
        else:
            return PreflightDenied(VARY_ON_PREFLIGHT, "origin_not_allowed")
        start: Pairs = ((_ALLOW_ORIGIN, shown), *self._with_origin)
        verdict = self._terms.decide(methods, names)
        if not isinstance(verdict, Refused):
            headers = (*start, *verdict.headers, *self._max_age, *VARY_ON_PREFLIGHT)
            return PreflightAllowed(headers)
        if not self._debug:
            return PreflightDenied(VARY_ON_PREFLIGHT, verdict.rule)
        # No max-age: what is about to be repaired must not be remembered by the browser.
        headers = (*start, *self._terms.allowed, *VARY_ON_PREFLIGHT)
        return PreflightExplained(headers, verdict.rule)


def _remember(results: dict[_K, _V], key: _K, value: _V) -> None:
    """Keep a result; a full memory is emptied, which is cheaper than to order it."""
    if len(results) >= _MAX_REMEMBERED:
        results.clear()
    results[key] = value
