"""Where a chain ends, and what follows on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.crypto.audit_chain import KEY_ROTATED, ChainVerifier, Verified
from asgi_security.crypto.audit_seals import NO_SEAL, AuditKeys, compute_audit_key_id
from asgi_security.errors import StorageError
from asgi_security.events import Severity
from asgi_security.flows.audit_sealing import ChainEnd, Sealer
from asgi_security.policy.audit import AuditFacts, build_rotation
from asgi_security.secret import Secret
from asgi_security.storage.protocols import AuditHead
from asgi_security.testing import EventRecorder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.protocols import AuditRecord

pytestmark = pytest.mark.anyio

SECRET, OLD = Secret("s" * 32), Secret("o" * 32)
OLD_ID = compute_audit_key_id(OLD)
KEYS = AuditKeys(SECRET, [OLD])
START = ChainEnd(None, KEYS.current)


def build_facts(action: str = "login", chain: str = "main") -> AuditFacts:
    at = "2023-11-14T22:13:20.000000Z"
    return AuditFacts("i1", chain, at, action, "a1", None, "success", None)


def build_end(record: AuditRecord, **changes: Any) -> AuditHead:
    head = AuditHead(record.sequence, record.mac)
    return replace(head, **changes)


async def find(
    found: Sequence[AuditRecord],
    head: AuditHead | None,
    *,
    keys: AuditKeys = KEYS,
    events: EventRecorder | None = None,
) -> ChainEnd:
    asked: list[AuditHead] = []

    async def read_last(chain: str, of: AuditHead) -> Sequence[AuditRecord]:
        assert chain == "main"
        asked.append(of)
        return found

    end = await Sealer(keys, events or EventRecorder()).find_end("main", head, read_last)
    assert asked == ([] if head is None else [head])
    return end


def seal(count: int = 2, end: ChainEnd = START) -> tuple[tuple[AuditRecord, ...], ChainEnd]:
    facts = [build_facts() for _ in range(count)]
    return Sealer(KEYS, EventRecorder()).seal(facts, end)


def test_H83_each_follows_on_the_one_before() -> None:
    records, end = seal(3)
    assert [record.sequence for record in records] == [1, 2, 3]
    assert [record.previous for record in records] == [NO_SEAL, records[0].mac, records[1].mac]
    assert end == ChainEnd(AuditHead(3, records[2].mac), KEYS.current)
    more, _ = seal(2, end)
    verifier = ChainVerifier(KEYS, "main")
    for record in (*records, *more):
        verifier.feed(record)
    assert verifier.finish() == Verified(5, verifier.mark)


def test_H90_behind_a_rotation_the_new_key_seals() -> None:
    rotation = build_rotation("main", record_id="i2", at=0, key_id=str(KEYS.current))
    facts = [build_facts(), rotation, build_facts()]
    records, end = Sealer(KEYS, EventRecorder()).seal(facts, ChainEnd(None, OLD_ID))
    verifier = ChainVerifier(KEYS, "main")
    for record in records:
        verifier.feed(record)
    assert verifier.finish() == Verified(3, verifier.mark)
    assert (records[1].action, end.key_id) == (KEY_ROTATED, KEYS.current)


async def test_the_end_of_nothing() -> None:
    assert await find([], None) == START


async def test_H90_a_chain_goes_on_under_the_key_that_it_has_come_to() -> None:
    records, _ = seal(2, ChainEnd(None, OLD_ID))
    events = EventRecorder()
    end = await find(records[1:], build_end(records[1]), events=events)
    assert end == ChainEnd(build_end(records[1]), OLD_ID)
    assert events.names == []


async def test_H90_an_end_under_a_key_not_held_stops_the_log() -> None:
    records, _ = seal()
    foreign = AuditKeys(OLD)
    with pytest.raises(StorageError, match="secrets"):
        await find(records[1:], build_end(records[1]), keys=foreign)
    rotation = build_rotation("main", record_id="i2", at=0, key_id=str(KEYS.current))
    rotated, _ = Sealer(KEYS, EventRecorder()).seal([rotation], ChainEnd(None, OLD_ID))
    with pytest.raises(StorageError, match="secrets"):
        await find(rotated, build_end(rotated[0]), keys=foreign)


RECORDS, _ = seal()


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        pytest.param([], "link", id="no record"),
        pytest.param([RECORDS[0]], "link", id="another record"),
        pytest.param([replace(RECORDS[1], mac=b"m" * 32)], "link", id="another seal"),
        pytest.param([replace(RECORDS[1], body=b"{}")], "encoding", id="no record's bytes"),
        pytest.param(
            [replace(RECORDS[1], body=RECORDS[1].body.replace(b"a1", b"a2"))], "mac", id="edited"
        ),
        pytest.param([replace(RECORDS[1], actor="a2")], "column", id="column"),
        pytest.param([replace(RECORDS[1], chain="else")], "wrong_chain", id="another chain"),
    ],
)
async def test_H91_behind_a_false_record_the_log_goes_on_with_an_alarm(
    found: list[AuditRecord], reason: str
) -> None:
    events = EventRecorder()
    end = await find(found, build_end(RECORDS[1]), events=events)
    assert end == ChainEnd(build_end(RECORDS[1]), KEYS.current, reason)  # type: ignore[arg-type]
    (event,) = events.events
    assert (event.name, event.severity) == ("audit_chain_broken", Severity.ERROR)
    assert event.facts == {"chain": "main", "sequence": 2, "reason": reason}


async def test_H86_a_record_of_another_chain_in_its_place() -> None:
    (theirs,), _ = Sealer(KEYS, EventRecorder()).seal([build_facts(chain="tenant:b")], START)
    moved = replace(theirs, chain="main")
    assert (await find([moved], build_end(moved))).fault == "wrong_chain"
