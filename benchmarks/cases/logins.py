"""Logins through a guard, and requests that are none, beside a guard around limits.

Ours counts accounts as well as addresses, reads the name out of the form and settles by the app's
answer; limits, slowapi and fastapi-guard count requests of an address, so their rows are floors
and no budgets.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.cases.lockout import WINDOW_MINUTES, build_address, build_attempts, build_numbers
from benchmarks.driving import ask, bare_app, build_scope, build_step
from benchmarks.rows import OURS, Contender, Side, TimedCase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send

    Wrap = Callable[[ASGIApp], ASGIApp]

LOGIN_PATH = "/login"
SECRET = "a secret of the benchmarks, 32+ bytes long"
THRESHOLD = 5
BODY = b"username=alice%40example.com&password=correct+horse+battery+staple"
FORM = (
    (b"content-type", b"application/x-www-form-urlencoded"),
    (b"content-length", b"%d" % len(BODY)),
)
_build_login = partial(build_scope, *FORM, method="POST", path=LOGIN_PATH)


def build_ours(app: ASGIApp) -> ASGIApp:
    """Build our middleware around an app, with a store of its own."""
    from asgi_security import LockoutMiddleware
    from asgi_security.events import discard_event

    guarded: ASGIApp = LockoutMiddleware(
        app,
        secret=SECRET,
        attempts=build_attempts(),
        outcome="api",
        login_paths=(LOGIN_PATH,),
        threshold=THRESHOLD,
        window_minutes=WINDOW_MINUTES,
        events=discard_event,
    )
    return guarded


def build_limits(app: ASGIApp) -> ASGIApp:
    """Build the guard that users of limits write: so many logins for each client address."""
    from limits import RateLimitItemPerMinute
    from limits.storage import MemoryStorage
    from limits.strategies import FixedWindowRateLimiter

    limiter = FixedWindowRateLimiter(MemoryStorage())
    item = RateLimitItemPerMinute(THRESHOLD, WINDOW_MINUTES)

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == LOGIN_PATH and not limiter.hit(item, scope["client"][0]):
            await send({"type": "http.response.start", "status": 429, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await app(scope, receive, send)

    return guard


def build_slowapi(app: ASGIApp) -> ASGIApp:
    """Build the middleware of slowapi around an app, with the Starlette app that it looks for."""
    from slowapi import Limiter
    from slowapi.middleware import SlowAPIASGIMiddleware
    from slowapi.util import get_remote_address
    from starlette.applications import Starlette
    from starlette.routing import Route

    async def login(request: object) -> None:
        """Stand for the route: the middleware looks it up, and the app behind it answers."""

    host = Starlette(routes=[Route(LOGIN_PATH, login, methods=["POST"])])
    limit = f"{THRESHOLD} per {WINDOW_MINUTES} minutes"
    host.state.limiter = Limiter(key_func=get_remote_address, default_limits=[limit])
    inner = SlowAPIASGIMiddleware(app)

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = host
        await inner(scope, receive, send)

    return guard


def build_fastapi_guard(app: ASGIApp) -> ASGIApp:
    """Build the raw middleware of fastapi-guard around an app, for limits of logins alone."""
    from guard.asgi import PureASGISecurityMiddleware
    from guard_core.models import SecurityConfig

    config = SecurityConfig(
        enable_redis=False,
        enable_ip_banning=False,
        enable_penetration_detection=False,
        security_headers=None,
        rate_limit=10**9,
        endpoint_rate_limits={LOGIN_PATH: (THRESHOLD, WINDOW_MINUTES * 60)},
    )
    guarded: ASGIApp = PureASGISecurityMiddleware(app, config=config)
    return guarded


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 401, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _show_logins(wrap: Wrap) -> object:
    """Show what becomes of a row of wrong passwords."""
    app = wrap(refuse)
    return [ask(app, _build_login(), body=BODY).status for _ in range(THRESHOLD + 2)]


def _show_others(wrap: Wrap) -> object:
    app = wrap(refuse)
    return [ask(app, build_scope()).status for _ in range(THRESHOLD + 2)]


_SIDES: Mapping[str, Wrap] = {
    OURS: build_ours,
    "limits fixed": build_limits,
    "slowapi": build_slowapi,
    "fastapi-guard": build_fastapi_guard,
}


def _build_case(
    name: str,
    show: Callable[[Wrap], object],
    inputs: Callable[[int], Sequence[Any]],
    *,
    body: bytes = b"",
) -> TimedCase:
    def build_side(side: str, wrap: Wrap) -> Contender:
        return Contender(
            side,
            lambda: Side(side, build_step(wrap(bare_app), body=body), lambda: show(wrap)),
        )

    return TimedCase(
        name=name,
        contenders=tuple(build_side(side, wrap) for side, wrap in _SIDES.items()),
        inputs=inputs,
        bare=build_step(bare_app, body=body),
        waits=True,
        most_calls=2_000,
    )


_numbers = build_numbers()
_PLAIN = build_scope()

CASES = (
    _build_case("lockout other path", _show_others, lambda calls: [_PLAIN] * calls),
    _build_case(
        "lockout login",
        _show_logins,
        lambda calls: [_build_login(client=build_address(number)) for number in _numbers(calls)],
        body=BODY,
    ),
)
