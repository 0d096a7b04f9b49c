"""Looks at a database: its version, its clock, and what it does to keep what it has committed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asgi_security.errors import StorageError
from asgi_security.storage.inspecting import (
    Observation,
    observe_clock,
    observe_settings,
    observe_version,
)
from asgi_security.storage.postgres.connecting import close, connect, translate
from asgi_security.storage.postgres.schema import VERSION, find_version
from asgi_security.storage.postgres.watching import CLOCK

if TYPE_CHECKING:
    from asgi_security.storage.postgres.options import Options

_LEAST_VERSION = 14

_SETTINGS = """
    SELECT name, setting FROM pg_settings WHERE name IN ('server_version_num', 'fsync',
        'synchronous_commit', 'full_page_writes', 'transaction_isolation', 'statement_timeout')
    UNION ALL SELECT 'in_recovery', pg_is_in_recovery()::text
    UNION ALL SELECT 'read_only', current_setting('transaction_read_only')"""

_CUT = "what was acknowledged may be gone after a crash"
_WANTED = (
    ("fsync", ("on",), _CUT),
    ("full_page_writes", ("on",), "a crash may leave a page half written"),
    ("synchronous_commit", ("on", "local", "remote_write", "remote_apply"), _CUT),
    ("transaction_isolation", ("read committed",), "operations fail when they race"),
    ("in_recovery", ("false",), "a standby takes no writes"),
    ("read_only", ("off",), "it takes no writes"),
)


async def inspect_database(options: Options, now: float) -> tuple[Observation, ...]:
    """Look at the database of a store, on a connection of its own.

    Raises:
        StorageError: It could not be reached or asked within the store's time bound.
    """
    began_at = asyncio.get_running_loop().time()
    connection = None
    try:
        async with asyncio.timeout(options.timeout_seconds):
            connection = await connect(options)
            return await _look(connection, options, now, began_at)
    except StorageError:
        raise
    except Exception as error:
        raise translate(error, options.timeout_seconds) from error
    finally:
        if connection is not None:
            await close(connection, options.timeout_seconds)


async def _look(
    connection: Any, options: Options, now: float, began_at: float
) -> tuple[Observation, ...]:
    loop = asyncio.get_running_loop()
    asked_at = loop.time()
    server_time = await connection.fetchval(CLOCK)
    passed = loop.time() - asked_at
    found = dict(await connection.fetch(_SETTINGS))
    version = await find_version(connection, options.schema)
    return (
        _observe_server(int(found["server_version_num"])),
        observe_version(version, VERSION),
        observe_clock(server_time - now - (asked_at - began_at), passed),
        *observe_settings(found, _WANTED),
        _observe_bound(found["statement_timeout"]),
    )


def _observe_server(number: int) -> Observation:
    version = number // 10_000
    if version < _LEAST_VERSION:
        told = f"PostgreSQL {version}; {_LEAST_VERSION} or later is needed"
        return Observation("server", told, is_bad=True)
    return Observation("server", f"PostgreSQL {version}")


def _observe_bound(milliseconds: str) -> Observation:
    if milliseconds == "0":
        # Behind PgBouncer no start-up parameter can set it.
        told = "none; what nobody waits for goes on; ALTER ROLE ... SET statement_timeout = '1s'"
        return Observation("statement_timeout", told, is_bad=True)
    return Observation("statement_timeout", f"{milliseconds} ms")
