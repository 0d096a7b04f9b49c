"""Decides what an API key may be made for, and whether one that was made still opens anything.

A key reaches no further than whoever made it could at that moment: without that, a user of little
makes a key for everything. Nor does it outlive its owner: a disabled account's keys open nothing.

Source: RFC 6749 section 3.3 (scopes), OWASP ASVS 5.0 sections 8.2.1 and 8.3.1 (authorization), NIST
SP 800-57 part 1 section 5.3 (lifetimes), RFC 9110 section 11.6.1 (challenges).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from asgi_security.validation import Findings, configuration, is_token

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from asgi_security.secret import Secret

_HOUR_SECONDS = 3600.0
_SHORTEST_SECONDS = 1.0
_LONGEST_SECONDS = 1e10
_LONGEST_NAME = 100
_MOST_SCOPES = 100
_PREFIX = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*\Z")
_LONGEST_PREFIX = 32
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}\Z")
_REALM = re.compile(r"[ !#-\[\]-~]*\Z")

Reason: TypeAlias = Literal[
    "invalid_api_key", "api_key_revoked", "api_key_expired", "account_disabled"
]
Fault: TypeAlias = Literal[
    "invalid_name",
    "invalid_lifetime",
    "invalid_scope",
    "scope_not_allowed",
    "scope_not_held",
]


@configuration
class ApiKeyConfig:
    """The API keys of an app.

    Args:
        secret: at least 32 bytes, the key of the stored digests, the same in every process.
        old_secrets: retired ones, under which keys were made that still hold.
        prefix: what every key begins with, so that a scanner of sources knows whose it is.
        lifetime_seconds: of a key that is made without saying; None for no end.
        max_lifetime_seconds: what no key may be made to outlive.
        allowed_scopes: all that a key may be made for, whatever its owner holds; None for no bound.
        touch_every_seconds: how exact the instant of last use is, which costs a write each time.
        store_timeout_seconds: the time bound of every call to the store.
        header: the request header that holds the key.
        required: refuse requests without one, but for preflights.
        realm: named in challenges.
    """

    secret: Secret | str | bytes
    old_secrets: Sequence[Secret | str | bytes] = ()
    prefix: str = "ak"
    lifetime_seconds: float | None = 8760 * _HOUR_SECONDS
    max_lifetime_seconds: float | None = None
    allowed_scopes: Sequence[str] | None = None
    touch_every_seconds: float = 60
    store_timeout_seconds: float = 1.0
    header: str = "x-api-key"
    required: bool = False
    realm: str = "api"

    def __post_init__(self) -> None:
        findings = Findings("ApiKeyConfig")
        object.__setattr__(self, "secret", findings.check_secret("secret", self.secret))
        old = findings.check_secrets("old_secrets", self.old_secrets)
        object.__setattr__(self, "old_secrets", old)
        _check_texts(self, findings)
        _check_lifetimes(self, findings)
        if self.allowed_scopes is not None:
            object.__setattr__(self, "allowed_scopes", _check_scopes(self, findings))
        findings.check_number("touch_every_seconds", self.touch_every_seconds, minimum=0)
        findings.check_number("store_timeout_seconds", self.store_timeout_seconds, minimum=0.01)
        findings.check_boolean("required", self.required)
        findings.raise_if_any()


def _check_texts(config: ApiKeyConfig, findings: Findings) -> None:
    prefix: object = config.prefix
    if (
        not isinstance(prefix, str)
        or len(prefix) > _LONGEST_PREFIX
        or _PREFIX.match(prefix) is None
    ):
        hint = f"give up to {_LONGEST_PREFIX} of a-z and 0-9, parted by _, such as 'acme_live'"
        findings.add("prefix", prefix, "not a prefix", hint)
    header: object = config.header
    if not isinstance(header, str) or not is_token(header):
        findings.add("header", header, "not a header name", "give 'x-api-key'")
    elif header.lower() in {"authorization", "cookie"}:
        hint = "give one that nothing else is in, such as 'x-api-key'"
        findings.add("header", header, "read for other credentials", hint)
    else:
        object.__setattr__(config, "header", header.lower())
    realm: object = config.realm
    if not isinstance(realm, str) or _REALM.match(realm) is None:
        findings.add("realm", realm, "no quoted string", 'give ASCII without " and backslash')


def _check_lifetimes(config: ApiKeyConfig, findings: Findings) -> None:
    lifetime, longest = config.lifetime_seconds, config.max_lifetime_seconds
    fine = [
        findings.check_number(name, value, minimum=_SHORTEST_SECONDS, maximum=_LONGEST_SECONDS)
        for name, value in (("lifetime_seconds", lifetime), ("max_lifetime_seconds", longest))
        if value is not None
    ]
    if longest is None or not all(fine):
        return
    if lifetime is None or lifetime > longest:
        hint = f"give at most {longest:g}, or raise max_lifetime_seconds"
        findings.add("lifetime_seconds", lifetime, "longer than max_lifetime_seconds", hint)


def _check_scopes(config: ApiKeyConfig, findings: Findings) -> tuple[str, ...] | None:
    scopes = config.allowed_scopes
    if scopes is None or isinstance(scopes, str):
        findings.add("allowed_scopes", scopes, "one value where a list is wanted", "write [...]")
        return None
    for scope in scopes:
        if not is_scope(scope):
            hint = "give ASCII without blanks, quotes and backslashes"
            findings.add("allowed_scopes", scope, "not a scope (RFC 6749)", hint)
    return tuple(scopes)


def is_scope(text: object) -> bool:
    """Tell whether a value can be a scope: visible ASCII without `"` and backslash."""
    return isinstance(text, str) and _SCOPE.match(text) is not None


@dataclass(frozen=True, slots=True)
class Grant:
    """The key may be made so. None for `expires_at` is never."""

    name: str
    scopes: tuple[str, ...]
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class GrantRefused:
    """The key may not be made; `scopes` are those that stand in the way."""

    reason: Fault
    scopes: tuple[str, ...] = ()


def decide_grant(
    config: ApiKeyConfig,
    *,
    name: str,
    scopes: Sequence[str],
    granted: AbstractSet[str],
    lifetime_seconds: float | None,
    now: float,
) -> Grant | GrantRefused:
    """Return what a key of these wishes would be.

    Args:
        config: the rules.
        name: what its owner calls it: up to 100 printable characters.
        scopes: what it is to reach.
        granted: the scopes that its owner holds.
        lifetime_seconds: None is as configured.
        now: the instant of making it.
    """
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable() or name != name.strip():
        return GrantRefused("invalid_name")
    lifetime = config.lifetime_seconds if lifetime_seconds is None else lifetime_seconds
    if lifetime is not None:
        longest = config.max_lifetime_seconds or _LONGEST_SECONDS
        if not _SHORTEST_SECONDS <= lifetime <= longest:  # false of NaN
            return GrantRefused("invalid_lifetime")
    wanted = tuple(sorted(set(scopes)))
    strange = tuple(scope for scope in wanted if not is_scope(scope))
    if strange or len(wanted) > _MOST_SCOPES:
        return GrantRefused("invalid_scope", strange)
    if config.allowed_scopes is not None:
        closed = tuple(scope for scope in wanted if scope not in config.allowed_scopes)
        if closed:
            return GrantRefused("scope_not_allowed", closed)
    missing = tuple(scope for scope in wanted if scope not in granted)
    if missing:
        return GrantRefused("scope_not_held", missing)
    return Grant(name, wanted, None if lifetime is None else now + lifetime)


def decide_standing(
    *, revoked_at: float | None, expires_at: float | None, is_owner_active: bool, now: float
) -> Reason | None:
    """Return why a key whose secret is right opens nothing, None if it does."""
    if revoked_at is not None:
        return "api_key_revoked"
    if expires_at is not None and now >= expires_at:
        return "api_key_expired"
    return None if is_owner_active else "account_disabled"


def is_touch_due(config: ApiKeyConfig, *, used_at: float | None, now: float) -> bool:
    """Tell whether the instant of last use has to be written."""
    return used_at is None or now - used_at >= config.touch_every_seconds
