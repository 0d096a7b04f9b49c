"""Logins in lists, and their ends: with each goes what was issued for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asgi_security.flows.jwt import Refused, Verified
from asgi_security.flows.refresh import (
    FamiliesEnded,
    ListedFamily,
    RefreshRefused,
    RefreshTokens,
    Unavailable,
)
from asgi_security.flows.refresh_families import describe
from asgi_security.flows.revocations import compute_session_digest
from asgi_security.flows.visits import Visit
from asgi_security.storage.memory import MemoryStore
from asgi_security.testing.contracts.expecting import race
from asgi_security.testing.contracts.refresh_lists import build_family
from tests.flows.refreshing import Delaying, Failing, Logins, build_config

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asgi_security.flows.auditing import AuditEntry
    from asgi_security.flows.refresh import TokenPair
    from asgi_security.testing import EventRecorder, FakeClock

pytestmark = pytest.mark.anyio

DAY = 86_400
GONE = RefreshRefused("gone")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def logins(store: MemoryStore, clock: FakeClock, events: EventRecorder) -> Logins:
    return Logins(store, clock, events)


async def test_P19_a_list_tells_logins_apart(logins: Logins) -> None:
    visit = Visit(client="203.0.113.7", user_agent="Br\0ow\nser/1" + "x" * 300)
    one = await logins.open(amr=["pwd"], scopes=["read"], visit=visit)
    logins.clock.advance(60)
    two = await logins.open(client_id="phone")
    await logins.open("bob")
    logins.clock.advance(60)
    one = await logins.refresh(one)
    now = logins.clock()
    listed = await logins.tokens.list_for("ada", current=one.handle)
    assert isinstance(listed, tuple)
    assert [each.handle for each in listed] == [one.handle, two.handle]
    client = listed[0].client
    assert client is not None
    assert len(client) == 32
    assert listed[0] == ListedFamily(
        handle=one.handle,
        created_at=now - 120,
        advanced_at=now,
        expires_at=now + 7 * DAY,
        user_agent="Browser/1" + "x" * 189,
        client=client,
        client_id="app",
        amr=("pwd",),
        scopes=("read",),
        is_current=True,
    )
    assert (listed[1].client, listed[1].client_id, listed[1].is_current) == (None, "phone", False)
    assert await logins.tokens.list_for("nobody") == ()


def test_P19_what_cannot_be_read_is_listed_all_the_same() -> None:
    listed = describe(build_family(data=b"[]"), current=None)
    assert (listed.handle, listed.scopes, listed.amr) == ("handle of family", (), ())
    assert not listed.is_current


async def test_P12_addresses_are_kept_under_a_key(
    store: MemoryStore, clock: FakeClock, events: EventRecorder
) -> None:
    visit = Visit(client="203.0.113.7")
    for secret in ("s" * 32, "t" * 32, "s" * 32):
        await Logins(store, clock, events, secret=secret, seed=f"{clock()}").open(visit=visit)
        clock.advance(1)
    clients = [each.client for each in await store.refresh.list_for("ada", now=clock())]
    assert clients[0] == clients[2] != clients[1]


async def test_P16_two_logins_of_one_browser_are_two(logins: Logins) -> None:
    visit = Visit(user_agent="Browser/1.0", client="203.0.113.7")
    one, two = [await logins.open(visit=visit) for _ in range(2)]
    assert one.handle != two.handle
    await logins.tokens.end(one.refresh_token)
    await logins.refresh(two)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda each, pair: each.tokens.end(pair.refresh_token), id="P20 logout"),
        pytest.param(
            lambda each, pair: each.tokens.revoke_handle("ada", pair.handle), id="P20 by handle"
        ),
        pytest.param(lambda each, _: each.tokens.revoke_subject("ada"), id="P20 all"),
    ],
)
async def test_P20_access_tokens_of_an_ended_login_are_refused_at_once(
    logins: Logins, end: Callable[[Logins, TokenPair], Awaitable[object]]
) -> None:
    first = await logins.open()
    second = await logins.refresh(first)
    bob = await logins.open("bob")
    for pair in (first, second):  # V74: seen before, and so in the verifier's memory
        assert isinstance(await logins.call_api(pair.access_token), Verified)
    assert await end(logins, second) == FamiliesEnded((first.handle,))
    for pair in (first, second):
        assert await logins.call_api(pair.access_token) == Refused("revoked")
        assert await logins.tokens.refresh(pair.refresh_token) == GONE
    assert isinstance(await logins.call_api(bob.access_token), Verified)
    assert await end(logins, second) == FamiliesEnded()
    assert logins.events.names.count("refresh_families_ended") == 1


async def test_P19_all_but_the_one_that_asks(logins: Logins) -> None:
    pairs = []
    for _ in range(3):
        pairs.append(await logins.open())
        logins.clock.advance(1)
    bob = await logins.open("bob")
    kept = pairs[1]
    ended = await logins.tokens.revoke_subject("ada", keep=kept.handle)
    assert ended == FamiliesEnded((pairs[2].handle, pairs[0].handle))
    for pair in (pairs[0], pairs[2]):
        assert await logins.call_api(pair.access_token) == Refused("revoked")
    for pair in (kept, bob):
        assert isinstance(await logins.call_api(pair.access_token), Verified)
        await logins.refresh(pair)
    assert logins.events.events[-3].facts["families"] == [pairs[2].handle, pairs[0].handle]


async def test_P19_nobody_ends_another_ones(logins: Logins) -> None:
    pair = await logins.open()
    assert await logins.tokens.revoke_handle("bob", pair.handle) == FamiliesEnded()
    assert await logins.tokens.revoke_handle("ada", "unknown") == FamiliesEnded()
    assert isinstance(await logins.call_api(pair.access_token), Verified)
    await logins.refresh(pair)


async def test_V75_a_logout_is_a_success_whatever_it_ends(logins: Logins) -> None:
    first = await logins.open()
    second = await logins.refresh(first)
    assert await logins.tokens.end(first.refresh_token) == FamiliesEnded((first.handle,))
    assert await logins.tokens.end(second.refresh_token) == FamiliesEnded()
    assert await logins.tokens.end("nothing") == FamiliesEnded()


async def test_V75_a_revocation_lives_as_long_as_the_latest_token(logins: Logins) -> None:
    store = MemoryStore()
    logins = Logins(store, logins.clock, logins.events, access_lifetime_seconds=3600)
    pair = await logins.open()
    await logins.tokens.end(pair.refresh_token)
    digest, end = compute_session_digest(pair.handle), logins.clock() + 3600 + 600
    assert await store.revocations.is_revoked([digest], now=end - 0.5)
    assert not await store.revocations.is_revoked([digest], now=end)


async def test_P20_of_many_logouts_one_has_ended_it(
    store: MemoryStore, clock: FakeClock, events: EventRecorder
) -> None:
    logins = Logins(Delaying(store.refresh, 5), clock, events, revocations=store)
    pair = await logins.open()
    outcomes = await race(100, lambda _number: logins.tokens.end(pair.refresh_token))
    assert outcomes.count(FamiliesEnded((pair.handle,))) == 1
    assert outcomes.count(FamiliesEnded()) == 99
    assert events.names.count("refresh_families_ended") == 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after the step"])
@pytest.mark.parametrize(
    ("operation", "end"),
    [
        ("revoke_family", lambda each, pair: each.tokens.end(pair.refresh_token)),
        ("revoke_family", lambda each, pair: each.tokens.revoke_handle("ada", pair.handle)),
        ("revoke_subject", lambda each, _: each.tokens.revoke_subject("ada")),
    ],
    ids=["logout", "by handle", "all"],
)
async def test_P20_a_failed_ending_leaves_no_access_token(
    store: MemoryStore,
    clock: FakeClock,
    events: EventRecorder,
    operation: str,
    end: Callable[[Logins, TokenPair], Awaitable[object]],
    after: bool,  # noqa: FBT001
) -> None:
    broken = Failing(store.refresh, operation, after=after)
    logins = Logins(broken, clock, events, revocations=store)
    pair = await logins.open()
    assert await end(logins, pair) == Unavailable()
    assert await logins.call_api(pair.access_token) == Refused("revoked")
    broken.names = set()
    await end(logins, pair)
    assert await logins.tokens.refresh(pair.refresh_token) == GONE


@pytest.mark.parametrize(
    "end",
    [
        lambda each, pair: each.tokens.end(pair.refresh_token),
        lambda each, pair: each.tokens.revoke_handle("ada", pair.handle),
        lambda each, _: each.tokens.revoke_subject("ada"),
    ],
    ids=["logout", "by handle", "all"],
)
async def test_P20_a_failed_revocation_is_repeated(
    store: MemoryStore,
    clock: FakeClock,
    events: EventRecorder,
    end: Callable[[Logins, TokenPair], Awaitable[object]],
) -> None:
    broken = Failing(store.revocations, "revoke")
    logins = Logins(store, clock, events, revocations=broken)
    pair = await logins.open()
    assert await end(logins, pair) == Unavailable()
    broken.names = set()
    assert await end(logins, pair) == FamiliesEnded((pair.handle,))
    assert await logins.call_api(pair.access_token) == Refused("revoked")


async def test_P20_one_that_opens_meanwhile_is_refused_too(
    store: MemoryStore, clock: FakeClock, events: EventRecorder
) -> None:
    late: list[TokenPair] = []

    class Interrupted(Failing):
        async def list_for(self, subject: str, **fields: float) -> object:
            listed = await store.refresh.list_for(subject, now=fields["now"])
            late.append(await other.open())
            return listed

    other = Logins(store, clock, events, seed="other")
    logins = Logins(Interrupted(store.refresh), clock, events, revocations=store)
    first = await logins.open()
    ended = await logins.tokens.revoke_subject("ada")
    assert isinstance(ended, FamiliesEnded)
    assert set(ended.handles) == {first.handle, late[0].handle}
    for pair in (first, late[0]):
        assert await logins.call_api(pair.access_token) == Refused("revoked")


async def test_R83_without_revocations_access_tokens_run_out(
    store: MemoryStore, clock: FakeClock, events: EventRecorder
) -> None:
    logins = Logins(store.refresh, clock, events, revocations=None)
    pair = await logins.open()
    assert await logins.tokens.end(pair.refresh_token) == FamiliesEnded((pair.handle,))
    digest = compute_session_digest(pair.handle)
    assert not await store.revocations.is_revoked([digest], now=clock())
    RefreshTokens(build_config(), store.refresh, revocations=store.revocations)


async def test_P16_the_one_longest_unused_makes_room(
    store: MemoryStore, clock: FakeClock, events: EventRecorder
) -> None:
    logins = Logins(store, clock, events, max_families_per_subject=2)
    pairs = []
    for _ in range(2):
        pairs.append(await logins.open())
        clock.advance(1)
    await logins.open("bob")
    pairs[0] = await logins.refresh(pairs[0])
    clock.advance(1)
    third = await logins.open()
    assert await logins.tokens.refresh(pairs[1].refresh_token) == GONE
    assert await logins.call_api(pairs[1].access_token) == Refused("revoked")
    for pair in (pairs[0], third):
        await logins.refresh(pair)
    ended = [each for each in events.events if each.name == "refresh_families_ended"]
    assert [each.facts["reason"] for each in ended] == ["limit"]


async def test_P16_many_at_once_leave_as_many_as_allowed(
    store: MemoryStore, clock: FakeClock, events: EventRecorder
) -> None:
    logins = Logins(store, clock, events, max_families_per_subject=3)
    await race(100, lambda _number: logins.open())
    listed = await logins.tokens.list_for("ada")
    assert isinstance(listed, tuple)
    assert len(listed) == 3


async def test_endings_are_recorded(
    store: MemoryStore, clock: FakeClock, events: EventRecorder
) -> None:
    class Log:
        def __init__(self) -> None:
            self.entries: list[AuditEntry] = []

        async def record(self, entry: AuditEntry) -> None:
            self.entries.append(entry)

    log = Log()
    logins = Logins(store, clock, events, audit=log)
    pair = await logins.open(visit=Visit(request_id="r-1"))
    await logins.tokens.end(pair.refresh_token, visit=Visit(request_id="r-2"))
    opened, ended = log.entries
    assert (opened.action, opened.actor) == ("refresh_family_opened", "ada")
    assert (ended.action, ended.target) == ("refresh_families_ended", "ada")
    assert [each.request_id for each in log.entries] == ["r-1", "r-2"]
    assert ended.details == {"families": [pair.handle], "reason": "logout"}
