from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.policy import documents
from asgi_security.policy.documents import (
    encode_json,
    is_instant,
    join_document,
    parse_document,
    parse_json,
    parse_object,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
DEEP = b"[" * 10_000 + b"]" * 10_000


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="C18 empty"),
        pytest.param(b"nonsense", id="C18 no JSON"),
        pytest.param(b"[1]", id="C18 a list"),
        pytest.param(b"null", id="C18 null"),
        pytest.param(b'"text"', id="C18 a string"),
        pytest.param(DEEP, id="C18 nested 10 000 deep"),
        pytest.param(b'{"a":' + DEEP + b"}", id="C18 nested within"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", id="C18 an integer of 5 000 digits"),
        pytest.param(b'{"a":"\xff"}', id="C18 bad UTF-8"),
        pytest.param(b'{"a":1} {}', id="C18 two documents"),
    ],
)
def test_what_is_no_object(raw: bytes) -> None:
    assert parse_object(raw) is None


@pytest.mark.parametrize("raw", [b"", b"[1]", b"{}\n{}", b"nonsense\n{}", b"\n{}", DEEP + b"\n{}"])
def test_what_is_no_document(raw: bytes) -> None:
    assert parse_document(raw) is None


def test_a_document_comes_apart_as_it_was_joined() -> None:
    body = encode_json({"text": "a\nb"})
    assert parse_document(join_document([1, None], body)) == ([1, None], body)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_only_python_calls_a_number(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode_json(value)


def test_nesting_too_deep_is_a_value_error() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(ValueError, match="deep"):
        encode_json(nested)


def test_a_cycle_is_nesting_too_deep() -> None:
    cycle: list[object] = []
    cycle.append({"a": cycle})
    with pytest.raises(ValueError, match="deep"):
        encode_json(cycle)
    assert encode_json([1]) == b"[1]"


@given(JSON)
def test_without_the_accelerator_the_text_is_the_same(value: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json.encoder, "c_make_encoder", None)
        plain = documents._build_encode()
    assert plain(value).encode() == encode_json(value)
    assert parse_json(encode_json(value)) == value


def test_what_json_has_no_word_for() -> None:
    with pytest.raises(TypeError):
        encode_json({"a": object()})


@pytest.mark.parametrize(
    ("value", "right"),
    [
        (0, True),
        (1_700_000_000.5, True),
        (True, False),
        (None, False),
        ("1", False),
        (-1, False),
        (float("inf"), False),
        (float("nan"), False),
        (10**400, False),
    ],
)
def test_instants(value: object, right: bool) -> None:  # noqa: FBT001
    assert is_instant(value) is right


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_what_is_written_is_read(value: object) -> None:
    assert parse_json(encode_json(value)) == value


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_reading_never_raises(raw: bytes) -> None:
    parse_document(raw)
    assert parse_object(b"\xff" + raw) is None
