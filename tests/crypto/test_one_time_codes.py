"""One-time codes against the vectors of their RFCs, and recovery codes that people type."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.crypto import one_time_codes
from asgi_security.crypto.one_time_codes import (
    DIGITS_DRAW_BYTES,
    MAXIMUM_RECOVERY_LETTERS,
    MINIMUM_RECOVERY_LETTERS,
    TOTP_SECRET_BYTES,
    TotpKey,
    build_recovery_code,
    compute_hotp,
    compute_recovery_digest,
    compute_step,
    count_recovery_bytes,
    draw_digits,
    encode_base32,
    find_step,
    parse_code,
    parse_totp_key,
)

SECRET = b"12345678901234567890"  # RFC 4226 appendix D, RFC 6238 appendix B
KEY = TotpKey(SECRET)
NOW = 1_700_000_010.0
STEP = int(NOW // 30)


@pytest.mark.parametrize(
    ("counter", "code"),
    list(
        enumerate(
            (
                *("755224", "287082", "359152", "969429", "338314"),
                *("254676", "287922", "162583", "399871", "520489"),
            )
        )
    ),
)
def test_F97_hotp_vectors_of_rfc_4226(counter: int, code: str) -> None:
    assert compute_hotp(SECRET, counter) == code


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ],
)
def test_F97_totp_vectors_of_rfc_6238(now: int, code: str) -> None:
    assert compute_hotp(SECRET, compute_step(now), digits=8) == code
    key = TotpKey(SECRET, digits=8)
    assert find_step(key, code, now=now, window=0) == now // 30


@pytest.mark.parametrize(
    ("now", "step"),
    [(0.0, 0), (29.999, 0), (30.0, 1), (-1.0, 0), (1e12, int(1e12 // 30))],
)
def test_steps_begin_on_the_second(now: float, step: int) -> None:
    assert compute_step(now) == step


@pytest.mark.parametrize(
    ("offset", "window", "is_found"),
    [
        pytest.param(0, 1, True, id="F97 the present step"),
        pytest.param(-1, 1, True, id="F97 the step before"),
        pytest.param(1, 1, True, id="F97 the step after"),
        pytest.param(-2, 1, False, id="F97 two before"),
        pytest.param(2, 1, False, id="F97 two after"),
        pytest.param(0, 0, True, id="F97 window=0 the present step"),
        pytest.param(-1, 0, False, id="F97 window=0 the step before"),
        pytest.param(1, 0, False, id="F97 window=0 the step after"),
    ],
)
def test_window(offset: int, window: int, is_found: bool) -> None:  # noqa: FBT001 -- a table
    code = compute_hotp(SECRET, STEP + offset)
    found = find_step(KEY, code, now=NOW, window=window)
    assert found == (STEP + offset if is_found else None)


def test_F97_every_step_is_compared_whichever_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    class Watched:
        digest = staticmethod(hmac.digest)

        @staticmethod
        def compare_digest(first: bytes, second: bytes) -> bool:
            compared.append(first)
            return hmac.compare_digest(first, second)

    monkeypatch.setattr(one_time_codes, "hmac", Watched)
    expected = [compute_hotp(SECRET, STEP + offset).encode() for offset in (-1, 0, 1)]
    for typed in (*(code.decode() for code in expected), "000000", "x"):
        compared.clear()
        find_step(KEY, typed, now=NOW)
        assert compared == expected


def test_the_latest_of_two_steps_with_one_code_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_time_codes, "compute_hotp", lambda *_args, **_named: "123456")
    assert find_step(KEY, "123456", now=NOW) == STEP + 1


def test_no_step_lies_before_the_epoch() -> None:
    assert find_step(KEY, compute_hotp(SECRET, 0), now=5.0) == 0
    assert find_step(KEY, compute_hotp(SECRET, 1), now=5.0) == 1


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\u0661\u0662\u0663\u0664\u0665\u0666", id="F97 Arabic digits"),
        pytest.param("\uff11\uff12\uff13\uff14\uff15\uff16", id="F97 fullwidth digits"),
        pytest.param("12345\u00b2", id="F97 superscript"),
        pytest.param("12345", id="F97 too short"),
        pytest.param("1234567", id="F97 too long"),
        pytest.param(" 23456", id="F97 blank"),
        pytest.param("+23456", id="F97 sign"),
        pytest.param("12_456", id="F97 underscore"),
        pytest.param("123456\n", id="F97 newline"),
        pytest.param("", id="F97 nothing"),
        pytest.param("\ud800" * 6, id="F97 lone surrogates"),
    ],
)
def test_strict_digits(text: str) -> None:
    assert parse_code(text, digits=6) is None
    assert find_step(KEY, text, now=NOW) is None


@given(st.text(alphabet="0123456789", min_size=6, max_size=6))
def test_plain_digits_are_taken_as_they_are(text: str) -> None:
    assert parse_code(text, digits=6) == text


@pytest.mark.parametrize(
    ("digits", "step_seconds"), [(6, 30), (7, 60), (8, 15)], ids=["usual", "seven", "eight"]
)
def test_keys_are_packed_and_read_back(digits: int, step_seconds: int) -> None:
    key = TotpKey(SECRET, digits, step_seconds)
    assert parse_totp_key(key.pack()) == key


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes((6, 30)) + SECRET[:-1], id="too short"),
        pytest.param(bytes((6, 30)) + SECRET + b"x", id="too long"),
        pytest.param(bytes((5, 30)) + SECRET, id="five digits"),
        pytest.param(bytes((9, 30)) + SECRET, id="nine digits"),
        pytest.param(bytes((6, 0)) + SECRET, id="no time"),
    ],
)
def test_what_is_no_key(packed: bytes) -> None:
    assert parse_totp_key(packed) is None


def test_keys_do_not_show_their_secret() -> None:
    assert "1234567890" not in repr(KEY)
    assert TOTP_SECRET_BYTES * 8 == 160


@pytest.mark.parametrize(
    ("number", "digits", "code"),
    [
        pytest.param(0, 6, "000000", id="P43 zero"),
        pytest.param(42, 6, "000042", id="P43 leading zeros"),
        pytest.param(1_234_567, 6, "234567", id="P43 the remainder"),
        pytest.param(2**64 - 2**64 % 10**6 - 1, 6, "999999", id="P43 the last whole multiple"),
        pytest.param(2**64 - 2**64 % 10**6, 6, None, id="P43 past the last whole multiple"),
        pytest.param(2**64 - 1, 8, None, id="P43 the last number"),
    ],
)
def test_digits_are_drawn_without_bias(number: int, digits: int, code: str | None) -> None:
    assert draw_digits(number.to_bytes(DIGITS_DRAW_BYTES, "big"), digits=digits) == code


def test_P43_every_code_is_drawn_equally_often() -> None:
    # One byte and two digits, tried out whole: 200 of 256 bytes count, each code twice.
    drawn = [draw_digits(bytes((byte,)), digits=2) for byte in range(256)]
    assert {code: drawn.count(code) for code in drawn if code is not None} == {
        f"{number:02}": 2 for number in range(100)
    }


def test_base32_is_what_the_apps_take() -> None:
    assert encode_base32(SECRET) == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert encode_base32(b"a") == "ME"


@given(st.binary(min_size=15, max_size=15))
def test_F98_recovery_codes_hold_120_bits_however_they_are_typed(random: bytes) -> None:
    code = build_recovery_code(random)
    assert [len(group) for group in code.split("-")] == [4] * 6
    assert b32decode(code.replace("-", "")) == random
    digest = compute_recovery_digest(code)
    assert digest == hashlib.sha256(code.replace("-", "").encode()).hexdigest()
    for typed in (code.lower(), code.replace("-", ""), f" {code.replace('-', ' ')} "):
        assert compute_recovery_digest(typed) == digest


@given(st.data(), st.integers(MINIMUM_RECOVERY_LETTERS, MAXIMUM_RECOVERY_LETTERS))
def test_P34_P42_recovery_codes_of_every_length(data: st.DataObject, letters: int) -> None:
    size = count_recovery_bytes(letters)
    assert (size - 1) * 8 < letters * 5 <= size * 8
    code = build_recovery_code(data.draw(st.binary(min_size=size, max_size=size)), letters=letters)
    groups = code.split("-")
    assert sum(map(len, groups)) == letters
    assert {len(group) for group in groups[:-1]} == {4}
    digest = compute_recovery_digest(code)
    assert digest is not None
    assert compute_recovery_digest(code.lower().replace("-", " ")) == digest


def test_P34_every_letter_of_a_recovery_code_is_drawn() -> None:
    for letters in range(MINIMUM_RECOVERY_LETTERS, MAXIMUM_RECOVERY_LETTERS + 1):
        size = count_recovery_bytes(letters)
        last = build_recovery_code(b"\xff" * size, letters=letters)
        assert last.replace("-", "") == "7" * letters


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("", id="F98 nothing"),
        pytest.param("A" * 22, id="F98 too short"),
        pytest.param("A" * 49, id="F98 too long"),
        pytest.param("A" * 23 + "1", id="F98 no letter of base32"),
        pytest.param("A" * 23 + "\n", id="F98 newline"),
        pytest.param("A" * 23 + "\uff21", id="F98 fullwidth letter"),
        pytest.param("A" * 23 + "\u0131", id="F98 dotless i, I in capitals"),
        pytest.param("A" * 24 + "-" * 41, id="F98 padded without end"),
    ],
)
def test_what_is_no_recovery_code(typed: str) -> None:
    assert compute_recovery_digest(typed) is None


@given(st.text(max_size=80))
def test_no_text_raises(typed: Any) -> None:
    compute_recovery_digest(typed)
    find_step(KEY, typed, now=NOW)
