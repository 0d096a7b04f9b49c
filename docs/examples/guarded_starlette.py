"""Starlette behind the guards, as a plain `middleware=[...]` list.

Run it: uvicorn guarded_starlette:app --app-dir docs/examples
"""

import os
import secrets

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from asgi_security import (
    CorsMiddleware,
    JwtMiddleware,
    SecurityHeadersMiddleware,
    SessionMiddleware,
    current,
)

# One per deployment, from its environment; a random one ends all sessions at every restart.
SECRET = os.environ.get("APP_SECRET") or secrets.token_urlsafe(32)


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def visits(request: Request) -> Response:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JSONResponse({"visits": request.session["visits"]})


async def me(request: Request) -> Response:
    principal = current().principal
    return PlainTextResponse(principal.subject if principal else "anonymous")


app = Starlette(
    routes=[Route("/", hello), Route("/visits", visits), Route("/me", me)],
    middleware=[
        Middleware(SecurityHeadersMiddleware),
        Middleware(
            CorsMiddleware, allow_origins=["https://app.example.com"], allow_credentials=True
        ),
        Middleware(SessionMiddleware, secret=SECRET),
        Middleware(JwtMiddleware, secret=SECRET, algorithms=["HS256"], optional=True),
    ],
)
