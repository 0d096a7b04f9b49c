"""What a `SessionStore` must do."""
# ruff: noqa: N802 -- the names cite the numbers of the specification

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from asgi_security.storage.protocols import Conflict, Created, Gone, LimitReached, Saved
from asgi_security.testing.contracts.expecting import (
    START,
    build_digest,
    build_session,
    expect,
    race,
)
from asgi_security.testing.contracts.session_lists import SessionLists

if TYPE_CHECKING:
    from asgi_security.testing.contracts.session_lists import HasSessions


class SessionContract(SessionLists):
    """A `SessionStore`, rule by rule."""

    async def test_S28_loads_what_was_created(self, store: HasSessions) -> None:
        """Every field comes back; creating again is fine; an unknown digest is absent."""
        sessions = store.sessions
        record = build_session(user_agent="Älter/1.0", data=b"\x00\xff")
        bare = build_session("bare", user=None, client=None, user_agent="")
        for _ in range(2):
            expect(await sessions.create(record, now=START), Created())
            expect(await sessions.create(bare, now=START), Created())
        expect(await sessions.load(record.digest, now=START), record)
        expect(await sessions.load(bare.digest, now=START), bare)
        expect(await sessions.load(build_digest("unknown"), now=START), None)

    async def test_S25_two_clocks(self, store: HasSessions) -> None:
        """Touched every 20 minutes it lives until its absolute end, no further."""
        sessions = store.sessions
        record = build_session()
        await sessions.create(record, now=START)
        expect(await sessions.load(record.digest, now=START + 1799.5), record)
        expect(await sessions.load(record.digest, now=START + 1800), None)
        at = START
        while at + 1200 < START + 43_200:
            at += 1200
            alive = await sessions.touch(
                record.digest, seen_at=at, idle_expires_at=at + 1800, now=at
            )
            expect(alive, wanted=True)
        expect(await sessions.load(record.digest, now=START + 43_200), None)
        gone = await sessions.touch(
            record.digest, seen_at=at, idle_expires_at=at + 9999, now=START + 43_200
        )
        expect(gone, wanted=False)

    async def test_S26_touch_never_goes_back(self, store: HasSessions) -> None:
        """A late touch with earlier instants changes nothing, nor does any touch the version."""
        sessions = store.sessions
        record = build_session()
        await sessions.create(record, now=START)
        for seen_at, idle in ((START + 60, START + 1860), (START + 5, START + 1805)):
            await sessions.touch(
                record.digest, seen_at=seen_at, idle_expires_at=idle, now=START + 60
            )
        moved = replace(record, seen_at=START + 60, idle_expires_at=START + 1860)
        expect(await sessions.load(record.digest, now=START + 60), moved)

    async def test_S34_save_is_versioned(self, store: HasSessions) -> None:
        """A save at the stored version wins, one at an older sees what is stored."""
        sessions = store.sessions
        record = build_session()
        await sessions.create(record, now=START)
        changed = replace(
            record,
            user="bob",
            data=b"new",
            seen_at=START + 1,
            idle_expires_at=START + 1801,
            handle="ignored",
            created_at=0.0,
            absolute_expires_at=START + 99_999,
            user_agent="ignored",
            client=None,
        )
        for _ in range(2):
            expect(await sessions.save(changed, now=START + 1), Saved(2), "lost answer included")
        stored = replace(
            record,
            user="bob",
            data=b"new",
            seen_at=START + 1,
            idle_expires_at=START + 1801,
            version=2,
        )
        expect(await sessions.load(record.digest, now=START + 1), stored)
        other = replace(record, data=b"other")
        expect(await sessions.save(other, now=START + 1), Conflict(stored))
        expect(await sessions.list_for("ada", now=START + 1), ())
        expect(await sessions.list_for("bob", now=START + 1), (stored,))

    async def test_S33_save_cannot_undo_a_logout(self, store: HasSessions) -> None:
        """A deleted, expired or unknown session stays gone, whatever a slow request saves."""
        sessions = store.sessions
        record = build_session()
        await sessions.create(record, now=START)
        expect(await sessions.save(record, now=START + 1800), Gone(), "expired")
        expect(await sessions.delete(record.digest), wanted=True)
        expect(await sessions.save(record, now=START), Gone())
        expect(await sessions.replace(record.digest, build_session("new"), now=START), Gone())
        touched = await sessions.touch(
            record.digest, seen_at=START, idle_expires_at=START + 1800, now=START
        )
        expect(touched, wanted=False)
        expect(await sessions.load(record.digest, now=START), None)
        expect(await sessions.load(build_digest("new"), now=START), None)
        expect(await sessions.delete(record.digest), wanted=False)

    async def test_S30_replace(self, store: HasSessions) -> None:
        """The old digest is dead, the new one lives one version on, a lost answer is repeated."""
        sessions = store.sessions
        record = build_session()
        await sessions.create(record, now=START)
        fresh = build_session("new", user="ada", data=b"kept", seen_at=START + 1)
        for _ in range(2):
            expect(await sessions.replace(record.digest, fresh, now=START + 1), Saved(2))
        stored = replace(fresh, version=2)
        expect(await sessions.load(record.digest, now=START + 1), None)
        expect(await sessions.load(fresh.digest, now=START + 1), stored)
        expect(await sessions.list_for("ada", now=START + 1), (stored,))
        stale = build_session("newer", version=1)
        expect(await sessions.replace(fresh.digest, stale, now=START + 1), Conflict(stored))
        expect(await sessions.load(stale.digest, now=START + 1), None)

    async def test_S30_replace_in_parallel(self, store: HasSessions) -> None:
        """Of 100 regenerations of one session one wins, and one session is left."""
        sessions = store.sessions
        record = build_session()
        await sessions.create(record, now=START)

        async def regenerate(number: int) -> str:
            fresh = build_session(f"new {number}")
            return type(await sessions.replace(record.digest, fresh, now=START)).__name__

        expect(Counter(await race(100, regenerate)), {"Saved": 1, "Gone": 99})
        expect(len(await sessions.list_for("ada", now=START)), 1)

    async def test_S34_saves_in_parallel(self, store: HasSessions) -> None:
        """Of 100 different saves at one version one is stored."""
        sessions = store.sessions
        record = build_session()
        await sessions.create(record, now=START)

        async def save(number: int) -> str:
            changed = replace(record, data=b"%d" % number)
            return type(await sessions.save(changed, now=START)).__name__

        expect(Counter(await race(100, save)), {"Saved": 1, "Conflict": 99})

    async def test_S36_limit(self, store: HasSessions) -> None:
        """Beyond the cap the one longest unseen goes, or the new one is refused."""
        sessions = store.sessions
        for number, seen_at in enumerate((START + 2, START + 1, START + 3)):
            record = build_session(f"{number}", seen_at=seen_at, handle=f"{number}")
            await sessions.create(record, now=START + 3, limit=3)
        fourth = build_session("4", seen_at=START + 4, handle="4")
        full = await sessions.create(fourth, now=START + 4, limit=3, evict=False)
        expect(full, LimitReached())
        expect(await sessions.load(fourth.digest, now=START + 4), None)
        expect(await sessions.create(fourth, now=START + 4, limit=3), Created(("1",)))
        expect(await sessions.create(fourth, now=START + 4, limit=3), Created())
        other = build_session("other", user="bob")
        expect(await sessions.create(other, now=START + 4, limit=1, evict=False), Created())
        fifth = build_session("5", seen_at=START + 5, handle="5")
        expect(await sessions.create(fifth, now=START + 5, limit=2), Created(("0", "2")))
        later = START + 1800 + 4
        sixth = build_session("6", seen_at=later, idle_expires_at=later + 60, handle="6")
        expect(await sessions.create(sixth, now=later, limit=1, evict=False), Created())

    async def test_S36_limit_in_parallel(self, store: HasSessions) -> None:
        """100 sign-ins at once leave as many sessions as are allowed."""
        sessions = store.sessions

        async def create(number: int) -> str:
            fresh = build_session(f"{number}", seen_at=START + number)
            evict = bool(number % 2)
            return type(await sessions.create(fresh, now=START, limit=3, evict=evict)).__name__

        await race(100, create)
        expect(len(await sessions.list_for("ada", now=START)), 3)
