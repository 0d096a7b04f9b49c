"""The guard that counts requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from asgi_security.asgi.context import SecurityContext
from asgi_security.errors import ConfigError, StorageError
from asgi_security.middleware.clients import ClientMiddleware
from asgi_security.middleware.cors import CorsMiddleware
from asgi_security.middleware.headers import SecurityHeadersMiddleware
from asgi_security.middleware.lockout import LockoutMiddleware
from asgi_security.middleware.throttle import ThrottleMiddleware
from asgi_security.policy.throttle import ThrottleConfig
from asgi_security.principal import Principal
from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.memory.attempts import MemoryAttempts
from asgi_security.storage.memory.throttles import MemoryThrottles
from asgi_security.testing import EventRecorder, FakeClock, SeededEntropy, call, connect_websocket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.asgi.types import ASGIApp, HeaderList, Message, Receive, Scope, Send
    from asgi_security.testing import Answered

pytestmark = pytest.mark.anyio

SECRET = "n" * 32
PREFLIGHT = {"origin": "https://a.test", "access-control-request-method": "POST"}
FIELDS = ("ratelimit-policy", "ratelimit", "x-ratelimit-limit", "x-ratelimit-remaining")


class App:
    """Answers everything, and counts."""

    def __init__(self, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self.calls = 0
        self.status = status
        self.headers: HeaderList = list(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
            return
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": b"app"})


class Broken:
    async def take(self, *args: Any, **fields: Any) -> Any:
        raise StorageError("down")


class World:
    """A throttled app and everything around it, at hand for a test."""

    def __init__(self, app: ASGIApp | None = None, store: Any = None, **fields: Any) -> None:
        self.app = App()
        self.clock = FakeClock()
        self.events = EventRecorder()
        self.store = MemoryStore() if store is None else store
        self.guarded = self.guard(self.app if app is None else app, **fields)

    def guard(self, app: ASGIApp, **fields: Any) -> ThrottleMiddleware:
        return ThrottleMiddleware(
            app,
            throttles=self.store,
            clock=self.clock,
            events=self.events,
            **{"limit": 2, "window_seconds": 60, "secret": SECRET, "name": "api", **fields},
        )

    async def get(self, target: str = "/", **options: Any) -> Answered:
        return await call(self.guarded, options.pop("method", "GET"), target, **options)

    async def statuses(self, times: int, target: str = "/", **options: Any) -> list[int]:
        return [(await self.get(target, **options)).status for _ in range(times)]


def read_fields(answered: Answered) -> list[list[str]]:
    return [answered.values(name) for name in FIELDS]


class TestCounting:
    async def test_T49_requests_are_counted_and_not_failures(self) -> None:
        world = World()
        assert await world.statuses(4) == [200, 200, 429, 429]
        assert world.app.calls == 2
        world.clock.advance(30)
        assert await world.statuses(2) == [200, 429]
        world.clock.advance(60)
        assert await world.statuses(3) == [200, 200, 429]

    async def test_T50_of_many_at_once_the_limit(self) -> None:
        world = World(limit=100)
        statuses: list[int] = []

        async def get() -> None:
            statuses.append((await world.get()).status)

        async with anyio.create_task_group() as group:
            for _ in range(300):
                group.start_soon(get)
        assert (statuses.count(200), world.app.calls) == (100, 100)

    async def test_T49_cost_and_fixed_window(self) -> None:
        world = World(limit=5, cost=2, fixed_window=True)
        world.clock.now -= world.clock.now % 60
        assert await world.statuses(3) == [200, 200, 429]
        refused = await world.get()
        assert refused.value("ratelimit") == '"api";r=1;t=60'
        assert refused.value("retry-after") == "60"
        world.clock.advance(60)
        assert await world.statuses(3) == [200, 200, 429]

    async def test_T53_preflights_are_exempt(self) -> None:
        world = World()
        options: dict[str, Any] = {"method": "OPTIONS", "headers": PREFLIGHT}
        assert await world.statuses(5, **options) == [200] * 5
        answered = await world.get(**options)
        assert read_fields(answered) == [[], [], [], []]
        assert await world.statuses(1, method="OPTIONS") == [200]
        half = {"origin": "https://a.test"}
        assert await world.statuses(2, method="OPTIONS", headers=half) == [200, 429]
        assert await world.statuses(1, method="GET", headers=PREFLIGHT) == [429]

    async def test_paths(self) -> None:
        world = World(paths=["/api"], exempt_paths=["/api/health"])
        for target in ("/", "/apix", "/api/health"):
            assert await world.statuses(3, target) == [200] * 3
        assert await world.statuses(2, "/api/a") == [200] * 2
        assert await world.statuses(1, "//API/b") == [429]

    async def test_websocket_handshakes(self) -> None:
        world = World()
        opened = await connect_websocket(world.guarded)
        assert opened.accepted
        assert opened.accept_values("ratelimit") == ['"api";r=1;t=30']
        assert await world.statuses(1) == [200]
        refused = await connect_websocket(world.guarded)
        assert (refused.status, refused.value("retry-after")) == (429, "30")
        closed = await connect_websocket(world.guarded, denial=False)
        assert (closed.accepted, closed.close_code) == (False, 1008)

    async def test_other_scopes_pass(self) -> None:
        seen: list[str] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope["type"])

        async def receive() -> Message:
            return {"type": "lifespan.startup"}

        async def send(message: Message) -> None: ...

        world = World(app, limit=1)
        for _ in range(3):
            await world.guarded({"type": "lifespan"}, receive, send)
        assert seen == ["lifespan"] * 3


class TestKeys:
    async def test_by_client(self) -> None:
        world = World(limit=1)
        for client in (("2001:db8::1", 1), ("192.0.2.1", 1), None):
            assert await world.statuses(2, client=client) == [200, 429]
        for client in (("2001:db8::2", 2), ("192.0.2.1", 2), ("::ffff:192.0.2.1", 3)):
            assert await world.statuses(1, client=client) == [429]
        assert await world.statuses(1, client=("2001:db8:0:1::1", 1)) == [200]

    async def test_by_the_client_behind_a_proxy(self) -> None:
        world = World(limit=1)
        guarded = ClientMiddleware(world.guarded, trusted_proxies=["203.0.113.7"])
        for name in ("192.0.2.1", "192.0.2.2"):
            headers = {"x-forwarded-for": name}
            assert (await call(guarded, headers=headers)).status == 200
            assert (await call(guarded, headers=headers)).status == 429

    async def test_by_principal_or_else_by_client(self) -> None:
        world = World(limit=1, key="principal")

        async def get(subject: str | None, address: str) -> int:
            context = SecurityContext()
            if subject is not None:
                context.principal = Principal(subject=subject, via="jwt")
            answered = await world.get(client=(address, 1), asgi_security=context)
            return answered.status

        assert await get("ada", "192.0.2.1") == 200
        assert await get("ada", "192.0.2.2") == 429, "also from elsewhere"
        assert await get("bob", "192.0.2.1") == 200
        assert await get(None, "192.0.2.1") == 200
        assert await get(None, "192.0.2.1") == 429
        assert await get("192.0.2.2", "192.0.2.9") == 200
        assert await get(None, "192.0.2.2") == 200, "a subject is no address"

    async def test_by_path_in_any_spelling(self) -> None:
        world = World(limit=1, key="path")
        assert await world.statuses(1, "/a") == [200]
        assert await world.statuses(1, "//A/", client=("192.0.2.1", 1)) == [429]
        assert await world.statuses(1, "/b") == [200]

    async def test_by_a_function_of_the_scope(self) -> None:
        def find(scope: Any) -> str | None:
            return str(scope["path"][1:]) or None

        world = World(limit=1, key=find)
        assert await world.statuses(3, "/") == [200] * 3
        assert await world.statuses(2, "/a") == [200, 429]
        assert await world.statuses(1, "/b") == [200]

    async def test_a_function_that_fails_is_no_way_around(self) -> None:
        def find(scope: Any) -> Any:
            return 5 if scope["path"] == "/5" else scope["path"].encode("ascii").decode()

        world = World(limit=2, key=find)
        assert await world.statuses(3, "/%C3%A9") == [200, 200, 429]
        assert await world.statuses(1, "/5") == [429]
        failed = [event for event in world.events.events if event.name == "throttle_key_failed"]
        assert [event.facts["error"] for event in failed] == [
            *["UnicodeEncodeError"] * 3,
            "TypeError",
        ]


class TestAnswers:
    async def test_T51_fields_on_what_is_admitted(self) -> None:
        world = World(limit=5)
        for left in (4, 3):
            answered = await world.get()
            assert read_fields(answered) == [
                ['"api";q=5;w=60'],
                [f'"api";r={left};t=12'],
                [],
                [],
            ]
            assert answered.body == b"app"
        world.clock.advance(2)
        assert (await world.get()).value("ratelimit") == '"api";r=2;t=10'

    async def test_T51_a_refusal(self) -> None:
        world = World(limit=5, cost=3)
        await world.get()
        refused = await world.get()
        assert refused.status == 429
        assert read_fields(refused) == [['"api";q=5;w=60'], ['"api";r=2;t=12'], [], []]
        assert refused.value("retry-after") == "12"
        assert refused.value("cache-control") == "no-store"
        assert refused.value("content-type") == "application/problem+json"
        body = refused.json()
        assert (body["code"], body["status"]) == ("THROTTLED", 429)
        assert body["violated-policies"] == ["api"]
        assert (await world.get(method="HEAD")).body == b""
        assert world.events.names == ["throttle_exceeded"] * 2

    async def test_T51_switched_off(self) -> None:
        world = World(limit=1, send_headers=False)
        admitted, refused = await world.get(), await world.get()
        assert (admitted.status, refused.status) == (200, 429)
        assert read_fields(admitted) == read_fields(refused) == [[], [], [], []]
        assert refused.value("retry-after") == "60"

    async def test_T51_several_are_all_told(self) -> None:
        world = World()
        world.guarded = world.guard(world.guarded, name="day", limit=4, window_seconds=86_400)
        answered = await world.get()
        assert answered.values("ratelimit-policy") == ['"api";q=2;w=60', '"day";q=4;w=86400']
        assert answered.values("ratelimit") == ['"api";r=1;t=30', '"day";r=3;t=21600']
        await world.get()
        inner = await world.get()
        assert inner.value("retry-after") == "30"
        assert inner.value("ratelimit") == '"api";r=0;t=30', "the one that refuses is told"
        await world.get()
        outer = await world.get()
        assert outer.value("retry-after") == "21600"
        assert outer.value("ratelimit") == '"day";r=0;t=21600'

    async def test_refusals_carry_what_outer_guards_add(self) -> None:
        world = World(limit=1)
        guarded = SecurityHeadersMiddleware(
            CorsMiddleware(world.guarded, allow_origins=["https://a.test"])
        )
        for status in (200, 429):
            answered = await call(guarded, headers={"origin": "https://a.test"})
            assert answered.status == status
            assert answered.value("x-content-type-options") == "nosniff"
            assert answered.value("access-control-allow-origin") == "https://a.test"

    async def test_the_apps_own_wait_stands_alone(self) -> None:
        world = World(App(503, [(b"Retry-After", b"7")]))
        answered = await world.get()
        assert (answered.status, answered.value("retry-after")) == (503, "7")
        assert read_fields(answered) == [[], [], [], []]

    async def test_the_apps_own_fields_are_kept(self) -> None:
        world = World(App(200, [(b"ratelimit", b'"own";r=1')]))
        assert (await world.get()).values("ratelimit") == ['"own";r=1', '"api";r=1;t=30']


class TestBesideLockout:
    @pytest.mark.parametrize("fused", [True, False])
    async def test_T52_lockout_answers_carry_no_fields(self, *, fused: bool) -> None:
        world = World(limit=100)
        locked = LockoutMiddleware(
            App(401),
            attempts=MemoryStore(),
            outcome="api",
            clock=world.clock,
            entropy=SeededEntropy(),
            events=world.events,
        )

        async def apart(scope: Scope, receive: Receive, send: Send) -> None:
            await locked(scope, receive, send)

        world.guarded = world.guard(locked if fused else apart, limit=100)
        assert (len(world.guarded.layers) == 2) is fused
        form = {"content-type": "application/x-www-form-urlencoded"}
        for number in range(8):
            body = b"username=bob&password=wrong"
            answered = await call(world.guarded, "POST", "/login", headers=form, body=body)
            if number < 5:
                assert answered.status == 401
                assert answered.value("ratelimit") == f'"api";r={99 - number};t=1'
            else:
                assert answered.status == 429
                assert answered.json()["code"] == "LOCKED_OUT"
                assert answered.value("retry-after") == "30"
                assert read_fields(answered) == [[], [], [], []]

    async def test_T49_a_key_space_of_its_own(self) -> None:
        store = MemoryStore()
        world = World(store=store)
        assert await world.statuses(3) == [200, 200, 429]
        assert isinstance(store.attempts, MemoryAttempts)
        assert len(store.attempts) == 0
        assert isinstance(store.throttles, MemoryThrottles)
        assert len(store.throttles) == 1


class TestOutage:
    async def test_T53_D59_passes_with_an_event(self) -> None:
        world = World(store=Broken())
        answered = await world.get()
        assert answered.status == 200
        assert read_fields(answered) == [[], [], [], []]
        assert world.events.names == ["throttle_unavailable"]

    async def test_T53_D59_or_is_refused(self) -> None:
        world = World(store=Broken(), on_store_error="refuse")
        refused = await world.get()
        assert (refused.status, refused.value("retry-after")) == (503, "5")
        assert world.app.calls == 0
        denied = await connect_websocket(world.guarded)
        assert denied.status == 503


class TestConstruction:
    def test_a_config_and_a_facet_will_do(self) -> None:
        config = ThrottleConfig(limit=1, window_seconds=1)
        ThrottleMiddleware(App(), config, throttles=MemoryStore().throttles)
        ThrottleMiddleware(app=App(), config=config, throttles=MemoryStore())  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="not both"):
            ThrottleMiddleware(App(), config, throttles=MemoryStore(), limit=5)

    def test_T53_problems_are_said_at_once(self) -> None:
        with pytest.raises(ConfigError) as caught:
            ThrottleMiddleware(App(), throttles=MemoryStore(), limit=5, window_seconds=0, cost=6)
        assert [problem.field for problem in caught.value.problems] == ["cost", "window_seconds"]

    def test_a_shared_store_needs_a_secret(self) -> None:
        with pytest.raises(ConfigError, match="secret"):
            ThrottleMiddleware(App(), throttles=Broken(), limit=5, window_seconds=60)
