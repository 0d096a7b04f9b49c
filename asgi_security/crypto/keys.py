"""Holds the keys that tokens are verified with, each prepared once, and picks the ones to try.

Source: RFC 7515 section 4.1.4 (kid), RFC 8725 sections 3.1 and 3.5 (one family, strong keys).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from asgi_security.crypto.algorithms import HMAC_ALGORITHMS
from asgi_security.crypto.base64url import encode_base64url
from asgi_security.crypto.jwk import parse_jwk_set
from asgi_security.crypto.pem import looks_like_key_file, parse_key_file
from asgi_security.crypto.strict_json import parse_json_object
from asgi_security.crypto.verification import (
    Unusable,
    VerificationKey,
    build_public_key,
    build_secret_key,
)
from asgi_security.secret import MINIMUM_SECRET_BYTES, Secret
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from asgi_security.crypto.algorithms import SignatureCheck

KeyLike: TypeAlias = Mapping[str, Any] | str | bytes
"""PEM, DER, a JWK, or a JWK set."""

Candidate: TypeAlias = "tuple[SignatureCheck, VerificationKey]"

_NO_CANDIDATES: tuple[Candidate, ...] = ()


def compute_key_id(secret: Secret | str | bytes) -> str:
    """Name a secret for the `kid` of a token: a digest that gives nothing of it away.

    >>> compute_key_id(b"0" * 32)
    '7kgEH6FR9I8'
    """
    label = b"asgi-security key id\0"
    return encode_base64url(hashlib.sha256(label + Secret(secret).reveal()).digest()[:8]).decode()


class KeyRing:
    """Verification keys of one family: shared secrets, or public keys, and never both.

    A `kid` selects one key where keys have ids; one that is unknown then selects none, as trying
    the others would verify a token under a key that its issuer did not mean. Where no key has an
    id, it is ignored. With `prefer_key_ids` (secrets only) it merely says which to try first.
    """

    __slots__ = ("_by_algorithm", "_by_id", "_is_strict", "keys")

    def __init__(self, keys: Iterable[VerificationKey], *, prefer_key_ids: bool = False) -> None:
        self.keys: tuple[VerificationKey, ...] = tuple(keys)
        self._is_strict = not prefer_key_ids
        self._by_algorithm: dict[str, tuple[Candidate, ...]] = {}
        self._by_id: dict[tuple[str, str], tuple[Candidate, ...]] = {}
        for algorithm in {name for key in self.keys for name in key.checks}:
            fit = [(key.checks[algorithm], key) for key in self.keys if algorithm in key.checks]
            self._by_algorithm[algorithm] = tuple(fit)
            for place, (check, key) in enumerate(fit):
                if key.key_id is not None:
                    others = fit[:place] + fit[place + 1 :] if prefer_key_ids else []
                    self._by_id[algorithm, key.key_id] = ((check, key), *others)

    @property
    def algorithms(self) -> frozenset[str]:
        """What the keys can verify."""
        return frozenset(self._by_algorithm)

    def select(self, algorithm: str, key_id: str | None) -> tuple[Candidate, ...]:
        """Return the keys to try, in order; empty when none may be."""
        if key_id is not None and self._by_id:
            selected = self._by_id.get((algorithm, key_id))
            if selected is not None:
                return selected
            if self._is_strict:
                return _NO_CANDIDATES
        return self._by_algorithm.get(algorithm, _NO_CANDIDATES)

    @classmethod
    def from_secrets(
        cls,
        secret: Secret | str | bytes,
        old_secrets: Sequence[Secret | str | bytes] = (),
        *,
        prefer_key_ids: bool = False,
    ) -> KeyRing:
        """Make a ring of the current shared secret and retired ones, each of 32 bytes or more.

        Raises:
            ConfigError: for a secret that is too short, or is a key file and so perhaps public.
        """
        findings = Findings("KeyRing")
        if isinstance(old_secrets, (str, bytes, Secret)):
            findings.add_secret("old_secrets", "one secret, not a list", "wrap it in a list")
            old_secrets = ()
        named = {"secret": Secret(secret)}
        for place, old in enumerate(map(Secret, old_secrets)):
            if old not in named.values():
                named[f"old_secrets[{place}]"] = old
        keys: list[VerificationKey] = []
        for field, value in named.items():
            key_id = compute_key_id(value) if prefer_key_ids else None
            age: Literal["current", "old"] = "old" if keys else "current"
            made = build_secret_key(value.reveal(), key_id=key_id, age=age)
            if looks_like_key_file(value.reveal()):
                hint = "pass it as keys=..., or as secret= a random value of its own"
                findings.add_secret(field, "a key file, which others may know", hint)
            elif isinstance(made, Unusable):
                reason = f"shorter than {MINIMUM_SECRET_BYTES} bytes"
                findings.add_secret(field, reason, "generate one: asgi-security keys new")
            else:
                keys.append(made)
        findings.raise_if_any()
        return cls(keys, prefer_key_ids=prefer_key_ids)

    @classmethod
    def from_jwks(cls, jwks: KeyLike) -> KeyRing:
        """Make a ring of a JWK set, or of one JWK, as a mapping or as JSON.

        Keys for encryption and of unknown types are left out, as RFC 7517 section 5 wants it.

        Raises:
            ConfigError: for a member that is no sound key, a key id given twice, secrets beside
                public keys, or nothing to verify with.
        """
        return cls.from_keys(jwks)

    @classmethod
    def from_keys(cls, keys: KeyLike | Iterable[KeyLike]) -> KeyRing:
        """Make a ring of one or more of PEM, DER, JWK and JWK set.

        Raises:
            ConfigError: as `from_jwks` does, and for a file that is no key.
        """
        findings = Findings("KeyRing")
        given: list[KeyLike] = [keys] if isinstance(keys, (Mapping, str, bytes)) else [*keys]
        made: list[VerificationKey] = []
        for place, key in enumerate(given):
            _read_key(findings, "keys" if len(given) == 1 else f"keys[{place}]", key, made)
        findings.raise_if_any()
        _check_family(findings, made)
        findings.raise_if_any()
        return cls(made)

    @classmethod
    def from_published(cls, document: Mapping[str, Any]) -> KeyRing | None:
        """Make a ring of the sound public keys in a fetched set; None if there is none.

        A bad member is skipped, and so is a secret: one that is published is none.
        """
        parsed = parse_jwk_set(document)
        keys = [key for key in parsed.keys if not is_secret(key)] if parsed else []
        return cls(keys) if keys else None


def is_secret(key: VerificationKey) -> bool:
    """Tell whether a key is a shared secret."""
    return not HMAC_ALGORITHMS.isdisjoint(key.checks)


def _read_key(findings: Findings, field: str, key: KeyLike, made: list[VerificationKey]) -> None:
    """Add what one entry of `keys` holds to `made`, or its problems to the findings."""
    document, data = _parse_document(key)
    if document is None:
        public_key = parse_key_file(data)
        built = Unusable("no key") if public_key is None else build_public_key(public_key)
        unusable: tuple[tuple[int | None, Unusable], ...] = ()
        if isinstance(built, VerificationKey):
            made.append(built)
        else:
            unusable = ((None, built),)
    else:
        parsed = parse_jwk_set(document)
        if parsed is None:
            findings.add_secret(field, "no JWK set", 'give {"keys": [...]}')
            return
        made.extend(parsed.keys)
        unusable = parsed.unusable
    for place, problem in unusable:
        if not problem.foreign or document is None:
            where = field if place is None else f"{field}.keys[{place}]"
            findings.add_secret(where, problem.reason, "give a sound PEM, DER, JWK or JWK set")


def _parse_document(key: KeyLike) -> tuple[Mapping[str, Any] | None, bytes]:
    """Return a JWK or a set as a mapping, or None with the bytes of what else it is."""
    if isinstance(key, Mapping):
        return key, b""
    data = key.encode() if isinstance(key, str) else bytes(key)
    return parse_json_object(data), data


def _check_family(findings: Findings, made: list[VerificationKey]) -> None:
    if not made:
        findings.add("keys", (), "nothing to verify a signature with", "add a signature key")
    elif len({is_secret(key) for key in made}) > 1:
        hint = "give each family its own verifier (or issuer)"
        findings.add_secret("keys", "secrets beside public keys", hint)
    names = [key.key_id for key in made if key.key_id is not None]
    for name in sorted({name for name in names if names.count(name) > 1}):
        findings.add("keys", name, "a key id given twice", "give every key an id of its own")
