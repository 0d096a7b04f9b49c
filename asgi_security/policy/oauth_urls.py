"""Decides which addresses a login at a provider may use: encrypted ones, or this machine's own.

Source: RFC 6749 sections 3.1.2 and 3.2, RFC 9700 section 2.6 (TLS), RFC 8252 section 7.3
(loopback), OpenID Connect Core 1.0 section 2 (issuers).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult

TENANT = "{tenantid}"
"""What stands in the issuer of a provider with many tenants, each of which is its own issuer."""

_MAX_URL_CHARACTERS = 2048
_VISIBLE = re.compile(r"[!#-;=?-\[\]_a-z~]+\Z", re.ASCII)  # RFC 3986: no " < > \ ^ ` { | }
_TENANT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.ASCII)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_secure_url(text: object) -> bool:
    """Tell whether this is an https address, or http on this machine, and nothing besides.

    None has a user name, a fragment, or a character that does not belong into an address.

    >>> [is_secure_url(f"{start}/token") for start in ("https://a.example", "http://a.example")]
    [True, False]
    """
    parts = _split(text)
    if parts is None or not parts.hostname or parts.username is not None or "#" in str(text):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def is_loopback_url(text: object) -> bool:
    """Tell whether an address never leaves this machine."""
    parts = _split(text)
    return parts is not None and parts.hostname in _LOOPBACK


def is_issuer(text: object) -> bool:
    """Tell whether this can be an issuer: an address without a query.

    >>> is_issuer("https://login.example/{tenantid}/v2.0"), is_issuer("https://a.example/?b")
    (True, False)
    """
    if not isinstance(text, str):
        return False
    plain = text.replace(TENANT, "tenant", 1)
    return is_secure_url(plain) and "?" not in plain


def is_same_issuer(issuer: str, value: object, *, tenant: object = None) -> bool:
    """Tell whether a value is the issuer, as the same bytes: a slash at its end matters.

    Args:
        issuer: as it is configured. With `{tenantid}` it stands for that of every tenant.
        value: what the provider said.
        tenant: the tenant of which the token says it is; None where nothing is said.
    """
    if TENANT not in issuer:
        return value == issuer
    if not isinstance(value, str):
        return False
    head, _, tail = issuer.partition(TENANT)
    named = value[len(head) : len(value) - len(tail)]
    if value != head + named + tail or _TENANT_ID.match(named) is None:
        return False
    return tenant is None or tenant == named


def _split(text: object) -> SplitResult | None:
    if not isinstance(text, str) or len(text) > _MAX_URL_CHARACTERS or not _VISIBLE.match(text):
        return None
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 -- raises for a port that is none
    except ValueError:
        return None
    return parts
