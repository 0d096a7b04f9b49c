"""Families of refresh tokens in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.storage.refresh_steps import (
    StoredFamily,
    check_repeated,
    decide_advance,
    list_live,
)
from asgi_security.storage.sqlite.refresh_tables import COLUMNS, SELECT, load, put, read_row

if TYPE_CHECKING:
    import sqlite3

    from asgi_security.storage.protocols.refresh import Advance, RefreshFamily
    from asgi_security.storage.sqlite.worker import Worker

LIST = f"{SELECT} WHERE subject = ? AND expires_at > ?"
REVOKE = f"DELETE FROM refresh_families WHERE digest = ? AND NOT is_ended RETURNING {COLUMNS}"  # noqa: S608 -- constants
REVOKE_HANDLE = "DELETE FROM refresh_families WHERE subject = ? AND handle = ? AND NOT is_ended"
REVOKE_SUBJECT = f"""
    DELETE FROM refresh_families WHERE subject = ? AND handle IS NOT ?
    RETURNING {COLUMNS}, expires_at"""  # noqa: S608 -- constants
SWEEP = """
    DELETE FROM refresh_families WHERE digest IN (
        SELECT digest FROM refresh_families WHERE expires_at <= ? LIMIT ?)"""


class SqliteRefresh:
    """A `RefreshStore`: each operation one transaction."""

    def __init__(self, writer: Worker, reader: Worker) -> None:
        self._writer = writer
        self._reader = reader

    async def open_family(self, family: RefreshFamily, *, now: float) -> None:
        """Store a new family."""

        def step(connection: sqlite3.Connection) -> None:
            if not check_repeated(load(connection, family.digest, now), family):
                put(connection, StoredFamily(family))

        await self._writer.run(step)

    async def advance(
        self,
        digest: bytes,
        generation: int,
        *,
        grace_seconds: float,
        idle_expires_at: float,
        now: float,
    ) -> Advance:
        """Use up the token of `generation`.

        Atomic because the writer's transaction holds the file's write lock before it reads.
        """

        def step(connection: sqlite3.Connection) -> Advance:
            answer, change = decide_advance(
                load(connection, digest, now),
                generation,
                grace_seconds=grace_seconds,
                idle_expires_at=idle_expires_at,
                now=now,
            )
            if change is not None:
                put(connection, change)
            return answer

        return await self._writer.run(step)

    async def load_family(self, digest: bytes, *, now: float) -> RefreshFamily | None:
        """Return the live family, or None; one that ended by reuse is None."""
        stored = await self._reader.run(lambda connection: load(connection, digest, now))
        return None if stored is None or stored.is_ended else stored.family

    async def revoke_family(self, digest: bytes) -> RefreshFamily | None:
        """End a family and return it as it was."""

        def step(connection: sqlite3.Connection) -> RefreshFamily | None:
            found = connection.execute(REVOKE, (digest,)).fetchall()
            return read_row(found[0]).family if found else None

        return await self._writer.run(step)

    async def revoke_handle(self, subject: str, handle: str) -> bool:
        """End the subject's family of that handle."""

        def step(connection: sqlite3.Connection) -> bool:
            return connection.execute(REVOKE_HANDLE, (subject, handle)).rowcount > 0

        return await self._writer.run(step)

    async def revoke_subject(
        self, subject: str, *, keep: str | None = None, now: float
    ) -> tuple[str, ...]:
        """End all of the subject's families but that of handle `keep`."""

        def step(connection: sqlite3.Connection) -> tuple[str, ...]:
            found = connection.execute(REVOKE_SUBJECT, (subject, keep)).fetchall()
            live = list_live([read_row(row) for *row, expires_at in found if now < expires_at])
            return tuple([family.handle for family in live])

        return await self._writer.run(step)

    async def list_for(self, subject: str, *, now: float) -> tuple[RefreshFamily, ...]:
        """Return the subject's live families, the one advanced last first."""

        def step(connection: sqlite3.Connection) -> tuple[RefreshFamily, ...]:
            return list_live([read_row(row) for row in connection.execute(LIST, (subject, now))])

        return await self._reader.run(step)

    async def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` families that have expired, in one transaction."""
        return await self._writer.run(
            lambda connection: connection.execute(SWEEP, (now, limit)).rowcount
        )
