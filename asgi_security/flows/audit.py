"""Does: keeps an audit log that nobody can change unseen, one chain for each tenant.

A record that is edited, removed, put in another place or another chain is found by `verify`. What
no log can find within itself is that its end was cut off: keep a `checkpoint` elsewhere now and
then, and give it to `verify`.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

import anyio

from asgi_security.clock import system_clock, system_entropy
from asgi_security.crypto.audit_chain import Broken, Empty, Verified
from asgi_security.crypto.audit_seals import ChainMark, compute_commitment
from asgi_security.crypto.base64url import encode_base64url
from asgi_security.crypto.canonical_json import encode_canonical_json
from asgi_security.errors import StorageError
from asgi_security.events import log_event
from asgi_security.flows.audit_appending import Appender
from asgi_security.flows.audit_reading import (
    ChainReader,
    build_audit_keys,
    parse_anchor,
    verify_export,
)
from asgi_security.flows.audit_sealing import Sealer
from asgi_security.flows.auditing import AuditEntry
from asgi_security.flows.store_bound import StoreBound
from asgi_security.policy.audit import (
    MAX_DETAILS_BYTES,
    AuditConfig,
    build_facts,
    build_rotation,
    name_chain,
)
from asgi_security.storage.protocols import Appended, AuditStore

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from asgi_security.clock import Clock, Entropy
    from asgi_security.crypto.audit_chain import Verification
    from asgi_security.events import EventSink
    from asgi_security.policy.audit import AuditFacts
    from asgi_security.storage.protocols import AuditHead, AuditRecord, HeadMoved, Store

__all__ = [
    "AuditConfig",
    "AuditEntry",
    "AuditLog",
    "Broken",
    "Commitment",
    "Empty",
    "Verified",
    "verify_export",
]

_SALT_BYTES = 32
_ID_BYTES = 12
_TRIES_WITHIN = 3


@dataclass(frozen=True, slots=True)
class Commitment:
    """What a record says (`text`) in the place of a value that may have to be erased.

    Keep the value and `salt` beside the log. Without them nobody can tell what it was; with them,
    `crypto.audit_seals.check_commitment` shows that this was it.
    """

    text: str
    salt: bytes = field(repr=False)


class TransactionalAuditStore(AuditStore, Protocol):
    """A store whose records can be part of a transaction of the app's own: SQLite, PostgreSQL."""

    async def append_in(
        self, connection: Any, records: Sequence[AuditRecord], *, after: AuditHead | None
    ) -> Appended | HeadMoved:
        """Append within the transaction of that connection."""
        ...

    async def read_in(
        self, connection: Any, chain: str, *, after: int = 0, limit: int = 500
    ) -> tuple[AuditRecord, ...]:
        """Read as that transaction sees it."""
        ...


class AuditLog:
    """An `Auditor` that seals every record behind the one before.

    Args:
        config: the secrets, and what is redacted.
        store: a store, or its audit facet.
        clock, entropy, events: the outside world.
        sleep: waits between the tries, when other processes append at the same time.
    """

    def __init__(
        self,
        config: AuditConfig,
        store: Store | AuditStore,
        *,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        events: EventSink = log_event,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.config = config
        self._store = cast("AuditStore", getattr(store, "audit", store))
        self._clock = clock
        self._entropy = entropy
        self._keys = build_audit_keys(config)
        self._sealer = Sealer(self._keys, events)
        timeout_seconds = config.store_timeout_seconds
        self._appender = Appender(
            self._store,
            self._sealer,
            timeout_seconds=timeout_seconds,
            max_tries=config.max_tries,
            entropy=entropy,
            sleep=sleep,
        )
        self._reader = ChainReader(self._store, self._keys, timeout_seconds=timeout_seconds)

    async def record(self, entry: AuditEntry) -> None:
        """Append an entry to the chain of its tenant, without the secrets in it.

        Its time is that of the call. All that are recorded at once in one event loop go to the
        store together. A caller who is cancelled has it recorded, or not, as the store was asked
        by then or not.

        Raises:
            StorageError: It could not be stored in time (and may be stored nevertheless).
            ValueError: It can be no record: see `policy.audit.build_facts`; or its details are no
                JSON, or of more than 16 KiB.
        """
        await self._appender.append(self._build(entry))

    async def record_in(self, connection: Any, entry: AuditEntry) -> None:
        """Append an entry within a transaction of the app's own: both are stored, or neither.

        For SQLite a `sqlite3.Connection` to the file of the store, used in this thread; for
        PostgreSQL a connection of asyncpg. Let it be the last step before the commit: until then
        nobody else can append to this chain.

        Raises:
            StorageError: The chain could not be read, or the store has no transactions.
            ValueError: As of `record`.
            Exception: What the driver raises. Roll back then.
        """
        if not hasattr(self._store, "append_in"):
            raise StorageError("this store cannot append within a transaction of the app's own")
        store = cast("TransactionalAuditStore", self._store)
        facts = self._build(entry)

        async def read_last(chain: str, head: AuditHead) -> Sequence[AuditRecord]:
            return await store.read_in(connection, chain, after=head.sequence - 1, limit=1)

        with StoreBound(self.config.store_timeout_seconds):
            end = await self._appender.load_end(facts.chain)
        for _ in range(_TRIES_WITHIN):
            records, _made = self._sealer.seal((facts,), end)
            answer = await store.append_in(connection, records, after=end.head)
            if isinstance(answer, Appended):
                return
            # From here on the transaction holds the head: it moves no more but by ourselves.
            end = await self._sealer.find_end(facts.chain, answer.head, read_last)
        raise StorageError("the chain's head moved within a transaction that holds it")

    async def verify(self, tenant: str | None = None, *, anchor: str | None = None) -> Verification:
        """Read a tenant's whole chain, and return `Verified`, `Empty`, or `Broken` at the first.

        Args:
            tenant: None for what belongs to none.
            anchor: a checkpoint that was kept elsewhere; without one, a chain whose end was cut
                off is `Verified`.

        Raises:
            StorageError: It could not be read to its end.
            ValueError: The anchor is no checkpoint of this chain.
        """
        chain = name_chain(tenant)
        mark = None if anchor is None else parse_anchor(anchor, self._keys, chain=chain)
        return await self._reader.verify(chain, anchor=mark)

    async def checkpoint(self, tenant: str | None = None) -> str | None:
        """Return a line to keep where nobody who can write to the store can; None if it is empty.

        Raises:
            StorageError: The chain could not be read, or its last record is not as it was written:
                that is not signed.
        """
        chain = name_chain(tenant)
        with StoreBound(self.config.store_timeout_seconds):
            end = await self._appender.load_end(chain)
        if end.head is None:
            return None
        if end.fault is not None:
            raise StorageError(f"the last record of the chain is false ({end.fault})")
        mark = ChainMark(chain, end.head.sequence, end.head.mac)
        return self._keys.sign(mark, self._keys.current)

    def export(self, tenant: str | None = None) -> AsyncGenerator[bytes, None]:
        r"""Yield a tenant's chain as lines that end in `\n`, for `verify_export`.

        Who stops before the end closes it (`contextlib.aclosing`).

        Raises:
            StorageError: The store failed; what came so far has no checkpoint, and so is no export.
        """
        return self._reader.export(name_chain(tenant))

    def list_tenants(self) -> AsyncGenerator[str | None, None]:
        """Yield every tenant that has records; None for the records of none."""
        return self._reader.list_tenants()

    async def rotate_key(self) -> int:
        """Let every chain go on under the current secret; return how many had another.

        Do it once all processes have been given the new secret with the old one beside it: until
        then they seal with the old one, and a process that has only that one can append no more
        afterwards. A record under the old key names the new one.

        Raises:
            StorageError: Some chains may have been done: it is safe to do again.
        """
        current = self._keys.current
        if current is None:
            return 0
        count = 0
        async with aclosing(self._reader.list_chains()) as chains:
            async for chain in chains:
                count += await self._rotate(chain, current)
        return count

    def commit(self, value: str) -> Commitment:
        """Make a commitment to a value that may have to be erased, such as an address."""
        salt = self._entropy(_SALT_BYTES)
        return Commitment(compute_commitment(value, salt), salt)

    async def _rotate(self, chain: str, key_id: str) -> bool:
        with StoreBound(self.config.store_timeout_seconds):
            end = await self._appender.load_end(chain)
        if end.key_id == key_id:
            return False
        now = self._clock()
        facts = build_rotation(chain, record_id=self._make_id(), at=now, key_id=key_id)
        await self._appender.append(facts)
        return True

    def _make_id(self) -> str:
        return encode_base64url(self._entropy(_ID_BYTES)).decode()

    def _build(self, entry: AuditEntry) -> AuditFacts:
        facts = build_facts(
            entry.action,
            record_id=self._make_id(),
            tenant=entry.tenant,
            at=self._clock(),
            actor=entry.actor,
            target=entry.target,
            outcome=entry.outcome,
            request_id=entry.request_id,
            details=entry.details,
            redacted_names=self.config.redacted_names,
        )
        if len(encode_canonical_json(facts.details)) > MAX_DETAILS_BYTES:
            raise ValueError(f"details of more than {MAX_DETAILS_BYTES} bytes")
        return facts
