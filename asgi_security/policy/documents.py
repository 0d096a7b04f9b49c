"""Decides what a signed or stored payload looks like: one JSON line about it, one JSON object.

A newline parts the two: the body can be kept, compared and signed again without being decoded.

Source: RFC 8259 (JSON).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# A cycle is found as nesting too deep, so nothing need be noted of what is under way.
_encoder = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)
_decode = json.JSONDecoder().raw_decode


def _build_encode() -> Callable[[object], str]:
    """Return `_encoder.encode`, in half its time where Python has the accelerator.

    `encode` makes this very object anew for every call.
    """
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _encoder.encode
    write = make(
        *(None, _encoder.default, json.encoder.encode_basestring_ascii, None),
        *(_encoder.key_separator, _encoder.item_separator, False, False, False),
    )
    return lambda value: "".join(write(value, 0))


_encode = _build_encode()


def encode_json(value: object) -> bytes:
    """Return compact ASCII JSON.

    Raises:
        TypeError: for what JSON has no word for.
        ValueError: for NaN, infinity, cycles, nesting too deep and integers too long to print.
    """
    try:
        return _encode(value).encode("ascii")
    except RecursionError:
        raise ValueError("nested too deeply for JSON") from None


def parse_json(raw: bytes) -> Any:
    """Return the value that JSON text stands for, or None for what is none.

    Never raises: nesting, huge integers and bad UTF-8 are as good as absent, and so is space
    around the value.
    """
    try:
        text = raw.decode()
        value, end = _decode(text)
    except (ValueError, RecursionError):
        return None
    return value if end == len(text) else None


def parse_object(raw: bytes) -> dict[str, Any] | None:
    """Return a JSON object, or None for anything else."""
    value = parse_json(raw)
    return value if type(value) is dict else None


def join_document(head: object, body: bytes) -> bytes:
    """Put the line about a payload before the payload."""
    return encode_json(head) + b"\n" + body


def parse_document(raw: bytes) -> tuple[list[Any], bytes] | None:
    """Split a document into its head, a JSON list, and its body; None for what is none."""
    head, newline, body = raw.partition(b"\n")
    if not newline:
        return None
    fields = parse_json(head)
    return (fields, body) if type(fields) is list else None


def is_instant(value: object) -> bool:
    """Tell whether a decoded value can be seconds since the epoch: JSON lets 1e400 and true in."""
    return type(value) in {int, float} and 0 <= value < 1e11  # type: ignore[operator]
