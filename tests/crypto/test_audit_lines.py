"""A chain as lines, checked without the store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_security.crypto.audit_chain import Broken, Empty, Verified
from asgi_security.crypto.audit_lines import (
    LineVerifier,
    build_last_line,
    build_line,
    parse_line,
)
from asgi_security.crypto.audit_seals import AuditKeys, ChainMark
from tests.crypto.audit_samples import KEYS, OTHER, build_chain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asgi_security.crypto.audit_chain import Verification
    from asgi_security.storage.protocols import AuditRecord

RECORDS = build_chain(3)
FORKED = build_chain(3, actor="eve")


def mark(record: AuditRecord) -> ChainMark:
    return ChainMark(record.chain, record.sequence, record.mac)


def sign(record: AuditRecord, keys: AuditKeys = KEYS) -> bytes:
    return build_last_line(keys.sign(mark(record), keys.current))


LINES = [*map(build_line, RECORDS), sign(RECORDS[-1])]
HEAD = mark(RECORDS[-1])


def verify(lines: Iterable[bytes], **options: Any) -> Verification:
    verifier = LineVerifier(KEYS, **options)
    for line in lines:
        verifier.feed(line)
    return verifier.finish()


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_H90_an_export_is_checked_like_the_chain(end: bytes) -> None:
    assert verify(line + end for line in LINES) == Verified(3, HEAD)


def test_H90_a_line_is_the_seal_and_the_bytes() -> None:
    assert build_line(RECORDS[0]) == RECORDS[0].mac.hex().encode() + b" " + RECORDS[0].body
    parsed = parse_line(build_line(RECORDS[0]))
    assert parsed is not None
    for column in ("chain", "sequence", "body", "mac", "previous", "at", "action", "actor"):
        assert getattr(parsed, column) == getattr(RECORDS[0], column)


@pytest.mark.parametrize(
    ("lines", "options", "expected"),
    [
        pytest.param([], {}, Empty(), id="H90 nothing"),
        pytest.param([], {"marks": [HEAD]}, Broken(1, "truncated"), id="H87 all removed"),
        pytest.param(LINES[:3], {}, Broken(4, "truncated"), id="H90 no checkpoint"),
        pytest.param(LINES[:2], {}, Broken(3, "truncated"), id="H90 end cut off"),
        pytest.param(LINES[3:], {}, Broken(1, "truncated"), id="H90 only the checkpoint"),
        pytest.param(
            [*LINES[:2], LINES[3]], {}, Broken(3, "truncated"), id="H90 last record removed"
        ),
        pytest.param([LINES[0], *LINES[2:]], {}, Broken(2, "gap"), id="H90 one removed"),
        pytest.param(
            [*LINES[:3], sign(RECORDS[1])], {}, Broken(4, "link"), id="H90 an older checkpoint"
        ),
        pytest.param(
            [*LINES[:3], sign(FORKED[2])],
            {},
            Broken(4, "link"),
            id="H90 of another chain of events",
        ),
        pytest.param([*LINES, LINES[2]], {}, Broken(4, "encoding"), id="H90 more behind the end"),
        pytest.param([*LINES, LINES[3]], {}, Broken(4, "encoding"), id="H90 two checkpoints"),
        pytest.param([LINES[0], b"", *LINES[1:]], {}, Broken(2, "encoding"), id="H90 empty line"),
        pytest.param([LINES[0][1:]], {}, Broken(1, "encoding"), id="H90 half a seal"),
        pytest.param([LINES[0] + b"x"], {}, Broken(1, "encoding"), id="H90 no record"),
        pytest.param([LINES[0].replace(b'"a1"', b'"eve"')], {}, Broken(1, "mac"), id="H86 edited"),
        pytest.param(
            LINES, {"chain": "tenant:b"}, Broken(1, "wrong_chain"), id="H86 another tenant"
        ),
        pytest.param(LINES, {"chain": "main"}, Verified(3, HEAD), id="H90 the chain asked for"),
        pytest.param(LINES, {"marks": [mark(RECORDS[1])]}, Verified(3, HEAD), id="H87 anchored"),
        pytest.param(
            LINES, {"marks": [mark(FORKED[1])]}, Broken(2, "truncated"), id="H87 written anew"
        ),
        pytest.param(
            LINES,
            {"marks": [ChainMark("main", 4, b"m" * 32)]},
            Broken(4, "truncated"),
            id="H87 shorter than the checkpoint that was kept",
        ),
        pytest.param(
            [*LINES[:3], LINES[3][:-4] + b"AAAA"], {}, Broken(4, "mac"), id="H87 forged checkpoint"
        ),
        pytest.param(
            [*LINES[:3], sign(RECORDS[2], AuditKeys(OTHER))],
            {},
            Broken(4, "unknown_key"),
            id="H87 checkpoint of a key not held",
        ),
        pytest.param(
            [*LINES[:3], b"checkpoint \xff"], {}, Broken(4, "encoding"), id="H87 no checkpoint"
        ),
    ],
)
def test_lines(lines: list[bytes], options: dict[str, Any], expected: Verification) -> None:
    assert verify(lines, **options) == expected


def test_H85_what_is_broken_stays_broken() -> None:
    verifier = LineVerifier(KEYS)
    assert verifier.feed(b"") == Broken(1, "encoding")
    assert verifier.feed(LINES[0]) == Broken(1, "encoding")


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(replace(RECORDS[0], body=b'{\n"a":\r1}'), id="line ends"),
        pytest.param(replace(RECORDS[0], body="text"), id="text"),  # type: ignore[arg-type]
        pytest.param(replace(RECORDS[0], mac=None), id="no seal"),  # type: ignore[arg-type]
    ],
)
def test_H85_whatever_a_store_holds_is_one_line_and_no_record(record: AuditRecord) -> None:
    line = build_line(record)
    assert b"\n" not in line
    assert b"\r" not in line
    assert parse_line(line) is None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_H85_no_line_raises(line: bytes) -> None:
    assert parse_line(line) is None
    parse_line(b"checkpoint " + line)
    parse_line(b"ab" * 32 + b" " + line)
