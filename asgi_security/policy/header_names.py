"""Names the security headers, their fields and words, and checks the lines that users add.

Source: HTML (X-Frame-Options, COOP, COEP, Origin-Agent-Cluster), Fetch (CORP, nosniff), Referrer
Policy section 3, Adobe's cross-domain policy file specification; RFC 9110 sections 5.1 and 5.5
for names and values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from asgi_security.validation import is_field_value, is_token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asgi_security.validation import Findings

CHOICES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "frame_options": ("x-frame-options", ("DENY", "SAMEORIGIN")),
    "content_type_options": ("x-content-type-options", ("nosniff",)),
    "xss_protection": ("x-xss-protection", ("0",)),
    "cross_origin_opener_policy": (
        "cross-origin-opener-policy",
        ("same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none"),
    ),
    "cross_origin_embedder_policy": (
        "cross-origin-embedder-policy",
        ("require-corp", "credentialless", "unsafe-none"),
    ),
    "cross_origin_resource_policy": (
        "cross-origin-resource-policy",
        ("same-origin", "same-site", "cross-origin"),
    ),
    "origin_agent_cluster": ("origin-agent-cluster", ("?1", "?0")),
    "permitted_cross_domain_policies": (
        "x-permitted-cross-domain-policies",
        ("none", "master-only", "by-content-type", "all", "none-this-response"),
    ),
    "dns_prefetch_control": ("x-dns-prefetch-control", ("off", "on")),
}
REFERRER_POLICIES: Final = (
    *("no-referrer", "no-referrer-when-downgrade", "origin", "origin-when-cross-origin"),
    *("same-origin", "strict-origin", "strict-origin-when-cross-origin", "unsafe-url"),
)
NAMES: Final = {
    "hsts": "strict-transport-security",
    "csp": "content-security-policy",
    "csp_report_only": "content-security-policy-report-only",
    "referrer_policy": "referrer-policy",
    **{field: name for field, (name, _) in CHOICES.items()},
    "permissions_policy": "permissions-policy",
    "reporting_endpoints": "reporting-endpoints",
}
FIELDS: Final = {name: field for field, name in NAMES.items()}
NOT_OURS: Final = {
    *("connection", "content-length", "content-type", "date", "location", "set-cookie"),
    *("trailer", "transfer-encoding", "upgrade", "vary", "www-authenticate"),
}
"""What is no security header, and would break responses if it were replaced."""


def check_lines(
    findings: Findings,
    *,
    remove: Sequence[str],
    overrides: Mapping[str, str | None],
    extra: Mapping[str, str],
) -> None:
    """Note what is no header name, no value, no security header, or has a field of its own.

    Names are in lower case; None, for a header that is removed, stands in `overrides` only.
    """
    for name in remove:
        if not is_token(name):
            findings.add("remove", name, "not a header name", "write letters, digits, '-'")
    for owner, lines in (("overrides", overrides), ("extra", extra)):
        for name, value in lines.items():
            if not is_token(name):
                findings.add(owner, name, "not a header name", "write letters, digits, '-'")
            elif name in NOT_OURS:
                hint = "let the app send it: replacing it here would break its responses"
                findings.add(owner, name, "not a security header", hint)
            elif owner == "extra" and name in FIELDS:
                hint = f"give {FIELDS[name]}"
                findings.add(owner, name, "has a field of its own", hint)
            elif name == "reporting-endpoints" and value is not None:
                hint = "give reporting_endpoints"
                findings.add(owner, name, "has a field of its own", hint)
            if value is not None or owner == "extra":
                _check_value(findings, owner, value)


def _check_value(findings: Findings, owner: str, value: object) -> None:
    fine = isinstance(value, str) and value and is_field_value(value)
    if not fine:
        reason = "no header value: servers drop the connection or answer a bare 500"
        hint = "write latin-1 text without CR, LF, NUL, DEL or outer spaces; None removes"
        findings.add(owner, value, reason, hint)
