"""A site to log in at through a provider, and the page on which the provider asks for consent.

The provider is the process of the OAuth tests, which takes everybody for whom it is told to: the
page in front of it asks, and hands its answers on.
"""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING

import httpx
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Mount, Route

from asgi_security import MemoryStore, SecurityHeadersConfig, current
from asgi_security.auth import Auth, auth_pages
from asgi_security.guards import requires
from asgi_security.policy.oauth import OAuthConfig
from asgi_security.storage.protocols import Account
from tests.browsers.sites import MEMBERS, MEMBERS_HOST, PROVIDER, PROVIDER_HOST
from tests.flows.account_world import OFFLINE, QUICK, Mailbox, make_hash
from tests.flows.oauth_world import build_oidc, start_provider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from asgi_security.asgi.types import ASGIApp

_CONSENT = """<!doctype html><title>Consent</title><link rel=icon href=data:,>
<form method=post>
<button name=user value=alice>I am Alice</button>
<button name=user value=dave>I am Dave</button>
<button name=user value=nobody>No</button>
</form>"""


class Members:
    """The site, under the strict profile, with all that is kept of its members."""

    def __init__(self) -> None:
        self.issuer = f"{start_provider()}/fine.{token_hex(8)}"
        provider = build_oidc(
            self.issuer,
            authorization_endpoint=f"{PROVIDER}/authorize",
            token_endpoint=f"{self.issuer}/token",
            jwks_url=f"{self.issuer}/jwks",
            sends_issuer=True,
        )
        self.store = MemoryStore()
        self.auth = Auth(
            self.store,
            secret="members-" * 5,
            site_url=MEMBERS,
            sender=Mailbox(),
            hasher=QUICK,
            policy=OFFLINE,
            oauth=OAuthConfig(providers=[provider]),
            path="",
        )

    def build_apps(self) -> Mapping[str, ASGIApp]:
        """Return the site and the page of the provider, by their hosts."""
        site = Starlette(routes=[Route("/me", show_me), Mount("", auth_pages(self.auth))])
        consent = [
            Route("/authorize", ask_consent),
            Route("/authorize", self.take_consent, methods=["POST"]),
        ]
        strict = SecurityHeadersConfig.strict()
        return {
            MEMBERS_HOST: self.auth.harden(site, headers=strict),
            PROVIDER_HOST: Starlette(routes=consent),
        }

    async def take_consent(self, request: Request) -> Response:
        """Lead back to the site with what the provider answers."""
        user = str((await request.form())["user"])
        return RedirectResponse(await self.answer(request.url.query, user), 303)

    async def answer(self, query: str, user: str) -> str:
        """Return where the provider leads who has consented as this user."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{self.issuer}/authorize?{query}&as={user}")
        return answer.headers["location"]

    async def add(self, name: str, password: str) -> str:
        """Add an account with a password, and return its id."""
        account = Account(
            id=token_hex(8),
            name=name,
            password_hash=await make_hash(password),
            is_verified=True,
            created_at=0,
        )
        await self.store.accounts.create(account)
        return account.id


@requires()
async def show_me(request: Request) -> Response:
    principal = current().principal
    assert principal is not None
    return PlainTextResponse(f"you are {principal.subject}")


async def ask_consent(request: Request) -> Response:
    return HTMLResponse(_CONSENT)
