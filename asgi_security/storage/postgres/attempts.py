"""Attempts in PostgreSQL."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from asgi_security.storage.attempt_steps import (
    BUSY,
    HISTORY_SECONDS,
    USER_AGENT_CHARACTERS,
    AttemptRow,
    OpenCharge,
    compute_key_status,
)
from asgi_security.storage.protocols.lockout import (
    Admitted,
    AttemptRecord,
    Locked,
    Receipt,
    Settled,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from asgi_security.storage.postgres.pools import Pools
    from asgi_security.storage.protocols.lockout import (
        AttemptKey,
        AttemptStatus,
        Charge,
        LockoutSchedule,
        Outcome,
    )

# Every array goes as text[] and comes as rows: for one of any other type asyncpg first asks the
# server what it is, and leaves a setting behind on the connection.
_NAMES = "$1::text[]::bigint[], $2::text[], $3::text[]::bytea[]"
_ROWS = f"""{_NAMES}, $4::text[]::integer[], $5::text[]::integer[], $6::text[]::boolean[],
        $7::text[]"""
CHARGE = f"SELECT verdict, at FROM {{schema}}.charge({_ROWS}, $8, $9)"  # noqa: S608 -- constants
SETTLE = f"""
    SELECT failures_before, last_before, failures_after, last_after FROM {{schema}}.settle(
        {_ROWS}, $8::text[]::boolean[], $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"""  # noqa: S608
ADD_FAILURE = f"SELECT {{schema}}.add_failure({_ROWS}, $8)"
CLEAR = f"SELECT {{schema}}.clear_attempts({_NAMES})"
STATUS = """
    SELECT k.kind, k.digest, k.failures, k.last_failure_at, c.ticket, c.charged_at, c.later
    FROM unnest($1::text[], $2::text[]::bytea[]) AS wanted (kind, digest)
    JOIN {schema}.attempt_keys AS k ON k.kind = wanted.kind AND k.digest = wanted.digest
    LEFT JOIN LATERAL unnest(k.tickets, k.charged_at, k.later_failures)
        WITH ORDINALITY AS c (ticket, charged_at, later, place) ON true
    ORDER BY c.place"""
_RECORDS = """
    SELECT at, account, client, kind, outcome, user_agent, address
    FROM {schema}.failed_auth_attempts"""
_NEWEST = " ORDER BY at DESC, id DESC LIMIT $1"
HISTORY = _RECORDS + _NEWEST
HISTORY_OF_ACCOUNT = _RECORDS + " WHERE account = $2" + _NEWEST
HISTORY_OF_CLIENT = _RECORDS + " WHERE client = $2" + _NEWEST
HISTORY_OF_BOTH = _RECORDS + " WHERE account = $2 AND client = $3" + _NEWEST
SWEEP_KEYS = """
    DELETE FROM {schema}.attempt_keys WHERE (kind, digest) IN (
        SELECT kind, digest FROM {schema}.attempt_keys WHERE expires_at <= $1
        LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING 1"""
SWEEP_RECORDS = """
    DELETE FROM {schema}.failed_auth_attempts WHERE id IN (
        SELECT id FROM {schema}.failed_auth_attempts WHERE at <= $1
        LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING 1"""
_NO_RECORD = (None,) * 7


class PostgresAttempts:
    """An `AttemptStore`: each operation one statement, that calls one function."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def charge(self, keys: Sequence[AttemptKey], *, ticket: bytes, now: float) -> Charge:
        """Charge every key, or none."""
        self._pools.watch(now)
        found = await self._pools.fetch(CHARGE, *Rows(keys).list_arguments(), ticket, now)
        verdict, at = found[0]
        if verdict == "admitted":
            return Admitted(Receipt(ticket, tuple(keys), at))
        return BUSY if verdict == "busy" else Locked(None if at == inf else at)

    async def settle(
        self,
        receipt: Receipt,
        outcome: Outcome,
        *,
        now: float,
        record: AttemptRecord | None = None,
    ) -> Settled | None:
        """End a charge, once."""
        rows = Rows(receipt.keys)
        found = await self._pools.fetch(
            SETTLE,
            *rows.list_arguments(),
            _write_all([key.forgets_on_success for key in receipt.keys]),
            receipt.ticket,
            outcome.value,
            now,
            *(_NO_RECORD if record is None else _list_columns(record)),
        )
        if not found:
            return None
        return Settled(
            rows.describe([(each[0], each[1]) for each in found], now),
            rows.describe([(each[2], each[3]) for each in found], now),
        )

    async def status(self, keys: Sequence[AttemptKey], *, now: float) -> tuple[AttemptStatus, ...]:
        """Return the state of each key, changing nothing."""
        wanted = Rows(keys)
        found = await self._pools.fetch(STATUS, wanted.kinds, wanted.digests)
        return _describe(_read_rows(found), keys, now)

    async def clear(self, keys: Sequence[AttemptKey]) -> None:
        """Forget each key."""
        rows = Rows(keys)
        await self._pools.fetch(CLEAR, rows.locks, rows.kinds, rows.digests)

    async def add_failure(self, keys: Sequence[AttemptKey], *, now: float) -> None:
        """Count a failure on each key without a charge before it."""
        await self._pools.fetch(ADD_FAILURE, *Rows(keys).list_arguments(), now)

    async def history(
        self, *, account: bytes | None = None, client: bytes | None = None, limit: int = 50
    ) -> tuple[AttemptRecord, ...]:
        """Return the newest records of an account or client digest."""
        if account is not None and client is not None:
            statement = HISTORY_OF_BOTH
        elif account is not None:
            statement = HISTORY_OF_ACCOUNT
        else:
            statement = HISTORY if client is None else HISTORY_OF_CLIENT
        wanted = [digest for digest in (account, client) if digest is not None]
        found = await self._pools.fetch(statement, max(0, limit), *wanted)
        return tuple([AttemptRecord(*each) for each in found])

    async def sweep(self, now: float, limit: int) -> int:
        """Remove up to `limit` expired rows of each table."""
        keys = await self._pools.fetch(SWEEP_KEYS, now, limit)
        old = await self._pools.fetch(SWEEP_RECORDS, now - HISTORY_SECONDS, limit)
        return len(keys) + len(old)


class Rows:
    """The rows of some keys, under all their digests, as the functions are told of them.

    A row is named once, however many keys it belongs to.
    """

    __slots__ = ("_current", "_keys", "_names", "_numbers", "_places", "digests", "kinds", "locks")

    def __init__(self, keys: Sequence[AttemptKey]) -> None:
        self._keys = keys
        names: dict[tuple[str, bytes], int] = {}
        self._places: list[int] = []
        self._numbers: list[int] = []
        self._current: list[bool] = []
        for number, key in enumerate(keys, 1):
            digests = (key.digest, *key.old_digests)
            for digest in digests:
                self._places.append(names.setdefault((key.kind, digest), len(names) + 1))
            self._numbers += [number] * len(digests)
            self._current += [True, *[False] * len(key.old_digests)]
        self.kinds = [kind for kind, _ in names]
        self.digests = [f"\\x{digest.hex()}" for _, digest in names]
        # Ascending, so that no two calls ever wait for one another. Digests are random: that two
        # share a lock, or another program's, is rare and costs a moment.
        self.locks = _write_all(sorted({_number(digest) for _, digest in names}))
        self._names = tuple(names)

    def list_arguments(self) -> tuple[object, ...]:
        """Return the seven arguments that tell the rows and how they are judged."""
        return (
            self.locks,
            self.kinds,
            self.digests,
            _write_all(self._places),
            _write_all(self._numbers),
            _write_all(self._current),
            [_write_schedule(key.schedule) for key in self._keys],
        )

    def describe(
        self, states: Sequence[tuple[int, float | None]], now: float
    ) -> tuple[AttemptStatus, ...]:
        """Return the state of each key, given failures and the last one of each row at `now`."""
        rows = {name: AttemptRow(*state) for name, state in zip(self._names, states, strict=True)}
        return _describe(rows, self._keys, now)


def _describe(
    rows: Mapping[tuple[str, bytes], AttemptRow], keys: Sequence[AttemptKey], now: float
) -> tuple[AttemptStatus, ...]:
    def find(kind: str, digest: bytes) -> AttemptRow | None:
        return rows.get((kind, digest))

    return tuple([compute_key_status(find, key, now) for key in keys])


def _number(digest: bytes) -> int:
    return int.from_bytes(digest[:8], signed=True)


def _write_all(values: Iterable[float]) -> list[str]:
    return [str(value) for value in values]


def _write_schedule(schedule: LockoutSchedule) -> str:
    """Return a schedule as the functions read it. `str` of a float is read as the same float."""
    most = inf if schedule.max_consecutive is None else schedule.max_consecutive
    fields = (
        schedule.threshold,
        schedule.window_seconds,
        schedule.attempt_timeout_seconds,
        most,
        *(schedule.cooldowns_seconds or (0.0,)),
    )
    return "{" + ",".join(_write_all(fields)) + "}"


def _read_rows(found: Iterable[Any]) -> dict[tuple[str, bytes], AttemptRow]:
    """Return rows by their names, from a line for each charge, or one for none."""
    rows: dict[tuple[str, bytes], AttemptRow] = {}
    for kind, digest, failures, last_failure_at, ticket, charged_at, later in found:
        row = rows.setdefault((kind, digest), AttemptRow(failures, last_failure_at))
        if ticket is not None:
            row.charges = row.charges or {}
            row.charges[ticket] = OpenCharge(charged_at, len(row.charges) + 1, later)
    return rows


def _list_columns(record: AttemptRecord) -> tuple[Any, ...]:
    agent = record.user_agent[:USER_AGENT_CHARACTERS]
    texts = (record.kind, record.outcome, agent, record.address)
    return (record.at, record.account, record.client, *map(_clean, texts))


def _clean(text: str | None) -> str | None:
    """Return text as PostgreSQL can hold it: no NUL, no lone surrogate.

    A client's own header must not undo the settlement that it is kept with.
    """
    if text is None or (text.isprintable() and text.isascii()):
        return text
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
