"""Random operations: all backends answer alike, and like a simple model where there is one.

A backend whose server is missing is left out, except in CI, where none may be missing.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from asgi_security.storage.protocols import (
    Admitted,
    AttemptKey,
    AttemptRecord,
    Conflict,
    Created,
    LockoutSchedule,
    Outcome,
    Saved,
    ThrottleRule,
)
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_client,
    build_digest,
    build_session,
    build_ticket,
)
from tests.storage.agreeing import FEW, Agreement, run_machine
from tests.storage.backends import provide_servers, use_asyncio

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from asgi_security.storage.protocols import Receipt, SessionRecord, Store
    from tests.storage.backends import Servers

SCHEDULE = LockoutSchedule(2, 40.0, (5.0, 10.0), 5, 8.0)
KEYS = (
    build_account("a", schedule=SCHEDULE, old=["retired"]),
    build_account("b", schedule=SCHEDULE),
    build_account("retired", schedule=SCHEDULE),
    build_client("c", schedule=SCHEDULE),
)
NAMES = st.sampled_from(["x", "y", "z"])
USERS = st.sampled_from(["ada", "bob", None])
KEY_SETS = st.sets(st.sampled_from(KEYS), min_size=1).map(tuple)
RULES = st.builds(
    ThrottleRule, st.integers(2, 4), st.sampled_from([3.0, 20.0, 33.3]), st.booleans()
)
WAITS = st.sampled_from([0.0, 0.5, 3.0, 12.0])


anyio_backend = pytest.fixture(use_asyncio)
servers = pytest.fixture(scope="module")(provide_servers)


class Backends(Agreement):
    """Every rule asks all backends; `wanted` is the model's answer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.latest = START
        self.swept_at = 0.0
        self.tickets = 0
        self.receipts: list[Receipt] = []
        self.values: dict[tuple[str, bytes], tuple[bytes, float]] = {}
        self.claims: dict[bytes, float] = {}
        self.revoked: dict[bytes, float] = {}
        self.sessions: dict[bytes, SessionRecord] = {}

    def alive(self, name: str) -> SessionRecord | None:
        record = self.sessions.get(build_digest(name))
        if record is None:
            return None
        end = min(record.idle_expires_at, record.absolute_expires_at)
        return record if self.now < end else None

    @rule(wait=st.sampled_from([1.0, 4.0, 9.0, 50.0, -2.0]))
    def passes(self, wait: float) -> None:
        # What was swept is gone in its own way in each backend: time never goes back before that.
        self.now = max(self.now + wait, self.swept_at)
        self.latest = max(self.latest, self.now)

    @rule(keys=KEY_SETS, again=st.booleans())
    def charge(self, keys: tuple[AttemptKey, ...], *, again: bool) -> None:
        self.tickets += not again
        ticket = self.tickets.to_bytes(16, "big")
        answer = self.ask(lambda store: store.attempts.charge(keys, ticket=ticket, now=self.now))
        if isinstance(answer, Admitted):
            self.receipts.append(answer.receipt)

    @rule(choice=st.integers(0, 3), outcome=st.sampled_from(Outcome))
    def settle(self, choice: int, outcome: Outcome) -> None:
        if not self.receipts:
            return
        receipt = self.receipts[-1 - choice % len(self.receipts)]
        account = receipt.keys[0].digest
        record = AttemptRecord(self.now, account, None, "password", outcome.value)
        self.ask(lambda store: store.attempts.settle(receipt, outcome, now=self.now, record=record))

    @rule(keys=KEY_SETS, adds=st.booleans())
    def add_or_clear(self, keys: tuple[AttemptKey, ...], *, adds: bool) -> None:
        if adds:
            self.ask(lambda store: store.attempts.add_failure(keys, now=self.now))
        else:
            self.ask(lambda store: store.attempts.clear(keys))

    @rule(name=NAMES, expires=WAITS)
    def put(self, name: str, expires: float) -> None:
        at, value = self.now + expires, f"{self.now}".encode()
        digest = build_digest(name)
        self.ask(lambda store: store.once.put("k", digest, value, expires_at=at, now=self.now))
        self.values["k", digest] = (value, at)

    @rule(name=NAMES)
    def take(self, name: str) -> None:
        digest = build_digest(name)
        value, at = self.values.pop(("k", digest), (None, 0.0))
        wanted = value if self.now < at else None
        assert self.ask(lambda store: store.once.take("k", digest, now=self.now)) == wanted

    @rule(name=NAMES, expires=WAITS)
    def claim(self, name: str, expires: float) -> None:
        digest, at = build_digest(name), self.now + expires
        wanted = self.claims.get(digest, 0.0) <= self.now
        if wanted:
            self.claims[digest] = at
        got = self.ask(lambda store: store.once.claim("k", digest, expires_at=at, now=self.now))
        assert got is wanted

    @rule(name=NAMES, quota=RULES, cost=st.integers(1, 2))
    def throttle(self, name: str, quota: ThrottleRule, cost: int) -> None:
        digest = build_digest(name)
        self.ask(lambda store: store.throttles.take(digest, quota, now=self.now, cost=cost))

    @rule(name=NAMES, expires=WAITS)
    def revoke(self, name: str, expires: float) -> None:
        digest, at = build_digest(name), self.now + expires
        self.ask(lambda store: store.revocations.revoke(digest, expires_at=at))
        self.revoked[digest] = max(self.revoked.get(digest, 0.0), at)

    @rule(names=st.sets(NAMES))
    def is_revoked(self, names: set[str]) -> None:
        ids = [build_digest(name) for name in names]
        wanted = any(self.now < self.revoked.get(digest, 0.0) for digest in ids)
        assert self.ask(lambda store: store.revocations.is_revoked(ids, now=self.now)) is wanted

    @rule(name=NAMES, user=USERS, limit=st.sampled_from([None, 1, 2]), evict=st.booleans())
    def create(self, name: str, user: str | None, limit: int | None, *, evict: bool) -> None:
        idle = self.now + 10
        record = build_session(
            name, user=user, seen_at=self.now, idle_expires_at=idle, created_at=self.now
        )
        absent = self.alive(name) is None
        answer = self.ask(
            lambda store: store.sessions.create(record, now=self.now, limit=limit, evict=evict)
        )
        if isinstance(answer, Created) and absent:
            for digest, other in list(self.sessions.items()):
                if other.handle in answer.evicted:
                    del self.sessions[digest]
            self.sessions[record.digest] = record
        if limit is not None and user is not None and isinstance(answer, Created) and absent:
            living = [
                each
                for each in NAMES_OF_ALL
                if (found := self.alive(each)) is not None and found.user == user
            ]
            assert len(living) <= limit

    @rule(name=NAMES, user=USERS, behind=st.integers(0, 1))
    def save(self, name: str, user: str | None, behind: int) -> None:
        base = self.alive(name) or build_session(name)
        wanted = replace(
            base, user=user, data=f"{self.now}".encode(), version=base.version - behind
        )
        answer = self.ask(lambda store: store.sessions.save(wanted, now=self.now))
        if isinstance(answer, Saved):
            assert self.alive(name) is not None
            self.sessions[base.digest] = replace(wanted, version=answer.version)

    @rule(name=NAMES, forward=st.sampled_from([-3.0, 3.0]))
    def touch(self, name: str, forward: float) -> None:
        seen, idle = self.now + forward, self.now + 10 + forward
        record = self.alive(name)
        touched = self.ask(
            lambda store: store.sessions.touch(
                build_digest(name), seen_at=seen, idle_expires_at=idle, now=self.now
            )
        )
        assert touched is (record is not None)
        if record is not None:
            self.sessions[record.digest] = replace(
                record,
                seen_at=max(seen, record.seen_at),
                idle_expires_at=max(idle, record.idle_expires_at),
            )

    @rule(name=NAMES, other=NAMES, behind=st.integers(0, 1))
    def replace_session(self, name: str, other: str, behind: int) -> None:
        base = self.alive(name) or build_session(name)
        fresh = replace(
            base,
            digest=build_digest(other),
            handle=f"handle of {other}",
            version=base.version - behind,
        )
        answer = self.ask(
            lambda store: store.sessions.replace(build_digest(name), fresh, now=self.now)
        )
        if isinstance(answer, Saved):
            self.sessions.pop(build_digest(name), None)
            self.sessions[fresh.digest] = replace(fresh, version=answer.version)

    @rule(name=NAMES, user=st.sampled_from(["ada", "bob"]))
    def delete_handle(self, name: str, user: str) -> None:
        record = self.alive(name)
        if record is not None:  # whether a dead one still lies there is each backend's own affair
            deleted = self.ask(lambda store: store.sessions.delete_handle(user, record.handle))
            assert deleted is (record.user == user)
            if deleted:
                del self.sessions[record.digest]

    # Like a charge, the memory store's sweep moves an anchor that the clock has left behind.
    @precondition(lambda self: self.now == self.latest)
    @rule()
    def sweep(self) -> None:
        self.swept_at = self.now
        self.ask(lambda store: ignore(store.sweep(now=self.now)))
        for name in NAMES_OF_ALL:
            if self.alive(name) is None:
                self.sessions.pop(build_digest(name), None)
        self.revoked = {key: at for key, at in self.revoked.items() if self.now < at}
        self.claims = {key: at for key, at in self.claims.items() if self.now < at}
        self.values = {key: each for key, each in self.values.items() if self.now < each[1]}

    @invariant()
    def the_same_is_seen(self) -> None:
        self.ask(lambda store: store.attempts.status(KEYS, now=self.now))
        for name in NAMES_OF_ALL:
            digest = build_digest(name)
            found = self.ask(lambda store: store.sessions.load(digest, now=self.now))  # noqa: B023
            assert found == self.alive(name)

    @invariant()
    def lists_are_the_same(self) -> None:
        listed = self.ask(lambda store: store.sessions.list_for("ada", now=self.now))
        alive = [self.alive(name) for name in NAMES_OF_ALL]
        wanted = {record.digest for record in alive if record is not None and record.user == "ada"}
        assert {record.digest for record in listed} == wanted
        self.ask(lambda store: store.attempts.history(limit=5))


NAMES_OF_ALL = ("x", "y", "z")


async def ignore(awaitable: Awaitable[object]) -> None:
    """Await without comparing: backends may have swept different rows before."""
    await awaitable


def test_every_facet_agrees(servers: Servers) -> None:
    run_machine(Backends, servers)


INSTANTS = st.floats(-40, 90, allow_nan=False).map(lambda offset: START + offset)
SCHEDULES = st.builds(
    LockoutSchedule,
    st.integers(1, 4),
    st.sampled_from([0.1, 7.3, 40.0]),
    st.sampled_from([(), (5.0,), (0.7, 3.3), (1.0, 2.0, 4.0, 8.0)]),
    st.sampled_from([None, 1, 4]),
    st.sampled_from([0.3, 8.0, 60.0]),
)
DIGESTS = st.sampled_from([build_digest(name) for name in "abc"])
MANY_NAMES = st.lists(
    st.tuples(
        st.sampled_from(["account", "client"]),
        DIGESTS,
        st.booleans(),
        st.lists(DIGESTS, max_size=2).map(tuple),
    ),
    min_size=1,
    max_size=3,
)
"""Of keys, one schedule for all. A key may come twice, and be another's old one."""

STEPS = st.sampled_from(["charge", "charge", "charge", "fail", "clear", *Outcome])
ATTEMPTS = st.lists(
    st.tuples(STEPS, MANY_NAMES, INSTANTS, st.integers(0, 5)), min_size=5, max_size=25
)


async def replay(store: Store, schedule: LockoutSchedule, history: Any) -> list[object]:
    """Carry out a history; return every answer."""
    attempts = store.attempts
    answers: list[object] = []
    receipts: list[Receipt] = []
    for step, names, now, pick in history:
        keys = [AttemptKey(kind, digest, schedule, *rest) for kind, digest, *rest in names]
        if step == "charge":
            charge = await attempts.charge(keys, ticket=build_ticket(pick), now=now)
            answers.append(charge)
            if isinstance(charge, Admitted):
                receipts.append(charge.receipt)
        elif isinstance(step, Outcome) and receipts:
            receipt = receipts[pick % len(receipts)]
            answers.append(await attempts.settle(receipt, step, now=now))
        elif step == "fail":
            await attempts.add_failure(keys, now=now)
        elif step == "clear":
            await attempts.clear(keys[:1])
        answers.append(await attempts.status(keys, now=now))
    return answers


@pytest.mark.anyio
@settings(FEW, max_examples=40)
@given(schedule=SCHEDULES, history=ATTEMPTS)
async def test_E13_E20_attempts_of_any_schedule_agree(
    servers: Servers, schedule: LockoutSchedule, history: Any
) -> None:
    async with servers.open_all() as (memory, *others):
        wanted = await replay(memory, schedule, history)
        for store in others:
            assert await replay(store, schedule, history) == wanted, store


SHORT = LockoutSchedule(3, 3.0, (1.0,), None, 30.0)
FORGETFUL = (build_account("a", schedule=SHORT), build_account("b", schedule=SHORT))


@pytest.mark.anyio
async def test_E13_E20_long_histories_of_few_keys(servers: Servers) -> None:
    """Charges that stay open while the clock jumps and streaks end: what random rules seldom do."""
    chance = random.Random(11)  # noqa: S311 -- the same histories in every run
    for history in range(60):
        # In every other, streaks are forgotten while charges are still open.
        known = FORGETFUL if history % 2 else KEYS[:2]
        steps = []
        now = START
        for _ in range(40):
            now += chance.choice([0, 0, 0, 1, 2, 5, 7, 9, 50, -3, -20])
            keys = chance.sample(known, chance.choice([1, 1, 2]))
            steps.append(
                (chance.randrange(6), chance.random(), chance.choice(list(Outcome)), keys, now)
            )
        async with servers.open_all() as (memory, *others):
            wanted = await replay_long(memory, known, steps)
            for store in others:
                assert await replay_long(store, known, steps) == wanted, store


async def replay_long(store: Store, known: Any, steps: Any) -> list[object]:
    """Carry out a history, in which each charge is settled at most once."""
    attempts = store.attempts
    answers: list[object] = []
    receipts: list[Receipt] = []
    for turn, (step, pick, outcome, keys, now) in enumerate(steps):
        if step <= 2:
            charge = await attempts.charge(keys, ticket=build_ticket(turn), now=now)
            answers.append(charge)
            if isinstance(charge, Admitted):
                receipts.append(charge.receipt)
        elif step <= 4 and receipts:
            receipt = receipts.pop(int(pick * len(receipts)))
            answers.append(await attempts.settle(receipt, outcome, now=now))
        elif step == 5:
            await attempts.add_failure(keys, now=now)
        answers.append(await attempts.status(known, now=now))
    return answers


@pytest.mark.anyio
async def test_S30_a_session_is_not_put_in_the_place_of_two(servers: Servers) -> None:
    one, two = build_session("one"), build_session("two")
    async with servers.open_all() as stores:
        for store in stores:
            for record in (one, two):
                await store.sessions.create(record, now=START)
            assert await store.sessions.replace(one.digest, two, now=START) == Conflict(one)
            assert await store.sessions.load(two.digest, now=START) == two
