"""How a connection is opened and closed, and what comes out of a store for its errors."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import asyncpg  # type: ignore[import-untyped]

from asgi_security.errors import StorageError

if TYPE_CHECKING:
    from asgi_security.storage.postgres.options import Options

UNDONE = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""What the server has undone on its own account: asking again is safe, and likely to help."""

_LOST_STATEMENTS = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)

_SPOILT = ("08", "25006", "57P", "XX")
"""Codes after which a connection is given up: its server ends, or turned into one for reading."""


async def connect(options: Options) -> Any:
    """Return a new connection.

    Raises:
        StorageError: The URL says something that asyncpg does not understand.
    """
    settings = {}
    if options.statement_cache_size:
        # None behind PgBouncer: it refuses start-up parameters that it does not know.
        settings = {
            "default_transaction_isolation": "read committed",
            "jit": "off",
            "statement_timeout": str(max(1, int(options.timeout_seconds * 1000))),
        }
    try:
        return await asyncpg.connect(
            options.url.reveal().decode(),
            timeout=3600,  # whoever waits has a bound of its own
            statement_cache_size=options.statement_cache_size,
            max_cached_statement_lifetime=0,
            server_settings=settings,
        )
    except (asyncpg.InterfaceError, ValueError, TypeError) as error:
        # Its text may quote the URL, and with it the password.
        raise StorageError(f"asyncpg refuses the URL: {type(error).__name__}") from None


async def close(connection: Any, timeout_seconds: float) -> None:
    """Cancel what a connection still waits for, and close it."""
    try:
        with suppress(Exception):  # it is given up anyway
            await connection.close(timeout=min(1.0, timeout_seconds))
    finally:
        connection.terminate()


def translate(error: Exception, timeout_seconds: float) -> StorageError:
    """Return what comes out of a store in the place of a driver's error."""
    if isinstance(error, (TimeoutError, asyncpg.QueryCanceledError)):
        return StorageError(f"PostgreSQL did not answer within {timeout_seconds:g} s")
    text = f"PostgreSQL failed: {type(error).__name__}"
    if isinstance(error, _LOST_STATEMENTS):
        text += "; behind PgBouncer give statement_cache_size=0"
    return StorageError(text)


def is_usable(connection: Any, error: BaseException) -> bool:
    """Tell whether a connection can go on after an error of its last statement."""
    if connection.is_closed() or not isinstance(error, asyncpg.PostgresError):
        return False
    return not (error.sqlstate or "").startswith(_SPOILT)
