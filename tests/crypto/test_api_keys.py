"""How API keys are spelt, and how one is told from another."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32decode, b32encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.crypto.api_keys import (
    ID_BYTES,
    SECRET_BYTES,
    build_api_key,
    compute_digest,
    matches_digest,
    parse_api_key,
)
from asgi_security.crypto.digests import KeyedDigests, build_message
from asgi_security.secret import Secret
from asgi_security.testing import SeededEntropy

ENTROPY = SeededEntropy("api keys")
ID, SECRET = ENTROPY(ID_BYTES), ENTROPY(SECRET_BYTES)
KEY = build_api_key("ak", ID, SECRET)
NEW, OLD, OLDER = (Secret(letter * 32) for letter in "nop")


def test_P50_the_format_can_be_read_by_anyone() -> None:
    """A scanner needs nothing of ours: prefix, id, and the secret with its checksum behind it."""
    prefix, key_id, end = KEY.text.split("_")
    assert (prefix, key_id, len(KEY.text)) == ("ak", KEY.id, 76)
    assert b32decode(key_id.upper()) == ID
    raw = b32decode(end.upper())
    assert raw[:32] == SECRET
    assert raw[32:] == hashlib.sha256(f"ak_{key_id}_".encode() + SECRET).digest()[:3]


def test_P50_the_secret_is_of_256_bits_and_is_not_shown() -> None:
    assert SECRET_BYTES * 8 == 256
    assert KEY.secret not in repr(KEY)
    assert KEY.id in repr(KEY)


@pytest.mark.parametrize("lengths", [(9, 32), (10, 31), (11, 32), (10, 33)])
def test_too_few_bytes_make_no_key(lengths: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="bytes"):
        build_api_key("ak", bytes(lengths[0]), bytes(lengths[1]))


prefixes = st.from_regex(r"[a-z0-9]{1,6}(_[a-z0-9]{1,6}){0,2}", fullmatch=True)


@given(
    prefixes,
    st.binary(min_size=ID_BYTES, max_size=ID_BYTES),
    st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES),
)
def test_what_is_built_is_read(prefix: str, id_bytes: bytes, secret_bytes: bytes) -> None:
    key = build_api_key(prefix, id_bytes, secret_bytes)
    assert parse_api_key(key.text, prefix=prefix) == key
    assert parse_api_key(key.text, prefix=prefix + "x") is None


@given(st.integers(0, len(KEY.text) - 1), st.characters(codec="latin-1"))
def test_P50_no_wrong_character_is_overlooked(place: int, character: str) -> None:
    """The checksum covers prefix, id and secret; the odds of 2^-24 were against it here."""
    wrong = KEY.text[:place] + character + KEY.text[place + 1 :]
    assert (parse_api_key(wrong, prefix="ak") is None) is (wrong != KEY.text)


@given(st.integers(3, len(KEY.text) - 2))
def test_P50_no_swapped_characters_are_overlooked(place: int) -> None:
    text = KEY.text
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    assert (parse_api_key(swapped, prefix="ak") is None) is (swapped != text)


@given(st.text())
def test_anything_else_is_no_key(text: str) -> None:
    assert parse_api_key(text, prefix="ak") is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(KEY.text[:-1], id="P50 cut"),
        pytest.param(KEY.text + "a", id="P50 longer"),
        pytest.param(KEY.text.upper(), id="P50 upper case"),
        pytest.param(KEY.text.replace("_", "-"), id="P50 other separators"),
        pytest.param(f"sk{KEY.text[2:]}", id="P50 other prefix"),
        pytest.param(f" {KEY.text[:-1]}", id="P50 blank"),
        pytest.param(f"ak_{KEY.id[:-1]}_a{KEY.secret}", id="P50 separator moved"),
        pytest.param(f"ak_{KEY.id[:-1]}é_{KEY.secret}", id="P50 beyond ASCII"),
        pytest.param("_" * 76, id="separators only"),
    ],
)
def test_what_no_key_was_ever_spelt_like(text: str) -> None:
    assert parse_api_key(text, prefix="ak") is None


def test_P50_the_checksum_is_bound_to_the_id() -> None:
    other = b32encode(ENTROPY(ID_BYTES)).decode().lower()
    assert parse_api_key(f"ak_{other}_{KEY.secret}", prefix="ak") is None


def test_P50_the_digest_is_keyed() -> None:
    digest = compute_digest(KeyedDigests(NEW), KEY)
    message = build_message("api key", KEY.id, KEY.secret)
    assert digest == hmac.digest(NEW.reveal(), message, "sha256")
    assert digest != compute_digest(KeyedDigests(OLD), KEY)


def test_P50_a_digest_matches_under_any_secret_that_still_counts() -> None:
    rotated = KeyedDigests(NEW, [OLD, OLDER])
    for secret in (NEW, OLD, OLDER):
        assert matches_digest(rotated, KEY, compute_digest(KeyedDigests(secret), KEY))
    stranger = compute_digest(KeyedDigests(Secret("q" * 32)), KEY)
    assert not matches_digest(rotated, KEY, stranger)
    assert not matches_digest(rotated, KEY, bytes(32))
    other = build_api_key("ak", ENTROPY(ID_BYTES), SECRET)
    assert not matches_digest(rotated, other, compute_digest(KeyedDigests(NEW), KEY))


def test_P50_every_secret_is_tried_whichever_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps *Constant-time because* true: as many comparisons for right as for wrong."""
    compared: list[bytes] = []
    real = hmac.compare_digest

    def count(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", count)
    rotated = KeyedDigests(NEW, [OLD, OLDER])
    for stored in (compute_digest(rotated, KEY), rotated.compute_old("x")[0], bytes(32)):
        compared.clear()
        matches_digest(rotated, KEY, stored)
        assert len(compared) == 3
