"""Signing in with a password over HTTP, and signing out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.policy.lockout import LockoutConfig, LockoutRules
from asgi_security.policy.login import LoginConfig
from tests.endpoints.site import (
    BETTER,
    GOOD,
    NAME,
    PAGE,
    WRONG,
    Site,
    find_cookie,
    find_query,
)
from tests.flows.account_world import Watched

if TYPE_CHECKING:
    import httpx

pytestmark = pytest.mark.anyio

both = pytest.mark.parametrize("transport", ["session", "bearer"])


def take_bytes(answer: httpx.Response) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    return answer.status_code, answer.content, answer.headers.raw


@both
@pytest.mark.parametrize("as_form", [False, True], ids=["JSON", "form"])
@pytest.mark.parametrize("status", [400, 401])
async def test_F93_P11_refusals_are_equal_bytes(
    transport: str, *, as_form: bool, status: Any
) -> None:
    site = Site(transport=transport, login=LoginConfig(refused_status=status))
    await site.add()
    await site.add("idle@example.com", is_active=False)
    await site.add("new@example.com", is_verified=False)
    await site.add("other@example.com", password=None)
    answers = []
    for name, password in (
        ("nobody@example.com", GOOD),
        (NAME, WRONG),
        ("idle@example.com", GOOD),
        ("new@example.com", GOOD),
        ("other@example.com", GOOD),
        ("  ", GOOD),
        ("x\0y", GOOD),
    ):
        browser = site.browser()
        fields: dict[str, Any] = {"username": name, "password": password}
        send = browser.submit if as_form else browser.post
        answers.append(take_bytes(await send("/auth/login", **fields)))
    assert len({repr(answer) for answer in answers}) == 1
    code, body, headers = answers[0]
    if as_form:
        assert code == 303
        assert (b"location", b"/auth/login?error=LOGIN_BAD_CREDENTIALS") in headers
    else:
        assert (code, body) == (status, b'{"detail":"LOGIN_BAD_CREDENTIALS"}')
        assert ((b"www-authenticate", b"Bearer") in headers) is (status == 401)
    assert (b"cache-control", b"no-store") in headers


async def test_F92_a_session_is_one_of_four_ends_and_the_reason_is_told_to_nobody() -> None:
    site = Site()
    await site.add()
    browser = site.browser()
    assert (await browser.sign_in(password=WRONG)).json() == {"detail": "LOGIN_BAD_CREDENTIALS"}
    assert await browser.whoami() is None
    answer = await browser.sign_in()
    assert answer.json() == {"account": f"id-{NAME}", "amr": ["pwd"]}
    assert await browser.whoami() == f"id-{NAME}"
    reasons = [one.facts.get("reason") for one in site.events.events]
    assert "wrong_password" in str(reasons)


async def test_C9_the_cookies_of_a_session_sign_in() -> None:
    site = Site()
    await site.add()
    answer = await site.browser().sign_in()
    session = find_cookie(answer, "__Host-session")
    assert session.endswith("; Path=/; Secure; HttpOnly; SameSite=Lax")
    for line in answer.headers.get_list("set-cookie"):
        assert line.startswith("__Host-")
        assert "; Path=/;" in line
        assert "; Secure; HttpOnly; SameSite=" in line
        assert "Domain" not in line


async def test_E22_a_known_device_is_not_locked_out_by_strangers() -> None:
    site = Site()
    await site.add()
    owner = site.browser()
    answer = await owner.sign_in()
    line = find_cookie(answer, "__Host-device")
    assert "; Max-Age=15552000; Secure; HttpOnly; SameSite=Lax" in line
    for _ in range(5):
        await site.browser("198.51.100.9").sign_in(password=WRONG)
    assert (await site.browser().sign_in()).status_code == 429
    assert (await owner.sign_in()).status_code == 200
    await owner.post("/auth/logout")
    assert (await owner.sign_in()).status_code == 200  # known still


@both
async def test_G46_a_lock_is_a_problem_that_names_nobody(transport: str) -> None:
    site = Site(transport=transport)
    await site.add()
    for _ in range(5):
        assert (await site.browser().sign_in(password=WRONG)).status_code == 400
    answer = await site.browser().sign_in()
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "30"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert answer.json()["code"] == "LOCKED_OUT"
    assert NAME not in answer.text
    unknown = [await site.browser().sign_in("no@example.com", WRONG) for _ in range(6)][-1]
    assert (unknown.status_code, unknown.content) == (429, answer.content)
    form = await site.browser().submit("/auth/login", username=NAME, password=GOOD)
    assert find_query(form) == ("/auth/login", {"error": ["LOCKED_OUT"]})
    site.clock.advance(30)
    assert (await site.browser().sign_in()).status_code == 200


async def test_E30_an_address_is_locked_for_all_its_names() -> None:
    rules = LockoutConfig(client_rules=LockoutRules(threshold=3))
    site = Site(lockout=rules)
    await site.add()
    for number in range(3):
        await site.browser("198.51.100.9").sign_in(f"n{number}@example.com", WRONG)
    assert (await site.browser("198.51.100.9").sign_in()).status_code == 429
    assert (await site.browser("198.51.100.10").sign_in()).status_code == 200


@both
async def test_F93_unverified_is_revealed_only_after_the_right_password(transport: str) -> None:
    site = Site(transport=transport, login=LoginConfig(reveal_unverified=True))
    await site.add(is_verified=False)
    assert (await site.browser().sign_in()).json() == {"detail": "LOGIN_USER_NOT_VERIFIED"}
    refused = await site.browser().sign_in(password=WRONG)
    assert refused.json() == {"detail": "LOGIN_BAD_CREDENTIALS"}


async def test_F99_the_id_is_new_and_another_users_data_is_gone() -> None:
    site = Site()
    await site.add()
    await site.add("eve@example.com")
    browser = site.browser()
    await browser.post("/cart", item="apple")
    before = browser.copy()
    await browser.sign_in()
    assert (await browser.get("/whoami")).json()["data"]["cart"] == "apple"
    assert await before.whoami() is None
    assert (await before.get("/whoami")).json()["data"] == {}
    again = browser.copy()
    await browser.sign_in()
    assert await again.whoami() is None
    await browser.sign_in("eve@example.com")
    content = (await browser.get("/whoami")).json()
    assert content["user"] == "id-eve@example.com"
    assert "cart" not in content["data"]


@pytest.mark.parametrize(
    ("given", "target"),
    [
        pytest.param("/orders?page=2", "/orders?page=2", id="F100 a path"),
        *(
            pytest.param(text, "/", id=f"F100 {name}")
            for name, text in {
                "two slashes": "//evil.example",
                "backslash": "/\\evil.example",
                "backslash first": "\\/evil.example",
                "scheme": "https:evil.example",
                "origin": "https://evil.example/",
                "leading blank": " /orders",
                "tab": "/\t/evil.example",
                "line break": "/a\r\nset-cookie: x=1",
                "too long": "/" + "a" * 2048,
                "nothing": "",
            }.items()
        ),
    ],
)
async def test_where_a_form_goes_next(given: str, target: str) -> None:
    site = Site()
    await site.add()
    answer = await site.browser().submit("/auth/login", username=NAME, password=GOOD, next=given)
    assert (answer.status_code, answer.headers["location"]) == (303, target)
    assert "set-cookie: x" not in str(answer.headers)


@both
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="E25 nothing"),
        pytest.param({"username": NAME}, id="E25 no password"),
        pytest.param({"username": 7, "password": GOOD}, id="E25 a number for a name"),
        pytest.param({"username": [NAME], "password": GOOD}, id="E25 a list"),
        pytest.param({"username": NAME, "password": None}, id="E25 null"),
        pytest.param({"username": NAME, "password": "x" * 5000}, id="E25 endless"),
    ],
)
async def test_what_is_no_login(transport: str, fields: dict[str, Any]) -> None:
    site = Site(transport=transport)
    answer = await site.browser().post("/auth/login", **fields)
    assert (answer.status_code, answer.json()) == (400, {"detail": "MALFORMED_LOGIN"})


async def test_D59_a_store_that_fails_lets_nobody_in() -> None:
    watched = Watched()
    site = Site(watched)
    browser = site.browser()
    await Site(watched.store).add()
    watched.failing["attempts.charge"] = 1
    answer = await browser.sign_in()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["code"] == "UNAVAILABLE"
    assert await browser.whoami() is None
    assert (await browser.sign_in()).status_code == 200


async def test_S32_P21_a_logout_ends_the_session_and_its_copies() -> None:
    site = Site()
    await site.add()
    browser = await site.sign_in()
    copy = browser.copy()
    answer = await browser.post("/auth/logout")
    assert answer.status_code == 204
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    assert "Max-Age=0" in find_cookie(answer, "__Host-session")
    assert await browser.whoami() is None
    assert await copy.whoami() is None
    assert (await browser.post("/auth/logout")).status_code == 204  # idempotent


@pytest.mark.parametrize("by", ["access token", "refresh token", "both"])
async def test_P21_a_logout_ends_the_tokens(by: str) -> None:
    site = Site(transport="bearer")
    await site.add()
    browser = await site.sign_in()
    thief, fields = browser.copy(), {}
    if by != "access token":
        fields["refresh_token"] = browser.refresh_token
    if by == "refresh token":
        del browser.client.headers["authorization"]
    assert (await browser.post("/auth/logout", **fields)).status_code == 204
    assert await thief.whoami() is None
    del thief.client.headers["authorization"]
    again = await thief.post("/auth/refresh", refresh_token=thief.refresh_token)
    assert again.json()["detail"] == "INVALID_REFRESH_TOKEN"


@pytest.mark.parametrize("refresh_cookie", [True, False], ids=["by cookie", "by access token"])
async def test_P21_a_logout_that_could_not_end_the_tokens_says_so(*, refresh_cookie: bool) -> None:
    watched = Watched()
    endpoints = {"refresh_cookie": refresh_cookie}
    site = Site(watched, transport="bearer", endpoints=endpoints)
    await Site(watched.store).add()
    browser = await site.sign_in()
    watched.failing |= {"refresh.load_family": 9, "refresh.list_for": 9, "refresh.revoke_family": 9}
    if refresh_cookie:
        del browser.client.headers["authorization"]
    answer = await browser.post("/auth/logout")
    assert answer.status_code == 503
    assert "set-cookie" not in answer.headers


async def test_a_form_that_logs_out_is_sent_to_the_login() -> None:
    site = Site()
    await site.add()
    browser = await site.sign_in()
    assert find_query(await browser.submit("/auth/logout")) == ("/auth/login", {})
    assert await browser.whoami() is None


async def test_P22_P49_one_name_for_one_cookie_and_no_other_transport_takes_it() -> None:
    site = Site()
    await site.add()
    browser = await site.sign_in()
    names = [cookie.name for cookie in browser.client.cookies.jar]
    assert sorted(names) == ["__Host-device", "__Host-session"]
    value = browser.client.cookies["__Host-session"]
    stranger = site.browser(cookie=f"session={value}; svc_auth={value}; svc_session={value}")
    assert await stranger.whoami() is None
    assert await site.browser(cookie=f"__Host-session={value}").whoami() == f"id-{NAME}"


async def test_in_development_cookies_are_neither_secure_nor_prefixed() -> None:
    site = Site(secure=False)
    await site.add()
    answer = await site.browser().sign_in()
    assert "Secure" not in str(answer.headers.get_list("set-cookie"))
    assert "__Host-" not in str(answer.headers.get_list("set-cookie"))


CLIENTS = {"app": "a" * 32, "other": "o" * 32}
KNOWN = {"client_id": "app", "client_secret": "a" * 32}


@both
@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        pytest.param(KNOWN, 200, "", id="P13 known"),
        pytest.param({}, 401, "CLIENT_CREDENTIALS_REQUIRED", id="P13 none"),
        pytest.param({"client_id": "app"}, 401, "CLIENT_CREDENTIALS_REQUIRED", id="P13 no secret"),
        pytest.param(
            {**KNOWN, "client_secret": ["a" * 32]},
            401,
            "CLIENT_CREDENTIALS_REQUIRED",
            id="P13 a list",
        ),
        pytest.param(
            {**KNOWN, "client_secret": "o" * 32},
            401,
            "INVALID_CLIENT_CREDENTIALS",
            id="P13 another's",
        ),
        pytest.param(
            {**KNOWN, "client_id": "nobody"}, 401, "INVALID_CLIENT_CREDENTIALS", id="P13 unknown"
        ),
        pytest.param(
            {"client_id": "nobody", "client_secret": "\0"},
            401,
            "INVALID_CLIENT_CREDENTIALS",
            id="P13 what stands for nobody",
        ),
    ],
)
async def test_the_credentials_of_clients(
    transport: str, given: dict[str, Any], status: int, code: str
) -> None:
    site = Site(transport=transport, endpoints={"password_clients": CLIENTS})
    await site.add()
    answer = await site.browser().sign_in(**given)
    assert answer.status_code == status
    if code:
        assert answer.json() == {"detail": code}
        assert answer.headers["www-authenticate"] == "Bearer"
        right, wrong = await site.load(), await site.browser().sign_in(password=WRONG, **given)
        assert (right.password_hash is not None, wrong.content) == (True, answer.content)


async def test_P13_a_client_is_not_guessed_for_ever() -> None:
    rules = LockoutConfig(client_rules=LockoutRules(threshold=5))
    site = Site(lockout=rules, endpoints={"password_clients": CLIENTS})
    await site.add()
    for _ in range(10):  # right ones cost nothing
        assert (await site.browser("198.51.100.9").sign_in(**KNOWN)).status_code == 200
    guesses = [
        await site.browser("198.51.100.9").sign_in(**{**KNOWN, "client_secret": f"{number:032}"})
        for number in range(7)
    ]
    assert [guess.status_code for guess in guesses] == [401] * 5 + [429] * 2
    assert (await site.browser("198.51.100.9").sign_in(**KNOWN)).status_code == 429
    assert (await site.browser("198.51.100.10").sign_in(**KNOWN)).status_code == 200


async def test_P13_a_store_that_fails_knows_no_client() -> None:
    watched = Watched()
    site = Site(watched, endpoints={"password_clients": CLIENTS})
    await Site(watched.store).add()
    watched.failing["attempts.charge"] = 1
    assert (await site.browser().sign_in(**KNOWN)).status_code == 503


async def test_a_page_that_reads_the_answer_itself_gets_json() -> None:
    site = Site()
    await site.add()
    answer = await site.browser().send(
        "POST", "/auth/login", json={"username": NAME, "password": BETTER}, headers=PAGE
    )
    assert answer.json() == {"detail": "LOGIN_BAD_CREDENTIALS"}
