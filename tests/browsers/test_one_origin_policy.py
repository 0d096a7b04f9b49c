"""One origin policy in real browsers: what CORS trusts, `connect-src` lets pages reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.responses import HTMLResponse, Response

from asgi_security import CorsConfig, MemoryStore, SecurityHeadersConfig, harden
from asgi_security.demo.guarded import World, build_app, build_guards

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asgi_security.asgi.types import ASGIApp
    from tests.browsers.driving import Page
    from tests.browsers.network import Network

PLAIN, CONNECTING = "plain.policy.test", "connecting.policy.test"
OPEN, LISTED, STRANGE = "open.service.test", "listed.service.test", "open.strange.test"
DEMO = "demo.policy.test"
PICTURE = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"
EMBED = """
    const image = new Image();
    image.src = %r;
    return await new Promise((resolve) => {
      image.onload = () => resolve("shown");
      image.onerror = () => resolve("blocked");
    });"""
CONNECT = """
    try {
      const socket = new WebSocket(%r);
      await new Promise((resolve) => { socket.onerror = socket.onopen = resolve; });
    } catch {}"""


@pytest.fixture(autouse=True)
def sites(network: Network) -> Iterator[None]:
    page = HTMLResponse("<!doctype html><title>page</title><link rel=icon href=data:,>")
    picture = Response(PICTURE, media_type="image/svg+xml")
    services = CorsConfig(allow_origins=["https://*.service.test"])
    public = CorsConfig(allow_origins=["*"])
    api = SecurityHeadersConfig.api()
    world = World(MemoryStore())
    strict = SecurityHeadersConfig.strict(connect_origins=services)
    apps: dict[str, ASGIApp] = {
        PLAIN: harden(page, headers=None),
        CONNECTING: harden(page, headers=strict, cors=services),
        OPEN: harden(picture, headers=api, cors=public),
        STRANGE: harden(picture, headers=api, cors=public),
        LISTED: harden(picture, headers=api, cors=CorsConfig(allow_origins=[f"https://{PLAIN}"])),
        DEMO: build_guards(
            build_app(world), world, secure=True, headers=SecurityHeadersConfig.strict()
        ),
    }
    network.sites.apps.update(apps)
    yield
    for host in apps:
        del network.sites.apps[host]


def test_pages_connect_to_whom_cors_trusts_and_to_nobody_else(page: Page) -> None:
    page.goto(f"https://{CONNECTING}/")
    assert page.fetch(f"https://{OPEN}/")["text"] == PICTURE
    # The service refuses the handshake, being no server of WebSockets: the browser has tried.
    page.run(CONNECT % f"wss://{OPEN}/")
    assert page.violations == []
    assert page.fetch(f"https://{STRANGE}/") == {"error": "TypeError"}
    page.run(CONNECT % f"wss://{STRANGE}/")
    assert page.violations == [
        f"connect-src https://{STRANGE}/ enforce",
        f"connect-src wss://{STRANGE}/ enforce",
    ]


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        pytest.param(OPEN, "shown", id="CORS70 everyone may read it, and embed it"),
        pytest.param(LISTED, "blocked", id="CORS70 only who is named may read it"),
    ],
)
def test_an_api_is_embedded_as_its_cors_policy_says(page: Page, host: str, shown: str) -> None:
    page.goto(f"https://{PLAIN}/")
    assert page.run(EMBED % f"https://{host}/") == shown
    # CORP stops nobody who asks by CORS.
    assert page.fetch(f"https://{host}/")["text"] == PICTURE


def test_the_page_of_the_demo_works_under_the_strict_profile(page: Page) -> None:
    page.goto(f"https://{DEMO}/")
    page.read("#request td + td")
    page.run("document.getElementById('visit').click()")
    counted = "[...document.querySelectorAll('#request tr')].some(r => r.innerText == 'visits\\t1')"
    assert page.run(f"return await until(() => {counted})") is True
    assert page.run("return getComputedStyle(document.body).maxWidth") == "960px"
    assert page.violations == []
