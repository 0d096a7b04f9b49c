"""The life of an account over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_security.policy.passwords import PasswordPolicy
from tests.endpoints.site import BETTER, GOOD, NAME, WRONG, Site, find_cookie, find_query, race
from tests.flows.account_world import Watched

pytestmark = pytest.mark.anyio

both = pytest.mark.parametrize("transport", ["session", "bearer"])
NEW = "new@example.com"


@both
async def test_P51_from_registration_to_the_first_sign_in(transport: str) -> None:
    site = Site(transport=transport)
    browser = site.browser()
    answer = await browser.post("/auth/register", username=NEW, password=GOOD)
    assert (answer.status_code, answer.json()) == (202, {"detail": "ACCEPTED"})
    assert (await browser.sign_in(NEW)).json() == {"detail": "LOGIN_BAD_CREDENTIALS"}
    message = await site.read_mail("verify")
    assert message.recipient == NEW
    assert message.link == f"https://app.example.com/auth/verify?token={message.token}"
    verified = await browser.post("/auth/verify", token=message.token)
    assert verified.json() == {"detail": "VERIFIED"}
    assert "set-cookie" not in verified.headers  # it signs nobody in
    assert (await browser.sign_in(NEW)).status_code == 200
    again = await browser.post("/auth/verify", token=message.token)
    assert again.status_code in (200, 400, 401)


async def test_P51_links_come_from_the_configuration_and_never_from_the_host() -> None:
    site = Site()
    await site.add()
    await site.browser(host="evil.example").post("/auth/forgot-password", username=NAME)
    message = await site.read_mail("reset")
    assert message.link is not None
    assert message.link.startswith("https://app.example.com/auth/reset-password?token=")


@both
async def test_P51_nobody_learns_who_has_an_account(transport: str) -> None:
    site = Site(transport=transport)
    await site.add()
    await site.add("idle@example.com", is_active=False)
    names = (NAME, "nobody@example.com", "idle@example.com", "Ann@Example.com")
    for path, fields in (
        ("register", {"password": BETTER}),
        ("forgot-password", {}),
        ("request-verification", {}),
    ):
        answers = [await site.browser().post(f"/auth/{path}", username=n, **fields) for n in names]
        site.clock.advance(3600)
        assert {answer.status_code for answer in answers} == {202}
        assert len({(answer.content, str(answer.headers)) for answer in answers}) == 1
    assert (await site.browser().sign_in()).status_code == 200  # and nothing was changed


@both
@pytest.mark.parametrize("field", ["username", "email"])
async def test_P51_P21_a_reset_ends_all_that_was_open(transport: str, field: str) -> None:
    site = Site(transport=transport)
    await site.add()
    thief = await site.sign_in()
    await site.browser().post("/auth/forgot-password", **{field: NAME})
    token = (await site.read_mail("reset")).token
    fields = {"token": token, "password": BETTER}
    answer = await site.browser().post("/auth/reset-password", **fields)
    assert (answer.status_code, answer.json()) == (200, {"detail": "PASSWORD_SET"})
    assert "set-cookie" not in answer.headers
    assert await thief.whoami() is None
    assert (await site.browser().sign_in(password=GOOD)).status_code == 400
    assert (await site.browser().sign_in(password=BETTER)).status_code == 200
    again = await site.browser().post("/auth/reset-password", **fields)
    assert (again.status_code, again.json()) == (400, {"detail": "TOKEN_REFUSED"})


@pytest.mark.parametrize("token", ["", "x", "\0", "é", "x" * 4000])
async def test_P51_a_forged_token_does_nothing(token: str) -> None:
    site = Site()
    for path, fields in (("verify", {}), ("reset-password", {"password": BETTER})):
        answer = await site.browser().post(f"/auth/{path}", token=token, **fields)
        assert (answer.status_code, answer.json()) == (400, {"detail": "TOKEN_REFUSED"})


async def test_P51_a_token_is_for_one_purpose() -> None:
    site = Site()
    await site.add(is_verified=False)
    browser = site.browser()
    await browser.post("/auth/request-verification", username=NAME)
    verifying = (await site.read_mail("verify")).token
    await browser.post("/auth/forgot-password", username=NAME)
    resetting = (await site.read_mail("reset")).token
    answer = await browser.post("/auth/reset-password", token=verifying, password=BETTER)
    assert answer.json() == {"detail": "TOKEN_REFUSED"}
    answer = await browser.post("/auth/verify", token=resetting)
    assert answer.json() == {"detail": "TOKEN_REFUSED"}


async def test_E23_a_reset_opens_a_lock_and_asking_for_one_does_not() -> None:
    site = Site()
    await site.add()
    for _ in range(5):
        await site.browser().sign_in(password=WRONG)
    await site.browser().post("/auth/forgot-password", username=NAME)
    assert (await site.browser().sign_in()).status_code == 429
    token = (await site.read_mail("reset")).token
    await site.browser().post("/auth/reset-password", token=token, password=BETTER)
    assert (await site.browser().sign_in(password=BETTER)).status_code == 200


@pytest.mark.parametrize(
    ("password", "codes"),
    [
        pytest.param("a tad", ["too_short"], id="P4 short"),
        pytest.param("s\0t", ["too_short", "bad_character"], id="P68 all at once"),
        pytest.param("x" * 300, ["too_long"], id="P63 long"),
        pytest.param(f"{NEW}!", ["context"], id="P70 of the name"),
    ],
)
async def test_a_password_is_judged_wherever_it_is_set(password: str, codes: list[str]) -> None:
    site = Site()
    await site.add(NEW)
    browser = await site.sign_in(NEW)
    await site.browser().post("/auth/forgot-password", username=NEW)
    token = (await site.read_mail("reset")).token
    for path, fields in (
        ("register", {"username": NEW}),
        ("reset-password", {"token": token}),
        ("change-password", {"current_password": GOOD}),
    ):
        answer = await browser.post(f"/auth/{path}", password=password, **fields)
        assert (answer.status_code, answer.json()["detail"]) == (400, "PASSWORD_REFUSED"), path
        found = [reason["code"] for reason in answer.json()["reasons"]]
        assert found[: len(codes)] == codes, path
        assert password not in answer.text


async def test_P4_the_policy_of_the_site_counts() -> None:
    policy = PasswordPolicy(breach_check=False, require_symbol=True, min_length=20)
    site = Site(policy=policy)
    answer = await site.browser().post("/auth/register", username=NEW, password="x1y2z3a4b5c6")
    assert [one["code"] for one in answer.json()["reasons"]][:2] == ["too_short", "missing_symbol"]


@pytest.mark.parametrize("name", ["", " ", "no address", "a@b@c", "x" * 400, "a\0b@example.com"])
async def test_P51_what_is_no_name(name: str) -> None:
    site = Site()
    answer = await site.browser().post("/auth/register", username=name, password=GOOD)
    assert answer.status_code == 400
    assert answer.json()["detail"] in ("NAME_REFUSED", "MALFORMED_REQUEST")


async def test_P51_what_the_app_wants_to_keep_is_kept_and_grants_nothing() -> None:
    site = Site(transport="bearer")
    data = {"name": "Ada", "roles": ["admin"], "sub": "x", "exp": 9e12, "is_verified": True}
    await site.browser().post("/auth/register", username=NEW, password=GOOD, data=data, roles=["a"])
    account = await site.load(NEW)
    assert b'"name":"Ada"' in account.data
    assert (account.roles, account.is_verified) == ((), False)
    token = (await site.read_mail("verify")).token
    await site.browser().post("/auth/verify", token=token)
    browser = await site.sign_in(NEW)
    assert "admin" not in str(browser.claims)
    assert browser.claims["sub"] == account.id


@pytest.mark.parametrize("data", [[], "x", 1, None, True], ids=str)
async def test_P51_what_is_no_object_is_not_kept(data: Any) -> None:
    answer = await Site().browser().post("/auth/register", username=NEW, password=GOOD, data=data)
    assert (answer.status_code, answer.json()) == (400, {"detail": "MALFORMED_REQUEST"})


@both
async def test_S31_a_changed_password_ends_all_but_this(transport: str) -> None:
    site = Site(transport=transport)
    await site.add()
    thief, browser = await site.sign_in(), await site.sign_in()
    copy = browser.copy()
    site.clock.advance(1)
    answer = await browser.post("/auth/change-password", current_password=GOOD, password=BETTER)
    assert answer.json() == {"detail": "PASSWORD_SET"}
    assert await thief.whoami() is None
    assert await copy.whoami() is None
    if transport == "bearer":
        # Access tokens end without exception; the login that asked goes on by its refresh token.
        token = browser.refresh_token
        del browser.client.headers["authorization"]
        site.clock.advance(1)
        browser.keep(await browser.post("/auth/refresh", refresh_token=token))
        del thief.client.headers["authorization"]
        refused = await thief.post("/auth/refresh", refresh_token=thief.refresh_token)
        assert refused.status_code == 401
    assert await browser.whoami() == f"id-{NAME}"
    assert (await site.read_mail("password_changed")).recipient == NAME
    assert (await site.browser().sign_in(password=BETTER)).status_code == 200


@both
@pytest.mark.parametrize("path", ["change-password", "disable", "delete"])
async def test_P52_G48_what_matters_takes_the_password_and_counts(
    transport: str, path: str
) -> None:
    site = Site(transport=transport)
    await site.add()
    browser = await site.sign_in()
    fields = {"password": BETTER} if path == "change-password" else {}
    missing = await browser.post(f"/auth/{path}", **fields)
    assert missing.json() == {"detail": "MALFORMED_REQUEST"}
    for _ in range(5):
        wrong = await browser.post(f"/auth/{path}", current_password=WRONG, **fields)
        assert (wrong.status_code, wrong.json()) == (400, {"detail": "WRONG_PASSWORD"})
    locked = await browser.post(f"/auth/{path}", current_password=GOOD, **fields)
    assert (locked.status_code, locked.json()["code"]) == (429, "LOCKED_OUT")
    assert (await site.browser().sign_in()).status_code == 200  # its own count (E29)


@both
@pytest.mark.parametrize("path", ["disable", "delete"])
async def test_P52_an_account_is_closed_by_its_owner(transport: str, path: str) -> None:
    site = Site(transport=transport)
    await site.add()
    other, browser = await site.sign_in(), await site.sign_in()
    answer = await browser.post(f"/auth/{path}", current_password=GOOD)
    code = "ACCOUNT_DISABLED" if path == "disable" else "ACCOUNT_DELETED"
    assert (answer.status_code, answer.json()) == (200, {"detail": code})
    if transport == "session":
        assert "Max-Age=0" in find_cookie(answer, "__Host-session")
    assert [await one.whoami() for one in (browser, other)] == [None, None]
    assert (await site.browser().sign_in()).json() == {"detail": "LOGIN_BAD_CREDENTIALS"}
    assert (await site.store.accounts.find(NAME) is None) is (path == "delete")


@both
async def test_P51_a_name_changes_when_the_new_address_has_answered(transport: str) -> None:
    site = Site(transport=transport)
    await site.add()
    await site.add("taken@example.com")
    browser, other = await site.sign_in(), await site.sign_in()
    fields = {"current_password": GOOD, "username": NEW}
    free = await browser.post("/auth/change-name", **fields)
    message = await site.read_mail("rename")
    taken = await browser.post("/auth/change-name", **{**fields, "username": "taken@example.com"})
    assert (free.status_code, free.json()) == (202, {"detail": "ACCEPTED"})
    assert (free.content, free.headers) == (taken.content, taken.headers)
    assert (await browser.sign_in()).status_code == 200  # nothing has changed yet
    assert await site.auth.drain()
    answer = await site.browser().post("/auth/verify", token=message.token)
    assert (answer.status_code, answer.json()) == (200, {"detail": "VERIFIED"})
    assert await other.whoami() is None
    assert await browser.whoami() is None
    assert (await site.browser().sign_in()).json() == {"detail": "LOGIN_BAD_CREDENTIALS"}
    assert (await site.browser().sign_in(NEW)).status_code == 200


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param({"current_password": GOOD}, "MALFORMED_REQUEST", id="P51 no name"),
        pytest.param({"username": NEW}, "MALFORMED_REQUEST", id="P51 no password"),
        pytest.param(
            {"current_password": WRONG, "username": NEW}, "WRONG_PASSWORD", id="P51 wrong"
        ),
        pytest.param({"current_password": GOOD, "username": "x"}, "NAME_REFUSED", id="P51 no mail"),
        pytest.param({"current_password": GOOD, "email": NAME}, "NAME_REFUSED", id="P51 the same"),
        pytest.param(
            {"current_password": GOOD, "username": "a@b.c\r\nBcc: x@y.z"},
            "NAME_REFUSED",
            id="P51 header",
        ),
    ],
)
async def test_P51_what_changes_no_name(fields: dict[str, str], code: str) -> None:
    site = Site()
    account = await site.add()
    browser = await site.sign_in()
    answer = await browser.post("/auth/change-name", **fields)
    assert (answer.status_code, answer.json()["detail"]) == (400, code)
    assert (await site.load()).name == account.name
    assert await site.auth.drain()
    assert site.mailbox.messages == []


async def test_P51_who_is_not_signed_in_changes_no_name() -> None:
    site = Site()
    await site.add()
    fields = {"current_password": GOOD, "username": NEW}
    answer = await site.browser().post("/auth/change-name", **fields)
    assert answer.status_code == 401


async def test_T54_few_messages_change_names() -> None:
    site = Site()
    await site.add()
    browser = await site.sign_in()
    fields = {"current_password": GOOD, "username": NEW}
    answers = [await browser.post("/auth/change-name", **fields) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429]
    assert "TOO_MANY_MESSAGES" in answers[-1].text


async def test_P51_a_name_of_an_account_that_is_gone() -> None:
    site = Site()
    account = await site.add()
    browser = await site.sign_in()
    await site.store.accounts.delete(account.id)
    fields = {"current_password": GOOD, "username": NEW}
    assert (await browser.post("/auth/change-name", **fields)).status_code == 401


@both
async def test_Z108_nobody_changes_an_account(transport: str) -> None:
    site = Site(transport=transport)
    await site.add()
    for path in ("change-password", "disable", "delete"):
        fields = {"current_password": GOOD, "password": BETTER}
        answer = await site.browser().post(f"/auth/{path}", **fields)
        assert (answer.status_code, answer.json()) == (401, {"detail": "NOT_SIGNED_IN"})


async def test_T54_messages_are_few_for_each_recipient_and_address() -> None:
    site = Site()
    await site.add()
    known = [await site.browser().post("/auth/forgot-password", username=NAME) for _ in range(6)]
    unknown = [
        await site.browser("198.51.100.9").post("/auth/forgot-password", username="no@example.com")
        for _ in range(6)
    ]
    assert [one.status_code for one in known] == [one.status_code for one in unknown]
    assert [one.content for one in known] == [one.content for one in unknown]
    assert [one.status_code for one in known] == [202] * 5 + [429]
    assert known[-1].json()["code"] == "TOO_MANY_MESSAGES"
    assert int(known[-1].headers["retry-after"]) > 0
    assert await site.auth.drain()
    assert len(site.mailbox.messages) == 5


@pytest.mark.parametrize(
    ("path", "fields", "target"),
    [
        ("register", {"username": NEW, "password": GOOD}, ("/auth/login", "done", "REGISTERED")),
        (
            "register",
            {"username": NEW, "password": "x"},
            ("/auth/register", "error", "PASSWORD_REFUSED"),
        ),
        ("forgot-password", {"username": NAME}, ("/auth/forgot-password", "done", "ACCEPTED")),
        ("request-verification", {"username": NAME}, ("/auth/login", "done", "ACCEPTED")),
        ("verify", {"token": "x"}, ("/auth/login", "error", "TOKEN_REFUSED")),
        (
            "reset-password",
            {"token": "x", "password": GOOD},
            ("/auth/reset-password", "error", "TOKEN_REFUSED"),
        ),
        (
            "change-password",
            {"current_password": GOOD, "password": BETTER},
            ("/auth/account", "done", "PASSWORD_SET"),
        ),
        ("disable", {"current_password": WRONG}, ("/auth/account", "error", "WRONG_PASSWORD")),
        ("delete", {"current_password": GOOD}, ("/auth/login", "done", "ACCOUNT_DELETED")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_where_forms_lead(
    path: str, fields: dict[str, str], target: tuple[str, str, str]
) -> None:
    site = Site()
    await site.add()
    browser = await site.sign_in()
    answer = await browser.submit(f"/auth/{path}", **fields)
    assert find_query(answer) == (target[0], {target[1]: [target[2]]})


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("register", "accounts.create"),
        ("verify", "once.take"),
        ("reset-password", "once.take"),
        ("change-password", "accounts.load"),
        ("delete", "accounts.load"),
    ],
)
async def test_D59_a_store_that_fails_is_a_503(path: str, call: str) -> None:
    watched = Watched()
    site = Site(watched)
    await Site(watched.store).add()
    browser = await site.sign_in()
    await browser.post("/auth/forgot-password", username=NAME)
    token = (await site.read_mail("reset")).token
    watched.failing[call] = 9
    fields = {"username": NEW, "password": BETTER, "token": token, "current_password": GOOD}
    answer = await browser.post(f"/auth/{path}", **fields)
    if answer.status_code == 400:  # a token of another purpose is not even asked for
        assert path == "verify"
        return
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["code"] == "UNAVAILABLE"


async def test_P51_many_who_register_one_name_open_one_account() -> None:
    site = Site()
    answers = await race(
        30, lambda _: site.browser().post("/auth/register", username=NEW, password=GOOD)
    )
    assert {answer.status_code for answer in answers} <= {202, 429, 503}
    assert (await site.load(NEW)).name == NEW
