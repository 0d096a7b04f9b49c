"""Edits a list of field lines without ever losing one that is not meant.

Every function takes a `HeaderList` whose names are in lower case, and changes it in place.

Source: RFC 9110 sections 5.3 (combining field lines) and 12.5.5 (Vary).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from asgi_security.asgi.types import Header, HeaderList

COMMON_NAMES = frozenset(
    (
        *(b"content-type", b"content-length", b"content-encoding", b"content-disposition"),
        *(b"cache-control", b"etag", b"last-modified", b"expires", b"age", b"date", b"server"),
        *(b"location", b"vary", b"set-cookie", b"accept-ranges", b"content-range", b"link"),
        *(b"allow", b"retry-after", b"transfer-encoding", b"connection", b"x-request-id"),
    )
)
"""Names that are common in responses, in lower case."""


def copy_headers(headers: Iterable[Header]) -> HeaderList:
    """Copy field lines, pairs of any iterable shape, into a fresh list with lower-case names."""
    return [(name.lower(), value) for name, value in headers]


def get_values(headers: HeaderList, name: bytes) -> list[bytes]:
    """Return every value of one field, in order."""
    return [value for key, value in headers if key == name]


def remove_headers(headers: HeaderList, names: Container[bytes]) -> None:
    """Remove every line of the named fields."""
    headers[:] = [pair for pair in headers if pair[0] not in names]


def set_header(headers: HeaderList, name: bytes, value: bytes) -> None:
    """Put one line in the place of all lines of that field."""
    remove_headers(headers, (name,))
    headers.append((name, value))


def parse_list(values: Iterable[bytes]) -> list[bytes]:
    """Split the values of a comma-separated field into members, in lower case.

    >>> parse_list([b"Accept-Encoding, origin", b"", b"COOKIE"])
    [b'accept-encoding', b'origin', b'cookie']
    """
    members = b",".join(values).lower().split(b",")
    return [member for member in (raw.strip(b" \t") for raw in members) if member]


def add_vary(headers: HeaderList, names: Iterable[bytes]) -> None:
    """Make the response vary on `names`, given as they are to be written.

    Names that stand there in any case are not repeated, `Vary: *` is left alone, and lines that
    the app sent are kept: missing names are one line more.
    """
    present = parse_list(value for key, value in headers if key == b"vary")
    if b"*" in present:
        return
    missing = [name for name in names if name.lower() not in present]
    if missing:
        headers.append((b"vary", b", ".join(missing)))
