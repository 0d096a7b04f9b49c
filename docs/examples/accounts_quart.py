"""Accounts in Quart: register, log in with a second factor, reset, and see who is signed in.

Run it: uvicorn accounts_quart:app --app-dir docs/examples
Then open http://127.0.0.1:8000/ - mails are printed where uvicorn runs.
"""

import os
import secrets

from quart import Quart

from asgi_security import SecurityHeadersConfig, SqliteStore, current
from asgi_security.auth import Auth, mount_auth
from asgi_security.flows.sending import ConsoleSender
from asgi_security.guards import AccessDenied, answer_denied, requires

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

app = Quart(__name__)
app.register_error_handler(AccessDenied, answer_denied)


@app.get("/")
async def home() -> str:
    return '<a href="/auth/login?next=/me">Log in</a>'


@app.get("/me")
@requires()
async def me() -> str:
    return f"you are {current().principal.subject}"


@app.after_serving
async def close() -> None:
    await auth.drain()  # mails that are under way
    await auth.store.aclose()


app.asgi_app = auth.harden(mount_auth(app.asgi_app, auth), headers=SecurityHeadersConfig.strict())
