"""Where a Redis is: URLs of one server, of Sentinels, of a cluster, each with or without TLS.

    redis://[user:password@]host[:6379][/db]
    redis+sentinel://[user:password@]host[:26379][,host...]/service[/db]
    redis+cluster://[user:password@]host[:6379][,host...]

`rediss` in place of `redis` speaks TLS, with the server's certificate checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from asgi_security.validation import suggest_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

    from asgi_security.validation import Findings

SCHEMES = (
    *("redis", "redis+sentinel", "redis+cluster"),
    *("rediss", "rediss+sentinel", "rediss+cluster"),
)
TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
DRIVER_OPTIONS = ("client_name", "sentinel_username", "sentinel_password", *TLS_OPTIONS)
"""What the query of a URL may hold; all of it is text for the driver."""

_EXAMPLES = (
    "give redis://host:6379/0, rediss://host for TLS, redis+sentinel://host,host/service "
    "or redis+cluster://host,host"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Which servers, and how to sign in to them.

    `hosts` are those of Sentinels or of some nodes of a cluster; `options` the driver's keywords.
    """

    scheme: str
    hosts: tuple[tuple[str, int], ...]
    service: str
    db: int
    options: Mapping[str, Any] = field(repr=False)
    sentinel_options: Mapping[str, Any] = field(repr=False)

    @property
    def has_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.scheme.startswith("rediss")

    @property
    def kind(self) -> str:
        """`sentinel`, `cluster`, or empty for one server."""
        return self.scheme.partition("+")[2]

    def __str__(self) -> str:
        """Return the URL without who signs in and with what."""
        hosts = ",".join(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts
        )
        service = f"/{self.service}" if self.service else ""
        return f"{self.scheme}://{hosts}{service}/{self.db}"


_NOWHERE = Address("redis", (), "", 0, {}, {})


def read_address(url: object, findings: Findings) -> Address:
    """Return what a URL names; with something wrong in `findings` it is of no use.

    No finding shows any of the URL: a misspelt one may hold the password anywhere.
    """
    text = url if isinstance(url, str) else ""
    try:
        split = urlsplit(text)
    except ValueError:
        findings.add_secret("url", "not a URL", _EXAMPLES)
        return _NOWHERE
    if split.scheme not in SCHEMES:
        findings.add_secret("url", "not the URL of a Redis", _EXAMPLES)
        return _NOWHERE
    kind = split.scheme.partition("+")[2]
    userinfo, _, netloc = split.netloc.rpartition("@")
    hosts = _read_hosts(netloc, 26379 if kind == "sentinel" else 6379)
    if hosts is None or (not kind and len(hosts) > 1):
        hint = "give host:port" if not kind else "give host:port,host:port"
        findings.add_secret("url", "does not name its hosts", hint)
    if split.fragment:
        findings.add_secret("url", "has a fragment", "write # in a password as %23")
    service, db = _read_path(split, kind, findings)
    options, sentinel_options = _read_options(split, findings)
    user, _, password = userinfo.partition(":")
    if user:
        options["username"] = unquote(user)
    if password:
        options["password"] = unquote(password)
    return Address(split.scheme, tuple(hosts or ()), service, db, options, sentinel_options)


def _read_hosts(netloc: str, default_port: int) -> list[tuple[str, int]] | None:
    hosts: list[tuple[str, int]] = []
    for each in netloc.split(","):
        try:
            split = urlsplit(f"//{each}")
            port = split.port
        except ValueError:
            return None
        if not split.hostname or port == 0:
            return None
        hosts.append((unquote(split.hostname), port or default_port))
    return hosts


def _read_path(split: SplitResult, kind: str, findings: Findings) -> tuple[str, int]:
    """Return the name of the service and the number of the database."""
    parts = [unquote(part) for part in split.path.split("/") if part]
    service = ""
    if kind == "sentinel":
        if not parts:
            hint = "give redis+sentinel://host,host/service"
            findings.add_secret("url", "does not name the service", hint)
            return "", 0
        service = parts.pop(0)
    if kind == "cluster" and parts:
        findings.add_secret("url", "a cluster has no databases", "leave the path out")
        return "", 0
    if len(parts) > 1 or (parts and not (parts[0].isascii() and parts[0].isdecimal())):
        findings.add_secret("url", "its path is no number of a database", "give /0 or leave it out")
        return service, 0
    return service, int(parts[0]) if parts else 0


def _read_options(split: SplitResult, findings: Findings) -> tuple[dict[str, Any], dict[str, Any]]:
    options: dict[str, Any] = {}
    sentinel_options: dict[str, Any] = {}
    known = [name for name in DRIVER_OPTIONS if _fits(name, split.scheme)]
    for name, value in parse_qsl(split.query, keep_blank_values=True):
        if name not in known:
            near = suggest_name(name, known)
            hint = f"did you mean {near}?" if near else f"known here are {', '.join(known)}"
            findings.add_secret("url", "has an option that does not belong there", hint)
        elif name in options or name in sentinel_options:
            findings.add_secret("url", f"gives {name} twice", "leave one out")
        elif name.startswith("sentinel_"):
            sentinel_options[name.removeprefix("sentinel_")] = value
        else:
            options[name] = value
    return options, sentinel_options


def _fits(name: str, scheme: str) -> bool:
    if name in TLS_OPTIONS:
        return scheme.startswith("rediss")
    return not name.startswith("sentinel_") or scheme.endswith("+sentinel")
