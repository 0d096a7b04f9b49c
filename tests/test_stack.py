"""The order, whatever the order of the arguments, and the guards installed in place."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI, Request  # noqa: TC002 -- read by FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from asgi_security import (
    AccessConfig,
    ClientConfig,
    ConfigError,
    CorsConfig,
    CsrfConfig,
    HostsConfig,
    IntrospectionConfig,
    JwtConfig,
    JwtVerifier,
    LockoutConfig,
    MemoryStore,
    SecurityHeadersConfig,
    SessionConfig,
    ThrottleConfig,
    add_security,
    harden,
    issue_jwt,
    permit,
    revoke_token,
)
from asgi_security.flows.revocations import revoke_subject
from asgi_security.policy.api_keys import ApiKeyConfig
from asgi_security.policy.login_routes import LoginRouteConfig
from asgi_security.stack import ORDER
from asgi_security.testing import call
from tests.flows.introspecting import active, serve

if TYPE_CHECKING:
    from starlette.responses import Response

    from asgi_security.asgi.types import Receive, Scope, Send

SECRET = "s" * 32
ORIGIN = "https://app.example.com"
ASKED = IntrospectionConfig(url="https://as.test/", client_id="api", client_secret="secret")
CORP = b"cross-origin-resource-policy"


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def everything() -> dict[str, Any]:
    return {
        "access": AccessConfig(rules=[permit("/", public=True)]),
        "jwt": JwtConfig(secret=SECRET, optional=True),
        "api_keys": ApiKeyConfig(secret=SECRET),
        "store": MemoryStore(),
        "sessions": SessionConfig(secret=SECRET),
        "lockout": LockoutConfig(),
        "login": LoginRouteConfig(outcome="api"),
        "cors": CorsConfig(allow_origins=[ORIGIN]),
        "clients": ClientConfig(),
        "csrf": CsrfConfig(),
        "throttle": ThrottleConfig(limit=100, window_seconds=60),
        "hosts": HostsConfig(allow_hosts=["testserver"]),
        "headers": SecurityHeadersConfig(),
    }


def test_P50_api_keys_need_the_store_they_were_made_in() -> None:
    with pytest.raises(ConfigError, match="open_store"):
        harden(hello, api_keys=ApiKeyConfig(secret=SECRET))


def test_the_order_is_the_same_whatever_the_order_of_the_arguments() -> None:
    # Far apart in the thirteen factorial orders there are; each begins with another argument.
    for start in range(len(everything())):
        names = [*everything()][start:] + [*everything()][:start][::-1]
        given = everything()
        app = harden(hello, **{name: given[name] for name in names})
        words = [type(layer).__module__.rpartition(".")[2] for layer in app.layers]
        assert words == [word for word in ORDER if word != "introspection"]
        asked = harden(hello, **{**everything(), "jwt": None, "introspection": ASKED})
        words = [type(layer).__module__.rpartition(".")[2] for layer in asked.layers]
        assert words == [word for word in ORDER if word != "jwt"]


def test_V79_one_guard_answers_for_the_authorization_header() -> None:
    with pytest.raises(ConfigError, match="give one of the two"):
        harden(hello, jwt=JwtConfig(secret=SECRET), introspection=ASKED)


@pytest.mark.anyio
async def test_V74_the_store_keeps_the_revocations_of_tokens_that_are_asked_about() -> None:
    store = MemoryStore()
    async with serve() as endpoint:
        config = IntrospectionConfig(**endpoint.configure())
        guarded = harden(hello, introspection=config, store=store)
        endpoint.reply = active(iat=1)
        bearer = {"authorization": "Bearer opaque"}
        assert (await call(guarded, headers=bearer)).status == 200
        await revoke_subject("ada", store, before=time.time(), expires_at=time.time() + 60)
        assert (await call(guarded, headers=bearer)).status == 401


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("cors", "status"),
    [
        pytest.param(
            {"allow_origins": [ORIGIN], "allow_credentials": True}, 200, id="CORS74 exact"
        ),
        pytest.param({"allow_origins": [ORIGIN]}, 403, id="CORS74 without credentials"),
        pytest.param(
            {"allow_origins": ["https://*.example.com"], "allow_credentials": True},
            403,
            id="CORS74 a wildcard contributes none",
        ),
    ],
)
async def test_csrf_trusts_whom_cors_trusts_with_credentials(
    cors: dict[str, Any], status: int
) -> None:
    forged = {"origin": ORIGIN, "sec-fetch-site": "cross-site"}
    guarded = harden(hello, cors=CorsConfig(**cors), csrf=CsrfConfig())
    assert (await call(guarded, "POST", headers=forged)).status == status
    own = harden(hello, cors=CorsConfig(**cors), csrf=CsrfConfig(trusted_origins=()))
    assert (await call(own, "POST", headers=forged)).status == 403


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("cors", "policy"),
    [
        pytest.param(CorsConfig(allow_origins=["*"]), "cross-origin", id="CORS70 for everyone"),
        pytest.param(CorsConfig(allow_origins=[ORIGIN]), "same-origin", id="CORS70 for one"),
        pytest.param(None, "same-origin", id="CORS70 for nobody"),
    ],
)
async def test_an_api_may_be_embedded_where_everyone_may_read_it(
    cors: CorsConfig | None, policy: str
) -> None:
    app = harden(hello, headers=SecurityHeadersConfig.api(), cors=cors)
    lines = (await call(app, headers={"origin": ORIGIN})).headers
    assert [value for name, value in lines if name == CORP] == [policy.encode()]


@pytest.mark.anyio
async def test_one_list_of_origins_serves_cors_and_connect_src() -> None:
    cors = CorsConfig(allow_origins=[ORIGIN, "https://*.x.app"])
    app = harden(hello, headers=SecurityHeadersConfig.strict(connect_origins=cors), cors=cors)
    headers = dict((await call(app, headers={"origin": "https://a.x.app"})).headers)
    assert headers[b"access-control-allow-origin"] == b"https://a.x.app"
    policy = dict(
        directive.strip().split(b" ", 1)
        for directive in headers[b"content-security-policy"].split(b";")
    )
    assert policy[b"connect-src"].split() == [
        *(b"'self'", b"https://app.example.com", b"wss://app.example.com"),
        *(b"https://*.x.app", b"wss://*.x.app"),
    ]


@pytest.mark.anyio
async def test_headers_are_on_unless_turned_off() -> None:
    assert (await call(harden(hello))).value("x-content-type-options") == "nosniff"
    assert (await call(harden(hello, headers=None))).headers == []


def test_quotas_of_principals_cannot_be_counted_before_they_are_known() -> None:
    with pytest.raises(ConfigError, match="inside what harden adds"):
        harden(hello, throttle=ThrottleConfig(limit=1, window_seconds=1, key="principal"))


@pytest.mark.anyio
async def test_T49_a_quota_is_counted_before_anything_else_is_paid_for() -> None:
    guarded = harden(hello, throttle=ThrottleConfig(limit=2, window_seconds=60, name="api"))
    first, second, third = [await call(guarded) for _ in range(3)]
    assert (first.status, second.status, third.status) == (200, 200, 429)
    assert third.value("x-content-type-options") == "nosniff"
    assert first.value("ratelimit-policy") == '"api";q=2;w=60'


def test_a_lockout_without_a_login_route_is_an_error() -> None:
    with pytest.raises(ConfigError, match="LoginRouteConfig"):
        harden(hello, lockout=LockoutConfig())


@pytest.mark.anyio
async def test_a_store_makes_the_logout_of_a_cookie_session_count() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/write":
            scope["session"]["cart"] = [1]
        if scope["path"] == "/logout":
            scope["session"].logout()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % len(scope["session"])})

    for store, left in ((None, b"1"), (MemoryStore(), b"0")):
        guarded = harden(app, sessions=SessionConfig(secret=SECRET), store=store)
        cookie = (await call(guarded, target="/write")).values("set-cookie")[0].partition(";")[0]
        await call(guarded, target="/logout", headers={"cookie": cookie})
        assert (await call(guarded, headers={"cookie": cookie})).body == left


@pytest.mark.anyio
@pytest.mark.parametrize("named", [True, False])
async def test_a_guard_asks_the_revocations_it_names_before_the_stacks(named: bool) -> None:  # noqa: FBT001 -- a table
    own, shared = MemoryStore(), MemoryStore()
    config = JwtConfig(secret=SECRET, revocations=own if named else None)
    guarded = harden(hello, jwt=config, store=shared)
    token = issue_jwt({"sub": "ada"}, secret=SECRET, lifetime_seconds=60)
    headers = {"authorization": f"Bearer {token}"}
    for store in (shared, own):
        await revoke_token(token, JwtVerifier(config), store, now=time.time())
        refused = (await call(guarded, headers=headers)).status == 401
        assert refused is (store is own or not named)


async def answer(request: Any) -> Response:
    if request.url.path == "/teapot":
        raise HTTPException(418)
    if request.url.path == "/crash":
        raise LookupError
    return PlainTextResponse("hello")


def build_starlette() -> Starlette:
    async def explain(request: Any, error: Exception) -> Response:
        return PlainTextResponse("our own error page", 500)

    return Starlette(
        routes=[Route("/{path:path}", answer)], exception_handlers={Exception: explain}
    )


@pytest.mark.anyio
class TestInPlace:
    async def test_starlette_keeps_its_own_error_page_and_it_carries_the_headers(self) -> None:
        app = add_security(build_starlette(), env={})
        answered = await call(app, target="/crash", catch=True)
        assert (answered.status, answered.body) == (500, b"our own error page")
        assert answered.value("x-content-type-options") == "nosniff"
        assert isinstance(answered.error, LookupError)

    async def test_P29_a_second_call_replaces_the_first(self) -> None:
        app = build_starlette()
        add_security(app, headers_overrides={"X-Frame-Options": "SAMEORIGIN"}, env={})
        add_security(app, cors_origins=[ORIGIN], env={})
        answered = await call(app, headers={"origin": ORIGIN})
        assert answered.value("x-frame-options") == "DENY"
        assert answered.value("access-control-allow-origin") == ORIGIN

    async def test_P29_preflights_carry_the_headers(self) -> None:
        app = add_security(build_starlette(), cors_origins=[ORIGIN], env={})
        ask = {"origin": ORIGIN, "access-control-request-method": "PUT"}
        answered = await call(app, "OPTIONS", headers=ask)
        assert answered.status == 204
        assert answered.value("x-content-type-options") == "nosniff"

    async def test_fastapi_sessions(self) -> None:
        app = FastAPI()

        @app.get("/")
        async def count(request: Request) -> dict[str, int]:
            request.session["n"] = request.session.get("n", 0) + 1
            return {"n": request.session["n"]}

        add_security(app, install_session_middleware=True, session_secret_key=SECRET, env={})
        first = await call(app)
        cookie = first.values("set-cookie")[0]
        assert cookie.startswith("svc_session=")
        second = await call(app, headers={"cookie": cookie.partition(";")[0]})
        assert second.json() == {"n": 2}

    @pytest.mark.parametrize("anyio_backend", ["asyncio"])  # Quart runs on nothing else
    async def test_quart(self) -> None:
        quart = pytest.importorskip("quart", reason="not among the lowest versions")
        app = quart.Quart(__name__)

        async def root() -> str:
            return "hello"

        app.add_url_rule("/", view_func=root)
        add_security(app, env={})
        add_security(app, env={})
        answered = await call(app)
        assert answered.body == b"hello"
        assert answered.value("x-content-type-options") == "nosniff"

    async def test_litestar(self) -> None:
        litestar = pytest.importorskip("litestar", reason="not among the lowest versions")

        async def root() -> str:
            return "hello"

        app = add_security(litestar.Litestar([litestar.get("/")(root)]), env={})
        answered = await call(app)
        assert answered.body == b"hello"
        assert answered.value("x-content-type-options") == "nosniff"

    async def test_after_the_first_request_it_is_too_late(self) -> None:
        app = build_starlette()
        await call(app)
        with pytest.raises(TypeError, match="before"):
            add_security(app, env={})

    async def test_an_app_without_a_place_for_it_is_told_of_harden(self) -> None:
        with pytest.raises(TypeError, match=r"harden\(app, \.\.\.\)"):
            add_security(hello, env={})

    async def test_what_is_wrong_is_said_at_once(self) -> None:
        with pytest.raises(ConfigError, match="SESSION_SECRET"):
            add_security(FastAPI(), install_session_middleware=True, env={})
        with pytest.raises(ConfigError):
            add_security(FastAPI(), cors_origins=["*"], env={})
