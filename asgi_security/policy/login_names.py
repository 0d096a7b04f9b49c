"""Decides: whose login a request attempts, from a body that its sender wrote with care.

The app behind may read the body by other rules than its headers announce: Starlette's
`request.json()` looks at no content type, and takes UTF-16 as well. So the name is looked for
wherever an app could find it, and a body that two apps could read as two different names is
refused. Otherwise one spelling would be counted and another one logged in.

Source: UAX 15 and Unicode 3.13 (NFKC, case folding), RFC 8265 (why one name has one form),
RFC 8259 (JSON), WHATWG URL section 5 (application/x-www-form-urlencoded).
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAXIMUM_NAME = 320  # RFC 5321 section 4.5.3.1: 64 characters, "@", 255
_CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii")


def normalise_login_name(name: str) -> str | None:
    r"""Return the one form of a login name, or None for one that nobody can have.

    Bounded before the work and after it: U+FDFA grows to 18 code points. Padding goes first, so
    that no name can be pushed past the bound by blanks that the app strips.

    >>> normalise_login_name(" ADMIN "), normalise_login_name("\uff21dmin")
    ('admin', 'admin')
    """
    name = name.strip()
    if not name or len(name) > _MAXIMUM_NAME:
        return None
    if name.isascii():
        return name.lower()
    folded = unicodedata.normalize("NFKC", name).casefold()
    folded = unicodedata.normalize("NFKC", folded).strip()
    if not folded or len(folded) > _MAXIMUM_NAME:
        return None
    try:
        folded.encode()
    except UnicodeEncodeError:  # a lone surrogate, from a JSON escape
        return None
    return folded


@dataclass(frozen=True, slots=True)
class NameFound:
    """The attempt is for this name, as it was typed."""

    name: str


@dataclass(frozen=True, slots=True)
class NoName:
    """No name that could be counted: the address alone is."""


@dataclass(frozen=True, slots=True)
class BodyRefused:
    """The app must not see this request: `status` is 400, 413 or 415, `code` stable."""

    status: int
    code: str


NameDecision: TypeAlias = NameFound | NoName | BodyRefused

_NO_NAME = NoName()
_AMBIGUOUS = BodyRefused(400, "AMBIGUOUS_LOGIN")
_MALFORMED = BodyRefused(400, "MALFORMED_LOGIN")
_TYPE = BodyRefused(415, "UNSUPPORTED_LOGIN_TYPE")
_TOO_LARGE = BodyRefused(413, "LOGIN_TOO_LARGE")


def check_body_length(values: Sequence[bytes], *, maximum_bytes: int) -> BodyRefused | None:
    """Refuse by Content-Length what is too large; one that is no number is left to the reading."""
    for value in values:
        if value.isdigit() and (len(value) > 18 or int(value) > maximum_bytes):
            return _TOO_LARGE
    return None


def check_body_type(types: Sequence[bytes], encodings: Sequence[bytes] = ()) -> BodyRefused | None:
    """Refuse a body that this module cannot read although the app might.

    Args:
        types: the lines of Content-Type. More than one: the app could read the other.
        encodings: the lines of Content-Encoding.
    """
    if len(types) > 1 or any(
        value.strip().lower() not in (b"", b"identity") for value in encodings
    ):
        return _TYPE
    for value in types:
        essence, *parameters = value.decode("latin-1").lower().split(";")
        if essence.strip().startswith("multipart/"):
            return _TYPE
        for parameter in parameters:
            name, _, charset = parameter.partition("=")
            # Django decodes a form by it: in UTF-7 every name has spellings without end.
            if name.strip() == "charset" and charset.strip().strip("\"'") not in _CHARSETS:
                return _TYPE
    return None


def parse_login_name(body: bytes, *, field: str, content_type: bytes = b"") -> NameDecision:
    """Find the login name in a form or in a top-level JSON object, whatever the body claims to be.

    Args:
        body: whole, and within the bound that was set for it.
        field: the name of the form's field or the object's member.
        content_type: the request's; it only settles which reading counts where both find one.
    """
    try:
        in_json = _find_in_json(body, field)
    except RecursionError:  # an app with a deeper parser would still read it
        return _MALFORMED
    found = in_json or ()
    if in_json is None or not _is_json_type(content_type):
        in_form = _find_in_form(body, field)
        if in_form is None or (in_form and found):
            return _AMBIGUOUS
        found = found or in_form
    if len(found) > 1:
        return _AMBIGUOUS
    name = found[0] if found else None
    return NameFound(name) if isinstance(name, str) else _NO_NAME


def _is_json_type(content_type: bytes) -> bool:
    return content_type.split(b";")[0].strip().lower().endswith(b"json")


def _skip(_number: str) -> None:
    """Convert no number."""


def _find_in_json(body: bytes, field: str) -> tuple[object, ...] | None:
    """Return every value of a top-level member; None when the body is no JSON object.

    As lenient as any parser behind could be: numbers are never converted, because one of 5 000
    digits is an error here and none in other parsers.
    """
    try:
        value = json.loads(
            body, strict=False, object_pairs_hook=tuple, parse_int=_skip, parse_float=_skip
        )
    except ValueError:
        return None
    if not isinstance(value, tuple):
        return None
    return tuple(member for name, member in value if name == field)


def _find_in_form(body: bytes, field: str) -> tuple[object, ...] | None:
    """Return every value of a form's field, None in place of one that is not UTF-8.

    None altogether if it matters whether ";" ends a field: some parsers say so. Browsers and
    libraries always escape one inside a value.
    """
    found = _find_in_fields(body.split(b"&"), field)
    if b";" in body and _find_in_fields(body.replace(b";", b"&").split(b"&"), field) != found:
        return None
    return found


def _find_in_fields(fields: Sequence[bytes], field: str) -> tuple[object, ...]:
    wanted = field.encode("utf-8", "surrogatepass")
    values: list[object] = []
    for pair in fields:
        name, _, value = pair.partition(b"=")
        if unquote_to_bytes(name.replace(b"+", b" ")) == wanted:
            try:
                values.append(unquote_to_bytes(value.replace(b"+", b" ")).decode())
            except UnicodeDecodeError:
                values.append(None)
    return tuple(values)
