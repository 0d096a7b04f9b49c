"""Decides what a cookie may look like, and builds its Set-Cookie lines once.

Source: RFC 6265bis (draft-ietf-httpbis-rfc6265bis-20) sections 4.1.2 and 5.6 (attributes, limits),
4.1.3 (name prefixes); draft-ietf-httpbis-layered-cookies (`__Http-`, `__Host-Http-`);
draft-cutler-httpbis-partitioned-cookies.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from asgi_security.errors import ConfigError
from asgi_security.secret import Secret
from asgi_security.validation import Findings, configuration, is_token

if TYPE_CHECKING:
    from collections.abc import Sequence

SameSite: TypeAlias = Literal["lax", "strict", "none"]

MAX_COOKIE_BYTES = 4096
"""Name and value together: a browser drops a longer cookie without a word (6265bis 5.6)."""

MINIMUM_SECRET_BYTES = 32

_MAX_ATTRIBUTE_BYTES = 1024
_MAX_AGE_SECONDS = 400 * 24 * 3600
_SAME_SITE = {"lax": "Lax", "strict": "Strict", "none": "None"}
_PATH = re.compile(r"/[\x21-\x3a\x3c-\x7e]*\Z")
_DOMAIN = re.compile(r"[A-Za-z0-9]+(?:[.-]+[A-Za-z0-9]+)*\Z")
_OCTETS = bytes(octet for octet in range(0x21, 0x7F) if octet not in b'",;\\')
_PAST = "Thu, 01 Jan 1970 00:00:00 GMT"


@configuration
class CookieConfig:
    """One cookie's name and attributes, checked against what browsers enforce.

    `max_age_seconds=None` makes a cookie that ends with the browser session.
    """

    name: str
    path: str = "/"
    domain: str | None = None
    secure: bool = True
    http_only: bool = True
    same_site: SameSite = "lax"
    partitioned: bool = False
    max_age_seconds: int | None = None

    def __post_init__(self) -> None:
        """Check everything at once."""
        findings = Findings(type(self).__name__)
        if isinstance(self.same_site, str):
            object.__setattr__(self, "same_site", self.same_site.lower())
        for switch in ("secure", "http_only", "partitioned"):
            findings.check_boolean(switch, getattr(self, switch))
        _check_texts(findings, self)
        _check_prefix(findings, self)
        known = findings.check_choice("same_site", self.same_site, _SAME_SITE)
        if known and self.same_site == "none" and not self.secure:
            findings.add(
                "same_site",
                self.same_site,
                "browsers refuse SameSite=None without Secure",
                "set secure=True, or use same_site='lax'",
            )
        if self.partitioned and not self.secure:
            findings.add(
                "partitioned",
                self.partitioned,
                "browsers refuse Partitioned without Secure",
                "set secure=True",
            )
        if self.max_age_seconds is not None:
            findings.check_number(
                "max_age_seconds",
                self.max_age_seconds,
                minimum=1,
                maximum=_MAX_AGE_SECONDS,
                integer=True,
            )
        findings.raise_if_any()


def _check_texts(findings: Findings, config: CookieConfig) -> None:
    name: object = config.name
    path: object = config.path
    domain: object = config.domain
    if not isinstance(name, str) or not is_token(name):
        findings.add("name", name, "not a cookie name", "use letters, digits, '-' and '_'")
    if not isinstance(path, str) or not _PATH.match(path):
        findings.add("path", path, "not a path", "begin with '/', leave out ';', spaces, non-ASCII")
    elif len(path) > _MAX_ATTRIBUTE_BYTES:
        findings.add("path", path, "browsers ignore it above 1024 bytes", "use a shorter path")
    if domain is None:
        return
    if not isinstance(domain, str) or not _DOMAIN.match(domain):
        hint = "write a bare host such as 'example.com', or None for this host only"
        findings.add("domain", domain, "not a domain", hint)
    elif len(domain) > _MAX_ATTRIBUTE_BYTES:
        findings.add("domain", domain, "browsers ignore it above 1024 bytes", "use a real domain")


def _check_prefix(findings: Findings, config: CookieConfig) -> None:
    # Case-insensitive: browsers match it so, or a server that folds case could be fooled.
    name = str(config.name).lower()
    host_only = name.startswith("__host-")
    unmet = []
    if host_only or name.startswith(("__secure-", "__http-")):
        unmet += [] if config.secure else ["secure=True"]
    if name.startswith(("__http-", "__host-http-")):
        unmet += [] if config.http_only else ["http_only=True"]
    if host_only:
        unmet += [] if config.domain is None else ["domain=None"]
        unmet += [] if config.path == "/" else ["path='/'"]
    if unmet:
        findings.add(
            "name",
            config.name,
            "browsers refuse the cookie: its prefix promises more than its attributes hold",
            f"set {', '.join(unmet)}, or choose a name without the prefix",
        )


class CookieWriter:
    """A `CookieConfig` compiled into the constant parts of its Set-Cookie values."""

    __slots__ = ("_name_bytes", "_prefix", "_suffix", "deletion")

    def __init__(self, config: CookieConfig) -> None:
        scope = f"; Path={config.path}"
        if config.domain is not None:
            scope += f"; Domain={config.domain}"
        flags = "; Secure" if config.secure else ""
        flags += "; HttpOnly" if config.http_only else ""
        flags += f"; SameSite={_SAME_SITE[config.same_site]}"
        flags += "; Partitioned" if config.partitioned else ""
        age = "" if config.max_age_seconds is None else f"; Max-Age={config.max_age_seconds}"
        self._name_bytes = len(config.name)
        self._prefix = f"{config.name}=".encode()
        self._suffix = f"{scope}{age}{flags}".encode()
        # A browser deletes only the cookie of the same name, path, domain and partition, and
        # a Secure one only when told by one that is Secure too.
        past = f"{config.name}={scope}; Max-Age=0; Expires={_PAST}{flags}"
        self.deletion = past.encode()

    def measure(self, value: bytes) -> int:
        """Return the bytes that count towards `MAX_COOKIE_BYTES`."""
        return self._name_bytes + len(value)

    def build_line(self, value: bytes) -> bytes:
        """Return the Set-Cookie value that sets the cookie.

        Raises:
            ValueError: for a value with a byte that no cookie may hold (RFC 6265 section 4.1.1).
        """
        if value.translate(None, _OCTETS):
            raise ValueError("a cookie value holds only RFC 6265 cookie octets; encode it first")
        return self._prefix + value + self._suffix


@configuration
class SigningSecrets:
    """The secret that signs and the retired ones that still verify, each of 32 bytes or more."""

    secret: Secret | str | bytes
    old_secrets: Sequence[Secret | str | bytes] = ()

    def __post_init__(self) -> None:
        """Check all secrets; drop old ones that repeat the current one or one another."""
        findings = Findings(type(self).__name__)
        current = _check_secret(findings, "secret", self.secret)
        given: object = self.old_secrets
        if not isinstance(given, (list, tuple)):
            findings.add_secret("old_secrets", "not a list", "wrap it: old_secrets=[...]")
            given = ()
        old = [_check_secret(findings, "old_secrets", each) for each in given]
        findings.raise_if_any()
        kept = dict.fromkeys(each for each in old if each != current)
        object.__setattr__(self, "secret", current)
        object.__setattr__(self, "old_secrets", tuple(kept))

    def reveal_order(self) -> tuple[Secret, ...]:
        """Return all as `Secret`, the one that signs first."""
        return tuple(Secret(each) for each in (self.secret, *self.old_secrets))


def settle_signing_secrets(findings: Findings, config: Any) -> None:
    """Check the `secret` and `old_secrets` of a configuration, and put what is checked in place."""
    try:
        secrets = SigningSecrets(secret=config.secret, old_secrets=config.old_secrets)
    except ConfigError as error:
        findings.extend(error)
        return
    object.__setattr__(config, "secret", secrets.secret)
    object.__setattr__(config, "old_secrets", secrets.old_secrets)


def _check_secret(findings: Findings, name: str, value: object) -> Secret:
    if not isinstance(value, (str, bytes, Secret)):
        findings.add_secret(name, "not a secret", "give a string or bytes")
        return Secret(b"")
    secret = Secret(value)
    if len(secret) < MINIMUM_SECRET_BYTES:
        findings.add_secret(
            name,
            f"{len(secret)} bytes can be guessed",
            f"use at least {MINIMUM_SECRET_BYTES}: `asgi-security keys new` prints one",
        )
    return secret
