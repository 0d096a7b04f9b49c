"""Decides whether a path lies under a prefix, at the borders of segments.

`/api` holds `/api` and `/api/x`, and never `/apix`. Paths are compared as the app sees them:
normalising here what the router takes literally would open a way around it.

Source: RFC 3986 section 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asgi_security.validation import Findings


class PathPrefixes:
    """Some prefixes, asked as one.

    >>> PathPrefixes(["/api/"]).hold("/api/x"), PathPrefixes(["/api"]).hold("/apix")
    (True, False)
    """

    __slots__ = ("_pairs",)

    def __init__(self, prefixes: Iterable[str]) -> None:
        stems = [prefix.rstrip("/") for prefix in prefixes]
        self._pairs = tuple((stem, f"{stem}/") for stem in stems)

    def hold(self, path: str) -> bool:
        """Tell whether a path lies under any of the prefixes."""
        return any(path == exact or path.startswith(below) for exact, below in self._pairs)


def check_prefixes(findings: Findings, name: str, prefixes: Iterable[object]) -> None:
    """Note every prefix that is no absolute path."""
    for prefix in prefixes:
        if not isinstance(prefix, str) or not prefix.startswith("/"):
            findings.add(name, prefix, "no absolute path", f"write '/{prefix}'")
