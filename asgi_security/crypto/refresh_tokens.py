"""Writes and reads refresh tokens: which family, which generation, and a proof that they are ours.

A token is `asgi_rt_` and the base64url text of `family id . generation . MAC`, of one length and so
of one spelling. It holds nothing else, and nothing in a store leads to it: with the family id and a
generation the next token is made again whenever its reply was lost, and without the secret no token
is made at all.

The prefix lets scanners find tokens in code and logs, and keeps them from being taken for a JWT.

Source: RFC 6749 sections 1.5 and 10.4, RFC 9700 section 4.14.2 (rotation), RFC 2104 (HMAC),
RFC 4648 section 5 (base64url); OWASP ASVS 5.0 section 10.4.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asgi_security.crypto.base64url import encode_base64url, parse_base64url
from asgi_security.crypto.signing import derive_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asgi_security.secret import Secret

PREFIX = "asgi_rt_"

# In all a multiple of three: the last character of the text has no bits to spare.
FAMILY_ID_BYTES = 25
"""200 unpredictable bits."""
_GENERATION_BYTES = 6
_MAC_BYTES = 32
_TOKEN_BYTES = FAMILY_ID_BYTES + _GENERATION_BYTES + _MAC_BYTES

TOKEN_CHARACTERS = len(PREFIX) + _TOKEN_BYTES // 3 * 4

_PURPOSE = ("asgi-security", "refresh token")


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """What a token that was made here says."""

    family_id: bytes = field(repr=False)
    """Never stored: with the secret it makes every token of the family."""
    generation: int

    @property
    def digest(self) -> bytes:
        """The family's name in a store: SHA-256 of the id, which is random and needs no key."""
        return compute_family_digest(self.family_id)


def compute_family_digest(family_id: bytes) -> bytes:
    """Return the name of a family in a store, 32 bytes."""
    return hashlib.sha256(family_id).digest()


class RefreshTokenFormat:
    """Writes tokens under the current secret, and reads those of retired ones too.

    >>> from asgi_security.secret import Secret
    >>> tokens = RefreshTokenFormat(Secret("0123456789abcdef0123456789abcdef"))
    >>> text = tokens.build(bytes(25), 7)
    >>> text[:16], tokens.parse(text)
    ('asgi_rt_AAAAAAAA', RefreshToken(generation=7))
    """

    __slots__ = ("_keys",)

    def __init__(self, secret: Secret, old_secrets: Iterable[Secret] = ()) -> None:
        self._keys = tuple(derive_key(each, *_PURPOSE) for each in (secret, *old_secrets))

    def build(self, family_id: bytes, generation: int) -> str:
        """Return the one token of that generation under the current secret.

        Args:
            family_id: `FAMILY_ID_BYTES` unpredictable bytes.
            generation: from 0 to 2**48 - 1.

        Raises:
            ValueError: for an id of another length.
        """
        if len(family_id) != FAMILY_ID_BYTES:
            raise ValueError(f"a family id has {FAMILY_ID_BYTES} bytes")
        count = generation.to_bytes(_GENERATION_BYTES)
        mac = _compute_mac(self._keys[0], family_id, count)
        return PREFIX + encode_base64url(family_id + count + mac).decode()

    def parse(self, text: str) -> RefreshToken | None:
        """Return what a token made here says, None for all other text. Never raises.

        Constant-time because `compare_digest` is given two byte strings of one length, and a wrong
        MAC is compared under every key: nothing tells how near a guess came, or to which key.
        """
        if len(text) != TOKEN_CHARACTERS or not text.startswith(PREFIX) or not text.isascii():
            return None
        raw = parse_base64url(text[len(PREFIX) :].encode())
        if raw is None:
            return None
        family_id, rest = raw[:FAMILY_ID_BYTES], raw[FAMILY_ID_BYTES:]
        count, mac = rest[:_GENERATION_BYTES], rest[_GENERATION_BYTES:]
        is_ours = False
        for key in self._keys:
            is_ours |= hmac.compare_digest(mac, _compute_mac(key, family_id, count))
        return RefreshToken(family_id, int.from_bytes(count)) if is_ours else None


def _compute_mac(key: bytes, *parts: bytes) -> bytes:
    message = b"".join(len(part).to_bytes(4) + part for part in parts)
    return hmac.digest(key, message, "sha256")
