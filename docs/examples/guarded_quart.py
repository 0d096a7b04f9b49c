"""Quart behind the guards, by `harden` around its ASGI entry.

Run it: uvicorn guarded_quart:app --app-dir docs/examples
"""

import os
import secrets

from quart import Quart

from asgi_security import (
    CorsConfig,
    JwtConfig,
    SessionConfig,
    current,
    harden,
)

# One per deployment, from its environment; a random one ends all sessions at every restart.
SECRET = os.environ.get("APP_SECRET") or secrets.token_urlsafe(32)

app = Quart(__name__)
app.asgi_app = harden(
    app.asgi_app,
    cors=CorsConfig(allow_origins=["https://app.example.com"], allow_credentials=True),
    sessions=SessionConfig(secret=SECRET),
    jwt=JwtConfig(secret=SECRET, algorithms=["HS256"], optional=True),
)


@app.get("/")
async def hello() -> str:
    return "hello"


@app.get("/visits")
async def visits() -> dict[str, int]:
    session = current().session
    session["visits"] = session.get("visits", 0) + 1
    return {"visits": session["visits"]}


@app.get("/me")
async def me() -> str:
    principal = current().principal
    return principal.subject if principal else "anonymous"
