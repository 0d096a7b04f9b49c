"""The PostgreSQL backend: many processes on many machines, in the database they have anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgi_security.events import log_event
from asgi_security.storage.facets import FacetStore
from asgi_security.storage.postgres.accounts import PostgresAccounts
from asgi_security.storage.postgres.api_keys import PostgresApiKeys
from asgi_security.storage.postgres.attempts import PostgresAttempts
from asgi_security.storage.postgres.audit import PostgresAudit
from asgi_security.storage.postgres.inspecting import inspect_database
from asgi_security.storage.postgres.once import PostgresOnce
from asgi_security.storage.postgres.options import Options
from asgi_security.storage.postgres.pools import Pools
from asgi_security.storage.postgres.refresh import PostgresRefresh
from asgi_security.storage.postgres.revocations import PostgresRevocations
from asgi_security.storage.postgres.schema import render_migrations
from asgi_security.storage.postgres.sessions import PostgresSessions
from asgi_security.storage.postgres.throttles import PostgresThrottles

if TYPE_CHECKING:
    from typing import Unpack

    from asgi_security.events import EventSink
    from asgi_security.storage.facets import Facets
    from asgi_security.storage.inspecting import Observation

__all__ = ["PostgresStore", "render_migrations"]


class PostgresStore(FacetStore):
    """All facets in one schema of a PostgreSQL database, version 14 or later, on asyncio.

    The tables are made at the first operation, and brought up to date by the first operation of a
    newer release; `await store.migrate()` does it at a time of your choice, and
    `render_migrations(schema)` prints it, for a database in which this user may not make tables.

    Every operation is one statement and one round trip, in a transaction of its own. One that takes
    longer than `timeout_seconds`, the wait for a connection included, raises `StorageError` and is
    cancelled on the server. Each event loop has up to `max_size` connections of its own, of which
    `min_size` are opened at once with the first; `aclose` closes those of the loop it is called in.

    Behind PgBouncer in transaction mode give `statement_cache_size=0`. Statements are then prepared
    each time (a second round trip), and as it refuses start-up parameters, bind the user to what
    they would have said: `ALTER ROLE ... SET statement_timeout = '1s'`, and `SET
    default_transaction_isolation = 'read committed'` where that is not the default.

    The event `clock_skew` reports a server's clock more than 2 seconds from the caller's.

    A sweep passes over rows that someone else has locked: neither waits for the other.

    A facet given as a keyword takes the place of the store's own; it is neither swept nor closed.

    Raises:
        ConfigError: With every problem of the URL and the options, and when asyncpg is missing.
    """

    def __init__(
        self,
        url: str,
        *,
        schema: str = "asgi_security",
        timeout_seconds: float = 1.0,
        min_size: int = 1,
        max_size: int = 10,
        statement_cache_size: int = 100,
        events: EventSink = log_event,
        **facets: Unpack[Facets],
    ) -> None:
        self._options = Options(
            url=url,
            schema=schema,
            timeout_seconds=timeout_seconds,
            min_size=min_size,
            max_size=max_size,
            statement_cache_size=statement_cache_size,
        )
        self._pools = Pools(self._options, events)
        own = {
            "attempts": PostgresAttempts(self._pools),
            "revocations": PostgresRevocations(self._pools),
            "sessions": PostgresSessions(self._pools),
            "once": PostgresOnce(self._pools),
            "throttles": PostgresThrottles(self._pools),
            "audit": PostgresAudit(self._pools, self._options.schema),
            "accounts": PostgresAccounts(self._pools),
            "api_keys": PostgresApiKeys(self._pools),
            "refresh": PostgresRefresh(self._pools),
        }
        self._install(own, facets)

    def __repr__(self) -> str:
        return f"PostgresStore({self._options.place!r}, schema={self._options.schema!r})"

    async def migrate(self) -> None:
        """Bring the tables to this version; the first operation does the same.

        Raises:
            StorageError: They are of a newer version, or the database failed.
        """
        await self._pools.migrate()

    def render_migrations(self, *, version: int = 0) -> str:
        """Return the SQL that leads from tables of `version` to this one, in the store's schema."""
        return render_migrations(self._options.schema, version=version)

    async def inspect(self, *, now: float) -> tuple[Observation, ...]:
        """Look at the database: tables, clock, durability. Nothing is changed.

        Raises:
            StorageError: It could not be reached or asked in time.
        """
        return await inspect_database(self._options, now)

    async def aclose(self) -> None:
        """Close the connections of this event loop; an operation after that opens others."""
        await self._pools.aclose()
