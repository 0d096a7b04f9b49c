"""How a connection is opened, and what of its errors comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg  # type: ignore[import-untyped]

from asgi_security.errors import StorageError
from asgi_security.storage.postgres.schema import migrate

if TYPE_CHECKING:
    from asgi_security.storage.postgres.options import Options

Connection = asyncpg.Connection

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError, TypeError)
"""What asyncpg raises: also for arguments that no column of theirs can hold."""

UNDONE = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""What the server undid on its own account, so that asking again is safe and likely to help."""

_ASKING_FAILED = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)


async def connect(options: Options) -> Connection:
    """Return a new connection.

    Raises:
        StorageError: The URL says something that asyncpg does not understand.
    """
    settings = {}
    if options.statement_cache_size:
        # Behind PgBouncer there are none: it refuses start-up parameters that it does not know.
        settings = {
            "default_transaction_isolation": "read committed",
            "jit": "off",
            "statement_timeout": str(max(1, int(options.timeout_seconds * 1000))),
        }
    try:
        return await asyncpg.connect(
            options.url.reveal().decode(),
            timeout=None,  # whoever waits has a bound of its own
            statement_cache_size=options.statement_cache_size,
            max_cached_statement_lifetime=0,
            server_settings=settings,
        )
    except (asyncpg.ClientConfigurationError, ValueError, TypeError) as error:
        # Its text may quote the URL, and with it the password.
        raise StorageError(f"asyncpg refuses the URL: {type(error).__name__}") from None


async def prepare(options: Options) -> Connection:
    """Return a new connection to a database whose tables are of this version."""
    connection = await connect(options)
    try:
        await migrate(connection, options.schema)
    except BaseException:
        connection.terminate()
        raise
    return connection


def translate(error: BaseException) -> StorageError:
    """Return what comes out of a store in the place of a driver's error."""
    if isinstance(error, StorageError):
        return error
    text = f"PostgreSQL failed: {type(error).__name__}"
    if isinstance(error, _ASKING_FAILED):
        text += "; behind PgBouncer give statement_cache_size=0"
    return StorageError(text)


def is_usable(connection: Connection, error: asyncpg.PostgresError) -> bool:
    """Tell whether a connection can be used again after an error of its last statement."""
    # After a failover an old connection may lead to a server that only reads: the next leads on.
    return not connection.is_closed() and not isinstance(error, asyncpg.ReadOnlySQLTransactionError)
