"""Where a chain breaks first, and how."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.crypto.audit_chain import (
    KEY_ROTATED,
    Broken,
    ChainVerifier,
    Empty,
    Verified,
    find_next_key,
    parse_body,
)
from asgi_security.crypto.audit_seals import (
    NO_SEAL,
    AuditKeys,
    ChainMark,
    compute_audit_key_id,
)
from asgi_security.policy import audit as policy
from tests.crypto.audit_samples import BOTH, KEYS, OLD, OTHER, SECRET, build_chain, build_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asgi_security.crypto.audit_chain import Verification
    from asgi_security.storage.protocols import AuditRecord

UNKEYED = AuditKeys(None, accepts_unkeyed=True)
MIXED = AuditKeys(SECRET, accepts_unkeyed=True)
OLD_ID = compute_audit_key_id(OLD)
RECORDS = build_chain(5)
FORKED = build_chain(5, actor="eve")


def verify(
    records: Iterable[AuditRecord],
    keys: AuditKeys = KEYS,
    *,
    chain: str = "main",
    marks: Iterable[ChainMark] = (),
) -> Verification:
    verifier = ChainVerifier(keys, chain, marks=marks)
    for record in records:
        verifier.feed(record)
    return verifier.finish()


def mark(record: AuditRecord) -> ChainMark:
    return ChainMark(record.chain, record.sequence, record.mac)


def edit(record: AuditRecord, **said: Any) -> AuditRecord:
    """Change what the bytes say, and the columns with them, without the key."""
    body = json.loads(record.body) | said
    data = json.dumps(body, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    columns = {name: said[name] for name in ("action", "actor", "target") if name in said}
    return replace(record, body=data, **columns)


def spoil(record: AuditRecord, **columns: Any) -> AuditRecord:
    """Put into columns what no honest writer would."""
    return replace(record, **columns)


def swap(place: int, change: Callable[[AuditRecord], Any]) -> list[Any]:
    return [change(one) if one.sequence == place else one for one in RECORDS]


def test_H85_a_whole_chain() -> None:
    assert verify(RECORDS) == Verified(5, mark(RECORDS[-1]))
    assert verify(RECORDS[:1]) == Verified(1, mark(RECORDS[0]))


def test_H85_no_records() -> None:
    assert verify([]) == Empty()
    assert ChainVerifier(KEYS, "main").mark == ChainMark("main", 0, NO_SEAL)


def test_H83_what_anyone_could_have_written_says_so() -> None:
    records = build_chain(3, UNKEYED)
    assert verify(records, UNKEYED) == Verified(3, mark(records[-1]), unkeyed=True)
    assert verify(records, MIXED) == Verified(3, mark(records[-1]), unkeyed=True)
    assert verify(records, KEYS) == Broken(1, "unknown_key")
    assert verify(RECORDS, UNKEYED) == Broken(1, "unknown_key")


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param(swap(3, lambda one: edit(one, actor="eve")), (3, "mac"), id="H86 actor"),
        pytest.param(swap(1, lambda one: edit(one, action="x")), (1, "mac"), id="H86 action"),
        pytest.param(swap(3, lambda one: edit(one, details={})), (3, "mac"), id="H86 details"),
        pytest.param(swap(3, lambda one: edit(one, seq=9)), (3, "mac"), id="H86 number"),
        pytest.param(swap(2, lambda one: edit(one, prev="00" * 32)), (2, "mac"), id="H86 prev"),
        pytest.param(swap(5, lambda one: replace(one, mac=b"m" * 32)), (5, "mac"), id="H85 seal"),
        pytest.param(swap(5, lambda one: spoil(one, mac="m")), (5, "mac"), id="H85 text as seal"),
        pytest.param(swap(5, lambda one: spoil(one, mac=None)), (5, "mac"), id="H85 no seal"),
        pytest.param(RECORDS[1:], (1, "gap"), id="H86 first removed"),
        pytest.param([*RECORDS[:2], *RECORDS[3:]], (3, "gap"), id="H86 one removed"),
        pytest.param([*RECORDS[:2], RECORDS[1]], (3, "gap"), id="H86 one twice"),
        pytest.param([RECORDS[1], RECORDS[0]], (1, "gap"), id="H82 order is the number"),
        pytest.param([*RECORDS[:2], FORKED[2]], (3, "link"), id="H85 from a fork"),
        pytest.param(swap(4, lambda one: edit(one, key="none")), (4, "unknown_key"), id="H85 key"),
        pytest.param(swap(4, lambda one: edit(one, key=None)), (4, "unknown_key"), id="H85 no key"),
    ],
)
def test_what_breaks_a_chain(records: list[AuditRecord], expected: tuple[int, Any]) -> None:
    assert verify(records) == Broken(*expected)
    assert verify(records, marks=[mark(RECORDS[-1])]) == Broken(*expected)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sequence", 4),
        ("sequence", "3"),
        ("previous", NO_SEAL),
        ("previous", None),
        ("at", "2023-11-14T22:13:20.000Z"),
        ("action", "logout"),
        ("actor", None),
        ("actor", "eve"),
        ("target", "t"),
        ("outcome", ""),
        ("request_id", None),
    ],
)
def test_H81_a_column_that_says_something_else(column: str, value: Any) -> None:
    assert verify(swap(3, lambda one: replace(one, **{column: value}))) == Broken(3, "column")


def test_H88_an_actor_taken_out_of_the_column_alone_is_seen() -> None:
    # What a foreign key with SET NULL would do when the user is deleted.
    assert verify(swap(2, lambda one: replace(one, actor=None))) == Broken(2, "column")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="H85 nothing"),
        pytest.param(b"\xff", id="H85 no UTF-8"),
        pytest.param(b"[1]", id="H85 no object"),
        pytest.param(RECORDS[2].body + b" ", id="H81 not canonical"),
        pytest.param(RECORDS[2].body.replace(b'"v":1', b'"v":2'), id="H81 another version"),
        pytest.param(RECORDS[2].body.replace(b'"v":1', b'"v":true'), id="H81 no version"),
        pytest.param(RECORDS[2].body.replace(b'"v":1', b'"v":1,"w":1'), id="H81 one more"),
        pytest.param(RECORDS[2].body.replace(b',"v":1', b""), id="H81 one less"),
        pytest.param(RECORDS[2].body.replace(b'"seq":3', b'"seq":"3"'), id="H81 number as text"),
        pytest.param(RECORDS[2].body.replace(b'"a1"', b"1"), id="H81 actor that is no text"),
        pytest.param(RECORDS[2].body.replace(b'"login"', b"null"), id="H81 no action"),
        pytest.param(RECORDS[2].body.replace(b'{"n":3}', b"[]"), id="H81 details in a list"),
        pytest.param(RECORDS[2].body.decode(), id="H85 text where bytes are stored"),
        pytest.param(None, id="H85 null"),
    ],
)
def test_bytes_that_are_no_record(body: Any) -> None:
    assert verify(swap(3, lambda one: replace(one, body=body))) == Broken(3, "encoding")


def test_H85_sealed_by_a_holder_of_the_key_but_no_record() -> None:
    record = build_record(prev="x")
    assert verify([record]) == Broken(1, "encoding")


class TestChains:
    def test_H86_a_row_of_another_tenant(self) -> None:
        theirs = build_chain(5, chain="tenant:b")
        assert verify([*RECORDS[:2], theirs[2]]) == Broken(3, "wrong_chain")
        renamed = replace(theirs[2], chain="main")
        assert verify([*RECORDS[:2], renamed]) == Broken(3, "wrong_chain")

    def test_H86_no_tenant_is_a_chain_of_its_own(self) -> None:
        assert verify(RECORDS, chain="tenant:main") == Broken(1, "wrong_chain")

    def test_H86_one_whose_name_was_changed_too(self) -> None:
        theirs = build_record(chain="tenant:b")
        renamed = replace(edit(theirs, chain="main"), chain="main")
        assert verify([renamed]) == Broken(1, "mac")


class TestMarks:
    def test_H87_a_cut_end_is_invisible_inside(self) -> None:
        assert verify(RECORDS[:3]) == Verified(3, mark(RECORDS[2]))

    def test_H87_and_seen_from_outside(self) -> None:
        assert verify(RECORDS[:3], marks=[mark(RECORDS[4])]) == Broken(4, "truncated")
        assert verify([], marks=[mark(RECORDS[4])]) == Broken(1, "truncated")

    def test_H87_a_chain_that_went_on_is_whole(self) -> None:
        marks = [mark(RECORDS[1]), mark(RECORDS[4]), mark(RECORDS[1])]
        assert verify(RECORDS, marks=marks) == Verified(5, mark(RECORDS[4]))

    def test_H87_an_end_that_was_written_anew(self) -> None:
        rewritten = [*RECORDS[:3], *build_chain(3, after=RECORDS[2], actor="eve")]
        assert verify(rewritten) == Verified(6, mark(rewritten[-1]))
        assert verify(rewritten, marks=[mark(RECORDS[4])]) == Broken(5, "truncated")
        contradicting = [mark(RECORDS[4]), mark(rewritten[4])]
        assert verify(rewritten, marks=contradicting) == Broken(5, "truncated")

    def test_H85_what_is_broken_stays_broken(self) -> None:
        verifier = ChainVerifier(KEYS, "main", marks=[mark(FORKED[1])])
        assert verifier.feed(RECORDS[0]) is None
        assert verifier.feed(RECORDS[1]) == Broken(2, "truncated")
        assert verifier.feed(RECORDS[2]) == Broken(2, "truncated")
        assert verifier.finish() == Broken(2, "truncated")


def rotate(after: AuditRecord, keys: AuditKeys = BOTH, **fields: Any) -> AuditRecord:
    fields = {"key_id": OLD_ID, "details": {"key": BOTH.current}, **fields}
    return build_record(
        keys,
        sequence=after.sequence + 1,
        previous=after.mac,
        action=KEY_ROTATED,
        **fields,
    )


class TestRotation:
    def test_H90_the_old_key_names_the_new_one(self) -> None:
        old = build_chain(2, BOTH, key_id=OLD_ID)
        rotation = rotate(old[-1])
        new = build_chain(2, BOTH, after=rotation)
        verifier = ChainVerifier(BOTH, "main")
        for record in (*old, rotation, *new):
            verifier.feed(record)
        assert verifier.finish() == Verified(5, mark(new[-1]))
        assert verifier.next_key_id == BOTH.current
        assert verify([*old, rotation, *new], KEYS) == Broken(1, "unknown_key")
        assert verify([*old, *new], BOTH) == Broken(3, "gap")

    def test_H90_a_key_that_nobody_named(self) -> None:
        old = build_chain(2, BOTH, key_id=OLD_ID)
        new = build_chain(1, BOTH, after=old[-1])
        assert verify([*old, *new], BOTH) == Broken(3, "unknown_key")

    def test_H90_the_old_key_ends_with_the_rotation(self) -> None:
        first = build_record(BOTH, key_id=OLD_ID)
        rotation = rotate(first)
        late = build_chain(1, BOTH, after=rotation, key_id=OLD_ID)
        assert verify([first, rotation, *late], BOTH) == Broken(3, "unknown_key")

    def test_H90_from_no_key_to_one(self) -> None:
        first = build_record(MIXED, key_id=None)
        rotation = rotate(first, MIXED, key_id=None)
        records = [first, rotation, *build_chain(1, MIXED, after=rotation)]
        assert verify(records, MIXED) == Verified(3, mark(records[-1]), unkeyed=True)

    def test_H90_a_rotation_that_names_nothing_changes_nothing(self) -> None:
        rotation = rotate(build_record(), key_id=KEYS.current, details={"key": 1})
        said = parse_body(rotation.body)
        assert said is not None
        assert find_next_key(said) == KEYS.current

    def test_the_two_pillars_speak_of_the_same_record(self) -> None:
        assert policy.KEY_ROTATED == KEY_ROTATED


def test_H83_another_secret_makes_other_seals() -> None:
    forged = build_chain(5, AuditKeys(OTHER), key_id=compute_audit_key_id(OTHER))
    claimed = [edit(one, key=KEYS.current) for one in forged]
    assert verify(claimed) == Broken(1, "mac")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_H85_any_change_of_any_byte_is_found(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, 4))
    body = bytearray(RECORDS[place].body)
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    changed = [*RECORDS]
    changed[place] = replace(RECORDS[place], body=bytes(body))
    found = verify(changed)
    assert isinstance(found, Broken)
    assert found.index == place + 1
