"""Reads stored password hashes of this package and of others, and says what checking them costs.

Ours are PHC strings behind the form in which the password was normalised:
`nfc:$argon2id$v=19$m=19456,t=2,p=1$...`. Read besides: the same without a form, `$scrypt$ln=...`,
`$pbkdf2-sha256$...`, `$2b$...`, and Django's `pbkdf2_sha256$`, `pbkdf2_sha1$`, `argon2$`,
`bcrypt$`, `bcrypt_sha256$` and `scrypt$`.

Source: PHC string format specification; RFC 9106 (Argon2); RFC 7914 (scrypt); RFC 8018 (PBKDF2);
the documentation of Django's password hashers and of passlib's hash formats.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, b2a_base64
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

_LONGEST_TEXT = 1024
_SHORTEST_DIGEST = 16  # a digest of one byte would match one password of 256
_MEMORY_KIB = 262_144
_WORK_KIB = 4_194_304
_ITERATIONS = 10_000_000
_BCRYPT_COST = 16
_LANES = 64
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}\Z")
_NUMBER = re.compile(r"[1-9][0-9]{0,9}\Z|0\Z", re.ASCII)
_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}\Z")
_PBKDF2 = {"sha1": 20, "sha256": 32, "sha512": 64}
_FORMS: Final[dict[str, Literal["NFC", "NFKC"]]] = {"nfc:": "NFC", "nfkc:": "NFKC"}


@dataclass(frozen=True, slots=True)
class Argon2Hash:
    """An Argon2 hash of version 19: `variant` is "argon2id", "argon2i" or "argon2d"."""

    variant: str
    memory_kib: int
    passes: int
    lanes: int
    salt: bytes
    digest: bytes

    @property
    def is_affordable(self) -> bool:
        """Tell whether checking it stays below 256 MiB and some seconds."""
        return (
            self.memory_kib <= _MEMORY_KIB
            and self.memory_kib * self.passes <= _WORK_KIB
            and self.lanes <= _LANES
        )


@dataclass(frozen=True, slots=True)
class ScryptHash:
    """An scrypt hash, N being 2 to the power of `log2_n`."""

    log2_n: int
    block_size: int
    lanes: int
    salt: bytes
    digest: bytes

    @property
    def is_affordable(self) -> bool:
        """Tell whether checking it stays below 256 MiB and some seconds."""
        if self.log2_n > 30 or self.lanes > _LANES:
            return False
        memory_kib = (self.block_size << self.log2_n) // 8
        return memory_kib <= _MEMORY_KIB and memory_kib * self.lanes <= _WORK_KIB


@dataclass(frozen=True, slots=True)
class Pbkdf2Hash:
    """A PBKDF2 hash over HMAC with "sha1", "sha256" or "sha512"."""

    algorithm: str
    iterations: int
    salt: bytes
    digest: bytes

    @property
    def is_affordable(self) -> bool:
        """Tell whether checking it stays below some seconds."""
        return self.iterations <= _ITERATIONS


@dataclass(frozen=True, slots=True)
class BcryptHash:
    """A bcrypt hash; `prehashed` ones took the SHA-256 in hexadecimal instead of the password."""

    text: str
    cost: int
    prehashed: bool

    @property
    def is_affordable(self) -> bool:
        """Tell whether checking it stays below some seconds."""
        return self.cost <= _BCRYPT_COST


AnyHash: TypeAlias = Argon2Hash | ScryptHash | Pbkdf2Hash | BcryptHash


@dataclass(frozen=True, slots=True)
class StoredHash:
    """What a stored text says: the hash, and the form of the password that went into it.

    `form` is "NFC", "NFKC", or None for a hash of another system: that took what was typed.
    """

    form: Literal["NFC", "NFKC"] | None
    hash: AnyHash


def parse_password_hash(text: str) -> StoredHash | None:
    """Read a stored hash, or return None for one that is damaged or of an unknown kind.

    What is read may still cost more than anyone can want: ask `is_affordable`.
    """
    if len(text) > _LONGEST_TEXT:
        return None
    for prefix, form in _FORMS.items():
        if text.startswith(prefix):
            found = _parse_phc(text.removeprefix(prefix))
            return StoredHash(form, found) if found else None
    found = _parse_phc(text) if text.startswith("$") else _parse_django(text)
    return StoredHash(None, found) if found else None


def build_password_hash(form: str, value: Argon2Hash | ScryptHash) -> str:
    """Write a hash of ours as the text to store."""
    if isinstance(value, Argon2Hash):
        costs = f"m={value.memory_kib},t={value.passes},p={value.lanes}"
        head = f"${value.variant}$v=19${costs}"
    else:
        head = f"$scrypt$ln={value.log2_n},r={value.block_size},p={value.lanes}"
    return f"{form.lower()}:{head}${_encode(value.salt)}${_encode(value.digest)}"


def _parse_phc(text: str) -> AnyHash | None:
    match text.split("$"):
        case ["", "argon2id" | "argon2i" | "argon2d" as variant, "v=19", costs, salt, digest]:
            return _make_argon2(variant, costs, salt, digest)
        case ["", "scrypt", costs, salt, digest]:
            return _make_scrypt(_read_costs(costs, ("ln", "r", "p")), _decode(salt), digest)
        case ["", "pbkdf2" | "pbkdf2-sha256" | "pbkdf2-sha512" as name, count, salt, digest]:
            # passlib writes "." for "+".
            algorithm = name.partition("-")[2] or "sha1"
            raw_salt = _decode(salt.replace(".", "+"))
            return _make_pbkdf2(algorithm, count, raw_salt, digest.replace(".", "+"))
        case ["", "2a" | "2b" | "2y", *_]:
            return _make_bcrypt(text, prehashed=False)
        case _:
            return None


def _parse_django(text: str) -> AnyHash | None:
    match text.split("$"):
        case ["pbkdf2_sha256" | "pbkdf2_sha1" as name, count, salt, digest]:
            algorithm = name.removeprefix("pbkdf2_")
            return _make_pbkdf2(algorithm, count, salt.encode("utf-8", "replace"), digest)
        case ["argon2", *_]:
            found = _parse_phc(text.removeprefix("argon2"))
            return found if isinstance(found, Argon2Hash) else None
        case ["bcrypt" | "bcrypt_sha256" as name, "", *_]:
            rest = text.removeprefix(name)[1:]
            return _make_bcrypt(rest, prehashed=name == "bcrypt_sha256")
        case ["scrypt", work, salt, block_size, lanes, digest]:
            n = _read_number(work)
            costs = (_read_number(block_size), _read_number(lanes))
            if n is None or n < 2 or n & (n - 1) or None in costs:
                return None
            raw_salt = salt.encode("utf-8", "replace")
            return _make_scrypt((n.bit_length() - 1, *costs), raw_salt, digest)
        case _:
            return None


def _make_argon2(variant: str, costs: str, salt: str, digest: str) -> Argon2Hash | None:
    numbers = _read_costs(costs, ("m", "t", "p"))
    raw_salt, raw_digest = _decode(salt), _decode(digest)
    if numbers is None or raw_salt is None or raw_digest is None:
        return None
    memory_kib, passes, lanes = numbers
    if min(passes, lanes) < 1 or memory_kib < 8 * lanes:
        return None
    if len(raw_salt) < 8 or len(raw_digest) < _SHORTEST_DIGEST:
        return None
    return Argon2Hash(variant, memory_kib, passes, lanes, raw_salt, raw_digest)


def _make_scrypt(
    numbers: tuple[int | None, ...] | None, salt: bytes | None, digest: str
) -> ScryptHash | None:
    raw_digest = _decode(digest)
    if numbers is None or not salt or raw_digest is None or len(raw_digest) < _SHORTEST_DIGEST:
        return None
    log2_n, block_size, lanes = (number or 0 for number in numbers)
    if min(log2_n, block_size, lanes) < 1:
        return None
    return ScryptHash(log2_n, block_size, lanes, salt, raw_digest)


def _make_pbkdf2(algorithm: str, count: str, salt: bytes | None, digest: str) -> Pbkdf2Hash | None:
    iterations, raw_digest = _read_number(count), _decode(digest)
    if not iterations or not salt or raw_digest is None:
        return None
    if len(raw_digest) != _PBKDF2[algorithm]:
        return None
    return Pbkdf2Hash(algorithm, iterations, salt, raw_digest)


def _make_bcrypt(text: str, *, prehashed: bool) -> BcryptHash | None:
    found = _BCRYPT.match(text)
    if found is None or int(found[1]) < 4:
        return None
    return BcryptHash(text, int(found[1]), prehashed)


def _read_costs(text: str, names: tuple[str, ...]) -> tuple[int, ...] | None:
    """Read `m=1,t=2,p=3`, with exactly these names in this order."""
    pairs = [part.partition("=") for part in text.split(",")]
    if tuple(name for name, _, _ in pairs) != names:
        return None
    numbers = [_read_number(value) for _, _, value in pairs]
    return None if None in numbers else tuple(number or 0 for number in numbers)


def _read_number(text: str) -> int | None:
    return int(text) if _NUMBER.match(text) else None


def _encode(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode().rstrip("=")


def _decode(text: str) -> bytes | None:
    """Decode base64 with or without its padding."""
    if not _BASE64.match(text):
        return None
    bare = text.rstrip("=")
    try:
        return a2b_base64(bare + "=" * (-len(bare) % 4), strict_mode=True)
    except Error:
        return None
