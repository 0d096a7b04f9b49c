"""Apps that list the routes of accounts among their own, and answer as they say."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from pydantic import BaseModel
from starlette.applications import Starlette

from asgi_security import MemoryStore
from asgi_security.auth import Auth, add_openapi, auth_pages, auth_routes, describe_auth, mount_auth
from asgi_security.errors import ConfigError
from tests.auth.described import Described
from tests.auth.everything import build_site
from tests.endpoints.site import BETTER, GOOD, NAME, ORIGIN, SECRET, WRONG
from tests.flows.account_world import Mailbox
from tests.package_source import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.endpoints.site import Browser

pytestmark = pytest.mark.anyio

both = pytest.mark.parametrize("transport", ["session", "bearer"])


class Note(BaseModel):
    text: str


def build_auth(**fields: Any) -> Auth:
    return Auth(MemoryStore(), secret=SECRET, site_url=ORIGIN, sender=Mailbox(), **fields)


def build_app(**fields: Any) -> FastAPI:
    app = FastAPI(**fields)

    @app.post("/notes")
    async def add_note(note: Note) -> Note:
        return note

    return app


async def ask(app: Any, path: str, *, root_path: str = "") -> httpx.Response:
    transport = httpx.ASGITransport(app=app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        return await client.get(path)


@pytest.mark.parametrize("mounted", ["within", "beside"])
async def test_FastAPI_lists_its_own_routes_and_those_of_the_accounts(mounted: str) -> None:
    auth, app = build_auth(), build_app()
    alone = build_app().openapi()
    if mounted == "within":
        app.mount("/auth", auth_pages(auth))
    assert add_openapi(app, auth) is app
    served = auth.harden(app if mounted == "within" else mount_auth(app, auth))
    listed = (await ask(served, "/openapi.json")).json()
    validate(listed, cls=OpenAPIV31SpecValidator)
    assert {"/notes", "/auth/login", "/auth/sessions/{handle}"} <= set(listed["paths"])
    assert listed["paths"]["/notes"] == alone["paths"]["/notes"]
    assert listed["info"] == alone["info"]
    assert alone["components"]["schemas"].items() <= listed["components"]["schemas"].items()
    docs = await ask(served, "/docs")
    assert docs.status_code == 200
    assert "/openapi.json" in docs.text
    assert (await ask(served, "/auth/sessions")).status_code == 401


def test_it_is_made_once_and_the_apps_own_is_left_alone() -> None:
    auth, app = build_auth(), build_app()
    own = app.openapi()
    before = repr(own)
    add_openapi(app, auth)
    first = app.openapi()
    assert first is app.openapi()
    assert first is not own
    assert app.openapi_schema is own
    assert repr(own) == before

    @app.get("/later")
    async def show_later() -> None: ...

    app.openapi_schema = None  # what FastAPI says to do after such a change
    assert {"/later", "/auth/login"} <= set(app.openapi()["paths"])
    assert app.openapi() is not first


async def test_a_prefix_and_a_root_path_are_kept() -> None:
    auth = build_auth(path="/api/account")

    def build_inner() -> FastAPI:
        inner = build_app()
        inner.mount("/account", auth_routes(auth))
        return add_openapi(inner, auth, path="/account")

    listed = (await ask(build_inner(), "/openapi.json", root_path="/outer")).json()
    assert listed["servers"] == [{"url": "/outer"}]
    assert "/account/login" in listed["paths"]
    outer = FastAPI()
    outer.mount("/api", build_inner())
    again = (await ask(outer, "/api/openapi.json")).json()
    assert again["paths"].keys() == listed["paths"].keys()
    assert {"url": "/api"} in again["servers"]
    assert (await ask(auth.harden(outer), "/api/account/sessions")).status_code == 401
    assert "/api/account/login" in add_openapi(FastAPI(), auth).openapi()["paths"]


def test_what_the_app_has_of_the_same_name_stays() -> None:
    auth, app = build_auth(), FastAPI()

    @app.post("/auth/login", summary="Ours")
    async def log_in() -> None: ...

    listed = add_openapi(app, auth, only=["login"]).openapi()
    assert listed["paths"]["/auth/login"]["post"]["summary"] == "Ours"
    assert set(listed["paths"]) == {"/auth/login", "/auth/logout"}


def test_an_app_that_describes_nothing_is_said_to() -> None:
    with pytest.raises(ConfigError, match="give the FastAPI app"):
        add_openapi(Starlette(), build_auth())
    with pytest.raises(TypeError, match="did you mean 'transport'"):
        add_openapi(FastAPI(), build_auth(), transprot="bearer")


async def live(browser: Browser) -> list[httpx.Response]:
    """Do what an account is for, and some of what it is not for."""
    post, get = browser.post, browser.get
    answers = [
        await browser.sign_in(NAME, WRONG),
        await browser.sign_in(),
        await get("/auth/sessions"),
        await get("/auth/mfa/status"),
        await get("/auth/oauth/identities"),
        await post("/auth/mfa/verify", code="000000"),
        made := await post("/auth/keys", name="one", scopes=[]),
        await post("/auth/keys", name="two", scopes=["everything"]),
        await post("/auth/keys", name=1),
        await get("/auth/keys"),
        await post(f"/auth/keys/{made.json()['id']}/revoke"),
        await post("/auth/keys/nobodys/revoke"),
        await post("/auth/mfa/start"),
        await post("/auth/register", username="new@example.com", password=BETTER),
        await post("/auth/register", username="bad@example.com", password="short"),
        await post("/auth/register"),
        await post("/auth/verify", token="none"),
        await post("/auth/forgot-password", email=NAME),
        await browser.submit("/auth/forgot-password", username=NAME),
        await browser.send("POST", "/auth/login", content=b"{", headers={"content-type": "a/b"}),
        await browser.send("POST", "/auth/login", headers={"origin": "https://evil.example"}),
        await get("/auth/sessions?a=1&a=2"),
        await post("/auth/change-password", current_password=WRONG, password=BETTER),
        await post("/auth/change-password", current_password=GOOD, password=BETTER),
        await browser.send("DELETE", "/auth/sessions/none"),
        await browser.site.browser().get("/auth/sessions"),
    ]
    browser.site.clock.advance(2)
    again = browser.site.browser()
    answers += [await again.sign_in(NAME, BETTER), await again.post("/auth/logout")]
    stranger = browser.site.browser()
    answers += [await stranger.sign_in(NAME, WRONG) for _ in range(9)]  # until it is locked
    if browser.site.transport == "bearer":
        post = stranger.post  # the token of before has ended with the password
        answers += [await post("/auth/refresh", refresh_token="x"), await post("/auth/revoke")]
    return answers


@both
async def test_real_answers_are_as_described(transport: str) -> None:
    site = build_site(transport=transport)
    await site.add()
    answers = await live(site.browser())
    assert {200, 201, 202, 204, 303, 400, 401, 403, 404, 415, 429} == {
        answer.status_code for answer in answers
    }
    described = Described(describe_auth(site.auth, transport=transport, prefix="/auth"))
    assert [fault for answer in answers for fault in described.list_faults(answer)] == []


async def test_an_answer_that_is_not_as_described_is_seen() -> None:
    site = build_site()
    described = Described(describe_auth(site.auth, prefix="/auth"))
    request = httpx.Request("POST", f"{ORIGIN}/auth/login")
    for status, content, fault in (
        (418, {}, "418 is not described"),
        (200, {"account": "a"}, "'amr' is a required property"),
        (400, {"detail": "ELSE"}, "'ELSE' is not one of"),
        (429, {}, "429 has no Retry-After"),
    ):
        answer = httpx.Response(status, json=content, request=request)
        assert fault in " ".join(described.list_faults(answer))
    stray = httpx.Response(200, request=httpx.Request("GET", f"{ORIGIN}/auth/else"))
    assert described.list_faults(stray) == ["GET /auth/else is not described"]


async def test_the_example_answers_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_DATABASE", str(tmp_path / "accounts.db"))
    monkeypatch.setenv("SITE_URL", ORIGIN)
    path = ROOT / "docs" / "examples" / "accounts_fastapi.py"
    spec = importlib.util.spec_from_file_location("accounts_fastapi", path)
    assert spec is not None
    assert spec.loader is not None
    example: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    listed = (await ask(example.app, "/openapi.json")).json()
    validate(listed, cls=OpenAPIV31SpecValidator)
    assert {"/me", "/auth/login", "/auth/mfa/verify"} <= set(listed["paths"])
    described = Described(listed)
    async with (
        example.auth.store,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=example.app), base_url=ORIGIN
        ) as client,
    ):
        answers = [
            await client.post("/auth/login", json={"username": NAME, "password": WRONG}),
            await client.post("/auth/login", data={"username": NAME}),
            await client.post("/auth/forgot-password", json={"username": NAME}),
            await client.get("/auth/sessions"),
            await client.post("/auth/logout"),
        ]
    assert [answer.status_code for answer in answers] == [400, 400, 202, 401, 204]
    assert [fault for answer in answers for fault in described.list_faults(answer)] == []
