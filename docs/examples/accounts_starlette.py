"""Accounts in Starlette: register, log in with a second factor, reset, and see who is signed in.

Run it: uvicorn accounts_starlette:app --app-dir docs/examples
Then open http://127.0.0.1:8000/ - mails are printed where uvicorn runs.
"""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from asgi_security import SecurityHeadersConfig, SqliteStore, current
from asgi_security.auth import Auth, auth_pages
from asgi_security.flows.sending import ConsoleSender
from asgi_security.guards import requires

SITE = os.environ.get("SITE_URL", "http://127.0.0.1:8000")

auth = Auth(
    SqliteStore(os.environ.get("APP_DATABASE", "accounts.db")),
    # One per deployment, from its environment; a random one logs everybody out at every restart.
    secret=os.environ.get("APP_SECRET") or secrets.token_urlsafe(32),
    site_url=SITE,
    sender=ConsoleSender(),  # an app that is used sends mails
    mfa=True,
    secure=SITE.startswith("https:"),
)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    yield
    await auth.drain()  # mails that are under way
    await auth.store.aclose()


async def home(request: Request) -> Response:
    return HTMLResponse('<a href="/auth/login?next=/me">Log in</a>')


@requires()
async def me(request: Request) -> Response:
    return PlainTextResponse(f"you are {current().principal.subject}")


routes = [Route("/", home), Route("/me", me), Mount("/auth", auth_pages(auth))]
app = auth.harden(
    Starlette(routes=routes, lifespan=lifespan), headers=SecurityHeadersConfig.strict()
)
