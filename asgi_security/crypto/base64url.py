"""Reads and writes base64url with exactly one accepted spelling for every value.

Source: RFC 7515 section 2 (no padding), RFC 4648 sections 3.5 (unused bits) and 5 (alphabet).
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64

# "+", "/" and "=" become a character outside the alphabet: strict mode then refuses them.
_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
_TO_URL = bytes.maketrans(b"+/", b"-_")
_PADDING = (b"", b"", b"==", b"=")
# The last characters whose unused bits are zero, by the length modulo four.
_LAST = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")


def encode_base64url(value: bytes) -> bytes:
    r"""Encode without padding.

    >>> encode_base64url(b"\xfb\xff")
    b'-_8'
    """
    return b2a_base64(value, newline=False).rstrip(b"=").translate(_TO_URL)


def parse_base64url(text: bytes) -> bytes | None:
    """Decode the one canonical spelling, or return None: no padding, space or stray bit passes.

    A second spelling of one value would be a second name for a token: it would miss the revocation
    that was entered under the first.
    """
    rest = len(text) % 4
    if rest == 1 or (rest and text[-1] not in _LAST[rest]):
        return None
    try:
        return a2b_base64(text.translate(_TO_STANDARD) + _PADDING[rest], strict_mode=True)
    except Error:
        return None
