"""Makes and checks password hashes: pure work for the processor, to be done in a worker thread.

New hashes are Argon2id or scrypt. Those of bcrypt and PBKDF2, and the formats of others, are
checked so that they can be replaced at the next login; they are never made.

Source: RFC 9106 (Argon2); RFC 7914 (scrypt); RFC 8018 (PBKDF2); OWASP Password Storage Cheat Sheet
(parameters); ASVS 5.0 11.4.2.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Self, TypeAlias, assert_never

from asgi_security.crypto.password_formats import (
    Argon2Hash,
    BcryptHash,
    Pbkdf2Hash,
    ScryptHash,
    build_password_hash,
)
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from asgi_security.crypto.password_formats import AnyHash, StoredHash

SALT_BYTES = 16
DIGEST_BYTES = 32
_BCRYPT_BYTES = 72
_MINIMUM_MEMORY_KIB = 7168


class MissingLibraryError(ImportError):
    """A stored hash is of a kind whose library is not installed. The text says what to install."""


@configuration
class Argon2Profile:
    """What an Argon2id hash costs. Needs the extra `asgi-security[argon2]`.

    The defaults are OWASP's first recommendation; `rfc9106()` gives the second of RFC 9106
    section 4, for machines with memory to spare.
    """

    memory_kib: int = 19_456
    passes: int = 2
    lanes: int = 1

    def __post_init__(self) -> None:
        findings = Findings("Argon2Profile")
        findings.check_number(
            *("memory_kib", self.memory_kib),
            minimum=_MINIMUM_MEMORY_KIB,
            maximum=262_144,
            integer=True,
        )
        findings.check_number("passes", self.passes, minimum=1, maximum=16, integer=True)
        findings.check_number("lanes", self.lanes, minimum=1, maximum=64, integer=True)
        if find_spec("argon2") is None:
            hint = "pip install 'asgi-security[argon2]', or use a ScryptProfile"
            findings.add("memory_kib", self.memory_kib, "argon2-cffi is not installed", hint)
        findings.raise_if_any()

    @classmethod
    def rfc9106(cls) -> Self:
        """Return the second recommendation of RFC 9106: 64 MiB, three passes, four lanes."""
        return cls(memory_kib=65_536, passes=3, lanes=4)


@configuration
class ScryptProfile:
    """What an scrypt hash costs: memory is 128 * block_size * 2**log2_n bytes."""

    log2_n: int = 17
    block_size: int = 8
    lanes: int = 1

    def __post_init__(self) -> None:
        findings = Findings("ScryptProfile")
        findings.check_number("log2_n", self.log2_n, minimum=14, maximum=18, integer=True)
        findings.check_number("block_size", self.block_size, minimum=8, maximum=8, integer=True)
        findings.check_number("lanes", self.lanes, minimum=1, maximum=16, integer=True)
        findings.raise_if_any()


PasswordProfile: TypeAlias = Argon2Profile | ScryptProfile


def choose_profile() -> PasswordProfile:
    """Return Argon2id where its extra is installed, else scrypt, which takes ten times as long.

    Install the extra on all machines of a service or on none: each would replace the hashes that
    the others made.
    """
    return ScryptProfile() if find_spec("argon2") is None else Argon2Profile()


@dataclass(frozen=True, slots=True)
class PasswordHasher:
    """Makes hashes of one profile, and says which stored ones are not of it.

    >>> hasher = PasswordHasher(ScryptProfile(log2_n=14))
    >>> text = hasher.hash(b"correct horse", form="NFC", salt=bytes(16))
    >>> text[:28]
    'nfc:$scrypt$ln=14,r=8,p=1$AA'
    """

    profile: PasswordProfile = field(default_factory=choose_profile)

    def hash(self, secret: bytes, *, form: str, salt: bytes) -> str:
        """Return the text to store.

        Args:
            secret: the password, normalised and encoded.
            form: in which it was normalised, "NFC" or "NFKC"; stored beside the hash.
            salt: 16 unpredictable bytes, never used before.

        Raises:
            MemoryError: when there is not enough of it now.
        """
        blank = self._describe(salt, bytes(DIGEST_BYTES))
        return build_password_hash(form, self._describe(salt, _compute(blank, secret)))

    def build_dummy(self, noise: bytes, *, form: str) -> str:
        """Return a hash that costs what a real one costs, and that no password matches.

        For logins whose name nobody has: answered without this work, they would be told apart by
        the time they take. It is never computed, so it is ready at start-up for nothing.

        Args:
            noise: 48 unpredictable bytes.
            form: as for `hash`.
        """
        return build_password_hash(form, self._describe(noise[:SALT_BYTES], noise[SALT_BYTES:]))

    def needs_rehash(self, stored: StoredHash, *, form: str) -> bool:
        """Tell whether a hash is not what `hash` would make today."""
        value = stored.hash
        if stored.form != form or not isinstance(value, Argon2Hash | ScryptHash):
            return True
        if len(value.salt) < SALT_BYTES or len(value.digest) != DIGEST_BYTES:
            return True
        return self._describe(value.salt, value.digest) != value

    def _describe(self, salt: bytes, digest: bytes) -> Argon2Hash | ScryptHash:
        match self.profile:
            case Argon2Profile(memory_kib=memory, passes=passes, lanes=lanes):
                return Argon2Hash("argon2id", memory, passes, lanes, salt, digest)
            case ScryptProfile(log2_n=log2_n, block_size=size, lanes=lanes):
                return ScryptHash(log2_n, size, lanes, salt, digest)
            case unexpected:
                assert_never(unexpected)


def verify_password_hash(stored: StoredHash, secret: bytes) -> bool:
    """Tell whether the hash is that of `secret`; one that costs too much is not computed.

    Constant-time because `compare_digest` looks at every byte, though a difference in time would
    show an attacker nothing that he could aim at.

    Raises:
        MissingLibraryError: for Argon2 without argon2-cffi, or bcrypt without bcrypt.
        MemoryError: when there is not enough of it now.
    """
    value = stored.hash
    if not value.is_affordable:
        return False
    expected = value.text.encode() if isinstance(value, BcryptHash) else value.digest
    return hmac.compare_digest(_compute(value, secret), expected)


def _compute(value: AnyHash, secret: bytes) -> bytes:
    """Compute anew what the hash is expected to hold."""
    match value:
        case Argon2Hash():
            return _compute_argon2(value, secret)
        case ScryptHash(log2_n=log2_n, block_size=size, lanes=lanes):
            return hashlib.scrypt(
                secret,
                salt=value.salt,
                n=1 << log2_n,
                r=size,
                p=lanes,
                # OpenSSL's own bound of 32 MiB refuses all costs that are worth having.
                maxmem=128 * size * ((1 << log2_n) + lanes + 2) + 4096,
                dklen=len(value.digest),
            )
        case Pbkdf2Hash(algorithm=algorithm, iterations=iterations, salt=salt):
            return hashlib.pbkdf2_hmac(algorithm, secret, salt, iterations)
        case BcryptHash():
            return _compute_bcrypt(value, secret)
        case unexpected:
            assert_never(unexpected)


def _compute_argon2(value: Argon2Hash, secret: bytes) -> bytes:
    try:
        from argon2.exceptions import HashingError  # noqa: PLC0415 -- an extra
        from argon2.low_level import Type, hash_secret_raw  # noqa: PLC0415 -- an extra
    except ImportError as error:
        raise MissingLibraryError("pip install 'asgi-security[argon2]'") from error
    kinds = {"argon2id": Type.ID, "argon2i": Type.I, "argon2d": Type.D}
    try:
        return hash_secret_raw(
            secret,
            value.salt,
            time_cost=value.passes,
            memory_cost=value.memory_kib,
            parallelism=value.lanes,
            hash_len=len(value.digest),
            type=kinds[value.variant],
        )
    except HashingError as error:  # all parameters are in bounds: what is left is the allocation
        raise MemoryError("Argon2 got no memory") from error


def _compute_bcrypt(value: BcryptHash, secret: bytes) -> bytes:
    try:
        import bcrypt  # noqa: PLC0415 -- only for hashes of others
    except ImportError as error:
        raise MissingLibraryError("pip install bcrypt, until its hashes are replaced") from error
    if value.prehashed:
        secret = hashlib.sha256(secret).hexdigest().encode()
    # bcrypt knows no more than 72 bytes; its library cut in silence and raises since version 5.
    try:
        return bcrypt.hashpw(secret[:_BCRYPT_BYTES], value.text.encode())
    except ValueError:  # a salt with stray bits, or a NUL, which some versions refuse
        return b""
