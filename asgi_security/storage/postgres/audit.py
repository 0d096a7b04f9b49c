"""Audit chains in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_security.storage.audit_steps import BEFORE_FIRST, check_records
from asgi_security.storage.postgres.schema import fill
from asgi_security.storage.protocols.audit import Appended, AuditHead, AuditRecord, HeadMoved

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from asgi_security.storage.postgres.pools import Pools

# Arrays of bytes go as text[], as every array does: see `postgres.attempts`.
APPEND = """
    SELECT outcome, head_sequence, head_mac FROM {schema}.append_audit(
        $1, $2, $3, $4::text[]::bytea[], $5::text[]::bytea[], $6, $7, $8, $9, $10, $11)"""
HEAD = "SELECT sequence, mac FROM {schema}.audit_heads WHERE chain = $1 AND sequence > 0"
READ = """
    SELECT chain, sequence, body, mac, previous, at, action, actor, target, outcome, request_id
    FROM {schema}.audit_log WHERE chain = $1 AND sequence > $2 ORDER BY sequence LIMIT $3"""
CHAINS = """
    SELECT chain FROM {schema}.audit_heads WHERE sequence > 0 AND chain > $1
    ORDER BY chain LIMIT $2"""


class PostgresAudit:
    """An `AuditStore`: each operation one statement.

    Atomic because an append holds the lock of the chain's head from before it looks at it until its
    transaction ends.
    """

    def __init__(self, pools: Pools, schema: str) -> None:
        self._pools = pools
        self._schema = schema

    async def append(
        self, records: Sequence[AuditRecord], *, after: AuditHead | None
    ) -> Appended | HeadMoved:
        """Store one or more records of one chain, if it ends in `after`."""
        check_records(records, after)
        found = await self._pools.fetch(APPEND, *_list_arguments(records, after))
        return _read_answer(found[0])

    async def append_in(
        self, connection: Any, records: Sequence[AuditRecord], *, after: AuditHead | None
    ) -> Appended | HeadMoved:
        """Append in a transaction of the app's own, on its own asyncpg connection.

        The records are stored when that commits, and not if it is rolled back. Until then nobody
        else can append to the chain: let it be the last step before the commit. The tables are
        there only once the store has been used or `migrate` been called.

        Raises:
            asyncpg.PostgresError: As by any other statement of the app's; above READ COMMITTED
                also when another transaction has appended since this one began.
        """
        check_records(records, after)
        statement = fill(APPEND, self._schema)
        found = await connection.fetch(statement, *_list_arguments(records, after))
        return _read_answer(found[0])

    async def load_head(self, chain: str) -> AuditHead | None:
        """Return the end of a chain."""
        found = await self._pools.fetch(HEAD, chain)
        return AuditHead(*found[0]) if found else None

    async def read(
        self, chain: str, *, after: int = 0, limit: int = 500
    ) -> tuple[AuditRecord, ...]:
        """Return up to `limit` records behind a number."""
        return _build(await self._pools.fetch(READ, chain, after, limit))

    async def read_in(
        self, connection: Any, chain: str, *, after: int = 0, limit: int = 500
    ) -> tuple[AuditRecord, ...]:
        """Read as the app's own transaction sees it."""
        return _build(await connection.fetch(fill(READ, self._schema), chain, after, limit))

    async def list_chains(self, *, after: str | None = None, limit: int = 500) -> tuple[str, ...]:
        """Return up to `limit` names of chains, in the order of their UTF-8."""
        return tuple([row[0] for row in await self._pools.fetch(CHAINS, after or "", limit)])


def _build(rows: Iterable[Any]) -> tuple[AuditRecord, ...]:
    return tuple([AuditRecord(*row) for row in rows])


def _list_arguments(records: Sequence[AuditRecord], after: AuditHead | None) -> tuple[object, ...]:
    before = BEFORE_FIRST if after is None else after
    return (
        records[0].chain,
        before.sequence,
        before.mac,
        [f"\\x{record.body.hex()}" for record in records],
        [f"\\x{record.mac.hex()}" for record in records],
        [record.at for record in records],
        [record.action for record in records],
        [record.actor for record in records],
        [record.target for record in records],
        [record.outcome for record in records],
        [record.request_id for record in records],
    )


def _read_answer(row: Any) -> Appended | HeadMoved:
    outcome, sequence, mac = row
    head = AuditHead(sequence, mac) if sequence else None
    if outcome == "moved":
        return HeadMoved(head)
    return Appended(AuditHead(sequence, mac))
