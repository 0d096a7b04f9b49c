"""Proves nothing by itself, but hides: what a store may know of names and addresses.

A plain SHA-256 of an IPv4 address is reversed by trying all 2^32 of them, and one of a mail
address by a list of addresses. Under a key it can be neither recomputed nor compared elsewhere.

Source: RFC 2104 (HMAC), FIPS 180-4 (SHA-256).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.secret import Secret

_LENGTH_BYTES = 4


def _encode(text: str) -> bytes:
    # A lone surrogate is a legal `str`, which a client can send as a JSON escape.
    raw = text.encode("utf-8", "surrogatepass")
    return len(raw).to_bytes(_LENGTH_BYTES, "big") + raw


def build_message(kind: str, *values: str) -> bytes:
    """Build what is hashed: each part behind its length, so that no two rows share one message.

    Joined by a separator, ("account", "a:b") and ("account:a", "b") could be the same key.
    """
    return b"".join(map(_encode, (kind, *values)))


class KeyedDigests:
    """Turns a kind and its values into 32 bytes under the current secret and under retired ones."""

    __slots__ = ("_old_secrets", "_secret")

    def __init__(self, secret: Secret, old_secrets: Sequence[Secret] = ()) -> None:
        self._secret = secret
        self._old_secrets = tuple(old_secrets)

    def compute(self, kind: str, *values: str) -> bytes:
        """Return HMAC-SHA-256 under the current secret."""
        return hmac.digest(self._secret.reveal(), build_message(kind, *values), "sha256")

    def compute_old(self, kind: str, *values: str) -> tuple[bytes, ...]:
        """Return HMAC-SHA-256 under each retired secret, in their order."""
        if not self._old_secrets:
            return ()
        message = build_message(kind, *values)
        return tuple(hmac.digest(old.reveal(), message, "sha256") for old in self._old_secrets)


def compute_unkeyed_digest(kind: str, value: str) -> bytes:
    """Return plain SHA-256: only for values that are opaque already, such as a database id."""
    return hashlib.sha256(build_message(kind, value)).digest()
