"""Recognises key files: PEM, DER, JWK and SSH, also where a shared secret was expected.

Source: RFC 7468 (PEM), X.690 section 8.1 (DER); GHSA-ffqj-6fqr-9h24 (a public key as secret).
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from asgi_security.crypto.algorithms import require_cryptography

if TYPE_CHECKING:
    from collections.abc import Callable

_SHORTEST_DER_KEY = 44  # an Ed25519 key
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_SSH_PREFIXES = (b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-")
_DER_SEQUENCE = 0x30
_DER_FIRST_FIELDS = (b"\x30", b"\x02")  # SEQUENCE (SPKI, certificate), INTEGER (PKCS #1, #8)


def looks_like_key_file(secret: bytes) -> bool:
    """Tell whether a shared secret is in truth a key file, and so perhaps public.

    Whoever knows the public key could sign with it: RFC 8725 section 2.1. A random secret of any
    length passes for one with a chance below 2^-22.
    """
    text = secret
    for mark in _BYTE_ORDER_MARKS:
        text = text.removeprefix(mark)
    text = text.replace(b"\0", b"").strip()  # UTF-16, as Windows editors save it
    if b"-----BEGIN " in text or text.startswith(_SSH_PREFIXES):
        return True
    if text[:1] in (b"{", b"[") and b'"kty"' in text:
        return True
    if _looks_like_der(secret):
        return True
    if text[:1] != b"M":  # what the first byte of DER becomes in base64
        return False
    try:
        return _looks_like_der(base64.b64decode(b"".join(text.split()), validate=True))
    except binascii.Error:
        return False


def _looks_like_der(data: bytes) -> bool:
    """Tell whether the data is one DER sequence, whole, that begins as a key does."""
    if len(data) < _SHORTEST_DER_KEY or data[0] != _DER_SEQUENCE:
        return False
    length, begin = data[1], 2
    if length >= 0x80:
        count = length & 0x7F
        begin += count
        length = int.from_bytes(data[2:begin], "big")
    return begin + length == len(data) and data[begin : begin + 1] in _DER_FIRST_FIELDS


def parse_key_file(data: bytes) -> Any:
    """Return the public key in a PEM or DER file as the object of `cryptography`, or None.

    A private key and a certificate give their public key; a certificate is not checked.
    """
    require_cryptography()
    from cryptography import x509  # noqa: PLC0415 -- the extra
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 -- the extra

    private = parse_private_key_file(data)
    if private is not None:
        return private.public_key()
    if b"-----BEGIN " in data:
        public = _read(serialization.load_pem_public_key, data)
        certificate = None if public else _read(x509.load_pem_x509_certificate, data)
    else:
        public = _read(serialization.load_der_public_key, data)
        certificate = None if public else _read(x509.load_der_x509_certificate, data)
    return public if certificate is None else certificate.public_key()


def parse_private_key_file(data: bytes) -> Any:
    """Return the private key in a PEM or DER file without password, or None."""
    require_cryptography()
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 -- the extra

    if b"-----BEGIN " in data:
        return _read(lambda pem: serialization.load_pem_private_key(pem, None), data)
    return _read(lambda der: serialization.load_der_private_key(der, None), data)


def _read(reader: Callable[[bytes], Any], data: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 -- the extra

    try:
        return reader(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it has a password
        return None
