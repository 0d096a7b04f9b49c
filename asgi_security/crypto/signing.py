"""Signs and verifies short messages that leave the server and come back: cookies.

A signed value is `base64url(message) . base64url(HMAC-SHA256)` without padding. The MAC covers the
encoded text, and the *encoded* MACs are compared: nothing an attacker sent is decoded before it is
known to be ours, and exactly one spelling of a value is accepted.

Source: RFC 2104 (HMAC), RFC 4648 section 5 (base64url), RFC 5869 (one key per purpose).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any, NamedTuple

from itsdangerous.signer import SigningAlgorithm

from asgi_security.crypto.base64url import encode_base64url, parse_base64url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from asgi_security.secret import Secret

_BLOCK_BYTES = 64  # of SHA-256, RFC 2104 section 2

MAX_SIGNED_BYTES = 8192
"""Longer values are refused before any MAC; browsers keep no cookie half as long."""


class PreparedHmac(SigningAlgorithm):
    """HMAC-SHA256 whose two keyed states are prepared once per key and copied for each message."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        self._states = {key: _prepare_states(key) for key in keys}

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        """Return the MAC of `value` under one of the prepared keys."""
        inner, outer = self._states[key]
        inner = inner.copy()
        inner.update(value)
        outer = outer.copy()
        outer.update(inner.digest())
        digest: bytes = outer.digest()
        return digest


def _prepare_states(key: bytes) -> tuple[Any, Any]:
    padded = key.ljust(_BLOCK_BYTES, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))
    return inner, outer


def derive_key(secret: Secret, *purpose: str) -> bytes:
    """Derive the 32-byte key of one purpose, such as a namespace and a cookie name.

    Every part is preceded by its length: joined bare, ("ab", "c") and ("a", "bc") would share a
    key, and a value signed for one would pass for the other.
    """
    parts = (part.encode() for part in purpose)
    label = b"".join(len(part).to_bytes(4) + part for part in parts)
    return hmac.digest(secret.reveal(), label, "sha256")


class Verified(NamedTuple):
    """A message that was signed here; `needs_resign` says by a retired secret."""

    message: bytes
    needs_resign: bool


class PurposeSigner:
    """Signs under the current secret, verifies under it and the retired ones, for one purpose."""

    def __init__(
        self,
        secret: Secret,
        old_secrets: Iterable[Secret] = (),
        *,
        purpose: Sequence[str],
        algorithm: Callable[[Sequence[bytes]], SigningAlgorithm] = PreparedHmac,
    ) -> None:
        keys = [derive_key(each, *purpose) for each in (secret, *old_secrets)]
        self._keys = keys
        self._algorithm = algorithm(keys)

    def sign(self, message: bytes) -> bytes:
        """Return the signed value: letters, digits, `-`, `_` and one dot."""
        text = encode_base64url(message)
        # The key is named here: which of several a `Signer` of `itsdangerous` signs with hangs on
        # their order, and getting it wrong signs with a retired secret (CVE-2025-47278).
        mac = self._algorithm.get_signature(self._keys[0], text)
        return text + b"." + encode_base64url(mac)

    def verify(self, value: bytes) -> Verified | None:
        """Return the message of a value signed here, or None for every other value.

        A wrong signature costs the same number of MACs whatever it holds: one for each key.
        Constant-time because `compare_digest` is given two byte strings of public length.
        """
        text, dot, signature = value.rpartition(b".")
        if not dot or len(value) > MAX_SIGNED_BYTES:
            return None
        compute = self._algorithm.get_signature
        for index, key in enumerate(self._keys):
            if hmac.compare_digest(signature, encode_base64url(compute(key, text))):
                message = parse_base64url(text)
                return None if message is None else Verified(message, index > 0)
        return None
