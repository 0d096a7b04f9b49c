"""The guard that asks an authorization server about tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.responses import JSONResponse
from starlette.routing import Route

from asgi_security.asgi.context import current
from asgi_security.errors import ConfigError, StorageError
from asgi_security.flows.revocations import revoke_subject
from asgi_security.guards import requires as needs
from asgi_security.middleware.access import AccessMiddleware
from asgi_security.middleware.introspection import IntrospectionMiddleware
from asgi_security.policy.access_rules import permit
from asgi_security.storage.memory import MemoryStore
from asgi_security.testing import EventRecorder, FakeClock, call, connect_websocket
from tests.flows.introspecting import serve

if TYPE_CHECKING:
    from asgi_security.asgi.types import ASGIApp, Message, Receive, Scope, Send

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000.0
TOKEN = "opaque.token-of_ada"
SECRET = "the client's secret"
ORIGIN = "https://app.test"
CHALLENGE = 'Bearer realm="api"'
ADA = {"active": True, "sub": "ada", "scope": "read write", "roles": "admin", "iat": NOW - 10}


class Server:
    """An authorization server as a transport: it knows tokens, and counts who asks."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {
            TOKEN: ADA,
            "expired": {**ADA, "exp": NOW},
            "theirs": {**ADA, "aud": "them"},
            "vague": {**ADA, "active": "true"},
            "silent": {"sub": "ada"},
        }
        self.status = 200
        self.asked: list[str] = []
        self.transport = httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        token = parse_qs(request.content.decode())["token"][0]
        self.asked.append(token)
        # A body that has been read already cannot be read raw.
        found = httpx.Response(self.status, json=self.known.get(token, {"active": False})).content
        return httpx.Response(self.status, stream=httpx.ByteStream(found))


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    scope["state"]["seen"] = (scope, current())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"passed"})


def guard(
    inner: ASGIApp = app, server: Server | None = None, **fields: Any
) -> IntrospectionMiddleware:
    options = {
        "url": "https://as.test/introspect",
        "client_id": "api",
        "client_secret": SECRET,
        "clock": FakeClock(NOW),
        "events": EventRecorder(),
        "transport": (server or Server()).transport,
        **fields,
    }
    return IntrospectionMiddleware(inner, **options)


def error_of(challenge: str | None) -> str | None:
    if challenge == CHALLENGE:
        return "none"
    return None if challenge is None else challenge.split('error="')[1].split('"')[0]


async def test_V79_an_active_token_is_made_known_everywhere() -> None:
    state: dict[str, Any] = {}
    server = Server()
    guarded = guard(server=server)
    for _ in range(3):
        answered = await call(guarded, headers=bearer(), state=state)
        assert answered.status == 200
        scope, context = state["seen"]
        assert context.claims == ADA
        assert context.principal.subject == "ada"
        assert context.principal.via == "introspection"
        assert context.principal.roles == {"admin"}
        assert context.private
        assert scope["user"] is context.principal
        assert scope["auth"].scopes == ["read", "write"]
    assert server.asked == [TOKEN]


async def test_starlette_requires_and_ours_work_on_top() -> None:
    @requires("write")
    async def endpoint(request: Any) -> JSONResponse:
        return JSONResponse({"user": request.user.display_name})

    @needs(scopes="write", via="introspection")
    async def ours(request: Any) -> JSONResponse:
        return JSONResponse({"user": current().principal.subject})  # type: ignore[union-attr]

    server = Server()
    server.known["reader"] = {**ADA, "scope": "read"}
    routes = [Route("/", endpoint), Route("/ours", ours)]
    guarded = guard(
        AccessMiddleware(Starlette(routes=routes), rules=[permit("/", public=True)]),
        server,
        optional=True,
    )
    for target in ("/", "/ours"):
        assert (await call(guarded, target=target, headers=bearer())).json() == {"user": "ada"}
        assert (await call(guarded, target=target, headers=bearer("reader"))).status == 403
    denied = await call(guarded, target="/ours", headers=bearer("reader"))
    assert error_of(denied.value("www-authenticate")) == "insufficient_scope"
    assert (await call(guarded, target="/ours")).status == 401


@pytest.mark.parametrize(
    ("headers", "status", "error"),
    [
        pytest.param([], 401, "none", id="B62 no Authorization"),
        pytest.param([("authorization", TOKEN)], 401, "none", id="B63 raw token"),
        pytest.param([("authorization", "Basic YTpi")], 401, "none", id="B63 Basic"),
        pytest.param([("authorization", f"bEARER {TOKEN}")], 200, None, id="B63 any case"),
        pytest.param([("authorization", "Bearer")], 400, "invalid_request", id="B64 alone"),
        pytest.param([("authorization", 'Bearer a"b')], 400, "invalid_request", id="B64 quote"),
        pytest.param([("authorization", "Bearer \xff")], 400, "invalid_request", id="B64 byte"),
        pytest.param(
            [("authorization", f"Bearer {TOKEN}")] * 2, 400, "invalid_request", id="B65 two lines"
        ),
        pytest.param([("authorization", "Bearer junk")], 401, "invalid_token", id="V79 inactive"),
        pytest.param([("authorization", "Bearer silent")], 401, "invalid_token", id="V79 missing"),
        pytest.param([("authorization", "Bearer vague")], 401, "invalid_token", id="V79 a string"),
        pytest.param([("authorization", "Bearer expired")], 401, "invalid_token", id="B66 expired"),
        pytest.param([("authorization", "Bearer theirs")], 401, "invalid_token", id="V79 aud"),
        pytest.param(
            [("authorization", "Bearer " + "x" * 22_000)], 401, "invalid_token", id="J59 too long"
        ),
    ],
)
async def test_answers(headers: list[tuple[str, str]], status: int, error: str | None) -> None:
    events = EventRecorder()
    answered = await call(guard(events=events), headers=headers)
    assert answered.status == status
    assert error_of(answered.value("www-authenticate")) == error
    told = str(answered.messages) + str(events.events)
    assert all(part not in told for part in (TOKEN, "ada", SECRET, "x" * 100))
    assert events.names == ([] if error in {"none", None} else ["token_refused"])


async def test_B66_the_description_is_one_of_a_fixed_set() -> None:
    for token, words in (("expired", "The token has expired"), ("junk", "The token is not valid")):
        answered = await call(guard(), headers=bearer(token))
        assert f'error_description="{words}"' in (answered.value("www-authenticate") or "")


async def test_B67_insufficient_scope() -> None:
    answered = await call(guard(required_scopes=["read", "admin"]), headers=bearer())
    assert answered.status == 403
    challenge = answered.value("www-authenticate") or ""
    assert error_of(challenge) == "insufficient_scope"
    assert challenge.endswith('scope="read admin"')
    assert (await call(guard(required_scopes=["read"]), headers=bearer())).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_B70_refusals_are_problems_that_nobody_stores(method: str) -> None:
    for headers in ({}, bearer("junk")):
        answered = await call(guard(), method, headers=headers)
        assert answered.value("content-type") == "application/problem+json"
        assert answered.value("cache-control") == "no-store"
        assert (answered.body == b"") == (method == "HEAD")


async def test_B70_a_preflight_passes_without_a_token() -> None:
    headers = {"origin": ORIGIN, "access-control-request-method": "PUT"}
    assert (await call(guard(), "OPTIONS", headers=headers)).status == 200
    assert (await call(guard(), "OPTIONS", headers={"origin": ORIGIN})).status == 401
    assert (await call(guard(), "PUT", headers=headers)).status == 401


async def test_B71_realm_and_metadata_stand_in_every_challenge() -> None:
    guarded = guard(realm="my api", resource_metadata="https://a.test/meta")
    expected = 'Bearer realm="my api", resource_metadata="https://a.test/meta"'
    for headers in ({}, bearer("junk")):
        challenge = (await call(guarded, headers=headers)).value("www-authenticate") or ""
        assert challenge.startswith(expected)


async def test_B62_B72_optional_passes_none_and_refuses_a_bad_one() -> None:
    state: dict[str, Any] = {}
    guarded = guard(optional=True)
    assert (await call(guarded, state=state)).status == 200
    scope, context = state["seen"]
    assert context.principal is None
    assert not context.private
    assert not scope["user"].is_authenticated
    assert (await call(guarded, headers=bearer("junk"))).status == 401


async def test_B68_B69_no_other_place_counts() -> None:
    assert (await call(guard(), target=f"/?access_token={TOKEN}")).status == 401
    assert (await call(guard(), headers={"cookie": f"access_token={TOKEN}"})).status == 401


async def test_a_token_without_subject_has_no_user() -> None:
    server, state = Server(), dict[str, Any]()
    server.known["machine"] = {"active": True, "client_id": "cron"}
    assert (await call(guard(server=server), headers=bearer("machine"), state=state)).status == 200
    scope, context = state["seen"]
    assert context.principal is None
    assert context.claims["client_id"] == "cron"
    assert not scope["user"].is_authenticated


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
async def test_V79_an_endpoint_that_fails_is_a_503(status: int) -> None:
    server, events = Server(), EventRecorder()
    server.status = status
    for optional in (False, True):
        guarded = guard(server=server, events=events, optional=optional)
        answered = await call(guarded, headers=bearer())
        assert answered.status == 503
        assert answered.value("retry-after") == "5"
        assert answered.value("www-authenticate") is None
        assert answered.json()["code"] == "VERIFICATION_UNAVAILABLE"
    assert events.names == ["introspection_unavailable"] * 2
    assert all(part not in str(events.events) for part in (TOKEN, SECRET, "ada"))


async def test_V79_over_real_HTTP_and_then_down() -> None:
    async with serve() as endpoint:
        fields = endpoint.configure(cache_seconds=0)
        guarded = guard(transport=None, **fields)
        assert (await call(guarded, headers=bearer())).status == 200
    assert (await call(guarded, headers=bearer())).status == 503


async def test_V74_V77_a_revoked_token_is_refused_on_the_next_request() -> None:
    store, server = MemoryStore(), Server()
    guarded = guard(server=server, revocations=store)
    assert (await call(guarded, headers=bearer())).status == 200
    await revoke_subject("ada", store, before=NOW, expires_at=NOW + 600)
    answered = await call(guarded, headers=bearer())
    assert answered.status == 401
    assert "The token has been revoked" in (answered.value("www-authenticate") or "")
    assert server.asked == [TOKEN]


@pytest.mark.parametrize(("fail_open", "status"), [(False, 503), (True, 200)], ids=["V78", "open"])
async def test_V78_a_store_that_fails(fail_open: bool, status: int) -> None:  # noqa: FBT001
    class Failing:
        async def is_revoked(self, ids: object, **_: object) -> bool:
            raise StorageError("down")

    events = EventRecorder()
    guarded = guard(revocations=Failing(), fail_open=fail_open, events=events)
    assert (await call(guarded, headers=bearer())).status == status
    assert events.names == ["revocations_unavailable"]


class TestWebSocket:
    @pytest.mark.parametrize("headers", [{}, bearer("junk")])
    async def test_W103_refused_before_accept(self, headers: dict[str, str]) -> None:
        denied = await connect_websocket(guard(), headers=headers)
        assert not denied.accepted
        assert denied.status == 401
        assert (denied.value("www-authenticate") or "").startswith(CHALLENGE)
        closed = await connect_websocket(guard(), headers=headers, denial=False)
        assert not closed.accepted
        assert closed.close_code == 1008

    async def test_W103_V79_without_an_answer_it_is_refused_too(self) -> None:
        server = Server()
        server.status = 500
        answered = await connect_websocket(guard(server=server), headers=bearer())
        assert not answered.accepted
        assert answered.status == 503

    async def test_W104_the_header(self) -> None:
        answered = await connect_websocket(guard(), headers=bearer())
        assert answered.accept == {"type": "websocket.accept", "headers": []}

    async def test_W104_the_subprotocol_pair(self) -> None:
        offered: list[list[str]] = []

        async def inner(scope: Scope, receive: Receive, send: Send) -> None:
            offered.append(scope["subprotocols"])
            await app(scope, receive, send)

        answered = await connect_websocket(
            guard(inner), subprotocols=["chat", "bearer", TOKEN, "other"]
        )
        assert answered.accept is not None
        assert answered.accept["subprotocol"] == "bearer"
        assert TOKEN not in str(answered.messages)
        assert offered == [["chat", "other"]]

    async def test_W104_the_protocol_that_the_app_chose_stays(self) -> None:
        async def inner(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "websocket.accept", "subprotocol": "chat"})

        answered = await connect_websocket(guard(inner), subprotocols=["bearer", TOKEN, "chat"])
        assert answered.accept is not None
        assert answered.accept["subprotocol"] == "chat"

    @pytest.mark.parametrize("offered", [["bearer"], ["bearer", "junk"], ["chat", TOKEN]])
    async def test_W104_others_are_refused(self, offered: list[str]) -> None:
        assert not (await connect_websocket(guard(), subprotocols=offered)).accepted

    async def test_W105_a_cookie_opens_nothing(self) -> None:
        headers = {"cookie": f"token={TOKEN}", "origin": ORIGIN}
        assert not (await connect_websocket(guard(), headers=headers)).accepted


CONNECT: dict[str, Any] = {"type": "websocket.connect"}
TEXT: dict[str, Any] = {"type": "websocket.receive", "text": "hello"}
GONE: dict[str, Any] = {"type": "websocket.disconnect", "code": 1001}


@pytest.mark.parametrize(
    ("fate", "every", "ending"),
    [
        pytest.param("none", 30, 1001, id="W107 still active"),
        pytest.param("inactive", 30, 4001, id="W107 V79 no longer active"),
        pytest.param("inactive", None, 1001, id="W107 not looked at again"),
        pytest.param("down", 30, 1013, id="W107 V79 no answer"),
        pytest.param("expiry", 10_000, 4001, id="W107 expired"),
    ],
)
async def test_a_websocket_ends_with_its_token(fate: str, every: float | None, ending: int) -> None:
    server, clock = Server(), FakeClock(NOW)
    received: list[Message] = []
    steps = [CONNECT, TEXT, GONE]
    if fate == "expiry":
        server.known[TOKEN] = {**ADA, "exp": NOW + 20}

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        while not received or received[-1]["type"] != "websocket.disconnect":
            received.append(await receive())

    async def receive() -> Message:
        message = steps.pop(0)
        if message is TEXT:
            clock.advance(31)
            if fate == "inactive":
                del server.known[TOKEN]
            if fate == "down":
                server.status = 500
        return message

    async def send(message: Message) -> None:
        pass

    scope = {
        "type": "websocket",
        "path": "/",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {TOKEN}".encode())],
        "subprotocols": [],
    }
    with anyio.fail_after(10):
        guarded = guard(inner, server, clock=clock, recheck_every_seconds=every)
        await guarded(scope, receive, send)
    assert received[-1]["code"] == ending


@pytest.mark.parametrize(
    "fields", [{"client_secret": None}, {"url": "http://as.test"}, {"realm": '"'}]
)
def test_bad_configurations_raise_at_construction(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        guard(**fields)
