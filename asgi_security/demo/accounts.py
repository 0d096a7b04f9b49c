"""The accounts of the demo, with their pages, and a mailbox that keeps what is sent."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route, Router

from asgi_security.auth import Auth, auth_pages
from asgi_security.flows.sending import ConsoleSender
from asgi_security.policy.passwords import PasswordPolicy

if TYPE_CHECKING:
    from starlette.requests import Request

    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send
    from asgi_security.demo.guarded import World
    from asgi_security.flows.sending import Message, Sender

_HTTP = ("http", "websocket")


class Mailbox:
    """Keeps messages, for the walk to read like their recipient would."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> None:
        """Keep a message; called by the outbox, after the answer is on its way."""
        self.messages.append(message)


def add_accounts(
    app: ASGIApp, world: World, site_url: str, sender: Sender | None = None
) -> ASGIApp:
    """Serve accounts at /auth beside an app; mails are printed where no sender takes them."""
    auth = Auth(
        world.store,
        secret=secrets.token_urlsafe(48),
        site_url=site_url,
        site_name="asgi_security demo",
        sender=sender or ConsoleSender(events=world.report),
        policy=PasswordPolicy(breach_check=False),  # the demo asks nobody outside
        mfa=True,
        secure=False,
        clock=world.clock,
        events=world.report,
    )
    pages = auth_pages(auth, home_page="/auth/account")

    async def lead(request: Request) -> RedirectResponse:
        del request
        return RedirectResponse("/auth/account")

    guarded = auth.harden(Router([Route("/auth", lead), Mount("/auth", pages)]))

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] in _HTTP else ""
        chosen = guarded if path == "/auth" or path.startswith("/auth/") else app
        await chosen(scope, receive, send)

    return serve
