"""The app of the demo, its guards, and the switch that stands for a deployment with new keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import FastAPI, Form, HTTPException, Request  # noqa: TC002 -- read by FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, Response

from asgi_security import (
    ClientConfig,
    CorsConfig,
    JwtConfig,
    LockoutConfig,
    SessionConfig,
    current,
    harden,
)
from asgi_security.clock import system_clock
from asgi_security.flows.jwt import JwtVerifier, revoke_token
from asgi_security.policy.login_routes import LoginRouteConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asgi_security.asgi.types import ASGIApp, Receive, Scope, Send
    from asgi_security.events import SecurityEvent
    from asgi_security.policy.session_state import Session
    from asgi_security.principal import Principal
    from asgi_security.storage.protocols import Store

USER, PASSWORD = "ada", "correct horse"
ORIGIN = "https://app.example.com"
_KEPT_EVENTS = 20


@dataclass
class World:
    """What the demo turns by hand: the clock, the keys, and the events it has seen."""

    store: Store
    lead_seconds: float = 0
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    old_secrets: tuple[str, ...] = field(default=(), repr=False)
    events: list[SecurityEvent] = field(default_factory=list)

    def clock(self) -> float:
        """Return the time, as far ahead of the real one as the demo has moved it."""
        return system_clock() + self.lead_seconds

    def report(self, event: SecurityEvent) -> None:
        """Keep the newest events for the page."""
        self.events[:] = [*self.events, event][-_KEPT_EVENTS:]

    def rotate(self) -> None:
        """Make a new secret current; the one so far is retired and still verifies."""
        self.old_secrets = (self.secret, *self.old_secrets)
        self.secret = secrets.token_urlsafe(48)


class Switch:
    """An ASGI app whose inside can be exchanged while the server runs."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve with whatever app is inside now."""
        await self.app(scope, receive, send)


def build_guards(app: ASGIApp, world: World, *, secure: bool = False, **others: Any) -> ASGIApp:
    """Put all guards around the app, with the keys of this moment.

    `secure` is for a server with TLS; `others` are further arguments of `harden`.
    """
    keys: dict[str, Any] = {"secret": world.secret, "old_secrets": world.old_secrets}
    return harden(
        app,
        clients=ClientConfig(),
        cors=CorsConfig(
            allow_origins=[ORIGIN],
            allow_methods=["PUT"],
            allow_credentials=True,
            max_age_seconds=600,
        ),
        lockout=LockoutConfig(**keys),
        login=LoginRouteConfig(outcome="api", login_paths=["/login"]),
        sessions=SessionConfig(**keys, secure=secure),
        jwt=JwtConfig(**keys, optional=True),
        store=world.store,
        clock=world.clock,
        events=world.report,
        **others,
    )


def build_app(world: World) -> FastAPI:
    """Build the app itself: it knows nothing of the guards but `current()`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await world.store.aclose()

    app = FastAPI(title="asgi_security demo", lifespan=lifespan)
    _add_account_routes(app, world)
    _add_pages(app, world)
    return app


def _add_account_routes(app: FastAPI, world: World) -> None:
    @app.post("/login")
    async def login(
        request: Request, username: Annotated[str, Form()], password: Annotated[str, Form()]
    ) -> JSONResponse:
        known = hmac.compare_digest(username.encode(), USER.encode())
        right = hmac.compare_digest(password.encode(), PASSWORD.encode())
        if not (known and right):
            return JSONResponse({"detail": "LOGIN_BAD_CREDENTIALS"}, 401)
        cast("Session", request.session).login(USER)
        return JSONResponse({"user": USER})

    @app.get("/me")
    async def show_principal() -> dict[str, str]:
        return {"subject": _require_principal().subject}

    @app.post("/revoke")
    async def revoke(request: Request) -> dict[str, bool]:
        _require_principal()
        token = request.headers["authorization"].partition(" ")[2]
        verifier = JwtVerifier(JwtConfig(secret=world.secret, old_secrets=world.old_secrets))
        await revoke_token(token, verifier, world.store, now=world.clock())
        return {"revoked": True}


def _require_principal() -> Principal:
    principal = current().principal
    if principal is None:
        raise HTTPException(401)
    return principal


def _add_pages(app: FastAPI, world: World) -> None:
    page, script, style = (_read(f"page.{kind}") for kind in ("html", "js", "css"))
    digest = base64.b64encode(hashlib.sha384(script.encode()).digest()).decode()
    page = page.replace("INTEGRITY", f"sha384-{digest}")

    @app.get("/", response_class=HTMLResponse)
    async def show_page(request: Request) -> str:
        request.session["pages"] = request.session.get("pages", 0) + 1
        return page.replace("NONCE", current().csp_nonce)

    @app.get("/page.js")
    async def send_script() -> Response:
        return Response(script, media_type="text/javascript")

    @app.get("/page.css")
    async def send_style() -> Response:
        return Response(style, media_type="text/css")

    @app.post("/visits")
    async def count_visit(request: Request) -> dict[str, int]:
        request.session["visits"] = request.session.get("visits", 0) + 1
        return {"visits": request.session["visits"]}

    @app.get("/visits")
    async def show_visits(request: Request) -> dict[str, int]:
        return {"visits": request.session.get("visits", 0)}

    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError("this endpoint always fails")

    @app.post("/advance")
    async def advance() -> dict[str, float]:
        world.lead_seconds += 30
        return {"lead_seconds": world.lead_seconds}

    @app.get("/state")
    async def show_state(request: Request) -> dict[str, Any]:
        return await describe(request, world)


def _read(name: str) -> str:
    return files("asgi_security.demo").joinpath(name).read_text()


async def describe(request: Request, world: World) -> dict[str, Any]:
    """Describe the state behind the guards, for the page."""
    attempts = await world.store.attempts.history(limit=10)
    return {
        "request": {
            "client": current().client,
            "pages": request.session.get("pages", 0),
            "visits": request.session.get("visits", 0),
            "user": getattr(request.session, "user", None),
            "clock": datetime.fromtimestamp(world.clock(), UTC).isoformat(timespec="seconds"),
        },
        "attempts": [
            {
                "at": datetime.fromtimestamp(record.at, UTC).isoformat(timespec="seconds"),
                "kind": record.kind,
                "outcome": record.outcome,
                "account": (record.account or b"").hex()[:16],
            }
            for record in attempts
        ],
        "events": [
            {"name": event.name, "facts": dict(event.facts)} for event in reversed(world.events)
        ],
    }
