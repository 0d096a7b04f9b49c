"""Decides what the fields of a request body are: a form's, or the members of a JSON object.

What could be read in two ways is refused: a field that is given twice, a type that is
not announced.

Source: RFC 8259 (JSON), WHATWG URL section 5 (application/x-www-form-urlencoded), RFC 9110 section
8.3 (Content-Type).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAXIMUM_FIELDS = 64

FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class FieldsRead:
    """The fields by name. A form's values are text; those of JSON are whatever JSON can say."""

    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    is_form: bool = False


@dataclass(frozen=True, slots=True)
class FieldsRefused:
    """The body cannot be read: `status` is 400 or 415, `code` stable."""

    status: int
    code: str


FieldsDecision: TypeAlias = FieldsRead | FieldsRefused

_MALFORMED = FieldsRefused(400, "MALFORMED_BODY")
_AMBIGUOUS = FieldsRefused(400, "AMBIGUOUS_BODY")
_TYPE = FieldsRefused(415, "UNSUPPORTED_BODY_TYPE")


def parse_fields(body: bytes, *, types: Sequence[bytes]) -> FieldsDecision:
    """Read the fields of a body that is whole and within its bound. Never raises.

    Args:
        types: the lines of Content-Type. An empty body needs none.
    """
    if len(types) > 1:
        return _TYPE
    essence, _, parameters = (types[0] if types else b"").decode("latin-1").lower().partition(";")
    essence = essence.strip()
    if essence == FORM_TYPE:
        return _read_form(body, parameters)
    if essence == "application/json" or essence.endswith("+json"):
        return _read_json(body)
    return _TYPE if body or essence else FieldsRead()


def _read_form(body: bytes, parameters: str) -> FieldsDecision:
    if parameters.strip() not in ("", "charset=utf-8", 'charset="utf-8"'):
        return _TYPE
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=MAXIMUM_FIELDS
        )
    except ValueError:  # bad escapes too
        return _MALFORMED
    fields = dict(pairs)
    return _AMBIGUOUS if len(fields) != len(pairs) else FieldsRead(fields, is_form=True)


def _read_json(body: bytes) -> FieldsDecision:
    if not body:
        return FieldsRead()
    try:
        pairs = json.loads(body.decode(), object_pairs_hook=_build_members)
        # A lone surrogate is a legal escape, and no text that a store can keep.
        json.dumps(pairs, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return _MALFORMED
    return FieldsRead(pairs) if type(pairs) is dict else _MALFORMED


def _build_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given twice")
    return members
