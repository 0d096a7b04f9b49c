"""Signing in at a real provider over HTTP, from the button to the session."""

from __future__ import annotations

import time
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from asgi_security.policy.mfa import MfaConfig
from asgi_security.policy.oauth import OAuthConfig
from asgi_security.testing import FakeClock
from tests.endpoints.site import PAGE, Site, find_cookie, find_query
from tests.flows.account_world import Watched
from tests.flows.oauth_world import REDIRECT, build_oidc, start_provider

if TYPE_CHECKING:
    from tests.endpoints.site import Browser

pytestmark = pytest.mark.anyio

both = pytest.mark.parametrize("transport", ["session", "bearer"])
COOKIE = "__Host-oauth"


def build_site(
    fault: str = "fine",
    store: Any = None,
    *,
    transport: str = "session",
    oauth: dict[str, Any] | None = None,
    changes: dict[str, Any] | None = None,
    **options: Any,
) -> Site:
    """Return a site with a provider that does one thing wrong, or none."""
    issuer = f"{start_provider()}/{fault}.{token_hex(8)}"
    given: dict[str, Any] = {"trust_email": True, **(changes or {})}
    provider = build_oidc(issuer, **given)
    config = OAuthConfig(providers=[provider], **(oauth or {}))
    return Site(store, transport=transport, oauth=config, clock=FakeClock(time.time()), **options)


async def begin(browser: Browser, query: str = "") -> str:
    """Press the button; return where the browser is sent."""
    answer = await browser.get(f"/auth/oauth/acme/login{query}")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def visit(url: str, user: str = "alice") -> str:
    """Log in at the provider; return the query that the browser comes back with."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{url}&as={user}")
    assert answer.status_code == 302, answer.text
    location = answer.headers["location"]
    assert location.partition("?")[0] == REDIRECT.format("acme")
    return urlsplit(location).query


async def begin_to_be_refused(browser: Browser, error: str) -> str:
    """Press the button; return the query with which the provider says no."""
    state = dict(httpx.QueryParams(urlsplit(await begin(browser)).query))["state"]
    oauth = browser.site.auth.oauth
    assert oauth is not None
    issuer = oauth.config.providers[0].issuer
    return str(httpx.QueryParams(state=state, error=error, error_description="<b>", iss=issuer))


async def come_back(browser: Browser, query: str, **request: Any) -> httpx.Response:
    return browser.keep(await browser.get(f"/auth/oauth/acme/callback?{query}", **request))


async def log_in(browser: Browser, user: str = "alice", query: str = "") -> httpx.Response:
    return await come_back(browser, await visit(await begin(browser, query), user))


async def test_P46_O102_from_the_button_to_a_session_under_a_new_id() -> None:
    site = build_site()
    browser = site.browser()
    await browser.post("/cart", item="apple")
    planted = browser.copy()
    answer = await log_in(browser, query="?next=/orders")
    assert answer.status_code == 200
    account = await site.load("alice@example.com")
    assert answer.json()["account"] == account.id
    assert await browser.whoami() == account.id
    assert await planted.whoami() is None
    assert (await browser.get("/whoami")).json()["data"]["cart"] == "apple"


async def test_O101_P48_a_browser_goes_on_to_where_it_was_going() -> None:
    site = build_site(oauth={"allowed_origins": ["https://spa.example.com"]})
    for given, target in (
        ("/orders", "/orders"),
        ("//evil.example", "/"),
        ("/%5Cevil.example", "/"),
        ("https:evil.example", "/"),
        ("https://spa.example.com.evil.example/", "/"),
        ("https://spa.example.com/x", "https://spa.example.com/x"),
        ("/a%0D%0Aset-cookie:x=1", "/"),
    ):
        browser = site.browser()
        query = await visit(await begin(browser, f"?next={given}"))
        answer = await come_back(browser, query, headers=PAGE)
        assert (answer.status_code, answer.headers["location"]) == (303, target)


async def test_O99_C9_the_cookie_of_an_attempt() -> None:
    site = build_site()
    browser = site.browser()
    answer = await browser.get("/auth/oauth/acme/login", headers=PAGE)
    line = find_cookie(answer, COOKIE)
    # A provider's answer comes across sites, with which no strict cookie goes.
    assert "; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax" in line
    url = answer.headers["location"]
    for parameter in ("state=", "nonce=", "code_challenge=", "code_challenge_method=S256"):
        assert parameter in url


async def test_O99_X111_an_answer_is_taken_once() -> None:
    site = build_site()
    browser = site.browser()
    query = await visit(await begin(browser))
    assert (await come_back(browser, query)).status_code == 200
    again = await come_back(browser, query)
    assert (again.status_code, again.json()) == (400, {"detail": "INVALID_STATE"})


async def test_O99_another_browser_cannot_take_it() -> None:
    site = build_site()
    browser, stranger = site.browser(), site.browser()
    query = await visit(await begin(browser))
    for cookie in ({}, {"cookie": f"{COOKIE}=rubbish"}):
        answer = await come_back(site.browser(**cookie), query)
        assert answer.json() == {"detail": "INVALID_STATE"}
    await begin(stranger)
    assert (await come_back(stranger, query)).json() == {"detail": "INVALID_STATE"}
    assert await stranger.whoami() is None
    planted = site.browser(cookie=f"{COOKIE}=x; {COOKIE}={browser.client.cookies[COOKIE]}")
    assert (await come_back(planted, query)).json() == {"detail": "INVALID_STATE"}


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("", id="O99 nothing"),
        pytest.param("code=x", id="O99 no state"),
        pytest.param("state=x&state=y&code=z", id="X111 state twice"),
        pytest.param("state=x&code=y&code=z", id="X111 code twice"),
        pytest.param("state=x&code=y&error=z", id="X111 code and error"),
        pytest.param("state=%ED%A0%80&code=%00", id="X111 no text"),
    ],
)
async def test_what_no_provider_sends(query: str) -> None:
    site = build_site()
    browser = site.browser()
    await begin(browser)
    answer = await come_back(browser, query)
    assert answer.status_code == 400
    assert await browser.whoami() is None


async def test_O102_X114_a_no_of_the_provider_leaves_the_session_as_it_was() -> None:
    site = build_site()
    await site.add()
    browser = await site.sign_in()
    before = browser.client.cookies["__Host-session"]
    answer = await come_back(browser, await begin_to_be_refused(browser, "access_denied"))
    assert (answer.status_code, answer.json()) == (400, {"detail": "ACCESS_DENIED"})
    assert "<b>" not in answer.text
    assert browser.client.cookies["__Host-session"] == before
    assert await browser.whoami() is not None


@pytest.mark.parametrize(
    ("error", "status"),
    [("temporarily_unavailable", 503), ("server_error", 502), ("login_required", 400)],
)
async def test_X114_each_no_has_its_status(error: str, status: int) -> None:
    site = build_site()
    browser = site.browser()
    answer = await come_back(browser, await begin_to_be_refused(browser, error))
    assert answer.status_code == status
    assert ("retry-after" in answer.headers) is (status == 503)
    browser = site.browser()
    page = await come_back(browser, await begin_to_be_refused(browser, error), headers=PAGE)
    path, told = find_query(page)
    assert (path, list(told)) == ("/auth/login", ["error"])


async def test_O102_a_provider_that_is_away_is_a_503() -> None:
    issuer = "http://127.0.0.1:9/gone"
    config = OAuthConfig(providers=[build_oidc(issuer)])
    site = Site(oauth=config)
    answer = await site.browser().get("/auth/oauth/acme/login")
    assert answer.status_code == 503
    assert answer.json()["code"] == "PROVIDER_UNAVAILABLE"


async def test_an_unknown_provider_is_not_found() -> None:
    site = build_site()
    for path in ("login", "callback?state=x&code=y"):
        answer = await site.browser().get(f"/auth/oauth/nobody/{path}")
        assert (answer.status_code, answer.json()) == (404, {"detail": "UNKNOWN_PROVIDER"})


@both
async def test_M94_the_second_factor_is_asked_for_here_too(transport: str) -> None:
    site = build_site(
        transport=transport, mfa=MfaConfig(issuer="A", secret="m" * 32, enforce_for_all=True)
    )
    browser = site.browser()
    answer = await log_in(browser)
    assert (answer.status_code, answer.json()["detail"]) == (401, "MFA_ENROLMENT_REQUIRED")
    assert find_cookie(answer, "__Host-login")
    assert await browser.whoami() is None
    page = site.browser()
    query = await visit(await begin(page, "?next=/orders"))
    answer = await come_back(page, query, headers=PAGE)
    assert find_query(answer) == ("/auth/enrolment", {"next": ["/orders"]})
    assert find_cookie(answer, "__Host-pending")


async def test_F95_a_rule_that_fails_lets_nobody_in() -> None:
    config = MfaConfig(issuer="A", secret="m" * 32, is_due=lambda *_: 7)  # type: ignore[arg-type]
    site = build_site(mfa=config)
    browser = site.browser()
    assert (await log_in(browser)).status_code == 503
    assert await browser.whoami() is None


async def test_O102_tokens_are_handed_over_by_the_callback() -> None:
    site = build_site(transport="bearer")
    browser = site.browser()
    answer = await log_in(browser)
    assert answer.status_code == 200
    assert await browser.whoami() == (await site.load("alice@example.com")).id


async def test_O101_with_a_refresh_cookie_the_browser_goes_on() -> None:
    site = build_site(transport="bearer", endpoints={"refresh_cookie": True})
    browser = site.browser()
    query = await visit(await begin(browser, "?next=/orders"))
    answer = await come_back(browser, query, headers=PAGE)
    assert find_query(answer) == ("/orders", {})
    assert find_cookie(answer, "__Host-refresh")


async def test_X115_a_disabled_account_stays_out_and_a_locked_password_does_not_matter() -> None:
    site = build_site()
    browser = site.browser()
    await log_in(browser)
    for _ in range(6):
        await site.browser().sign_in("alice@example.com", "wrong horse battery!")
    assert (await log_in(site.browser())).status_code == 200
    account = await site.load("alice@example.com")
    await site.auth.accounts.disable(account.id)
    stranger = site.browser()
    assert (await log_in(stranger)).status_code in (400, 403)
    assert await stranger.whoami() is None
    assert await browser.whoami() is None


@both
async def test_X113_P47_a_known_address_links_nothing_by_itself(transport: str) -> None:
    site = build_site(transport=transport)
    owner = await site.add("alice@example.com")
    answer = await log_in(site.browser())
    assert (answer.status_code, answer.json()) == (409, {"detail": "LINK_REQUIRED"})
    browser = await site.sign_in("alice@example.com")
    sent = await browser.post("/auth/oauth/acme/link", next="/settings")
    assert sent.status_code == 303
    linked = await come_back(browser, await visit(sent.headers["location"]))
    assert linked.json() == {"linked": "acme"}
    (identity,) = (await browser.get("/auth/oauth/identities")).json()["identities"]
    assert (identity["provider"], sorted(identity)) == ("acme", ["handle", "linked_at", "provider"])
    other = site.browser()
    assert (await log_in(other)).status_code == 200
    assert await other.whoami() == owner.id
    gone = await browser.send("DELETE", f"/auth/oauth/identities/{identity['handle']}")
    assert gone.status_code == 204
    assert (await browser.get("/auth/oauth/identities")).json() == {"identities": []}
    again = await browser.post(f"/auth/oauth/identities/{identity['handle']}/unlink")
    assert again.status_code == 204  # idempotent: it is linked no more


async def test_a_linking_goes_back_to_the_page_it_came_from() -> None:
    site = build_site()
    await site.add()
    browser = await site.sign_in()
    sent = await browser.submit("/auth/oauth/acme/link", next="/settings")
    answer = await come_back(browser, await visit(sent.headers["location"]), headers=PAGE)
    assert find_query(answer) == ("/settings", {})


async def test_X111_a_linking_is_finished_by_who_began_it() -> None:
    site = build_site()
    await site.add()
    browser = await site.sign_in()
    sent = await browser.post("/auth/oauth/acme/link")
    query = await visit(sent.headers["location"])
    await browser.post("/auth/logout")
    answer = await come_back(browser, query)
    assert (answer.status_code, answer.json()) == (400, {"detail": "ACCOUNT_CHANGED"})


async def test_X115_the_last_way_in_stays() -> None:
    site = build_site()
    browser = site.browser()
    await log_in(browser)
    (identity,) = (await browser.get("/auth/oauth/identities")).json()["identities"]
    path = f"/auth/oauth/identities/{identity['handle']}"
    answer = await browser.send("DELETE", path)
    assert (answer.status_code, answer.json()) == (409, {"detail": "LAST_WAY_IN"})
    form = await browser.submit(f"{path}/unlink")
    assert find_query(form) == ("/auth/account", {"error": ["LAST_WAY_IN"]})


async def test_D59_a_store_that_fails_lets_nobody_in() -> None:
    watched = Watched()
    site = build_site(store=watched)
    browser = site.browser()
    watched.failing["once.take"] = 1
    answer = await log_in(browser)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert await browser.whoami() is None


async def test_Z108_nobody_links_lists_and_unlinks() -> None:
    site = build_site()
    for method, path in (
        ("POST", "acme/link"),
        ("GET", "identities"),
        ("DELETE", "identities/x"),
        ("POST", "identities/x/unlink"),
    ):
        answer = await site.browser().send(method, f"/auth/oauth/{path}")
        assert (answer.status_code, answer.json()) == (401, {"detail": "NOT_SIGNED_IN"})
