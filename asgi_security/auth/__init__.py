"""Assembles: all flows around accounts over one store and one secret, and the routes to them.

    auth = Auth(store, secret=..., site_url="https://app.example.com", sender=sender)
    app = Starlette(routes=[Mount("/auth", auth_pages(auth)), ...])
    app = auth.harden(app)

`auth_pages` are the endpoints and plain HTML pages to use them; `auth_routes` the endpoints alone.
Where a framework mounts no ASGI apps, `mount_auth(app, auth)` serves the pages beside any app.

Everything is there without HTTP, too: `auth.login.sign_in(...)`, `auth.accounts.register(...)`.
"""

from __future__ import annotations

from asgi_security.auth.flows import Auth
from asgi_security.auth.openapi import add_openapi, describe_auth
from asgi_security.auth.pages import auth_pages, mount_auth
from asgi_security.auth.routes import auth_routes

__all__ = ["Auth", "add_openapi", "auth_pages", "auth_routes", "describe_auth", "mount_auth"]
