"""Accounts without any framework: register, log in with a second factor, reset, and see sessions.

Run it: uvicorn accounts_bare:app --app-dir docs/examples
Then open http://127.0.0.1:8000/ - mails are printed where uvicorn runs.
"""

import os
import secrets

from asgi_security import SecurityHeadersConfig, SqliteStore
from asgi_security.auth import Auth, mount_auth
from asgi_security.flows.sending import ConsoleSender
from asgi_security.guards import access_errors, check, requires

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


async def build_page(path: str) -> tuple[int, bytes, bytes]:
    if path == "/":
        return 200, b"text/html", b'<a href="/auth/login?next=/me">Log in</a>'
    if path == "/me":
        principal = await check(requires())
        return 200, b"text/plain", f"you are {principal.subject}".encode()
    return 404, b"text/plain", b"no such page"


async def live(receive, send):
    """Close what is open when the server stops (the lifespan of the ASGI specification)."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await auth.drain()  # mails that are under way
    await auth.store.aclose()
    await send({"type": "lifespan.shutdown.complete"})


async def pages(scope, receive, send):
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    if scope["type"] != "http":
        raise RuntimeError(f"no {scope['type']} here")
    status, content_type, body = await build_page(scope["path"])
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


app = auth.harden(mount_auth(access_errors(pages), auth), headers=SecurityHeadersConfig.strict())
