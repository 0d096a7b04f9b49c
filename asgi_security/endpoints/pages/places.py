"""Knows where the pages and the endpoints are that they lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from asgi_security.policy.return_paths import parse_return_path

if TYPE_CHECKING:
    from asgi_security.policy.endpoints import EndpointConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What is where, and what there is.

    `folder` is where the router is mounted, such as "/auth". `providers` are the names of those
    that users may log in at.
    """

    config: EndpointConfig
    folder: str
    site_name: str
    providers: tuple[str, ...] = ()
    has_mfa: bool = False
    has_mailed_codes: bool = False

    def at(self, path: str) -> str:
        """Return the address of an endpoint within the folder."""
        return f"{self.folder}/{path}"

    def find_own(self, page: str) -> str | None:
        """Return the route of a page within the folder; None for one that is the app's own."""
        within = page.removeprefix(f"{self.folder}/")
        return None if within == page else f"/{within}"


def build_link(page: str, **query: str | None) -> str:
    """Return the address of a page with what it is to know."""
    known = {name: value for name, value in query.items() if value is not None}
    if not known:
        return page
    return f"{page}{'&' if '?' in page else '?'}{urlencode(known)}"


def find_next(value: object) -> str | None:
    """Return where somebody wanted to go, if that is a page of this site."""
    return parse_return_path(value)
