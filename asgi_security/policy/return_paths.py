r"""Decides where a browser may be sent after its login: to a page of this site, or nowhere.

A return address comes from whoever made the link. Sent there unread, every user arrives at a page
of the attacker's choice straight from a login that he trusts. Browsers take `\` for `/`, drop tabs
and line ends, and read `https:e` as a relative address of another scheme, so that what looks like
a path to us may be another host to them: all of it is turned away.

Source: WHATWG URL section 4.4 (parsing), RFC 3986 sections 3.3 and 5.2.4, CWE-601.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from asgi_security.policy.origins import parse_origin

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_RETURN_CHARACTERS = 2048

_PATH = re.compile(r"/(?!/)[^\x00-\x20\x7f\\]*\Z")
_UNESCAPED = re.compile(r"[^!#-;=?-\]_a-z~]")  # what an address holds only escaped
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?=[/?#]|\Z)", re.IGNORECASE)
_ABSOLUTE = re.compile(r"([a-z][a-z0-9+.-]*://[^/?#]+)([/?#].*)?\Z", re.DOTALL)


def parse_return_path(text: object) -> str | None:
    r"""Return a path of this site, ready for a `Location` header, or None for anything else.

    What an address holds only escaped comes back so: letters beyond ASCII, quotes, braces. Dot
    segments are refused, as no page links to one.

    >>> parse_return_path("/orders?page=2#last")
    '/orders?page=2#last'
    >>> [parse_return_path(text) for text in ("//evil.example", "/\\evil.example", "https:evil")]
    [None, None, None]
    """
    if not isinstance(text, str) or len(text) > MAX_RETURN_CHARACTERS:
        return None
    if _PATH.match(text) is None:
        return None
    path = re.split(r"[?#]", text, maxsplit=1)[0]
    if _DOT_SEGMENT.search(path) is not None:
        return None
    try:
        escaped = _UNESCAPED.sub(lambda found: quote(found[0]), text)
    except UnicodeEncodeError:  # a lone surrogate
        return None
    return escaped if len(escaped) <= MAX_RETURN_CHARACTERS else None


def parse_return_target(text: object, *, origins: Collection[str] = ()) -> str | None:
    """Return a path of this site, or an address at one of exactly these origins; None for others.

    Args:
        text: what the link said.
        origins: as browsers send them: `https://app.example.com`, without a path.

    >>> parse_return_target("https://app.example.com/x", origins={"https://app.example.com"})
    'https://app.example.com/x'
    >>> parse_return_target("https://app.example.com.evil/", origins={"https://app.example.com"})
    """
    if not isinstance(text, str) or len(text) > MAX_RETURN_CHARACTERS:
        return None
    absolute = _ABSOLUTE.match(text)
    if absolute is None:
        return parse_return_path(text)
    origin, rest = absolute[1], absolute[2] or "/"
    if origin not in origins or parse_origin(origin.encode("utf-8", "surrogatepass")) is None:
        return None
    path = parse_return_path(rest if rest.startswith("/") else f"/{rest}")
    return None if path is None else origin + path
