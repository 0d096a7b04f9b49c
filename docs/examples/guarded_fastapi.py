"""FastAPI behind the guards, by `add_middleware`: the last one added is the outermost.

Run it: uvicorn guarded_fastapi:app --app-dir docs/examples
"""

import os
import secrets
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse

from asgi_security import (
    CorsMiddleware,
    JwtMiddleware,
    SecurityContext,
    SecurityHeadersMiddleware,
    SessionMiddleware,
    current,
)

# One per deployment, from its environment; a random one ends all sessions at every restart.
SECRET = os.environ.get("APP_SECRET") or secrets.token_urlsafe(32)

app = FastAPI()
app.add_middleware(JwtMiddleware, secret=SECRET, algorithms=["HS256"], optional=True)
app.add_middleware(SessionMiddleware, secret=SECRET)
app.add_middleware(
    CorsMiddleware, allow_origins=["https://app.example.com"], allow_credentials=True
)
app.add_middleware(SecurityHeadersMiddleware)


@app.get("/", response_class=PlainTextResponse)
async def hello() -> str:
    return "hello"


@app.get("/visits")
async def visits(request: Request) -> dict[str, int]:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return {"visits": request.session["visits"]}


@app.get("/me", response_class=PlainTextResponse)
async def me(security: Annotated[SecurityContext, Depends(current)]) -> str:
    return security.principal.subject if security.principal else "anonymous"
