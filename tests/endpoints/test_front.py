"""What happens around every endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from asgi_security import ClientMiddleware, MemoryStore, SessionConfig, SessionMiddleware
from asgi_security.endpoints.serving.answers import UNAVAILABLE, Answer, refuse, refuse_until
from asgi_security.endpoints.serving.front import Front
from asgi_security.errors import StorageError
from asgi_security.policy.endpoints import EndpointConfig
from asgi_security.testing import EventRecorder

if TYPE_CHECKING:
    from asgi_security.asgi.types import ASGIApp, Message, Scope
    from asgi_security.endpoints.serving.calls import Call

pytestmark = pytest.mark.anyio

SITE = "https://app.example.com"
PAGE = {"accept": "text/html,application/xhtml+xml"}


class Endpoint:
    """An endpoint that keeps its calls and gives the answer it was made with."""

    def __init__(self, answer: Answer | Exception) -> None:
        self.answer = answer
        self.calls: list[Call] = []

    async def serve(self, call: Call) -> Answer:
        self.calls.append(call)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Site:
    """The endpoint at /auth/act, its front, and a browser's way to it."""

    def __init__(self, answer: Answer | Exception, *, flags: Any = None, **fields: Any) -> None:
        self.endpoint = Endpoint(answer)
        self.events = EventRecorder()
        self.front = Front(EndpointConfig(**fields), events=self.events)
        serve = self.front.serve(self.endpoint.serve, page="/act", **(flags or {}))
        route = Route("/act", serve, methods=["GET", "POST"])
        self.app: ASGIApp = Starlette(routes=[Mount("/auth", routes=[route])])

    async def send(self, method: str = "POST", **request: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app, client=("192.0.2.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
            return await client.request(method, "/auth/act", **request)


async def test_json_in_json_out() -> None:
    site = Site(Answer(200, {"is": "done"}))
    response = await site.send(json={"name": "ada", "count": 3})
    assert (response.status_code, response.json()) == (200, {"is": "done"})
    assert response.headers["cache-control"] == "no-store"
    (call,) = site.endpoint.calls
    assert call.text("name") == "ada"
    assert (call.text("count"), call.text("absent")) == (None, None)
    assert call.account is None


async def test_a_text_beyond_any_sense_is_none() -> None:
    site = Site(Answer(204))
    await site.send(json={"name": "x" * 4097, "other": "x" * 4096})
    assert site.endpoint.calls[0].text("name") is None
    assert site.endpoint.calls[0].text("other") is not None


@pytest.mark.parametrize(
    ("answer", "target"),
    [
        pytest.param(Answer(200, {}, page="/next"), "/next", id="its page"),
        pytest.param(Answer(200, {}, "SAVED"), "/act?done=SAVED", id="done"),
        pytest.param(refuse(400, "NO"), "/act?error=NO", id="refused"),
        pytest.param(refuse(400, "NO", page="/a?b=c"), "/a?b=c&error=NO", id="page with query"),
        pytest.param(refuse_until(30), "/act?error=LOCKED_OUT", id="locked out"),
    ],
)
async def test_a_form_is_sent_on(answer: Answer, target: str) -> None:
    response = await Site(answer).send(data={"a": "1"}, headers=PAGE)
    assert (response.status_code, response.headers["location"]) == (303, target)
    assert response.headers["cache-control"] == "no-store"


async def test_a_script_that_sends_a_form_gets_json() -> None:
    response = await Site(Answer(200, {"a": 1})).send(data={"a": "1"})
    assert response.json() == {"a": 1}


async def test_cookies_and_headers_travel_either_way() -> None:
    answer = Answer(200, {}, cookies=(b"a=1", b"b=2"), headers=((b"x-more", b"y"),))
    for headers in ({}, PAGE):
        response = await Site(answer).send(data={"x": "1"}, headers=headers)
        assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
        assert response.headers["x-more"] == "y"


async def test_G46_a_lock_is_a_problem_with_a_time() -> None:
    response = await Site(refuse_until(30)).send(json={})
    assert response.status_code == 429
    assert response.headers["retry-after"] == "30"
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers.get_list("cache-control") == ["no-store"]
    assert response.json()["code"] == "LOCKED_OUT"


async def test_an_empty_answer_has_no_body() -> None:
    response = await Site(Answer(204)).send(json={})
    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        pytest.param({"content": b"{"}, 415, "UNSUPPORTED_BODY_TYPE", id="no type"),
        pytest.param(
            {
                "content": b"a=1&a=2",
                "headers": {"content-type": "application/x-www-form-urlencoded"},
            },
            400,
            "AMBIGUOUS_BODY",
            id="field twice",
        ),
    ],
)
async def test_a_body_that_cannot_be_read(request_: dict[str, Any], status: int, code: str) -> None:
    site = Site(Answer(204))
    response = await site.send(**request_)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert site.endpoint.calls == []


async def test_a_query_is_read_of_a_get_and_only_there() -> None:
    site = Site(Answer(204))
    await site.send("GET", params={"a": "1"})
    await site.send(params={"a": "1"}, json={"b": 2})
    assert [dict(call.fields) for call in site.endpoint.calls] == [{"a": "1"}, {"b": 2}]
    response = await site.send("GET", params=[("a", "1"), ("a", "2")])
    assert response.json()["code"] == "AMBIGUOUS_QUERY"


async def test_a_body_that_never_ends_is_not_waited_for() -> None:
    site = Site(Answer(204), body_timeout_seconds=0.05)
    sent: list[Message] = []

    async def receive() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await site.app(build_scope(), receive, send)
    assert sent[0]["status"] == 408
    assert site.endpoint.calls == []


async def test_E44_a_body_is_read_no_further_than_its_bound() -> None:
    site = Site(Answer(204), max_body_bytes=10)
    sent: list[Message] = []
    received = 0

    async def receive() -> Message:
        nonlocal received
        received += 1
        return {"type": "http.request", "body": b"x" * 6, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    await site.app(build_scope(), receive, send)
    assert sent[0]["status"] == 413
    assert received == 2
    assert site.endpoint.calls == []


async def test_E44_a_client_that_leaves_midway_reaches_nothing() -> None:
    site = Site(Answer(204))
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await site.app(build_scope(), receive, send)
    assert sent[0]["status"] == 400
    assert site.endpoint.calls == []


def build_scope() -> Scope:
    return {
        "type": "http",
        "method": "POST",
        "scheme": "https",
        "path": "/auth/act",
        "raw_path": b"/auth/act",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"app.example.com"), (b"content-type", b"application/json")],
        "client": None,
        "server": ("app.example.com", 443),
    }


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"sec-fetch-site": "cross-site"}, id="by fetch metadata"),
        pytest.param({"sec-fetch-site": "same-site"}, id="a sibling"),
        pytest.param({"origin": "https://evil.example"}, id="by origin"),
    ],
)
async def test_another_site_cannot_send_what_changes_state(headers: dict[str, str]) -> None:
    site = Site(Answer(204))
    response = await site.send(json={}, headers=headers)
    assert (response.status_code, response.json()["code"]) == (403, "CROSS_SITE_REQUEST")
    assert site.endpoint.calls == []
    assert site.events.names == ["csrf_refused"]


async def test_a_trusted_origin_can() -> None:
    site = Site(Answer(204), trusted_origins=["https://spa.example.com"])
    headers = {"sec-fetch-site": "same-site", "origin": "https://spa.example.com"}
    assert (await site.send(json={}, headers=headers)).status_code == 204


async def test_what_comes_from_elsewhere_by_design_passes() -> None:
    site = Site(Answer(204), flags={"is_foreign": True})
    assert (await site.send(json={}, headers={"sec-fetch-site": "cross-site"})).status_code == 204


async def test_Z108_nobody_gets_at_what_is_private() -> None:
    site = Site(Answer(204), flags={"is_private": True})
    response = await site.send(json={})
    assert (response.status_code, response.json()) == (401, {"detail": "NOT_SIGNED_IN"})
    assert response.headers["www-authenticate"] == "Bearer"
    page = await site.send(data={"a": "1"}, headers=PAGE)
    assert page.headers["location"] == "/auth/login?error=NOT_SIGNED_IN"
    assert site.endpoint.calls == []


async def test_a_store_that_fails_is_a_503() -> None:
    site = Site(StorageError("it is gone"))
    response = await site.send(json={})
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert site.events.names == ["endpoint_store_failed"]
    assert UNAVAILABLE.status == 503


async def test_who_calls() -> None:
    site = Site(Answer(204))
    site.app = ClientMiddleware(site.app, trusted_proxies=["192.0.2.0/24"])
    await site.send(
        json={},
        headers={
            "x-forwarded-for": "203.0.113.9",
            "user-agent": "Browser/1\x01.0" + "x" * 300,
            "x-request-id": "r" * 200,
            "cookie": "__Host-device=d1; __Host-device=d2; __Host-login=b1",
        },
    )
    visit = site.endpoint.calls[0].visit
    assert visit.client == "203.0.113.9"
    assert visit.user_agent.startswith("Browser/1.0x")
    assert len(visit.user_agent) <= 256
    assert visit.request_id == "r" * 128
    assert visit.devices == ("d1", "d2")
    assert visit.browser == "b1"


async def test_without_a_guard_of_addresses_the_peer_calls() -> None:
    site = Site(Answer(204))
    await site.send(json={}, headers={"x-forwarded-for": "203.0.113.9"})
    assert site.endpoint.calls[0].visit.client == "192.0.2.7"


async def test_M97_two_bindings_bind_nothing() -> None:
    site = Site(Answer(204))
    await site.send(json={}, headers={"cookie": "__Host-login=b1; __Host-login=b2"})
    assert site.endpoint.calls[0].visit.browser is None


async def test_whoever_is_in_the_session_calls() -> None:
    store = MemoryStore()

    async def sign_in(call: Call) -> Answer:
        if call.session is not None and call.account is None:
            call.session.login("a1")
        return Answer(200, {"account": call.account})

    site = Site(Answer(204))
    route = Route("/act", site.front.serve(sign_in, page="/act"), methods=["POST"])
    app = Starlette(routes=[Mount("/auth", routes=[route])])
    config = SessionConfig(secret="s" * 32, store=store)
    transport = httpx.ASGITransport(app=SessionMiddleware(app, config))
    async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
        assert (await client.post("/auth/act", json={})).json() == {"account": None}
        assert (await client.post("/auth/act", json={})).json() == {"account": "a1"}


def test_what_a_call_holds_is_not_shown() -> None:
    answer = Answer(200, {"access_token": "secret-token"}, cookies=(b"refresh=secret-token",))
    assert "secret-token" not in repr(answer)
