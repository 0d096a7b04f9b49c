"""What concurrent callers do to a facet, and a model of what it answers if one comes at a time.

The models are written from the protocols and know no line of the stores. To add a facet, write a
`Subject` and put it into `SUBJECTS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asgi_security.storage.protocols import (
    Conflict,
    FamilyGone,
    LockoutSchedule,
    Outcome,
    Receipt,
    RefreshFamily,
    Retried,
    Reused,
    Rotated,
    Saved,
    ThrottleRule,
)
from asgi_security.testing.contracts.expecting import (
    START,
    build_account,
    build_digest,
    build_session,
    build_ticket,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from asgi_security.storage.protocols import SessionRecord, Store
    from tests.storage.linearizing import Step

LATER = START + 3600


@dataclass(frozen=True, slots=True)
class Subject:
    """A facet as its callers see it: what one may ask, how it is asked, and what is answered."""

    name: str
    draw: Callable[[Random], Any]
    run: Callable[[Store, str, Any], Awaitable[object]]
    step: Step
    state: Any
    prepare: Callable[[Store, str], Awaitable[object]] | None = None

    def __str__(self) -> str:
        return self.name


THRESHOLD = 3
SCHEDULE = LockoutSchedule(THRESHOLD, 900.0, (30.0,))


def draw_attempt(chance: Random) -> Any:
    ticket = chance.randrange(5)
    if chance.random() < 0.5:
        return ("charge", ticket, None)
    return ("settle", ticket, chance.choice(list(Outcome)))


async def attempt(store: Store, name: str, act: Any) -> object:
    what, number, outcome = act
    keys, ticket = (build_account(name, schedule=SCHEDULE),), build_ticket(f"{name} {number}")
    if what == "charge":
        answer = await store.attempts.charge(keys, ticket=ticket, now=START)
        return type(answer).__name__
    settled = await store.attempts.settle(Receipt(ticket, keys, START), outcome, now=START)
    return None if settled is None else (settled.before[0].failures, settled.after[0].failures)


def step_attempt(state: Any, act: Any) -> tuple[object, Any]:
    """The state: the next place in the line, the places of open tickets, those of failures."""
    place, charged, failed = state
    what, ticket, outcome = act
    places = dict(charged)
    if what == "charge":
        if ticket in places:
            return "Admitted", state
        if len(failed) >= THRESHOLD:
            return "Locked", state
        if len(places) >= THRESHOLD - len(failed):
            return "Busy", state
        return "Admitted", (place + 1, (*charged, (ticket, place)), failed)
    if ticket not in places:
        return None, state
    own = places.pop(ticket)
    if outcome is Outcome.FAILURE:
        after = (*failed, own)
    elif outcome is Outcome.REFUND:
        after = failed
    else:  # it forgets all that was charged up to it
        after = tuple(each for each in failed if each > own)
        places = {other: each for other, each in places.items() if each > own}
    return (len(failed), len(after)), (place, tuple(places.items()), after)


def draw_once(chance: Random) -> Any:
    return chance.choice(
        [("put", chance.randrange(9)), ("take", None), ("take", None), ("claim", None)]
    )


async def once(store: Store, name: str, act: Any) -> object:
    what, number = act
    digest = build_digest(name)
    if what == "put":
        value = str(number).encode()
        await store.once.put("k", digest, value, expires_at=LATER, now=START)
        return None
    if what == "take":
        value_or_none = await store.once.take("k", digest, now=START)
        return None if value_or_none is None else int(value_or_none)
    return await store.once.claim("k", digest, expires_at=LATER, now=START)


def step_once(state: Any, act: Any) -> tuple[object, Any]:
    value, claimed = state
    what, number = act
    if what == "put":
        return None, (number, claimed)
    if what == "take":
        return value, (None, claimed)
    return not claimed, (value, True)


SLOTS = ("a", "b", "c")


def draw_session(chance: Random) -> Any:
    what = chance.choice(["load", "save", "replace", "replace", "delete"])
    slot, other = chance.sample(SLOTS, 2)
    return (what, slot, other, chance.randrange(1, 4), chance.randrange(1000))


def build_record(name: str, slot: str, version: int, data: int) -> SessionRecord:
    return build_session(
        f"{name} {slot}", handle=name, user=name, version=version, data=str(data).encode()
    )


async def session(store: Store, name: str, act: Any) -> object:
    what, slot, other, version, data = act
    digest = build_digest(f"{name} {slot}")
    if what == "load":
        found = await store.sessions.load(digest, now=START)
        return None if found is None else (found.version, int(found.data))
    if what == "delete":
        return await store.sessions.delete(digest)
    if what == "save":
        answer = await store.sessions.save(build_record(name, slot, version, data), now=START)
    else:
        record = build_record(name, other, version, data)
        answer = await store.sessions.replace(digest, record, now=START)
    if isinstance(answer, Saved):
        return ("saved", answer.version)
    if isinstance(answer, Conflict):
        return ("conflict", answer.current.version, int(answer.current.data))
    return ("gone",)


def step_session(state: Any, act: Any) -> tuple[object, Any]:
    """The state: version and data of each slot that lives."""
    what, slot, other, version, data = act
    living = dict(state)
    current = living.get(slot)
    if what == "load":
        return current, state
    if what == "delete":
        living.pop(slot, None)
        return current is not None, tuple(sorted(living.items()))
    wanted = (version + 1, data)
    if what == "save":
        if current is None:
            return ("gone",), state
        if current == wanted:
            return ("saved", version + 1), state
        if current[0] != version:
            return ("conflict", *current), state
        living[slot] = wanted
        return ("saved", version + 1), tuple(sorted(living.items()))
    if current is None:
        return (("saved", version + 1) if living.get(other) == wanted else ("gone",)), state
    if current[0] != version or other in living:
        return ("conflict", *current), state
    del living[slot]
    living[other] = wanted
    return ("saved", version + 1), tuple(sorted(living.items()))


async def begin_session(store: Store, name: str) -> None:
    await store.sessions.create(build_record(name, "a", 1, 0), now=START)


def draw_revocation(chance: Random) -> Any:
    number = chance.randrange(3)
    if chance.random() < 0.5:
        return ("revoke", number, float(chance.randrange(4)))
    asked = tuple(chance.sample(range(3), chance.randrange(1, 4)))
    return ("ask", asked, float(chance.randrange(4)))


async def revocation(store: Store, name: str, act: Any) -> object:
    """Ids 0 and 1, and for 2 a subject."""
    what, which, seconds = act
    digests = [build_digest(f"{name} {number}") for number in range(3)]
    if what == "ask":
        return await store.revocations.is_revoked(
            [digests[number] for number in which if number < 2],
            subject=digests[2] if 2 in which else None,
            issued_at=START,
            now=START + seconds,
        )
    at = START + seconds
    if which == 2:
        await store.revocations.revoke_subject(digests[2], before=START, expires_at=at)
    else:
        await store.revocations.revoke(digests[which], expires_at=at)
    return None


def step_revocation(state: Any, act: Any) -> tuple[object, Any]:
    """The state: until when each is revoked."""
    what, which, seconds = act
    if what == "ask":
        return any(seconds < state[number] for number in which), state
    until = list(state)
    until[which] = max(until[which], seconds)
    return None, tuple(until)


QUOTA = 4


async def throttle(store: Store, name: str, act: Any) -> object:
    rule = ThrottleRule(QUOTA, 3600.0)
    state = await store.throttles.take(build_digest(name), rule, now=START, cost=act)
    return state.admitted, state.remaining


def step_throttle(state: Any, act: Any) -> tuple[object, Any]:
    left = state - act
    return ((True, left), left) if left >= 0 else ((False, state), state)


GRACE_SECONDS = 30.0


async def begin_family(store: Store, name: str) -> None:
    family = RefreshFamily(build_digest(name), name, name, b"{}", START, START, LATER, LATER)
    await store.refresh.open_family(family, now=START)


def draw_refresh(chance: Random) -> Any:
    # Some come when the grace is over: only then is the token before the last one reused.
    late = chance.random() < 0.1
    return chance.choice(
        [*[("advance", chance.randrange(4), late)] * 8, ("load", 0, late), ("revoke", 0, late)]
    )


async def refresh(store: Store, name: str, act: Any) -> object:
    what, generation, late = act
    digest, now = build_digest(name), START + (GRACE_SECONDS if late else 0)
    if what == "load":
        found = await store.refresh.load_family(digest, now=now)
        return None if found is None else found.generation
    if what == "revoke":
        revoked = await store.refresh.revoke_family(digest)
        return None if revoked is None else revoked.generation
    answer = await store.refresh.advance(
        digest, generation, grace_seconds=GRACE_SECONDS, idle_expires_at=LATER, now=now
    )
    match answer:
        case Rotated(family):
            return ("rotated", family.generation)
        case Retried(family):
            return ("retried", family.generation)
        case Reused(family, age, is_first):
            return ("reused", family.generation, age, is_first)
        case FamilyGone():
            return ("gone",)


def step_refresh(state: Any, act: Any) -> tuple[object, Any]:
    """The state: generation, whether the last advance was late, and how the family is."""
    generation, was_late, life = state
    what, given, late = act
    if what == "load":
        return (generation if life == "alive" else None), state
    if what == "revoke":
        if life != "alive":
            return None, state
        return generation, (generation, was_late, "gone")
    if life == "gone" or given > generation:
        return ("gone",), state
    age = generation - given
    if life == "ended":
        return ("reused", generation, age, False), state
    if age == 0:
        return ("rotated", generation + 1), (generation + 1, late, "alive")
    if age == 1 and (was_late or not late):
        return ("retried", generation), state
    return ("reused", generation, age, True), (generation, was_late, "ended")


SUBJECTS = (
    Subject("attempts", draw_attempt, attempt, step_attempt, (0, (), ())),
    Subject("once", draw_once, once, step_once, (None, False)),
    Subject(
        "sessions", draw_session, session, step_session, (("a", (1, 0)),), prepare=begin_session
    ),
    Subject("revocations", draw_revocation, revocation, step_revocation, (0.0, 0.0, 0.0)),
    Subject("throttles", lambda chance: chance.randrange(1, 3), throttle, step_throttle, QUOTA),
    Subject(
        "refresh", draw_refresh, refresh, step_refresh, (0, False, "alive"), prepare=begin_family
    ),
)
