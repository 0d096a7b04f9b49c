"""A whole site with accounts behind its real guards, and browsers that come to it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import anyio
import anyio.lowlevel
import httpx
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from asgi_security import MemoryStore
from asgi_security.auth import Auth, auth_routes
from asgi_security.policy.forms import FORM_TYPE
from asgi_security.policy.jwt import JwtConfig
from asgi_security.policy.lockout import LockoutConfig, LockoutRules
from asgi_security.policy.refresh import RefreshConfig
from asgi_security.storage.protocols import Account, AccountCreated
from asgi_security.testing import EventRecorder, FakeClock, SeededEntropy
from tests.flows.account_world import (
    BETTER,
    GOOD,
    NAME,
    OFFLINE,
    QUICK,
    WRONG,
    Mailbox,
    make_hash,
)
from tests.flows.mfa_world import Authenticator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from asgi_security.flows.sending import Message

__all__ = ["BETTER", "GOOD", "NAME", "WRONG", "Browser", "Site"]

ORIGIN = "https://app.example.com"
SECRET = "e" * 32
PAGE = {"accept": "text/html,application/xhtml+xml"}
UNTIRING = LockoutConfig(
    client_rules=LockoutRules(threshold=10_000), store_timeout_seconds=30, known_devices=True
)


def build_tokens(**fields: Any) -> dict[str, Any]:
    """Return the arguments of an `Auth` whose tokens have keys of their own."""
    config = RefreshConfig(secret="r" * 32, access_secret="x" * 32, **fields)
    jwt = JwtConfig(secret="x" * 32, optional=True, dangerously_accept_any_audience=True)
    return {"refresh": config, "jwt": jwt}


class Site:
    """The routes of `Auth` at /auth behind its guards, and an app that says what it is told.

    Args:
        store: where everything is kept.
        transport: of the routes.
        endpoints: fields of their configuration.
        guards: more arguments of `harden`.
        fields: of `Auth`.
    """

    def __init__(
        self,
        store: Any = None,
        *,
        transport: Any = "session",
        endpoints: dict[str, Any] | None = None,
        guards: dict[str, Any] | None = None,
        clock: FakeClock | None = None,
        seed: str = "",
        **fields: Any,
    ) -> None:
        self.store: Any = MemoryStore() if store is None else store
        self.transport: Any = transport
        self.clock = clock or FakeClock()
        self.events = EventRecorder()
        self.mailbox = Mailbox()
        given = {
            "secret": SECRET,
            "site_url": ORIGIN,
            "hasher": QUICK,
            "policy": OFFLINE,
            "lockout": UNTIRING,
            "mfa": True,
            "api_keys": True,
            "api_key_scopes": lambda account: account.roles,
            **fields,
        }
        self.auth = Auth(
            self.store,
            sender=self.mailbox,
            clock=self.clock,
            entropy=SeededEntropy(seed),
            events=self.events,
            **given,
        )
        self.routes = auth_routes(self.auth, transport=transport, **(endpoints or {}))
        app = Starlette(
            routes=[
                Mount("/auth", self.routes),
                Route("/whoami", show_who),
                Route("/cart", keep_in_cart, methods=["POST"]),
            ]
        )
        self.state = app.state
        self.state.during = anyio.lowlevel.checkpoint
        self.app = self.auth.harden(app, transport=self.transport, **(guards or {}))

    def browser(self, client: str = "192.0.2.1", **headers: str) -> Browser:
        """Return somebody new who comes from this address."""
        return Browser(self, client, headers)

    async def add(self, name: str = NAME, password: str | None = GOOD, **fields: Any) -> Account:
        """Store an account, verified unless told otherwise."""
        given = {"id": f"id-{name}", "is_verified": True, "created_at": self.clock(), **fields}
        hashed = None if password is None else await make_hash(password)
        account = Account(name=name, password_hash=hashed, **given)
        assert await self.store.accounts.create(account) == AccountCreated()
        return account

    async def load(self, name: str = NAME) -> Account:
        found: Account | None = await self.store.accounts.find(name)
        assert found is not None
        return found

    async def read_mail(self, kind: str) -> Message:
        """Wait for what is under way, and return the message of this kind."""
        assert await self.auth.drain()
        return self.mailbox.take(kind)

    async def sign_in(self, name: str = NAME, password: str = GOOD) -> Browser:
        """Return a browser that has signed in with a password alone."""
        browser = self.browser()
        answer = await browser.sign_in(name, password)
        assert answer.status_code == 200, answer.text
        return browser

    async def enrol(self, name: str = NAME) -> tuple[Authenticator, list[str]]:
        """Give an account an authenticator; return it when its next code counts."""
        browser = await self.sign_in(name)
        started = await browser.post("/auth/mfa/start")
        app = Authenticator(started.json()["otpauth_url"], self.clock)
        confirmed = await browser.post("/auth/mfa/confirm", code=app.code())
        assert confirmed.status_code == 200, confirmed.text
        self.clock.advance(2 * app.period)
        assert await self.auth.drain()
        self.mailbox.messages.clear()
        return app, confirmed.json()["codes"]


class Browser:
    """Keeps cookies and tokens as one would, and sends JSON, or forms as a page without script."""

    def __init__(self, site: Site, client: str, headers: dict[str, str]) -> None:
        self.site = site
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=site.app, client=(client, 1)),
            base_url=ORIGIN,
            headers={"user-agent": "Browser/1", **headers},
        )
        self.refresh_token = ""

    async def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        return await self.client.request(method, path, **request)

    async def post(self, path: str, **fields: Any) -> httpx.Response:
        return await self.send("POST", path, json=fields)

    async def submit(self, path: str, **fields: str) -> httpx.Response:
        """Send a form, and do not follow where the answer leads."""
        headers = {**PAGE, "content-type": FORM_TYPE}  # a browser says so of an empty one, too
        return await self.send("POST", path, content=urlencode(fields), headers=headers)

    async def get(self, path: str, **request: Any) -> httpx.Response:
        return await self.send("GET", path, **request)

    async def sign_in(
        self, name: str = NAME, password: str = GOOD, **fields: Any
    ) -> httpx.Response:
        return self.keep(await self.post("/auth/login", username=name, password=password, **fields))

    def keep(self, answer: httpx.Response) -> httpx.Response:
        """Keep the tokens of an answer, if it has any, and return it."""
        if answer.status_code == 200 and "access_token" in answer.text:
            content = answer.json()
            self.client.headers["authorization"] = f"Bearer {content['access_token']}"
            self.refresh_token = content.get("refresh_token", "")
        return answer

    async def whoami(self) -> str | None:
        """Return who this is to the app, None for nobody."""
        answer = await self.get("/whoami")
        return None if answer.status_code == 401 else answer.json()["user"]

    @property
    def claims(self) -> dict[str, Any]:
        """What the access token says."""
        payload = self.client.headers["authorization"].split(".")[1]
        claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=="))
        return claims

    def copy(self) -> Browser:
        """Return a thief's copy of all cookies and tokens, as they are now."""
        other = Browser(self.site, "203.0.113.66", {})
        other.client.cookies = httpx.Cookies(self.client.cookies)
        other.client.headers = self.client.headers.copy()
        other.refresh_token = self.refresh_token
        return other


async def show_who(request: Request) -> JSONResponse:
    session = request.scope.get("session")
    user = request.user.identity if session is None and request.user.is_authenticated else None
    if session is not None:
        return JSONResponse({"user": session.user, "data": dict(session)})
    return JSONResponse({"user": user})


async def keep_in_cart(request: Request) -> JSONResponse:
    session = request.scope["session"]
    assert session.user is None or session.user
    await request.app.state.during()
    session["cart"] = (await request.json())["item"]
    return JSONResponse({})


def find_cookie(answer: httpx.Response, name: str) -> str:
    """Return the Set-Cookie line of that name."""
    lines = [one for one in answer.headers.get_list("set-cookie") if one.startswith(f"{name}=")]
    assert len(lines) == 1, (name, answer.headers.get_list("set-cookie"))
    return lines[0]


def find_query(answer: httpx.Response) -> tuple[str, dict[str, list[str]]]:
    """Return where an answer leads: the path, and its query."""
    assert answer.status_code == 303, answer.text
    split = urlsplit(answer.headers["location"])
    return split.path, parse_qs(split.query)


async def race(count: int, act: Callable[[int], Awaitable[Any]]) -> list[Any]:
    """Let many act at once; return what came of each."""
    answers: list[Any] = [None] * count

    async def run(number: int) -> None:
        answers[number] = await act(number)

    async with anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(run, number)
    return answers
