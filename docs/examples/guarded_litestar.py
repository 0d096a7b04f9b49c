"""Litestar behind the guards, by `harden`.

Run it: uvicorn guarded_litestar:app --app-dir docs/examples
"""

import os
import secrets

from litestar import Litestar, MediaType, get

from asgi_security import (
    CorsConfig,
    JwtConfig,
    SessionConfig,
    current,
    harden,
)

# One per deployment, from its environment; a random one ends all sessions at every restart.
SECRET = os.environ.get("APP_SECRET") or secrets.token_urlsafe(32)


@get("/", media_type=MediaType.TEXT)
async def hello() -> str:
    return "hello"


@get("/visits")
async def visits() -> dict[str, int]:
    session = current().session
    session["visits"] = session.get("visits", 0) + 1
    return {"visits": session["visits"]}


@get("/me", media_type=MediaType.TEXT)
async def me() -> str:
    principal = current().principal
    return principal.subject if principal else "anonymous"


app = harden(
    Litestar([hello, visits, me]),
    cors=CorsConfig(allow_origins=["https://app.example.com"], allow_credentials=True),
    sessions=SessionConfig(secret=SECRET),
    jwt=JwtConfig(secret=SECRET, algorithms=["HS256"], optional=True),
)
