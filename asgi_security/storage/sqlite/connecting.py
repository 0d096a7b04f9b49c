"""Opens connections of one kind: WAL, durable, with a bound on every wait."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Literal

from asgi_security.errors import StorageError
from asgi_security.storage.sqlite.schema import migrate

_creating = threading.Lock()

Durability = Literal["full", "normal"]


@dataclass(frozen=True, slots=True)
class Opening:
    """What it takes to open a connection, without any reference to the store that wants it."""

    path: str
    timeout_seconds: float
    durability: Durability
    read_only: bool

    @property
    def begin(self) -> str:
        """The statement that begins a transaction.

        IMMEDIATE takes the write lock before anything is read: a deferred transaction that reads
        first cannot wait for the lock and fails in a race.
        """
        return "BEGIN" if self.read_only else "BEGIN IMMEDIATE"

    def open(self) -> sqlite3.Connection:
        """Return a connection to a file of this version, which is created if it is missing."""
        self._create()
        connection = sqlite3.connect(
            self.path, timeout=self.timeout_seconds, isolation_level=None, cached_statements=128
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _create(self) -> None:
        """Make a missing file readable by this user alone, as its -wal and -shm then are too.

        Sessions are personal data. A file that is there keeps the mode that it was given, and is
        not even opened: closing a file drops all locks this process has on it, SQLite's included.
        """
        with _creating, suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))

    def _prepare(self, connection: sqlite3.Connection) -> None:
        self._enter_wal(connection)
        # FULL: in WAL mode NORMAL may lose the last commits when the power goes, and an attempt
        # or a logout that was acknowledged must stay.
        level = "FULL" if self.durability == "full" else "NORMAL"
        connection.execute(f"PRAGMA synchronous = {level}")
        migrate(connection)
        if self.read_only:
            connection.execute("PRAGMA query_only = ON")

    def _enter_wal(self, connection: sqlite3.Connection) -> None:
        deadline = time.monotonic() + self.timeout_seconds
        while True:
            try:
                with closing(connection.execute("PRAGMA journal_mode = WAL")) as cursor:
                    mode = cursor.fetchone()[0]
            except sqlite3.OperationalError as error:
                # Changing the mode fails at once when another process does the same: the busy
                # handler is not asked, lest two that both hold a read lock wait for ever.
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() >= deadline:
                    raise
                time.sleep(0.005)
                continue
            if mode != "wal":
                raise StorageError(f"the file cannot be in WAL mode; SQLite keeps it in {mode!r}")
            return
