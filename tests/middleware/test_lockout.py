"""The guard in front of an app's own login."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import anyio
import anyio.lowlevel
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route

from asgi_security.asgi.context import current
from asgi_security.errors import ConfigError, StorageError
from asgi_security.middleware.clients import ClientMiddleware
from asgi_security.middleware.lockout import LockoutMiddleware
from asgi_security.policy.lockout import LockoutConfig
from asgi_security.storage.memory import MemoryStore
from asgi_security.testing import EventRecorder, FakeClock, SeededEntropy, call, connect_websocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from asgi_security.asgi.types import Message, Receive, Scope, Send
    from asgi_security.storage.protocols import AttemptRecord
    from asgi_security.testing import Answered

pytestmark = pytest.mark.anyio

SECRET = "n" * 32
FORM = {"content-type": "application/x-www-form-urlencoded"}
WRONG = b"username=bob&password=wrong"
RIGHT = b"username=bob&password=right"


class App:
    """A login that answers by the password; `behave` replaces what it does."""

    def __init__(self, behave: Callable[..., Any] | None = None) -> None:
        self.bodies: list[bytes] = []
        self.behave = behave
        self.failing_status = 401
        self.success_status = 200

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read(receive)
        self.bodies.append(body)
        await anyio.lowlevel.checkpoint()
        if self.behave is not None:
            await self.behave(scope, receive, send)
            return
        form = json.loads(body) if body[:1] == b"{" else parse_qs(body.decode("latin-1"))
        right = form.get("password") in ("right", ["right"])
        await answer(send, self.success_status if right else self.failing_status)


async def read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def answer(send: Send, status: int, headers: Any = ()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": b"app"})


class World:
    """A guarded app and everything around it, at hand for a test."""

    def __init__(self, behave: Callable[..., Any] | None = None, **fields: Any) -> None:
        self.app = App(behave)
        self.clock = FakeClock()
        self.events = EventRecorder()
        self.store = MemoryStore()
        self.guarded = LockoutMiddleware(
            self.app,
            clock=self.clock,
            entropy=SeededEntropy(),
            events=self.events,
            **{"secret": SECRET, "attempts": self.store, "outcome": "api", **fields},
        )

    async def login(self, body: Any = WRONG, target: str = "/login", **options: Any) -> Answered:
        options.setdefault("headers", FORM)
        return await call(self.guarded, "POST", target, body=body, **options)

    async def statuses(self, times: int, body: Any = WRONG, **options: Any) -> list[int]:
        return [(await self.login(body, **options)).status for _ in range(times)]

    async def outcomes(self) -> list[str]:
        return [record.outcome for record in await self.records()]

    async def records(self) -> list[AttemptRecord]:
        return list(reversed(await self.store.attempts.history()))


class TestPredecessor:
    async def test_P11_no_except_of_the_app_can_swallow_a_lock(self) -> None:
        world = World()

        async def careless(scope: Scope, receive: Receive, send: Send) -> None:
            form: dict[str, str] = {}
            try:
                _ = form["password"]
            except Exception:  # noqa: BLE001 -- what the guard must survive
                await answer(send, 401)

        world.app.behave = careless
        assert await world.statuses(30) == [401] * 5 + [429] * 25
        assert len(world.app.bodies) == 5
        world.app.behave = None
        locked = await world.login(RIGHT)
        assert (locked.status, locked.json()["code"]) == (429, "LOCKED_OUT")
        assert locked.value("retry-after") == "30"

    async def test_P11_an_unknown_name_is_counted_by_name_from_every_address(self) -> None:
        world = World()
        unknown = b"username=nobody&password=x"
        statuses = [
            (await world.login(unknown, client=(f"198.51.100.{number}", 1))).status
            for number in range(7)
        ]
        assert statuses == [401] * 5 + [429] * 2


class TestLocks:
    @pytest.mark.parametrize("body", [WRONG, b'{"username": "bob", "password": "wrong"}'])
    async def test_five_failures_lock_the_account_for_everyone(self, body: bytes) -> None:
        world = World()
        assert await world.statuses(7, body) == [401] * 5 + [429] * 2
        assert len(world.app.bodies) == 5
        elsewhere = await world.login(RIGHT, client=("198.51.100.9", 1))
        assert elsewhere.status == 429
        world.clock.advance(30)
        assert (await world.login(RIGHT)).status == 200
        assert "success_after_failures" in world.events.names
        assert await world.statuses(5) == [401] * 5

    async def test_G46_a_refusal_tells_nothing_but_the_wait(self) -> None:
        world = World()
        await world.statuses(5)
        world.clock.advance(0.5)
        refused = await world.login()
        assert (refused.status, refused.value("retry-after")) == (429, "30")
        assert refused.value("content-type") == "application/problem+json"
        assert refused.value("cache-control") == "no-store"
        assert refused.json() == {
            "type": "urn:asgi-security:problem:locked-out",
            "title": "Too Many Requests",
            "status": 429,
            "code": "LOCKED_OUT",
            "detail": "Too many attempts; try again later.",
        }

    async def test_E21_E30_the_same_bytes_whichever_key_is_locked_and_whatever_is_sent(
        self,
    ) -> None:
        account, address = World(), World(client_rules=LockoutConfig(threshold=5))
        await account.statuses(5)
        for number in range(5):
            await address.login(b"username=user%d" % number)
        refused = [
            await account.login(),
            await account.login(RIGHT),
            await address.login(b"username=new"),
            await address.login(b"password=only"),
        ]
        assert len({one.body for one in refused}) == 1
        assert len({tuple(one.headers) for one in refused}) == 1
        assert {one.status for one in refused} == {429}

    async def test_G47_E27_an_unknown_name_is_charged_and_refused_like_a_known_one(self) -> None:
        world = World()
        for name in (b"bob", b"nobody"):
            body = b"username=%s&password=wrong" % name
            statuses = await world.statuses(6, body)
            assert statuses == [401] * 5 + [429]
        known, unknown = await world.login(WRONG), await world.login(b"username=nobody")
        assert (known.body, known.headers) == (unknown.body, unknown.headers)

    async def test_E25_without_a_name_only_the_address_is_counted(self) -> None:
        world = World(client_rules=LockoutConfig(threshold=6))
        bodies = [b"password=x", b"username=&password=x", b"username=%ff", b"\xff", b"{", b"[]"]
        for body in bodies:
            world.app.behave = rejecting
            assert (await world.login(body)).status == 401
        assert {record.account for record in await world.records()} == {None}
        assert (await world.login(b"password=x")).status == 429

    async def test_N37_an_ipv6_subscriber_is_one_address(self) -> None:
        world = World(client_rules=LockoutConfig(threshold=5))
        statuses = [
            (await world.login(b"username=u%d" % n, client=(f"2001:db8::{n}", 1))).status
            for n in range(1, 7)
        ]
        assert statuses == [401] * 5 + [429]

    async def test_N38_without_an_address_the_account_is_guarded(self) -> None:
        world = World()
        assert await world.statuses(6, client=None) == [401] * 5 + [429]
        assert world.events.names.count("client_address_unknown") == 1

    async def test_the_address_that_a_client_layer_found_is_used(self) -> None:
        world = World()

        async def server(scope: Scope, receive: Receive, send: Send) -> None:
            await ClientMiddleware(world.guarded, trusted_hops=1)(scope, receive, send)

        for address in ("198.51.100.1", "198.51.100.2"):
            await call(
                server, "POST", "/login", body=WRONG, headers={**FORM, "x-forwarded-for": address}
            )
        clients = {record.client for record in await world.records()}
        assert len(clients) == 2

    async def test_E26_an_account_key_joins_names(self) -> None:
        world = World(account_key=lambda name: "17")
        for number in range(5):
            await world.login(b"username=alias%d" % number)
        assert (await world.login()).status == 429


async def rejecting(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, 401)


class TestRoutes:
    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "/login"), ("POST", "/other"), ("PUT", "/login"), ("OPTIONS", "/login")],
    )
    async def test_G40_what_is_no_login_passes_with_the_same_receive(
        self, method: str, path: str
    ) -> None:
        seen: list[Any] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(receive)
            await answer(send, 401)

        guarded = LockoutMiddleware(app, attempts=MemoryStore(), outcome="api", secret=SECRET)

        async def server(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(receive)
            await guarded(scope, receive, send)

        for _ in range(10):
            assert (await call(server, method, path)).status == 401
        assert len(set(seen[:2])) == 1

    async def test_G40_a_websocket_and_a_lifespan_pass(self) -> None:
        kinds: list[str] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            kinds.append(scope["type"])
            if scope["type"] == "websocket":
                await send({"type": "websocket.accept"})

        guarded = LockoutMiddleware(app, attempts=MemoryStore(), outcome="api", secret=SECRET)
        assert (await connect_websocket(guarded, "/login")).accepted
        scope = {"type": "lifespan"}
        await guarded(scope, None, None)  # type: ignore[arg-type]
        assert kinds == ["websocket", "lifespan"]

    @pytest.mark.parametrize(
        "target", ["/login/", "//login", "/LOGIN", "/lo%67in", "/x/../login", "/login%2f"]
    )
    async def test_G40_no_spelling_escapes(self, target: str) -> None:
        world = World()
        await world.statuses(5)
        assert (await world.login(target=target)).status == 429

    async def test_a_mounted_app_and_further_paths(self) -> None:
        world = World(login_paths=["/auth/token", "/login"], methods=["POST", "PUT"])
        for _ in range(5):
            await world.login(target="/api/auth/token", root_path="/api")
        refused = await call(world.guarded, "PUT", "/login", headers=FORM, body=WRONG)
        assert refused.status == 429

    async def test_another_field(self) -> None:
        world = World(username_field="email")
        assert await world.statuses(6, b"email=bob&password=wrong") == [401] * 5 + [429]


class TestOutcomes:
    @pytest.mark.parametrize(
        ("outcome", "status", "settled"),
        [
            pytest.param("api", 200, "success", id="G41 api 200"),
            pytest.param("api", 401, "failure", id="G41 api 401"),
            pytest.param("api", 422, "failure", id="G41 api 422"),
            pytest.param("api", 503, "refund", id="G41 api 503"),
            pytest.param("api", 429, "refund", id="G41 api 429"),
            pytest.param("form", 303, "success", id="G41 form 303"),
            pytest.param("form", 200, "failure", id="G41 form 200"),
            pytest.param("form", 403, "failure", id="G41 form 403"),
            pytest.param(lambda status, headers: "success", 418, "success", id="G41 rule"),
            pytest.param(lambda status, headers: None, 200, "failure", id="G41 junk of a rule"),
            pytest.param(lambda status, headers: 1 / 0, 200, "failure", id="G41 a failing rule"),
        ],
    )
    async def test_status(self, outcome: Any, status: int, settled: str) -> None:
        async def behave(scope: Scope, receive: Receive, send: Send) -> None:
            await answer(send, status)

        world = World(behave, outcome=outcome)
        assert (await world.login()).status == status
        assert await world.outcomes() == [settled]

    async def test_G41_a_rule_sees_the_header_lines(self) -> None:
        async def behave(scope: Scope, receive: Receive, send: Send) -> None:
            await answer(send, 302, [(b"Location", b"/login?error")])

        def outcome(status: int, headers: Any) -> str:
            return "failure" if (b"location", b"/login?error") in headers else "success"

        world = World(behave, outcome=outcome)
        await world.login()
        assert await world.outcomes() == ["failure"]

    @pytest.mark.parametrize(
        ("said", "settled"),
        [("succeed", "success"), ("fail", "failure"), ("neutral", "refund")],
    )
    async def test_G41_what_the_app_says_counts_more_than_its_status(
        self, said: str, settled: str
    ) -> None:
        async def behave(scope: Scope, receive: Receive, send: Send) -> None:
            getattr(current().attempt, said)()
            await answer(send, 401 if said == "succeed" else 200)

        world = World(behave)
        await world.login()
        assert await world.outcomes() == [settled]
        assert "verifier_failed" not in world.events.names

    async def test_G42_it_is_settled_before_the_response_starts(self) -> None:
        world = World()
        seen: list[list[str]] = []

        async def server(scope: Scope, receive: Receive, send: Send) -> None:
            async def sending(message: Message) -> None:
                seen.append(await world.outcomes())
                await send(message)

            await world.guarded(scope, receive, sending)

        await call(server, "POST", "/login", headers=FORM, body=WRONG)
        assert seen == [["failure"], ["failure"]]

    @pytest.mark.parametrize("error_body", [b"oops", None])
    async def test_E19_G42_an_app_that_raises_locks_nobody_out(
        self, error_body: bytes | None
    ) -> None:
        async def behave(scope: Scope, receive: Receive, send: Send) -> None:
            raise LookupError("the user store is down")

        world = World(behave, error_body=error_body)
        for _ in range(6):
            with pytest.raises(LookupError):
                await world.login()
        assert await world.outcomes() == ["refund"] * 6
        assert world.events.names == ["verifier_failed"] * 6

    async def test_an_app_that_raises_after_its_response_is_settled_once(self) -> None:
        async def behave(scope: Scope, receive: Receive, send: Send) -> None:
            await answer(send, 401)
            raise LookupError("too late")

        world = World(behave)
        with pytest.raises(LookupError):
            await world.login()
        assert await world.outcomes() == ["failure"]
        assert world.events.names == []

    async def test_an_app_that_said_fail_and_raised_is_taken_at_its_word(self) -> None:
        async def behave(scope: Scope, receive: Receive, send: Send) -> None:
            attempt = current().attempt
            assert attempt is not None
            attempt.fail()
            raise LookupError

        world = World(behave)
        with pytest.raises(LookupError):
            await world.login()
        assert await world.outcomes() == ["failure"]

    async def test_E18_E20_a_cancelled_app_stays_charged(self) -> None:
        world = World()
        for _ in range(5):
            with anyio.CancelScope() as scope:

                async def behave(*_: Any, scope: anyio.CancelScope = scope) -> None:
                    scope.cancel()
                    await anyio.lowlevel.checkpoint()

                world.app.behave = behave
                await world.login()
        world.app.behave = None
        assert (await world.login(RIGHT)).value("retry-after") == "1"
        world.clock.advance(29.9)
        assert (await world.login(RIGHT)).status == 429
        world.clock.advance(0.1)
        assert (await world.login(WRONG)).status == 401
        locked = await world.login(RIGHT)
        assert locked.value("retry-after") == "60"

    async def test_E20_an_app_that_never_answers_stays_charged(self) -> None:
        async def behave(*_: Any) -> None:
            """Return without a response."""

        world = World(behave)
        for _ in range(5):
            await call(world.guarded, "POST", "/login", headers=FORM, body=WRONG)
        assert await world.outcomes() == []
        world.app.behave = None
        assert (await world.login()).json()["code"] == "TOO_MANY_ATTEMPTS_IN_FLIGHT"

    async def test_D59_a_right_login_that_cannot_be_settled_stands(self) -> None:
        world = World()
        layer: Any = world.guarded.layers[0]
        attempts = layer._lockout._attempts

        async def behave(scope: Scope, receive: Receive, send: Send) -> None:
            layer._lockout._attempts = Down()
            await answer(send, 200)

        world.app.behave = behave
        assert (await world.login()).status == 200
        assert world.events.names == ["attempt_not_settled"]
        layer._lockout._attempts = attempts


class Down:
    """A store that is down."""

    async def _fail(self, *args: Any, **fields: Any) -> Any:
        raise StorageError("down")

    charge = settle = status = clear = add_failure = history = _fail


class TestBodies:
    @pytest.mark.parametrize(
        ("headers", "body", "status"),
        [
            pytest.param(
                {"content-type": "multipart/form-data; boundary=x"}, b"x", 415, id="G43 multipart"
            ),
            pytest.param({**FORM, "content-encoding": "gzip"}, b"x", 415, id="G43 compressed"),
            pytest.param(FORM, b"username=a&username=b", 400, id="G43 twice"),
            pytest.param(FORM, b"x" * 16385, 413, id="G44 too large"),
            pytest.param(FORM, [b"x" * 16384, b"x"], 413, id="G44 too large in chunks"),
            pytest.param({**FORM, "content-length": "16385"}, b"", 413, id="G44 by its length"),
        ],
    )
    async def test_refused_before_the_app_and_not_charged(
        self, headers: Any, body: Any, status: int
    ) -> None:
        world = World()
        for _ in range(6):
            refused = await world.login(body, headers=headers)
            assert refused.status == status
            assert refused.value("content-type") == "application/problem+json"
        assert world.app.bodies == []
        assert (await world.login(RIGHT)).status == 200

    async def test_G44_16_KiB_fit_in_any_chunking(self) -> None:
        body = WRONG + b"&x=" + b"y" * (16384 - len(WRONG) - 3)
        world = World()
        chunked = [body[index : index + 1000] for index in range(0, len(body), 1000)]
        for sent in (body, chunked, [*chunked, b""], [b"", body]):
            assert (await world.login(sent)).status == 401
        assert world.app.bodies == [body] * 4

    async def test_G44_a_body_that_does_not_come_is_not_waited_for(self) -> None:
        world = World(body_timeout_seconds=0.01)
        sent: list[Message] = []

        async def receive() -> Message:
            await anyio.sleep_forever()
            raise AssertionError

        async def send(message: Message) -> None:
            sent.append(message)

        async def server(scope: Scope, _receive: Receive, _send: Send) -> None:
            await world.guarded(scope, receive, send)

        await call(server, "POST", "/login", headers=FORM)
        assert sent[0]["status"] == 408
        assert world.app.bodies == []

    async def test_G44_a_client_that_hangs_up_midway_is_not_charged(self) -> None:
        world = World()
        messages = [{"type": "http.request", "body": WRONG, "more_body": True}]

        async def receive() -> Message:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def server(scope: Scope, _receive: Receive, send: Send) -> None:
            await world.guarded(scope, receive, send)

        answered = await call(server, "POST", "/login", headers=FORM)
        assert answered.status == 400
        assert world.app.bodies == []
        assert len(world.store.attempts) == 0  # type: ignore[arg-type]

    async def test_G44_a_locked_address_is_refused_before_its_body_is_read(self) -> None:
        world = World(client_rules=LockoutConfig(threshold=1))
        await world.login()

        async def receive() -> Message:
            raise AssertionError("read")

        async def server(scope: Scope, _receive: Receive, send: Send) -> None:
            await world.guarded(scope, receive, send)

        assert (await call(server, "POST", "/login", headers=FORM)).status == 429

    async def test_G45_the_app_gets_the_same_bytes_and_then_what_comes(self) -> None:
        seen: list[Message] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.extend([await receive(), await receive()])
            await answer(send, 401)

        guarded = LockoutMiddleware(app, attempts=MemoryStore(), outcome="api", secret=SECRET)
        await call(guarded, "POST", "/login", headers=FORM, body=[b"username=b", b"ob", b""])
        assert seen == [
            {"type": "http.request", "body": b"username=bob", "more_body": False},
            {"type": "http.disconnect"},
        ]

    async def test_G43_an_extractor_reads_what_the_guard_cannot(self) -> None:
        async def waiting(scope: Scope, body: bytes) -> str:
            return body.decode()

        extractors: list[Any] = [waiting, lambda scope, body: body.decode()]
        for extractor in extractors:
            world = World(rejecting, extractor=extractor)
            headers = {"content-type": "multipart/form-data", "content-encoding": "x"}
            assert await world.statuses(6, b"Bob", headers=headers) == [401] * 5 + [429]
            assert (await world.login(b"bob")).status == 429

    async def test_an_extractor_that_finds_none_leaves_the_address(self) -> None:
        world = World(rejecting, extractor=lambda scope, body: None)
        await world.login()
        (record,) = await world.records()
        assert (record.account, record.kind) == (None, "client")

    async def test_an_extractor_that_can_be_made_to_fail_frees_nobody(self) -> None:
        world = World(extractor=lambda scope, body: body.decode("ascii"))
        assert (await world.login(b"\xff")).status == 400
        assert world.app.bodies == []
        assert world.events.names == ["login_extractor_failed"]


class TestFrameworks:
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"user%6eame=b%6fb&password=x", id="G45 form"),
            pytest.param(b'{"username": "bob"}', id="G45 JSON"),
            pytest.param('{"username": "bob"}'.encode("utf-16"), id="G43 JSON in UTF-16"),
        ],
    )
    async def test_starlette_reads_the_name_that_was_counted(self, body: bytes) -> None:
        async def login(request: Request) -> Response:
            form = await request.form() if b"&" in body else await request.json()
            return Response(form["username"], 401)

        app = Starlette(routes=[Mount("/api", routes=[Route("/login", login, methods=["POST"])])])
        guarded = LockoutMiddleware(
            app,
            attempts=MemoryStore(),
            outcome="api",
            login_paths=["/api/login"],
            events=EventRecorder(),
        )
        for _ in range(5):
            answered = await call(guarded, "POST", "/api/login", headers=FORM, body=body)
            assert (answered.status, answered.body) == (401, b"bob")
        assert (await call(guarded, "POST", "/api/login", headers=FORM, body=WRONG)).status == 429


class TestRaces:
    @pytest.mark.parametrize("body", [WRONG, b'{"username": "bob", "password": "wrong"}'])
    async def test_E14_of_100_parallel_wrong_guesses_at_most_5_reach_the_app(
        self, body: bytes
    ) -> None:
        world = World()
        answered: list[Answered] = []

        async def guess(number: int) -> None:
            answered.append(await world.login(body, client=(f"198.51.100.{number}", 1)))

        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(guess, number)
        assert len(world.app.bodies) == 5
        statuses = [one.status for one in answered]
        assert (statuses.count(401), statuses.count(429)) == (5, 95)
        assert world.events.names.count("account_locked") == 1
        assert (await world.login(RIGHT)).json()["code"] == "LOCKED_OUT"

    async def test_E15_100_parallel_right_logins_all_pass_on_retry(self) -> None:
        world = World(client_rules=LockoutConfig())
        busy: list[Answered] = []

        async def login() -> None:
            while True:
                answered = await world.login(RIGHT)
                if answered.status == 200:
                    return
                busy.append(answered)
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(login)
        assert await world.outcomes() == ["success"] * 50  # the newest of the history
        assert len(world.app.bodies) == 100
        refused = {(one.status, one.value("retry-after"), one.json()["code"]) for one in busy}
        assert refused == {(429, "1", "TOO_MANY_ATTEMPTS_IN_FLIGHT")}
        assert await world.statuses(6) == [401] * 5 + [429]


class TestDevices:
    COOKIE = "__Host-known_device"

    async def test_E22_a_browser_that_signed_in_is_known(self) -> None:
        world = World(known_devices=True)
        (cookie,) = (await world.login(RIGHT)).values("set-cookie")
        name, _, rest = cookie.partition("=")
        token, *attributes = rest.split("; ")
        assert name == self.COOKIE
        assert attributes == ["Path=/", "Max-Age=15552000", "Secure", "HttpOnly", "SameSite=Lax"]
        assert await world.statuses(6) == [401] * 5 + [429]
        headers = {**FORM, "cookie": f"a=b; {self.COOKIE}=x; {self.COOKIE}={token}"}
        again = await world.login(RIGHT, headers=headers)
        assert (again.status, again.values("set-cookie")) == (200, [])
        elsewhere = await world.login(b"username=carol&password=wrong", headers=headers)
        assert elsewhere.status == 401
        assert await world.statuses(6, headers=headers) == [401] * 5 + [429]

    async def test_E22_only_a_full_sign_in_gives_the_cookie(self) -> None:
        async def behave(scope: Scope, receive: Receive, send: Send) -> None:
            attempt = current().attempt
            assert attempt is not None
            attempt.neutral()
            await answer(send, 200)

        world = World(known_devices=True)
        assert (await world.login(WRONG)).values("set-cookie") == []
        assert (await world.login(b"password=right")).values("set-cookie") == []
        world.app.behave = behave
        assert (await world.login(RIGHT)).values("set-cookie") == []

    async def test_E22_it_is_off_unless_asked_for(self) -> None:
        world = World()
        assert (await world.login(RIGHT)).values("set-cookie") == []
        assert b"cookie" not in world.guarded.layers[0].wants

    async def test_E22_an_old_epoch_is_a_stranger(self) -> None:
        epochs = ["1"]
        world = World(known_devices=True, account_epoch=lambda account: epochs[0])
        (cookie,) = (await world.login(RIGHT)).values("set-cookie")
        headers = {**FORM, "cookie": cookie.partition(";")[0]}
        await world.statuses(5)
        assert (await world.login(headers=headers)).status == 401
        epochs[0] = "2"
        assert (await world.login(headers=headers)).status == 429


class TestStore:
    async def test_D59_no_login_without_the_store(self) -> None:
        world = World(attempts=Down())
        refused = await world.login(RIGHT)
        assert (refused.status, refused.value("retry-after")) == (503, "5")
        assert refused.json()["code"] == "STORE_UNAVAILABLE"
        assert world.app.bodies == []
        assert world.events.names == ["attempt_store_failed"]
        assert (await call(world.guarded, "GET", "/login")).status == 401

    @pytest.mark.parametrize("target", ["/refresh", "/me", "/logout"])
    async def test_E24_what_is_no_login_neither_reads_nor_resets_a_lock(self, target: str) -> None:
        world = World(attempts=Down())
        assert (await call(world.guarded, "POST", target, body=RIGHT)).status == 200
        assert world.events.names == []

    async def test_D62_a_row_has_the_digests_and_the_agent(self) -> None:
        world = World(keep_raw_addresses=True)
        await world.login(headers={**FORM, "user-agent": "curl/8"})
        (record,) = await world.records()
        assert (record.outcome, record.user_agent, record.address) == (
            "failure",
            "curl/8",
            "203.0.113.7",
        )


class TestConstruction:
    def test_G41_the_outcome_is_a_required_argument(self) -> None:
        with pytest.raises(TypeError, match="outcome"):
            LockoutMiddleware(App(), attempts=MemoryStore())  # type: ignore[call-arg]

    def test_faults_are_configuration_errors(self) -> None:
        build: Any = LockoutMiddleware
        with pytest.raises(ConfigError, match="threshold"):
            build(App(), attempts=MemoryStore(), outcome="api", secret=SECRET, threshold=0)
        with pytest.raises(ConfigError, match="did you mean 'form'"):
            build(App(), attempts=MemoryStore(), outcome="forms", secret=SECRET)
        with pytest.raises(TypeError, match="did you mean 'threshold'"):
            build(App(), attempts=MemoryStore(), outcome="api", secret=SECRET, treshold=3)
        with pytest.raises(ConfigError, match="secret"):
            build(App(), attempts=Down(), outcome="api")

    async def test_a_facet_and_a_config_will_do(self) -> None:
        world = World()
        config = LockoutConfig(secret=SECRET, threshold=1)
        guarded = LockoutMiddleware(world.app, config, attempts=world.store.attempts, outcome="api")
        for status in (401, 429):
            answered = await call(guarded, "POST", "/login", headers=FORM, body=WRONG)
            assert answered.status == status
