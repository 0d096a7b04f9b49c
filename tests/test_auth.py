"""`Auth` puts all flows together: over one store, out of one secret that can be replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from asgi_security import MemoryStore
from asgi_security.auth import Auth, auth_routes
from asgi_security.auth.defaults import DerivedSecrets, build_endpoint_config, find_host
from asgi_security.errors import ConfigError
from asgi_security.flows.api_keys import ApiKeyCreated
from asgi_security.policy.endpoints import EndpointConfig
from asgi_security.policy.jwt import JwtConfig
from asgi_security.policy.lockout import LockoutConfig
from asgi_security.policy.refresh import RefreshConfig
from asgi_security.storage.protocols import Account
from asgi_security.testing import call
from tests.endpoints.site import BETTER, GOOD, NAME, ORIGIN, WRONG, Browser, Site
from tests.flows.account_world import Mailbox

if TYPE_CHECKING:
    from starlette.requests import Request

    from asgi_security.policy.endpoints import Transport

pytestmark = pytest.mark.anyio

FIRST, SECOND = "1" * 32, "2" * 32
PURPOSES = (
    *("sessions", "access tokens", "refresh tokens", "audit", "mfa", "messages", "lockout"),
    "api keys",
)


def build(**fields: Any) -> Auth:
    given = {"secret": FIRST, "site_url": ORIGIN, "sender": Mailbox(), **fields}
    return Auth(given.pop("store", None) or MemoryStore(), **given)


def test_what_was_not_asked_for_is_not_there() -> None:
    auth = build(audit=False)
    assert (auth.mfa, auth.oauth, auth.api_keys, auth.audit) == (None, None, None, None)
    paths = {route.path for route in auth_routes(auth).routes}  # type: ignore[attr-defined]
    assert {"/login", "/logout", "/register", "/sessions"} <= paths
    assert not any(path.startswith(("/mfa", "/oauth", "/keys", "/refresh")) for path in paths)


def test_what_was_asked_for_has_its_routes() -> None:
    auth = build(mfa=True, api_keys=True)
    paths = {route.path for route in auth_routes(auth, transport="bearer").routes}  # type: ignore[attr-defined]
    assert {"/mfa/verify", "/keys", "/refresh", "/revoke"} <= paths


def test_P25_a_key_of_its_own_for_every_purpose() -> None:
    derived = DerivedSecrets(FIRST, [SECOND])
    secrets = [derived.derive(purpose)["secret"].reveal() for purpose in PURPOSES]
    assert len({*secrets, FIRST.encode()}) == len(PURPOSES) + 1
    assert all(len(secret) >= 32 for secret in secrets)
    again = DerivedSecrets(SECOND).derive("sessions")
    assert derived.derive("sessions")["old_secrets"] == (again["secret"],)


def test_P25_no_two_parts_of_an_Auth_share_a_key() -> None:
    auth = build(mfa=True, api_keys=True)
    assert auth.mfa is not None
    assert auth.api_keys is not None
    configs: list[Any] = [auth.sessions, auth.jwt, auth.lockout.config, auth.mfa.config]
    configs += [auth.api_keys.config, auth.refresh._config]
    keys = [config.secret.reveal() for config in configs]
    assert len(set(keys)) == len(keys)
    assert auth.refresh._config.access_secret == auth.jwt.secret


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(ConfigError, match="secret"):
        build(secret="short")
    for site in ("app.example.com", "https://[", "http://app.example.com"):
        with pytest.raises(ConfigError, match="site_url"):
            build(site_url=site)
    with pytest.raises(TypeError, match="did you mean 'transport'"):
        auth_routes(build(), transprot="bearer")


def test_configurations_of_ones_own_stand() -> None:
    lockout = LockoutConfig(secret="l" * 32, threshold=3)
    endpoints = EndpointConfig(home_page="/start")
    auth = build(lockout=lockout, endpoints=endpoints, site_name="Acme: us", mfa=True)
    assert auth.lockout.config is lockout
    assert auth.endpoints is endpoints
    assert auth.mfa is not None
    assert auth.mfa.config.issuer == "Acme  us"
    keyless = build(lockout=LockoutConfig(threshold=3))
    assert keyless.lockout.config.threshold == 3
    assert keyless.lockout.config.secret is not None


def test_tokens_with_keys_of_their_own_need_who_verifies_them() -> None:
    refresh = RefreshConfig(secret="r" * 32, access_secret="x" * 32)
    auth = build(refresh=refresh)
    with pytest.raises(ConfigError, match="jwt"):
        auth.jwt  # noqa: B018 -- it raises
    jwt = JwtConfig(secret="x" * 32, dangerously_accept_any_audience=True, optional=True)
    auth = build(refresh=refresh, jwt=jwt)
    assert auth.jwt == replace(jwt, revocations=auth.store)
    elsewhere = replace(jwt, revocations=MemoryStore())
    assert build(refresh=refresh, jwt=elsewhere).jwt == elsewhere


def test_pages_are_where_the_routes_are_mounted() -> None:
    config = build_endpoint_config("/account", secure=True, home_page="/start")
    assert (config.login_page, config.home_page) == ("/account/login", "/start")
    assert build(path="/in").endpoints.reset_page == "/in/reset-password"
    assert [find_host(url) for url in ("https://a.example:1/", "x", "http://[")] == [
        *("a.example", "site", "site")
    ]


async def test_the_guards_speak_the_transport_of_the_routes() -> None:
    store = MemoryStore()
    site = Site(store, transport="bearer", endpoints={})
    auth = build(store=store, endpoints=EndpointConfig(transport="bearer"), secret="e" * 32)
    app = auth.harden(site.app.app)
    kinds = {type(layer).__name__ for layer in app.layers}
    assert "JwtLayer" in kinds
    assert "SessionLayer" not in kinds
    assert {"SessionLayer", "CsrfLayer"} <= {type(x).__name__ for x in build().harden(app).layers}


async def reopen(site: Site, browser: Browser, **fields: Any) -> Browser:
    """Return the same browser at the same site after a deployment with other secrets."""
    other = Site(site.store, transport=site.transport, clock=site.clock, seed="2", **fields)
    moved = Browser(other, "192.0.2.1", {})
    moved.client.cookies = browser.client.cookies
    moved.client.headers = browser.client.headers.copy()
    moved.refresh_token = browser.refresh_token
    return moved


ROTATED: dict[str, Any] = {"secret": SECOND, "old_secrets": [FIRST]}
LOST: dict[str, Any] = {"secret": SECOND}
both = pytest.mark.parametrize(
    ("fields", "works"),
    [pytest.param(ROTATED, True, id="rotated"), pytest.param(LOST, False, id="lost")],
)


async def test_C15_a_session_outlives_its_secret() -> None:
    site = Site(secret=FIRST)
    await site.add()
    browser = await site.sign_in()
    for fields in (ROTATED, LOST):  # the id is looked up in the store; no secret signs it
        assert await (await reopen(site, browser, **fields)).whoami() == f"id-{NAME}"


@both
async def test_P24_tokens_outlive_their_secret(fields: dict[str, Any], *, works: bool) -> None:
    site = Site(transport="bearer", secret=FIRST)
    await site.add()
    moved = await reopen(site, await site.sign_in(), **fields)
    assert (await moved.whoami() is not None) is works
    del moved.client.headers["authorization"]
    answer = moved.keep(await moved.post("/auth/refresh", refresh_token=moved.refresh_token))
    assert (answer.status_code == 200) is works
    if works:
        assert await moved.whoami() == f"id-{NAME}"
        # What is made now is made under the new secret alone.
        newest = await reopen(site, moved, **LOST)
        assert await newest.whoami() == f"id-{NAME}"


@both
async def test_P41_an_authenticator_outlives_its_secret(
    fields: dict[str, Any], *, works: bool
) -> None:
    site = Site(secret=FIRST)
    await site.add()
    app, codes = await site.enrol()
    browser = site.browser()
    pending = (await browser.sign_in()).json()["pre_token"]
    moved = await reopen(site, browser, **fields)
    answer = await moved.post("/auth/mfa/verify", pre_token=pending, code=app.code())
    assert (answer.status_code == 200) is works
    again = moved.site.browser()
    token = (await again.sign_in()).json()["pre_token"]
    answer = await again.post("/auth/mfa/verify", pre_token=token, recovery_code=codes[0])
    assert answer.status_code == 200  # found by its digest, which no secret makes (F98)


@both
async def test_P50_an_api_key_outlives_its_secret(fields: dict[str, Any], *, works: bool) -> None:
    site = Site(secret=FIRST)
    await site.add()
    made = await (await site.sign_in()).post("/auth/keys", name="ci", scopes=[])
    other = Site(site.store, clock=site.clock, **fields)
    assert other.auth.api_keys is not None
    outcome = await other.auth.api_keys.verify(made.json()["key"])
    assert (type(outcome).__name__ == "ApiKeyVerified") is works


@both
async def test_E28_a_lock_and_a_known_device_outlive_their_secret(
    fields: dict[str, Any], *, works: bool
) -> None:
    site = Site(secret=FIRST)
    await site.add()
    owner = await site.sign_in()
    for _ in range(5):
        await site.browser().sign_in(password=WRONG)
    other = Site(site.store, clock=site.clock, **fields)
    assert ((await other.browser().sign_in()).status_code == 429) is works
    if works:
        moved = await reopen(site, owner, **fields)
        assert (await moved.sign_in()).status_code == 200


async def test_P51_what_was_mailed_outlives_its_secret() -> None:
    site = Site(secret=FIRST)
    await site.add()
    await site.browser().post("/auth/forgot-password", username=NAME)
    token = (await site.read_mail("reset")).token
    other = Site(site.store, clock=site.clock, **ROTATED)
    answer = await other.browser().post("/auth/reset-password", token=token, password=BETTER)
    assert answer.status_code == 200


async def test_H90_the_audit_log_goes_on_over_a_change_of_secrets() -> None:
    site = Site(secret=FIRST)
    await site.add()
    await site.sign_in()
    other = Site(site.store, clock=site.clock, **ROTATED)
    await other.sign_in()
    assert other.auth.audit is not None
    report = await other.auth.audit.verify()
    assert type(report).__name__ == "Verified"
    alone = Site(site.store, clock=site.clock, **LOST)
    assert alone.auth.audit is not None
    assert type(await alone.auth.audit.verify()).__name__ == "Broken"


async def test_everything_is_there_without_HTTP() -> None:
    site = Site()
    auth = site.auth
    await auth.accounts.register("ada@example.com", GOOD)
    token = (await site.read_mail("verify")).token
    assert token is not None
    await auth.accounts.verify(token)
    outcome = await auth.login.sign_in("ada@example.com", GOOD)
    assert type(outcome).__name__ == "SignedIn"


async def test_a_message_that_hangs_is_told_at_shutdown() -> None:
    site = Site()
    site.mailbox.hangs = True
    await site.browser().post("/auth/register", username="a@example.com", password=GOOD)
    assert await site.auth.drain(timeout_seconds=0.05) is False


@pytest.mark.parametrize("transport", ["session", "bearer"])
async def test_P50_the_keys_that_it_makes_open_what_it_guards(transport: Transport) -> None:
    auth = build(api_keys=True)
    assert auth.api_keys is not None
    await auth.store.accounts.create(Account("a1", "ada@example.com", is_verified=True))
    made = await auth.api_keys.create("a1", name="ci", scopes=["read"], granted={"read"})
    assert isinstance(made, ApiKeyCreated)

    async def show(request: Request) -> JSONResponse:
        return JSONResponse([request.user.display_name, sorted(request.auth.scopes)])

    app = auth.harden(Starlette(routes=[Route("/me", show)]), transport=transport)
    answered = await call(app, target="/me", headers={"x-api-key": made.text})
    assert answered.json() == ["a1", ["read"]]
    refused = await call(app, target="/me", headers={"x-api-key": f"{made.text}x"})
    assert refused.status == 401
