"""Drives: coroutines without an event loop where nothing waits, and ASGI apps as a server would.

Every side of a row is a `Step`: a function that takes an input and returns a coroutine. An ASGI
app becomes one that takes a scope; a store call is one as it stands.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from benchmarks.measure import Stopwatch, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from asgi_security.asgi.types import ASGIApp, Header, HeaderList, Message, Receive, Scope, Send

    Step: TypeAlias = Callable[[Any], Coroutine[Any, Any, object]]
    Inputs: TypeAlias = Callable[[int], Sequence[Any]]

T = TypeVar("T")

BODY = b"Hello, world!"
BROWSER_LINES: tuple[Header, ...] = (
    (b"host", b"example.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json"),
    (b"accept-language", b"en-GB,en;q=0.8"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"connection", b"keep-alive"),
)
"""What a browser sends beside what a row adds."""
_RESPONSE_LINES: tuple[Header, ...] = (
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"13"),
)


async def bare_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer as the smallest app can: what every other side is measured over."""
    await send({"type": "http.response.start", "status": 200, "headers": list(_RESPONSE_LINES)})
    await send({"type": "http.response.body", "body": BODY})


def build_scope(
    *lines: Header, method: str = "GET", path: str = "/", client: str = "203.0.113.7"
) -> Scope:
    """Build the scope of a browser's request with these header lines added."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [*BROWSER_LINES, *lines],
        "client": (client, 50000),
        "server": ("10.0.0.1", 443),
        "extensions": {},
    }


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Message) -> None:
    """Take the message and do nothing: the server's own work is no part of any row."""


def build_step(app: ASGIApp, *, scope: Scope | None = None, body: bytes = b"") -> Step:
    """Make an app a step that takes a scope; it gets a copy, because middlewares write into it.

    With a `scope` of its own (its own cookie, say) the step serves that one and not its input.
    """
    receive = _receive
    if body:
        message = {"type": "http.request", "body": body, "more_body": False}

        async def receive_body() -> Message:
            return message

        receive = receive_body

    def step(given: dict[str, Any]) -> Coroutine[Any, Any, object]:
        return app(given.copy(), receive, _send)  # type: ignore[return-value]

    if scope is None:
        return step
    own = dict(scope)

    def step_own(_: object) -> Coroutine[Any, Any, object]:
        return app(own.copy(), receive, _send)  # type: ignore[return-value]

    return step_own


class WaitsError(Exception):
    """A step really waited: it needs an event loop."""


def run_now(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, without an event loop.

    Raises:
        WaitsError: if it waits all the same.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    coroutine.close()
    raise WaitsError


def build_subject(name: str, step: Step, inputs: Inputs, *, most_calls: int) -> Subject:
    """Build a subject that is driven by hand: for steps that never wait."""

    def run(calls: int) -> float:
        prepared = inputs(calls)
        with Stopwatch() as watch:
            for one in prepared:
                try:
                    step(one).send(None)
                except StopIteration:
                    continue
                raise WaitsError
        return watch.seconds

    return Subject(name, run, most_calls)


def build_waiting_subject(
    name: str, step: Step, inputs: Inputs, runner: asyncio.Runner, *, most_calls: int
) -> Subject:
    """Build a subject that is driven by asyncio: for rows where any side needs a loop."""

    async def loop(prepared: Sequence[Any]) -> float:
        with Stopwatch() as watch:
            for one in prepared:
                await step(one)
        return watch.seconds

    return Subject(name, lambda calls: runner.run(loop(inputs(calls))), most_calls)


@dataclass(slots=True)
class Answered:
    """The response of an app, for the comparison of answers: never made while timing."""

    messages: list[Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> HeaderList:
        """The field lines, names in lower case, in order."""
        lines = self.messages[0].get("headers", ())
        return [(bytes(name).lower(), bytes(value)) for name, value in lines]

    def values(self, name: bytes) -> tuple[bytes, ...]:
        """Return every value of a header, in order."""
        return tuple(value for key, value in self.headers if key == name)

    def members(self, name: bytes) -> frozenset[bytes]:
        """Return the members of a list-valued header, in lower case."""
        joined = b",".join(self.values(name)).lower()
        return frozenset(part.strip() for part in joined.split(b",") if part.strip())


def ask(app: ASGIApp, scope: Scope, *, body: bytes = b"") -> Answered:
    """Send one request and return what came back."""
    answered = Answered()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        answered.messages.append(message)

    async def call() -> None:
        await app(dict(scope), receive, send)

    wait_for(call())
    return answered


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that may wait, in an event loop of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as pool:  # a server makes its app within its own loop
        return pool.submit(asyncio.run, coroutine).result()
