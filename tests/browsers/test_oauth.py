"""Logging in at a provider in real browsers: out of a strict site, across sites, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import pytest

from tests.browsers.providers import Members
from tests.browsers.sites import EVIL, MEMBERS, PROVIDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.browsers.driving import Arrived, Page
    from tests.browsers.network import Network

NAME, PASSWORD = "dave@example.com", "seven lemon trees"
SESSION_COOKIE, ATTEMPT_COOKIE = "__Host-session", "__Host-oauth"


@pytest.fixture
def members(network: Network) -> Iterator[Members]:
    members = Members()
    apps = members.build_apps()
    network.sites.apps.update(apps)
    yield members
    for host in apps:
        del network.sites.apps[host]


def press(page: Page, text: str) -> Arrived:
    return page.follow(f'//*[self::a or self::button][normalize-space()="{text}"]')


def go_to_provider(page: Page) -> str:
    """Follow the link of the login, and return the query of the provider's page."""
    page.goto(f"{MEMBERS}/login?next=/me")
    assert page.violations == []
    arrived = press(page, "Log in with acme")
    assert arrived.url.startswith(f"{PROVIDER}/authorize?")
    return urlsplit(arrived.url).query


def log_in(page: Page, user: str) -> str:
    """Log in at the provider, and return who the site then takes the browser for."""
    go_to_provider(page)
    arrived = press(page, f"I am {user}")
    assert (arrived.status, arrived.url) == (200, f"{MEMBERS}/me")
    return page.read("body").removeprefix("you are ")


def test_O101_O102_from_the_link_to_a_session_and_again(members: Members, page: Page) -> None:
    first = log_in(page, "Alice")
    cookie = page.cookie(SESSION_COOKIE)
    assert cookie is not None
    wanted = {"secure": True, "httpOnly": True, "sameSite": "Lax", "path": "/"}
    assert {name: cookie.get(name) for name in wanted} == wanted
    page.goto(f"{MEMBERS}/account")
    assert page.run("return document.querySelectorAll('tbody tr').length;") == 2, (
        "one session, and one login at another site"
    )
    press(page, "Log out")
    assert page.goto(f"{MEMBERS}/me").status == 401
    assert log_in(page, "Alice") == first
    assert page.violations == []
    go_to_provider(page)
    arrived = press(page, "No")
    assert arrived.url.startswith(f"{MEMBERS}/login?error=ACCESS_DENIED")
    assert page.goto(f"{MEMBERS}/me").status == 200


def test_X113_form_links_an_identity_under_form_action(members: Members, page: Page) -> None:
    """The form goes to this site, its answer to another: `form-action` stops a redirected one."""
    account = anyio.run(members.add, NAME, PASSWORD)
    page.goto(f"{MEMBERS}/login?next=/account")
    page.type('//input[@name="username"]', NAME)
    page.type('//input[@name="password"]', PASSWORD)
    arrived = press(page, "Log in")
    assert arrived.url == f"{MEMBERS}/account"
    assert "form-action 'self'" in arrived.headers["content-security-policy"]
    page.press('//button[normalize-space()="Link a login at acme"]')
    page.reach(f"{PROVIDER}/authorize?")
    assert press(page, "I am Dave").url == f"{MEMBERS}/account"
    assert "acme" in page.run("return document.querySelectorAll('table')[1].innerText;")
    assert page.violations == []
    press(page, "Log out")
    assert log_in(page, "Dave") == account


def lead_astray(victim: Page, callback: str) -> None:
    """Lead a browser to the end of somebody else's login, from another site."""
    victim.goto(EVIL)
    arrived = victim.leave(f"location.href = {json.dumps(callback)}")
    assert arrived.status == 200
    assert victim.reach(f"{MEMBERS}/login?error=INVALID_STATE")
    assert "did not work" in victim.read("[role=alert]")
    assert victim.goto(f"{MEMBERS}/me").status == 401


def test_O99_answer_to_another_browser_is_refused(
    members: Members, open_page: Callable[[], Page]
) -> None:
    """Else a victim would go on, and pay, in the account of who has led them there."""
    attacker, victim = open_page(), open_page()
    callback = anyio.run(members.answer, go_to_provider(attacker), "alice")
    assert callback.startswith(f"{MEMBERS}/oauth/acme/callback?")
    lead_astray(victim, callback)
    go_to_provider(victim)
    assert victim.cookie(ATTEMPT_COOKIE) is not None
    lead_astray(victim, callback)  # nor does it help to have begun one's own
    assert attacker.goto(callback).status == 200, "who began it may end it"
    assert attacker.goto(f"{MEMBERS}/me").status == 200
