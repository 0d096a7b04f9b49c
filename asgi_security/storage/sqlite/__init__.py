"""The SQLite backend: the embedded default, one file for all processes of one machine."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from asgi_security.errors import StorageError
from asgi_security.storage.facets import FacetStore
from asgi_security.storage.sqlite.accounts import SqliteAccounts
from asgi_security.storage.sqlite.api_keys import SqliteApiKeys
from asgi_security.storage.sqlite.attempts import SqliteAttempts
from asgi_security.storage.sqlite.audit import SqliteAudit
from asgi_security.storage.sqlite.connecting import Opening
from asgi_security.storage.sqlite.inspecting import inspect_file
from asgi_security.storage.sqlite.once import SqliteOnce
from asgi_security.storage.sqlite.refresh import SqliteRefresh
from asgi_security.storage.sqlite.revocations import SqliteRevocations
from asgi_security.storage.sqlite.schema import render_migrations
from asgi_security.storage.sqlite.sessions import SqliteSessions
from asgi_security.storage.sqlite.throttles import SqliteThrottles
from asgi_security.storage.sqlite.worker import Worker
from asgi_security.validation import Findings

if TYPE_CHECKING:
    from typing import Unpack

    from asgi_security.storage.facets import Facets
    from asgi_security.storage.inspecting import Observation
    from asgi_security.storage.sqlite.connecting import Durability

__all__ = ["SqliteStore", "render_migrations"]

_MIGRATION_SECONDS = 60.0
"""How long another process may hold the file before a migration gives up."""


class SqliteStore(FacetStore):
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
        **facets: Unpack[Facets],
    ) -> None:
        self._path = os.fspath(path)
        findings = Findings("SqliteStore")
        if not self._path or self._path == ":memory:" or "\0" in self._path:
            hint = "give the path of a file, or use a MemoryStore"
            findings.add("path", self._path, "not a file that processes can share", hint)
        findings.check_number("timeout_seconds", timeout_seconds, minimum=0.001, maximum=3600)
        findings.check_choice("durability", durability, ("full", "normal"))
        findings.raise_if_any()
        self._looking = Opening(self._path, timeout_seconds, durability, read_only=True)
        self._writer = Worker(replace(self._looking, read_only=False))
        self._reader = Worker(self._looking)
        own = {
            "attempts": SqliteAttempts(self._writer, self._reader),
            "revocations": SqliteRevocations(self._writer, self._reader),
            "sessions": SqliteSessions(self._writer, self._reader),
            "once": SqliteOnce(self._writer),
            "throttles": SqliteThrottles(self._writer),
            "audit": SqliteAudit(self._writer, self._reader),
            "refresh": SqliteRefresh(self._writer, self._reader),
            "accounts": SqliteAccounts(self._writer, self._reader),
            "api_keys": SqliteApiKeys(self._writer, self._reader),
        }
        self._install(own, facets)

    def __repr__(self) -> str:
        return f"SqliteStore({self._path!r})"

    async def migrate(self) -> None:
        """Make the file, or bring its tables to this version; the first operation does the same.

        Raises:
            StorageError: They are of a newer version or another program's, or the file failed.
        """
        # Not in the worker, whose callers have a bound: a long migration would be cut off.
        opening = replace(self._looking, timeout_seconds=_MIGRATION_SECONDS, read_only=False)
        try:
            await anyio.to_thread.run_sync(lambda: opening.open().close())
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"SQLite failed: {type(error).__name__}") from error

    def render_migrations(self, *, version: int = 0) -> str:
        """Return the SQL that leads from a file of `version` to this one."""
        return render_migrations(version=version)

    async def inspect(self, *, now: float) -> tuple[Observation, ...]:
        """Look at the file: mode, tables, journal, integrity. Nothing is changed.

        Raises:
            StorageError: It is no database, or cannot be read.
        """
        del now  # the clock is this machine's
        return await anyio.to_thread.run_sync(inspect_file, self._looking)

    async def aclose(self) -> None:
        """End both threads and close their connections; an operation after that opens again."""
        # Shielded: a server that shuts down cancels, and threads would be left behind.
        with anyio.CancelScope(shield=True):
            try:
                await self._reader.aclose()
            finally:
                await self._writer.aclose()
