"""Chains of records, made the way the log makes them, for tests that then change them."""

from __future__ import annotations

from typing import Any

from asgi_security.crypto.audit_seals import NO_SEAL, AuditKeys
from asgi_security.crypto.canonical_json import encode_canonical_json
from asgi_security.secret import Secret
from asgi_security.storage.protocols import AuditRecord

SECRET, OLD, OTHER = Secret("s" * 32), Secret("o" * 32), Secret("x" * 32)
KEYS = AuditKeys(SECRET)
BOTH = AuditKeys(SECRET, [OLD])


def build_record(
    keys: AuditKeys = KEYS,
    *,
    sequence: int = 1,
    previous: bytes = NO_SEAL,
    key_id: str | bool | None = True,
    chain: str = "main",
    **said: Any,
) -> AuditRecord:
    """Return a sealed record; further keywords say something else, or something more."""
    key = keys.current if key_id is True else key_id
    assert key is None or isinstance(key, str)
    fields = {
        "v": 1,
        "id": "i1",
        "chain": chain,
        "seq": sequence,
        "at": "2023-11-14T22:13:20.000000Z",
        "action": "login",
        "actor": "a1",
        "target": None,
        "outcome": "success",
        "request_id": "r1",
        "details": {"n": sequence},
        "prev": previous.hex(),
        "key": key,
        **said,
    }
    body = encode_canonical_json(fields)
    return AuditRecord(
        chain=chain,
        sequence=sequence,
        body=body,
        mac=keys.seal(key, chain, previous=previous, body=body),
        previous=previous,
        at=fields["at"],
        action=fields["action"],
        actor=fields["actor"],
        target=fields["target"],
        outcome=fields["outcome"],
        request_id=fields["request_id"],
    )


def build_chain(
    count: int, keys: AuditKeys = KEYS, *, after: AuditRecord | None = None, **said: Any
) -> list[AuditRecord]:
    """Return so many records, behind another one or from the start."""
    made: list[AuditRecord] = []
    for _ in range(count):
        sequence = 1 if after is None else after.sequence + 1
        previous = NO_SEAL if after is None else after.mac
        after = build_record(keys, sequence=sequence, previous=previous, **said)
        made.append(after)
    return made
