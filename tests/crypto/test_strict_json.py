from __future__ import annotations

import copy
import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.crypto.strict_json import FrozenDict, FrozenList, parse_json_object

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(value=st.dictionaries(st.text(), VALUES, max_size=5))
@settings(max_examples=100, deadline=None)
def test_it_reads_what_json_writes(value: dict[str, Any]) -> None:
    data = json.dumps(value).encode()
    assert parse_json_object(b" \r\n\t" + data + b"\n") == json.loads(data)


@given(data=st.binary(max_size=60) | st.text(alphabet='{}[]",:1a\\ ').map(str.encode))
@settings(max_examples=300, deadline=None)
def test_it_never_raises(data: bytes) -> None:
    value = parse_json_object(data)
    assert value is None or type(value) is FrozenDict


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="J58 nothing"),
        pytest.param(b"[]", id="J58 not an object"),
        pytest.param(b'"{}"', id="J58 a string"),
        pytest.param(b"null", id="J58 null"),
        pytest.param(b"{}x", id="J58 more behind it"),
        pytest.param(b"{} {}", id="J58 two objects"),
        pytest.param(b'{"a":1,"a":1}', id="J58 duplicate member"),
        pytest.param(b'{"a":{"b":1,"b":2}}', id="J58 duplicate member, nested"),
        pytest.param(b'{"a":[{"b":1,"b":2}]}', id="J58 duplicate member in an array"),
        pytest.param(b'{"a":1,"\\u0061":2}', id="J58 duplicate member, escaped"),
        pytest.param(b'{"a":"\xff"}', id="J58 invalid UTF-8"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', id="J58 a surrogate as UTF-8"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', id="J58 byte order mark"),
        pytest.param('{"a":1}'.encode("utf-16"), id="J58 UTF-16"),
        pytest.param(b'{"a":"\\ud800"}', id="J58 lone surrogate"),
        pytest.param(b'{"\\udfff":1}', id="J58 lone surrogate in a name"),
        pytest.param(b'{"a":NaN}', id="J53 NaN"),
        pytest.param(b'{"a":-Infinity}', id="J53 Infinity"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", id="J53 5000 digits"),
        pytest.param(b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", id="J58 deep arrays"),
        pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, id="J58 deep objects"),
        pytest.param(b'{"a":' + b"[" * 65 + b"]" * 65 + b"}", id="J58 one level too deep"),
        pytest.param(b"[" * 20_000, id="J58 unclosed arrays"),
        pytest.param(b'{"a":\x0b1}', id="J58 a space JSON does not know"),
    ],
)
def test_it_refuses(data: bytes) -> None:
    assert parse_json_object(data) is None


def test_brackets_side_by_side_or_in_text_are_not_deep() -> None:
    value = {"a": [[]] * 100, "b": '[{"\\' * 100}
    assert parse_json_object(json.dumps(value).encode()) == value
    assert parse_json_object(b'{"a":' + b"[" * 63 + b"]" * 63 + b"}") is not None


def test_an_escaped_pair_of_surrogates_is_a_character() -> None:
    assert parse_json_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


CHANGES: list[Callable[[Any], object]] = [
    lambda v: v.__setitem__("a", 1),
    lambda v: v.__delitem__("a"),
    lambda v: v.__ior__({"a": 1}),
    lambda v: v.update(a=1),
    lambda v: v.pop("a"),
    lambda v: v.popitem(),
    lambda v: v.setdefault("z", 1),
    lambda v: v.clear(),
    lambda v: v["b"].__setitem__(0, 1),
    lambda v: v["b"].__delitem__(0),
    lambda v: v["b"].__iadd__([1]),
    lambda v: v["b"].__imul__(2),
    lambda v: v["b"].append("admin"),
    lambda v: v["b"].extend(["admin"]),
    lambda v: v["b"].insert(0, "admin"),
    lambda v: v["b"].pop(),
    lambda v: v["b"].remove("x"),
    lambda v: v["b"].reverse(),
    lambda v: v["b"].sort(),
    lambda v: v["b"].clear(),
    lambda v: v["b"][1].append(1),
    lambda v: v["b"][2].update(a=1),
]


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_in_it_can_be_changed(change: Callable[[Any], object]) -> None:
    value = parse_json_object(b'{"a":1,"b":["x",[1],{"c":2}]}')
    with pytest.raises(TypeError, match="read-only"):
        change(value)
    assert value == {"a": 1, "b": ["x", [1], {"c": 2}]}


def test_copies_are_plain_and_can_be_changed() -> None:
    value = parse_json_object(b'{"b":["x",[1],{"c":2}]}')
    assert value is not None
    assert type(value["b"]) is FrozenList
    for made in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):  # noqa: S301
        made["b"][1].append(2)
        assert made == {"b": ["x", [1, 2], {"c": 2}]}
    assert value == {"b": ["x", [1], {"c": 2}]}
