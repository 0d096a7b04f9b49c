"""Reads the Cookie field of a request, and keeps a response that sets one out of shared caches.

Bytes in, bytes out: a name or value is never decoded, so that no character a decoder would map,
fold or strip can make one cookie look like another.

Source: RFC 6265 section 5.4 (the field), RFC 9113 section 8.2.3 (split over several lines),
RFC 9111 section 5.2.2 (what a response may tell caches).
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from asgi_security.asgi.headers import get_values, parse_list, set_header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asgi_security.asgi.types import HeaderList

_CANDIDATES = 8


def parse_cookies(lines: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    r"""Split the values of the Cookie field into pairs, in order, every duplicate kept.

    Never raises. A part without `=` is a value without a name and is left out. Only SP and HTAB
    are trimmed: `bytes.strip()` also takes VT, FF, FS, NEL and NBSP off, and with them a cookie
    that an attacker could set passes for one with a protected name (`\xa0__Host-session`).

    >>> parse_cookies([b"a=1; b=x=y", b"a=2"])
    [(b'a', b'1'), (b'b', b'x=y'), (b'a', b'2')]
    """
    pairs: list[tuple[bytes, bytes]] = []
    for line in lines:
        for part in line.split(b";"):
            name, equals, value = part.partition(b"=")
            if equals:
                pairs.append((name.strip(b" \t"), value.strip(b" \t")))
    return pairs


def find_cookies(lines: Sequence[bytes], name: bytes) -> tuple[bytes, ...]:
    """Return the different values of one cookie in order, eight at most.

    More than one is what cookie tossing from a sibling domain looks like; the bound keeps a
    request from buying any number of signature checks or store calls.

    >>> find_cookies([b"a=1; b=2; a=1; a=3"], b"a")
    (b'1', b'3')
    """
    if len(lines) == 1:
        before, here, rest = lines[0].partition(name)
        if not here:
            return ()
        # As browsers write it, and once: what most requests come to, in half the time of a search.
        if rest[:1] == b"=" and name not in rest and (not before or before.endswith(b"; ")):
            return (rest[1:].partition(b";")[0].strip(b" \t"),)
    search = _compile_search(name)
    values = [value for line in lines for value in search(line)]
    found = dict.fromkeys(value.rstrip(b" \t") for value in values)
    return tuple(islice(found, _CANDIDATES))


@lru_cache(maxsize=64)
def _compile_search(name: bytes) -> Callable[[bytes], list[bytes]]:
    # One pass in C. Each `;` begins at most one attempt, which reads its run of blanks once.
    return re.compile(rb"(?:^|;)[ \t]*" + re.escape(name) + rb"[ \t]*=[ \t]*([^;]*)").findall


def make_private(headers: HeaderList) -> bool:
    """Keep a response out of shared caches; tell whether the app had asked for one.

    A response that already says `private`, `no-store` or `no-cache` stays as it is: with an
    argument (`no-cache="set-cookie"`) they cover only the named fields, so those do not count.
    """
    for name, _ in headers:
        if name == b"cache-control":
            break
    else:
        headers.append((b"cache-control", b"private"))
        return False
    members = parse_list(get_values(headers, b"cache-control"))
    shared = [m for m in members if m == b"public" or m.startswith((b"public=", b"s-maxage"))]
    if not shared:
        if not {b"private", b"no-store", b"no-cache"}.intersection(members):
            headers.append((b"cache-control", b"private"))
        return False
    kept = [m for m in members if m not in shared and m != b"private"]
    set_header(headers, b"cache-control", b", ".join([*kept, b"private"]))
    return True
