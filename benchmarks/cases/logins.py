"""Logins through a guard, and requests that are none, beside a guard around limits.

Ours counts accounts as well as addresses, reads the name out of the form and settles by the app's
answer; the guard around limits counts requests of an address, so its row is a floor and no budget.
"""
# ruff: noqa: PLC0415 -- a side imports its package when it is built, for it may be missing

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.cases.lockout import WINDOW_MINUTES, build_address, build_attempts, build_numbers
from benchmarks.driving import ask, bare_app, build_scope, build_step
from benchmarks.rows import OURS, Contender, Side, TimedCase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send

    Wrap = Callable[[ASGIApp], ASGIApp]

LOGIN_PATH = "/login"
_SECRET = "a secret of the benchmarks, 32+ bytes long"
_THRESHOLD = 5
_BODY = b"username=alice%40example.com&password=correct+horse+battery+staple"
_FORM = (
    (b"content-type", b"application/x-www-form-urlencoded"),
    (b"content-length", b"%d" % len(_BODY)),
)
_build_login = partial(build_scope, *_FORM, method="POST", path=LOGIN_PATH)


def build_ours(app: ASGIApp) -> ASGIApp:
    """Build our middleware around an app, with a store of its own."""
    from asgi_security import LockoutMiddleware
    from asgi_security.events import discard_event

    guarded: ASGIApp = LockoutMiddleware(
        app,
        secret=_SECRET,
        attempts=build_attempts(),
        outcome="api",
        login_paths=(LOGIN_PATH,),
        threshold=_THRESHOLD,
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
    item = RateLimitItemPerMinute(_THRESHOLD, WINDOW_MINUTES)

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == LOGIN_PATH and not limiter.hit(item, scope["client"][0]):
            await send({"type": "http.response.start", "status": 429, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await app(scope, receive, send)

    return guard


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 401, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _show_logins(wrap: Wrap) -> object:
    """Show what becomes of a row of wrong passwords."""
    app = wrap(_refuse)
    return [ask(app, _build_login(), body=_BODY).status for _ in range(_THRESHOLD + 2)]


def _show_others(wrap: Wrap) -> object:
    app = wrap(_refuse)
    return [ask(app, build_scope()).status for _ in range(_THRESHOLD + 2)]


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
        contenders=(build_side(OURS, build_ours), build_side("limits fixed", build_limits)),
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
        body=_BODY,
    ),
)
