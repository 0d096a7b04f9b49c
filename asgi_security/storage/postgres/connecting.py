"""How a connection is opened and closed, and what comes out of a store for its errors."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from asgi_security.errors import StorageError

if TYPE_CHECKING:
    from asgi_security.storage.postgres.options import Options

_UNDONE = {"40001", "40P01"}
_CANCELLED = "57014"
_BEHIND_PGBOUNCER = {"08P01", "26000", "42P05"}
"""What comes of named statements and start-up parameters there."""
_SPOILT = ("08", "25006", "57P", "XX")
"""Codes after which a connection is given up: its server ends, or turned into one for reading."""


async def connect(options: Options) -> Any:
    """Return a new connection.

    Raises:
        StorageError: The URL says something that asyncpg does not understand.
    """
    import asyncpg  # type: ignore[import-untyped]  # noqa: PLC0415 -- an extra, and not light

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
    code = _read_code(error)
    if isinstance(error, TimeoutError) or code == _CANCELLED:
        return StorageError(f"PostgreSQL did not answer within {timeout_seconds:g} s")
    text = f"PostgreSQL failed: {type(error).__name__}"
    if code in _BEHIND_PGBOUNCER:
        text += "; behind PgBouncer give statement_cache_size=0"
    return StorageError(text)


def is_undone(error: Exception) -> bool:
    """Tell whether the server undid a transaction of its own accord: to ask again is safe."""
    return _read_code(error) in _UNDONE


def is_usable(connection: Any, error: BaseException) -> bool:
    """Tell whether a connection can go on after an error of its last statement."""
    code = _read_code(error)
    return code is not None and not code.startswith(_SPOILT) and not connection.is_closed()


def _read_code(error: BaseException) -> str | None:
    """Return the code of a server's error, None for any other."""
    code = getattr(error, "sqlstate", None)
    return code if isinstance(code, str) else None
