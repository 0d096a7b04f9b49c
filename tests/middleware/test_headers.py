"""The shell: what reaches the wire over HTTP and WebSocket, for apps, errors and refusals."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.asgi.context import current
from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import Pipeline
from asgi_security.asgi.refusals import Reply
from asgi_security.errors import ConfigError
from asgi_security.events import Severity
from asgi_security.middleware.headers import SecurityHeadersLayer, SecurityHeadersMiddleware
from asgi_security.policy.csp import NONCE
from asgi_security.policy.headers import SecurityHeadersConfig
from asgi_security.testing import call, connect_websocket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asgi_security.asgi.layers import Exchange
    from asgi_security.asgi.types import ASGIApp, Message, Receive, Scope, Send
    from asgi_security.testing import Answered, EventRecorder

pytestmark = pytest.mark.anyio

HSTS = "max-age=63072000; includeSubDomains"
NONCED: dict[str, Any] = {"csp": {"script-src": [NONCE]}}
SIX = (
    *("strict-transport-security", "content-security-policy", "x-frame-options"),
    *("x-content-type-options", "referrer-policy", "x-xss-protection"),
)


def app(
    *headers: tuple[str, str],
    status: int = 200,
    before: Callable[[], object] = lambda: None,
    body: Callable[[], str] = lambda: "",
) -> ASGIApp:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        before()
        content = body().encode()
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": content})

    return run


async def ask(inner: ASGIApp, scheme: str = "https", **fields: Any) -> Answered:
    return await call(SecurityHeadersMiddleware(inner, **fields), scheme=scheme)


async def test_P26_CORS56_the_default_sends_the_guides_six_once_each() -> None:
    answered = await ask(app(("Content-Type", "text/html")))
    assert all(answered.value(name) for name in SIX)
    assert answered.value("strict-transport-security") == HSTS
    assert answered.value("x-frame-options") == "DENY"
    assert answered.headers[0] == (b"content-type", b"text/html")
    assert all(name == name.lower() for name, _ in answered.headers)


async def test_CORS59_the_scheme_is_the_servers_word_only() -> None:
    inner = SecurityHeadersMiddleware(app())
    forged = {"X-Forwarded-Proto": "https"}
    plain = await call(inner, scheme="http", headers=forged)
    assert plain.value("strict-transport-security") is None
    assert plain.value("x-frame-options") == "DENY"
    assert (await call(inner)).value("strict-transport-security") == HSTS


async def test_CORS57_CORS58_P27_inner_headers_meet_ours_in_any_case() -> None:
    inner = app(("X-Frame-Options", "SAMEORIGIN"), ("Content-Security-Policy", "img-src *"))
    kept = await ask(inner)
    assert kept.value("x-frame-options") == "SAMEORIGIN"
    assert kept.value("content-security-policy") == "img-src *"
    doubled = await ask(inner, merge="append", csp="img-src 'none'")
    assert doubled.values("content-security-policy") == ["img-src *", "img-src 'none'"]
    overridden = await ask(inner, overrides={"x-FRAME-options": None, "X-Mine": "\xe9"})
    assert overridden.value("x-frame-options") is None
    assert overridden.value("x-mine") == "\xe9"


async def test_P27_two_cookies_stay_two() -> None:
    inner = app(("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("Server", "x"), ("x-y", "\xff"))
    for merge in ("keep", "enforce", "append"):
        answered = await ask(inner, merge=merge)
        assert answered.values("set-cookie") == ["a=1", "b=2"]
        assert answered.value("x-y") == "\xff"


async def test_CORS67_revealing_headers_are_stripped() -> None:
    inner = app(("Server", "secret/1"), ("X-Powered-By", "x"), ("X-Mine", "1"))
    answered = await ask(inner)
    assert answered.value("server") is answered.value("x-powered-by") is None
    assert answered.value("x-mine") == "1"
    assert (await ask(inner, remove=())).value("server") == "secret/1"


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_CORS42_the_apps_own_errors_carry_the_headers(status: int) -> None:
    answered = await ask(app(status=status))
    assert (answered.status, answered.value("x-frame-options")) == (status, "DENY")


async def test_CORS39_an_app_that_raises_gets_a_500_with_the_headers() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError

    answered = await call(SecurityHeadersMiddleware(failing), catch=True)
    assert answered.status == 500
    assert all(answered.value(name) for name in SIX)
    assert isinstance(answered.error, LookupError)
    own = SecurityHeadersMiddleware(failing, error_body=b"sorry")
    assert (await call(own, catch=True)).body == b"sorry"


async def test_CORS35_answers_of_inner_layers_carry_the_headers() -> None:
    class Preflight(Layer):
        def enter(self, exchange: Exchange) -> Reply:
            return Reply(204, ((b"access-control-allow-origin", b"https://a.test"),))

    layers: Sequence[Layer] = (SecurityHeadersLayer(SecurityHeadersConfig()), Preflight())
    answered = await call(Pipeline(app(), layers), "OPTIONS")
    assert answered.status == 204
    assert answered.value("x-content-type-options") == "nosniff"
    assert answered.value("strict-transport-security") == HSTS


async def test_CORS45_CORS46_shared_and_odd_header_lists_get_one_copy() -> None:
    shared: list[Any] = [[b"X-App", b"1"]]

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": shared})

    async def bare(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})

    guarded = SecurityHeadersMiddleware(run)
    lengths = {len((await call(guarded)).headers) for _ in range(100)}
    assert lengths == {len((await ask(bare)).headers) + 1}
    assert shared == [[b"X-App", b"1"]]
    assert all(type(line) is tuple for line in (await call(guarded)).headers)


async def test_two_middlewares_send_each_header_once() -> None:
    class Mine(SecurityHeadersMiddleware):
        """Not fused."""

    for kind in (SecurityHeadersMiddleware, Mine):
        answered = await call(kind(SecurityHeadersMiddleware(app(), frame_options="SAMEORIGIN")))
        assert answered.value("x-frame-options") == "SAMEORIGIN"
        assert all(answered.value(name) for name in SIX)


async def test_CORS60_200_concurrent_requests_have_each_its_own_nonce() -> None:
    inner = app(body=lambda: current().csp_nonce)
    guarded = SecurityHeadersMiddleware(inner, **NONCED)
    seen: set[bytes] = set()

    async def one() -> None:
        answered = await call(guarded)
        assert answered.value("content-security-policy") == (
            f"script-src 'nonce-{answered.body.decode()}'"
        )
        assert len(answered.body) >= 22  # base64 of 128 bits
        seen.add(answered.body)

    async with anyio.create_task_group() as group:
        for _ in range(200):
            group.start_soon(one)
    assert len(seen) == 200


async def test_CORS60_an_unread_nonce_leaves_none() -> None:
    assert (await ask(app(), **NONCED)).value("content-security-policy") == "script-src 'none'"
    inner = app(("server", "x"))
    assert (await ask(inner, **NONCED)).value("content-security-policy") == "script-src 'none'"


async def test_CORS61_a_304_leaves_the_stored_policy_alone() -> None:
    for inner in (app(status=304), app(status=304, before=lambda: current().csp_nonce)):
        answered = await ask(inner, **NONCED)
        assert answered.value("content-security-policy") is None
        assert answered.value("x-frame-options") == "DENY"


async def test_CORS61_a_nonce_that_is_cached_for_all_is_reported(events: EventRecorder) -> None:
    inner = app(("Cache-Control", "public"), before=lambda: current().csp_nonce)
    await ask(inner, events=events, **NONCED)
    assert events.names == ["csp_nonce_public"]
    assert events.events[0].severity == Severity.WARNING
    await ask(app(("Cache-Control", "public")), events=events, **NONCED)
    assert len(events.events) == 1


@pytest.mark.parametrize(
    ("scheme", "host", "sent"),
    [
        pytest.param("https", "a.test", True, id="CORS65 https"),
        pytest.param("http", "a.test", False, id="CORS65 http"),
        pytest.param("http", "localhost:8000", True, id="CORS65 loopback"),
    ],
)
async def test_CORS65_clear_site_data(scheme: str, host: str, *, sent: bool) -> None:
    guarded = SecurityHeadersMiddleware(app(("Clear-Site-Data", '"cookies"')))
    answered = await call(guarded, scheme=scheme, headers={"Host": host})
    assert (answered.value("clear-site-data") is not None) is sent
    twice = [("Host", "localhost"), ("Host", "a.test")]
    doubtful = await call(guarded, scheme="http", headers=twice)
    assert doubtful.value("clear-site-data") is None


def mark_private() -> None:
    current().private = True


async def test_CORS66_private_responses_are_not_stored() -> None:
    assert (await ask(app(before=mark_private))).value("cache-control") == "no-store"
    kept = app(("Cache-Control", "max-age=5"), before=mark_private)
    answered = await ask(kept)
    assert answered.value("cache-control") == "max-age=5"
    assert answered.value("x-frame-options") == "DENY"
    assert (await ask(app())).value("cache-control") is None
    off = await ask(app(before=mark_private), no_store_private=False)
    assert off.value("cache-control") is None


async def test_CORS69_an_override_from_the_handler() -> None:
    def change() -> None:
        current().override_header("X-Frame-Options", "SAMEORIGIN")
        current().override_header("Referrer-Policy", None)
        with pytest.raises(ValueError, match="CR, LF"):
            current().override_header("X-Frame-Options", "DENY\r\nSet-Cookie: a=b")

    answered = await ask(app(before=change), merge="enforce")
    assert answered.value("x-frame-options") == "SAMEORIGIN"
    assert answered.value("referrer-policy") is None
    assert answered.value("x-content-type-options") == "nosniff"


async def test_CORS71_other_content_gets_the_rest() -> None:
    inner = app(("Content-Type", "application/json"))
    answered = await ask(inner, csp_applies_to="documents")
    assert answered.value("content-security-policy") is None
    for name in ("x-content-type-options", "cross-origin-resource-policy", "referrer-policy"):
        assert answered.value(name)
    assert (await ask(inner)).value("content-security-policy")


async def accepting(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    headers = [(b"X-App", b"1"), (b"Server", b"x")]
    await send({"type": "websocket.accept", "subprotocol": "chat", "headers": headers})


async def test_CORS54_a_handshake_over_tls_gets_hsts_only() -> None:
    guarded = SecurityHeadersMiddleware(accepting)
    secure = await connect_websocket(guarded)
    assert secure.accept is not None
    assert secure.accept["subprotocol"] == "chat"
    assert secure.accept_values("strict-transport-security") == [HSTS]
    assert secure.accept_values("x-app") == ["1"]
    assert len(secure.accept["headers"]) == 3
    assert not (await connect_websocket(guarded, scheme="ws")).accept_values(
        "strict-transport-security"
    )


async def test_CORS54_the_apps_own_hsts_is_kept_and_an_override_wins() -> None:
    async def own(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"Strict-Transport-Security", b"max-age=1")]
        await send({"type": "websocket.accept", "headers": headers})

    async def overriding(scope: Scope, receive: Receive, send: Send) -> None:
        current().override_header("Strict-Transport-Security", "max-age=2")
        current().override_header("X-Frame-Options", "DENY")
        await own(scope, receive, send)

    for inner, value in ((own, "max-age=1"), (overriding, "max-age=2")):
        opened = await connect_websocket(SecurityHeadersMiddleware(inner))
        assert opened.accept is not None
        assert opened.accept["headers"] == [(b"strict-transport-security", value.encode())]


async def test_CORS55_a_denial_by_the_app_carries_the_headers() -> None:
    async def denying(scope: Scope, receive: Receive, send: Send) -> None:
        message: Message = {"type": "websocket.http.response.start", "status": 403, "headers": []}
        await send(message)
        await send({"type": "websocket.http.response.body", "body": b"no"})

    denied = await connect_websocket(SecurityHeadersMiddleware(denying))
    assert denied.status == 403
    assert all(denied.value(name) for name in SIX)


async def test_a_configuration_or_its_fields(events: EventRecorder) -> None:
    config = SecurityHeadersConfig.api()
    answered = await call(SecurityHeadersMiddleware(app(), config))
    assert (answered.value("content-security-policy") or "").startswith("default-src 'none'")
    with pytest.raises(TypeError, match="not both"):
        SecurityHeadersMiddleware(app(), config, merge="enforce")
    with pytest.raises(TypeError, match="did you mean 'merge'"):
        SecurityHeadersMiddleware(app(), merg="enforce")
    with pytest.raises(ConfigError):
        SecurityHeadersMiddleware(app(), frame_options="no")
    SecurityHeadersMiddleware(app(), csp_report_only="sandbox; report-uri /r", events=events)
    assert events.names == ["headers_hint"]
    assert events.events[0].facts["field"] == "csp_report_only.sandbox"


def test_importing_the_middleware_is_light() -> None:
    heavy = {
        *("anyio", "asyncio", "cryptography", "email", "httpx", "jwt", "logging", "sqlite3"),
        *("starlette", "urllib.parse"),
    }
    code = "import sys; from asgi_security import SecurityHeadersMiddleware; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "asgi_security.middleware.headers" in done.stdout.split()
    assert not heavy & set(done.stdout.split())
