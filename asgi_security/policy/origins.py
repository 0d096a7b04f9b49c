"""Decides which origins are trusted: the one answer for CORS, WebSocket, CSRF and cookies.

An origin is compared as the very bytes that browsers send, and what is no well-formed origin is
turned away by the parser, before any pattern has a say.

Source: RFC 6454 section 6.2 (serialization), WHATWG URL "host parsing", WHATWG Fetch "CORS check".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asgi_security.validation import Findings

if TYPE_CHECKING:
    from collections.abc import Iterable

_ORIGIN = re.compile(
    r"([a-z][a-z0-9+.-]{0,63})://"
    r"(\[[0-9a-f:]{2,39}\]|[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?)"
    r"(?::([1-9][0-9]{0,4}))?\Z",
    re.ASCII,
)
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}\Z")
_NUMERIC_LABEL = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_HOST_AND_PORT = re.compile(rb"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(?::([0-9]{0,5}))?\Z")

_MAX_HOST_CHARACTERS = 253
_MAX_WILDCARD_CHARACTERS = _MAX_HOST_CHARACTERS - len("x.")
_MAX_ORIGIN_BYTES = 64 + len("://") + _MAX_HOST_CHARACTERS + len(":65535")
_MAX_PORT = 65535
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_PAGE_SCHEMES = {"ws": "http", "wss": "https"}
_TARGET_SCHEMES = {
    "http": ("http", "ws"),
    "https": ("https", "wss"),
    "ws": ("ws",),
    "wss": ("wss",),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """A well-formed origin; `port` is None for the scheme's default."""

    scheme: str
    host: str
    port: int | None


@dataclass(frozen=True, slots=True)
class OriginPattern:
    """An origin, or with `subdomains` or `any_port` all those around it."""

    scheme: str
    host: str
    port: int | None
    subdomains: bool = False
    any_port: bool = False

    @property
    def is_exact(self) -> bool:
        """Whether it stands for one origin only."""
        return not self.subdomains and not self.any_port

    @property
    def is_loopback(self) -> bool:
        """Whether it never leaves the machine (W3C Secure Contexts section 3.1)."""
        host = self.host
        if host == "localhost" or host.endswith(".localhost") or host == "[::1]":
            return True
        return host.startswith("127.") and is_ip_address(host)

    @property
    def has_nameable_host(self) -> bool:
        """Whether a CSP can name the host: no IPv6 address, no name that ends in a dot."""
        return not self.host.startswith("[") and not self.host.endswith(".")

    @property
    def sources(self) -> tuple[str, ...]:
        """The CSP sources that match just these origins, as targets of fetch and of WebSockets.

        None for schemes by which a page connects to no server, such as those of extensions. A
        source of https never matches wss (CSP Level 3 section 6.7.2.8), so each has its own.
        """
        names = f"*.{self.host}" if self.subdomains else self.host
        port = ":*" if self.any_port else "" if self.port is None else f":{self.port}"
        return tuple(f"{scheme}://{names}{port}" for scheme in _TARGET_SCHEMES.get(self.scheme, ()))


def parse_origin(raw: bytes) -> Origin | None:
    """Parse an `Origin` value; None for whatever no browser sends.

    None are thus `null`, upper case, default ports, ports with leading zeros, user names, paths,
    addresses that are not in their shortest form, and any byte that is no letter, digit, `-`,
    `_` or `.` in a host.

    >>> parse_origin(b"https://app.example.com:8443")
    Origin(scheme='https', host='app.example.com', port=8443)
    >>> parse_origin(b"https://app.example.com:443")
    """
    if len(raw) > _MAX_ORIGIN_BYTES:
        return None
    matched = _ORIGIN.match(raw.decode("latin-1"))
    if matched is None:
        return None
    scheme, host, digits = matched.groups()
    port = None if digits is None else int(digits)
    if port is not None and (port > _MAX_PORT or port == _DEFAULT_PORTS.get(scheme)):
        return None
    if len(host) > _MAX_HOST_CHARACTERS or not _is_canonical_host(host):
        return None
    return Origin(scheme, host, port)


def is_ip_address(host: str) -> bool:
    """Tell whether a host that `parse_origin` has accepted is an address and no name."""
    return host.startswith("[") or _IPV4.match(host) is not None


def _is_canonical_host(host: str) -> bool:
    if host.startswith("["):
        return _is_canonical_ipv6(host[1:-1])
    # Browsers read any host whose last label is a number as an IPv4 address, and send it dotted.
    last = host.removesuffix(".").rpartition(".")[2]
    return _NUMERIC_LABEL.match(last) is None or _IPV4.match(host) is not None


def _is_canonical_ipv6(text: str) -> bool:
    import ipaddress  # noqa: PLC0415 -- few sites are reached by an IPv6 literal

    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    # A mapped IPv4 address is a second spelling of another host: never trusted.
    return address.ipv4_mapped is None and str(address) == text


def parse_origin_pattern(text: str) -> OriginPattern | None:
    """Parse an origin, `scheme://*.parent`, `scheme://host:*` or both at once; None for others.

    `*` alone is no pattern: it is the caller's to allow. `check_origin_pattern` explains a None.

    >>> parse_origin_pattern("https://*.example.org")
    OriginPattern(scheme='https', host='example.org', port=None, subdomains=True, any_port=False)
    """
    scheme, separator, rest = text.partition("://")
    any_port = rest.endswith(":*")
    subdomains = rest.startswith("*.")
    plain = scheme + separator + rest.removesuffix(":*").removeprefix("*.")
    origin = parse_origin(plain.encode("utf-8", "surrogatepass"))
    if origin is None or scheme == "file" or not has_valid_punycode(origin.host):
        return None
    if any_port and origin.port is not None:
        return None
    if subdomains and (is_ip_address(origin.host) or len(origin.host) > _MAX_WILDCARD_CHARACTERS):
        return None
    return OriginPattern(origin.scheme, origin.host, origin.port, subdomains, any_port)


def has_valid_punycode(host: str) -> bool:
    """Tell whether every `xn--` label of a host decodes (RFC 3492)."""
    for label in host.split("."):
        if label.startswith("xn--"):
            try:
                decoded = label[4:].encode("ascii").decode("punycode")
            except (ValueError, OverflowError):
                return False
            if decoded.isascii():
                return False
    return True


def is_same_origin(origin: Origin, *, scheme: str, host: bytes) -> bool:
    """Tell whether a page of `origin` asked its own server.

    Args:
        origin: what the `Origin` header named.
        scheme: of the ASGI scope: `ws` counts as `http` and `wss` as `https`.
        host: the one `Host` value; a missing port is the scheme's default.
    """
    scheme = _PAGE_SCHEMES.get(scheme, scheme)
    matched = _HOST_AND_PORT.match(host)
    if matched is None or origin.scheme != scheme:
        return False
    name, digits = matched.groups()
    default = _DEFAULT_PORTS.get(scheme)
    return name.decode("ascii").lower() == origin.host and (
        (int(digits) if digits else default) == (origin.port or default)
    )


class OriginPolicy:
    """A set of trusted origins, compiled so that asking costs the same for one as for 10 000.

    Args:
        patterns: exact origins, `scheme://*.parent` (any depth, not the parent itself),
            `scheme://host:*` (any port, or none), or `*` for every well-formed origin.
        regex: matched in full against well-formed origins only; give it anchors or not.

    Raises:
        ConfigError: for a pattern that is none; `check_origin_pattern` tells what to write.
    """

    __slots__ = ("_families", "_regex", "allows_any", "exact")

    def __init__(self, patterns: Iterable[str], regex: str | None = None) -> None:
        findings = Findings("OriginPolicy")
        exact: set[bytes] = set()
        ports: dict[tuple[str, str], frozenset[int | None] | None] = {}
        self.allows_any: bool = False
        """Whether every well-formed origin is trusted."""
        for text in patterns:
            pattern = parse_origin_pattern(text)
            if text == "*":
                self.allows_any = True
            elif pattern is None:
                findings.add("patterns", text, "not an origin pattern", "write 'https://host'")
            elif pattern.is_exact:
                exact.add(text.encode("ascii"))
            else:
                key = (pattern.scheme, f".{pattern.host}" if pattern.subdomains else pattern.host)
                known = ports.get(key, frozenset())
                wider = None if pattern.any_port or known is None else known | {pattern.port}
                ports[key] = wider
        findings.raise_if_any()
        self.exact: frozenset[bytes] = frozenset(exact)
        """The origins that stand there in full."""
        self._families = ports
        self._regex = None if regex is None else re.compile(regex)

    def allows(self, raw: bytes) -> bool:
        """Tell whether an `Origin` value is trusted; any bytes may be asked."""
        if raw in self.exact:
            return True
        if not self._families and self._regex is None and not self.allows_any:
            return False
        origin = parse_origin(raw)
        if origin is None:
            return False
        return self.allows_any or self._is_in_family(origin) or self._matches_regex(raw)

    def _is_in_family(self, origin: Origin) -> bool:
        families = self._families
        if not families:
            return False
        scheme, host, port = origin.scheme, origin.host, origin.port
        if _holds(families.get((scheme, host), _NO_PORTS), port):
            return True
        # One look-up per parent, so that a suffix begins at a label: never `evilexample.org`.
        dot = host.find(".")
        while dot != -1:
            if _holds(families.get((scheme, host[dot:]), _NO_PORTS), port):
                return True
            dot = host.find(".", dot + 1)
        return False

    def _matches_regex(self, raw: bytes) -> bool:
        regex = self._regex
        return regex is not None and regex.fullmatch(raw.decode("ascii")) is not None


_NO_PORTS: frozenset[int | None] = frozenset()


def _holds(ports: frozenset[int | None] | None, port: int | None) -> bool:
    """Tell whether a family holds a port; None is the family of all ports."""
    return ports is None or port in ports
