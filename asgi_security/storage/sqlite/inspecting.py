"""Looks at a file: who may read it, whether it is whole, and how new its tables are."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from asgi_security.errors import StorageError
from asgi_security.storage.inspecting import (
    TABLES,
    Observation,
    observe_settings,
    observe_version,
)
from asgi_security.storage.sqlite.schema import APPLICATION_ID, VERSION

if TYPE_CHECKING:
    from asgi_security.storage.sqlite.connecting import Opening

_COMPANIONS = ("", "-wal", "-shm")
_SHOWN_FAULTS = 3


def inspect_file(opening: Opening) -> tuple[Observation, ...]:
    """Look at the file of a store, in a connection of its own.

    Raises:
        StorageError: It is no database, or cannot be read.
    """
    path = Path(opening.path)
    if not path.exists():
        told = "no such file; run `asgi-security store migrate`, or let the first operation make it"
        return (Observation(TABLES, told, is_bad=True),)
    # `rw` because it makes no file, and yet can make the -shm that reading in WAL mode needs.
    address = f"{path.absolute().as_uri()}?mode=rw"
    try:
        with closing(
            sqlite3.connect(address, uri=True, timeout=opening.timeout_seconds)
        ) as connection:
            return (
                _observe_mode(opening.path),
                *_observe_tables(connection),
                *_observe_journal(connection),
                Observation("durability", opening.durability),
                _observe_integrity(connection),
                Observation("clock", "that of this machine, for all processes of the file"),
            )
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"SQLite failed: {type(error).__name__}") from error


def _observe_mode(path: str) -> Observation:
    modes = {
        suffix: stat.S_IMODE(found.stat().st_mode)
        for suffix in _COMPANIONS
        if (found := Path(path + suffix)).exists()
    }
    shown = ", ".join(f"{mode:04o}{suffix and f' ({suffix})'}" for suffix, mode in modes.items())
    if any(mode & (stat.S_IRWXG | stat.S_IRWXO) for mode in modes.values()):
        told = f"{shown}; other users may reach it, and sessions are personal data; set it to 0600"
        return Observation("file mode", told, is_bad=True)
    return Observation("file mode", shown)


def _observe_tables(connection: sqlite3.Connection) -> list[Observation]:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if owner != APPLICATION_ID and (version or owner):
        told = "those of another program; give a path of its own"
        return [Observation(TABLES, told, is_bad=True)]
    return [observe_version(version, VERSION)]


def _observe_journal(connection: sqlite3.Connection) -> list[Observation]:
    mode = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    meaning = "readers and writers stop one another"
    return observe_settings({"journal_mode": mode}, [("journal_mode", ("wal",), meaning)])


def _observe_integrity(connection: sqlite3.Connection) -> Observation:
    lines = [str(line) for (line,) in connection.execute("PRAGMA integrity_check")]
    if lines == ["ok"]:
        return Observation("integrity", "ok")
    told = "; ".join(lines[:_SHOWN_FAULTS])
    return Observation("integrity", f"{told}; restore a backup", is_bad=True)
