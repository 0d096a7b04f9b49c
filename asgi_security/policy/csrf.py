"""Decides which requests another site may have forged, without a token in any form.

A browser says itself where a request comes from: `Sec-Fetch-Site` where it knows the header, the
`Origin` where it does not. Scripts cannot set either. What names neither is no browser's, and
carries no cookies that its user did not put there.

Source: W3C Fetch Metadata Request Headers sections 2 and 4 (resource isolation policy), RFC 6454
section 7.3 (`null`), RFC 9110 section 9.2.1 (safe methods), OWASP ASVS 5.0 3.5.1 to 3.5.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from asgi_security.policy.origin_patterns import check_origin_pattern
from asgi_security.policy.origins import OriginPolicy, is_same_origin, parse_origin
from asgi_security.policy.paths import PathPrefixes, check_prefixes
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READS = frozenset({b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest", b"origin", b"host"})
"""The request headers on which a decision depends."""

_OWN_SITES = {b"same-origin", b"none"}
_OTHER_SITES = {b"cross-site", b"same-site"}
# What a navigation of the whole tab asks for; these two would put the answer into a foreign page.
_EMBEDDING = {b"object", b"embed"}


@configuration
class CsrfConfig:
    """Which requests of other sites pass.

    Args:
        trusted_origins: origins, as in `CorsConfig.allow_origins`, whose pages may send what
            changes state. In a stack that is left to it, the exact origins of a CORS policy with
            credentials.
        exempt_paths: prefixes, ending at a segment, of endpoints that other sites call by design
            and that do their own proof, such as a payment provider's callback.
        isolate_resources: refuse also what other sites only read, except when they navigate to it.
            A bearer token exempts nothing: a cookie may go along with it.
    """

    trusted_origins: Sequence[str] | None = None
    exempt_paths: Sequence[str] = ()
    isolate_resources: bool = False

    def __post_init__(self) -> None:
        findings = Findings("CsrfConfig")
        for name in ("trusted_origins", "exempt_paths"):
            value = getattr(self, name)
            if isinstance(value, str):
                findings.add(name, value, "one string", f"write [{value!r}]")
            elif value is not None:
                object.__setattr__(self, name, tuple(value))
        findings.check_boolean("isolate_resources", self.isolate_resources)
        findings.raise_if_any()
        for origin in self.trusted_origins or ():
            if origin == "*":
                findings.add("trusted_origins", origin, "trusts everyone", "list the origins")
                continue
            for fault in check_origin_pattern(origin):
                findings.add("trusted_origins", origin, fault.reason, fault.hint)
        check_prefixes(findings, "exempt_paths", self.exempt_paths)
        findings.raise_if_any()


@dataclass(frozen=True, slots=True)
class CsrfPassed:
    """The request may run. `varies` tells whether the answer depended on Fetch Metadata."""

    varies: bool = False


@dataclass(frozen=True, slots=True)
class CsrfRefused:
    """Another site may have forged it, by the rule of that name. Answer 403."""

    rule: str


if TYPE_CHECKING:
    CsrfDecision: TypeAlias = CsrfPassed | CsrfRefused

_PASSED = CsrfPassed()
_PASSED_VARYING = CsrfPassed(varies=True)


class CsrfPolicy:
    """A `CsrfConfig`, compiled."""

    __slots__ = ("_exempt", "_isolates", "_origins")

    def __init__(self, config: CsrfConfig) -> None:
        self._origins = OriginPolicy(config.trusted_origins or ())
        self._exempt = PathPrefixes(config.exempt_paths)
        self._isolates = config.isolate_resources

    def decide(
        self,
        headers: Mapping[bytes, Sequence[bytes]],
        *,
        method: str | None,
        path: str,
        scheme: str,
    ) -> CsrfDecision:
        """Decide on a request; `method` is None for a WebSocket, which is never safe.

        Args:
            headers: the lines of `READS`, duplicates kept.
            scheme: the ASGI scope's.
        """
        safe = method in SAFE_METHODS
        if safe and not self._isolates:
            return _PASSED
        if self._exempt.hold(path):
            return _PASSED
        sites = headers.get(b"sec-fetch-site")
        if sites is None:
            return _PASSED if safe else self._decide_by_origin(headers, scheme=scheme)
        if len(sites) != 1 or sites[0] not in _OWN_SITES | _OTHER_SITES:
            return CsrfRefused("fetch_site_unknown")
        if sites[0] in _OWN_SITES:
            return _PASSED_VARYING if safe else _PASSED
        if self._is_trusted(headers):
            return _PASSED_VARYING if safe else _PASSED
        if not safe:
            return CsrfRefused("cross_site")
        if method == "OPTIONS" or _is_navigation(headers, method):
            return _PASSED_VARYING
        return CsrfRefused("resource_isolated")

    def _decide_by_origin(
        self, headers: Mapping[bytes, Sequence[bytes]], *, scheme: str
    ) -> CsrfDecision:
        """Decide for a browser from before Fetch Metadata, and for what is no browser."""
        origins = headers.get(b"origin", ())
        if not origins:
            return _PASSED
        if self._is_trusted(headers):
            return _PASSED
        origin = parse_origin(origins[0]) if len(origins) == 1 else None
        if origin is None:
            return CsrfRefused("origin_malformed")
        hosts = headers.get(b"host", ())
        if len(hosts) == 1 and is_same_origin(origin, scheme=scheme, host=hosts[0]):
            return _PASSED
        return CsrfRefused("cross_origin")

    def _is_trusted(self, headers: Mapping[bytes, Sequence[bytes]]) -> bool:
        origins = headers.get(b"origin", ())
        return len(origins) == 1 and self._origins.allows(origins[0])


def _is_navigation(headers: Mapping[bytes, Sequence[bytes]], method: str | None) -> bool:
    """Tell whether a tab is being sent here, which shows the foreign page nothing."""
    if method != "GET" or list(headers.get(b"sec-fetch-mode", ())) != [b"navigate"]:
        return False
    destinations = headers.get(b"sec-fetch-dest", ())
    return len(destinations) == 1 and destinations[0] not in _EMBEDDING
