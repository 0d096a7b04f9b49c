from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgi_security import ConfigError, Principal, SecurityContext, SessionMiddleware
from asgi_security.middleware.access import AccessMiddleware
from asgi_security.policy.access_roles import Roles
from asgi_security.policy.access_rules import forbid, permit
from asgi_security.testing import call, connect_websocket

if TYPE_CHECKING:
    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send
    from asgi_security.testing import EventRecorder

pytestmark = pytest.mark.anyio

SECRET = "0123456789abcdef0123456789abcdef"
ROLES = Roles({"clerk": ["invoice:read"], "admin": []})
RULES = [
    permit("/", public=True),
    permit("/me"),
    permit("/invoices", permissions=["invoice:read"]),
    permit("/admin", roles=["admin"]),
    forbid("/admin/keys"),
]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    user = scope.get("user")
    body = b"" if user is None else f"{user.identity} {scope['auth'].scopes}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def as_principal(guarded: ASGIApp, *roles: str, via: str = "jwt") -> ASGIApp:
    """Stand for a middleware that has verified a credential."""

    async def authenticated(scope: Scope, receive: Receive, send: Send) -> None:
        context = SecurityContext()
        context.principal = Principal(subject="1", via=via, roles=frozenset(roles))
        scope["asgi_security"] = context
        await guarded(scope, receive, send)

    return authenticated


@pytest.mark.parametrize(
    ("path", "anonymous", "clerk"),
    [
        pytest.param("/", 200, 200, id="open"),
        pytest.param("/about", 200, 200, id="open below"),
        pytest.param("/me", 401, 200, id="Z108 authenticated"),
        pytest.param("/invoices/1", 401, 200, id="Z108 permission"),
        pytest.param("/admin", 401, 403, id="Z114 /admin"),
        pytest.param("/admin/", 401, 403, id="Z114 /admin/"),
        pytest.param("/admin/x", 401, 403, id="Z114 /admin/x"),
        pytest.param("//admin", 401, 403, id="Z114 //admin"),
        pytest.param("/admin%2fx", 401, 403, id="Z114 /admin%2fx"),
        pytest.param("/admin%252fx", 401, 403, id="Z114 decoded twice"),
        pytest.param("/x/../admin", 401, 403, id="Z114 /x/../admin"),
        pytest.param("/ADMIN", 401, 403, id="Z114 mixed case"),
        pytest.param("/administration", 200, 200, id="Z114 another segment"),
        pytest.param("/Users/Bob", 200, 200, id="Z114 case that changes nothing"),
    ],
)
async def test_paths(path: str, anonymous: int, clerk: int, events: EventRecorder) -> None:
    guarded = AccessMiddleware(app, roles=ROLES, rules=RULES, events=events)
    assert (await call(guarded, target=path)).status == anonymous
    assert (await call(as_principal(guarded, "clerk"), target=path)).status == clerk


async def test_Z109_a_path_without_a_rule_is_denied(events: EventRecorder) -> None:
    guarded = AccessMiddleware(app, rules=[permit("/me")], events=events)
    assert (await call(guarded, target="/other")).status == 401
    assert (await call(as_principal(guarded), target="/other")).status == 403
    assert events.names == ["access_denied"] * 2


@pytest.mark.parametrize("rules", [RULES, RULES[::-1]], ids=["in order", "reversed"])
async def test_Z109_a_denial_wins_in_any_order(rules: Any, events: EventRecorder) -> None:
    guarded = as_principal(
        AccessMiddleware(app, rules=rules, roles=ROLES, events=events),
        "admin",
    )
    assert (await call(guarded, target="/admin/x")).status == 200
    assert (await call(guarded, target="/admin/keys/1")).status == 403


async def test_Z108_answers(events: EventRecorder) -> None:
    guarded = AccessMiddleware(app, roles=ROLES, rules=RULES, events=events)
    anonymous = await call(guarded, target="/me")
    assert anonymous.json()["code"] == "AUTHENTICATION_REQUIRED"
    assert anonymous.value("www-authenticate") == 'Bearer realm="api"'
    bearer = await call(as_principal(guarded), target="/invoices")
    assert bearer.value("www-authenticate") == 'Bearer realm="api", error="insufficient_scope"'
    cookie = await call(as_principal(guarded, via="session"), target="/invoices")
    assert (cookie.status, cookie.value("www-authenticate")) == (403, None)
    assert cookie.json()["code"] == "FORBIDDEN"
    assert b"invoice:read" not in cookie.body


async def test_Z112_hidden_and_revealed(events: EventRecorder) -> None:
    hiding = AccessMiddleware(app, roles=ROLES, rules=RULES, hide_existence=True, events=events)
    hidden = await call(as_principal(hiding), target="/invoices")
    assert (hidden.status, hidden.value("www-authenticate")) == (404, None)
    telling = AccessMiddleware(app, roles=ROLES, rules=RULES, reveal_missing=True, events=events)
    told = await call(as_principal(telling), target="/invoices")
    assert told.json()["missing"] == ["invoice:read"]


async def test_W103_websockets_are_refused_before_they_are_accepted(events: EventRecorder) -> None:
    rules = [permit("/ws", methods=["WEBSOCKET"], roles=["admin"]), permit("/ws", public=True)]
    guarded = AccessMiddleware(app, rules=rules, events=events)
    assert (await call(guarded, target="/ws")).status == 200
    denied = await connect_websocket(guarded, "/ws")
    assert (denied.status, denied.accepted) == (401, False)
    assert (await connect_websocket(guarded, "/ws", denial=False)).close_code == 1008
    assert (await connect_websocket(as_principal(guarded), "/ws")).status == 403
    assert (await connect_websocket(as_principal(guarded, "admin"), "/ws")).accepted


async def test_Z113_a_session_user_becomes_a_principal(events: EventRecorder) -> None:
    people = {"7": ["clerk"]}

    async def load(found: Principal) -> Principal | None:
        roles = people.get(found.subject)
        if roles is None:
            return None
        return Principal(subject=found.subject, via=found.via, roles=frozenset(roles))

    async def sign_in(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/login":
            scope["session"].login("7")
        await app(scope, receive, send)

    rules = [permit("/login", public=True), *RULES[1:]]
    access = AccessMiddleware(sign_in, roles=ROLES, rules=rules, load_principal=load, events=events)
    guarded = SessionMiddleware(access, secret=SECRET)
    assert (await call(guarded, target="/invoices")).status == 401
    signed_in = await call(guarded, target="/login")
    cookie = {"cookie": (signed_in.value("set-cookie") or "").partition(";")[0]}
    allowed = await call(guarded, target="/invoices", headers=cookie)
    assert (allowed.status, allowed.body) == (200, b"7 []")
    people["7"] = []  # taken away: gone at the next request
    assert (await call(guarded, target="/invoices", headers=cookie)).status == 403
    del people["7"]
    assert (await call(guarded, target="/invoices", headers=cookie)).status == 401


async def test_the_mount_point_is_no_part_of_a_rule(events: EventRecorder) -> None:
    guarded = AccessMiddleware(app, rules=RULES, roles=ROLES, events=events)
    for path, status in [("/v1/admin", 401), ("/v1", 200), ("/v1/about", 200), ("/v1x/admin", 200)]:
        assert (await call(guarded, target=path, root_path="/v1")).status == status


async def test_other_scopes_pass() -> None:
    seen = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    guarded: Any = AccessMiddleware(inner, rules=[forbid("/")])
    await guarded({"type": "lifespan"}, None, None)
    assert seen == ["lifespan"]


def test_Y102_rules_are_checked_against_the_roles() -> None:
    with pytest.raises(ConfigError, match="no role grants it"):
        AccessMiddleware(app, roles=ROLES, rules=[permit("/", permissions=["invoice:raed"])])
