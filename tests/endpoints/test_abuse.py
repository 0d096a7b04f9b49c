"""Many at once, over HTTP and on every backend: exactly as many get through as may."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.policy.login import LoginConfig
from tests.endpoints.site import BETTER, NAME, WRONG, Site, build_tokens, race
from tests.storage import backends

if TYPE_CHECKING:
    from asgi_security.storage.protocols import Store
    from tests.endpoints.site import Browser

pytestmark = [pytest.mark.anyio, backends.on(*backends.ALL)]

MANY = 100
SECONDS = backends.SECONDS


def build_site(store: Store, **options: Any) -> Site:
    return Site(store, login=LoginConfig(store_timeout_seconds=SECONDS), **options)


async def test_E14_wrong_guesses(store: Store) -> None:
    site = build_site(store)
    await site.add()
    answers = await race(MANY, lambda _: site.browser().sign_in(password=WRONG))
    assert Counter(answer.status_code for answer in answers) == {400: 5, 429: MANY - 5}
    assert (await site.browser().sign_in()).status_code == 429
    site.clock.advance(30)
    assert (await site.browser().sign_in()).status_code == 200


async def test_E15_right_logins_lock_nobody_out(store: Store) -> None:
    site = build_site(store)
    await site.add()
    answers = await race(MANY, lambda _: site.browser().sign_in())
    counts = Counter(answer.status_code for answer in answers)
    assert set(counts) <= {200, 429}
    assert counts[200] >= 5
    waiting = [answer for answer in answers if answer.status_code == 429]
    assert {answer.headers["retry-after"] for answer in waiting} <= {"1"}
    sessions = await store.sessions.list_for(f"id-{NAME}", now=site.clock())
    assert len(sessions) == counts[200]
    assert (await site.browser().sign_in()).status_code == 200


async def test_R81_refreshes_of_one_token(store: Store) -> None:
    site = build_site(store, transport="bearer")
    await site.add()
    browser = await site.sign_in()
    del browser.client.headers["authorization"]

    async def refresh(_: int) -> Any:
        return await browser.copy().post("/auth/refresh", refresh_token=browser.refresh_token)

    answers = await race(MANY, refresh)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert len(await store.refresh.list_for(f"id-{NAME}", now=site.clock())) == 1


async def test_P17_without_grace_one_refresh_goes_through(store: Store) -> None:
    tokens = build_tokens(grace_seconds=0, store_timeout_seconds=SECONDS)
    site = build_site(store, transport="bearer", **tokens)
    await site.add()
    browser = await site.sign_in()
    token = browser.refresh_token

    async def refresh(_: int) -> Any:
        return await site.browser().post("/auth/refresh", refresh_token=token)

    answers = await race(MANY, refresh)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 401: MANY - 1}
    (winner,) = [answer for answer in answers if answer.status_code == 200]
    next_one = winner.json()["refresh_token"]
    after = await site.browser().post("/auth/refresh", refresh_token=next_one)
    assert after.status_code == 401  # the login is over: one of them was a copy


async def begin(site: Site) -> tuple[Browser, str]:
    browser = site.browser()
    return browser, (await browser.sign_in()).json()["pre_token"]


async def test_M96_guesses_of_codes(store: Store) -> None:
    site = build_site(store)
    await site.add()
    app, _ = await site.enrol()
    browser, token = await begin(site)
    wrong = app.wrong()

    async def guess(_: int) -> Any:
        return await browser.copy().post("/auth/mfa/verify", pre_token=token, code=wrong)

    answers = await race(MANY, guess)
    counts = Counter(answer.status_code for answer in answers)
    assert set(counts) <= {400, 429}
    codes = Counter(e.facts.get("reason") for e in site.events.events if e.name == "mfa_refused")
    assert codes["wrong_code"] <= 5
    late = await browser.post("/auth/mfa/verify", pre_token=token, code=app.code())
    assert late.status_code in (400, 429)
    assert await browser.whoami() is None


async def test_F96_redemptions_of_one_pre_token(store: Store) -> None:
    site = build_site(store)
    await site.add()
    app, _ = await site.enrol()
    browser, token = await begin(site)
    code = app.code()

    async def redeem(_: int) -> Any:
        return await browser.copy().post("/auth/mfa/verify", pre_token=token, code=code)

    answers = await race(MANY, redeem)
    assert Counter(answer.status_code for answer in answers)[200] == 1
    sessions = await store.sessions.list_for(f"id-{NAME}", now=site.clock())
    assert len(sessions) == 2  # with the one that enrolled


async def test_P42_uses_of_one_recovery_code(store: Store) -> None:
    site = build_site(store)
    await site.add()
    _, codes = await site.enrol()
    waiting = [await begin(site) for _ in range(20)]

    async def use(number: int) -> Any:
        browser, token = waiting[number]
        return await browser.post("/auth/mfa/verify", pre_token=token, recovery_code=codes[0])

    answers = await race(len(waiting), use)
    assert Counter(answer.status_code for answer in answers)[200] == 1


async def test_P51_redemptions_of_one_reset(store: Store) -> None:
    site = build_site(store)
    await site.add()
    await site.browser().post("/auth/forgot-password", username=NAME)
    token = (await site.read_mail("reset")).token

    async def redeem(number: int) -> Any:
        fields = {"token": token, "password": f"{BETTER} {number}"}
        return await site.browser().post("/auth/reset-password", **fields)

    answers = await race(MANY, redeem)
    codes = [answer.status_code for answer in answers]
    assert Counter(codes) == {200: 1, 400: MANY - 1}
    winner = codes.index(200)
    assert (await site.browser().sign_in(password=f"{BETTER} {winner}")).status_code == 200


async def test_P51_registrations_of_one_name(store: Store) -> None:
    site = build_site(store)

    async def register(number: int) -> Any:
        browser = site.browser(f"10.0.{number}.1")
        fields = {"username": "new@example.com", "password": f"{BETTER} {number}"}
        return await browser.post("/auth/register", **fields)

    answers = await race(MANY, register)
    # No more messages to one recipient than a person needs; the rest hear so, known or not.
    assert Counter(answer.status_code for answer in answers) == {202: 5, 429: MANY - 5}
    assert await site.auth.drain(timeout_seconds=SECONDS)
    kinds = Counter(message.kind for message in site.mailbox.messages)
    assert kinds == {"verify": 1, "name_taken": 4} or kinds["verify"] == 1
    (message,) = [one for one in site.mailbox.messages if one.kind == "verify"]
    assert (await site.browser().post("/auth/verify", token=message.token)).status_code == 200
    account = await site.load("new@example.com")
    assert account.id == message.account
