"""The access token in a cookie: one name where it is written and where it is read (P49)."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from asgi_security import Auth, EndpointConfig, JwtConfig, MemoryStore, RefreshConfig, auth_routes
from asgi_security.errors import ConfigError
from tests.endpoints.site import NAME, ORIGIN, Site, find_cookie, show_who
from tests.flows.account_world import OFFLINE, QUICK, Mailbox

pytestmark = pytest.mark.anyio

KEYS: dict[str, Any] = {"secret": "r" * 32, "access_secret": "x" * 32}
SAME_SITE = {"sec-fetch-site": "same-origin"}


def build_auth(name: str | None, store: Any = None, **fields: Any) -> Auth:
    config = EndpointConfig(transport="bearer", refresh_cookie=True, access_cookie_name=name)
    given = {"secret": "s" * 32, "site_url": ORIGIN, "endpoints": config, **fields}
    return Auth(store or MemoryStore(), sender=Mailbox(), policy=OFFLINE, hasher=QUICK, **given)


async def open_site(name: str) -> Site:
    """Return a site whose tokens are in cookies."""
    site = Site(transport="bearer")
    site.auth = build_auth(name, site.store)
    routes = [Mount("/auth", auth_routes(site.auth)), Route("/whoami", show_who)]
    site.app = site.auth.harden(Starlette(routes=routes), transport="bearer")
    await site.add()
    return site


@pytest.mark.parametrize("name", ["svc_auth", "__Host-access"])
async def test_P22_P49_what_is_written_is_read(name: str) -> None:
    site = await open_site(name)
    browser = site.browser(**SAME_SITE)
    answer = await browser.sign_in()
    assert answer.status_code == 200
    assert "access_token" not in answer.json()
    assert "; Secure; HttpOnly; SameSite=Lax" in find_cookie(answer, name)
    assert await browser.whoami() == f"id-{NAME}"
    first = browser.client.cookies[name]
    renewed = await browser.post("/auth/refresh")
    assert renewed.status_code == 200, renewed.text
    assert browser.client.cookies[name] != first
    assert await browser.whoami() == f"id-{NAME}"
    left = await browser.post("/auth/logout")
    assert "Max-Age=0" in find_cookie(left, name)
    assert name not in browser.client.cookies
    assert await browser.whoami() is None


async def test_P49_under_another_name_it_is_nothing() -> None:
    site = await open_site("__Host-svc_auth")
    browser = site.browser(**SAME_SITE)
    await browser.sign_in()
    token = browser.client.cookies["__Host-svc_auth"]
    assert await site.browser(cookie=f"svc_auth={token}", **SAME_SITE).whoami() is None
    assert await site.browser(cookie=f"__Host-svc_auth={token}", **SAME_SITE).whoami() is not None


async def test_H65_another_site_cannot_use_it() -> None:
    site = await open_site("svc_auth")
    browser = site.browser(**SAME_SITE)
    await browser.sign_in()
    fields = {"current_password": "x", "password": "y"}
    browser.client.headers["sec-fetch-site"] = "cross-site"
    answer = await browser.post("/auth/change-password", **fields)
    assert answer.status_code == 403


def test_P49_the_reader_has_the_name_of_the_writer() -> None:
    assert build_auth("svc_auth").jwt.cookie_name == "svc_auth"
    assert build_auth(None).jwt.cookie_name is None
    own = {"refresh": RefreshConfig(**KEYS)}
    jwt: dict[str, Any] = {"secret": "x" * 32, "dangerously_accept_any_audience": True}
    assert build_auth("a", jwt=JwtConfig(**jwt), **own).jwt.cookie_name == "a"
    assert build_auth("a", jwt=JwtConfig(cookie_name="a", **jwt), **own).jwt.cookie_name == "a"
    assert build_auth(None, jwt=JwtConfig(cookie_name="b", **jwt), **own).jwt.cookie_name == "b"
    with pytest.raises(ConfigError, match="not the name that is written"):
        _ = build_auth("a", jwt=JwtConfig(cookie_name="b", **jwt), **own).jwt


def test_P49_no_mount_writes_another_name() -> None:
    auth = build_auth("svc_auth")
    assert auth_routes(auth, access_cookie_name="svc_auth").routes
    with pytest.raises(ConfigError, match="not that of the Auth"):
        auth_routes(auth, access_cookie_name="other")
