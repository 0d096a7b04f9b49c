"""What holds for every endpoint there is, and so for the next one, too."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Route

from asgi_security.policy.lockout import LockoutConfig, LockoutRules
from asgi_security.policy.mfa import MfaConfig
from asgi_security.policy.oauth import OAuthConfig
from asgi_security.testing import FakeClock
from tests.endpoints.site import GOOD, NAME, ORIGIN, Browser, Site
from tests.flows.oauth_world import build_oidc
from tests.storage import backends

if TYPE_CHECKING:
    import httpx

    from asgi_security.storage.protocols import Store
    from tests.storage.backends import Place

pytestmark = pytest.mark.anyio

both = pytest.mark.parametrize("transport", ["session", "bearer"])

READING = {"GET", "HEAD"}
FROM_ELSEWHERE = ("login", "callback")
"""Where other sites send browsers by design: a button's target, and a provider's way back."""
TIRELESS = LockoutRules(threshold=1_000_000)


def build_site(store: Any = None, *, transport: str = "session", **options: Any) -> Site:
    """Return a site with all there is."""
    config = OAuthConfig(providers=[build_oidc("http://127.0.0.1:9/gone")])
    return Site(
        store,
        transport=transport,
        oauth=config,
        mfa=MfaConfig(issuer="Acme", secret="m" * 32, email_codes=True),
        **options,
    )


def list_calls(site: Site, *, reading: bool) -> list[tuple[str, str]]:
    """Return the method and the path of every endpoint."""
    calls = []
    for route in site.routes.routes:
        assert isinstance(route, Route)
        path = (
            route.path.replace("{provider}", "acme").replace("{handle}", "h").replace("{id}", "i")
        )
        calls += [(method, f"/auth{path}") for method in sorted(route.methods or ())]
    return [call for call in calls if (call[0] in READING) is reading]


@both
async def test_there_is_something_to_test(transport: str) -> None:
    unsafe = list_calls(build_site(transport=transport), reading=False)
    assert len(unsafe) == len(set(unsafe)) >= 28
    assert {"POST", "DELETE"} == {method for method, _ in unsafe}
    assert (("POST", "/auth/refresh") in unsafe) is (transport == "bearer")


SITES: dict[str, dict[str, str]] = {
    "CORS72 cross-site by Fetch-Metadata": {"sec-fetch-site": "cross-site"},
    "CORS73 a sibling": {"sec-fetch-site": "same-site", "origin": "https://www.example.com"},
    "CORS74 by Origin alone": {"origin": "https://evil.example"},
    "CORS75 the null origin": {"origin": "null"},
    "CORS76 by scheme": {"origin": "http://app.example.com"},
    "CORS77 by port": {"origin": "https://app.example.com:8443"},
    "CORS78 both, which disagree": {"sec-fetch-site": "cross-site", "origin": ORIGIN},
}


@both
@pytest.mark.parametrize("guarded", [True, False], ids=["behind the guard", "alone"])
async def test_another_site_reaches_no_endpoint(transport: str, *, guarded: bool) -> None:
    guards = {} if guarded else {"csrf": None}
    site = build_site(transport=transport, guards=guards)
    await site.add()
    browser = await site.sign_in()
    reached = []
    for name, headers in SITES.items():
        for method, path in list_calls(site, reading=False):
            answer = await browser.send(method, path, json={}, headers=headers)
            if answer.status_code != 403 or "CROSS_SITE" not in answer.text.upper():
                reached.append((name, method, path, answer.status_code, answer.text))
    assert reached == []
    assert await browser.whoami() == f"id-{NAME}"
    own = await browser.send("POST", "/auth/logout", json={}, headers={"origin": ORIGIN})
    assert own.status_code == 204


@both
async def test_what_changes_something_is_never_done_by_a_link(transport: str) -> None:
    site = build_site(transport=transport)
    await site.add()
    browser = await site.sign_in()
    reading = {path for _, path in list_calls(site, reading=True)}
    for method, path in list_calls(site, reading=False):
        if path not in reading:
            assert (await browser.get(path)).status_code in (404, 405), (method, path)
    foreign = {path.rpartition("/")[2] for path in reading if "oauth" in path}
    assert foreign == {*FROM_ELSEWHERE, "identities"}


@both
async def test_nothing_is_kept_by_any_cache(transport: str) -> None:
    site = build_site(transport=transport)
    for reading in (True, False):
        for method, path in list_calls(site, reading=reading):
            answer = await site.browser().send(method, path)
            assert answer.headers.get_list("cache-control") == ["no-store"], (method, path)
            assert answer.status_code < 500 or "oauth/acme/login" in path


BODIES: dict[str, dict[str, Any]] = {
    "no JSON": {"content": b"{", "headers": {"content-type": "application/json"}},
    "no object": {"content": b"[]", "headers": {"content-type": "application/json"}},
    "not a number": {"content": b'{"a":NaN}', "headers": {"content-type": "application/json"}},
    "no UTF-8": {"content": b'{"a":"\xff"}', "headers": {"content-type": "application/json"}},
    "half a character": {
        "content": b'{"username":"\\ud800"}',
        "headers": {"content-type": "application/json"},
    },
    "deep": {
        "content": b'{"a":' + b"[" * 7000 + b"]" * 7000 + b"}",
        "headers": {"content-type": "application/json"},
    },
    "twice": {
        "content": b'{"username":"a","username":"b"}',
        "headers": {"content-type": "application/json"},
    },
    "bad escape": {
        "content": b"username=%ff",
        "headers": {"content-type": "application/x-www-form-urlencoded"},
    },
    "form twice": {
        "content": b"username=a&username=b",
        "headers": {"content-type": "application/x-www-form-urlencoded"},
    },
    "multipart": {"files": {"a": b"b"}},
    "no type": {"content": b"username=a"},
}


@both
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_body_that_cannot_be_read_reaches_nothing(
    transport: str, body: dict[str, Any]
) -> None:
    site = build_site(transport=transport)
    for method, path in list_calls(site, reading=False):
        answer = await site.browser().send(method, path, **body)
        assert answer.status_code in (400, 415), (method, path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


@both
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # httpx drops the rest of a body on trio
async def test_E44_a_body_that_is_too_large_reaches_nothing(
    transport: str, anyio_backend: str
) -> None:
    site = build_site(transport=transport)
    for method, path in list_calls(site, reading=False):
        answer = await site.browser().send(method, path, json={"username": "x" * 17_000})
        assert answer.status_code == 413, (method, path)


@backends.on(*backends.ALL)
@pytest.mark.parametrize("name", ["%00", "%F0%9F%98%80", "%ED%A0%80", "x" * 300, "%20"])
async def test_P19_P50_a_bad_id_is_an_unknown_one_on_every_store(store: Store, name: str) -> None:
    site = build_site(store)
    await site.add()
    browser = await site.sign_in()
    for path in ("sessions", "keys", "oauth/identities"):
        tail = "unlink" if "oauth" in path else "revoke"
        for method, place in (("DELETE", name), ("POST", f"{name}/{tail}")):
            answer = await browser.send(method, f"/auth/{path}/{place}")
            assert answer.status_code in (204, 404), (path, method, answer.text)
    for place in ("login", "callback?state=x&code=y"):
        assert (await browser.get(f"/auth/oauth/{name}/{place}")).status_code == 404


FIELDS = (
    *("username", "email", "password", "current_password", "data", "token", "refresh_token"),
    *("scope", "scopes", "name", "lifetime_seconds", "pre_token", "code", "recovery_code"),
    *("mailed_code", "next", "client_id", "client_secret"),
)
NASTY: dict[str, Any] = {
    "a NUL": "a\0b@example.com",
    "no character": "\uffff\U0001f600@example.com",
    "a great number": 10**300,
    "an object": {"a": {"\0": "\0"}},
}


@backends.on(*backends.ALL)
@pytest.mark.parametrize("value", NASTY.values(), ids=NASTY)
async def test_what_no_database_takes_is_a_refusal_on_every_store(store: Store, value: Any) -> None:
    rules = LockoutConfig(
        threshold=1_000_000, client_rules=TIRELESS, code_rules=TIRELESS, store_timeout_seconds=30
    )
    site = build_site(store, transport="bearer", lockout=rules)
    await site.add()
    browser = await site.sign_in()
    for extra in (
        {},
        {"data": {"a": value}, "password": GOOD},
        {"username": value, "password": GOOD},
    ):
        body = {**dict.fromkeys(FIELDS[:-4], value), **extra}
        for method, path in list_calls(site, reading=False):
            if path == "/auth/logout" or "sessions" in path:
                continue
            content = json.dumps(body).encode()
            answer = await browser.send(
                method, path, content=content, headers={"content-type": "application/json"}
            )
            away = path.endswith("acme/link") and answer.status_code == 503
            assert answer.status_code < 500 or away, (method, path, answer.text)
    assert await browser.whoami() == f"id-{NAME}"


TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(
        [NAME, "", "\0", "a@b.example", "e30.e30.e30", "/", "٣٣٣٣٣٣", "123456", "ak_a_b"]
    ),
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
JSON_FIELDS = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6)
FORM_FIELDS = st.dictionaries(st.sampled_from(FIELDS), TEXTS, max_size=6)
COOKIES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)


@both
@pytest.mark.parametrize("place", ["memory", "sqlite", "postgres"], indirect=True)
def test_nothing_that_is_sent_is_an_error_of_ours(transport: str, place: Place) -> None:
    rules = LockoutConfig(threshold=1_000_000, client_rules=TIRELESS, code_rules=TIRELESS)
    with start_blocking_portal("asyncio") as portal:
        store = portal.wrap_async_context_manager(place.open())
        with store as opened:
            site = build_site(
                opened, transport=transport, lockout=rules, clock=FakeClock(time.time())
            )
            name = f"{place.backend}-{transport}-{time.time_ns()}@example.com"
            portal.call(lambda: site.add(name))
            signed_in = portal.call(lambda: site.sign_in(name))
            calls = list_calls(site, reading=False) + list_calls(site, reading=True)
            count = 0

            async def send(call: tuple[str, str], *, known: bool, **body: Any) -> httpx.Response:
                nonlocal count
                count += 1
                # From ever another address, as the mail of each is limited.
                browser = Browser(
                    site, f"10.{count >> 16 & 255}.{count >> 8 & 255}.{count & 255}", {}
                )
                cookies = dict(signed_in.client.cookies) if known else {}
                for cookie, value in body.pop("cookies").items():
                    cookies[cookie] = value
                browser.client.headers["cookie"] = "; ".join(f"{k}={v}" for k, v in cookies.items())
                if known and "authorization" in signed_in.client.headers:
                    browser.client.headers["authorization"] = signed_in.client.headers[
                        "authorization"
                    ]
                return await browser.send(*call, **body)

            @settings(
                max_examples=150,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                derandomize=True,
                database=None,
            )
            @given(
                call=st.sampled_from(calls),
                known=st.booleans(),
                form=st.none() | FORM_FIELDS,
                fields=JSON_FIELDS,
                cookies=st.dictionaries(
                    st.sampled_from(
                        ["__Host-login", "__Host-pending", "__Host-refresh", "__Host-oauth"]
                    ),
                    COOKIES,
                    max_size=2,
                ),
                accept=st.sampled_from(["text/html", "*/*"]),
            )
            def fuzz(
                call: tuple[str, str],
                *,
                known: bool,
                form: dict[str, str] | None,
                fields: dict[str, Any],
                cookies: dict[str, str],
                accept: str,
            ) -> None:
                body: dict[str, Any] = {"headers": {"accept": accept}, "cookies": cookies}
                if call[0] == "GET":
                    body["params"] = {k: v for k, v in fields.items() if isinstance(v, str)}
                elif form is None:
                    body["content"] = json.dumps(fields).encode()
                    body["headers"]["content-type"] = "application/json"
                else:
                    body["data"] = form
                answer = portal.call(lambda: send(call, known=known, **body))
                away = call[1].endswith(("acme/login", "acme/link")) and answer.status_code == 503
                assert answer.status_code < 500 or away, (call, fields, form, answer.text)

            fuzz()
            portal.call(site.auth.drain)
