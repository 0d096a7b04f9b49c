"""Routes that want a user who was authenticated lately, or with two factors (M98, RFC 9470)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from asgi_security import ConfigError, Principal, SecurityContext
from asgi_security.asgi.context import current_context
from asgi_security.flows.jwt import issue_jwt
from asgi_security.guards import (
    AccessDenied,
    all_of,
    any_of,
    authorize,
    check,
    not_,
    owns_resource,
    require_aal,
    require_fresh,
    requires,
    satisfies,
)
from asgi_security.middleware.access import AccessMiddleware
from asgi_security.middleware.jwt import JwtMiddleware
from asgi_security.middleware.sessions import SessionMiddleware
from asgi_security.policy.access import Allowed, Denied
from asgi_security.policy.access_roles import Roles
from asgi_security.policy.access_rules import permit
from asgi_security.policy.assurance import StepUp, build_assurance
from asgi_security.testing import FakeClock, call, connect_websocket

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.websockets import WebSocket

    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send

pytestmark = pytest.mark.anyio

NOW = FakeClock().now
SECRET = "s" * 32
ROLES = Roles({"clerk": ["invoice:read"]})
FRESH, STRONG = require_fresh(300), require_aal(2)
TWO = {"amr": ["pwd", "otp", "mfa"], "auth_time": NOW}
ONE = {"amr": ["pwd"], "auth_time": NOW - 3600}
CHALLENGE = 'Bearer realm="api", error="insufficient_user_authentication"'


def bearer(**claims: Any) -> Principal:
    return Principal(subject="1", via="jwt", roles=frozenset({"clerk"}), claims=claims)


SESSION = Principal(subject="1", via="session", roles=frozenset({"clerk"}))


def enter(principal: Principal | None, session: dict[str, Any] | None = None) -> SecurityContext:
    """Stand inside a request of that principal, until the test ends."""
    context = SecurityContext()
    context.principal, context.session = principal, session
    current_context.set(context)
    return context


def behind(
    app: ASGIApp,
    principal: Principal | None,
    session: dict[str, Any] | None = None,
    **fields: Any,
) -> ASGIApp:
    """Put an app behind an AccessMiddleware that meets a request of that principal."""
    guarded = AccessMiddleware(app, roles=ROLES, clock=FakeClock(), **fields)

    async def authenticated(scope: Scope, receive: Receive, send: Send) -> None:
        scope["asgi_security"] = enter(principal, session)
        await guarded(scope, receive, send)

    return authenticated


@STRONG
async def transfer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ran")


@FRESH
def rename(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ran")


@requires("invoice:read", STRONG, FRESH)
async def both(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ran")


@STRONG
async def talk(websocket: WebSocket) -> None:
    await websocket.accept()


APP = Starlette(
    routes=[
        Route("/transfer", transfer),
        Route("/rename", rename),
        Route("/both", both),
        WebSocketRoute("/talk", talk),
    ]
)


@pytest.mark.parametrize(
    ("target", "claims", "fields"),
    [
        pytest.param("/transfer", TWO, None, id="M98 two factors"),
        pytest.param("/transfer", {"acr": "aal2"}, None, id="M98 by acr"),
        pytest.param("/transfer", ONE, ', acr_values="aal2"', id="M98 one factor"),
        pytest.param("/transfer", {}, ', acr_values="aal2"', id="M98 states nothing"),
        pytest.param("/rename", TWO, None, id="M98 fresh"),
        pytest.param("/rename", ONE, ', max_age="300"', id="M98 stale"),
        pytest.param("/both", TWO, None, id="M98 fresh and strong"),
        pytest.param("/both", ONE, ', acr_values="aal2", max_age="300"', id="M98 neither"),
        pytest.param(
            "/both", {**TWO, "auth_time": NOW - 301}, ', max_age="300"', id="M98 strong only"
        ),
        pytest.param(
            "/both", {**ONE, "auth_time": NOW}, ', acr_values="aal2"', id="M98 fresh only"
        ),
    ],
)
async def test_tokens(target: str, claims: dict[str, Any], fields: str | None) -> None:
    answer = await call(behind(APP, bearer(**claims)), target=target)
    if fields is None:
        assert answer.status == 200
        return
    assert answer.status == 401  # and not 403
    assert answer.value("www-authenticate") == CHALLENGE + fields
    assert answer.value("cache-control") == "no-store"


@pytest.mark.parametrize(
    ("session", "members"),
    [
        pytest.param(TWO, None, id="M98 two factors"),
        pytest.param(ONE, {"acr_values": "aal2", "max_age": 300}, id="M98 one, long ago"),
        pytest.param({}, {"acr_values": "aal2", "max_age": 300}, id="M98 states nothing"),
    ],
)
async def test_sessions_are_told_in_the_body(
    session: dict[str, Any], members: dict[str, Any] | None
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    rules = [permit("/", needs=all_of(STRONG, FRESH))]
    served = APP if members is None else app
    target = "/rename" if members is None else "/x"
    answer = await call(behind(served, SESSION, session, rules=rules), target=target)
    if members is None:
        assert answer.status == 200
        return
    assert answer.status == 401
    assert answer.value("www-authenticate") is None
    assert answer.value("content-type") == "application/problem+json"
    body = json.loads(answer.body)
    assert body["code"] == "INSUFFICIENT_USER_AUTHENTICATION"
    assert {name: body[name] for name in members} == members


async def test_M98_a_session_does_not_speak_for_a_token_nor_a_token_for_a_session() -> None:
    assert (await call(behind(APP, bearer(**ONE), TWO), target="/transfer")).status == 401
    stating = Principal(subject="1", via="session", claims=TWO)
    assert (await call(behind(APP, stating, ONE), target="/transfer")).status == 401


async def test_nobody_is_asked_to_say_who_he_is() -> None:
    answer = await call(behind(APP, None), target="/transfer")
    assert answer.value("www-authenticate") == 'Bearer realm="api"'


async def test_M98_what_a_step_up_would_not_help_stays_a_403() -> None:
    stranger = Principal(subject="1", via="jwt", claims=ONE)
    answer = await call(behind(APP, stranger), target="/both")
    assert answer.status == 403
    assert 'error="insufficient_scope"' in (answer.value("www-authenticate") or "")


async def test_W103_websockets_are_refused_before_they_are_accepted() -> None:
    assert (await connect_websocket(behind(APP, bearer(**TWO)), "/talk")).accepted
    denied = await connect_websocket(behind(APP, bearer(**ONE)), "/talk")
    assert (denied.status, denied.accepted) == (401, False)
    closed = await connect_websocket(behind(APP, bearer(**ONE)), "/talk", denial=False)
    assert (closed.close_code, closed.accepted) == (1008, False)


async def decide(guard: Any, principal: Principal, **arguments: Any) -> Any:
    """Return what is decided for a principal within an AccessMiddleware."""
    decisions: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        decisions.append(await authorize(guard, **arguments))

    await call(behind(app, principal))
    return decisions[0]


MINE, YOURS = {"owner_id": "1"}, {"owner_id": "2"}


@pytest.mark.parametrize(
    ("guard", "claims", "expected"),
    [
        pytest.param(all_of(owns_resource(), FRESH), ONE, StepUp(300), id="M98 mine, stale"),
        pytest.param(any_of(FRESH, STRONG), {"amr": ["mfa"]}, None, id="M98 either, one met"),
        pytest.param(any_of(FRESH, STRONG), ONE, StepUp(300, 2), id="M98 either, none met"),
        pytest.param(any_of(require_fresh(60), require_fresh(30)), ONE, StepUp(30), id="M98 least"),
        pytest.param(
            all_of(require_fresh(7200), STRONG), ONE, StepUp(level=2), id="M98 only unmet"
        ),
        pytest.param(not_(STRONG), TWO, "forbidden", id="M98 no step-up helps a Not"),
        pytest.param(not_(STRONG), ONE, None, id="M98 known not to be"),
        pytest.param(all_of(STRONG, not_(STRONG)), ONE, "forbidden", id="M98 contradiction"),
        pytest.param(
            require_aal(2, acr_values="urn:mfa"), {"acr": "urn:mfa"}, None, id="M98 named acr"
        ),
        pytest.param(
            require_aal(3, acr_values=["a", "b"]),
            TWO,
            StepUp(level=3, acr_values=("a", "b")),
            id="M98 level 3 is for an acr to say",
        ),
    ],
)
async def test_combinations(guard: Any, claims: dict[str, Any], expected: Any) -> None:
    decision = await decide(guard, bearer(**claims), resource=MINE)
    if expected is None:
        assert isinstance(decision, Allowed)
    elif isinstance(expected, StepUp):
        assert isinstance(decision, Denied)
        assert (decision.reason, decision.step_up) == ("step_up", expected)
    else:
        assert isinstance(decision, Denied)
        assert (decision.reason, decision.step_up) == (expected, None)


async def test_M98_what_is_hidden_stays_hidden() -> None:
    guard = all_of(owns_resource(), FRESH)
    decision = await decide(guard, bearer(**ONE), resource=YOURS)
    assert decision == Denied("hidden")


async def test_rules_of_the_app_are_asked_once() -> None:
    asked: list[str] = []

    def rule(principal: Principal) -> bool:
        asked.append(principal.subject)
        return True

    decision = await decide(all_of(satisfies(rule), FRESH), bearer(**ONE))
    assert decision.step_up == StepUp(300)
    assert asked == ["1"]


async def test_a_rule_that_says_no_is_not_mended_by_a_step_up() -> None:
    decision = await decide(all_of(FRESH, satisfies(lambda _principal: False)), bearer(**ONE))
    assert decision.reason == "forbidden"


@pytest.mark.parametrize("auth_time", [None, "yesterday", True, [NOW], float("inf")], ids=repr)
async def test_M98_odd_claims_are_no_proof(auth_time: Any) -> None:
    decision = await decide(FRESH, bearer(auth_time=auth_time))
    assert decision.reason == "step_up"


async def test_M98_a_loader_that_leaves_the_claims_out_changes_nothing() -> None:
    def load(principal: Principal) -> Principal:
        return Principal(subject=principal.subject, via=principal.via)

    clock = FakeClock()
    app = JwtMiddleware(
        AccessMiddleware(APP, roles=ROLES, load_principal=load, clock=clock),
        secret=SECRET,
        clock=clock,
    )
    for claims, status in ((TWO, 200), (ONE, 401)):
        token = issue_jwt({"sub": "1", **claims}, secret=SECRET, clock=clock)
        headers = [("authorization", f"Bearer {token}")]
        assert (await call(app, target="/transfer", headers=headers)).status == status


async def test_M98_S31_a_real_session_states_what_its_sign_in_put_there() -> None:
    clock = FakeClock()

    async def sign_in(request: Request) -> PlainTextResponse:
        request.session.login("1")  # type: ignore[attr-defined]
        amr = request.query_params["amr"].split()
        request.session.update(build_assurance(amr, auth_time=clock.now))
        return PlainTextResponse("in")

    app = SessionMiddleware(
        AccessMiddleware(
            Starlette(
                routes=[Route("/sign-in", sign_in), Route("/t", transfer), Route("/r", rename)]
            ),
            clock=clock,
        ),
        secret=SECRET,
        secure=False,
        clock=clock,
    )

    async def visit(target: str, cookie: str) -> int:
        return (await call(app, target=target, headers=[("cookie", cookie)])).status

    weak = await call(app, target="/sign-in?amr=pwd")
    cookie = (weak.value("set-cookie") or "").partition(";")[0]
    assert (await visit("/t", cookie), await visit("/r", cookie)) == (401, 200)
    strong = await call(app, target="/sign-in?amr=pwd+otp", headers=[("cookie", cookie)])
    cookie = (strong.value("set-cookie") or "").partition(";")[0]
    assert (await visit("/t", cookie), await visit("/r", cookie)) == (200, 200)
    clock.advance(301)
    assert (await visit("/t", cookie), await visit("/r", cookie)) == (200, 401)


def build_fastapi() -> ASGIApp:
    app = FastAPI()

    @app.get("/depends")
    async def depends(principal: Annotated[Principal, Depends(STRONG)]) -> str:
        return principal.subject

    @app.get("/decorated")
    @STRONG
    async def decorated() -> str:
        return "ran"

    @app.get("/plain")
    @STRONG
    def plain() -> str:
        return "ran"

    return app


@pytest.mark.parametrize("target", ["/depends", "/decorated", "/plain"])
async def test_M98_fastapi(target: str) -> None:
    app = build_fastapi()
    assert (await call(behind(app, bearer(**TWO)), target=target)).status == 200
    denied = await call(behind(app, bearer(**ONE)), target=target)
    assert denied.status == 401
    assert denied.value("www-authenticate") == f'{CHALLENGE}, acr_values="aal2"'


async def test_M98_without_our_access_middleware_the_system_s_clock_counts() -> None:
    enter(bearer(auth_time=NOW, amr=["mfa"]))
    assert (await check(STRONG)).subject == "1"
    with pytest.raises(AccessDenied):
        await check(FRESH)  # the tests' clock stands in the past


@pytest.mark.parametrize(
    ("build", "field"),
    [
        pytest.param(lambda: require_fresh(0), "max_age_seconds", id="no time"),
        pytest.param(lambda: require_fresh(-1), "max_age_seconds", id="negative"),
        pytest.param(lambda: require_fresh("300"), "max_age_seconds", id="text"),  # type: ignore[arg-type]
        pytest.param(lambda: require_aal(0), "level", id="level 0"),
        pytest.param(lambda: require_aal(4), "level", id="level 4"),
        pytest.param(lambda: require_aal(2, acr_values='a"b'), "acr_values", id="quote"),
    ],
)
def test_what_cannot_be_required(build: Any, field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build()
    assert [problem.field for problem in caught.value.problems] == [field]
