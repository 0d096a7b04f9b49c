"""CORS on the wire: what browsers, caches and apps see of the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import Pipeline
from asgi_security.asgi.refusals import build_refusal
from asgi_security.errors import ConfigError
from asgi_security.events import Severity
from asgi_security.middleware.cors import CorsLayer, CorsMiddleware
from asgi_security.policy.cors import CorsConfig
from asgi_security.testing import call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.asgi.layers import Exchange
    from asgi_security.asgi.refusals import Answer
    from asgi_security.asgi.types import ASGIApp, Message, Receive, Scope, Send
    from asgi_security.testing import Answered, EventRecorder

pytestmark = pytest.mark.anyio

O = "https://app.example.com"  # noqa: E741 -- the specification's name
A: dict[str, Any] = {
    "allow_origins": [O, "https://*.example.org", "http://localhost:*"],
    "allow_methods": ["PUT", "PATCH"],
    "allow_headers": ["X-A", "X-B", "Authorization"],
    "expose_headers": ["X-R"],
    "allow_credentials": True,
    "max_age_seconds": 600,
}
B: dict[str, Any] = {
    "allow_origins": ["*"],
    "allow_methods": ["*"],
    "allow_headers": ["*"],
    "expose_headers": ["*"],
}
ALL_VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


def answering(
    headers: Sequence[tuple[bytes, bytes]] = (), status: int = 200, ran: list[str] | None = None
) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if ran is not None:
            ran.append(scope["method"])
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"ran"})

    return app


hello = answering()


async def never(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the app was called")


def cors_headers(answered: Answered) -> dict[str, str]:
    """All CORS headers; every one at most once."""
    found = [
        (name.decode(), value.decode())
        for name, value in answered.headers
        if name.startswith(b"access-control-")
    ]
    assert len(found) == len(dict(found))
    return {name.removeprefix("access-control-"): value for name, value in found}


READABLE = {"allow-origin": O, "allow-credentials": "true", "expose-headers": "x-r"}


def preflight(method: str | None = "PUT", *names: str, origin: str | None = O) -> list[Any]:
    lines = [] if origin is None else [("origin", origin)]
    lines += [] if method is None else [("access-control-request-method", method)]
    return lines + [("access-control-request-headers", name) for name in names]


@pytest.mark.parametrize(
    ("fields", "method", "headers", "cors", "vary"),
    [
        pytest.param(A, "GET", [], {}, ["Origin"], id="CORS1 no Origin"),
        pytest.param(A, "GET", [("origin", O)], READABLE, ["Origin"], id="CORS2 allowed"),
        pytest.param(A, "GET", [("origin", "https://evil.test")], {}, ["Origin"], id="CORS3 not"),
        pytest.param(
            A, "GET", [("origin", "https://a.b.example.org")],
            {**READABLE, "allow-origin": "https://a.b.example.org"}, ["Origin"], id="CORS4 below",
        ),
        pytest.param(
            A, "GET", [("origin", "http://localhost:3000")],
            {**READABLE, "allow-origin": "http://localhost:3000"}, ["Origin"], id="CORS5 any port",
        ),
        pytest.param(A, "GET", [("origin", "null")], {}, ["Origin"], id="CORS6 null"),
        pytest.param(
            A, "GET", [("origin", "https://a.example.org\x00")], {}, ["Origin"], id="CORS7 NUL"
        ),
        pytest.param(A, "GET", [("origin", O)] * 2, {}, ["Origin"], id="CORS8 two lines"),
        pytest.param(
            B, "GET", [], {"allow-origin": "*", "expose-headers": "*"}, [], id="CORS9 no Origin"
        ),
        pytest.param(
            B, "GET", [("origin", O)], {"allow-origin": "*", "expose-headers": "*"}, [],
            id="CORS9 with Origin",
        ),
        pytest.param(A, "HEAD", [("origin", O)], READABLE, ["Origin"], id="CORS13 HEAD"),
        pytest.param(
            A, "OPTIONS", [("origin", O)], READABLE, ["Origin"], id="CORS14 OPTIONS without ACRM"
        ),
        pytest.param(
            A, "OPTIONS", preflight(origin=None), {}, ["Origin"], id="CORS15 ACRM without Origin"
        ),
        pytest.param(A, "PUT", preflight(), READABLE, ["Origin"], id="CORS16 ACRM without OPTIONS"),
    ],
)  # fmt: skip
async def test_actual_requests_run(
    fields: dict[str, Any], method: str, headers: Any, cors: dict[str, str], vary: list[str]
) -> None:
    ran: list[str] = []
    app = CorsMiddleware(answering(ran=ran), **fields)
    answered = await call(app, method, headers=headers)
    assert ran == [method]
    assert (answered.status, answered.body) == (200, b"ran")
    assert cors_headers(answered) == cors
    assert answered.values("vary") == vary


@pytest.mark.parametrize(
    ("sent", "vary"),
    [
        pytest.param([b"Accept-Encoding, origin"], ["Accept-Encoding, origin"], id="CORS10 there"),
        pytest.param([b"*"], ["*"], id="CORS10 star"),
        pytest.param([b"Cookie", b"Accept"], ["Cookie", "Accept", "Origin"], id="CORS10 several"),
    ],
)
async def test_vary_is_one_logical_set(sent: list[bytes], vary: list[str]) -> None:
    for origin in (O, "https://evil.test"):
        app = CorsMiddleware(answering([(b"Vary", value) for value in sent]), **A)
        answered = await call(app, headers=[("origin", origin)])
        assert answered.values("vary") == vary


async def test_CORS11_CORS12_the_apps_own_cors_headers_are_replaced(events: EventRecorder) -> None:
    own = [
        (b"Access-Control-Allow-Origin", b"*"),
        (b"access-control-allow-origin", b"*"),
        (b"ACCESS-CONTROL-ALLOW-PRIVATE-NETWORK", b"true"),
        (b"X-App", b"1"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
    ]
    app = CorsMiddleware(answering(own), **A, events=events)
    for origin, cors in ((O, READABLE), ("https://evil.test", {}), (None, {})):
        events.events.clear()
        headers = [] if origin is None else [("origin", origin)]
        answered = await call(app, headers=headers)
        assert cors_headers(answered) == cors
        assert answered.values("set-cookie") == ["a=1", "b=2"]
        assert answered.value("x-app") == "1"
        assert answered.value("vary") == "Origin"
        assert [(event.name, event.severity) for event in events.events] == [
            ("cors_headers_of_app_removed", Severity.DEBUG)
        ]
    public = await call(CorsMiddleware(answering(own), **B, events=events))
    assert cors_headers(public) == {"allow-origin": "*", "expose-headers": "*"}


@pytest.mark.parametrize("status", [200, 304, 307, 404, 500])
async def test_CORS13_CORS42_every_status_says_the_same(status: int) -> None:
    answered = await call(CorsMiddleware(answering(status=status), **A), headers=[("origin", O)])
    assert (answered.status, cors_headers(answered)) == (status, READABLE)
    assert answered.values("vary") == ["Origin"]


ANSWERED = {"allow-origin": O, "allow-credentials": "true", "max-age": "600"}


@pytest.mark.parametrize(
    ("fields", "headers", "cors"),
    [
        pytest.param(A, preflight("PUT"), {**ANSWERED, "allow-methods": "PUT"}, id="CORS17 PUT"),
        pytest.param(A, preflight("GET"), ANSWERED, id="CORS18 GET"),
        pytest.param(A, preflight("HEAD"), ANSWERED, id="CORS18 HEAD"),
        pytest.param(A, preflight("POST"), ANSWERED, id="CORS18 POST"),
        pytest.param(
            A, preflight("GET", "authorization,x-a"),
            {**ANSWERED, "allow-headers": "authorization,x-a"}, id="CORS22 listed names",
        ),
        pytest.param(
            A, preflight("GET", ", X-B\t,", "x-a,X-B"), {**ANSWERED, "allow-headers": "x-b,x-a"},
            id="CORS23 as intermediaries write it",
        ),
        pytest.param(A, preflight("GET", ""), ANSWERED, id="CORS25 empty is absent"),
        pytest.param(
            B, preflight("PATCH", "x-z"),
            {"allow-origin": "*", "allow-methods": "*", "allow-headers": "*"}, id="CORS27 public",
        ),
        pytest.param(
            B, preflight("GET", "authorization"), {"allow-origin": "*", "allow-headers": "*"},
            id="CORS28 the browser refuses it",
        ),
        pytest.param(
            {**B, "allow_headers": ["*", "Authorization"]}, preflight("GET", "authorization"),
            {"allow-origin": "*", "allow-headers": "*,authorization"}, id="CORS28 listed too",
        ),
        pytest.param(
            {**A, "allow_methods": ["*"], "allow_headers": ["*"]}, preflight("PURGE", "X-Z"),
            {**ANSWERED, "allow-methods": "PURGE", "allow-headers": "x-z"}, id="CORS29 wildcards",
        ),
        pytest.param(
            {"allow_origins": [O], "max_age_seconds": 0}, preflight("GET"),
            {"allow-origin": O, "max-age": "0"}, id="CORS30 zero",
        ),
        pytest.param(
            {"allow_origins": [O]}, preflight("GET"), {"allow-origin": O},
            id="CORS30 unset CORS37 nothing listed",
        ),
        pytest.param(
            A, [*preflight("GET"), ("access-control-request-private-network", "true")], ANSWERED,
            id="CORS33 private network",
        ),
    ],
)  # fmt: skip
async def test_answered_preflights(
    fields: dict[str, Any], headers: Any, cors: dict[str, str]
) -> None:
    answered = await call(CorsMiddleware(never, **fields), "OPTIONS", headers=headers)
    assert (answered.status, answered.body) == (204, b"")
    assert cors_headers(answered) == cors
    assert answered.value("vary") == ALL_VARY
    assert answered.value("content-length") is None
    assert answered.value("content-type") is None


@pytest.mark.parametrize(
    ("headers", "rule"),
    [
        pytest.param(preflight("put"), "method_not_allowed", id="CORS19 put"),
        pytest.param(preflight("patch"), "method_not_allowed", id="CORS19 patch"),
        pytest.param(preflight("PURGE"), "method_not_allowed", id="CORS20 PURGE"),
        pytest.param(
            preflight(origin="https://evil.test"), "origin_not_allowed", id="CORS21 origin"
        ),
        pytest.param(preflight(origin="null"), "origin_not_allowed", id="CORS21 null"),
        pytest.param([*preflight(), ("origin", O)], "origin_duplicated", id="CORS8 two origins"),
        pytest.param(preflight("PUT", "x-c"), "headers_not_allowed", id="CORS24 unlisted"),
        pytest.param(preflight("PUT", "x b"), "headers_malformed", id="CORS24 no token"),
        pytest.param(preflight("PUT", ";;<>"), "headers_malformed", id="CORS24 junk"),
        pytest.param(preflight("PUT", "x-a" + "," * 17), "headers_malformed", id="CORS24 commas"),
        pytest.param(preflight("PUT", "a" * 4097), "headers_malformed", id="CORS24 4097 bytes"),
        pytest.param(preflight("PUT", "x-a", "x-c"), "headers_not_allowed", id="CORS26 second"),
        pytest.param(
            [*preflight(), *preflight(origin=None)], "method_duplicated", id="CORS31 two methods"
        ),
        pytest.param(preflight("P T"), "method_malformed", id="CORS31 no token"),
    ],
)
async def test_refused_preflights_are_all_alike(
    headers: Any, rule: str, events: EventRecorder
) -> None:
    answered = await call(CorsMiddleware(never, **A, events=events), "OPTIONS", headers=headers)
    assert answered.status == 403
    assert answered.headers == [(b"content-length", b"0"), (b"vary", ALL_VARY.encode())]
    assert answered.body == b""
    (event,) = events.events
    assert (event.name, event.severity) == ("cors_preflight_refused", Severity.DEBUG)
    assert event.facts == {"rule": rule}


async def test_CORS34_debug_lets_the_browser_name_the_cause(events: EventRecorder) -> None:
    app = CorsMiddleware(never, **A, debug=True, events=events)
    assert events.events.pop().name == "cors_configuration_advice"
    answered = await call(app, "OPTIONS", headers=preflight("PURGE"))
    assert answered.status == 204
    assert cors_headers(answered) == {
        "allow-origin": O,
        "allow-credentials": "true",
        "allow-methods": "PATCH,PUT",
        "allow-headers": "authorization,x-a,x-b",
    }
    assert [(event.name, event.facts) for event in events.events] == [
        ("cors_preflight_explained", {"rule": "method_not_allowed"})
    ]
    denied = await call(app, "OPTIONS", headers=preflight(origin="https://evil.test"))
    assert (denied.status, cors_headers(denied)) == (403, {})


async def test_CORS34_debug_with_https_origins_warns_at_construction(events: EventRecorder) -> None:
    CorsLayer(CorsConfig(**A, debug=True), events=events)
    assert [event.facts["field"] for event in events.events] == ["debug"]
    assert events.events[0].severity is Severity.WARNING


async def test_CORS35_a_layer_outside_writes_on_preflights_too() -> None:
    class Marking(Layer):
        def leave(self, exchange: Exchange, start: Message) -> None:
            start["headers"].append((b"x-content-type-options", b"nosniff"))

    for headers, status in ((preflight(), 204), (preflight("PURGE"), 403)):
        app = Pipeline(never, [Marking(), CorsLayer(CorsConfig(**A))])
        answered = await call(app, "OPTIONS", headers=headers)
        assert (answered.status, answered.value("x-content-type-options")) == (status, "nosniff")


async def test_CORS17_authentication_inside_never_sees_a_preflight() -> None:
    class Guard(Layer):
        def enter(self, exchange: Exchange) -> Answer | None:
            return build_refusal(401, "NO_TOKEN")

    app = Pipeline(never, [CorsLayer(CorsConfig(**A)), Guard()])
    assert (await call(app, "OPTIONS", headers=preflight())).status == 204
    refused = await call(app, headers=[("origin", O)])
    assert (refused.status, cors_headers(refused)) == (401, READABLE)


@pytest.mark.parametrize("version", ["1.0", "1.1", "2"])
async def test_CORS36_a_preflight_needs_no_body(version: str) -> None:
    async def receive() -> Message:
        raise AssertionError("the body was read")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(name.encode(), value.encode()) for name, value in preflight()]
    scope = {
        "type": "http",
        "http_version": version,
        "method": "OPTIONS",
        "path": "/",
        "headers": headers,
    }
    await CorsMiddleware(never, **A)(scope, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("/api", "https://api.test"),
        ("/api/x", "https://api.test"),
        ("/api/v2/x", "https://v2.test"),
        ("/apix", O),
        ("/", O),
        ("/x/../api", O),
    ],
)
async def test_CORS38_policies_by_path(path: str, origin: str) -> None:
    paths = {
        "/api": CorsConfig(allow_origins=["https://api.test"]),
        "/api/v2": CorsConfig(allow_origins=["https://v2.test"]),
        "/public": CorsConfig(allow_origins=["*"]),
    }
    app = CorsMiddleware(hello, **A, paths=paths)
    for asked in (O, "https://api.test", "https://v2.test"):
        answered = await call(app, target=path, headers=[("origin", asked)])
        assert cors_headers(answered).get("allow-origin") == (origin if asked == origin else None)
        answer = await call(app, "OPTIONS", path, headers=preflight("GET", origin=asked))
        assert answer.status == (204 if asked == origin else 403)
    public = await call(app, target="/public/x")
    assert (public.value("access-control-allow-origin"), public.value("vary")) == ("*", None)
    assert (await call(app, target=path)).value("vary") == "Origin"


async def test_CORS39_the_500_of_a_failing_app_is_readable_too() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError

    app = CorsMiddleware(failing, **A, error_body=b"sorry")
    answered = await call(app, headers=[("origin", O)], catch=True)
    assert (answered.status, answered.body, cors_headers(answered)) == (500, b"sorry", READABLE)
    assert answered.value("content-type") == "text/plain; charset=utf-8"
    assert isinstance(answered.error, LookupError)


async def test_CORS40_after_the_start_nothing_is_added() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        raise LookupError

    answered = await call(CorsMiddleware(failing, **A), headers=[("origin", O)], catch=True)
    assert len(answered.messages) == 2
    assert cors_headers(answered) == READABLE


async def test_CORS41_cancellation_is_no_500() -> None:
    async def stopped(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyboardInterrupt

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"origin", O.encode())]}
    with pytest.raises(KeyboardInterrupt):
        await CorsMiddleware(stopped, **A)(scope, receive, send)
    assert sent == []


async def test_CORS43_CORS44_only_the_start_is_touched() -> None:
    messages: list[Message] = [
        {"type": "http.response.early_hint", "links": [b"</a>"]},
        {"type": "http.response.start", "status": 200, "headers": [], "trailers": True},
        {"type": "http.response.body", "body": b"1", "more_body": True},
        {"type": "http.response.pathsend", "path": "/tmp/x"},  # noqa: S108 -- never opened
        {"type": "http.response.trailers", "headers": [(b"access-control-x", b"1")]},
    ]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    answered = await call(CorsMiddleware(app, **A), headers=[("origin", O)])
    assert [a is b for a, b in zip(answered.messages, messages, strict=True)] == [
        *(True, False, True, True, True),
    ]
    assert answered.messages[1]["trailers"] is True
    assert cors_headers(answered) == READABLE


async def test_CORS45_a_resent_header_list_does_not_grow() -> None:
    shared = [(b"x-app", b"1")]
    app = CorsMiddleware(answering(shared), **A)
    for _ in range(1000):
        assert len((await call(app, headers=[("origin", O)])).headers) == 5
    assert shared == [(b"x-app", b"1")]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([[b"Vary", b"origin"]], id="CORS46 lists"),
        pytest.param(iter([(b"VARY", b"Origin")]), id="CORS46 an iterator"),
    ],
)
async def test_header_shapes(headers: Any) -> None:
    answered = await call(CorsMiddleware(answering(headers), **A), headers=[("origin", O)])
    assert cors_headers(answered) == READABLE
    assert [value.lower() for value in answered.values("vary")] == ["origin"]
    assert all(type(pair) is tuple for pair in answered.headers)


async def test_CORS47_CORS48_other_scopes_and_the_callers_scope() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        if scope["type"] == "http":
            await hello(scope, receive, send)

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        pass

    guarded = CorsMiddleware(app, **A)
    lifespan: Scope = {"type": "lifespan"}
    await guarded(lifespan, receive, send)
    assert seen[0] is lifespan
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"origin", O.encode())]}
    before = dict(scope)
    await guarded(scope, receive, send)
    assert scope == before
    assert seen[1] is not scope


class TestResolver:
    async def test_it_is_asked_about_unknown_origins_only(self) -> None:
        asked: list[str] = []

        async def resolve(origin: str) -> bool:
            asked.append(origin)
            return origin == "https://tenant.test"

        app = CorsMiddleware(hello, **{**A, "allow_origin_resolver": resolve})
        for origin, cors in (
            (O, READABLE),
            ("https://tenant.test", {**READABLE, "allow-origin": "https://tenant.test"}),
            ("https://evil.test", {}),
            ("null", {}),
        ):
            assert cors_headers(await call(app, headers=[("origin", origin)])) == cors
        await call(app)
        assert asked == ["https://tenant.test", "https://evil.test"]
        answer = await call(app, "OPTIONS", headers=preflight(origin="https://tenant.test"))
        assert answer.status == 204

    @pytest.mark.parametrize("verdict", [1, "yes", None, False, LookupError("secret")])
    async def test_all_but_true_is_no_and_a_failure_is_reported(
        self, verdict: object, events: EventRecorder
    ) -> None:
        async def resolve(origin: str) -> Any:
            if isinstance(verdict, Exception):
                raise verdict
            return verdict

        app = CorsMiddleware(hello, allow_origin_resolver=resolve, events=events)
        answered = await call(app, headers=[("origin", "https://tenant.test")])
        assert (answered.status, cors_headers(answered)) == (200, {})
        failed = isinstance(verdict, Exception)
        assert events.names == (["cors_resolver_failed"] if failed else [])
        assert "secret" not in repr(events.events)


def test_CORS98_P28_construction() -> None:
    with pytest.raises(TypeError, match="did you mean 'allow_origins'"):
        CorsMiddleware(hello, allow_origin=[O])
    with pytest.raises(ConfigError, match="allow at least one origin"):
        CorsMiddleware(hello)
    with pytest.raises(ConfigError, match="drop allow_credentials"):
        CorsMiddleware(
            hello,
            allow_origins=["*"],
            allow_methods=["*"],
            allow_headers=["*"],
            allow_credentials=True,
        )


async def test_a_config_object_is_taken_as_it_is() -> None:
    answered = await call(CorsMiddleware(hello, CorsConfig(**A)), headers=[("origin", O)])
    assert cors_headers(answered) == READABLE
