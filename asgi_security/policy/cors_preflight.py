"""Decides the method and header half of a preflight, whose origin has been judged already.

Source: WHATWG Fetch, "CORS-preflight fetch" and "CORS protocol and HTTP caches"; RFC 9110
section 5.6.1.2 (recipients accept empty list elements).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asgi_security.policy.cors_names import SAFELISTED_METHODS, normalise_method

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Pairs: TypeAlias = tuple[tuple[bytes, bytes], ...]

MAX_REQUESTED_BYTES = 4096
"""The longest `Access-Control-Request-Headers`, all lines joined; browsers stay far below."""
MAX_EMPTY_ELEMENTS = 16
"""Intermediaries that rewrite the list leave a few empty elements behind; never many."""

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_ALLOW_METHODS = b"access-control-allow-methods"
_ALLOW_HEADERS = b"access-control-allow-headers"
_SAFELISTED = frozenset(method.encode("ascii") for method in SAFELISTED_METHODS)


@dataclass(frozen=True, slots=True)
class Granted:
    """Method and headers are allowed; `headers` says so to the browser."""

    headers: Pairs


@dataclass(frozen=True, slots=True)
class Refused:
    """Method or headers are not allowed, for the reason that `rule` names."""

    rule: str


def parse_requested_headers(lines: Sequence[bytes]) -> tuple[bytes, ...] | None:
    """Parse `Access-Control-Request-Headers` into lower-case names in order, each once.

    None for what is no list of field names, or one beyond the bounds above. All lines count: a
    name is not allowed because it stands in the second.

    >>> parse_requested_headers([b"x-a ,X-B", b"", b"x-a"])
    (b'x-a', b'x-b')
    """
    joined = b",".join(lines)
    if len(joined) > MAX_REQUESTED_BYTES:
        return None
    names: dict[bytes, None] = {}
    empty = 0
    for element in joined.split(b","):
        name = element.strip(b" \t")
        if not name:
            empty += 1
        elif _TOKEN.match(name) is None:
            return None
        else:
            names[name.lower()] = None
    return tuple(names) if empty <= MAX_EMPTY_ELEMENTS else None


class PreflightTerms:
    """Which methods and headers an allowed origin may use, compiled.

    Args:
        methods: names as configured; `*` for all.
        headers: names as configured; `*` for all.
        credentials: with them `*` is no wildcard to browsers, so the answer names what was asked.
    """

    __slots__ = ("_credentials", "_headers", "_methods", "_star_headers", "allowed")

    def __init__(
        self, methods: Sequence[str], headers: Sequence[str], *, credentials: bool
    ) -> None:
        self._credentials = credentials
        self._methods = {normalise_method(name).encode("ascii") for name in methods}
        names = sorted({name.lower().encode("ascii") for name in headers})
        self._headers = frozenset(names)
        # `Authorization` is the one name that `*` does not cover (Fetch, "CORS non-wildcard
        # request-header name"), so it is named beside it where it was listed.
        self._star_headers: Pairs = (
            (_ALLOW_HEADERS, b"*,authorization" if b"authorization" in names else b"*"),
        )
        self.allowed: Pairs = self._build_allowed(names)
        """The lists of all that is allowed, for a browser's console while debugging."""

    def _build_allowed(self, names: list[bytes]) -> Pairs:
        methods = sorted(self._methods - _SAFELISTED)
        lines: Pairs = ()
        if b"*" not in methods:
            lines += ((_ALLOW_METHODS, b",".join(methods)),) if methods else ()
        elif not self._credentials:
            lines += ((_ALLOW_METHODS, b"*"),)
        if b"*" not in names:
            lines += ((_ALLOW_HEADERS, b",".join(names)),) if names else ()
        elif not self._credentials:
            lines += self._star_headers
        return lines

    def decide(self, methods: Sequence[bytes], headers: Sequence[bytes]) -> Granted | Refused:
        """Decide on the lines of `Access-Control-Request-Method` and `-Headers`."""
        if len(methods) != 1:
            return Refused("method_duplicated")
        first = self._decide_method(methods[0])
        if isinstance(first, Refused):
            return first
        names = parse_requested_headers(headers)
        if names is None:
            return Refused("headers_malformed")
        if not names:
            return first
        if b"*" not in self._headers:
            if not self._headers.issuperset(names):
                return Refused("headers_not_allowed")
        elif not self._credentials:
            return Granted(first.headers + self._star_headers)
        elif b"*" in names:  # with credentials it is a name like others, and not a listed one
            return Refused("headers_not_allowed")
        return Granted((*first.headers, (_ALLOW_HEADERS, b",".join(names))))

    def _decide_method(self, method: bytes) -> Granted | Refused:
        if method in _SAFELISTED:
            return Granted(())
        if _TOKEN.match(method) is None:
            return Refused("method_malformed")
        if b"*" not in self._methods:
            if method not in self._methods:
                return Refused("method_not_allowed")
        elif not self._credentials:
            return Granted(((_ALLOW_METHODS, b"*"),))
        elif method == b"*":
            return Refused("method_not_allowed")
        return Granted(((_ALLOW_METHODS, method),))
