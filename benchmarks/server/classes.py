"""Five `BaseHTTPMiddleware` classes, each written as its documentation shows."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import jwt as pyjwt
from itsdangerous import BadSignature, TimestampSigner
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import Response

from benchmarks.cases import cors, headers, jwt, logins, sessions
from benchmarks.cases.lockout import WINDOW_MINUTES

if TYPE_CHECKING:
    from asgi_security.asgi.types import ASGIApp

_LINES = [(name.decode(), value.decode()) for name, value in headers.list_ours()]
_SIGNER = TimestampSigner(sessions.SECRET)
_DECODE = jwt.build_pyjwt_decode(jwt.SECRETS)
_MAX_AGE_SECONDS = 14 * 24 * 3600


class _Headers(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Response:
        response: Response = await call_next(request)
        for name, value in _LINES:
            response.headers[name] = value
        return response


class _Cors(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Response:
        response: Response = await call_next(request)
        origin = request.headers.get("origin")
        response.headers.add_vary_header("Origin")
        if origin in cors.ORIGINS:
            response.headers["access-control-allow-origin"] = origin
            response.headers["access-control-allow-credentials"] = "true"
        return response


class _Sessions(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Response:
        cookie = request.cookies.get(sessions.COOKIE, "")
        try:
            raw = _SIGNER.unsign(cookie, max_age=_MAX_AGE_SECONDS)
            loaded = json.loads(b64decode(raw))
        except BadSignature:
            loaded = {}
        request.scope["session"] = dict(loaded)
        response: Response = await call_next(request)
        if request.scope["session"] != loaded:
            value = _SIGNER.sign(b64encode(json.dumps(request.scope["session"]).encode()))
            response.set_cookie(
                sessions.COOKIE, value.decode(), max_age=_MAX_AGE_SECONDS, secure=True
            )
        return response


class _Bearer(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            request.scope["claims"] = _DECODE(token) if token else None
        except pyjwt.InvalidTokenError:
            return Response(status_code=401)
        response: Response = await call_next(request)
        return response


class _Limit(BaseHTTPMiddleware):
    _limiter = FixedWindowRateLimiter(MemoryStorage())
    _item = RateLimitItemPerMinute(logins.THRESHOLD, WINDOW_MINUTES)

    async def dispatch(self, request: Any, call_next: Any) -> Response:
        if request.url.path == logins.LOGIN_PATH and not self._limiter.hit(
            self._item, request.client.host
        ):
            return Response(status_code=429)
        response: Response = await call_next(request)
        return response


def wrap(app: ASGIApp) -> ASGIApp:
    """Put all five around an app."""
    for kind in (_Bearer, _Sessions, _Limit, _Cors, _Headers):
        app = kind(app)
    return app
