"""Proves: that the records of a chain are those that were written, in that order.

A seal is a MAC of a record's bytes, its chain and the seal before. A checkpoint is a signed seal to
be kept elsewhere: what is cut off a chain's end leaves no trace within it. A commitment stands in a
record for a value that may have to be erased: without value and salt it says nothing.

Source: RFC 2104 (HMAC), FIPS 180-4 (SHA-256), RFC 9162 section 2.1 (what a signed head is for).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asgi_security.crypto.base64url import encode_base64url, parse_base64url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.secret import Secret

MAC_BYTES = 32

NO_SEAL = bytes(MAC_BYTES)
"""Stands before the first record."""

_RECORD = b"asgi_security audit record 1"
_CHECKPOINT = b"asgi_security audit checkpoint 1"
_KEY_ID = b"asgi_security audit key id 1"
_COMMITMENT = b"asgi_security audit commitment 1"

_LENGTH_BYTES = 4
_KEY_ID_BYTES = 8
_MINIMUM_SALT_BYTES = 16
_FORM = "audit1"
_MAX_SEQUENCE_DIGITS = 18


@dataclass(frozen=True, slots=True)
class ChainMark:
    """A place in a chain: the seal of the record with that number."""

    chain: str
    sequence: int
    mac: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A mark as it was signed; nobody has checked the signature yet."""

    mark: ChainMark
    key_id: str | None
    signature: bytes


def build_message(*parts: bytes) -> bytes:
    """Join parts behind their lengths, so that no two rows of parts share a message."""
    return b"".join([len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in parts])


def compute_audit_key_id(secret: Secret) -> str:
    """Name a key by what gives nothing of it away."""
    digest = hmac.digest(secret.reveal(), build_message(_KEY_ID), "sha256")
    return encode_base64url(digest[:_KEY_ID_BYTES]).decode()


class AuditKeys:
    """The keys that seal and verify, by their ids; None is the id of no key at all.

    `current` is the one that new chains begin with.
    """

    __slots__ = ("_keys", "current")

    def __init__(
        self,
        secret: Secret | None,
        old_secrets: Sequence[Secret] = (),
        *,
        accepts_unkeyed: bool = False,
    ) -> None:
        given = old_secrets if secret is None else (secret, *old_secrets)
        self._keys: dict[str | None, bytes | None] = {
            compute_audit_key_id(one): one.reveal() for one in given
        }
        if accepts_unkeyed:
            self._keys[None] = None
        self.current = None if secret is None else compute_audit_key_id(secret)

    def __contains__(self, key_id: object) -> bool:
        return key_id in self._keys

    def seal(self, key_id: str | None, chain: str, *, previous: bytes, body: bytes) -> bytes:
        """Compute the MAC of a record; without a key it is a hash that anyone can recompute.

        Raises:
            KeyError: There is no such key.
        """
        return self._digest(key_id, build_message(_RECORD, chain.encode(), previous, body))

    def sign(self, mark: ChainMark, key_id: str | None) -> str:
        """Write a checkpoint: one line of ASCII that names its chain, and holds no secret.

        Raises:
            KeyError: There is no such key.
        """
        fields = (
            _FORM,
            encode_base64url(mark.chain.encode()).decode(),
            str(mark.sequence),
            mark.mac.hex(),
            key_id or "",
            encode_base64url(self._digest(key_id, _build_signed(mark))).decode(),
        )
        return ".".join(fields)

    def check_signature(self, checkpoint: Checkpoint) -> bool:
        """Tell whether a checkpoint was signed with one of these keys."""
        if checkpoint.key_id not in self._keys:
            return False
        expected = self._digest(checkpoint.key_id, _build_signed(checkpoint.mark))
        return hmac.compare_digest(expected, checkpoint.signature)

    def _digest(self, key_id: str | None, message: bytes) -> bytes:
        key = self._keys[key_id]
        if key is None:
            return hashlib.sha256(message).digest()
        return hmac.digest(key, message, "sha256")


def _build_signed(mark: ChainMark) -> bytes:
    sequence = str(mark.sequence).encode()
    return build_message(_CHECKPOINT, mark.chain.encode(), sequence, mark.mac)


def parse_checkpoint(text: str) -> Checkpoint | None:
    """Return what a line of `AuditKeys.sign` says; None for any other text."""
    fields = text.strip().split(".")
    if len(fields) != 6 or fields[0] != _FORM or not text.isascii():
        return None
    chain = _parse_text(fields[1])
    sequence = fields[2] if len(fields[2]) <= _MAX_SEQUENCE_DIGITS else ""
    mac = _parse_hex(fields[3])
    signature = parse_base64url(fields[5].encode())
    if chain is None or not sequence.isdigit() or mac is None or signature is None:
        return None
    return Checkpoint(ChainMark(chain, int(sequence), mac), fields[4] or None, signature)


def parse_seal(text: object) -> bytes | None:
    """Return the 32 bytes of 64 hexadecimal digits in lower case; None for anything else."""
    return _parse_hex(text) if isinstance(text, str) else None


def _parse_hex(text: str) -> bytes | None:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return None
    return value if len(value) == MAC_BYTES and value.hex() == text else None


def _parse_text(text: str) -> str | None:
    raw = parse_base64url(text.encode())
    try:
        return None if raw is None else raw.decode()
    except UnicodeDecodeError:
        return None


def compute_commitment(value: str, salt: bytes) -> str:
    """Return what a record may say in the place of a value that may have to be erased.

    Keep value and salt beside the log; to erase them is to erase what the record says. Without the
    salt a name or an address is found by trying all of them.

    Raises:
        ValueError: The salt has less than 16 bytes.
    """
    if len(salt) < _MINIMUM_SALT_BYTES:
        raise ValueError(f"the salt must have at least {_MINIMUM_SALT_BYTES} bytes")
    message = build_message(_COMMITMENT, value.encode("utf-8", "surrogatepass"))
    return encode_base64url(hmac.digest(salt, message, "sha256")).decode()


def check_commitment(commitment: str, value: str, salt: bytes) -> bool:
    """Tell whether a commitment was made to this value with this salt."""
    expected = compute_commitment(value, salt).encode()
    return hmac.compare_digest(expected, commitment.encode("utf-8", "surrogatepass"))
