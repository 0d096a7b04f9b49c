"""Computes and compares one-time codes, and writes recovery codes that people can type.

Source: RFC 4226 sections 5.3 and 5.4 (HOTP), RFC 6238 sections 4 and 5.2 (TOTP), RFC 4648
section 6 (base32), FIPS 180-4 (SHA-256).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b32encode
from dataclasses import dataclass, field
from typing import TypeAlias

Step: TypeAlias = int
"""The number of a time step since the Unix epoch: the moving factor of RFC 6238."""

TOTP_SECRET_BYTES = 20
"""160 bits, as RFC 4226 section 4 (R6) recommends: the length of the digest."""

RECOVERY_CODE_LETTERS = 24
"""120 bits of base32: too many to guess, so that a plain digest may be stored."""

MINIMUM_RECOVERY_LETTERS, MAXIMUM_RECOVERY_LETTERS = 23, 48
"""115 bits: below 112 a digest without salt and cost would not do (ASVS 5.0 6.5.2)."""

DIGITS_DRAW_BYTES = 8
"""How many random bytes `draw_digits` wants."""

MAXIMUM_DIGITS = 8

_GROUP = 4
_BITS_PER_LETTER = 5
_RECOVERY_CODE = re.compile(rf"[A-Z2-7]{{{MINIMUM_RECOVERY_LETTERS},{MAXIMUM_RECOVERY_LETTERS}}}\Z")
_LONGEST_TYPED = 64


@dataclass(frozen=True, slots=True)
class TotpKey:
    """What an authenticator app was given: its codes go on if the settings change meanwhile."""

    secret: bytes = field(repr=False)
    digits: int = 6
    step_seconds: int = 30

    def pack(self) -> bytes:
        """Return the key as bytes, to be sealed."""
        return bytes((self.digits, self.step_seconds)) + self.secret


def parse_totp_key(packed: bytes) -> TotpKey | None:
    """Return what `TotpKey.pack` made, None for anything else."""
    if len(packed) != 2 + TOTP_SECRET_BYTES:
        return None
    digits, step_seconds = packed[0], packed[1]
    if not 6 <= digits <= MAXIMUM_DIGITS or not step_seconds:
        return None
    return TotpKey(packed[2:], digits, step_seconds)


def compute_hotp(secret: bytes, counter: int, *, digits: int = 6) -> str:
    """Return the code of a counter.

    >>> compute_hotp(b"12345678901234567890", 0)
    '755224'
    """
    digest = hmac.digest(secret, counter.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    truncated = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(truncated % 10**digits).zfill(digits)


def compute_step(now: float, *, step_seconds: int = 30) -> Step:
    """Return the time step of an instant; an instant before the epoch is in the first.

    >>> compute_step(59)
    1
    """
    return max(0, int(now // step_seconds))


def parse_code(text: str, *, digits: int) -> str | None:
    """Return a code of so many ASCII digits, None for anything else.

    `int` and `str.isdigit` take the digits of every script: then a code would have many spellings.
    """
    return text if len(text) == digits and text.isascii() and text.isdigit() else None


def find_step(key: TotpKey, code: str, *, now: float, window: int = 1) -> Step | None:
    """Return the step whose code this is, among the present one and `window` on either side.

    The latest, if it is that of several. That the step has not been spent before is for the store
    to say, in the same step that spends it.

    Constant-time because every step is computed and compared, whichever matches: the time would
    tell how far the clock of the authenticator is off.
    """
    parsed = parse_code(code, digits=key.digits)
    given = (parsed or "").encode()
    present = compute_step(now, step_seconds=key.step_seconds)
    found: Step | None = None
    for step in range(max(0, present - window), present + window + 1):
        expected = compute_hotp(key.secret, step, digits=key.digits).encode()
        if hmac.compare_digest(expected, given):
            found = step
    return found


def draw_digits(random: bytes, *, digits: int) -> str | None:
    """Turn `DIGITS_DRAW_BYTES` random bytes into a code; None for bytes that must be drawn again.

    What lies beyond the last whole multiple is thrown away: a remainder would make the lower codes
    likelier than the others.
    """
    number = int.from_bytes(random, "big")
    bound = 10**digits
    space = 256 ** len(random)
    return None if number >= space - space % bound else str(number % bound).zfill(digits)


def encode_base32(value: bytes) -> str:
    """Return base32 without padding, as the apps take it."""
    return b32encode(value).decode().rstrip("=")


def count_recovery_bytes(letters: int = RECOVERY_CODE_LETTERS) -> int:
    """Return how many random bytes a code of so many letters needs: five bits a letter."""
    return -(-letters * _BITS_PER_LETTER // 8)


def build_recovery_code(random: bytes, *, letters: int = RECOVERY_CODE_LETTERS) -> str:
    """Write `count_recovery_bytes` random bytes in groups of four letters; the last may be shorter.

    >>> build_recovery_code(bytes(15))
    'AAAA-AAAA-AAAA-AAAA-AAAA-AAAA'
    """
    text = encode_base32(random)[:letters]
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def compute_recovery_digest(typed: str) -> str | None:
    """Return what is stored of a recovery code, or None for text that can be none.

    Case, hyphens and blanks are as it pleases who types. Every length counts that codes may have:
    those of before the length was changed stay good. SHA-256 without a key or salt is enough,
    because nobody can try 2^115 of them.
    """
    if len(typed) > _LONGEST_TYPED or not typed.isascii():
        return None
    letters = typed.upper().replace("-", "").replace(" ", "")
    if _RECOVERY_CODE.match(letters) is None:
        return None
    return hashlib.sha256(letters.encode()).hexdigest()
