"""Accounts in FastAPI: register, log in with a second factor, reset, and see who is signed in.

Run it: uvicorn accounts_fastapi:app --app-dir docs/examples
Then open http://127.0.0.1:8000/ - mails are printed where uvicorn runs.
"""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse

from asgi_security import Principal, SecurityHeadersConfig, SqliteStore
from asgi_security.auth import Auth, add_openapi, auth_pages
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
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await auth.drain()  # mails that are under way
    await auth.store.aclose()


api = FastAPI(lifespan=lifespan)
api.mount("/auth", auth_pages(auth))
add_openapi(api, auth)  # /openapi.json and /docs list the accounts, too


@api.get("/", response_class=HTMLResponse)
async def home() -> str:
    return '<a href="/auth/login?next=/me">Log in</a>'


@api.get("/me", response_class=PlainTextResponse)
async def me(principal: Annotated[Principal, Depends(requires())]) -> str:
    return f"you are {principal.subject}"


app = auth.harden(api, headers=SecurityHeadersConfig.strict())
