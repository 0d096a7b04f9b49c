"""Explains what is wrong with an origin pattern, and what to write in its place.

`parse_origin_pattern` alone decides what is a pattern; the rules here only find the words for its
"no", so that they can never let a pattern pass. A suggestion is given only if it would be accepted.

Source: WHATWG URL "host parsing" and "IPv4 parser", RFC 6454 section 6.2, RFC 5891 (Punycode).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from asgi_security.policy.origins import has_valid_punycode, parse_origin_pattern
from asgi_security.policy.public_suffixes import is_public_suffix

if TYPE_CHECKING:
    from collections.abc import Callable

_LIKE = "like 'https://app.example.com'"
_GENERAL_FORM = f"write scheme://host or scheme://host:port, {_LIKE}"
_LEGAL_WILDCARDS = (
    "write 'https://*.example.com' for all subdomains or 'http://localhost:*' for all ports"
)
_MAX_SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a configured text is refused, and what to write instead."""

    reason: str
    hint: str


def check_origin_pattern(text: str) -> tuple[Fault, ...]:
    """Find what is wrong with one origin pattern; nothing for a good one, `*` included.

    >>> check_origin_pattern("https://a.test/")[0].hint
    "write 'https://a.test'"
    """
    if text == "*" or parse_origin_pattern(text) is not None:
        return ()
    if len(text) <= _MAX_SHOWN_CHARACTERS:
        for rule in _RULES:
            fault = rule(text)
            if fault is not None:
                return (fault,)
    return (Fault("not an origin", _GENERAL_FORM),)


def check_credentialed_pattern(
    text: str, *, insecure_allowed: bool, public_suffix_allowed: bool
) -> tuple[Fault, ...]:
    """Find why a good pattern must not be trusted with credentials."""
    pattern = parse_origin_pattern(text)
    if pattern is None:
        return ()
    faults = []
    if pattern.scheme != "https" and not pattern.is_loopback and not insecure_allowed:
        hint = "use https, or set dangerously_allow_insecure_origins=True"
        faults.append(Fault("anyone on the network path can speak for this origin", hint))
    if pattern.subdomains and is_public_suffix(pattern.host) and not public_suffix_allowed:
        hint = "name your own domain, or set dangerously_allow_public_suffix_origins=True"
        faults.append(Fault(f"anyone can register a name below {pattern.host!r}", hint))
    return tuple(faults)


def _suggest(candidate: str) -> str:
    """Word a suggestion that would be accepted, or fall back to the general form."""
    if parse_origin_pattern(candidate) is not None:
        return f"write {candidate!r}"
    return _GENERAL_FORM


def _split(text: str) -> tuple[str, str, str]:
    """Split into scheme, authority, and what follows it."""
    scheme, _, rest = text.partition("://")
    for index, character in enumerate(rest):
        if character in "/?#\\":
            return scheme, rest[:index], rest[index:]
    return scheme, rest, ""


def _host_of(text: str) -> str:
    """Return the host of an authority, its `*.` included, its port not."""
    authority = _split(text)[1]
    if authority.startswith("["):
        return authority.partition("]")[0] + "]"
    return authority.partition(":")[0]


def _is_prohibited(text: str) -> Fault | None:
    lowered = text.lower()
    if lowered == "null":
        reason = "every sandboxed frame and many local files send 'null', whoever wrote them"
        return Fault(f"prohibited: {reason}", f"name the real origin, {_LIKE}")
    if lowered.startswith("file:"):
        reason = "prohibited: files have no origin of their own; browsers send 'null' for them"
        return Fault(reason, "serve the page, and write 'http://localhost:*'")
    return None


def _is_blank(text: str) -> Fault | None:
    if not text.strip():
        return Fault("empty", f"write an origin, {_LIKE}, or remove the entry")
    if text != text.strip():
        return Fault("has whitespace around it", _suggest(text.strip()))
    return None


def _is_several(text: str) -> Fault | None:
    parts = [part for part in text.replace(",", " ").split() if part]
    if len(parts) > 1 and all(parse_origin_pattern(part) for part in parts):
        return Fault("several origins in one string", f"give a list: {parts}")
    return None


def _lacks_scheme(text: str) -> Fault | None:
    if "://" in text:
        return None
    candidate = f"https://{text.removeprefix('//')}"
    if parse_origin_pattern(candidate) is not None:
        return Fault("no scheme", f"did you mean {candidate!r}?")
    return Fault("no scheme", _suggest(candidate.lower()))


def _is_international(text: str) -> Fault | None:
    if text.isascii():
        return None
    host = _host_of(text)
    try:
        ascii_host = host.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_host = ""
    hint = _suggest(text.replace(host, ascii_host).lower())
    return Fault("has non-ASCII characters; browsers send Punycode", hint)


def _has_upper_case(text: str) -> Fault | None:
    if text == text.lower():
        return None
    return Fault("browsers send origins in lower case", _suggest(text.lower()))


def _has_more_than_an_origin(text: str) -> Fault | None:
    scheme, authority, rest = _split(text)
    if rest:
        part = {"?": "query", "#": "fragment"}.get(rest[0], "path")
        return Fault(f"has a {part} {rest!r}", _suggest(f"{scheme}://{authority}"))
    if "@" in authority:
        hint = _suggest(f"{scheme}://{authority.rpartition('@')[2]}")
        return Fault("has a user name; no browser sends one in an origin", hint)
    return None


def _has_bad_wildcard(text: str) -> Fault | None:
    if "*" not in text:
        return None
    return Fault("invalid wildcard", _LEGAL_WILDCARDS)


def _has_bad_port(text: str) -> Fault | None:
    scheme, authority, _ = _split(text)
    host = _host_of(text)
    rest = authority[len(host) :]
    bare = f"{scheme}://{host}"
    if not rest.startswith(":") or parse_origin_pattern(bare) is None:
        return None
    digits = rest[1:]
    if digits.isdigit() and parse_origin_pattern(f"{bare}:{int(digits)}") is not None:
        return Fault("the port has leading zeros", _suggest(f"{bare}:{int(digits)}"))
    if digits in {"80", "443"}:
        return Fault("browsers leave the default port out", _suggest(bare))
    return Fault("not a port from 1 to 65535", _suggest(bare))


def _has_odd_address(text: str) -> Fault | None:
    host = _host_of(text)
    canonical = _canonical_ipv6(host[1:-1]) if host.startswith("[") else _canonical_ipv4(host)
    if canonical is None or canonical == host:
        return None
    return Fault(
        "browsers send addresses in their shortest standard form",
        _suggest(text.replace(host, canonical, 1)),
    )


def _canonical_ipv6(text: str) -> str | None:
    import ipaddress  # noqa: PLC0415 -- only a faulty IPv6 pattern asks

    try:
        address = ipaddress.IPv6Address(text.partition("%")[0])
    except ValueError:
        return None
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"[{address}]"


def _canonical_ipv4(host: str) -> str | None:
    """Read an IPv4 address as browsers do: 1 to 4 numbers in base 8, 10 or 16."""
    parts = host.removesuffix(".").split(".")
    numbers = [_parse_ipv4_number(part) for part in parts]
    if len(parts) > 4 or None in numbers:
        return None
    *leading, last = [number for number in numbers if number is not None]
    free_octets = 4 - len(leading)
    if max(leading, default=0) > 255 or last >= 256**free_octets:
        return None
    octets = bytes(leading) + last.to_bytes(free_octets, "big")
    return ".".join(str(octet) for octet in octets)


def _parse_ipv4_number(text: str) -> int | None:
    base = 16 if text.startswith("0x") else 8 if text.startswith("0") else 10
    try:
        return int(text.removeprefix("0x"), base) if text.isalnum() else None
    except ValueError:
        return None


def _has_bad_host(text: str) -> Fault | None:
    host = _host_of(text)
    if not host:
        return Fault("no host", f"write scheme://host, {_LIKE}")
    if not has_valid_punycode(host):
        return Fault("has an xn-- label that is no Punycode", "copy it from a browser")
    if ".." in host or host.startswith("."):
        tidy = ".".join(label for label in host.split(".") if label)
        return Fault("has an empty label", _suggest(text.replace(host, tidy, 1)))
    return None


_RULES: tuple[Callable[[str], Fault | None], ...] = (
    _is_prohibited,
    _is_blank,
    _is_several,
    _lacks_scheme,
    _is_international,
    _has_upper_case,
    _has_more_than_an_origin,
    _has_bad_wildcard,
    _has_bad_port,
    _has_odd_address,
    _has_bad_host,
)
