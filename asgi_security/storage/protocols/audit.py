"""The audit log: chains of records that nobody can change unseen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record of one chain, sealed by the caller.

    `body` are the canonical bytes (RFC 8785) that `mac` covers together with the record before;
    they are stored as they are. The rest are columns to search by, copies of what `body` says: who
    verifies checks them against it. `at` is RFC 3339 in UTC with six digits of a second.
    """

    chain: str
    sequence: int
    """From 1, without gaps."""
    body: bytes
    mac: bytes
    previous: bytes
    """The mac of the record before; 32 zero bytes for the first."""
    at: str
    action: str
    actor: str | None
    target: str | None
    outcome: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The last record of a chain."""

    sequence: int
    mac: bytes


@dataclass(frozen=True, slots=True)
class Appended:
    """The records are stored; the chain ends in `head`."""

    head: AuditHead


@dataclass(frozen=True, slots=True)
class HeadMoved:
    """The chain ends elsewhere: in `head`, or nowhere yet. Nothing was stored.

    The caller seals the records again behind that.
    """

    head: AuditHead | None


class AuditStore(Protocol):
    """Chains of audit records. There is no way to change or remove one."""

    async def append(
        self, records: Sequence[AuditRecord], *, after: AuditHead | None
    ) -> Appended | HeadMoved:
        """Store one or more records of one chain, if it ends in `after` (None: has none).

        Their sequence numbers follow on `after`. All are stored or none. Appending the same again
        after a lost reply is `Appended`, without effect, for as long as the chain ends in them.

        Atomic because two appenders at once must not both follow the same record: a chain that
        forks proves nothing.
        """
        ...

    async def load_head(self, chain: str) -> AuditHead | None:
        """Return the end of a chain; None for one without records."""
        ...

    async def read(
        self, chain: str, *, after: int = 0, limit: int = 500
    ) -> tuple[AuditRecord, ...]:
        """Return up to `limit` records with sequence numbers above `after`, ascending.

        What is stored is returned as it is, gaps included.
        """
        ...

    async def list_chains(self, *, after: str | None = None, limit: int = 500) -> tuple[str, ...]:
        """Return up to `limit` names of chains, in the order of their UTF-8, behind `after`."""
        ...
