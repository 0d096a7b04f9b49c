"""Decides where browsers send their reports, and what a logout makes them forget.

Source: Reporting API (https://www.w3.org/TR/reporting-1/) section 3.2, RFC 9651 section 3.1.2
(keys), Clear Site Data (https://www.w3.org/TR/clear-site-data/) section 3.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from asgi_security.validation import Findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Compiled by `re` when first used, and kept: who imports us waits for none of it.
_KEY = r"[a-z*][a-z0-9_\-.*]*\Z"
_URL = r"(https?)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(?:[/?][!-~]*)?\Z"
_LOOPBACK = r"(?i)(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?\Z"

_TYPES = (
    *("cache", "clientHints", "cookies", "executionContexts", "prefetchCache"),
    *("prerenderCache", "storage", "*"),
)


def is_loopback_host(host: str) -> bool:
    """Tell whether a `Host`, with or without a port, is this very machine.

    Only names that no resolver sends elsewhere count (RFC 6761 section 6.3): `localhost` and
    what is below it, 127.0.0.0/8 and `[::1]`.
    """
    return re.match(_LOOPBACK, host) is not None


def check_endpoints(findings: Findings, endpoints: Mapping[str, str]) -> None:
    """Note every entry that browsers would ignore in `Reporting-Endpoints`."""
    for name, url in endpoints.items():
        match = re.match(_URL, str(url))
        if not re.match(_KEY, name):
            hint = "begin with a lower-case letter; go on with those, digits, '_', '-', '.', '*'"
            findings.add("reporting_endpoints", name, "not a structured-field key", hint)
        if match is None or '"' in match[0] or "\\" in match[0]:
            hint = "write https://host/path; a quote as %22, a backslash as %5C"
            findings.add("reporting_endpoints", url, "not an absolute URL", hint)
        elif match[1] == "http" and not is_loopback_host(match[2]):
            findings.add("reporting_endpoints", url, "not https: ignored", "write https://")


def build_reporting_endpoints(endpoints: Iterable[tuple[str, str]]) -> str:
    """Build the value of `Reporting-Endpoints` of checked entries.

    >>> build_reporting_endpoints([("csp", "https://r.test/csp")])
    'csp="https://r.test/csp"'
    """
    return ", ".join(f'{name}="{url}"' for name, url in endpoints)


def build_clear_site_data(types: Iterable[str]) -> str:
    """Build the value of `Clear-Site-Data`, for the response to a logout.

    Args:
        types: what to clear, such as `["cache", "cookies", "storage"]`; `["*"]` is all.

    Raises:
        ConfigError: for an unknown type, or for none.

    >>> build_clear_site_data(["cookies", "storage"])
    '"cookies", "storage"'
    """
    findings = Findings("build_clear_site_data")
    listed = [types] if isinstance(types, str) else list(types)
    if isinstance(types, str):
        findings.add("types", types, "a string, not a list", f"wrap it in a list: [{types!r}]")
    elif not listed:
        findings.add("types", listed, "nothing to clear", "give ['cookies', 'storage'], or ['*']")
    else:
        for kind in listed:
            findings.check_choice("types", kind, _TYPES)
    findings.raise_if_any()
    return ", ".join(f'"{kind}"' for kind in dict.fromkeys(listed))
