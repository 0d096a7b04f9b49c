"""Decides where a request's token is, and which answer a request without a good one gets.

Source: RFC 6750 sections 2 (places) and 3 (challenges), RFC 9728 section 5.1, RFC 9110 section
11.4; OWASP ASVS 5.0 section 3.5 (cookies that authenticate), RFC 6455 section 10.2 (hijacking).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

from asgi_security.policy.origins import OriginPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asgi_security.policy.jwt import JwtConfig

Place: TypeAlias = Literal["header", "subprotocol", "query", "cookie"]
Presented: TypeAlias = "tuple[bytes, Place]"
"""A token and where it was: what a `Found` is."""

_B64TOKEN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
_SCHEME = b"bearer"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

DESCRIPTIONS: Mapping[str, str] = {
    "malformed": "The token is malformed",
    "too_long": "The token is too long",
    "expired": "The token has expired",
    "too_old": "The token has expired",
    "not_yet_valid": "The token is not valid yet",
    "revoked": "The token has been revoked",
}
"""The words that a client may learn; for every other reason, `INVALID`: they would tell a forger
which check he has passed."""

INVALID = "The token is not valid"


class Found(NamedTuple):
    """A token, and where it was: not yet known to be well-formed."""

    token: bytes
    place: Place


class Fault(Enum):
    """Why there is no token to verify."""

    ABSENT = "absent"
    MALFORMED = "malformed"
    REPEATED = "repeated"
    FORGEABLE = "forgeable"
    """A cookie on a request that another site could have caused."""


_ABSENT = Fault.ABSENT  # to look a member up costs a tenth of a microsecond


class RequestFacts(NamedTuple):
    """What the decision depends on beside the Authorization lines."""

    method: str | None = None
    """None on a WebSocket."""
    query_string: bytes = b""
    cookies: Sequence[bytes] = ()
    """The values of the configured cookie."""
    subprotocols: Sequence[str] = ()
    origins: Sequence[bytes] = ()
    fetch_sites: Sequence[bytes] = ()
    """The values of Sec-Fetch-Site."""


class BearerPolicy:
    """Where tokens may be, compiled."""

    __slots__ = (
        "_cookie",
        "_origins",
        "_parameter",
        "_protocol",
        "_skip_proof",
        "header_only",
        "wants",
    )

    def __init__(self, config: JwtConfig) -> None:
        self._parameter = config.query_parameter
        self._cookie = config.cookie_name is not None
        self._protocol = config.websocket_protocol
        self._skip_proof = config.dangerously_skip_cookie_csrf
        self._origins = OriginPolicy(config.trusted_origins)
        self.header_only: bool = self._parameter is None and not self._cookie
        """Whether over HTTP `find_in_header` decides alone."""
        wants = {b"authorization", b"origin", b"access-control-request-method"}
        if self._cookie:
            wants |= {b"cookie", b"sec-fetch-site"}
        self.wants: frozenset[bytes] = frozenset(wants)
        """The request headers that the decision reads."""

    def decide(self, authorization: Sequence[bytes], facts: RequestFacts) -> Found | Fault:
        """Find the one token; two of them, wherever they are, are a fault (RFC 6750 section 2)."""
        found: list[Found] = []
        in_header = find_in_header(authorization)
        if not isinstance(in_header, Fault):
            found.append(Found(in_header, "header"))
        elif in_header is not Fault.ABSENT:
            return in_header
        if facts.method is None and self._protocol is not None:
            token = find_in_subprotocols(facts.subprotocols, self._protocol)
            if token is not None:
                found.append(Found(token, "subprotocol"))
        if self._parameter is not None and facts.method in {None, "GET"}:
            values = _find_in_query(facts.query_string, self._parameter)
            found.extend(Found(value, "query") for value in values)
        if self._cookie:
            found.extend(Found(value, "cookie") for value in facts.cookies)
        if not found:
            return Fault.ABSENT
        if len(found) > 1:
            return Fault.REPEATED
        if found[0].place == "cookie" and not self._is_proven(facts):
            return Fault.FORGEABLE
        return found[0]

    def _is_proven(self, facts: RequestFacts) -> bool:
        """Tell whether a page of ours caused a request that a cookie authenticates.

        A WebSocket needs an Origin in the list: it is not bound by the same-origin policy, and
        whoever opens one can read all that comes. An unsafe method needs that, or the browser's
        word that the page is of this very origin.
        """
        if len(facts.origins) == 1 and self._origins.allows(facts.origins[0]):
            return True
        if facts.method is None:
            return False
        if self._skip_proof or facts.method in _SAFE_METHODS:
            return True
        return list(facts.fetch_sites) == [b"same-origin"]


def find_in_header(authorization: Sequence[bytes]) -> bytes | Fault:
    """Find the token in the Authorization lines.

    >>> find_in_header([b"bearer abc"])
    b'abc'
    >>> find_in_header([b"Basic abc"])
    <Fault.ABSENT: 'absent'>
    """
    if not authorization:
        return _ABSENT
    if len(authorization) > 1:
        return Fault.REPEATED
    scheme, _, token = authorization[0].partition(b" ")
    if scheme != b"Bearer" and scheme.lower() != _SCHEME:
        return _ABSENT
    return token.strip(b" ") or Fault.MALFORMED


def find_in_subprotocols(offered: Sequence[str], marker: str) -> bytes | None:
    """Return what follows the marker in the offered protocols, or None."""
    if marker not in offered:
        return None
    place = list(offered).index(marker) + 1
    return offered[place].encode("utf-8", "replace") if place < len(offered) else None


def _find_in_query(query_string: bytes, parameter: str) -> list[bytes]:
    name = parameter.encode()
    found = []
    for pair in query_string.split(b"&"):
        key, _, value = pair.partition(b"=")
        if unquote_to_bytes(key) == name and value:
            found.append(unquote_to_bytes(value.replace(b"+", b" ")))
    return found


def is_b64token(token: bytes) -> bool:
    """Tell whether a token is made of what RFC 6750 section 2.1 allows.

    >>> is_b64token(b"a.b-c=="), is_b64token(b"a=b"), is_b64token(b"=")
    (True, False, False)
    """
    plain = token.rstrip(b"=")
    return bool(plain) and not plain.translate(None, _B64TOKEN)


def is_preflight(
    method: str | None, origins: Sequence[bytes], requested_methods: Sequence[bytes]
) -> bool:
    """Tell whether a request is a CORS preflight, which browsers send without credentials."""
    return method == "OPTIONS" and bool(origins) and bool(requested_methods)


class Challenges:
    """The values of WWW-Authenticate, to be built once."""

    __slots__ = ("_common", "absent", "insufficient_scope", "invalid_request", "invalid_token")

    def __init__(self, config: JwtConfig) -> None:
        parameters = [f'realm="{config.realm}"']
        if config.resource_metadata is not None:
            parameters.append(f'resource_metadata="{config.resource_metadata}"')
        self._common = "Bearer " + ", ".join(parameters)
        self.absent: bytes = self._common.encode()
        """For a request without a token: no error code (RFC 6750 section 3.1)."""
        self.invalid_request: bytes = self._build("invalid_request", "One token is expected")
        needed = " ".join(config.required_scopes)
        self.insufficient_scope: bytes = self._build(
            "insufficient_scope", "The token has not the scope", f', scope="{needed}"'
        )
        self.invalid_token: Mapping[str, bytes] = {
            reason: self._build("invalid_token", text)
            for reason, text in {**DESCRIPTIONS, "": INVALID}.items()
        }
        """By reason; under the empty text for all that are not told apart."""

    def _build(self, error: str, description: str, more: str = "") -> bytes:
        text = f'{self._common}, error="{error}", error_description="{description}"{more}'
        return text.encode()
