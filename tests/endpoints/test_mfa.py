"""Second factors over HTTP: what stands between them, and their management."""

from __future__ import annotations

from base64 import b32decode
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.policy.mfa import MfaConfig
from tests.endpoints.site import GOOD, NAME, PAGE, WRONG, Site, find_cookie, find_query, race
from tests.flows.mfa_world import Authenticator

if TYPE_CHECKING:
    import httpx

    from tests.endpoints.site import Browser

pytestmark = pytest.mark.anyio

both = pytest.mark.parametrize("transport", ["session", "bearer"])

CODE_REFUSED = {"detail": "CODE_REFUSED"}
MAILING = MfaConfig(issuer="Acme", secret="m" * 32, email_codes=True)


async def open_site(
    transport: str = "session", **options: Any
) -> tuple[Site, Authenticator, list[str]]:
    site = Site(transport=transport, **options)
    await site.add()
    return site, *(await site.enrol())


async def begin(site: Site) -> tuple[Browser, str]:
    """Pass the first factor."""
    browser = site.browser()
    answer = await browser.sign_in()
    assert answer.status_code == 401, answer.text
    return browser, answer.json()["pre_token"]


async def verify(browser: Browser, token: str, **proof: Any) -> httpx.Response:
    return browser.keep(await browser.post("/auth/mfa/verify", pre_token=token, **proof))


@both
async def test_F93_P39_M94_the_first_factor_is_not_enough(transport: str) -> None:
    site, _, _ = await open_site(transport)
    browser = site.browser()
    answer = await browser.sign_in()
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    content = answer.json()
    assert sorted(content) == ["detail", "methods", "pre_token"]
    assert content["detail"] == "MFA_REQUIRED"
    assert content["methods"] == ["totp", "recovery"]
    line = find_cookie(answer, "__Host-login")
    assert "; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Strict" in line
    assert len(answer.headers.get_list("set-cookie")) == 1  # no session, no device
    assert await browser.whoami() is None
    assert content["pre_token"] not in str(site.events.events)


@both
async def test_M96_P40_P41_a_right_code_signs_in_once(transport: str) -> None:
    site, app, _ = await open_site(transport)
    browser, token = await begin(site)
    answer = await verify(browser, token, code=app.code())
    assert answer.status_code == 200
    assert await browser.whoami() == f"id-{NAME}"
    if transport == "session":
        assert answer.json() == {"account": f"id-{NAME}", "amr": ["pwd", "otp", "mfa"]}
    assert find_cookie(answer, "__Host-device")
    assert "Max-Age=0" in find_cookie(answer, "__Host-login")
    site.clock.advance(60)
    browser.client.headers.pop("authorization", None)
    again = await browser.post("/auth/mfa/verify", pre_token=token, code=app.code())
    assert (again.status_code, again.json()) == (400, CODE_REFUSED)


@both
async def test_M98_what_was_shown_is_in_the_session_and_in_the_token(transport: str) -> None:
    site, app, _ = await open_site(transport)
    browser, token = await begin(site)
    await verify(browser, token, code=app.code())
    if transport == "session":
        stated = (await browser.get("/whoami")).json()["data"]
    else:
        stated = browser.claims
    assert stated["amr"] == ["pwd", "otp", "mfa"]
    assert stated["auth_time"] == site.clock()


async def test_M98_a_step_is_taken_once_over_all_logins() -> None:
    site, app, _ = await open_site()
    code = app.code()
    first, token = await begin(site)
    assert (await verify(first, token, code=code)).status_code == 200
    second, other = await begin(site)
    assert (await verify(second, other, code=code)).json() == CODE_REFUSED


@both
async def test_M95_a_pre_token_opens_nothing_else(transport: str) -> None:
    site, _, _ = await open_site(transport)
    _, token = await begin(site)
    bearer = site.browser(authorization=f"Bearer {token}")
    assert await bearer.whoami() is None
    assert (await bearer.get("/auth/sessions")).status_code == 401
    for name in ("session", "refresh", "device"):
        assert await site.browser(cookie=f"__Host-{name}={token}").whoami() is None
    if transport == "bearer":
        answer = await site.browser().post("/auth/refresh", refresh_token=token)
        assert answer.json()["detail"] == "INVALID_REFRESH_TOKEN"
    for path in ("disable", "recovery/regenerate", "mailed-codes"):
        answer = await site.browser().post(f"/auth/mfa/{path}", pre_token=token)
        assert answer.json() == {"detail": "NOT_SIGNED_IN"}


@both
async def test_M97_another_browser_cannot_use_it(transport: str) -> None:
    site, app, _ = await open_site(transport)
    browser, token = await begin(site)
    stranger = site.browser()
    assert (await verify(stranger, token, code=app.code())).json() == CODE_REFUSED
    other, _ = await begin(site)
    assert (await verify(other, token, code=app.code())).json() == CODE_REFUSED
    assert (await verify(browser, token, code=app.code())).status_code == 200


async def test_M97_it_is_never_read_from_an_address() -> None:
    site, app, _ = await open_site()
    browser, token = await begin(site)
    query = f"?pre_token={token}&code={app.code()}"
    answer = await browser.post(f"/auth/mfa/verify{query}")
    assert answer.json() == {"detail": "NOT_SIGNED_IN"}
    assert (await browser.get(f"/auth/mfa/verify{query}")).status_code == 405
    assert await browser.whoami() is None


@both
async def test_M96_five_wrong_codes_end_a_pre_token(transport: str) -> None:
    site, app, _ = await open_site(transport)
    browser, token = await begin(site)
    answers = [await verify(browser, token, code=app.wrong()) for _ in range(5)]
    assert [answer.json() for answer in answers] == [CODE_REFUSED] * 5
    locked = await verify(browser, token, code=app.code())
    assert locked.status_code in (400, 429)
    assert await browser.whoami() is None


async def test_M96_wrong_codes_count_by_account_and_not_by_pre_token() -> None:
    site, app, _ = await open_site()
    for _ in range(5):
        browser, token = await begin(site)
        assert (await verify(browser, token, code=app.wrong())).json() == CODE_REFUSED
    browser, token = await begin(site)
    answer = await verify(browser, token, code=app.code())
    assert (answer.status_code, answer.json()["code"]) == (429, "LOCKED_OUT")
    assert int(answer.headers["retry-after"]) > 0


async def test_F96_many_redemptions_at_once_make_one_session() -> None:
    site, app, _ = await open_site()
    browser, token = await begin(site)
    copies = [browser.copy() for _ in range(50)]
    answers = await race(50, lambda number: verify(copies[number], token, code=app.code()))
    assert [answer.status_code for answer in answers].count(200) == 1
    assert len(await site.store.sessions.list_for(f"id-{NAME}", now=site.clock())) == 2


@both
async def test_P42_F98_a_recovery_code_is_burnt(transport: str) -> None:
    site, _, codes = await open_site(transport)
    browser, token = await begin(site)
    assert (await verify(browser, token, recovery_code=codes[0])).status_code == 200
    browser.client.headers.pop("authorization", None)
    other, again = await begin(site)
    assert (await verify(other, again, recovery_code=codes[0])).json() == CODE_REFUSED
    assert (await verify(other, again, recovery_code=codes[1])).status_code == 200


@both
async def test_F95_P38_who_must_enrol_gets_nothing_before(transport: str) -> None:
    config = MfaConfig(issuer="Acme", secret="m" * 32, enforce_for_all=True)
    site = Site(transport=transport, mfa=config)
    await site.add()
    browser = site.browser()
    answer = await browser.sign_in()
    assert (answer.status_code, answer.json()["detail"]) == (401, "MFA_ENROLMENT_REQUIRED")
    token = answer.json()["pre_token"]
    assert (await verify(browser, token, code="123456")).json() == CODE_REFUSED
    started = await browser.post("/auth/mfa/start", pre_token=token)
    app = Authenticator(started.json()["otpauth_url"], site.clock)
    wrong = await browser.post("/auth/mfa/confirm", pre_token=token, code=app.wrong())
    assert wrong.json() == CODE_REFUSED
    assert await browser.whoami() is None
    done = browser.keep(await browser.post("/auth/mfa/confirm", pre_token=token, code=app.code()))
    assert done.status_code == 200
    assert len(done.json()["codes"]) == 10
    assert await browser.whoami() == f"id-{NAME}"


async def test_F95_a_rule_that_fails_lets_nobody_in() -> None:
    def fail(*_: object) -> bool:
        raise RuntimeError("a user's rule")

    config = MfaConfig(issuer="Acme", secret="m" * 32, is_due=fail)
    site = Site(mfa=config)
    await site.add()
    browser = site.browser()
    assert (await browser.sign_in()).status_code == 503
    assert await browser.whoami() is None


async def test_P40_enrolment_shows_the_secret_once() -> None:
    site = Site()
    await site.add()
    browser = await site.sign_in()
    started = await browser.post("/auth/mfa/start")
    content = started.json()
    assert sorted(content) == ["otpauth_url", "qr_svg", "secret"]
    assert len(b32decode(content["secret"])) == 20
    assert content["qr_svg"].startswith(("<svg", "<?xml"))
    assert started.headers["cache-control"] == "no-store"
    app = Authenticator(content["otpauth_url"], site.clock)
    refused = await browser.post("/auth/mfa/confirm", code=app.wrong())
    assert refused.json() == {"detail": "CODE_REFUSED", "reason": "wrong_code"}
    before = (await browser.get("/auth/mfa/status")).json()
    assert (before["enabled"], before["methods"]) == (False, [])
    assert len((await browser.post("/auth/mfa/confirm", code=app.code())).json()["codes"]) == 10
    status = (await browser.get("/auth/mfa/status")).json()
    assert status == {
        "enabled": True,
        "methods": ["totp", "recovery"],
        "confirmed_at": site.clock(),
        "recovery_codes_left": 10,
        "email_otp": False,
        "email_mask": None,
    }


@both
async def test_P40_to_take_it_away_takes_a_code(transport: str) -> None:
    site, app, _ = await open_site(transport)
    browser, token = await begin(site)
    await verify(browser, token, code=app.code())
    for proof in ({}, {"code": app.wrong()}, {"code": 5}, {"code": ["1"]}):
        assert (await browser.post("/auth/mfa/disable", **proof)).status_code == 400
    site.clock.advance(60)
    assert (await browser.post("/auth/mfa/disable", code=app.code())).status_code == 204
    assert (await site.browser().sign_in()).status_code == 200


async def test_P40_P42_new_recovery_codes_take_a_code_and_kill_the_old() -> None:
    site, app, old = await open_site()
    browser, token = await begin(site)
    await verify(browser, token, code=app.code())
    site.clock.advance(60)
    path = "/auth/mfa/recovery/regenerate"
    assert (await browser.post(path)).status_code == 400
    assert (await browser.post(path, recovery_code=old[0])).status_code == 400
    new = (await browser.post(path, code=app.code())).json()["codes"]
    assert len(set(new) | set(old)) == 20
    other, again = await begin(site)
    assert (await verify(other, again, recovery_code=old[0])).json() == CODE_REFUSED
    assert (await verify(other, again, recovery_code=new[0])).status_code == 200


@both
async def test_P43_a_mailed_code_signs_in_and_cools_down(transport: str) -> None:
    site = Site(transport=transport, mfa=MAILING)
    await site.add()
    browser = await site.sign_in()
    assert (await browser.post("/auth/mfa/mailed-codes")).status_code == 204
    await site.read_mail("mfa_enabled")
    status = (await browser.get("/auth/mfa/status")).json()
    assert (status["email_otp"], status["email_mask"]) == (True, "a***@e***.com")
    waiting, token = await begin(site)
    sent = await waiting.post("/auth/mfa/send-code", pre_token=token)
    assert (sent.status_code, sent.json()) == (200, {"sent": True, "cooldown_seconds": 60})
    code = (await site.read_mail("mfa_code")).code
    assert code is not None
    again = await waiting.post("/auth/mfa/send-code", pre_token=token)
    assert (again.status_code, again.headers["retry-after"]) == (429, "60")
    assert again.json()["code"] == "TOO_MANY_MESSAGES"
    assert (await verify(waiting, token, mailed_code=code)).status_code == 200
    assert await waiting.whoami() == f"id-{NAME}"


async def test_P43_asking_again_buys_no_guesses() -> None:
    site = Site(mfa=MAILING)
    await site.add()
    browser = await site.sign_in()
    await browser.post("/auth/mfa/mailed-codes")
    answers = []
    for _ in range(6):
        waiting, token = await begin(site)
        site.clock.advance(61)
        waiting, token = await begin(site)
        await waiting.post("/auth/mfa/send-code", pre_token=token)
        answers.append(await verify(waiting, token, mailed_code="x"))
    assert [answer.status_code for answer in answers][-1] in (400, 429)
    assert await site.auth.drain()
    code = site.mailbox.messages[-1].code
    waiting, token = await begin(site)
    assert (await verify(waiting, token, mailed_code=code)).status_code in (400, 429)
    assert await waiting.whoami() is None


async def test_P43_codes_are_mailed_to_nobody_who_has_not_asked_for_them() -> None:
    site, _, _ = await open_site()
    browser, token = await begin(site)
    answer = await browser.post("/auth/mfa/send-code", pre_token=token)
    assert (answer.status_code, answer.json()) == (400, CODE_REFUSED)
    assert (await site.browser().post("/auth/mfa/send-code")).status_code == 401
    assert site.mailbox.messages == []


async def test_P44_who_is_signed_in_steps_up() -> None:
    site, app, _ = await open_site()
    browser, token = await begin(site)
    await verify(browser, token, code=app.code())
    before = browser.copy()
    site.clock.advance(600)
    assert (await browser.post("/auth/mfa/verify", code=app.wrong())).json() == {
        "detail": "CODE_REFUSED",
        "reason": "wrong_code",
    }
    answer = await browser.post("/auth/mfa/verify", code=app.code())
    assert answer.json() == {"amr": ["pwd", "otp", "mfa"]}
    stated = (await browser.get("/whoami")).json()["data"]
    assert stated["auth_time"] == site.clock()
    assert await before.whoami() is None  # S31: a new id


async def test_P44_stepping_up_with_tokens_says_what_was_shown() -> None:
    site, app, _ = await open_site("bearer")
    browser, token = await begin(site)
    await verify(browser, token, code=app.code())
    site.clock.advance(60)
    answer = await browser.post("/auth/mfa/verify", code=app.code())
    assert "otp" in answer.json()["amr"]


class TestForms:
    """A browser without script: the pre-token is in a cookie, for it can keep it nowhere else."""

    async def test_M97_P39_from_page_to_page(self) -> None:
        site, app, _ = await open_site()
        browser = site.browser()
        answer = await browser.submit("/auth/login", username=NAME, password=GOOD, next="/orders")
        assert find_query(answer) == ("/auth/code", {"next": ["/orders"]})
        line = find_cookie(answer, "__Host-pending")
        assert "; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Strict" in line
        assert "pre_token" not in answer.headers["location"]
        wrong = await browser.submit("/auth/mfa/verify", code=app.wrong())
        assert find_query(wrong) == ("/auth/code", {"error": ["CODE_REFUSED"]})
        right = await browser.submit("/auth/mfa/verify", code=app.code(), next="/orders")
        assert find_query(right) == ("/orders", {})
        assert "Max-Age=0" in find_cookie(right, "__Host-pending")
        assert await browser.whoami() == f"id-{NAME}"

    async def test_M97_the_cookie_alone_is_not_read_of_a_script(self) -> None:
        site, app, _ = await open_site()
        browser = site.browser()
        await browser.submit("/auth/login", username=NAME, password=GOOD)
        answer = await browser.post("/auth/mfa/verify", code=app.code())
        assert answer.json() == {"detail": "NOT_SIGNED_IN"}

    async def test_M97_of_two_cookies_neither_counts(self) -> None:
        site, app, _ = await open_site()
        browser = site.browser()
        await browser.submit("/auth/login", username=NAME, password=GOOD)
        kept = browser.client.cookies
        header = "; ".join(f"{name}={value}" for name, value in kept.items())
        tossed = site.browser(cookie=f"__Host-pending=planted; {header}")
        answer = await tossed.submit("/auth/mfa/verify", code=app.code())
        assert find_query(answer) == ("/auth/code", {"error": ["NOT_SIGNED_IN"]})

    async def test_F95_enrolment_from_page_to_page(self) -> None:
        config = MfaConfig(issuer="Acme", secret="m" * 32, enforce_for_all=True)
        site = Site(mfa=config)
        await site.add()
        browser = site.browser()
        answer = await browser.submit("/auth/login", username=NAME, password=GOOD)
        assert find_query(answer) == ("/auth/enrolment", {})
        started = await browser.submit("/auth/mfa/start")
        assert started.status_code == 200  # shown this once
        app = Authenticator(started.json()["otpauth_url"], site.clock)
        wrong = await browser.submit("/auth/mfa/confirm", code=app.wrong())
        assert find_query(wrong) == ("/auth/enrolment", {"error": ["CODE_REFUSED"]})
        done = await browser.submit("/auth/mfa/confirm", code=app.code())
        assert len(done.json()["codes"]) == 10
        assert await browser.whoami() == f"id-{NAME}"

    async def test_what_was_done_is_told_at_the_account(self) -> None:
        site, app, _ = await open_site()
        browser, token = await begin(site)
        await verify(browser, token, code=app.code())
        site.clock.advance(60)
        done = await browser.submit("/auth/mfa/disable", code=app.code())
        assert find_query(done) == ("/auth/account", {"done": ["MFA_DISABLED"]})
        shown = await browser.get("/auth/mfa/status", headers=PAGE)
        assert shown.json()["enabled"] is False


@both
async def test_M96_the_password_is_still_asked_for(transport: str) -> None:
    site, app, _ = await open_site(transport)
    answer = await site.browser().sign_in(password=WRONG, code=app.code())
    assert answer.json() == {"detail": "LOGIN_BAD_CREDENTIALS"}
