"""One spelling for every value, that of RFC 8785."""

from __future__ import annotations

import json
import os
import struct
from enum import IntEnum, StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.crypto.canonical_json import (
    MAX_DEPTH,
    encode_canonical_json,
    format_number,
    parse_canonical_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "rfc8785.json"


def load_cases() -> Iterator[Any]:
    if not VECTORS.exists():
        reason = f"no vectors at {VECTORS}: copy cyberphone/json-canonicalization testdata"
        if os.environ.get("CI"):
            raise FileNotFoundError(reason)
        # A newcomer's machine need not have the files, which are no part of this repository.
        yield pytest.param("", "", marks=pytest.mark.skip(reason=reason), id="rfc8785")
        return
    for case in json.loads(VECTORS.read_text())["cases"]:
        yield pytest.param(case["input"], case["canonical_hex"], id=f"H81 {case['name']}")


@pytest.mark.parametrize(("given_text", "canonical"), list(load_cases()))
def test_the_vectors_of_the_authors(given_text: str, canonical: str) -> None:
    data = bytes.fromhex(canonical)
    assert encode_canonical_json(json.loads(given_text)) == data
    assert encode_canonical_json(parse_canonical_json(data)) == data


def test_H81_the_sample_of_section_3_2() -> None:
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert encode_canonical_json(value) == (
        b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        b'"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_H81_the_order_of_section_3_2_3() -> None:
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = encode_canonical_json(dict.fromkeys(names, 0))
    expected = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert list(json.loads(written)) == expected


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        pytest.param(bits, expected, id=f"H81 {expected}")
        for bits, expected in [
            # RFC 8785 appendix B.
            ("0000000000000000", "0"),
            ("8000000000000000", "0"),
            ("0000000000000001", "5e-324"),
            ("8000000000000001", "-5e-324"),
            ("7fefffffffffffff", "1.7976931348623157e+308"),
            ("ffefffffffffffff", "-1.7976931348623157e+308"),
            ("4340000000000000", "9007199254740992"),
            ("c340000000000000", "-9007199254740992"),
            ("4430000000000000", "295147905179352830000"),
            ("44b52d02c7e14af5", "9.999999999999997e+22"),
            ("44b52d02c7e14af6", "1e+23"),
            ("44b52d02c7e14af7", "1.0000000000000001e+23"),
            ("444b1ae4d6e2ef4e", "999999999999999700000"),
            ("444b1ae4d6e2ef4f", "999999999999999900000"),
            ("444b1ae4d6e2ef50", "1e+21"),
            ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
            ("3eb0c6f7a0b5ed8d", "0.000001"),
            ("41b3de4355555553", "333333333.3333332"),
            ("41b3de4355555554", "333333333.33333325"),
            ("41b3de4355555555", "333333333.3333333"),
            ("41b3de4355555556", "333333333.3333334"),
            ("41b3de4355555557", "333333333.33333343"),
            ("becbf647612f3696", "-0.0000033333333333333333"),
            ("43143ff3c1cb0959", "1424953923781206.2"),
        ]
    ],
)
def test_numbers(bits: str, expected: str) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert format_number(value) == expected
    data = encode_canonical_json([value])
    assert encode_canonical_json(parse_canonical_json(data)) == data


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param([], b"[]", id="empty list"),
        pytest.param({}, b"{}", id="empty mapping"),
        pytest.param((1, [2, {}], "x"), b'[1,[2,{}],"x"]', id="tuple"),
        pytest.param(MappingProxyType({"b": 1, "a": 2}), b'{"a":2,"b":1}', id="any mapping"),
        pytest.param({Colour.RED: Colour.RED}, b'{"red":"red"}', id="enumerated text"),
        pytest.param(Level.HIGH, b"3", id="enumerated number"),
        pytest.param(2**53 - 1, b"9007199254740991", id="H81 largest integer"),
        pytest.param(1 - 2**53, b"-9007199254740991", id="H81 smallest integer"),
        pytest.param("\x00\x1f\x7f\u2028", b'"\\u0000\\u001f\x7f\xe2\x80\xa8"', id="controls"),
    ],
)
def test_values(value: object, expected: bytes) -> None:
    assert encode_canonical_json(value) == expected


def nest(depth: int) -> object:
    value: object = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(float("nan"), id="H81 NaN"),
        pytest.param([float("inf")], id="H81 infinite"),
        pytest.param({"a": 2**53}, id="H81 integer too large"),
        pytest.param(-(2**53), id="H81 integer too small"),
        pytest.param("a\ud800", id="H81 lone surrogate"),
        pytest.param({"\udfff": 1}, id="H81 lone surrogate as a name"),
        pytest.param({1: 2}, id="name that is no text"),
        pytest.param({"a": 1, None: 2}, id="null as a name"),
        pytest.param(b"bytes", id="bytes"),
        pytest.param({"a": {1, 2}}, id="set"),
        pytest.param(nest(MAX_DEPTH + 1), id="too deep"),
    ],
)
def test_refused(value: object) -> None:
    with pytest.raises(ValueError):
        encode_canonical_json(value)


def test_as_deep_as_it_may_be_it_reads_back() -> None:
    data = encode_canonical_json(nest(MAX_DEPTH))
    assert parse_canonical_json(data) == nest(MAX_DEPTH)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"a": 1}', id="blank"),
        pytest.param(b'{"a":1}\n', id="end of line"),
        pytest.param(b'{"b":1,"a":1}', id="order"),
        pytest.param(b'{"a":1,"a":1}', id="name given twice"),
        pytest.param(b"[1.0]", id="number written longer"),
        pytest.param(b"[-0]", id="negative zero"),
        pytest.param(b"[9007199254740993]", id="integer that no double holds"),
        pytest.param(b"[1e400]", id="number beyond doubles"),
        pytest.param(b"[" + b"9" * 5000 + b"]", id="number of 5000 digits"),
        pytest.param(b"[NaN]", id="NaN"),
        pytest.param(b'["\\u0041"]', id="escape that need not be"),
        pytest.param(b'["\\ud800"]', id="lone surrogate"),
        pytest.param(b'["\\/"]', id="escaped slash"),
        pytest.param(b'["\\u001F"]', id="escape in upper case"),
        pytest.param(b'["\xff"]', id="no UTF-8"),
        pytest.param(b"\xef\xbb\xbf[]", id="byte order mark"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"[" * 65 + b"]" * 65, id="deeper than written"),
    ],
)
def test_no_other_spelling_is_read(data: bytes) -> None:
    assert parse_canonical_json(data) is None


def test_a_large_whole_double_reads_back_as_it_was_written() -> None:
    assert parse_canonical_json(b"[100000000000000000000]") == [1e20]
    assert parse_canonical_json(b"[1234567890123456]") == [1234567890123456]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**53, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_H81_written_and_read_is_the_same_value_and_the_same_bytes(value: object) -> None:
    data = encode_canonical_json(value)
    assert parse_canonical_json(data) == value
    assert encode_canonical_json(parse_canonical_json(data)) == data


@settings(max_examples=300, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_H81_every_double_reads_back(value: float) -> None:
    assert float(format_number(value)) == value
