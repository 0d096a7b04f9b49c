"""Judges the methods and field names of a CORS configuration: which of them can ever have effect.

Source: WHATWG Fetch, "forbidden method", "normalize a method", "forbidden request-header",
"forbidden response-header name", "CORS-safelisted response-header name".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from asgi_security.policy.origin_patterns import Fault
from asgi_security.validation import is_token

if TYPE_CHECKING:
    from collections.abc import Iterable

SAFELISTED_METHODS: Final = frozenset({"GET", "HEAD", "POST"})
"""Methods that a page may use without being listed; a preflight for one is about headers."""


def _read_names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NORMALISED_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"})
_FORBIDDEN_METHODS = frozenset({"CONNECT", "TRACE", "TRACK"})

_FORBIDDEN_REQUEST_HEADERS = _read_names("""
    accept-charset accept-encoding connection content-length cookie2 date dnt expect host
    keep-alive origin referer set-cookie te trailer transfer-encoding upgrade via
""")
_FORBIDDEN_REQUEST_PREFIXES = ("proxy-", "sec-")
_REQUEST_ONLY_HEADERS = _read_names("""
    authorization cookie cookie2 expect from host if-match if-modified-since if-none-match
    if-range if-unmodified-since max-forwards origin proxy-authorization referer te
    user-agent
""")
_SAFELISTED_RESPONSE_HEADERS = _read_names("""
    cache-control content-language content-length content-type expires last-modified pragma
""")

_CORS_PREFIX = "access-control-"
_TOKEN_HINT = "use letters, digits and !#$%&'*+-.^_`|~ only (RFC 9110 section 5.6.2)"  # noqa: S105 -- a grammar


def normalise_method(text: str) -> str:
    """Spell a method as browsers send it: only six names are upper-cased, PATCH not among them."""
    upper = text.upper()
    return upper if upper in _NORMALISED_METHODS else text


def check_method(text: str) -> tuple[Fault, ...]:
    """Find what keeps a method from being allowed; `*` is for the caller to take out."""
    if not is_token(text):
        return (Fault("not a method name", _TOKEN_HINT),)
    upper = text.upper()
    if upper in _FORBIDDEN_METHODS:
        return (Fault("no browser sends this method for a page", "remove it"),)
    if upper == "PATCH" and text != "PATCH":
        return (Fault("browsers do not upper-case PATCH", "did you mean 'PATCH'?"),)
    return ()


def check_request_header(text: str) -> tuple[Fault, ...]:
    """Find what keeps a request header from being allowed."""
    if not is_token(text):
        return (Fault("not a field name", _TOKEN_HINT),)
    name = text.lower()
    if name.startswith(_CORS_PREFIX):
        return (Fault("part of the CORS protocol itself, never set by a page", "remove it"),)
    if name == "cookie":
        hint = "remove it; allow_credentials=True lets browsers attach cookies"
        return (Fault("browsers let no page set this header", hint),)
    if name in _FORBIDDEN_REQUEST_HEADERS or name.startswith(_FORBIDDEN_REQUEST_PREFIXES):
        return (Fault("browsers let no page set this header", "remove it"),)
    return ()


def check_exposed_header(text: str) -> tuple[Fault, ...]:
    """Find what keeps a response header from being exposed."""
    if not is_token(text):
        return (Fault("not a field name", _TOKEN_HINT),)
    name = text.lower()
    if name in {"set-cookie", "set-cookie2"}:
        return (Fault("browsers show no page this header", "remove it"),)
    if name.startswith(_CORS_PREFIX) or name in _REQUEST_ONLY_HEADERS:
        return (Fault("not a response header that a page could read", "remove it"),)
    return ()


def drop_safelisted(names: Iterable[str]) -> list[str]:
    """Return the names that need exposing, in lower case, sorted, each once."""
    return sorted({name.lower() for name in names} - _SAFELISTED_RESPONSE_HEADERS)
