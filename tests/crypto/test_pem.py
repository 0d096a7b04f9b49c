from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.crypto.pem import (
    looks_like_key_file,
    parse_key_file,
    parse_private_key_file,
)
from tests.token_samples import private_key, private_pem, public_der, public_jwk, public_pem

DER = serialization.Encoding.DER
PEM = serialization.Encoding.PEM


def certificate(encoding: serialization.Encoding) -> bytes:
    key = private_key("EC")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    begin = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    data: bytes = made.public_bytes(encoding)
    return data


def private_der(format_: serialization.PrivateFormat, kind: str = "RSA") -> bytes:
    data: bytes = private_key(kind).private_bytes(DER, format_, serialization.NoEncryption())
    return data


def ssh_key() -> bytes:
    key = private_key("Ed25519").public_key()
    data: bytes = key.public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return data


BOM = b"\xef\xbb\xbf"
JWK = json.dumps(public_jwk("RSA")).encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(public_pem(), id="J47 PEM"),
        pytest.param(BOM + public_pem(), id="J47 PEM with a byte order mark"),
        pytest.param(b"\n \t" + public_pem(), id="J47 PEM behind space"),
        pytest.param(public_pem().decode().encode("utf-16"), id="J47 PEM in UTF-16"),
        pytest.param(public_der("RSA"), id="J47 DER of RSA"),
        pytest.param(public_der("EC"), id="J47 DER of EC"),
        pytest.param(public_der("Ed25519"), id="J47 DER of Ed25519, the shortest"),
        pytest.param(
            private_key().public_key().public_bytes(DER, serialization.PublicFormat.PKCS1),
            id="J47 DER of PKCS #1",
        ),
        pytest.param(base64.b64encode(public_der()), id="J47 DER in base64, no armour"),
        pytest.param(base64.encodebytes(public_der("EC")), id="J47 the same in lines"),
        pytest.param(certificate(PEM), id="J47 certificate in PEM"),
        pytest.param(certificate(DER), id="J47 certificate in DER"),
        pytest.param(JWK, id="J47 JWK"),
        pytest.param(BOM + JWK, id="J47 JWK with a byte order mark"),
        pytest.param(b'{"keys": [' + JWK + b"]}", id="J47 JWK set"),
        pytest.param(b"[" + JWK + b"]", id="J47 an array of JWKs"),
        pytest.param(ssh_key(), id="J47 SSH"),
        pytest.param(private_pem(), id="J47 a private key"),
    ],
)
def test_key_files_are_recognised(data: bytes) -> None:
    assert looks_like_key_file(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"M" * 64,
        b"MIIB-not-base64-but-begins-like-it----",
        b"0" * 64,
        b"0\x2a1" + b"k" * 41,
        b"0\xaa" + bytes(42),
        b"0\x30\x31" + b"k" * 47,
        b'{"password": "of a kind"}',
        bytes(range(64)),
    ],
)
def test_secrets_are_not(data: bytes) -> None:
    assert not looks_like_key_file(data)


@given(data=st.binary(max_size=80) | st.binary(max_size=60).map(lambda rest: b"0" + rest))
@settings(max_examples=300, deadline=None)
def test_it_never_raises(data: bytes) -> None:
    assert looks_like_key_file(data) in {True, False}
    assert parse_key_file(data) is None


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(public_pem("RSA"), "RSA", id="public PEM"),
        pytest.param(public_der("EC"), "EC", id="public DER"),
        pytest.param(private_pem("Ed25519"), "Ed25519", id="private PEM"),
        pytest.param(
            private_der(serialization.PrivateFormat.TraditionalOpenSSL), "RSA", id="private PKCS #1"
        ),
        pytest.param(certificate(PEM), "EC", id="certificate PEM"),
        pytest.param(certificate(DER), "EC", id="certificate DER"),
    ],
)
def test_public_keys_are_found(data: bytes, kind: str) -> None:
    found: Any = parse_key_file(data)
    assert found == private_key(kind).public_key()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", id="broken PEM"
        ),
        pytest.param(private_pem("EC", password=b"secret"), id="behind a password"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"secret", id="a secret"),
    ],
)
def test_what_is_no_key_is_none(data: bytes) -> None:
    assert parse_key_file(data) is None
    assert parse_private_key_file(data) is None


def test_private_keys_are_found() -> None:
    for data in (private_pem("EC"), private_der(serialization.PrivateFormat.PKCS8, "EC")):
        found = parse_private_key_file(data)
        assert found.private_numbers() == private_key("EC").private_numbers()
    assert parse_private_key_file(public_pem("EC")) is None
