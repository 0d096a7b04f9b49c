"""Reads a token with the keys of its issuer: all of verification that needs no state and no time.

Several issuers are told apart by the unverified `iss`, which only chooses the keys: the token must
then be right under those of that very issuer, so that equal key ids never meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from asgi_security.crypto.algorithms import PUBLIC_KEY_ALGORITHMS
from asgi_security.crypto.jwt import (
    JwsReason,
    RefusedJws,
    build_allow_list,
    peek_payload,
    verify_compact,
)
from asgi_security.crypto.keys import KeyRing
from asgi_security.crypto.strict_json import parse_json_object
from asgi_security.errors import ConfigError
from asgi_security.flows.revocations import compute_names
from asgi_security.policy.claims import (
    ClaimPolicy,
    ClaimReason,
    Lifetime,
    parse_roles,
    parse_scopes,
)
from asgi_security.principal import make_principal
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asgi_security.crypto.jwt import VerifiedJws
    from asgi_security.flows.keys import PublishedKeys
    from asgi_security.flows.revocations import TokenNames
    from asgi_security.policy.jwt import JwtConfig
    from asgi_security.policy.key_sources import IssuerKeys
    from asgi_security.principal import Principal

Reason: TypeAlias = JwsReason | ClaimReason | Literal["too_long", "revoked"]


class Verified:
    """A token that is good. What it holds is read-only, as requests share it.

    A plain class, because every new token makes one: a frozen dataclass costs three times as much.
    What not everyone asks for is made once, when it is first asked for.
    """

    __slots__ = ("_names", "_principal", "_scopes", "attachment", "claims", "jws", "lifetime")

    def __init__(self, claims: Mapping[str, Any], lifetime: Lifetime, jws: VerifiedJws) -> None:
        self.claims: Final = claims
        self.lifetime: Final = lifetime
        self.jws: Final = jws
        self._scopes: frozenset[str] | None = None
        self._principal: Principal | None = None
        self._names: TokenNames | None = None
        self.attachment: Any = None
        """Room for what a shell derives from the token, and wants at hand with it."""

    def __repr__(self) -> str:
        return f"<Verified token, key {self.key}>"

    @property
    def header(self) -> Mapping[str, Any]:
        """The protected header."""
        return self.jws.header

    @property
    def key(self) -> Literal["current", "old"]:
        """Whether it was signed with a retired secret: time to issue a new one."""
        return self.jws.key

    @property
    def key_id(self) -> str | None:
        """The id of the key that it was verified with."""
        return self.jws.key_id

    @property
    def scopes(self) -> frozenset[str]:
        """The `scope` claim."""
        found = self._scopes
        if found is None:
            found = self._scopes = parse_scopes(self.claims)
        return found

    @property
    def granted(self) -> tuple[str, ...]:
        """The scopes in order, as Starlette's credentials list them."""
        return tuple(sorted(self.scopes))

    @property
    def principal(self) -> Principal | None:
        """Who it speaks for; None for a token without `sub`."""
        if self._principal is None:
            claims = self.claims
            subject = claims.get("sub")
            if subject:
                self._principal = make_principal(
                    subject, "jwt", parse_roles(claims), self.scopes, claims
                )
        return self._principal

    @property
    def names(self) -> TokenNames:
        """What it may be revoked by."""
        found = self._names
        if found is None:
            found = self._names = compute_names(self.claims, self.jws.signed)
        return found


@dataclass(frozen=True, slots=True)
class Refused:
    """A token that is not good, and the one word why."""

    reason: Reason


REFUSED: Mapping[str, Refused] = {
    reason: Refused(reason)
    for reason in (*get_args(JwsReason), *get_args(ClaimReason), "too_long", "revoked")
}


class KeySource:
    """The keys of one issuer, at hand or published, and what may be used with them."""

    __slots__ = ("allowed", "published", "ring")

    def __init__(
        self, keys: IssuerKeys, ring: KeyRing | None, published: PublishedKeys | None
    ) -> None:
        self.ring: KeyRing | None = ring
        """The keys at hand; None for published ones."""
        self.published = published
        if keys.algorithms is not None:
            self.allowed = build_allow_list(tuple(keys.algorithms))
        else:
            self.allowed = PUBLIC_KEY_ALGORITHMS if ring is None else ring.algorithms

    def get_ring(self, now: float) -> KeyRing | None:
        """Return the keys if they may be used without waiting."""
        return self.ring if self.published is None else self.published.get_ring(now)


class TokenReader:
    """A configuration, compiled: every key prepared, every rule looked up once.

    Args:
        config: what is taken.
        publish: makes the keys behind a URL; None where nothing can be fetched.

    Raises:
        ConfigError: for keys that are none, and for a URL where nothing can be fetched.
    """

    __slots__ = ("_claims", "_padding", "_single", "_sources", "max_token_bytes")

    def __init__(
        self, config: JwtConfig, publish: Callable[[str], PublishedKeys] | None = None
    ) -> None:
        findings = Findings("JwtConfig")
        self._sources: dict[str, KeySource] = {}
        self._single: KeySource | None = None
        for issuer, keys in config.sources.items():
            prefix = "" if issuer is None else f"issuers[{issuer!r}]."
            made = _build_source(findings, prefix, keys, config, publish)
            if made is not None and issuer is None:
                self._single = made
            elif made is not None:
                self._sources[str(issuer)] = made
        findings.raise_if_any()
        self._claims = ClaimPolicy(config)
        self._padding = config.accept_padding
        self.max_token_bytes: int = config.max_token_bytes

    def find_source(self, token: bytes) -> KeySource | Refused:
        """Choose the keys that must verify a token. Never raises."""
        if len(token) > self.max_token_bytes:
            return REFUSED["too_long"]
        if self._single is not None:
            return self._single
        claims = peek_payload(token)
        if claims is None:
            return REFUSED["malformed"]
        issuer = claims.get("iss")
        source = self._sources.get(issuer) if isinstance(issuer, str) else None
        return REFUSED["wrong_issuer"] if source is None else source

    def read(self, token: bytes, ring: KeyRing, source: KeySource) -> Verified | Refused:
        """Verify all but the time. Never raises for what the token holds."""
        jws = verify_compact(token, ring, source.allowed, accept_padding=self._padding)
        if isinstance(jws, RefusedJws):
            return REFUSED[jws.reason]
        claims = parse_json_object(jws.payload)
        if claims is None:
            return REFUSED["malformed"]
        lifetime = self._claims.decide(claims, jws.protected.token_type)
        if not isinstance(lifetime, Lifetime):
            return REFUSED[lifetime]
        return Verified(claims, lifetime, jws)

    def decide_instant(self, verified: Verified, *, now: float) -> Verified | Refused:
        """Return the token if it may be used at this instant."""
        lifetime = verified.lifetime
        if lifetime.includes(now):
            return verified
        reason = self._claims.decide_instant(lifetime, verified.claims, now=now)
        return verified if reason is None else REFUSED[reason]


def _build_source(
    findings: Findings,
    prefix: str,
    keys: IssuerKeys,
    config: JwtConfig,
    publish: Callable[[str], PublishedKeys] | None,
) -> KeySource | None:
    if keys.jwks_url is not None:
        if publish is None:
            hint = "use JwtMiddleware or JwtVerifier, which may wait"
            findings.add(f"{prefix}jwks_url", keys.jwks_url, "nothing can be fetched here", hint)
            return None
        return KeySource(keys, None, publish(keys.jwks_url))
    try:
        if keys.secret is not None:
            ring = KeyRing.from_secrets(
                keys.secret, keys.old_secrets, prefer_key_ids=config.prefer_key_ids
            )
        else:
            ring = KeyRing.from_keys(keys.keys)
        source = KeySource(keys, ring, None)
    except ConfigError as error:
        findings.extend(error, prefix=prefix)
        return None
    if source.allowed.isdisjoint(ring.algorithms):
        able = ", ".join(sorted(ring.algorithms))
        findings.add(f"{prefix}algorithms", keys.algorithms, "no key serves one", f"allow {able}")
    return source
