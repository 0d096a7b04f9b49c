"""What the fields of a body are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_security.policy.forms import MAXIMUM_FIELDS, FieldsRead, FieldsRefused, parse_fields

FORM = b"application/x-www-form-urlencoded"
JSON = b"application/json"


@pytest.mark.parametrize(
    ("body", "types", "fields"),
    [
        pytest.param(b"a=1&b=x%20y+z", [FORM], {"a": "1", "b": "x y z"}, id="form"),
        pytest.param(b"a=", [FORM + b"; charset=UTF-8"], {"a": ""}, id="form with charset"),
        pytest.param(b"a=%C3%A9", [b" " + FORM + b" "], {"a": "\u00e9"}, id="form of utf-8"),
        pytest.param(b"", [FORM], {}, id="empty form"),
        pytest.param(b'{"a":1,"b":["x"]}', [JSON], {"a": 1, "b": ["x"]}, id="json"),
        pytest.param(b'{"a":{}}', [b"application/x+json;v=1"], {"a": {}}, id="suffix"),
        pytest.param(b"", [JSON], {}, id="no json"),
        pytest.param(b"", [], {}, id="nothing"),
    ],
)
def test_fields(body: bytes, types: list[bytes], fields: dict[str, object]) -> None:
    read = parse_fields(body, types=types)
    assert isinstance(read, FieldsRead)
    assert read.fields == fields
    assert read.is_form is any(FORM in each for each in types)


@pytest.mark.parametrize(
    ("body", "types", "status", "code"),
    [
        pytest.param(b"a=1&a=2", [FORM], 400, "AMBIGUOUS_BODY", id="field twice"),
        pytest.param(b"a=%ff", [FORM], 400, "MALFORMED_BODY", id="escape that is no utf-8"),
        pytest.param(b"a=\xff", [FORM], 400, "MALFORMED_BODY", id="raw byte in a form"),
        pytest.param(
            b"&".join([b"%d=" % n for n in range(MAXIMUM_FIELDS + 1)]),
            [FORM],
            400,
            "MALFORMED_BODY",
            id="too many fields",
        ),
        pytest.param(b"a=1", [FORM + b";charset=utf-7"], 415, "UNSUPPORTED_BODY_TYPE", id="utf-7"),
        pytest.param(b'{"a":1,"a":2}', [JSON], 400, "MALFORMED_BODY", id="member twice"),
        pytest.param(b"[]", [JSON], 400, "MALFORMED_BODY", id="list"),
        pytest.param(b"{", [JSON], 400, "MALFORMED_BODY", id="cut"),
        pytest.param(b"\xff{}", [JSON], 400, "MALFORMED_BODY", id="json that is no utf-8"),
        pytest.param(b'{"a":"\\ud800"}', [JSON], 400, "MALFORMED_BODY", id="lone surrogate"),
        pytest.param(b'{"a":' * 100_000, [JSON], 400, "MALFORMED_BODY", id="nested too deeply"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", [JSON], 400, "MALFORMED_BODY", id="digits"),
        pytest.param(b'{"a":NaN}', [JSON], 400, "MALFORMED_BODY", id="no number"),
        pytest.param(b"x", [], 415, "UNSUPPORTED_BODY_TYPE", id="no type"),
        pytest.param(b"", [b"text/plain"], 415, "UNSUPPORTED_BODY_TYPE", id="text"),
        pytest.param(b"x", [b"multipart/form-data"], 415, "UNSUPPORTED_BODY_TYPE", id="multipart"),
        pytest.param(b"", [FORM, JSON], 415, "UNSUPPORTED_BODY_TYPE", id="two types"),
    ],
)
def test_refusals(body: bytes, types: list[bytes], status: int, code: str) -> None:
    assert parse_fields(body, types=types) == FieldsRefused(status, code)


def test_fields_are_not_shown() -> None:
    assert "hunter2" not in repr(parse_fields(b"password=hunter2", types=[FORM]))


@given(st.binary(max_size=200), st.lists(st.sampled_from([FORM, JSON, b"", b"\xff"]), max_size=2))
def test_never_raises(body: bytes, types: list[bytes]) -> None:
    parse_fields(body, types=types)


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(), max_size=5)
)
def test_json_comes_back(members: dict[str, int]) -> None:
    assert parse_fields(json.dumps(members).encode(), types=[JSON]) == FieldsRead(members)
