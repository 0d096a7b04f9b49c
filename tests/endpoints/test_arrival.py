"""The last step of every way in, and the credentials of client programs."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_security.endpoints.serving.arrival import Arrival
from asgi_security.endpoints.serving.front import Front
from asgi_security.errors import ConfigError
from asgi_security.flows.account_outcomes import AccountChanged, AccountDeleted, PasswordSet
from asgi_security.flows.account_records import AccountRecords
from asgi_security.policy.endpoints import EndpointConfig
from asgi_security.storage.memory import MemoryStore
from tests.endpoints.site import BETTER, GOOD, NAME, Site, find_cookie, find_query
from tests.flows.account_world import Watched

pytestmark = pytest.mark.anyio


def test_tokens_need_who_makes_them() -> None:
    with pytest.raises(ConfigError, match="transport"):
        Arrival(
            Front(EndpointConfig(transport="bearer")),
            AccountRecords(MemoryStore(), timeout_seconds=1),
        )


async def test_without_a_guard_of_sessions_nobody_is_signed_in() -> None:
    site = Site(guards={"sessions": None, "error_body": b"failed"})
    await site.add()
    with pytest.raises(RuntimeError, match="SessionMiddleware"):
        await site.browser().sign_in()


async def test_M98_a_session_says_how_and_when_it_was_proven() -> None:
    site = Site()
    await site.add()
    site.clock.advance(0.25)
    data = (await (await site.sign_in()).get("/whoami")).json()["data"]
    assert (data["amr"], data["auth_time"]) == (["pwd"], int(site.clock()))


async def test_M97_what_bound_a_sign_in_is_gone_after_it() -> None:
    site = Site()
    await site.add()
    answer = await site.browser().sign_in()
    for name in ("__Host-login", "__Host-pending"):
        line = find_cookie(answer, name)
        assert line.startswith(f"{name}=; Path=/; Max-Age=0")
        assert "; Secure; HttpOnly; SameSite=Strict" in line  # C14


@pytest.mark.parametrize("end", ["change_password", "disable", "delete"])
@pytest.mark.parametrize(
    ("transport", "written"),
    [
        pytest.param("session", "sessions.create", id="S38 session"),
        pytest.param("bearer", "refresh.open_family", id="V77 tokens"),
    ],
)
async def test_what_ends_everything_ends_a_sign_in_under_way(
    transport: Any, written: str, end: str
) -> None:
    watched = Watched()
    site = Site(watched, transport=transport)
    account = await site.add()

    async def end_everything() -> None:
        del watched.before[written]
        accounts = site.auth.accounts
        if end == "change_password":
            done: object = await accounts.change_password(account, GOOD, BETTER)
        else:
            done = await getattr(accounts, end)(account.id)
        assert isinstance(done, PasswordSet | AccountChanged | AccountDeleted)

    watched.before[written] = end_everything
    browser = site.browser()
    answer = await browser.sign_in()
    assert written not in watched.before
    assert "access_token" not in answer.text
    assert await browser.whoami() is None
    now = site.clock()
    assert not await watched.store.sessions.list_for(account.id, now=now)
    assert not await watched.store.refresh.list_for(account.id, now=now)


async def test_a_store_that_fails_hands_over_nothing() -> None:
    watched = Watched()
    site = Site(watched, transport="bearer")
    await Site(watched.store).add()
    watched.failing["refresh.open_family"] = 1
    answer = await site.browser().sign_in()
    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("endpoints", "shown"),
    [
        pytest.param({}, True, id="in the body"),
        pytest.param({"refresh_cookie": True}, False, id="in a cookie"),
    ],
)
async def test_tokens_are_shown_only_where_they_would_be_lost(
    endpoints: dict[str, Any], *, shown: bool
) -> None:
    site = Site(transport="bearer", endpoints=endpoints)
    await site.add()
    answer = await site.browser().submit("/auth/login", username=NAME, password=GOOD)
    assert (answer.status_code == 200) is shown
    assert ("access_token" in answer.text) is shown
    assert answer.headers["cache-control"] == "no-store"


async def test_pages_are_where_the_configuration_says() -> None:
    site = Site(endpoints={"home_page": "/start", "login_page": "/in"})
    await site.add()
    answer = await site.browser().submit("/auth/login", username=NAME, password=GOOD)
    assert find_query(answer) == ("/start", {})
    refused = await site.browser().submit("/auth/login", username=NAME, password="x")
    assert find_query(refused)[0] == "/in"
