"""Lets pages connect to the origins that CORS trusts: `connect-src` out of the one origin policy.

Source: CSP Level 3 sections 6.1.2 (`connect-src`), 6.1.3 (`default-src` rules where it is missing)
and 6.7.2.8 to 6.7.2.10 (how schemes, hosts and ports are matched).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from asgi_security.policy.cors_config import CorsConfig
from asgi_security.policy.directives import freeze_names
from asgi_security.policy.origin_patterns import check_origin_pattern
from asgi_security.policy.origins import parse_origin_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asgi_security.policy.csp import ContentSecurityPolicy
    from asgi_security.validation import Findings

_FIELD = "connect_origins"


def freeze_connect_origins(findings: Findings, given: object) -> tuple[str, ...]:
    """Copy the patterns of a list, or of a `CorsConfig` with its paths, each once.

    Noted is what a CSP cannot say: expressions, resolvers, everyone, and hosts that no source
    names. Origins that are no servers, such as those of apps, are kept and give no source.
    """
    if isinstance(given, CorsConfig):
        parts = (given, *(part for _, part in given.policies))
        for part in parts:
            _check_listed(findings, part)
        names: Iterable[str] = (origin for part in parts for origin in part.allow_origins)
    else:
        names = freeze_names(findings, _FIELD, given)
        names = sorted(names) if isinstance(given, set | frozenset) else names
    origins = tuple(dict.fromkeys(names))
    for origin in origins:
        _check_origin(findings, origin)
    return origins


def _check_listed(findings: Findings, cors: CorsConfig) -> None:
    hint = f"give {_FIELD} a list of the origins instead"
    if cors.allow_origin_regex is not None:
        reason = "a CSP holds no regular expressions"
        findings.add(f"{_FIELD}.allow_origin_regex", cors.allow_origin_regex, reason, hint)
    if cors.allow_origin_resolver is not None:
        resolver = cors.allow_origin_resolver
        reason = "a CSP asks nobody: it is the same for every request"
        findings.add(f"{_FIELD}.allow_origin_resolver", resolver, reason, hint)


def _check_origin(findings: Findings, origin: str) -> None:
    if origin == "*":
        hint = f"give {_FIELD} a list of the origins that your pages connect to"
        findings.add(_FIELD, origin, "an injected script could send what it finds anywhere", hint)
    for fault in check_origin_pattern(origin):
        findings.add(_FIELD, origin, fault.reason, fault.hint)
    pattern = parse_origin_pattern(origin)
    if pattern is not None and not pattern.has_nameable_host:
        hint = "give a name for an IPv6 address, and no dot at the end"
        findings.add(_FIELD, origin, "no source of a CSP matches this host", hint)


def check_is_restricted(findings: Findings, policy: ContentSecurityPolicy | None) -> None:
    """Note origins to connect to where pages may connect anywhere."""
    if policy is None or not (policy.has("connect-src") or policy.has("default-src")):
        hint = f'add "connect-src": ["\'self\'"] to csp, or drop {_FIELD}'
        findings.add(_FIELD, None, "the policy restricts no connections", hint)


def allow_connections(
    policy: ContentSecurityPolicy, origins: Iterable[str]
) -> ContentSecurityPolicy:
    """Add the sources of these patterns to `connect-src`, made of `default-src` if it is missing.

    A policy that restricts no connections stays as it is.

    >>> from asgi_security.policy.csp import ContentSecurityPolicy
    >>> policy = ContentSecurityPolicy.from_text("default-src 'none'")
    >>> allow_connections(policy, ["https://*.app.test"]).text
    "default-src 'none'; connect-src https://*.app.test wss://*.app.test"
    """
    directives = dict(policy.pairs)
    present = directives.get("connect-src", directives.get("default-src"))
    patterns = (parse_origin_pattern(origin) for origin in origins)
    sources = [source for pattern in patterns if pattern for source in pattern.sources]
    if present is None or not sources:
        return policy
    # Hashes, nonces and keywords for scripts mean nothing here; 'none' beside others neither.
    kept = [source for source in present if source == "'self'" or not source.startswith("'")]
    directives["connect-src"] = tuple(dict.fromkeys((*kept, *sources)))
    return replace(policy, directives=tuple(directives.items()))
