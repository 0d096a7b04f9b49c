"""Asking about tokens, over real loopback HTTP."""

from __future__ import annotations

import gc
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from asgi_security.errors import StorageError
from asgi_security.flows.introspection import Introspector, _Flight
from asgi_security.flows.revocations import revoke_session, revoke_subject
from asgi_security.policy.introspection import IntrospectionConfig
from asgi_security.policy.introspection_answers import (
    Introspected,
    IntrospectionRefused,
    IntrospectionUnavailable,
)
from asgi_security.storage.memory import MemoryStore
from tests.flows.introspecting import CLIENT_SECRET, INACTIVE, Endpoint, active, answer, serve

if TYPE_CHECKING:
    from asgi_security.policy.introspection_answers import IntrospectionOutcome
    from asgi_security.testing import EventRecorder

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000.0
TOKEN = "opaque-token-of-ada"


def make(endpoint: Endpoint, events: EventRecorder, **fields: Any) -> Introspector:
    return Introspector(IntrospectionConfig(**endpoint.configure(**fields)), events=events)


def is_good(outcome: IntrospectionOutcome | None) -> bool:
    return isinstance(outcome, Introspected)


async def test_V79_what_is_sent_and_what_is_read(events: EventRecorder) -> None:
    async with serve() as endpoint:
        asking = make(endpoint, events)
        outcome = await asking.verify(TOKEN, now=NOW)
        assert isinstance(outcome, Introspected)
        assert outcome.principal is not None
        assert outcome.principal.subject == "ada"
        head, _, body = endpoint.requests[0].decode().partition("\r\n\r\n")
        assert head.startswith("POST /introspect HTTP/1.1\r\n")
        assert body == f"token={TOKEN}&token_type_hint=access_token"
        lines = head.lower().split("\r\n")
        assert "content-type: application/x-www-form-urlencoded" in lines
        assert "accept: application/json" in lines
        assert "accept-encoding: identity" in lines
        credential = "YXBpOnRoZSUzQWNsaWVudCUyN3MlMjBzZWNyZXQ="  # api:the%3Aclient%27s%20secret
        assert f"authorization: Basic {credential}" in head.replace(
            "Authorization", "authorization"
        )
        assert events.names == []


async def test_V79_a_hundred_at_once_ask_once(events: EventRecorder) -> None:
    async with serve() as endpoint:
        asking = make(endpoint, events, cache_entries=0)
        outcomes: list[IntrospectionOutcome] = []

        async def ask() -> None:
            outcomes.append(await asking.verify(TOKEN, now=NOW))

        endpoint.held = anyio.Event()
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(ask)
            await endpoint.arrived.wait()
            endpoint.held.set()
        assert len(endpoint.requests) == 1
        assert len(outcomes) == 100
        assert len({id(outcome) for outcome in outcomes}) == 1
        assert is_good(outcomes[0])


async def test_V79_a_hundred_at_once_fail_once(events: EventRecorder) -> None:
    async with serve() as endpoint:
        asking = make(endpoint, events)
        endpoint.reply = answer(b"", "500 No")
        endpoint.held = anyio.Event()
        outcomes: list[IntrospectionOutcome] = []

        async def ask() -> None:
            outcomes.append(await asking.verify(TOKEN, now=NOW))

        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(ask)
            await endpoint.arrived.wait()
            endpoint.held.set()
        assert outcomes == [IntrospectionUnavailable("status_500")] * 100
        assert len(endpoint.requests) == 1
        assert events.names == ["introspection_unavailable"]
        endpoint.reply = active()
        assert is_good(await asking.verify(TOKEN, now=NOW))


async def test_one_who_leaves_takes_nobody_along(events: EventRecorder) -> None:
    async with serve() as endpoint:
        asking = make(endpoint, events)
        endpoint.held = anyio.Event()
        outcomes: list[IntrospectionOutcome] = []

        async def ask() -> None:
            outcomes.append(await asking.verify(TOKEN, now=NOW))

        async with anyio.create_task_group() as group:
            async with anyio.create_task_group() as leaving:
                leaving.start_soon(ask)
                await endpoint.arrived.wait()
                for _ in range(99):
                    group.start_soon(ask)
                await anyio.wait_all_tasks_blocked()
                leaving.cancel_scope.cancel()
            endpoint.held.set()
        assert len(outcomes) == 99
        assert all(map(is_good, outcomes))
        assert len(endpoint.requests) == 2


async def test_different_tokens_do_not_wait_for_each_other(events: EventRecorder) -> None:
    async with serve() as endpoint:
        asking = make(endpoint, events)
        endpoint.held = anyio.Event()
        async with anyio.create_task_group() as group:
            for token in ("a", "b", "c"):
                group.start_soon(partial(asking.verify, token, now=NOW))
            while len(endpoint.requests) < 3:
                await anyio.lowlevel.checkpoint()
            endpoint.held.set()
        assert sorted(endpoint.tokens) == ["a", "b", "c"]


async def test_V79_an_answer_counts_for_its_time_and_no_longer(events: EventRecorder) -> None:
    async with serve() as endpoint:
        asking = make(endpoint, events, cache_seconds=30, negative_cache_seconds=5)
        assert is_good(await asking.verify(TOKEN, now=NOW))
        endpoint.reply = INACTIVE
        assert is_good(await asking.verify(TOKEN, now=NOW + 29.9))
        assert len(endpoint.requests) == 1
        inactive = IntrospectionRefused("inactive")
        assert await asking.verify(TOKEN, now=NOW + 30) == inactive
        endpoint.reply = active()
        assert await asking.verify(TOKEN, now=NOW + 34.9) == inactive
        assert len(endpoint.requests) == 2
        assert is_good(await asking.verify(TOKEN, now=NOW + 35))
        assert len(endpoint.requests) == 3


async def test_V79_nor_longer_than_exp(events: EventRecorder) -> None:
    async with serve() as endpoint:
        asking = make(endpoint, events, cache_seconds=3600, leeway_seconds=10)
        endpoint.reply = active(exp=NOW + 20)
        assert is_good(await asking.verify(TOKEN, now=NOW))
        assert is_good(asking.try_verify(TOKEN.encode(), now=NOW + 19.9))
        assert asking.try_verify(TOKEN.encode(), now=NOW + 20) is None
        assert is_good(await asking.verify(TOKEN, now=NOW + 20))
        assert is_good(await asking.verify(TOKEN, now=NOW + 21))
        assert len(endpoint.requests) == 3  # within the leeway nothing is remembered
        assert await asking.verify(TOKEN, now=NOW + 30) == IntrospectionRefused("expired")


async def test_a_clock_that_goes_back_finds_no_token_good_again(events: EventRecorder) -> None:
    async with serve() as endpoint:
        asking = make(endpoint, events)
        assert is_good(await asking.verify(TOKEN, now=NOW))
        assert asking.try_verify(TOKEN.encode(), now=NOW - 1) is None
        endpoint.reply = INACTIVE
        assert not is_good(await asking.verify(TOKEN, now=NOW + 31))
        assert asking.try_verify(TOKEN.encode(), now=NOW + 1) is None


@pytest.mark.parametrize("seconds", [0, 30])
async def test_V79_nothing_is_remembered_that_should_not_be(
    events: EventRecorder, seconds: float
) -> None:
    async with serve() as endpoint:
        asking = make(endpoint, events, cache_seconds=seconds, negative_cache_seconds=0)
        for reply in (active(), INACTIVE, answer(b"junk")):
            endpoint.reply, endpoint.requests = reply, []
            token = f"token-{len(reply)}"
            await asking.verify(token, now=NOW)
            await asking.verify(token, now=NOW)
            remembers = reply == active() and seconds
            assert len(endpoint.requests) == (1 if remembers else 2)


async def test_V79_what_is_remembered_is_bounded_and_junk_drives_nothing_out(
    events: EventRecorder,
) -> None:
    async with serve() as endpoint:
        asking = make(endpoint, events, cache_entries=4)
        assert is_good(await asking.verify(TOKEN, now=NOW))
        endpoint.reply = INACTIVE
        for number in range(20):
            await asking.verify(f"junk-{number}", now=NOW)
        assert is_good(asking.try_verify(TOKEN.encode(), now=NOW))
        endpoint.reply = active()
        for number in range(20):
            await asking.verify(f"good-{number}", now=NOW)
        names = [TOKEN] + [f"{kind}-{number}" for kind in ("junk", "good") for number in range(20)]
        known = [name for name in names if asking.try_verify(name.encode(), now=NOW) is not None]
        assert "good-19" in known
        assert TOKEN not in known
        assert len(known) <= 8


async def test_V79_no_token_is_kept_in_what_is_remembered(events: EventRecorder) -> None:
    async with serve() as endpoint:
        asking = make(endpoint, events)
        await asking.verify(TOKEN, now=NOW)
        found, seen, left = [], set(), [vars(asking)]
        while left:
            one: Any = left.pop()
            if id(one) not in seen and not isinstance(one, type):
                seen.add(id(one))
                found += [one] if isinstance(one, (str, bytes)) else []
                module = type(one).__module__
                if module in {"builtins", "collections"} or module.startswith("asgi_security"):
                    left += gc.get_referents(one)
        assert any(isinstance(one, bytes) and len(one) == 32 for one in found)
        assert all(one not in (TOKEN, TOKEN.encode()) for one in found)
        assert asking._flights.get() == {}  # it stands with the event loop


BAD = [
    pytest.param(answer(b"", "500 No"), "status_500", id="V79 500"),
    pytest.param(answer(b"", "401 No"), "status_401", id="V79 our own credential"),
    pytest.param(answer(b"", "204 None"), "status_204", id="V79 another success"),
    pytest.param(answer(b"<html>"), "bad_json", id="V79 garbage"),
    pytest.param(answer(b"[" * 9000), "bad_json", id="V79 deep"),
    pytest.param(answer(b'{"active": true, "x": "' + b"x" * 70_000 + b'"}'), "too_long", id="long"),
    pytest.param(
        answer(b"", "302 Found", "location: https://evil.test/"), "redirect", id="V79 redirect"
    ),
    pytest.param(
        answer(b'{"active": true}', "200 OK", "content-encoding: gzip"), "encoding", id="packed"
    ),
    pytest.param(b"nonsense\r\n\r\n", "network", id="V79 no HTTP"),
    pytest.param(b"", "network", id="V79 closed"),
]


@pytest.mark.parametrize(("reply", "reason"), BAD)
async def test_whatever_is_no_answer_lets_nobody_in(
    reply: bytes, reason: str, events: EventRecorder
) -> None:
    async with serve() as endpoint:
        endpoint.reply = reply
        asking = make(endpoint, events)
        assert await asking.verify(TOKEN, now=NOW) == IntrospectionUnavailable(reason)
        (event,) = events.events
        assert event.name == "introspection_unavailable"
        assert event.facts == {"error": reason}
        assert all(one not in repr(event) for one in (TOKEN, CLIENT_SECRET, "secret"))


async def test_V79_an_endpoint_that_does_not_answer(events: EventRecorder) -> None:
    async with serve() as endpoint:
        endpoint.held = anyio.Event()
        asking = make(endpoint, events, timeout_seconds=0.05)
        assert await asking.verify(TOKEN, now=NOW) == IntrospectionUnavailable("timeout")


async def test_V79_an_endpoint_that_is_down(events: EventRecorder) -> None:
    async with serve() as endpoint:
        pass
    asking = make(endpoint, events)
    assert await asking.verify(TOKEN, now=NOW) == IntrospectionUnavailable("network")
    assert events.names == ["introspection_unavailable"]


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        pytest.param("x" * 8193, "too_long", id="J59 too long"),
        pytest.param("a b", "malformed", id="B64 a space"),
        pytest.param("", "malformed", id="empty"),
        pytest.param("ä", "malformed", id="beyond ASCII"),
        pytest.param(b"\xff", "malformed", id="a byte"),
    ],
)
async def test_what_can_be_no_token_is_not_asked_about(
    token: str | bytes, reason: str, events: EventRecorder
) -> None:
    async with serve() as endpoint:
        asking = make(endpoint, events)
        outcome = await asking.verify(token, now=NOW)
        assert isinstance(outcome, IntrospectionRefused)
        assert outcome.reason == reason
        assert endpoint.requests == []


async def test_V74_V77_a_store_of_revocations_counts_on_a_cache_hit(events: EventRecorder) -> None:
    async with serve() as endpoint:
        store = MemoryStore()
        endpoint.reply = active(sid="s1", iat=NOW - 10)
        asking = make(endpoint, events, revocations=store)
        assert is_good(await asking.verify(TOKEN, now=NOW))
        await revoke_session("s1", store, expires_at=NOW + 600)
        assert await asking.verify(TOKEN, now=NOW) == IntrospectionRefused("revoked")
        assert await asking.verify(f"{TOKEN}==", now=NOW) == IntrospectionRefused("revoked")
        endpoint.reply = active(iat=NOW - 10)
        assert is_good(await asking.verify("another", now=NOW))
        await revoke_subject("ada", store, before=NOW - 10, expires_at=NOW + 600)
        assert await asking.verify("another", now=NOW) == IntrospectionRefused("revoked")


class Names:
    """A store that revokes nothing, and keeps what it is asked about."""

    def __init__(self, *, fails: bool = False) -> None:
        self.asked: list[object] = []
        self.fails = fails

    async def is_revoked(self, ids: object, **_: object) -> bool:
        self.asked.append(ids)
        if self.fails:
            raise StorageError("down")
        return False


async def test_V74_V76_a_token_without_id_has_one_name_however_it_is_padded(
    events: EventRecorder,
) -> None:
    async with serve() as endpoint:
        store = Names()
        asking = make(endpoint, events, revocations=store)
        for token in (TOKEN, f"{TOKEN}=", "other"):
            assert is_good(await asking.verify(token, now=NOW))
        assert store.asked[0] == store.asked[1] != store.asked[2]
        assert TOKEN not in json.dumps(repr(store.asked))


@pytest.mark.parametrize("fail_open", [False, True])
async def test_V78_a_store_that_fails(events: EventRecorder, fail_open: bool) -> None:  # noqa: FBT001
    async with serve() as endpoint:
        asking = make(endpoint, events, revocations=Names(fails=True), fail_open=fail_open)
        outcome = await asking.verify(TOKEN, now=NOW)
        assert is_good(outcome) == fail_open
        assert isinstance(outcome, Introspected | IntrospectionUnavailable)
        assert events.names == ["revocations_unavailable"]


async def test_a_sink_that_fails_is_the_fault_of_one(events: EventRecorder) -> None:
    class SinkError(Exception):
        pass

    def fail(event: object) -> None:
        if not events.events:
            events(event)  # type: ignore[arg-type] # an event
            raise SinkError

    async with serve() as endpoint:
        endpoint.reply = answer(b"junk")
        endpoint.held = anyio.Event()
        asking = Introspector(IntrospectionConfig(**endpoint.configure()), events=fail)
        outcomes: list[object] = []

        async def ask() -> None:
            try:
                outcomes.append(await asking.verify(TOKEN, now=NOW))
            except SinkError as error:
                outcomes.append(error)

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(ask)
            await endpoint.arrived.wait()
            endpoint.held.set()
        assert sum(isinstance(one, SinkError) for one in outcomes) == 1
        assert sum(isinstance(one, IntrospectionUnavailable) for one in outcomes) == 9


async def test_the_answer_of_an_earlier_question_is_not_for_who_asks_now() -> None:
    answers: list[IntrospectionOutcome] = [IntrospectionRefused("inactive")]

    async def ask(now: float) -> IntrospectionOutcome:
        return answers.pop()

    flight = _Flight(ask)
    await flight.together.run(NOW)
    assert flight.outcome == IntrospectionRefused("inactive")
    with pytest.raises(IndexError):
        await flight.together.run(NOW)
    assert flight.outcome is None


async def test_V79_nobody_waits_for_one_after_the_other_who_leaves(events: EventRecorder) -> None:
    async with serve() as endpoint:
        asking = make(endpoint, events, timeout_seconds=0.2)
        endpoint.held = anyio.Event()
        # Each leaves before its own question has failed, and the next one asks anew.
        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(partial(_leave_after, 0.15 * (number + 1), asking))
            await endpoint.arrived.wait()
            outcome = await asking.verify(TOKEN, now=NOW)
            group.cancel_scope.cancel()
        assert outcome == IntrospectionUnavailable("timeout")
        assert len(endpoint.requests) <= 5  # and never one of its own


async def _leave_after(seconds: float, asking: Introspector) -> None:
    with anyio.move_on_after(seconds):
        await asking.verify(TOKEN, now=NOW)


def test_secrets_are_nowhere_to_be_seen(events: EventRecorder) -> None:
    config = IntrospectionConfig(**Endpoint().configure(url="https://as.test"))
    assert CLIENT_SECRET not in repr(config) + repr(Introspector(config, events=events))


def test_each_event_loop_asks_for_itself(events: EventRecorder) -> None:
    async def run() -> None:
        async with serve() as endpoint:
            object.__setattr__(config, "url", endpoint.url)
            assert is_good(await asking.verify(TOKEN, now=NOW))

    config = IntrospectionConfig(**Endpoint().configure(url="http://127.0.0.1/", cache_entries=0))
    asking = Introspector(config, events=events)
    for backend in ("asyncio", "trio", "asyncio"):
        anyio.run(run, backend=backend)
