"""Serves: all pages, those of the account as those before it.

* `GET` the pages of `EndpointConfig`, and `/verify`.
* `GET /pages.css`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from asgi_security.endpoints.pages.account import AccountPage
from asgi_security.endpoints.pages.documents import STYLE_NAME, read_style
from asgi_security.endpoints.pages.entering import EntryPages
from asgi_security.endpoints.pages.showing import ShownPages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from asgi_security.endpoints.pages.account import Ask
    from asgi_security.endpoints.pages.places import Places
    from asgi_security.endpoints.serving.answers import Answer
    from asgi_security.endpoints.serving.calls import Call
    from asgi_security.endpoints.serving.front import Front
    from asgi_security.flows.account_records import AccountRecords


class PageEndpoints:
    """The pages, and what forms are answered with where that is a page, too.

    A page that the configuration has outside of the folder is the app's own, and not served.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._entry = EntryPages(places)
        self._shown = ShownPages(places, self._entry)

    def draw(self, call: Call, answer: Answer, page: str) -> Answer | None:
        """Make a page of the answer to a form: for `Front`."""
        return self._shown.draw(call, answer, page)

    def build_routes(
        self, front: Front, accounts: AccountRecords, asks: Mapping[str, Ask]
    ) -> list[Route]:
        """Return the routes, for a Router or a Mount.

        Args:
            asks: as of `AccountPage`.
        """
        config, entry = self._places.config, self._entry
        served: dict[str, Ask] = {
            config.login_page: entry.login,
            config.register_page: entry.register,
            config.forgot_page: entry.forgot,
            config.reset_page: entry.reset,
            self._places.at("verify"): entry.verify,
            config.account_page: AccountPage(self._places, accounts, asks).account,
        }
        if self._places.has_mfa:
            served |= {config.code_page: entry.code, config.enrolment_page: entry.enrol}
        routes = [Route(f"/{STYLE_NAME}", _serve_style, methods=["GET"], name="pages:style")]
        for page, function in served.items():
            path = self._places.find_own(page)
            if path is not None:
                # A page that fails leads to the login, which needs no store.
                routes.append(front.route(path, function, method="GET", page=config.login_page))
        return routes


async def _serve_style(request: Request) -> Response:
    del request
    headers = {"cache-control": "public, max-age=86400"}  # its address changes with it
    return Response(read_style(), media_type="text/css", headers=headers)
