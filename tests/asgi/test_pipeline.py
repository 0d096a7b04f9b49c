"""The engine's promises, one by one; `test_pipeline_properties.py` draws them at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.asgi.context import current
from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import Pipeline
from asgi_security.asgi.refusals import build_refusal
from asgi_security.testing import call, connect_websocket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asgi_security.asgi.layers import Exchange
    from asgi_security.asgi.refusals import Answer
    from asgi_security.asgi.types import ASGIApp, Message, Receive, Scope, Send

pytestmark = pytest.mark.anyio

REFUSED = build_refusal(403, "NO_ENTRY")


class Marking(Layer):
    """Writes what it sees into a shared list, and its name into a response header."""

    def __init__(self, name: str, seen: list[str], *, refuses: bool = False) -> None:
        self.name = name
        self.seen = seen
        self.refuses = refuses

    def enter(self, exchange: Exchange) -> Answer | None:
        self.seen.append(f"{self.name}.enter")
        return REFUSED if self.refuses else None

    def leave(self, exchange: Exchange, start: Message) -> None:
        self.seen.append(f"{self.name}.leave")
        start["headers"].append((b"x-mark", self.name.encode()))

    def accept(self, exchange: Exchange, start: Message) -> Awaitable[None] | None:
        return self.leave(exchange, start)  # type: ignore[func-returns-value]

    def finish(self, exchange: Exchange, error: BaseException | None) -> None:
        self.seen.append(f"{self.name}.finish:{type(error).__name__}")


class Waiting(Marking):
    """The same, with every hook a coroutine."""

    def enter(self, exchange: Exchange) -> Awaitable[Answer | None]:  # type: ignore[override]
        async def wait() -> Answer | None:
            return Marking.enter(self, exchange)

        return wait()

    def leave(self, exchange: Exchange, start: Message) -> Awaitable[None]:  # type: ignore[override]
        async def wait() -> None:
            Marking.leave(self, exchange, start)

        return wait()


class Fusing(Pipeline, fusible=True):
    pass


class Nesting(Fusing):
    """A user's subclass: never fused."""


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "chat"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"X-App", b"1")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError("the app failed")


def stack(kind: type[Pipeline], app: ASGIApp, layers: list[Layer]) -> ASGIApp:
    for layer in reversed(layers):
        app = kind(app, [layer])
    return app


@pytest.mark.parametrize("kind", [Fusing, Nesting])
@pytest.mark.parametrize("layer", [Marking, Waiting])
class TestOrder:
    async def test_a_request_passes_inward_and_its_response_outward(
        self, kind: type[Pipeline], layer: type[Marking]
    ) -> None:
        seen: list[str] = []
        app = stack(kind, hello, [layer(name, seen) for name in "abc"])
        answered = await call(app)
        assert seen == [
            *("a.enter", "b.enter", "c.enter", "c.leave", "b.leave", "a.leave"),
            *("c.finish:NoneType", "b.finish:NoneType", "a.finish:NoneType"),
        ]
        assert answered.values("x-mark") == ["c", "b", "a"]
        assert answered.headers[0] == (b"x-app", b"1")
        assert answered.body == b"hello"

    async def test_a_refusal_meets_only_the_layers_outside_it(
        self, kind: type[Pipeline], layer: type[Marking]
    ) -> None:
        seen: list[str] = []
        layers = [layer("a", seen), layer("b", seen, refuses=True), layer("c", seen)]
        answered = await call(stack(kind, hello, list(layers)))
        assert answered.status == 403
        assert seen == ["a.enter", "b.enter", "a.leave", "a.finish:NoneType"]
        assert answered.json()["code"] == "NO_ENTRY"
        assert answered.value("cache-control") == "no-store"

    async def test_CORS39_an_app_that_raises_gets_a_500_with_headers_and_raises_on(
        self, kind: type[Pipeline], layer: type[Marking]
    ) -> None:
        seen: list[str] = []
        app = stack(kind, failing, [layer(name, seen) for name in "ab"])
        answered = await call(app, catch=True)
        assert answered.status == 500
        assert answered.values("x-mark") == ["b", "a"]
        assert isinstance(answered.error, LookupError)
        assert seen[-2:] == ["b.finish:LookupError", "a.finish:LookupError"]

    async def test_a_websocket_refusal_comes_before_accept(
        self, kind: type[Pipeline], layer: type[Marking]
    ) -> None:
        seen: list[str] = []
        app = stack(kind, hello, [layer("a", seen), layer("b", seen, refuses=True)])
        denied = await connect_websocket(app)
        assert (denied.status, denied.values("x-mark")) == (403, ["a"])
        closed = await connect_websocket(app, denial=False)
        assert closed.messages == [
            {"type": "websocket.close", "code": 1008, "reason": "NO_ENTRY"},
        ]

    async def test_accept_is_edited_and_kept(
        self, kind: type[Pipeline], layer: type[Marking]
    ) -> None:
        accepted = await connect_websocket(stack(kind, hello, [layer("a", [])]))
        assert accepted.accept is not None
        assert accepted.accept["subprotocol"] == "chat"
        assert accepted.accept_values("x-mark") == ["a"]


async def test_a_subclass_is_never_fused() -> None:
    class Mine(Fusing):
        pass

    inner = Fusing(hello, [Layer()])
    assert len(Fusing(inner, [Layer()]).layers) == 2
    assert len(Mine(inner, [Layer()]).layers) == 1
    assert len(Fusing(Mine(hello, [Layer()]), [Layer()]).layers) == 1


async def test_the_app_may_be_given_by_keyword_as_some_frameworks_do() -> None:
    class Mountable(Pipeline, fusible=True):
        def __init__(self, app: ASGIApp, /, *, mark: str = "a") -> None:
            super().__init__(app, [Marking(mark, [])])

    build: Any = Mountable
    for app in (Mountable(hello, mark="b"), build(app=hello, mark="b")):
        assert (await call(app)).values("x-mark") == ["b"]
    with pytest.raises(TypeError):
        build(mark="b")


async def test_CORS47_other_scopes_pass_with_the_same_objects() -> None:
    got: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        got.extend((scope, receive, send))

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError

    for kind in ("lifespan", "something.new"):
        got.clear()
        scope: Scope = {"type": kind}
        await Fusing(app, [Marking("a", [])])(scope, receive, send)
        assert got[0] is scope
        assert got[1] is receive
        assert got[2] is send
        assert scope == {"type": kind}


async def test_CORS45_a_resent_header_list_gets_one_copy_of_each_header() -> None:
    shared = [(b"x-app", b"1")]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": shared})

    guarded = Fusing(app, [Marking("a", [])])
    for _ in range(1000):
        answered = await call(guarded)
        assert answered.headers == [(b"x-app", b"1"), (b"x-mark", b"a")]
    assert shared == [(b"x-app", b"1")]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: iter([(b"X-A", b"1")]), id="CORS46 an iterator"),
        pytest.param(lambda: [[b"X-A", b"1"]], id="CORS46 lists for tuples"),
    ],
)
async def test_header_shapes(make: Callable[[], Any]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": make()})

    answered = await call(Fusing(app, [Marking("a", [])]))
    assert answered.headers == [(b"x-a", b"1"), (b"x-mark", b"a")]


async def test_CORS46_no_headers_at_all() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})

    assert (await call(Fusing(app, [Marking("a", [])]))).headers == [(b"x-mark", b"a")]


async def test_CORS43_CORS44_all_but_the_start_pass_as_the_same_objects() -> None:
    messages: list[Message] = [
        {"type": "http.response.early_hint", "links": [b"</a>; rel=preload"]},
        {"type": "http.response.start", "status": 200, "headers": [], "trailers": True},
        {"type": "http.response.body", "body": b"1", "more_body": True},
        {"type": "http.response.body", "body": b"2"},
        {"type": "http.response.trailers", "headers": [(b"x-t", b"1")]},
    ]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    answered = await call(Fusing(app, [Marking("a", [])]))
    for ours, theirs in zip(answered.messages, messages, strict=True):
        if ours["type"] == "http.response.start":
            assert ours["trailers"] is True
        else:
            assert ours is theirs


async def test_CORS40_after_the_start_nothing_more_is_sent() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        raise LookupError

    answered = await call(Fusing(app, [Marking("a", [])]), catch=True)
    assert [message["type"] for message in answered.messages] == [
        "http.response.start",
        "http.response.body",
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, SystemExit])
async def test_CORS41_only_exceptions_become_a_500(error: type[BaseException]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(error):
        await Fusing(app, [Marking("a", [])])(
            {"type": "http", "method": "GET", "headers": []}, receive, send
        )
    assert sent == []


async def test_CORS48_the_callers_scope_is_left_alone() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["mine"] = 1
        assert current() is scope["asgi_security"]
        await hello(scope, receive, send)

    seen: list[Scope] = []

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        before = dict(scope)
        await Fusing(app, [Layer()])(scope, receive, send)
        assert scope == before
        seen.append(scope)

    await call(server)
    assert seen
    with pytest.raises(RuntimeError):
        current()


async def test_an_enter_that_raises_is_answered_by_the_layers_outside() -> None:
    class Broken(Layer):
        def enter(self, exchange: Exchange) -> None:
            raise LookupError

    for kind in (Fusing, Nesting):
        seen: list[str] = []
        app = stack(kind, hello, [Marking("a", seen), Broken(), Marking("c", seen)])
        answered = await call(app, catch=True)
        assert (answered.status, answered.values("x-mark")) == (500, ["a"])


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/problem+json"),
        ("*/*", "application/problem+json"),
        ("application/json, text/html", "application/problem+json"),
        ("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "text/plain; charset=utf-8"),
    ],
)
async def test_a_person_reads_a_refusal_and_a_program_parses_it(
    accept: str | None, kind: str
) -> None:
    headers = {} if accept is None else {"accept": accept}
    answered = await call(Fusing(hello, [Marking("a", [], refuses=True)]), headers=headers)
    assert answered.value("content-type") == kind
    assert answered.json()["code"] == "NO_ENTRY"


async def test_a_head_refusal_has_no_body() -> None:
    answered = await call(Fusing(hello, [Marking("a", [], refuses=True)]), "HEAD")
    assert (answered.status, answered.body) == (403, b"")


async def test_wanted_headers_are_collected_with_their_duplicates() -> None:
    class Reading(Layer):
        wants = frozenset({b"origin", b"cookie"})

        def enter(self, exchange: Exchange) -> None:
            assert exchange.headers == {b"origin": [b"a", b"b"]}

    headers = [("origin", "a"), ("x-other", "1"), ("origin", "b")]
    assert (await call(Fusing(hello, [Reading()]), headers=headers)).status == 200
