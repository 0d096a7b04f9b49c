"""Attempts in Redis."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from asgi_security.storage.attempt_steps import (
    HISTORY_SECONDS,
    USER_AGENT_CHARACTERS,
    AttemptRow,
    OpenCharge,
    compute_key_status,
)
from asgi_security.storage.protocols.lockout import (
    Admitted,
    AttemptRecord,
    Busy,
    Locked,
    Receipt,
    Settled,
)
from asgi_security.storage.redis.attempt_scripts import (
    ADD_FAILURE,
    CHARGE,
    SETTLE,
    SWEEP_RECORDS,
)
from asgi_security.storage.redis.commands import (
    build_read,
    build_write,
    write_digest,
    write_number,
    write_text,
)
from asgi_security.storage.redis.lua import expect_ok

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.protocols.lockout import (
        AttemptKey,
        AttemptStatus,
        Charge,
        LockoutSchedule,
        Outcome,
    )
    from asgi_security.storage.redis.dispatcher import Dispatcher

_BUSY = Busy()
_MOST_RECORDS = b"10000"
_MOST_RECORDS_OF_KEY = b"1000"
_TURN_DIGITS = 16
_KEPT_MILLISECONDS = b"%d" % ((HISTORY_SECONDS + 86_400) * 1000)


class RedisAttempts:
    """An `AttemptStore`: each operation one script or command.

    All keys of one attempt must be in one slot of a cluster, and any two may meet in one: so all
    attempts share one hash tag, and one node of a cluster carries them.
    """

    def __init__(self, dispatcher: Dispatcher, prefix: bytes) -> None:
        self._dispatcher = dispatcher
        self._tag = b"{%b:attempts}:" % prefix

    async def charge(self, keys: Sequence[AttemptKey], *, ticket: bytes, now: float) -> Charge:
        """Charge every key, or none."""
        if not keys:
            return Admitted(Receipt(ticket, (), now))
        names, roles = self._describe(keys)
        command = CHARGE.call(names, (write_digest(ticket), write_number(now), *roles))

        def decode(reply: bytes) -> Charge:
            kind, rest = reply[:1], reply[1:]
            if kind == b"A":
                return Admitted(Receipt(ticket, tuple(keys), float(rest)))
            if kind == b"L":
                return Locked(float(rest) if rest else None)
            if kind == b"B":
                return _BUSY
            raise ValueError("no answer to a charge")

        return await self._dispatcher.run(command, decode, now=now)

    async def settle(
        self,
        receipt: Receipt,
        outcome: Outcome,
        *,
        now: float,
        record: AttemptRecord | None = None,
    ) -> Settled | None:
        """End a charge, once."""
        keys = receipt.keys
        if not keys:
            return None
        names, roles = self._describe(keys)
        count = len(names)
        arguments = [write_digest(receipt.ticket), write_number(now), outcome.value.encode()]
        arguments += [b"%d" % count, *roles]
        if record is not None:
            names += self._name_records(record)
            arguments += [write_number(record.at), _write_record(record)]
            arguments += [write_number(record.at - HISTORY_SECONDS), _KEPT_MILLISECONDS]
            arguments += [_MOST_RECORDS, _MOST_RECORDS_OF_KEY]

        def decode(reply: list[bytes] | None) -> Settled | None:
            if reply is None:
                return None
            return Settled(
                _read_statuses(keys, reply[:count], now),
                _read_statuses(keys, reply[count:], now),
            )

        return await self._dispatcher.run(SETTLE.call(names, arguments), decode, now=now)

    async def status(self, keys: Sequence[AttemptKey], *, now: float) -> tuple[AttemptStatus, ...]:
        """Return the state of each key, changing nothing."""
        if not keys:
            return ()
        names, _ = self._describe(keys)
        return await self._dispatcher.run(
            build_read(b"MGET", names), lambda reply: _read_statuses(keys, reply, now), now=now
        )

    async def clear(self, keys: Sequence[AttemptKey]) -> None:
        """Forget each key."""
        if keys:
            names, _ = self._describe(keys)
            command = build_write(b"DEL", names, is_repeatable=True)
            await self._dispatcher.run(command, int)

    async def add_failure(self, keys: Sequence[AttemptKey], *, now: float) -> None:
        """Count a failure on each key without a charge before it."""
        if keys:
            names, roles = self._describe(keys)
            command = ADD_FAILURE.call(names, (write_number(now), *roles))
            await self._dispatcher.run(command, expect_ok, now=now)

    async def history(
        self, *, account: bytes | None = None, client: bytes | None = None, limit: int = 50
    ) -> tuple[AttemptRecord, ...]:
        """Return the newest records: of the last 1000 of one key, or of the last 10 000 of all."""
        if limit < 1:
            return ()
        if account is not None:
            name = self._tag + b"records:account:" + write_digest(account)
        elif client is not None:
            name = self._tag + b"records:client:" + write_digest(client)
        else:
            name = self._tag + b"records"
        # Of both: few are of one account, and those of the client are found among them here.
        last = -1 if account is not None and client is not None else limit - 1
        command = build_read(b"ZREVRANGE", (name,), b"0", b"%d" % last)

        def decode(reply: list[bytes]) -> tuple[AttemptRecord, ...]:
            records = [_read_record(member[_TURN_DIGITS:]) for member in reply]
            if client is not None:
                records = [record for record in records if record.client == client]
            return tuple(records[:limit])

        return await self._dispatcher.run(command, decode)

    async def sweep(self, now: float, limit: int) -> int:
        """Drop up to `limit` records past their time; all else goes by its own expiry."""
        oldest = write_number(now - HISTORY_SECONDS)
        command = SWEEP_RECORDS.call((self._tag + b"records",), (oldest, b"%d" % limit))
        return await self._dispatcher.run(command, int)

    def _describe(self, keys: Sequence[AttemptKey]) -> tuple[list[bytes], list[bytes]]:
        """Return the names of all rows, and the role and schedule of each, as the scripts want."""
        names: list[bytes] = []
        roles: list[bytes] = []
        for key in keys:
            tag = b"%b%b:" % (self._tag, write_text(key.kind))
            schedule = _write_schedule(key.schedule)
            names.append(tag + write_digest(key.digest))
            roles.append((b"2" if key.forgets_on_success else b"1") + schedule)
            for digest in key.old_digests:
                names.append(tag + write_digest(digest))
                roles.append(b"0" + schedule)
        return names, roles

    def _name_records(self, record: AttemptRecord) -> list[bytes]:
        names = [self._tag + b"turn", self._tag + b"records"]
        if record.account is not None:
            names.append(self._tag + b"records:account:" + write_digest(record.account))
        if record.client is not None:
            names.append(self._tag + b"records:client:" + write_digest(record.client))
        return names


@lru_cache(maxsize=64)
def _write_schedule(schedule: LockoutSchedule) -> bytes:
    most = b"-" if schedule.max_consecutive is None else b"%d" % schedule.max_consecutive
    cooldowns = [write_number(each) for each in schedule.cooldowns_seconds]
    numbers = (schedule.window_seconds, schedule.attempt_timeout_seconds)
    return b" ".join([b"%d" % schedule.threshold, *map(write_number, numbers), most, *cooldowns])


def _read_row(text: bytes | None) -> AttemptRow | None:
    """Return a row as `attempt_scripts` writes it."""
    if not text:
        return None
    words = text.split()
    charges = {
        words[at]: OpenCharge(float(words[at + 1]), int(words[at + 2]), int(words[at + 3]))
        for at in range(2, len(words), 4)
    }
    last = None if words[1] == b"-" else float(words[1])
    return AttemptRow(int(words[0]), last, charges or None)


def _read_statuses(
    keys: Sequence[AttemptKey], texts: Sequence[bytes | None], now: float
) -> tuple[AttemptStatus, ...]:
    names = [(key.kind, digest) for key in keys for digest in (key.digest, *key.old_digests)]
    rows = {name: _read_row(text) for name, text in zip(names, texts, strict=True)}

    def find(kind: str, digest: bytes) -> AttemptRow | None:
        return rows[kind, digest]

    return tuple([compute_key_status(find, key, now) for key in keys])


def _write_record(record: AttemptRecord) -> bytes:
    fields = (
        record.at,
        None if record.account is None else record.account.hex(),
        None if record.client is None else record.client.hex(),
        record.kind,
        record.outcome,
        record.user_agent[:USER_AGENT_CHARACTERS],
        record.address,
    )
    return json.dumps(fields, separators=(",", ":")).encode()  # ASCII, lone surrogates and all


def _read_record(text: bytes) -> AttemptRecord:
    at, account, client, *others = json.loads(text)
    return AttemptRecord(
        at,
        None if account is None else bytes.fromhex(account),
        None if client is None else bytes.fromhex(client),
        *others,
    )
