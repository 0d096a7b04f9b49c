"""Names the default policies of the three profiles, with where each value comes from.

Source: OWASP Secure Headers Project (what to send and what to strip), CSP Level 3 section 8.2
(nonces and `'strict-dynamic'`), Google's CSP Evaluator and the HTTP Observatory (what they mark
down: `'unsafe-inline'`, hosts in `script-src`, a missing `object-src` or `base-uri`).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from asgi_security.policy.csp import NONCE, ContentSecurityPolicy
from asgi_security.policy.hsts import Hsts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asgi_security.policy.permissions import PermissionsPolicy

PRACTICAL_HSTS: Final = Hsts()
"""Two years with subdomains; the preload list is never asked for unless the user does."""

PRACTICAL_CSP: Final = ContentSecurityPolicy.from_text(
    "default-src 'self';"
    "script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net;"
    "style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net;"
    "img-src 'self' data: https:;"
    "connect-src 'self';"
    "font-src 'self' https://cdn.jsdelivr.net;"
    "frame-ancestors 'none';"
    "base-uri 'self';"
    "form-action 'self'"
)
"""Lets inline scripts and FastAPI's documentation pages work, and nothing be framed."""

DOCUMENTATION_CSP: Final = ContentSecurityPolicy.from_text(
    "default-src 'self';"
    "script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net;"
    "style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com;"
    "img-src 'self' data: https:;"
    "connect-src 'self';"
    "font-src 'self' https://cdn.jsdelivr.net https://fonts.gstatic.com;"
    "worker-src 'self' blob:;"
    "frame-ancestors 'none';"
    "base-uri 'self';"
    "form-action 'self'"
)
"""The practical policy with the three sources that FastAPI's ReDoc page wants besides: without
them it is drawn in another font, and its search is dead."""

STRICT_CSP: Final = ContentSecurityPolicy.from_text(
    f"default-src 'none'; script-src {NONCE} 'strict-dynamic'; style-src 'self';"
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self';"
    "media-src 'self'; worker-src 'self'; object-src 'none'; base-uri 'none';"
    "form-action 'self'; frame-ancestors 'none'"
)
"""Runs only scripts that carry the nonce, and what those load; `'self'` is left out of
`script-src` since `'strict-dynamic'` would switch it off, and an uploaded file would pass it."""

API_CSP: Final = ContentSecurityPolicy.from_text(
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""Allows nothing: a JSON answer that is opened as a page loads nothing and is not framed."""

STRICT_PERMISSIONS: Final = (
    "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(),"
    "gyroscope=(), hid=(), magnetometer=(), microphone=(), midi=(), payment=(), serial=(),"
    "usb=(), xr-spatial-tracking=()"
)

REVEALING: Final = (
    *("server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "x-generator"),
    *("x-backend-server", "x-php-version", "x-powered-by-plesk", "x-runtime", "x-version"),
)
"""What tells an attacker which exploit to try. Servers may add `server` after us: switch that
off there (`--no-server-header` in uvicorn, `include_server_header = False` in hypercorn)."""

DOCUMENTATION: Final[Mapping[str, Any]] = MappingProxyType({"csp": DOCUMENTATION_CSP})
"""What `documentation()` sends otherwise than `practical()`."""

STRICT: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "csp": STRICT_CSP,
        "referrer_policy": "no-referrer",
        "permissions_policy": STRICT_PERMISSIONS,
        "dns_prefetch_control": "off",
        "xss_protection": None,
    }
)
"""What `strict()` sends otherwise than `practical()`."""

API: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "csp": API_CSP,
        "referrer_policy": "no-referrer",
        "xss_protection": None,
        "cross_origin_opener_policy": None,
        "origin_agent_cluster": None,
    }
)
"""What `api()` sends otherwise than `practical()`. CORP stays `same-origin`, which blocks nobody
who asks by CORS, unless `harden` is given a CORS policy for everyone; an API whose images others
embed gives `"cross-origin"`."""


def read_permissions(value: object) -> PermissionsPolicy:
    """Read a permissions policy in any form: loads what knows them, which the default does not."""
    from asgi_security.policy import permissions  # noqa: PLC0415 -- only who has one pays for it

    return permissions.PermissionsPolicy.from_value(value)
