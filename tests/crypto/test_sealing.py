"""Sealed secrets: opened by their own key, for their own account, and by nobody else."""

from __future__ import annotations

from importlib import util
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.crypto import sealing
from asgi_security.crypto.digests import build_message
from asgi_security.crypto.sealing import NONCE_BYTES, Sealer
from asgi_security.crypto.signing import derive_key
from asgi_security.errors import ConfigError
from asgi_security.secret import Secret

PURPOSE = ("asgi-security", "mfa", "totp")
FIRST, SECOND = Secret("1" * 32), Secret("2" * 32)
NONCE = bytes(range(NONCE_BYTES))


def sealer(*secrets: Secret, purpose: tuple[str, ...] = PURPOSE) -> Sealer:
    return Sealer(secrets[0], secrets[1:], purpose=purpose)


@given(st.binary(max_size=64), st.binary(min_size=12, max_size=12))
def test_what_was_sealed_is_opened(value: bytes, nonce: bytes) -> None:
    ours = sealer(FIRST)
    opened = ours.open(ours.seal(value, "account", "factor", nonce=nonce), "account", "factor")
    assert opened is not None
    assert (opened.value, opened.needs_reseal) == (value, False)


def test_the_envelope_is_aes_256_gcm_over_what_it_belongs_to() -> None:
    envelope = sealer(FIRST).seal(b"secret", "account", nonce=NONCE)
    head, nonce, sealed = envelope[:9], envelope[9:21], envelope[21:]
    assert (head[0], nonce) == (1, NONCE)
    key = derive_key(FIRST, *PURPOSE)
    assert len(key) == 32
    bound = head + build_message("sealed", *PURPOSE, "account")
    assert AESGCM(key).decrypt(nonce, sealed, bound) == b"secret"


@pytest.mark.parametrize(
    "context",
    [
        pytest.param(("other", "factor"), id="another account"),
        pytest.param(("account", "other"), id="another factor"),
        pytest.param(("account",), id="less"),
        pytest.param(("account", "factor", ""), id="more"),
        pytest.param(("accountfactor",), id="joined"),
        pytest.param(("accoun", "tfactor"), id="parted elsewhere"),
    ],
)
def test_an_envelope_belongs_to_one_row(context: tuple[str, ...]) -> None:
    ours = sealer(FIRST)
    assert ours.open(ours.seal(b"secret", "account", "factor", nonce=NONCE), *context) is None


def test_another_purpose_is_another_key() -> None:
    envelope = sealer(FIRST).seal(b"secret", "account", nonce=NONCE)
    assert sealer(FIRST, purpose=("asgi-security", "mfa", "else")).open(envelope, "account") is None


def test_retired_secrets_open_and_ask_for_a_new_seal() -> None:
    envelope = sealer(FIRST).seal(b"secret", "account", nonce=NONCE)
    opened = sealer(SECOND, FIRST).open(envelope, "account")
    assert opened is not None
    assert (opened.value, opened.needs_reseal) == (b"secret", True)
    assert sealer(SECOND).open(envelope, "account") is None


def test_a_secret_that_is_both_current_and_retired_is_current() -> None:
    ours = sealer(FIRST, FIRST)
    opened = ours.open(ours.seal(b"secret", nonce=NONCE))
    assert opened is not None
    assert not opened.needs_reseal


def test_no_bit_may_change() -> None:
    ours = sealer(FIRST)
    envelope = ours.seal(b"secret", "account", nonce=NONCE)
    for place in range(len(envelope) * 8):
        changed = bytearray(envelope)
        changed[place // 8] ^= 1 << place % 8
        assert ours.open(bytes(changed), "account") is None


def test_no_end_may_be_missing() -> None:
    ours = sealer(FIRST)
    envelope = ours.seal(b"", "account", nonce=NONCE)
    for length in range(len(envelope)):
        assert ours.open(envelope[:length], "account") is None
    assert ours.open(envelope + b"\0", "account") is None
    assert ours.open(envelope, "account") is not None


@given(st.binary(max_size=80))
def test_no_bytes_raise(envelope: bytes) -> None:
    assert sealer(FIRST).open(envelope, "account") is None


def test_nothing_shows_the_secret() -> None:
    ours = sealer(FIRST)
    envelope = ours.seal(b"top secret", nonce=NONCE)
    assert b"top secret" not in envelope
    assert "top secret" not in repr(ours.open(envelope))
    assert FIRST.reveal() not in envelope


def test_the_library_is_asked_for_at_construction(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_no_cryptography(name: str, package: str | None = None) -> Any:
        return None if name == "cryptography" else util.find_spec(name, package)

    monkeypatch.setattr(sealing, "find_spec", find_no_cryptography)
    with pytest.raises(ConfigError, match=r"asgi-security\[mfa\]"):
        sealer(FIRST)
