from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.responses import JSONResponse
from starlette.routing import Route

from asgi_security.asgi.context import current
from asgi_security.errors import ConfigError, StorageError
from asgi_security.flows.jwt import JwtVerifier, revoke_token
from asgi_security.middleware.jwt import JwtMiddleware
from asgi_security.policy.jwt import JwtConfig
from asgi_security.storage.memory import MemoryStore
from asgi_security.testing import EventRecorder, FakeClock, call, connect_websocket
from tests.token_samples import NOW, OLD, SECRET, claims_of, mint, public_pem

if TYPE_CHECKING:
    from asgi_security.asgi.types import ASGIApp, Message, Receive, Scope, Send

pytestmark = pytest.mark.anyio

TOKEN = mint(claims_of(scope="read write", roles="admin"))
EXPIRED = mint(claims_of(exp=NOW))
ORIGIN = "https://app.test"


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    context = current()
    scope["state"]["seen"] = (scope, context)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"passed"})


def guard(inner: ASGIApp = app, **fields: Any) -> JwtMiddleware:
    options = {"secret": SECRET, "clock": FakeClock(NOW), "events": EventRecorder(), **fields}
    return JwtMiddleware(inner, **options)


async def test_a_good_token_is_made_known_everywhere() -> None:
    state: dict[str, Any] = {}
    answered = await call(guard(), headers=bearer(), state=state)
    assert answered.status == 200
    scope, context = state["seen"]
    assert context.claims == claims_of(scope="read write", roles="admin")
    assert context.principal.subject == "user-1"
    assert context.principal.via == "jwt"
    assert context.principal.roles == {"admin"}
    assert context.principal.scopes == {"read", "write"}
    assert context.private
    assert scope["user"] is context.principal
    assert scope["user"].is_authenticated
    assert scope["auth"].scopes == ["read", "write"]


async def test_starlette_requires_works_on_top() -> None:
    @requires("write")
    async def endpoint(request: Any) -> JSONResponse:
        return JSONResponse({"user": request.user.display_name})

    guarded = guard(Starlette(routes=[Route("/", endpoint)]), optional=True)
    assert (await call(guarded, headers=bearer())).json() == {"user": "user-1"}
    assert (await call(guarded, headers=bearer(mint()))).status == 403
    assert (await call(guarded)).status == 403


CHALLENGE = 'Bearer realm="api"'


def error_of(challenge: str | None) -> str | None:
    if challenge == CHALLENGE:
        return "none"
    return None if challenge is None else challenge.split('error="')[1].split('"')[0]


@pytest.mark.parametrize(
    ("headers", "status", "error"),
    [
        pytest.param([], 401, "none", id="B62 no Authorization"),
        pytest.param([("authorization", TOKEN)], 401, "none", id="B63 raw token"),
        pytest.param([("authorization", "Basic YTpi")], 401, "none", id="B63 Basic"),
        pytest.param([("authorization", f"bEARER {TOKEN}")], 200, None, id="B63 any case"),
        pytest.param([("authorization", "Bearer")], 400, "invalid_request", id="B64 alone"),
        pytest.param([("authorization", "Bearer  ")], 400, "invalid_request", id="B64 spaces"),
        pytest.param([("authorization", 'Bearer a"b')], 400, "invalid_request", id="B64 quote"),
        pytest.param([("authorization", "Bearer a b")], 400, "invalid_request", id="B64 space"),
        pytest.param([("authorization", "Bearer \xff")], 400, "invalid_request", id="B64 byte"),
        pytest.param([("authorization", "Bearer a.b")], 401, "invalid_token", id="J51 segments"),
        pytest.param(
            [("authorization", f"Bearer {TOKEN}")] * 2, 400, "invalid_request", id="B65 two lines"
        ),
        pytest.param(
            [("authorization", f"Bearer {EXPIRED}")], 401, "invalid_token", id="B66 expired"
        ),
        pytest.param(
            [("authorization", f"Bearer {mint(secret=OLD)}")], 401, "invalid_token", id="B66 forged"
        ),
        pytest.param(
            [("authorization", "Bearer " + "x" * 22_000)], 401, "invalid_token", id="J59 too long"
        ),
        pytest.param(
            [("authorization", 'Bearer "' + "x" * 22_000)], 401, "invalid_token", id="J59 unread"
        ),
    ],
)
async def test_answers(headers: list[tuple[str, str]], status: int, error: str | None) -> None:
    events = EventRecorder()
    answered = await call(guard(events=events), headers=headers)
    assert answered.status == status
    assert error_of(answered.value("www-authenticate")) == error
    told = str(answered.messages) + str(events.events)
    assert all(part not in told for part in (TOKEN, EXPIRED, "user-1", "x" * 100))
    if error not in {"none", None}:
        assert events.names == ["token_refused"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_B70_refusals_are_problems_that_nobody_stores(method: str) -> None:
    for headers in ({}, bearer(EXPIRED), bearer(mint())):
        answered = await call(guard(required_scopes=["read"]), method, headers=headers)
        assert answered.value("content-type") == "application/problem+json"
        assert answered.value("cache-control") == "no-store"
        assert (answered.body == b"") == (method == "HEAD")


async def test_B66_the_description_is_one_of_a_fixed_set() -> None:
    for token, words in (
        (EXPIRED, "The token has expired"),
        (mint(secret=OLD), "The token is not valid"),
        (mint(claims_of(aud="them")), "The token is not valid"),
    ):
        answered = await call(guard(), headers=bearer(token))
        assert f'error_description="{words}"' in (answered.value("www-authenticate") or "")


async def test_B67_insufficient_scope() -> None:
    guarded = guard(required_scopes=["read", "admin"])
    answered = await call(guarded, headers=bearer())
    assert answered.status == 403
    challenge = answered.value("www-authenticate") or ""
    assert error_of(challenge) == "insufficient_scope"
    assert challenge.endswith('scope="read admin"')
    assert (await call(guard(required_scopes=["read"]), headers=bearer())).status == 200


async def test_B71_realm_and_metadata_stand_in_every_challenge() -> None:
    guarded = guard(realm="my api", resource_metadata="https://a.test/meta")
    expected = 'Bearer realm="my api", resource_metadata="https://a.test/meta"'
    for headers in ({}, bearer(EXPIRED)):
        challenge = (await call(guarded, headers=headers)).value("www-authenticate") or ""
        assert challenge.startswith(expected)


async def test_B62_optional_passes_without_a_token() -> None:
    state: dict[str, Any] = {}
    answered = await call(guard(optional=True), state=state)
    assert answered.status == 200
    scope, context = state["seen"]
    assert context.principal is None
    assert context.claims is None
    assert not context.private
    assert not scope["user"].is_authenticated
    assert scope["auth"].scopes == []


@pytest.mark.parametrize("token", [EXPIRED, mint(secret=OLD), "junk"])
async def test_B72_optional_refuses_a_bad_token(token: str) -> None:
    assert (await call(guard(optional=True), headers=bearer(token))).status == 401


async def test_B70_a_preflight_passes_without_a_token() -> None:
    headers = {"origin": ORIGIN, "access-control-request-method": "PUT"}
    assert (await call(guard(), "OPTIONS", headers=headers)).status == 200
    assert (await call(guard(), "OPTIONS", headers={"origin": ORIGIN})).status == 401
    assert (await call(guard(), "PUT", headers=headers)).status == 401


async def test_B68_a_query_token_makes_the_response_private() -> None:
    events = EventRecorder()
    guarded = guard(query_parameter="access_token", events=events)
    answered = await call(guarded, target=f"/?access_token={TOKEN}")
    assert answered.status == 200
    assert answered.value("cache-control") == "private"
    assert (await call(guarded, headers=bearer())).values("cache-control") == []
    assert (await call(guarded, "POST", f"/?access_token={TOKEN}")).status == 401
    assert (await call(guarded, target=f"/?access_token={EXPIRED}")).status == 401
    assert EXPIRED not in str(events.events)
    both = await call(guarded, target=f"/?access_token={TOKEN}", headers=bearer())
    assert both.status == 400
    assert (await call(guard(), target=f"/?access_token={TOKEN}")).status == 401


async def test_B69_a_cookie_token_needs_proof_on_unsafe_methods() -> None:
    guarded = guard(cookie_name="token", trusted_origins=[ORIGIN])
    cookie = {"cookie": f"a=b; token={TOKEN}"}
    assert (await call(guarded, headers=cookie)).status == 200
    refused = await call(guarded, "POST", headers=cookie)
    assert refused.status == 403
    assert refused.json()["code"] == "CROSS_SITE_REQUEST"
    evil = {**cookie, "origin": "https://evil.test"}
    assert (await call(guarded, "POST", headers=evil)).status == 403
    assert (await call(guarded, "POST", headers={**cookie, "origin": ORIGIN})).status == 200
    same = {**cookie, "sec-fetch-site": "same-origin"}
    assert (await call(guarded, "POST", headers=same)).status == 200
    assert (await call(guarded, headers={**cookie, **bearer()})).status == 400
    tossed = {"cookie": f"token={TOKEN}; token=other"}
    assert (await call(guarded, headers=tossed)).status == 400


class TestWebSocket:
    @pytest.mark.parametrize("headers", [{}, bearer(EXPIRED)])
    async def test_W103_refused_before_accept(self, headers: dict[str, str]) -> None:
        denied = await connect_websocket(guard(), headers=headers)
        assert not denied.accepted
        assert denied.status == 401
        assert (denied.value("www-authenticate") or "").startswith(CHALLENGE)
        closed = await connect_websocket(guard(), headers=headers, denial=False)
        assert not closed.accepted
        assert closed.close_code == 1008

    @pytest.mark.parametrize(
        "token",
        [
            pytest.param(mint(claims_of(aud="fastapi-users:mfa")), id="P25 audience"),
            pytest.param(mint(claims_of(aud="us"), header={"typ": "mfa+jwt"}), id="P25 typ"),
        ],
    )
    async def test_an_mfa_pre_token_opens_nothing(self, token: str) -> None:
        guarded = guard(audience="us")
        assert not (await connect_websocket(guarded, headers=bearer(token))).accepted
        assert (await call(guarded, headers=bearer(token))).status == 401

    async def test_W104_the_header(self) -> None:
        assert (await connect_websocket(guard(), headers=bearer())).accepted

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

        for headers, offered in (({}, ["bearer", TOKEN, "chat"]), (bearer(), ["chat"])):
            answered = await connect_websocket(guard(inner), headers=headers, subprotocols=offered)
            assert answered.accept is not None
            assert answered.accept["subprotocol"] == "chat"

    async def test_W104_with_the_header_no_marker_is_added(self) -> None:
        answered = await connect_websocket(guard(), headers=bearer())
        assert answered.accept == {"type": "websocket.accept", "headers": []}

    @pytest.mark.parametrize("offered", [["bearer"], ["bearer", EXPIRED], ["chat", TOKEN]])
    async def test_W104_others_are_refused(self, offered: list[str]) -> None:
        answered = await connect_websocket(guard(), subprotocols=offered)
        assert not answered.accepted
        assert EXPIRED not in str(answered.messages)

    async def test_W104_the_query_only_if_enabled(self) -> None:
        target = f"/?access_token={TOKEN}"
        assert not (await connect_websocket(guard(), target)).accepted
        assert (await connect_websocket(guard(query_parameter="access_token"), target)).accepted

    @pytest.mark.parametrize(
        ("origin", "accepted"),
        [
            pytest.param({"origin": ORIGIN}, True, id="W105 trusted"),
            pytest.param({"origin": "https://evil.test"}, False, id="W105 another"),
            pytest.param({"origin": "null"}, False, id="W105 null"),
            pytest.param({}, False, id="W105 none"),
        ],
    )
    async def test_cookies(self, origin: dict[str, str], accepted: bool) -> None:  # noqa: FBT001
        guarded = guard(cookie_name="token", trusted_origins=[ORIGIN])
        headers = {"cookie": f"token={TOKEN}", **origin}
        answered = await connect_websocket(guarded, headers=headers)
        assert answered.accepted == accepted
        if not accepted:
            assert answered.status == 403


class Conversation:
    """A WebSocket whose client sends what a test tells it to, and then nothing more."""

    def __init__(self, clock: FakeClock, steps: list[Any]) -> None:
        self.clock = clock
        self.steps = steps
        self.received: list[Message] = []
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        while self.steps:
            step = self.steps.pop(0)
            if isinstance(step, dict):
                return step
            step(self.clock)
        await anyio.sleep_forever()
        raise AssertionError

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        while not self.received or self.received[-1]["type"] != "websocket.disconnect":
            self.received.append(await receive())
        assert await receive() == self.received[-1]

    async def run(self, **fields: Any) -> None:
        options = {"recheck_every_seconds": 30, "clock": self.clock, **fields}
        scope = {
            "type": "websocket",
            "path": "/",
            "query_string": b"",
            "headers": [(b"authorization", f"Bearer {TOKEN}".encode())],
            "subprotocols": [],
        }
        with anyio.fail_after(5):
            await guard(self.app, **options)(scope, self.receive, self.send)


CONNECT: dict[str, Any] = {"type": "websocket.connect"}
TEXT: dict[str, Any] = {"type": "websocket.receive", "text": "hello"}
GONE: dict[str, Any] = {"type": "websocket.disconnect", "code": 1001}
ENDED = {"type": "websocket.disconnect", "code": 4001, "reason": "TOKEN_ENDED"}


class TestRecheck:
    async def test_W107_messages_pass_while_the_token_is_good(self, clock: FakeClock) -> None:
        clock.now = NOW

        def later(at: FakeClock) -> None:
            at.advance(31)

        talk = Conversation(clock, [CONNECT, later, TEXT, later, TEXT, GONE, GONE])
        await talk.run()
        assert talk.received == [CONNECT, TEXT, TEXT, GONE]
        assert talk.sent == []

    async def test_W107_an_expired_token_ends_it_before_the_next_message(
        self, clock: FakeClock
    ) -> None:
        clock.now = NOW
        talk = Conversation(clock, [CONNECT, lambda at: at.advance(600), TEXT])
        await talk.run(recheck_every_seconds=10_000)
        assert talk.received == [CONNECT, ENDED]
        assert talk.sent == [{**ENDED, "type": "websocket.close"}]

    async def test_W107_it_ends_while_the_client_is_silent(self, clock: FakeClock) -> None:
        clock.now = NOW
        talk = Conversation(clock, [CONNECT, lambda at: at.advance(600)])
        await talk.run(recheck_every_seconds=0.01)
        assert talk.received == [CONNECT, ENDED]

    async def test_W107_a_revoked_token_ends_it(self, clock: FakeClock) -> None:
        clock.now = NOW
        store = MemoryStore()
        verifier = JwtVerifier(JwtConfig(secret=SECRET))

        class Talk(Conversation):
            async def receive(self) -> Message:
                if len(self.received) == 1:
                    await revoke_token(TOKEN, verifier, store, now=NOW)
                    clock.advance(31)
                return await super().receive()

        talk = Talk(clock, [CONNECT, TEXT])
        await talk.run(revocations=store)
        assert talk.received == [CONNECT, ENDED]

    async def test_W107_without_a_store_to_ask_the_client_comes_back_later(
        self, clock: FakeClock
    ) -> None:
        clock.now = NOW

        class Failing:
            asked = 0

            async def is_revoked(self, ids: object, **_: object) -> bool:
                self.asked += 1
                if self.asked > 1:
                    raise StorageError("down")
                return False

        talk = Conversation(clock, [CONNECT, lambda at: at.advance(31), TEXT])
        await talk.run(revocations=Failing())
        assert talk.sent[0]["code"] == 1013

    async def test_without_it_receive_is_the_servers_own(self, clock: FakeClock) -> None:
        clock.now = NOW
        talk = Conversation(clock, [CONNECT, lambda at: at.advance(9999), TEXT, GONE, GONE])
        await talk.run(recheck_every_seconds=None)
        assert talk.received == [CONNECT, TEXT, GONE]


async def test_V74_a_revoked_token_is_refused_on_the_next_request() -> None:
    store = MemoryStore()
    guarded = guard(revocations=store)
    assert (await call(guarded, headers=bearer())).status == 200
    await revoke_token(TOKEN, JwtVerifier(JwtConfig(secret=SECRET)), store, now=NOW)
    answered = await call(guarded, headers=bearer())
    assert answered.status == 401
    assert "The token has been revoked" in (answered.value("www-authenticate") or "")


@pytest.mark.parametrize(("fail_open", "status"), [(False, 503), (True, 200)], ids=["V78", "open"])
async def test_V78_a_store_that_fails(fail_open: bool, status: int) -> None:  # noqa: FBT001
    class Failing:
        async def is_revoked(self, ids: object, **_: object) -> bool:
            raise StorageError("down")

    events = EventRecorder()
    guarded = guard(revocations=Failing(), fail_open=fail_open, events=events)
    answered = await call(guarded, headers=bearer())
    assert answered.status == status
    assert events.names == ["revocations_unavailable"]
    if status == 503:
        assert answered.value("retry-after") is not None
        assert answered.value("www-authenticate") is None


async def test_J60_without_keys_the_answer_is_503() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(500))
    guarded = guard(secret=None, jwks_url="https://a.test", transport=transport)
    answered = await call(guarded, headers=bearer())
    assert answered.status == 503
    assert answered.json()["code"] == "VERIFICATION_UNAVAILABLE"


async def test_the_caller_sees_no_change_of_its_scope() -> None:
    scope: dict[str, Any] = {
        "type": "websocket",
        "path": "/",
        "query_string": b"",
        "headers": [],
        "subprotocols": ["bearer", TOKEN],
    }
    before = {**scope}

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        pass

    await guard()(scope, receive, send)
    assert scope == before
    assert scope["subprotocols"] == ["bearer", TOKEN]


async def test_a_token_without_subject_has_no_user() -> None:
    state: dict[str, Any] = {}
    answered = await call(guard(), headers=bearer(mint(claims_of(sub=None))), state=state)
    assert answered.status == 200
    scope, context = state["seen"]
    assert context.principal is None
    assert context.claims is not None
    assert not scope["user"].is_authenticated


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"secret": public_pem()}, id="J47 a public key as secret"),
        pytest.param({"secret": "short"}, id="J52 a short secret"),
        pytest.param({"secret": None, "keys": "junk"}, id="J52 no key"),
        pytest.param({"algorithms": ["HS256", "RS256"]}, id="J48 both families"),
    ],
)
def test_bad_configurations_raise_at_construction(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        guard(**fields)


async def test_other_scopes_pass_untouched() -> None:
    seen: list[object] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    scope: dict[str, Any] = {"type": "lifespan"}
    guarded: Any = guard(inner)
    await guarded(scope, None, None)
    assert seen[0] is scope
