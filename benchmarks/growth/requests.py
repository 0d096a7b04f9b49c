"""Curves of a request: more origins, retired keys, header lines, cookies and layers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from benchmarks.cases import cors, headers, jwt, sessions, stack
from benchmarks.driving import ask, bare_app, build_scope, build_step
from benchmarks.growth.curves import Curve, time_point
from benchmarks.rows import OURS, Contender, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asgi_security.asgi.layers import Exchange
    from asgi_security.asgi.types import ASGIApp, Header, Message, Scope
    from benchmarks.growth.curves import GrowthEffort, Point

    Wrap = Callable[[ASGIApp], ASGIApp]

_BARE = build_step(bare_app)


def _time_same(
    sides: Mapping[str, tuple[Wrap, Scope]],
    extract: Callable[[Wrap, Scope], object],
    effort: GrowthEffort,
    inner: ASGIApp = bare_app,
) -> Point:
    """Time sides that each get one request of their own over and over."""

    def build(name: str, wrap: Wrap, scope: Scope) -> Contender:
        return Contender(
            name,
            lambda: Side(name, build_step(wrap(inner), scope=scope), lambda: extract(wrap, scope)),
        )

    contenders = [build(name, wrap, scope) for name, (wrap, scope) in sides.items()]
    plain = next(iter(sides.values()))[1]
    return time_point(contenders, lambda calls: [plain] * calls, _BARE, effort)


def _measure_origins(size: int, effort: GrowthEffort) -> Point:
    """Let the last of the origins ask: where a list is searched, it is searched to its end."""
    origins = [f"https://app{number}.example.com" for number in range(size)]
    scope = build_scope((b"origin", origins[-1].encode()))

    def wrap_ours(app: ASGIApp) -> ASGIApp:
        from asgi_security import CorsMiddleware

        guarded: ASGIApp = CorsMiddleware(app, allow_origins=origins, allow_credentials=True)
        return guarded

    def wrap_starlette(app: ASGIApp) -> ASGIApp:
        from starlette.middleware.cors import CORSMiddleware

        return CORSMiddleware(app, allow_origins=origins, allow_credentials=True)

    def extract(wrap: Wrap, scope: Scope) -> object:
        return cors.extract_simple(ask(wrap(bare_app), scope))

    return _time_same(
        {OURS: (wrap_ours, scope), "Starlette": (wrap_starlette, scope)}, extract, effort
    )


def _measure_retired(size: int, effort: GrowthEffort) -> Point:
    """Present tokens that the oldest of the retired secrets has signed, each for the first time."""
    secrets = [f"secret number {number} of the benchmarks, 32+ bytes" for number in range(size + 1)]
    inputs = jwt.build_fresh(secrets[-1])
    probe = inputs(1)[0]

    def build(name: str, make: jwt.Build) -> Contender:
        def wrap(app: ASGIApp) -> ASGIApp:
            return make(app, secrets)

        return Contender(
            name,
            lambda: Side(name, build_step(wrap(bare_app)), lambda: jwt.show_claims(wrap, probe)),
        )

    contenders = [build(OURS, jwt.build_ours), build("PyJWT", jwt.build_pyjwt)]
    return time_point(contenders, inputs, _BARE, effort)


def _measure_lines(size: int, effort: GrowthEffort) -> Point:
    """Let the request of a user who is logged in carry more lines, before those that matter."""
    filler = [(b"x-filler-%d" % number, b"some value of a header") for number in range(size)]

    def grow(scope: Scope) -> Scope:
        return {**scope, "headers": [*filler, *scope["headers"]]}

    sides = {OURS: (stack.stack_ours, grow(stack.build_user_scope(stack.stack_ours)))}
    with contextlib.suppress(ImportError):  # one of the peers may be missing
        peers = stack.build_user_scope(stack.stack_peers)
        sides["peers"] = (stack.stack_peers, grow(peers))
    return _time_same(sides, stack.show, effort)


def _measure_cookies(size: int, effort: GrowthEffort) -> Point:
    """Let other cookies stand before the session's, and read the session."""
    others = b"".join(b"cookie%d=value%d; " % (number, number) for number in range(size - 1))

    def build(wrap: Wrap) -> tuple[Wrap, Scope]:
        name, value = sessions.build_cookie_line(wrap)
        return wrap, build_scope((name, others + value))

    def extract(wrap: Wrap, scope: Scope) -> object:
        line = next(pair for pair in scope["headers"] if pair[0] == b"cookie")
        return sessions.show_session(wrap, line)

    sides = {OURS: build(sessions.build_ours), "Starlette": build(sessions.build_starlette)}
    return _time_same(sides, extract, effort, inner=sessions.read)


def _measure_layers(size: int, effort: GrowthEffort) -> Point:
    """Put that many wrappers around the app that each add one line to the response."""
    from asgi_security.asgi.layers import Layer
    from asgi_security.asgi.pipeline import Pipeline

    class LineLayer(Layer):
        def __init__(self, line: Header) -> None:
            self._line = line

        def leave(self, _: Exchange, start: Message) -> None:
            start["headers"].append(self._line)

    class Fused(Pipeline, fusible=True):
        """Becomes one pipeline with its like."""

    class Nested(Pipeline):
        """Stays by itself, as a subclass of one of ours does."""

    lines = [(b"x-line-%d" % number, b"value") for number in range(size)]

    def build(wrap: Callable[[ASGIApp, Header], ASGIApp]) -> tuple[Wrap, Scope]:
        def wrap_all(app: ASGIApp) -> ASGIApp:
            for line in lines:
                app = wrap(app, line)
            return app

        return wrap_all, build_scope()

    def extract(wrap: Wrap, scope: Scope) -> object:
        return sorted(ask(wrap(bare_app), scope).headers)

    sides = {
        OURS: build(lambda app, line: Fused(app, [LineLayer(line)])),
        "ours, not fused": build(lambda app, line: Nested(app, [LineLayer(line)])),
        "closures by hand": build(lambda app, line: headers.build_by_hand(app, [line])),
    }
    return _time_same(sides, extract, effort)


CURVES = (
    Curve(
        name="origins",
        size="allowed origins",
        unit="us",
        sizes=(1, 10, 100, 1_000, 10_000),
        measure=_measure_origins,
    ),
    Curve(
        name="retired keys",
        size="retired secrets",
        unit="us",
        sizes=(1, 2, 5, 10),
        measure=_measure_retired,
    ),
    Curve(
        name="request headers",
        size="further header lines",
        unit="us",
        sizes=(5, 10, 20, 50, 100),
        measure=_measure_lines,
    ),
    Curve(
        name="cookies",
        size="cookies",
        unit="us",
        sizes=(1, 5, 10, 20, 50),
        measure=_measure_cookies,
    ),
    Curve(
        name="layers",
        size="layers",
        unit="us",
        sizes=(0, 1, 2, 5, 10),
        measure=_measure_layers,
    ),
)
