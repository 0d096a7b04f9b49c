"""API keys over HTTP: their owner makes them, and they reach no endpoint of accounts."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_security import MemoryStore
from tests.endpoints.site import NAME, PAGE, Site, find_query

pytestmark = pytest.mark.anyio

both = pytest.mark.parametrize("transport", ["session", "bearer"])
SCOPES = ("orders:read", "orders:write")


async def open_site(transport: str = "session") -> Site:
    site = Site(MemoryStore(), transport=transport)
    await site.add(roles=SCOPES)
    return site


@both
async def test_P50_a_key_is_shown_once(transport: str) -> None:
    site = await open_site(transport)
    browser = await site.sign_in()
    made = await browser.post("/auth/keys", name="ci", scopes=["orders:read"], lifetime_seconds=60)
    assert made.status_code == 201
    content = made.json()
    key = content.pop("key")
    assert key.startswith("ak_")
    assert content == {
        "id": content["id"],
        "name": "ci",
        "scopes": ["orders:read"],
        "created_at": site.clock(),
        "expires_at": site.clock() + 60,
        "revoked_at": None,
        "last_used_at": None,
    }
    listed = await browser.get("/auth/keys")
    assert listed.json() == {"keys": [content]}
    assert key not in listed.text
    assert key not in str(site.events.events)
    caller = site.browser(**{"x-api-key": key})
    answer = await caller.get("/whoami")
    assert answer.status_code == 200
    if transport == "bearer":
        assert answer.json()["user"] == f"id-{NAME}"
    site.clock.advance(60)
    late = await caller.get("/whoami")
    assert (late.status_code, late.json()["code"]) == (401, "API_KEY_EXPIRED")


@both
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_P50_a_key_that_is_ended_opens_nothing(transport: str, method: str) -> None:
    site = await open_site(transport)
    browser = await site.sign_in()
    made = (await browser.post("/auth/keys", name="ci", scopes=[])).json()
    path = f"/auth/keys/{made['id']}{'/revoke' if method == 'POST' else ''}"
    assert (await browser.send(method, path)).status_code == 204
    answer = await site.browser(**{"x-api-key": made["key"]}).get("/whoami")
    code = "API_KEY_REVOKED" if method == "POST" else "INVALID_API_KEY"
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert len((await browser.get("/auth/keys")).json()["keys"]) == (method == "POST")


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        pytest.param(
            {"name": "ci", "scopes": ["admin"]},
            {"detail": "KEY_REFUSED", "reason": "scope_not_held"},
            id="P50 a scope not held",
        ),
        pytest.param({"scopes": []}, {"detail": "MALFORMED_REQUEST"}, id="P50 no name"),
        pytest.param({"name": 5}, {"detail": "MALFORMED_REQUEST"}, id="P50 no text"),
        pytest.param(
            {"name": "ci", "scopes": {"a": 1}}, {"detail": "MALFORMED_REQUEST"}, id="P50 no list"
        ),
        pytest.param(
            {"name": "ci", "scopes": [1]}, {"detail": "MALFORMED_REQUEST"}, id="P50 no scope"
        ),
        pytest.param(
            {"name": "ci", "lifetime_seconds": True},
            {"detail": "MALFORMED_REQUEST"},
            id="P50 no number",
        ),
    ],
)
async def test_what_is_no_key(fields: dict[str, Any], content: dict[str, Any]) -> None:
    site = await open_site()
    browser = await site.sign_in()
    answer = await browser.post("/auth/keys", **fields)
    assert (answer.status_code, answer.json()) == (400, content)


@pytest.mark.parametrize("lifetime", [-1, 0, 1e300, 10**400], ids=["-1", "0", "1e300", "10**400"])
async def test_P50_an_absurd_lifetime_is_refused(lifetime: float) -> None:
    site = await open_site()
    browser = await site.sign_in()
    answer = await browser.post("/auth/keys", name="ci", scopes=[], lifetime_seconds=lifetime)
    assert answer.status_code == 400


async def test_P50_scopes_of_a_form_and_where_it_goes() -> None:
    site = await open_site()
    browser = await site.sign_in()
    made = await browser.submit("/auth/keys", name="ci", scopes="orders:read orders:write")
    assert (made.status_code, made.json()["scopes"]) == (201, list(SCOPES))  # shown this once
    ended = await browser.submit(f"/auth/keys/{made.json()['id']}/revoke")
    assert find_query(ended) == ("/auth/account", {"done": ["KEY_REVOKED"]})
    assert (await browser.get("/auth/keys", headers=PAGE)).status_code == 200


@pytest.mark.parametrize("key", ["absent", "%00", "a" * 200, "%ED%A0%80"])
async def test_P50_absent_foreign_and_bad_ids_are_the_same(key: str) -> None:
    site = await open_site()
    await site.add("eve@example.com")
    browser, eve = await site.sign_in(), await site.sign_in("eve@example.com")
    made = (await browser.post("/auth/keys", name="ci", scopes=[])).json()
    for path in (key, made["id"]):
        for method, tail in (("DELETE", ""), ("POST", "/revoke")):
            answer = await eve.send(method, f"/auth/keys/{path}{tail}")
            assert (answer.status_code, answer.json()) == (404, {"detail": "UNKNOWN_KEY"})
    assert (await browser.get("/auth/keys")).json()["keys"][0]["revoked_at"] is None


async def test_P50_a_key_reaches_nothing_of_its_owners_account() -> None:
    site = await open_site("bearer")
    browser = await site.sign_in()
    key = (await browser.post("/auth/keys", name="ci", scopes=[])).json()["key"]
    caller = site.browser(**{"x-api-key": key})
    for method, path in (
        ("POST", "keys"),
        ("GET", "keys"),
        ("GET", "sessions"),
        ("DELETE", "sessions"),
        ("POST", "sessions/revoke-all"),
        ("POST", "change-password"),
        ("POST", "delete"),
        ("POST", "disable"),
        ("POST", "mfa/disable"),
        ("GET", "mfa/status"),
    ):
        answer = await caller.send(method, f"/auth/{path}")
        assert (answer.status_code, answer.json()) == (403, {"detail": "NOT_WITH_A_KEY"}), path
    for path in ("mfa/start", "mfa/confirm", "mfa/verify", "mfa/send-code"):
        answer = await caller.post(f"/auth/{path}", code="123456")
        assert (answer.status_code, answer.json()) == (401, {"detail": "NOT_SIGNED_IN"}), path
    assert (await caller.post("/auth/logout")).status_code == 204
    assert await browser.whoami() == f"id-{NAME}"


async def test_Z108_nobody_gets_at_keys() -> None:
    site = await open_site()
    for method, path in (("POST", ""), ("GET", ""), ("DELETE", "/x"), ("POST", "/x/revoke")):
        answer = await site.browser().send(method, f"/auth/keys{path}")
        assert (answer.status_code, answer.json()) == (401, {"detail": "NOT_SIGNED_IN"})


@both
async def test_P50_keys_end_with_their_account(transport: str) -> None:
    site = await open_site(transport)
    browser = await site.sign_in()
    key = (await browser.post("/auth/keys", name="ci", scopes=[])).json()["key"]
    await browser.post("/auth/disable", current_password="correct horse battery")
    answer = await site.browser(**{"x-api-key": key}).get("/whoami")
    assert (answer.status_code, answer.json()["code"]) == (401, "ACCOUNT_DISABLED")
