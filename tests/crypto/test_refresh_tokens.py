from __future__ import annotations

import hashlib
import hmac
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.crypto.base64url import encode_base64url, parse_base64url
from asgi_security.crypto.refresh_tokens import (
    FAMILY_ID_BYTES,
    PREFIX,
    TOKEN_CHARACTERS,
    RefreshToken,
    RefreshTokenFormat,
    compute_family_digest,
)
from asgi_security.crypto.signing import PurposeSigner, derive_key
from asgi_security.secret import Secret

NOW, OLD, OLDER, OTHER = (Secret(letter * 32) for letter in "abcd")
FAMILY = bytes(range(FAMILY_ID_BYTES))
TOKENS = RefreshTokenFormat(NOW, [OLD, OLDER])
TOKEN = TOKENS.build(FAMILY, 7)
LAST = 2**48 - 1


@pytest.mark.parametrize("generation", [0, 1, 255, 256, 2**32, LAST])
def test_R80_a_token_says_its_family_and_generation(generation: int) -> None:
    text = TOKENS.build(FAMILY, generation)
    parsed = TOKENS.parse(text)
    assert parsed == RefreshToken(FAMILY, generation)
    assert parsed is not None
    assert parsed.digest == compute_family_digest(FAMILY) == hashlib.sha256(FAMILY).digest()
    assert len(text) == TOKEN_CHARACTERS
    assert text.startswith(PREFIX)
    assert set(text) <= set(string.ascii_letters + string.digits + "-_")


def test_R81_a_token_is_made_again_the_same() -> None:
    assert RefreshTokenFormat(NOW).build(FAMILY, 7) == TOKEN
    others = {TOKENS.build(FAMILY, 8), TOKENS.build(bytes(FAMILY_ID_BYTES), 7)}
    assert len(others | {TOKEN}) == 3


def test_R80_family_ids_are_longer_than_128_bits() -> None:
    assert FAMILY_ID_BYTES * 8 >= 128


@pytest.mark.parametrize("size", [0, FAMILY_ID_BYTES - 1, FAMILY_ID_BYTES + 1])
def test_a_family_id_has_one_length(size: int) -> None:
    with pytest.raises(ValueError, match="25 bytes"):
        TOKENS.build(bytes(size), 0)


def test_a_generation_fits() -> None:
    for generation in (-1, LAST + 1):
        with pytest.raises(OverflowError):
            TOKENS.build(FAMILY, generation)


def test_P25_the_key_is_of_this_purpose_alone() -> None:
    raw = parse_base64url(TOKEN.removeprefix(PREFIX).encode())
    assert raw is not None
    key = derive_key(NOW, "asgi-security", "refresh token")
    count = (7).to_bytes(6)
    message = (25).to_bytes(4) + FAMILY + (6).to_bytes(4) + count
    assert raw == FAMILY + count + hmac.digest(key, message, "sha256")
    for wrong in (NOW.reveal(), derive_key(NOW, "asgi-security", "cookie")):
        forged = FAMILY + count + hmac.digest(wrong, message, "sha256")
        assert TOKENS.parse(PREFIX + encode_base64url(forged).decode()) is None


@pytest.mark.parametrize("secret", [OLD, OLDER])
def test_R81_retired_secrets_verify_and_the_current_one_signs(secret: Secret) -> None:
    made = RefreshTokenFormat(secret).build(FAMILY, 7)
    assert made != TOKEN
    assert TOKENS.parse(made) == RefreshToken(FAMILY, 7)
    assert RefreshTokenFormat(NOW).parse(made) is None
    assert RefreshTokenFormat(OTHER, [OLD]).parse(TOKEN) is None


@pytest.mark.parametrize("suffix", ["=", "==", " ", "\0", "\n", "A", "AAAA", ".", "\ud800", "é"])
def test_R86_nothing_may_be_added(suffix: str) -> None:
    for text in (TOKEN + suffix, suffix + TOKEN, TOKEN[: -len(suffix)] + suffix):
        assert text == TOKEN or TOKENS.parse(text) is None


def test_R86_no_character_may_change() -> None:
    alphabet = string.ascii_letters + string.digits + "-_=+/. "
    for place, character in enumerate(TOKEN):
        for other in alphabet:
            if other != character:
                assert TOKENS.parse(TOKEN[:place] + other + TOKEN[place + 1 :]) is None


def test_R86_every_length_but_one_is_refused() -> None:
    for size in (*range(len(TOKEN)), 10_000_000):
        assert TOKENS.parse((TOKEN * (size // len(TOKEN) + 1))[:size]) is None


def test_R86_a_wrong_token_costs_one_mac_for_each_key(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[bytes] = []
    compute = hmac.digest

    def count(key: bytes, message: bytes, algorithm: str) -> bytes:
        counted.append(key)
        return compute(key, message, algorithm)

    monkeypatch.setattr(hmac, "digest", count)
    for text in (TOKEN, RefreshTokenFormat(OLDER).build(FAMILY, 7), PREFIX + "A" * 84):
        counted.clear()
        TOKENS.parse(text)
        assert len(set(counted)) == len(counted) == 3


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="R86 nothing"),
        pytest.param(PREFIX, id="R86 the prefix alone"),
        pytest.param("asgi_xx_" + TOKEN[8:], id="R86 another prefix"),
        pytest.param("é" * TOKEN_CHARACTERS, id="R86 no ASCII"),
        pytest.param(PREFIX + "é" * 84, id="R86 no ASCII behind the prefix"),
        pytest.param(PREFIX + "\ud800" * 84, id="R86 lone surrogates"),
        pytest.param(PREFIX + "+" * 84, id="R86 the other alphabet"),
        pytest.param("e30.e30.c2ln", id="R90 a JWT"),
        pytest.param(
            PurposeSigner(NOW, purpose=("asgi-security", "refresh token")).sign(FAMILY).decode(),
            id="R90 a signed cookie",
        ),
    ],
)
def test_what_is_no_token_is_refused(text: str) -> None:
    assert TOKENS.parse(text) is None


@given(
    st.text(max_size=200)
    | st.binary(min_size=63, max_size=63)
    .map(encode_base64url)
    .map(lambda text: PREFIX + text.decode())
)
def test_R86_untrusted_text_never_raises(text: str) -> None:
    assert TOKENS.parse(text) is None


def test_R89_no_repr_shows_an_id() -> None:
    token = TOKENS.parse(TOKEN)
    assert repr(token) == "RefreshToken(generation=7)"
    assert "asgi_rt" not in repr(TOKENS)
