from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.crypto.base64url import encode_base64url, parse_base64url


@given(value=st.binary(max_size=100))
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read(value: bytes) -> None:
    text = encode_base64url(value)
    assert text == base64.urlsafe_b64encode(value).rstrip(b"=")
    assert parse_base64url(text) == value


@given(text=st.binary(max_size=40))
@settings(max_examples=300, deadline=None)
def test_every_value_has_one_spelling(text: bytes) -> None:
    value = parse_base64url(text)
    assert value is None or encode_base64url(value) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"Zg==", id="J51 padding"),
        pytest.param(b"Zm8=", id="J51 one padding character"),
        pytest.param(b"Zh", id="J51 unused bits of two characters"),
        pytest.param(b"Zm9", id="J51 unused bits of three characters"),
        pytest.param(b"Zm9vA", id="J51 a length no encoder makes"),
        pytest.param(b"Zm9v ", id="J51 trailing space"),
        pytest.param(b" Zm9v", id="J51 leading space"),
        pytest.param(b"Zm\n9v", id="J51 newline"),
        pytest.param(b"Zm+v", id="J51 the other alphabet, plus"),
        pytest.param(b"Zm/v", id="J51 the other alphabet, slash"),
        pytest.param(b"Zm\xffv", id="J51 a byte outside ASCII"),
        pytest.param(b"Zm!v", id="J51 the stand-in of our own translation"),
        pytest.param(b"====", id="J51 padding only"),
    ],
)
def test_other_spellings_are_refused(text: bytes) -> None:
    assert parse_base64url(text) is None


def test_the_empty_value_is_fine() -> None:
    assert parse_base64url(b"") == b""
