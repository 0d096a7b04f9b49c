from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import Signer

from asgi_security.crypto.base64url import encode_base64url
from asgi_security.crypto.signing import (
    MAX_SIGNED_BYTES,
    PreparedHmac,
    PurposeSigner,
    Verified,
    derive_key,
)
from asgi_security.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW, OLD, OLDER, OTHER = (Secret(letter * 32) for letter in "abcd")
PURPOSE = ("test", "name")
SIGNER = PurposeSigner(NOW, [OLD, OLDER], purpose=PURPOSE)
SIGNED = SIGNER.sign(b"hello, \x00\xff")


def sign_raw(text: bytes, secret: Secret = NOW) -> bytes:
    mac = hmac.digest(derive_key(secret, *PURPOSE), text, "sha256")
    return text + b"." + encode_base64url(mac)


def test_a_signed_value_comes_back() -> None:
    assert SIGNER.verify(SIGNED) == Verified(b"hello, \x00\xff", needs_resign=False)


def test_the_signature_is_what_itsdangerous_and_hmac_make_of_it() -> None:
    text = SIGNED.rpartition(b".")[0]
    assert sign_raw(text) == SIGNED
    theirs = Signer(derive_key(NOW, *PURPOSE), key_derivation="none", digest_method=hashlib.sha256)
    assert theirs.unsign(SIGNED) == text


@pytest.mark.parametrize("key", [b"", b"k", b"k" * 64])
def test_prepared_states_compute_hmac(key: bytes) -> None:
    prepared = PreparedHmac([key])
    for message in (b"", b"x" * 1000):
        assert prepared.get_signature(key, message) == hmac.digest(key, message, "sha256")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("cookie", "A"), ("cookie", "B"), id="C1 another name"),
        pytest.param(("ab", "c"), ("a", "bc"), id="C2 the same letters, parted elsewhere"),
        pytest.param(("session", "x"), ("cookie", "x"), id="P25 another purpose"),
        pytest.param(("a", "b"), ("a", "b", ""), id="C2 an empty part more"),
    ],
)
def test_purposes_share_no_key(one: Sequence[str], other: Sequence[str]) -> None:
    assert derive_key(NOW, *one) != derive_key(NOW, *other)
    signed = PurposeSigner(NOW, purpose=one).sign(b"v")
    assert PurposeSigner(NOW, purpose=other).verify(signed) is None


@pytest.mark.parametrize("suffix", [b"=", b"==", b"!!!!", b" ", b"\0", b".", b"A", b"\n"])
def test_C3_nothing_may_be_appended(suffix: bytes) -> None:
    text, _, mac = SIGNED.rpartition(b".")
    assert SIGNER.verify(SIGNED + suffix) is None
    assert SIGNER.verify(suffix + SIGNED) is None
    assert SIGNER.verify(text + suffix + b"." + mac) is None


def test_C3_no_byte_may_change() -> None:
    for index, byte in enumerate(SIGNED):
        for flip in (1, 2, 0x20, 0x80):
            changed = SIGNED[:index] + bytes([byte ^ flip]) + SIGNED[index + 1 :]
            assert SIGNER.verify(changed) is None


def test_C4_unused_bits_must_be_zero() -> None:
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for last in alphabet:
        value = SIGNED[:-1] + bytes([last])
        assert (SIGNER.verify(value) is not None) is (value == SIGNED)


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        pytest.param(NOW, Verified(b"v", needs_resign=False), id="C16 current"),
        pytest.param(OLD, Verified(b"v", needs_resign=True), id="C15 old"),
        pytest.param(OLDER, Verified(b"v", needs_resign=True), id="C15 older"),
        pytest.param(OTHER, None, id="C16 removed"),
    ],
)
def test_old_secrets(secret: Secret, expected: Verified | None) -> None:
    signed = PurposeSigner(secret, purpose=PURPOSE).sign(b"v")
    assert SIGNER.verify(signed) == expected


@pytest.mark.parametrize("old", [[], [OLD], [OLD, OLDER], [OLDER, OLD, OTHER]])
def test_C16_the_current_secret_signs_whatever_the_old_ones(old: list[Secret]) -> None:
    signed = PurposeSigner(NOW, old, purpose=PURPOSE).sign(b"v")
    assert signed == PurposeSigner(NOW, purpose=PURPOSE).sign(b"v")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="C18 empty"),
        pytest.param(b".", id="C18 dot"),
        pytest.param(b"..", id="C18 two dots"),
        pytest.param(b"nodot", id="C18 no dot"),
        pytest.param(b"x" * 100_000, id="C18 100 kB"),
        pytest.param("ü.ü".encode(), id="C18 non-ASCII"),
        pytest.param(b"\0.\0", id="C18 NUL"),
        pytest.param(sign_raw(b"!!!!"), id="C18 a valid MAC over what is no base64"),
        pytest.param(sign_raw(b"AAAAA"), id="C18 a valid MAC over a length base64 never has"),
        pytest.param(sign_raw(b"A" * MAX_SIGNED_BYTES), id="C18 a valid MAC over too much"),
    ],
)
def test_junk_is_absent(value: bytes) -> None:
    assert SIGNER.verify(value) is None


class Counting(PreparedHmac):
    count = 0

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        self.count += 1
        return super().get_signature(key, value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"." * 2, id="C19 empty parts"),
        pytest.param(SIGNED[:-1] + b"!", id="C19 the last character"),
        pytest.param(b"A" + SIGNED[1:], id="C19 the first character"),
        pytest.param(b"a.b", id="C19 a short signature"),
        pytest.param(b"x" * 4000 + b"." + b"y" * 43, id="C19 a long text"),
    ],
)
def test_a_wrong_signature_costs_one_mac_for_each_key(value: bytes) -> None:
    counting = Counting([])

    def count(keys: Sequence[bytes]) -> Counting:
        PreparedHmac.__init__(counting, keys)
        return counting

    signer = PurposeSigner(NOW, [OLD, OLDER], purpose=PURPOSE, algorithm=count)
    assert signer.verify(value) is None
    assert counting.count == 3


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=50).map(lambda b: b + b"." + b))
def test_verifying_never_raises(value: bytes) -> None:
    assert SIGNER.verify(value) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_every_message_comes_back(message: bytes) -> None:
    signed = SIGNER.sign(message)
    assert SIGNER.verify(signed) == Verified(message, needs_resign=False)
    assert signed.decode("ascii").replace(".", "").replace("-", "").replace("_", "").isalnum()
