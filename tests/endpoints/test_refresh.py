"""Tokens over HTTP: the next pair, its cookie, and the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.endpoints.site import NAME, Site, build_tokens, find_cookie, race

if TYPE_CHECKING:
    import httpx

    from tests.endpoints.site import Browser

pytestmark = pytest.mark.anyio

REFUSED = {"error": "invalid_grant", "detail": "INVALID_REFRESH_TOKEN"}
COOKIE = "__Host-refresh"


async def open_site(**options: Any) -> Site:
    site = Site(transport="bearer", **options)
    await site.add()
    return site


async def renew(browser: Browser, token: str | None = None, **fields: Any) -> httpx.Response:
    browser.client.headers.pop("authorization", None)
    return await browser.post(
        "/auth/refresh", refresh_token=token or browser.refresh_token, **fields
    )


async def test_R80_P18_tokens_go_from_hand_to_hand_and_stay_one_login() -> None:
    site = await open_site()
    browser = await site.sign_in()
    login = browser.claims["sid"]
    for _ in range(3):
        site.clock.advance(600)
        before = browser.refresh_token
        answer = browser.keep(await renew(browser))
        assert answer.status_code == 200
        content = answer.json()
        assert sorted(content) == ["access_token", "expires_in", "refresh_token", "token_type"]
        assert content["token_type"] == "bearer"
        assert answer.headers["cache-control"] == "no-store"
        assert browser.refresh_token != before
        assert browser.claims["sid"] == login
        assert await browser.whoami() == f"id-{NAME}"


async def test_R80_no_rotation_moves_the_end_of_a_login() -> None:
    site = await open_site(**build_tokens(idle_timeout_seconds=1000, absolute_timeout_seconds=1800))
    browser = await site.sign_in()
    for _ in range(2):
        site.clock.advance(800)
        browser.keep(await renew(browser))
    site.clock.advance(300)
    assert (await renew(browser)).json() == REFUSED
    assert "refresh_reuse" not in site.events.names  # R87


async def test_R81_a_lost_answer_is_given_again() -> None:
    site = await open_site()
    browser = await site.sign_in()
    answers = await race(20, lambda _: renew(browser))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert (await renew(browser)).status_code == 200
    listed = await site.auth.refresh.list_for(f"id-{NAME}")
    assert isinstance(listed, tuple)
    assert len(listed) == 1


async def test_P17_R82_R83_R84_a_copy_ends_the_login_for_both() -> None:
    site = await open_site()
    owner = await site.sign_in()
    access = owner.client.headers["authorization"]
    thief = owner.copy()
    owner.keep(await renew(owner))
    newest = owner.client.headers["authorization"]
    site.clock.advance(11)
    answer = await renew(thief)
    assert (answer.status_code, answer.json()) == (401, REFUSED)
    assert (await renew(owner)).json() == REFUSED
    for token in (access, newest):
        assert await site.browser(authorization=token).whoami() is None
    events = [one.facts for one in site.events.events if one.name == "refresh_reuse"]
    assert "repeated" not in events[0]
    assert all(facts["repeated"] for facts in events[1:])


async def test_R82_a_retry_after_its_successor_was_used_is_a_copy() -> None:
    site = await open_site()
    owner = await site.sign_in()
    thief = owner.copy()
    owner.keep(await renew(owner))
    owner.keep(await renew(owner))
    assert (await renew(thief)).json() == REFUSED  # R85: two generations old, within the grace
    assert (await renew(owner)).json() == REFUSED


@pytest.mark.parametrize("end", [b"A", b"\x00"], ids=["other tail", "NUL"])
async def test_R86_garbage_that_names_a_login_does_not_end_it(end: bytes) -> None:
    site = await open_site()
    browser = await site.sign_in()
    forged = browser.refresh_token[:-8] + end.decode() * 8
    assert (await renew(browser, forged)).json() == REFUSED
    assert (await renew(browser)).status_code == 200


async def test_R87_a_login_that_was_left_is_over_without_alarm() -> None:
    site = await open_site()
    browser = await site.sign_in()
    await browser.post("/auth/logout", refresh_token=browser.refresh_token)
    assert (await renew(browser)).json() == REFUSED
    assert "refresh_reuse" not in site.events.names


async def test_R90_no_token_is_taken_for_another() -> None:
    site = await open_site()
    browser = await site.sign_in()
    access = browser.client.headers["authorization"].removeprefix("Bearer ")
    assert (await renew(browser, access)).json() == REFUSED
    assert await site.browser(authorization=f"Bearer {browser.refresh_token}").whoami() is None


async def test_P23_P25_M95_what_an_access_token_says() -> None:
    site = await open_site()
    browser = await site.sign_in()
    claims = browser.claims
    assert claims["sub"] == f"id-{NAME}"
    assert claims["iss"] == claims["aud"] == "https://app.example.com"
    assert {"iat", "jti", "sid", "exp", "amr", "auth_time"} <= set(claims)
    assert 0 < claims["exp"] - claims["iat"] <= 900


async def test_P18_a_disabled_account_gets_no_more_tokens() -> None:
    site = await open_site()
    browser = await site.sign_in()
    account = await site.load()
    await site.store.accounts.save(replace(account, is_active=False))
    assert (await renew(browser)).json() == REFUSED


async def test_P18_without_any_token() -> None:
    site = await open_site(endpoints={"refresh_cookie": True})
    answer = await site.browser().post("/auth/refresh")
    assert (answer.status_code, answer.json()) == (401, {"detail": "MISSING_REFRESH_TOKEN"})


async def test_R92_a_scope_may_only_narrow() -> None:
    site = await open_site()
    browser = await site.sign_in()
    answer = await renew(browser, scope="admin")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    assert (await renew(browser)).status_code == 200


class TestCookie:
    """The refresh token in a cookie, for browsers: no script can read it."""

    async def test_R90_C9_its_attributes(self) -> None:
        site = await open_site(endpoints={"refresh_cookie": True})
        answer = await site.browser().sign_in()
        line = find_cookie(answer, COOKIE)
        assert "; Path=/; Max-Age=34560000; Secure; HttpOnly; SameSite=Strict" in line
        assert "refresh_token" not in answer.json()

    async def test_R80_it_is_replaced_at_each_use(self) -> None:
        site = await open_site(endpoints={"refresh_cookie": True})
        browser = await site.sign_in()
        first = browser.client.cookies[COOKIE]
        answer = browser.keep(await browser.post("/auth/refresh"))
        assert answer.status_code == 200
        assert "refresh_token" not in answer.json()
        assert browser.client.cookies[COOKIE] != first
        assert await browser.whoami() == f"id-{NAME}"

    async def test_R88_a_refusal_leaves_the_cookie_unless_the_login_is_over(self) -> None:
        site = await open_site(endpoints={"refresh_cookie": True})
        browser = await site.sign_in()
        browser.client.headers.pop("authorization")
        malformed = site.browser(cookie=f"{COOKIE}=rubbish")
        answer = await malformed.post("/auth/refresh")
        assert answer.json() == REFUSED
        assert "set-cookie" not in answer.headers
        widened = await browser.post("/auth/refresh", scope="admin")
        assert widened.status_code == 400
        assert "set-cookie" not in widened.headers
        await site.auth.refresh.revoke_subject(f"id-{NAME}")
        over = await browser.post("/auth/refresh")
        assert over.json() == REFUSED
        assert "Max-Age=0" in find_cookie(over, COOKIE)
        assert COOKIE not in browser.client.cookies

    async def test_R88_a_refused_token_of_the_body_says_nothing_of_the_cookie(self) -> None:
        site = await open_site(endpoints={"refresh_cookie": True})
        browser = await site.sign_in()
        browser.client.headers.pop("authorization")
        other = await site.sign_in()
        gone = other.client.cookies[COOKIE]
        await other.post("/auth/logout")
        answer = await browser.post("/auth/refresh", refresh_token=gone)
        assert answer.json() == REFUSED
        assert "set-cookie" not in answer.headers
        assert (await browser.post("/auth/refresh")).status_code == 200

    async def test_C6_of_two_cookies_neither_is_taken(self) -> None:
        site = await open_site(endpoints={"refresh_cookie": True})
        browser = await site.sign_in()
        value = browser.client.cookies[COOKIE]
        two = site.browser(cookie=f"{COOKIE}=planted; {COOKIE}={value}")
        answer = await two.post("/auth/refresh")
        assert (answer.status_code, answer.json()["detail"]) == (400, "AMBIGUOUS_REFRESH_TOKEN")

    async def test_P21_a_logout_ends_it(self) -> None:
        site = await open_site(endpoints={"refresh_cookie": True})
        browser = await site.sign_in()
        copy = browser.copy()
        answer = await browser.post("/auth/logout")
        assert "Max-Age=0" in find_cookie(answer, COOKIE)
        copy.client.headers.pop("authorization")
        assert (await copy.post("/auth/refresh")).json() == REFUSED

    async def test_a_form_is_sent_on_with_the_cookie_alone(self) -> None:
        site = await open_site(endpoints={"refresh_cookie": True})
        answer = await site.browser().submit(
            "/auth/login", username=NAME, password="correct horse battery", next="/orders"
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/orders")
        assert answer.content == b""
        assert find_cookie(answer, COOKIE)

    async def test_P52_a_deleted_account_takes_its_cookie_along(self) -> None:
        site = await open_site(endpoints={"refresh_cookie": True})
        browser = await site.sign_in()
        answer = await browser.post("/auth/delete", current_password="correct horse battery")
        assert answer.json() == {"detail": "ACCOUNT_DELETED"}
        assert "Max-Age=0" in find_cookie(answer, COOKIE)


class TestRevocation:
    """`POST /revoke`, RFC 7009."""

    async def test_V75_any_generation_ends_its_login(self) -> None:
        site = await open_site()
        browser = await site.sign_in()
        first = browser.refresh_token
        browser.keep(await renew(browser))
        answer = await site.browser().post("/auth/revoke", token=first)
        assert (answer.status_code, answer.json()) == (200, {})
        assert await browser.whoami() is None
        assert (await renew(browser)).json() == REFUSED

    @pytest.mark.parametrize("token", ["", "rubbish", "\0", "é"])
    async def test_V75_what_is_no_token_was_never_good(self, token: str) -> None:
        answer = await (await open_site()).browser().post("/auth/revoke", token=token)
        assert (answer.status_code, answer.json()) == (200, {})

    @pytest.mark.parametrize("fields", [{}, {"token": 7}], ids=["none", "a number"])
    async def test_V75_without_a_token(self, fields: dict[str, Any]) -> None:
        answer = await (await open_site()).browser().post("/auth/revoke", **fields)
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})
