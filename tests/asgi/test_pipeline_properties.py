"""Any conversation through any run of layers: fused and nested are one, and close to the bare app.

The driver is a bare `send(None)`: these layers never wait for anything real.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.asgi.layers import Layer
from asgi_security.asgi.pipeline import Pipeline
from asgi_security.asgi.refusals import Reply, build_refusal
from tests.asgi.conversations import CONVERSATIONS, Played, build_app, build_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asgi_security.asgi.layers import Exchange
    from asgi_security.asgi.refusals import Answer
    from asgi_security.asgi.types import ASGIApp, Message
    from tests.asgi.conversations import Conversation


class Fusing(Pipeline, fusible=True):
    pass


class Nesting(Fusing):
    pass


class Adding(Layer):
    """Adds a header to whatever starts a response."""

    def __init__(self, name: str) -> None:
        self.mark = (b"x-mark", name.encode())

    def leave(self, exchange: Exchange, start: Message) -> None:
        start["headers"].append(self.mark)


class AddingLate(Adding):
    """The same, after waiting; on `accept` too."""

    def leave(self, exchange: Exchange, start: Message) -> Awaitable[None]:  # type: ignore[override]
        async def wait() -> None:
            start["headers"].append(self.mark)

        return wait()

    def accept(self, exchange: Exchange, start: Message) -> Awaitable[None]:
        return self.leave(exchange, start)


class Reading(Layer):
    """Reads the request and writes down what it read; never touches the response."""

    wants = frozenset({b"origin", b"cookie"})

    def enter(self, exchange: Exchange) -> None:
        exchange.notes[self] = dict(exchange.headers)


class Refusing(Adding):
    """Refuses requests that carry an evil origin, at once or after waiting."""

    wants = frozenset({b"origin"})

    def __init__(self, name: str, *, late: bool, answer: Answer) -> None:
        super().__init__(name)
        self.late = late
        self.answer = answer

    def enter(self, exchange: Exchange) -> Any:
        verdict = (
            self.answer if b"https://evil.test" in exchange.headers.get(b"origin", ()) else None
        )

        async def wait() -> Answer | None:
            return verdict

        return wait() if self.late else verdict


class Replaying(Layer):
    """Gives the app one message more than the client sent."""

    def enter(self, exchange: Exchange) -> None:
        live, extra = exchange.receive, [{"type": "http.request", "body": b"0", "more_body": True}]

        async def receive() -> Any:
            return extra.pop() if extra else await live()

        exchange.receive = receive


class Breaking(Layer):
    """Fails on a cookie: a defect of ours must still end in a clean 500."""

    wants = frozenset({b"cookie"})

    def enter(self, exchange: Exchange) -> None:
        if b"cookie" in exchange.headers:
            raise ArithmeticError


class Finishing(Adding):
    """Counts how often it is entered and finished."""

    def __init__(self) -> None:
        super().__init__("finishing")
        self.open = 0

    def enter(self, exchange: Exchange) -> None:
        self.open += 1

    def finish(self, exchange: Exchange, error: BaseException | None) -> None:
        self.open -= 1


MAKERS: list[Callable[[], Layer]] = [
    lambda: Adding("a"),
    lambda: AddingLate("b"),
    Reading,
    lambda: Refusing("c", late=False, answer=build_refusal(403, "NO")),
    lambda: Refusing("d", late=True, answer=Reply(204, ((b"x-reply", b"1"),))),
    Replaying,
    Breaking,
    Finishing,
]


def drive(app: ASGIApp, conversation: Conversation, played: Played) -> None:
    coroutine = app(*build_server(conversation, played))
    try:
        coroutine.send(None)  # type: ignore[attr-defined]
    except StopIteration:
        return
    except BaseException as error:  # noqa: BLE001 -- how it ended is what is compared
        played.ending = type(error).__name__


def play(conversation: Conversation, kind: type[Pipeline], layers: list[Layer]) -> Played:
    played = Played()
    app = build_app(conversation, played)
    for layer in reversed(layers):
        app = kind(app, [layer])
    drive(app, conversation, played)
    return played


@settings(max_examples=400, deadline=None)
@given(CONVERSATIONS, st.lists(st.sampled_from(MAKERS), max_size=5))
def test_fused_and_nested_are_the_same(
    conversation: Conversation, makers: list[Callable[[], Layer]]
) -> None:
    layers = [[make() for make in makers] for _ in range(2)]
    fused = play(conversation, Fusing, layers[0])
    nested = play(conversation, Nesting, layers[1])
    assert fused == nested
    for layer in [*layers[0], *layers[1]]:
        assert not isinstance(layer, Finishing) or layer.open == 0


@settings(max_examples=300, deadline=None)
@given(CONVERSATIONS, st.lists(st.sampled_from(MAKERS[:3]), max_size=4))
def test_transparent_layers_change_nothing_but_the_headers_of_the_start(
    conversation: Conversation, makers: list[Callable[[], Layer]]
) -> None:
    ours = play(conversation, Fusing, [make() for make in makers])
    bare = play(conversation, Fusing, [])
    assert (ours.received, ours.ending, ours.called) == (bare.received, bare.ending, True)
    if bare.ending in {"LookupError", "OSError"} and len(ours.sent) > len(bare.sent):
        extra = ours.sent[len(bare.sent) :]
        assert [message["type"] for message in extra] == [
            "http.response.start",
            "http.response.body",
        ]
        assert extra[0]["status"] == 500
        assert not any(message["type"] == "http.response.start" for message in bare.sent)
        ours.sent = ours.sent[: len(bare.sent)]
    assert len(ours.sent) == len(bare.sent)
    for mine, theirs in zip(ours.sent, bare.sent, strict=True):
        if mine is theirs:
            continue
        assert mine["type"].endswith((".start", ".accept"))
        kept = [pair for pair in mine["headers"] if pair[0] != b"x-mark"]
        assert kept == [(name.lower(), value) for name, value in theirs.get("headers", ())]
        assert {**mine, "headers": None} == {**theirs, "headers": None}
