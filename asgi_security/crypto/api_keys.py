"""Writes and reads API keys: `ak_<id>_<secret and checksum>`, in letters that survive anything.

The alphabet is base32 in lower case: no character of it ends a word when it is double-clicked, is
escaped in a URL, or can be lost to a change of case without being noticed. Every key has exactly
one spelling. The checksum is no proof of anything: it lets a scanner of sources, and a script that
was given half a key, see so without asking a server. A guess passes it once in 2^24.

Source: RFC 4648 section 6 (base32), FIPS 180-4 (SHA-256), OWASP ASVS 5.0 sections 11.5.1 (256
unpredictable bits) and 13.2.1.
"""

from __future__ import annotations

import hmac
from base64 import b32decode, b32encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asgi_security.crypto.digests import KeyedDigests

ID_BYTES = 10
SECRET_BYTES = 32
_CHECKSUM_BYTES = 3
# Both lengths are multiples of five bytes: base32 without padding and without unused bits.
_ID_CHARACTERS = 16
_END_CHARACTERS = 56
_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz234567")


@dataclass(frozen=True, slots=True)
class ApiKeyText:
    """The parts of a key: `id` is public, `secret` and `text` are not."""

    id: str
    secret: str = field(repr=False)
    text: str = field(repr=False)


def build_api_key(prefix: str, id_bytes: bytes, secret_bytes: bytes) -> ApiKeyText:
    """Build a key of `ID_BYTES` and `SECRET_BYTES` unpredictable bytes.

    >>> key = build_api_key("ak", bytes(10), bytes(32))
    >>> key.id, len(key.text)
    ('aaaaaaaaaaaaaaaa', 76)

    Raises:
        ValueError: for another number of bytes.
    """
    if (len(id_bytes), len(secret_bytes)) != (ID_BYTES, SECRET_BYTES):
        raise ValueError(f"a key is made of {ID_BYTES} and {SECRET_BYTES} bytes")
    key_id = _encode(id_bytes)
    end = _encode(secret_bytes + _compute_checksum(prefix, key_id, secret_bytes))
    return ApiKeyText(key_id, end, f"{prefix}_{key_id}_{end}")


def parse_api_key(text: str, *, prefix: str) -> ApiKeyText | None:
    """Read a key, or return None for what none was ever spelt like."""
    if len(text) != len(prefix) + _ID_CHARACTERS + _END_CHARACTERS + 2:
        return None
    head, _, end = text.rpartition("_")
    start, _, key_id = head.rpartition("_")
    if start != prefix or len(key_id) != _ID_CHARACTERS or not _ALPHABET.issuperset(key_id + end):
        return None
    raw = b32decode(end.upper())
    secret_bytes, checksum = raw[:SECRET_BYTES], raw[SECRET_BYTES:]
    if not hmac.compare_digest(checksum, _compute_checksum(prefix, key_id, secret_bytes)):
        return None
    return ApiKeyText(key_id, end, text)


def compute_digest(digests: KeyedDigests, key: ApiKeyText) -> bytes:
    """Return what is stored of a key: worthless to whoever reads the store, and bound to its id."""
    return digests.compute("api key", key.id, key.secret)


def matches_digest(digests: KeyedDigests, key: ApiKeyText, stored: bytes) -> bool:
    """Tell whether a digest is the key's, under the current secret or a retired one.

    Constant-time because each secret is tried, whichever is right, and each comparison takes as
    long for wrong bytes as for right ones.
    """
    found = (
        compute_digest(digests, key),
        *digests.compute_old("api key", key.id, key.secret),
    )
    return sum([hmac.compare_digest(stored, digest) for digest in found]) > 0


def _encode(value: bytes) -> str:
    return b32encode(value).decode("ascii").lower()


def _compute_checksum(prefix: str, key_id: str, secret_bytes: bytes) -> bytes:
    return sha256(f"{prefix}_{key_id}_".encode() + secret_bytes).digest()[:_CHECKSUM_BYTES]
