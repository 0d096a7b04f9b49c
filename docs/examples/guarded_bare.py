"""A bare ASGI app behind the guards, by `harden`: no framework at all.

Run it: uvicorn guarded_bare:app --app-dir docs/examples
"""

import os
import secrets

from asgi_security import (
    CorsConfig,
    JwtConfig,
    SessionConfig,
    current,
    harden,
)

# One per deployment, from its environment; a random one ends all sessions at every restart.
SECRET = os.environ.get("APP_SECRET") or secrets.token_urlsafe(32)


def build_page(path: str) -> tuple[int, bytes, bytes]:
    if path == "/":
        return 200, b"text/plain", b"hello"
    if path == "/me":
        principal = current().principal
        return 200, b"text/plain", principal.subject.encode() if principal else b"anonymous"
    if path == "/visits":
        session = current().session
        session["visits"] = session.get("visits", 0) + 1
        return 200, b"application/json", b'{"visits": %d}' % session["visits"]
    return 404, b"text/plain", b"no such page"


async def pages(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError(f"no {scope['type']} here")
    status, content_type, body = build_page(scope["path"])
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


app = harden(
    pages,
    cors=CorsConfig(allow_origins=["https://app.example.com"], allow_credentials=True),
    sessions=SessionConfig(secret=SECRET),
    jwt=JwtConfig(secret=SECRET, algorithms=["HS256"], optional=True),
)
