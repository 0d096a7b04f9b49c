"""One request, read: what the function of an endpoint is given."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asgi_security.asgi.cookies import find_cookies
from asgi_security.asgi.headers import get_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from asgi_security.flows.visits import Visit
    from asgi_security.policy.session_state import Session
    from asgi_security.principal import Principal

LONGEST_TEXT = 4096
_ID = re.compile(r"[\x21-\x7e]{1,128}\Z")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read: what an endpoint's function needs of it.

    `account` is the id of who is signed in, None for nobody. `is_form` says that a browser without
    script sent it, which can only follow links.
    """

    request: Request
    fields: Mapping[str, Any] = field(repr=False)
    visit: Visit
    account: str | None
    principal: Principal | None
    session: Session | None
    is_form: bool

    def text(self, name: str) -> str | None:
        """Return a field that is a text of a sensible length, else None."""
        value = self.fields.get(name)
        return value if isinstance(value, str) and len(value) <= LONGEST_TEXT else None

    def path(self, name: str) -> str:
        """Return what a path names, "" for what can be no id of ours: nobody has that one.

        A store is not asked for it: to a database, a NUL is no text at all.
        """
        value = str(self.request.path_params[name])
        return value if _ID.match(value) else ""

    @property
    def family(self) -> str | None:
        """The handle of the login with tokens that asks: the `sid` of its access token."""
        sid = None if self.principal is None else self.principal.claims.get("sid")
        return sid if isinstance(sid, str) else None

    def cookies(self, name: str) -> tuple[str, ...]:
        """Return the different values of one cookie, eight at most."""
        return find_values(self.request, name)


def find_values(request: Request, cookie: str) -> tuple[str, ...]:
    """Return the different values of one cookie, eight at most."""
    lines = get_values(request.scope["headers"], b"cookie")
    return tuple(value.decode("latin-1") for value in find_cookies(lines, cookie.encode()))
