"""Decides which `Host` a request may name, and where plain HTTP is sent on to.

A host that is not ours ends up in links, redirects and cache keys of apps that believe it.

Source: RFC 9110 sections 4.2.3 (case), 7.2 (Host) and 15.4.9 (308); RFC 3986 section 3.2.2;
RFC 8555 section 8.3 (ACME over plain HTTP).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asgi_security.policy.origins import parse_origin
from asgi_security.policy.paths import PathPrefixes, check_prefixes
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

_HOST_LINE = re.compile(rb"(?P<host>\[[0-9a-f:.]+\]|[^:\[\]]+)(?::[0-9]{1,5})?\Z")
# What a request target may hold as it is (RFC 3986 section 2): the rest is percent-encoded.
_NOT_IN_TARGET = re.compile(rb"[^!$&'()*+,\-./0-9:;=@A-Z_a-z~%?]")
_HTTPS_PORT = 443


@configuration
class HostsConfig:
    """Which hosts are ours, and whether plain HTTP is redirected to HTTPS.

    Args:
        allow_hosts: names without a port, such as `app.example.com`; `*.example.com` is any name
            below, not that name itself.
        redirect_to_https: answer plain HTTP with a 308; plain WebSockets are denied.
        https_port: where HTTPS is served.
        plain_paths: prefixes, ending at a segment, that stay on plain HTTP.
    """

    allow_hosts: Sequence[str]
    redirect_to_https: bool = False
    https_port: int = _HTTPS_PORT
    plain_paths: Sequence[str] = ("/.well-known/acme-challenge",)

    def __post_init__(self) -> None:
        findings = Findings("HostsConfig")
        for name in ("allow_hosts", "plain_paths"):
            value = getattr(self, name)
            if isinstance(value, str):
                findings.add(name, value, "one string", f"write [{value!r}]")
                findings.raise_if_any()
            object.__setattr__(self, name, tuple(value))
        if not self.allow_hosts:
            findings.add("allow_hosts", (), "no host would be allowed", "list the app's own hosts")
        for host in self.allow_hosts:
            _check_host(findings, host)
        check_prefixes(findings, "plain_paths", self.plain_paths)
        findings.check_boolean("redirect_to_https", self.redirect_to_https)
        findings.check_number("https_port", self.https_port, minimum=1, maximum=65535, integer=True)
        findings.raise_if_any()


def _check_host(findings: Findings, host: str) -> None:
    if host == "*":
        hint = "list the app's own hosts, or leave the guard out"
        findings.add("allow_hosts", host, "allows every host", hint)
    elif "://" in host:
        hint = f"write {host.partition('://')[2]!r}"
        findings.add("allow_hosts", host, "an origin, not a host", hint)
    elif host != host.lower():
        findings.add("allow_hosts", host, "not in lower case", f"write {host.lower()!r}")
    elif parse_origin(f"https://{host.removeprefix('*.')}:1".encode()) is None:
        hint = "write a name such as 'app.example.com' or '*.example.com', without a port"
        findings.add("allow_hosts", host, "not a host", hint)


@dataclass(frozen=True, slots=True)
class HostAllowed:
    """The request may run."""


@dataclass(frozen=True, slots=True)
class HostRefused:
    """The request names no host of ours, by the rule of that name. Answer 400."""

    rule: str


@dataclass(frozen=True, slots=True)
class SentToHttps:
    """The same request belongs at `location`. Answer 308."""

    location: bytes


@dataclass(frozen=True, slots=True)
class PlainRefused:
    """A WebSocket over plain HTTP, which no redirect can save. Answer 403."""


if TYPE_CHECKING:
    HostDecision: TypeAlias = HostAllowed | HostRefused | SentToHttps | PlainRefused

_ALLOWED = HostAllowed()
_KEPT_HOSTS = 1024


def parse_host(line: bytes) -> bytes | None:
    """Return the host of a `Host` line, in lower case and without its port, or None.

    A name with a trailing dot is another spelling that certificates and cookies do not share: it
    is no host here.

    >>> parse_host(b"App.Example.com:8443")
    b'app.example.com'
    >>> parse_host(b"user@app.example.com")
    """
    match = _HOST_LINE.match(line.lower())
    if match is None:
        return None
    host = match["host"]
    return host if parse_origin(b"https://%b:1" % host) is not None else None


class HostPolicy:
    """A `HostsConfig`, compiled."""

    __slots__ = ("_exact", "_known", "_parents", "_plain", "_port", "_redirects")

    def __init__(self, config: HostsConfig) -> None:
        hosts = [host.encode("ascii") for host in config.allow_hosts]
        self._exact = frozenset(host for host in hosts if not host.startswith(b"*."))
        self._parents = frozenset(host[2:] for host in hosts if host.startswith(b"*."))
        self._redirects = config.redirect_to_https
        port = config.https_port
        self._port = b"" if port == _HTTPS_PORT else b":%d" % port
        self._plain = PathPrefixes(config.plain_paths)
        self._known: dict[bytes, bytes] = {}

    def decide(
        self,
        lines: Sequence[bytes],
        *,
        scheme: str,
        path: str,
        target: bytes,
    ) -> HostDecision:
        """Decide on a request.

        Args:
            lines: the values of `Host`.
            scheme: the ASGI scope's.
            path: decoded; decides whether plain HTTP is fine.
            target: the raw path with its query, kept byte for byte in a redirect.
        """
        if len(lines) != 1:
            return HostRefused("host_missing" if not lines else "host_duplicated")
        host = self._known.get(lines[0]) or self._find(lines[0])
        if host is None:
            return HostRefused("host_not_allowed")
        if not self._redirects or scheme in ("https", "wss") or self._plain.hold(path):
            return _ALLOWED
        if scheme == "ws":
            return PlainRefused()
        # Absolute and with our own host: a path such as //evil.test cannot lead elsewhere.
        return SentToHttps(b"https://%b%b%b" % (host, self._port, _encode_target(target)))

    def _find(self, line: bytes) -> bytes | None:
        """Return the allowed host that a line names, and remember the line, within bounds."""
        host = parse_host(line)
        if host is None or not (host in self._exact or self._is_below(host)):
            return None
        if len(self._known) >= _KEPT_HOSTS:
            self._known.clear()
        self._known[line] = host
        return host

    def _is_below(self, host: bytes) -> bool:
        rest = host.partition(b".")[2]
        while rest:
            if rest in self._parents:
                return True
            rest = rest.partition(b".")[2]
        return False


def _encode_target(target: bytes) -> bytes:
    """Percent-encode what no server should have let through; all else stays as it came."""
    return _NOT_IN_TARGET.sub(lambda match: b"%%%02X" % match[0][0], target)
