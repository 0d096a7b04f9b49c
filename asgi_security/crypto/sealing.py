"""Seals small secrets that are stored: whoever reads or edits the store learns and changes nothing.

An envelope is `version . key id . nonce . AES-256-GCM(secret)`. What it belongs to is authenticated
with it, so that the envelope of one account opens nothing in the row of another. The nonces are
random: under one key no more than 2^32 secrets may be sealed, a billion times what a table holds.

Source: NIST SP 800-38D sections 5.2.1.2 and 8.2.2 (GCM, random nonces), RFC 5116 section 5.2
(AEAD_AES_256_GCM), RFC 5869 (one key per purpose), OWASP ASVS 5.0 11.3.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from asgi_security.crypto.digests import build_message
from asgi_security.crypto.signing import derive_key
from asgi_security.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.secret import Secret

NONCE_BYTES = 12

_VERSION = b"\x01"
_KEY_ID_BYTES = 8
_TAG_BYTES = 16
_HEAD_BYTES = len(_VERSION) + _KEY_ID_BYTES
_SHORTEST = _HEAD_BYTES + NONCE_BYTES + _TAG_BYTES


@dataclass(frozen=True, slots=True)
class Opened:
    """The secret of an envelope; `needs_reseal` says that a retired key had sealed it."""

    value: bytes = field(repr=False)
    needs_reseal: bool = False


class _Key(NamedTuple):
    id: bytes
    cipher: Any


class Sealer:
    """Seals under the current secret's key for one purpose; opens those of retired ones too.

    Args:
        purpose: such as a namespace and a name; another purpose is another key.

    Raises:
        ConfigError: where `cryptography` is not installed.
    """

    __slots__ = ("_by_id", "_current", "_purpose")

    def __init__(
        self, secret: Secret, old_secrets: Sequence[Secret] = (), *, purpose: Sequence[str]
    ) -> None:
        if find_spec("cryptography") is None:
            hint = "pip install 'asgi-security[mfa]'"
            problem = Problem("secret", "<secret>", "cryptography is not installed", hint)
            raise ConfigError("Sealer", [problem])
        self._purpose = tuple(purpose)
        keys = [_build_key(derive_key(each, *purpose)) for each in (secret, *old_secrets)]
        self._current = keys[0]
        # Reversed: where a secret is both current and retired, it is the current one.
        self._by_id = {key.id: key for key in reversed(keys)}

    def seal(self, value: bytes, *context: str, nonce: bytes) -> bytes:
        """Return the envelope of a secret that belongs to `context`, such as an account's id.

        Args:
            nonce: `NONCE_BYTES` random bytes, never used before.
        """
        head = _VERSION + self._current.id
        sealed: bytes = self._current.cipher.encrypt(nonce, value, self._bind(head, context))
        return head + nonce + sealed

    def open(self, envelope: bytes, *context: str) -> Opened | None:
        """Return the secret of an envelope; None for any that was not sealed here, for this."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 -- of an extra

        head, rest = envelope[:_HEAD_BYTES], envelope[_HEAD_BYTES:]
        key = self._by_id.get(head[len(_VERSION) :])
        if key is None or len(envelope) < _SHORTEST or not head.startswith(_VERSION):
            return None
        nonce, sealed = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
        try:
            value: bytes = key.cipher.decrypt(nonce, sealed, self._bind(head, context))
        except InvalidTag:
            return None
        return Opened(value, needs_reseal=key.id != self._current.id)

    def _bind(self, head: bytes, context: Sequence[str]) -> bytes:
        return head + build_message("sealed", *self._purpose, *context)


def _build_key(value: bytes) -> _Key:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 -- of an extra

    # The id is made of the derived key and not of the secret: it differs from purpose to purpose.
    digest = hashlib.sha256(b"asgi-security sealing key id\0" + value).digest()
    return _Key(digest[:_KEY_ID_BYTES], AESGCM(value))
