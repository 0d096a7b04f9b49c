"""What a `SessionStore` must do with the sessions of one user."""
# ruff: noqa: N802 -- the names cite the numbers of the specification

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from asgi_security.testing.contracts.expecting import START, build_session, expect

if TYPE_CHECKING:
    from asgi_security.storage.protocols import SessionStore


class HasSessions(Protocol):
    """A store, as far as this contract uses it."""

    @property
    def sessions(self) -> SessionStore:
        """The facet under test."""
        ...


class SessionLists:
    """Listing and revoking."""

    async def test_S35_list(self, store: HasSessions) -> None:
        """A user's live sessions come with the one seen last first, nobody else's."""
        sessions = store.sessions
        records = [build_session(f"{number}", seen_at=START + number) for number in range(3)]
        ended = build_session("ended", idle_expires_at=START + 5)
        for record in (*records, ended, build_session("bob's", user="bob")):
            await sessions.create(record, now=START)
        expect(await sessions.list_for("ada", now=START + 5), tuple(reversed(records)))
        expect(await sessions.list_for("nobody", now=START + 5), ())

    async def test_S35_revoke_by_handle(self, store: HasSessions) -> None:
        """A handle revokes only for the user whose session it names."""
        sessions = store.sessions
        record = build_session()
        await sessions.create(record, now=START)
        expect(await sessions.delete_handle("bob", record.handle), wanted=False)
        expect(await sessions.load(record.digest, now=START), record)
        expect(await sessions.delete_handle("ada", "unknown"), wanted=False)
        expect(await sessions.delete_handle("ada", record.handle), wanted=True)
        expect(await sessions.load(record.digest, now=START), None)
        expect(await sessions.delete_handle("ada", record.handle), wanted=False)

    async def test_S35_revoke_others_and_all(self, store: HasSessions) -> None:
        """All but one, then all; other users keep theirs."""
        sessions = store.sessions
        records = [build_session(f"{number}") for number in range(4)]
        bob = build_session("bob's", user="bob")
        for record in (*records, bob):
            await sessions.create(record, now=START)
        expect(await sessions.delete_for("ada", keep=records[2].digest), 3)
        expect(await sessions.list_for("ada", now=START), (records[2],))
        expect(await sessions.delete_for("ada"), 1)
        expect(await sessions.delete_for("ada"), 0)
        expect(await sessions.load(bob.digest, now=START), bob)

    async def test_S32_delete(self, store: HasSessions) -> None:
        """A deleted session is gone for every way to reach it."""
        sessions = store.sessions
        record = build_session()
        await sessions.create(record, now=START)
        expect(await sessions.delete(record.digest), wanted=True)
        expect(await sessions.load(record.digest, now=START), None)
        expect(await sessions.list_for("ada", now=START), ())
