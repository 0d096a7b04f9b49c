"""Decides: which address a request came from, when proxies that are trusted say so.

A forwarding header is a list that anyone may begin and each proxy extends on the right. So it is
read from the right, as far as its writers are trusted, and never past an entry that is no address:
what stands left of one was written by nobody knows whom.

Source: RFC 7239 (Forwarded), RFC 4291 section 2.5.5.2 (mapped addresses), RFC 6052 section 2.1
(64:ff9b::/96), RFC 6177 (why one subscriber holds a /64 or more).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Sequence

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

UNIX = "unix"
_HEADERS = ("x-forwarded-for", "forwarded")
_MAXIMUM_ENTRIES = 32
_MAXIMUM_BYTES = 4096
_MAXIMUM_PEERS = 1024
_MAXIMUM_LITERAL = 128
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_EVERYONE = "would believe every client's own headers"

_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::([0-9]{1,5}|_[A-Za-z0-9._-]+))?")
_WITH_PORT = re.compile(r"([^:\[\]]*):([0-9]{1,5}|_[A-Za-z0-9._-]+)")
# One pair of a Forwarded element and what ends it (RFC 7239 section 4). Unquoted values may hold
# more than a token here, because proxies forget the quotes around IPv6.
_PAIR = re.compile(
    r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)="
    r'(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*))[ \t]*([,;]|\Z)'
)


@configuration
class ClientConfig:
    """Which proxies may say on whose behalf they speak.

    Args:
        trusted_proxies: addresses and networks (`"10.0.0.0/8"`), and `"unix"` for a server that
            listens on a socket file.
        trusted_hops: how many proxies stand in front, where their addresses are not known; the
            client is that entry from the right. With `trusted_proxies` the peer must be one too.
        header: the one header that they write, "x-forwarded-for" or "forwarded".
        dangerously_trust_all_proxies: believe the leftmost entry, which any client can write.
    """

    trusted_proxies: Sequence[str] = ()
    trusted_hops: int | None = None
    header: str = "x-forwarded-for"
    dangerously_trust_all_proxies: bool = False

    def __post_init__(self) -> None:
        findings = Findings("ClientConfig")
        proxies = self.trusted_proxies
        if isinstance(proxies, str):
            findings.add("trusted_proxies", proxies, "one string", f"write [{proxies!r}]")
        else:
            object.__setattr__(self, "trusted_proxies", tuple(proxies))
            for proxy in self.trusted_proxies:
                _check_proxy(proxy, findings)
        if self.trusted_hops is not None:
            findings.check_number(
                "trusted_hops",
                self.trusted_hops,
                minimum=1,
                maximum=_MAXIMUM_ENTRIES,
                integer=True,
            )
        findings.check_choice("header", self.header, _HEADERS)
        findings.check_boolean("dangerously_trust_all_proxies", self.dangerously_trust_all_proxies)
        if self.dangerously_trust_all_proxies is True and (proxies or self.trusted_hops):
            findings.add(
                "dangerously_trust_all_proxies",
                value=True,
                reason="contradicts trusted_proxies and trusted_hops",
                hint="leave it out",
            )
        findings.raise_if_any()


def _check_proxy(proxy: object, findings: Findings) -> None:
    if proxy == UNIX:
        return
    if proxy == "*":
        hint = "list your proxies, or set dangerously_trust_all_proxies=True"
        findings.add("trusted_proxies", proxy, _EVERYONE, hint)
        return
    try:
        network = ipaddress.ip_network(proxy, strict=False) if isinstance(proxy, str) else None
    except ValueError:
        network = None
    if network is None:
        hint = 'give an address, a network such as "10.0.0.0/8", or "unix"'
        findings.add("trusted_proxies", proxy, "no address or network", hint)
    elif network.prefixlen == 0:
        hint = "list your proxies, or set dangerously_trust_all_proxies=True"
        findings.add("trusted_proxies", proxy, _EVERYONE, hint)
    elif "/" in str(proxy) and ipaddress.ip_interface(str(proxy)).ip != network.network_address:
        hint = f"write {str(network)!r} for the network, or the address alone"
        findings.add("trusted_proxies", proxy, "has bits set behind its prefix", hint)


def parse_address(text: str) -> Address | None:
    """Parse an address without port or brackets; drop its zone, and unwrap a mapped IPv4.

    >>> parse_address("::ffff:192.0.2.1")
    IPv4Address('192.0.2.1')
    >>> parse_address("1.2.3.04") is None
    True
    """
    if len(text) > _MAXIMUM_LITERAL:
        return None
    bare, percent, _ = text.partition("%")
    if percent and ":" not in bare:  # only IPv6 has zones
        return None
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def parse_node(text: str) -> Address | None:
    """Parse one entry of a forwarding header: an address, with brackets and port or without."""
    match = _BRACKETED.fullmatch(text)
    if match is not None:
        address = parse_address(match[1])
        return address if ":" in match[1] else None
    match = _WITH_PORT.fullmatch(text)
    return parse_address(text if match is None else match[1])


def parse_forwarded_for(value: bytes) -> tuple[str, ...]:
    """Parse one X-Forwarded-For line into its entries, empty ones kept."""
    return tuple(entry.strip(" \t") for entry in value.decode("latin-1").split(","))


def parse_forwarded(value: bytes) -> tuple[str, ...]:
    """Parse one Forwarded line into the `for` of each element, "" for one without.

    A malformed line is one entry that is no address. It must not be repaired: with an opening
    quote of its own a client could make the entry that a proxy appended part of a string.
    """
    text = value.decode("latin-1")
    entries: list[str] = []
    node: str | None = None
    at, end = 0, ","
    while end:
        match = _PAIR.match(text, at)
        if match is None:
            return ("",)
        if match[1].lower() == "for":
            if node is not None:
                return ("",)
            quoted = match[2]
            node = match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        at, end = match.end(), match[4]
        if end != ";":
            entries.append(node or "")
            node = None
    return tuple(entries)


@dataclass(frozen=True, slots=True)
class ClientFound:
    """The client's address, None for unknown; `rejected` says why a header was not believed."""

    address: str | None
    rejected: str | None = None


@dataclass(frozen=True, slots=True)
class _Peer:
    found: ClientFound
    trusted: bool


class ClientPolicy:
    """A compiled `ClientConfig`."""

    def __init__(self, config: ClientConfig) -> None:
        listed = config.trusted_proxies
        self._unix = UNIX in listed
        self._networks = tuple(ipaddress.ip_network(name) for name in listed if name != UNIX)
        self._hops = config.trusted_hops
        self._everyone = config.dangerously_trust_all_proxies
        self._any_peer = self._everyone or (self._hops is not None and not listed)
        self._parse = parse_forwarded if config.header == "forwarded" else parse_forwarded_for
        self.header: bytes | None = None
        """The request header to read, None when no proxy is trusted."""
        if listed or self._any_peer:
            self.header = config.header.encode()
        self._peers: dict[str | None, _Peer] = {}

    def decide(self, peer: str | None, values: Sequence[bytes] = ()) -> ClientFound:
        """Decide whose address counts, of a request from `peer` with these header lines.

        Args:
            peer: the other end of the connection as the server names it, None for a socket file.
            values: the lines of `header`, in order.
        """
        if self.header is None:
            return ClientFound(peer or None)
        known = self._peers.get(peer) or self._learn(peer)
        if not values or not known.trusted:
            return known.found
        if sum(map(len, values)) > _MAXIMUM_BYTES:
            return ClientFound(known.found.address, "too_long")
        entries = [entry for value in values for entry in self._parse(value)]
        if len(entries) > _MAXIMUM_ENTRIES:
            return ClientFound(known.found.address, "too_many_entries")
        if self._hops is not None and len(entries) < self._hops:
            return ClientFound(known.found.address, "too_few_entries")
        return self._walk(known.found.address, entries)

    def _learn(self, peer: str | None) -> _Peer:
        address = parse_address(peer) if peer else None
        if peer:
            trusted = self._any_peer or (address is not None and self._is_trusted(address))
        else:
            trusted = self._unix or self._everyone
        learnt = _Peer(ClientFound(str(address) if address else peer or None), trusted)
        if len(self._peers) >= _MAXIMUM_PEERS:
            self._peers.clear()
        self._peers[peer] = learnt
        return learnt

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _walk(self, peer: str | None, entries: Sequence[str]) -> ClientFound:
        last = peer
        for passed, entry in enumerate(reversed(entries), start=1):
            address = parse_node(entry)
            if address is None:
                return ClientFound(last, "no_address")
            last = str(address)
            if passed == self._hops:
                break
            if self._hops is None and not self._everyone and not self._is_trusted(address):
                break
        return ClientFound(last)


def compute_client_key(client: str) -> str:
    """Return what attempts from an address are counted under: an IPv4 address or an IPv6 /64.

    A subscriber holds a whole /64 or more, so a longer prefix would be no bound. Mapped and
    translated addresses become IPv4 before the cut: after it they would all share one /64. What is
    no address counts as it stands.

    >>> compute_client_key("2001:db8:1:2:3:4:5:6"), compute_client_key("64:ff9b::c000:201")
    ('2001:db8:1:2::/64', '192.0.2.1')
    """
    address = parse_address(client)
    if address is None:
        return client
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address in _NAT64:
        return str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return str(ipaddress.IPv6Network((int(address), 64), strict=False))
