"""Writes a JSON value as the only bytes that spell it, so that it can be hashed and signed.

Two ways to spell one value would be two hashes of one record; and a reader that puts a value back
into bytes must arrive at those that were signed.

Source: RFC 8785 (JCS) section 3.2, ECMA-262 section 6.1.6.1.20 (numbers as text), RFC 7493 section
2.2 (integers that a double holds exactly).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from json.encoder import encode_basestring
from math import isfinite
from typing import Any, NoReturn

MAX_SAFE_INTEGER = 2**53 - 1
"""Beyond it a reader that holds numbers as doubles sees another number than was written."""

MAX_DEPTH = 64
"""As deep as `strict_json` reads: what is written here can be read there."""

_SURE_DIGITS = 15
_FEW_DIGITS = 21


def encode_canonical_json(value: object) -> bytes:
    r"""Return the canonical bytes of None, a boolean, a number, text, a list or a mapping.

    >>> encode_canonical_json({"b": [1.0, 1e-7, 1e21], "a": "\u20ac\n"})
    b'{"a":"\xe2\x82\xac\\n","b":[1,1e-7,1e+21]}'

    Raises:
        ValueError: It holds anything else, such as NaN, an integer beyond 2^53 - 1, a lone
            surrogate, a name that is no text, or more than 64 levels.
    """
    parts: list[str] = []
    _write(value, parts.append, MAX_DEPTH)
    return "".join(parts).encode()  # a lone surrogate is a UnicodeEncodeError: a ValueError


def parse_canonical_json(data: bytes) -> Any:
    """Return the value that canonical bytes spell; None for any others (and for `null`).

    >>> parse_canonical_json(b'{"a":1}')
    {'a': 1}
    >>> parse_canonical_json(b'{"a": 1}') is None
    True
    """
    try:
        value = _decode(data.decode())
        return value if encode_canonical_json(value) == data else None
    except (ValueError, RecursionError):
        return None


def _write(value: object, write: Any, depth: int) -> None:
    scalar = _spell(value)
    if scalar is not None:
        write(scalar)
    elif depth == 0:
        raise ValueError(f"more than {MAX_DEPTH} levels")
    elif isinstance(value, Mapping):
        _write_object(value, write, depth - 1)
    elif isinstance(value, (list, tuple)):
        separator = "["
        for item in value:
            write(separator)
            separator = ","
            _write(item, write, depth - 1)
        write("]" if value else "[]")
    else:
        raise ValueError(f"JSON has no {type(value).__name__}")


def _spell(value: object) -> str | None:
    """Return what is no list and no mapping."""
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if abs(value) > MAX_SAFE_INTEGER:
            raise ValueError("an integer beyond 2^53 - 1; write it as text")
        return str(int(value))  # of an IntEnum the number
    return format_number(value) if isinstance(value, float) else None


def _write_object(value: Mapping[Any, Any], write: Any, depth: int) -> None:
    separator = "{"
    for name in _sort(value):
        write(separator)
        write(encode_basestring(name))
        write(":")
        separator = ","
        _write(value[name], write, depth)
    write("}" if value else "{}")


def _sort(names: Mapping[Any, Any]) -> list[str]:
    if not all(isinstance(name, str) for name in names):
        raise ValueError("a name that is no text")
    if all(map(str.isascii, names)):
        return sorted(names)
    # By UTF-16 code units, where an emoji comes before U+FB33 though its code point is higher.
    return sorted(names, key=lambda name: name.encode("utf-16-be"))


def format_number(value: float) -> str:
    """Return a finite double as ECMAScript writes it: with the fewest digits that read back.

    >>> format_number(1e20), format_number(-0.0), format_number(0.000001)
    ('100000000000000000000', '0', '0.000001')

    Raises:
        ValueError: It is infinite or not a number.
    """
    if not isfinite(value):
        raise ValueError("not a finite number")
    if value == 0:
        return "0"  # of either sign
    # Python finds the same digits; only where the point and the exponent stand differs.
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = float.__repr__(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if 0 < point <= _FEW_DIGITS:
        head, tail = digits[:point].ljust(point, "0"), digits[point:]
        return f"{sign}{head}.{tail}" if tail else sign + head
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{point - 1:+d}"


def _read_integer(text: str) -> float:
    # Up to 1e21 a double is written without an exponent: what no safe integer is, was one.
    if len(text) <= _SURE_DIGITS or abs(int(text)) <= MAX_SAFE_INTEGER:
        return int(text)
    return float(text)


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("duplicate member name")
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_decode = json.JSONDecoder(
    object_pairs_hook=_read_object, parse_constant=_refuse_constant, parse_int=_read_integer
).decode
