"""Reads a JSON object of untrusted origin into a value that nobody can change afterwards.

What is refused, and why: duplicate member names (two readers may pick different ones), numbers
that are not finite, lone surrogates (they raise when they are written out again), and nesting
beyond what a token needs (it exhausts the stack of whoever walks it).

Source: RFC 8259, RFC 7493 (I-JSON) sections 2.1-2.3, RFC 7519 section 4 (duplicates).
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

_MAX_DEPTH = 64
_SPACE = " \t\r\n"
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[][{}]', re.DOTALL)


def _refuse_change(_self: object, *_args: object, **_kwargs: object) -> NoReturn:
    raise TypeError("verified values are read-only and shared; change a copy: dict(...), list(...)")


class FrozenDict(dict[str, Any]):
    """A JSON object as a real dict (comparable, serialisable) without any way to change it."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = (
        _refuse_change
    )

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        """Copy and pickle as a plain dict."""
        return dict, (dict(self),)


class FrozenList(list[Any]):
    """A JSON array as a real list without any way to change it."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = append = clear = extend = insert = (
        _refuse_change
    )
    pop = remove = reverse = sort = _refuse_change

    def __reduce__(self) -> tuple[type[list[Any]], tuple[list[Any]]]:
        """Copy and pickle as a plain list."""
        return list, (list(self),)


def _freeze_list(value: list[Any]) -> FrozenList:
    return FrozenList(_freeze_list(item) if type(item) is list else item for item in value)


def _build_flat_object(pairs: list[tuple[str, Any]]) -> FrozenDict:
    """Build one object without arrays; called by the decoder from the innermost outwards."""
    made = FrozenDict(pairs)
    if len(made) != len(pairs):
        raise ValueError("duplicate member name")
    return made


def _build_object(pairs: list[tuple[str, Any]]) -> FrozenDict:
    return _build_flat_object(
        [(name, _freeze_list(value) if type(value) is list else value) for name, value in pairs]
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


# The plain calls of the decoder are a third faster with `raw_decode`, which skips no space.
_decode = json.JSONDecoder(
    object_pairs_hook=_build_object, parse_constant=_refuse_constant
).raw_decode
_decode_flat = json.JSONDecoder(
    object_pairs_hook=_build_flat_object, parse_constant=_refuse_constant
).raw_decode


def _is_too_deep(text: str) -> bool:
    depth = 0
    for match in _STRUCTURE.finditer(text):
        character = match[0]
        if character in "[{":
            depth += 1
            if depth > _MAX_DEPTH:
                return True
        elif character in "]}":
            depth -= 1
    return False


def parse_json_object(data: bytes) -> FrozenDict | None:
    """Return the read-only object that `data` spells, or None if it is no acceptable one.

    >>> parse_json_object(b'{"a": [1, {"b": null}]}')
    {'a': [1, {'b': None}]}
    >>> parse_json_object(b'{"a": 1, "a": 2}') is None
    True
    """
    try:
        text = data.decode()
        if data[:1].isspace():
            text = text.lstrip(_SPACE)
        arrays = data.count(b"[")
        # A cheap upper bound of the depth; only what exceeds it is worth a walk.
        if arrays + data.count(b"{") > _MAX_DEPTH and _is_too_deep(text):
            return None
        value, end = (_decode if arrays else _decode_flat)(text)
        if type(value) is not FrozenDict or (end != len(text) and text[end:].strip(_SPACE)):
            return None
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode()
    except ValueError:  # bad UTF-8, bad JSON, 5 000 digits, a lone surrogate
        return None
    return value
