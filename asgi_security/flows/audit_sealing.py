"""Gives facts their place in a chain: finds where it ends, and seals what comes behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from asgi_security.crypto.audit_chain import check_seal, find_next_key, parse_body
from asgi_security.crypto.audit_seals import NO_SEAL
from asgi_security.crypto.canonical_json import encode_canonical_json
from asgi_security.errors import StorageError
from asgi_security.events import SecurityEvent, Severity
from asgi_security.policy.audit import KEY_ROTATED, build_body
from asgi_security.storage.protocols import AuditHead, AuditRecord

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from asgi_security.crypto.audit_chain import Reason
    from asgi_security.crypto.audit_seals import AuditKeys
    from asgi_security.events import EventSink
    from asgi_security.policy.audit import AuditFacts

    ReadLast: TypeAlias = Callable[[str, AuditHead], Awaitable[Sequence[AuditRecord]]]
    """Returns the record with the number of a head, and nothing else."""


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """Where a chain ends, and the key of what comes behind.

    `fault` tells why its last record is false, if it is.
    """

    head: AuditHead | None
    key_id: str | None
    fault: Reason | None = None


class Sealer:
    """Seals with the key that a chain has come to."""

    def __init__(self, keys: AuditKeys, events: EventSink) -> None:
        self.keys = keys
        self._events = events

    async def find_end(self, chain: str, head: AuditHead | None, read_last: ReadLast) -> ChainEnd:
        """Return the end of a chain whose head is known.

        The last record says which key comes next, so it is verified before it is believed. A false
        one is an alarm, and the log goes on behind it: evidence of what follows is worth more than
        a log that anyone can stop.

        Raises:
            StorageError: It names a key that is not held. Behind it nothing can be sealed that
                anyone would verify; some process has not been given the new secret.
        """
        if head is None:
            return ChainEnd(None, self.keys.current)
        found = await read_last(chain, head)
        key_id, fault = self._judge(chain, head, found)
        if fault is not None:
            facts = {"chain": chain, "sequence": head.sequence, "reason": fault}
            self._events(
                SecurityEvent(name="audit_chain_broken", severity=Severity.ERROR, facts=facts)
            )
        return ChainEnd(head, key_id, fault)

    def seal(
        self, waiting: Sequence[AuditFacts], end: ChainEnd
    ) -> tuple[tuple[AuditRecord, ...], ChainEnd]:
        """Return the records that follow on an end, and the end that they make."""
        key_id = end.key_id
        sequence = 0 if end.head is None else end.head.sequence
        previous = NO_SEAL if end.head is None else end.head.mac
        records: list[AuditRecord] = []
        for facts in waiting:
            sequence += 1
            body = encode_canonical_json(
                build_body(facts, sequence=sequence, previous=previous, key_id=key_id)
            )
            mac = self.keys.seal(key_id, facts.chain, previous=previous, body=body)
            records.append(_build(facts, sequence, body, mac, previous))
            previous = mac
            if facts.action == KEY_ROTATED:
                key_id = facts.details["key"]
        return tuple(records), ChainEnd(AuditHead(sequence, previous), key_id)

    def _judge(
        self, chain: str, head: AuditHead, found: Sequence[AuditRecord]
    ) -> tuple[str | None, Reason | None]:
        if not found or (found[0].sequence, found[0].mac) != (head.sequence, head.mac):
            return self.keys.current, "link"
        said = parse_body(found[0].body)
        if said is None:
            return self.keys.current, "encoding"
        if (found[0].chain, said["chain"]) != (chain, chain):
            return self.keys.current, "wrong_chain"
        fault = check_seal(found[0], said, self.keys)
        key_id = find_next_key(said)
        if fault == "unknown_key" or (fault is None and key_id not in self.keys):
            raise StorageError("the audit log has come to a key that is not among the secrets")
        return (key_id, None) if fault is None else (self.keys.current, fault)


def _build(
    facts: AuditFacts, sequence: int, body: bytes, mac: bytes, previous: bytes
) -> AuditRecord:
    return AuditRecord(
        chain=facts.chain,
        sequence=sequence,
        body=body,
        mac=mac,
        previous=previous,
        at=facts.at,
        action=facts.action,
        actor=facts.actor,
        target=facts.target,
        outcome=facts.outcome,
        request_id=facts.request_id,
    )
