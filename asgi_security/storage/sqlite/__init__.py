"""The SQLite backend: the embedded default, one file for all processes of one machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio

from asgi_security.storage.closing import Closing
from asgi_security.storage.sqlite.attempts import SqliteAttempts
from asgi_security.storage.sqlite.connecting import Opening
from asgi_security.storage.sqlite.once import SqliteOnce
from asgi_security.storage.sqlite.revocations import SqliteRevocations
from asgi_security.storage.sqlite.schema import render_migrations
from asgi_security.storage.sqlite.sessions import SqliteSessions
from asgi_security.storage.sqlite.throttles import SqliteThrottles
from asgi_security.storage.sqlite.worker import Worker
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from asgi_security.storage.protocols import (
        AttemptStore,
        OneTimeStore,
        RevocationStore,
        SessionStore,
        ThrottleStore,
    )
    from asgi_security.storage.sqlite.connecting import Durability

__all__ = ["SqliteStore", "render_migrations"]

SWEEP_BATCH = 500


class SqliteStore(Closing):
    """All facets in one SQLite file, in WAL mode, shared by any number of processes.

    The file is on a local disk (WAL needs shared memory) and is created at the first operation,
    readable by this user only. What an operation has answered is committed; with
    `durability="full"` it also outlives the power going, with `"normal"` the last moments may not.
    An operation that takes longer than `timeout_seconds`, other processes' locks included, raises
    `StorageError`.

    The clock is that of the machine the file is on, for all its processes: there is no skew between
    them to check for.

    A facet given as a keyword takes the place of the store's own; it is neither swept nor closed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        timeout_seconds: float = 1.0,
        durability: Durability = "full",
        attempts: AttemptStore | None = None,
        revocations: RevocationStore | None = None,
        sessions: SessionStore | None = None,
        once: OneTimeStore | None = None,
        throttles: ThrottleStore | None = None,
    ) -> None:
        self._path = os.fspath(path)
        findings = Findings("SqliteStore")
        if not self._path or self._path == ":memory:" or "\0" in self._path:
            hint = "give the path of a file, or use a MemoryStore"
            findings.add("path", self._path, "not a file that processes can share", hint)
        findings.check_number("timeout_seconds", timeout_seconds, minimum=0.001, maximum=3600)
        findings.check_choice("durability", durability, ("full", "normal"))
        findings.raise_if_any()
        self._writer = Worker(Opening(self._path, timeout_seconds, durability, read_only=False))
        self._reader = Worker(Opening(self._path, timeout_seconds, durability, read_only=True))
        own_attempts = SqliteAttempts(self._writer, self._reader)
        own_revocations = SqliteRevocations(self._writer, self._reader)
        own_sessions = SqliteSessions(self._writer, self._reader)
        own_once = SqliteOnce(self._writer)
        own_throttles = SqliteThrottles(self._writer)
        self._own = (own_attempts, own_revocations, own_sessions, own_once, own_throttles)
        self.attempts: AttemptStore = own_attempts if attempts is None else attempts
        self.revocations: RevocationStore = own_revocations if revocations is None else revocations
        self.sessions: SessionStore = own_sessions if sessions is None else sessions
        self.once: OneTimeStore = own_once if once is None else once
        self.throttles: ThrottleStore = own_throttles if throttles is None else throttles

    def __repr__(self) -> str:
        return f"SqliteStore({self._path!r})"

    async def sweep(self, *, now: float) -> int:
        """Remove what has expired, each batch of 500 in a transaction of its own."""
        total = 0
        for facet in self._own:
            while removed := await facet.sweep(now, SWEEP_BATCH):
                total += removed
        return total

    async def aclose(self) -> None:
        """End both threads and close their connections; an operation after that opens again."""
        # Shielded: a server that shuts down cancels, and threads would be left behind.
        with anyio.CancelScope(shield=True):
            try:
                await self._reader.aclose()
            finally:
                await self._writer.aclose()
