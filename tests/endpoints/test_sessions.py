"""What is signed in, over HTTP: to see, and to end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.policy.clients import ClientConfig
from tests.endpoints.site import NAME, PAGE, Site, find_cookie, find_query
from tests.flows.account_world import Watched

if TYPE_CHECKING:
    from tests.endpoints.site import Browser

pytestmark = pytest.mark.anyio

both = pytest.mark.parametrize("transport", ["session", "bearer"])


async def open_site(transport: str = "session", **options: Any) -> Site:
    site = Site(transport=transport, **options)
    await site.add()
    return site


async def list_sessions(browser: Browser) -> list[dict[str, Any]]:
    answer = await browser.get("/auth/sessions")
    assert answer.status_code == 200, answer.text
    listed: list[dict[str, Any]] = answer.json()["sessions"]
    return listed


@both
async def test_S35_P19_the_list_shows_what_opens_nothing(transport: str) -> None:
    site = await open_site(
        transport, guards={"clients": ClientConfig(trusted_proxies=["10.0.0.0/8"])}
    )
    await site.sign_in()
    site.clock.advance(60)
    browser = await site.sign_in()
    current, other = await list_sessions(browser)
    assert sorted(current) == [
        *("client", "created_at", "handle", "is_current", "kind", "last_seen_at", "user_agent")
    ]
    assert (current["is_current"], other["is_current"]) == (True, False)
    assert current["kind"] == ("session" if transport == "session" else "token")
    assert current["user_agent"] == "Browser/1"
    assert current["created_at"] == "2023-11-14T22:14:20Z"
    shown = str((current, other))
    assert "192.0.2.1" not in shown
    for value in (*browser.client.cookies.values(), browser.refresh_token or "none"):
        assert value not in shown
    for each in (current, other):
        stolen = each["handle"]
        assert await site.browser(cookie=f"__Host-session={stolen}").whoami() is None
        assert await site.browser(authorization=f"Bearer {stolen}").whoami() is None


@both
@pytest.mark.parametrize("method", ["DELETE", "POST"])
async def test_S35_P20_one_that_is_ended_opens_nothing(transport: str, method: str) -> None:
    site = await open_site(transport)
    lost, browser = await site.sign_in(), await site.sign_in()
    handle = next(one["handle"] for one in await list_sessions(browser) if not one["is_current"])
    path = f"/auth/sessions/{handle}{'' if method == 'DELETE' else '/revoke'}"
    assert (await browser.send(method, path)).status_code == 204
    assert await lost.whoami() is None
    assert await browser.whoami() == f"id-{NAME}"
    again = await browser.send(method, path)
    assert (again.status_code, again.json()) == (404, {"detail": "UNKNOWN_SESSION"})


@both
async def test_S35_the_present_one_can_be_ended_too(transport: str) -> None:
    site = await open_site(transport)
    browser = await site.sign_in()
    copy = browser.copy()
    (only,) = await list_sessions(browser)
    answer = await browser.send("DELETE", f"/auth/sessions/{only['handle']}")
    assert answer.status_code == 204
    if transport == "session":
        assert "Max-Age=0" in find_cookie(answer, "__Host-session")
    assert await copy.whoami() is None


@both
async def test_P19_absent_and_foreign_are_the_same(transport: str) -> None:
    site = await open_site(transport)
    await site.add("eve@example.com")
    ada, eve = await site.sign_in(), await site.sign_in("eve@example.com")
    (target,) = await list_sessions(ada)
    foreign = await eve.send("DELETE", f"/auth/sessions/{target['handle']}")
    absent = await eve.send("DELETE", "/auth/sessions/aaaaaaaaaaaaaaaa")
    assert foreign.status_code == 404
    assert (foreign.status_code, foreign.content) == (absent.status_code, absent.content)
    assert await ada.whoami() == f"id-{NAME}"


@both
@pytest.mark.parametrize(
    "handle", ["%00", "%F0%9F%98%80", "a" * 300, "-1", "' OR 1=1", "%ED%A0%80"]
)
async def test_P19_a_bad_id_is_an_unknown_one(transport: str, handle: str) -> None:
    site = await open_site(transport)
    browser = await site.sign_in()
    for path in (f"/auth/sessions/{handle}", f"/auth/sessions/{handle}/revoke"):
        method = "POST" if path.endswith("revoke") else "DELETE"
        assert (await browser.send(method, path)).status_code == 404


@both
async def test_S35_all_others(transport: str) -> None:
    site = await open_site(transport)
    others = [await site.sign_in() for _ in range(3)]
    browser = await site.sign_in()
    assert (await browser.post("/auth/sessions/revoke-others")).status_code == 204
    assert [await other.whoami() for other in others] == [None] * 3
    assert await browser.whoami() == f"id-{NAME}"
    assert len(await list_sessions(browser)) == 1


@both
@pytest.mark.parametrize("way", [("DELETE", ""), ("POST", "/revoke-all")], ids=str)
async def test_S35_all_of_them(transport: str, way: tuple[str, str]) -> None:
    site = await open_site(transport)
    await site.add("eve@example.com")
    other, browser, eve = [await site.sign_in(name) for name in (NAME, NAME, "eve@example.com")]
    copy = browser.copy()
    assert (await browser.send(way[0], f"/auth/sessions{way[1]}")).status_code == 204
    assert [await each.whoami() for each in (other, browser, copy)] == [None] * 3
    assert await eve.whoami() == "id-eve@example.com"


async def test_S30_S31_a_planted_id_is_worth_nothing_after_the_sign_in() -> None:
    site = await open_site()
    victim = site.browser()
    await victim.post("/cart", item="apple")
    planted = victim.copy()
    await victim.sign_in()
    assert await victim.whoami() == f"id-{NAME}"
    assert await planted.whoami() is None


async def test_S33_a_slow_request_does_not_sign_in_again() -> None:
    site = await open_site()
    slow = await site.sign_in()
    quick = slow.copy()

    async def leave() -> None:
        await quick.post("/auth/logout")

    site.state.during = leave
    answer = await slow.post("/cart", item="apple")
    assert answer.status_code == 200
    assert "Max-Age=0" in str(answer.headers) or "set-cookie" not in answer.headers
    assert await slow.whoami() is None
    assert await quick.whoami() is None


async def test_S34_a_slow_request_does_not_undo_a_new_id() -> None:
    site = await open_site()
    slow = await site.sign_in()
    quick = slow.copy()

    async def sign_in_again() -> None:
        assert (await quick.sign_in()).status_code == 200

    site.state.during = sign_in_again
    await slow.post("/cart", item="apple")
    assert await quick.whoami() == f"id-{NAME}"
    assert len(await list_sessions(quick)) == 1


async def test_S36_the_oldest_makes_room() -> None:
    site = Site(guards={})
    await site.add()
    limited = replace(site.auth.sessions, max_sessions_per_user=2)
    site = Site(site.store, clock=site.clock, guards={"sessions": limited})
    browsers = []
    for _ in range(3):
        site.clock.advance(1)
        browsers.append(await site.sign_in())
    assert [await one.whoami() for one in browsers] == [None, *[f"id-{NAME}"] * 2]


@both
async def test_Z108_nobody_sees_and_ends_nothing(transport: str) -> None:
    site = await open_site(transport)
    await site.sign_in()
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/revoke-all"),
        ("POST", "/revoke-others"),
        ("DELETE", "/x"),
    ):
        answer = await site.browser().send(method, f"/auth/sessions{path}")
        assert (answer.status_code, answer.json()) == (401, {"detail": "NOT_SIGNED_IN"})
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_list_is_shown_to_a_page_and_a_form_goes_back_to_the_account() -> None:
    site = await open_site()
    browser = await site.sign_in()
    shown = await browser.get("/auth/sessions", headers=PAGE)
    assert (shown.status_code, len(shown.json()["sessions"])) == (200, 1)
    sent = await browser.submit("/auth/sessions/revoke-others")
    assert find_query(sent) == ("/auth/account", {"done": ["SESSION_REVOKED"]})
    stranger = await site.browser().submit("/auth/sessions/revoke-others")
    assert find_query(stranger) == ("/auth/login", {"error": ["NOT_SIGNED_IN"]})


@both
async def test_ending_is_written_down(transport: str) -> None:
    site = await open_site(transport)
    browser = await site.sign_in()
    await browser.post("/auth/sessions/revoke-all")
    assert "sessions_revoked" in site.events.names


@both
@pytest.mark.parametrize("call", ["sessions.list_for", "refresh.list_for", "sessions.delete_for"])
async def test_S39_a_store_that_fails_is_a_503(transport: str, call: str) -> None:
    watched = Watched()
    site = Site(watched, transport=transport)
    await Site(watched.store).add()
    browser = await site.sign_in()
    watched.failing[call] = 9
    send = browser.get if "list" in call else browser.post
    path = "/auth/sessions" if "list" in call else "/auth/sessions/revoke-others"
    answer = await send(path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
