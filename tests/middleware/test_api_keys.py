"""The guard that takes API keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.responses import JSONResponse
from starlette.routing import Route

from asgi_security.asgi.context import current
from asgi_security.errors import ConfigError, StorageError
from asgi_security.flows.api_keys import ApiKeyCreated, ApiKeys
from asgi_security.guards import requires as needs
from asgi_security.middleware.access import AccessMiddleware
from asgi_security.middleware.api_keys import ApiKeyMiddleware
from asgi_security.middleware.cors import CorsMiddleware
from asgi_security.middleware.headers import SecurityHeadersMiddleware
from asgi_security.middleware.jwt import JwtMiddleware
from asgi_security.policy.access_roles import Roles
from asgi_security.policy.access_rules import permit
from asgi_security.policy.api_keys import ApiKeyConfig
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.memory.accounts import MemoryAccounts
from asgi_security.testing import EventRecorder, FakeClock, call, connect_websocket
from asgi_security.testing.contracts.expecting import build_user
from tests.token_samples import NOW, mint
from tests.token_samples import SECRET as TOKEN_SECRET

if TYPE_CHECKING:
    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send
    from asgi_security.principal import Principal
    from asgi_security.storage.protocols import Account

pytestmark = pytest.mark.anyio

SECRET = "s" * 32
ADA = build_user("ada")
BEARER = {"authorization": f"Bearer {mint()}"}
PREFLIGHT = {"origin": "https://a.test", "access-control-request-method": "POST"}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    scope["state"]["seen"] = (scope, current())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"passed"})


class World:
    """A store in which ada has an account, and keys to it."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.events = EventRecorder()
        self.store = MemoryStore()
        self.keys = ApiKeys(
            ApiKeyConfig(secret=SECRET), self.store, clock=self.clock, events=self.events
        )

    def guard(self, inner: ASGIApp = app, **fields: Any) -> ApiKeyMiddleware:
        options = {"secret": SECRET, "clock": self.clock, "events": self.events, **fields}
        return ApiKeyMiddleware(inner, store=options.pop("store", self.store), **options)

    def guard_tokens(self, inner: ASGIApp, **fields: Any) -> JwtMiddleware:
        return JwtMiddleware(
            inner, secret=TOKEN_SECRET, clock=self.clock, events=self.events, **fields
        )

    async def make(self, *scopes: str, **wishes: Any) -> ApiKeyCreated:
        made = await self.keys.create(
            ADA.id, name="CI", scopes=scopes, granted=set(scopes), **wishes
        )
        assert isinstance(made, ApiKeyCreated)
        return made


@pytest.fixture
async def world(anyio_backend: str) -> World:
    world = World()
    await world.store.accounts.create(ADA)
    return world


def give(made: ApiKeyCreated, **headers: str) -> dict[str, str]:
    return {"x-api-key": made.text, **headers}


async def test_P50_a_good_key_is_made_known_everywhere(world: World) -> None:
    made = await world.make("write", "read")
    state: dict[str, Any] = {}
    answered = await call(world.guard(), headers=give(made), state=state)
    assert answered.status == 200
    scope, context = state["seen"]
    assert context.principal.subject == ADA.id
    assert context.principal.via == "api_key"
    assert context.principal.scopes == {"read", "write"}
    assert context.private
    assert scope["user"] is context.principal
    assert scope["auth"].scopes == ["read", "write"]


async def test_starlette_requires_works_on_top(world: World) -> None:
    @requires("write")
    async def endpoint(request: Any) -> JSONResponse:
        return JSONResponse({"user": request.user.display_name})

    guarded = world.guard(Starlette(routes=[Route("/", endpoint)]))
    answered = await call(guarded, headers=give(await world.make("write")))
    assert answered.json() == {"user": ADA.id}
    assert (await call(guarded, headers=give(await world.make("read")))).status == 403
    assert (await call(guarded)).status == 403


async def test_P50_without_a_key_nobody_asks(world: World) -> None:
    state: dict[str, Any] = {}
    assert (await call(world.guard(), state=state)).status == 200
    scope, context = state["seen"]
    assert context.principal is None
    assert not context.private
    assert not scope["user"].is_authenticated
    assert scope["auth"].scopes == []
    assert world.events.names == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_P36_required(world: World, method: str) -> None:
    guarded = world.guard(required=True)
    refused = await call(guarded, method)
    assert refused.status == 401
    assert refused.value("www-authenticate") == 'ApiKey realm="api"'
    if method == "GET":
        assert refused.json()["code"] == "API_KEY_REQUIRED"
    else:
        assert refused.body == b""
    assert (await call(guarded, method, headers=give(await world.make()))).status == 200
    assert (await call(guarded, "OPTIONS", headers=PREFLIGHT)).status == 200
    assert (await call(guarded, "OPTIONS")).status == 401
    assert (await call(guarded, "PUT", headers=PREFLIGHT)).status == 401


@pytest.mark.parametrize(
    ("fate", "code"),
    [
        pytest.param("unknown", "INVALID_API_KEY", id="P50 invalid_api_key"),
        pytest.param("junk", "INVALID_API_KEY", id="P50 no key"),
        pytest.param("revoked", "API_KEY_REVOKED", id="P50 api_key_revoked"),
        pytest.param("expired", "API_KEY_EXPIRED", id="P50 api_key_expired"),
        pytest.param("disabled", "ACCOUNT_DISABLED", id="P50 account_disabled"),
    ],
)
async def test_a_bad_key_is_refused(world: World, fate: str, code: str) -> None:
    made = await world.make(lifetime_seconds=60)
    headers = give(made)
    match fate:
        case "unknown":
            await world.keys.delete(ADA.id, made.key.id)
        case "junk":
            headers["x-api-key"] = "\xff, junk"
        case "revoked":
            await world.keys.revoke(ADA.id, made.key.id)
        case "expired":
            world.clock.advance(60)
        case _:
            await world.store.accounts.save(replace(ADA, is_active=False))
    state: dict[str, Any] = {}
    refused = await call(world.guard(realm="my api"), headers=headers, state=state)
    assert state == {}
    assert refused.status == 401
    assert refused.json()["code"] == code
    assert refused.value("content-type") == "application/problem+json"
    assert refused.value("cache-control") == "no-store"
    assert refused.value("www-authenticate") == 'ApiKey realm="my api"'
    told = str(refused.messages) + str(world.events.events)
    assert made.text.rpartition("_")[2] not in told
    reasons = [each.facts.get("reason") for each in world.events.events]
    assert reasons[-1] == code.lower()


async def test_P50_an_unknown_key_and_a_wrong_secret_are_answered_alike(world: World) -> None:
    made = await world.make()
    wrong = await call(world.guard(secret="w" * 32), headers=give(made))
    await world.keys.delete(ADA.id, made.key.id)
    unknown = await call(world.guard(), headers=give(made))
    assert wrong.messages == unknown.messages


async def test_P50_two_keys_are_no_key(world: World) -> None:
    made = await world.make()
    for second in (made.text, "", "junk"):
        pairs = [("x-api-key", made.text), ("x-api-key", second)]
        refused = await call(world.guard(), headers=pairs)
        assert refused.status == 400
        assert refused.json()["code"] == "INVALID_REQUEST"
    joined = await call(world.guard(), headers={"x-api-key": f"{made.text}, {made.text}"})
    assert joined.status == 401


async def test_P50_a_header_of_ones_own(world: World) -> None:
    made = await world.make()
    guarded = world.guard(header="X-Service-Key", required=True)
    assert (await call(guarded, headers={"x-service-key": made.text})).status == 200
    assert (await call(guarded, headers=give(made))).status == 401


class TestBesideTokens:
    @pytest.mark.parametrize("keys_outside", [True, False])
    async def test_P50_two_credentials_are_none(self, world: World, *, keys_outside: bool) -> None:
        made = await world.make()
        if keys_outside:
            guarded: ASGIApp = world.guard(world.guard_tokens(app, optional=True))
        else:
            guarded = world.guard_tokens(world.guard(), optional=True)
        both = await call(guarded, headers=give(made, **BEARER))
        assert both.status == 400
        assert both.json()["code"] == "CONFLICTING_CREDENTIALS"
        assert (await call(guarded, headers=give(made))).status == 200
        assert (await call(guarded, headers=BEARER)).status == 200

    async def test_P50_a_token_from_elsewhere_conflicts_too(self, world: World) -> None:
        made = await world.make()
        guarded = world.guard_tokens(world.guard(), optional=True, cookie_name="token")
        cookie = f"token={mint()}"
        assert (await call(guarded, headers=give(made, cookie=cookie))).status == 400

    @pytest.mark.parametrize(
        ("value", "status"),
        [("Bearer", 400), ("bEARER x", 400), ("Basic YTpi", 200), ("Bearers x", 200), ("", 200)],
    )
    async def test_only_bearer_tokens_are_a_second_credential(
        self, world: World, value: str, status: int
    ) -> None:
        made = await world.make()
        answered = await call(world.guard(), headers=give(made, authorization=value))
        assert answered.status == status

    async def test_whose_token_it_is_stays_known(self, world: World) -> None:
        state: dict[str, Any] = {}
        guarded = world.guard_tokens(world.guard(), optional=True)
        await call(guarded, headers=BEARER, state=state)
        scope, context = state["seen"]
        assert context.principal.via == "jwt"
        assert scope["user"] is context.principal


class TestAccess:
    RULES = (
        permit("/invoices", permissions=["invoice:read"]),
        permit("/reports", scopes=["report:read"]),
    )

    def guard(self, world: World, *roles: str) -> ASGIApp:
        async def load(principal: Principal) -> Principal:
            return replace(principal, roles=frozenset(roles))

        access = AccessMiddleware(
            app,
            rules=self.RULES,
            roles=Roles({"clerk": ["invoice:read"]}),
            load_principal=load,
            events=world.events,
        )
        return world.guard_tokens(world.guard(access), optional=True)

    async def test_P36_only_services(self, world: World) -> None:
        guarded = world.guard_tokens(world.guard(needs(via="api_key")(app)), optional=True)
        assert (await call(guarded, headers=give(await world.make()))).status == 200
        assert (await call(guarded, headers=BEARER)).status == 403
        assert (await call(guarded)).status == 401

    async def test_P36_scopes_bound_the_permissions_of_the_owner(self, world: World) -> None:
        narrow, wide = await world.make("report:read"), await world.make("invoice:read")
        clerk, nobody = self.guard(world, "clerk"), self.guard(world)
        assert (await call(clerk, target="/invoices", headers=give(wide))).status == 200
        assert (await call(clerk, target="/invoices", headers=give(narrow))).status == 403
        assert (await call(nobody, target="/invoices", headers=give(wide))).status == 403
        assert (await call(clerk, target="/reports", headers=give(narrow))).status == 200
        assert (await call(clerk, target="/reports", headers=give(wide))).status == 403


class TestWebSocket:
    async def test_W103_refused_before_accept(self, world: World) -> None:
        guarded = world.guard(required=True)
        for headers in ({}, {"x-api-key": "junk"}):
            denied = await connect_websocket(guarded, headers=headers)
            assert not denied.accepted
            assert denied.status == 401
            closed = await connect_websocket(guarded, headers=headers, denial=False)
            assert closed.close_code == 1008
        made = await world.make()
        assert (await connect_websocket(guarded, headers=give(made))).accepted
        two = [("x-api-key", made.text)] * 2
        assert (await connect_websocket(guarded, headers=two)).status == 400
        assert (await connect_websocket(world.guard())).accepted


class BrokenAccounts(MemoryAccounts):
    async def load(self, account_id: str) -> Account | None:
        raise StorageError("down")


async def test_D59_fails_closed(world: World) -> None:
    made = await world.make()
    broken = MemoryStore(api_keys=world.store.api_keys, accounts=BrokenAccounts(limit=1))
    refused = await call(world.guard(store=broken), headers=give(made))
    assert refused.status == 503
    assert refused.value("retry-after") == "5"
    assert refused.json()["code"] == "VERIFICATION_UNAVAILABLE"
    assert (await call(world.guard(store=broken))).status == 200


async def test_refusals_carry_what_outer_guards_add(world: World) -> None:
    inner = CorsMiddleware(world.guard(required=True), allow_origins=["https://a.test"])
    answered = await call(SecurityHeadersMiddleware(inner), headers={"origin": "https://a.test"})
    assert answered.status == 401
    assert answered.value("access-control-allow-origin") == "https://a.test"
    assert answered.value("x-content-type-options") == "nosniff"


async def test_a_config_or_its_fields(world: World) -> None:
    config = ApiKeyConfig(secret=SECRET, required=True)
    guarded = ApiKeyMiddleware(app, config, store=world.store, events=world.events)
    assert (await call(guarded)).status == 401
    with pytest.raises(ConfigError):
        world.guard(secret="short")
    with pytest.raises(TypeError, match="prefix"):
        world.guard(prefx="ak")


async def test_other_scopes_pass(world: World) -> None:
    seen: list[str] = []

    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError("not called")

    await world.guard(lifespan, required=True)({"type": "lifespan"}, nothing, nothing)
    assert seen == ["lifespan"]
