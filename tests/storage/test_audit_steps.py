"""What every backend decides alike about an append."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from asgi_security.errors import StorageError
from asgi_security.storage.audit_steps import BEFORE_FIRST, check_records, decide_append
from asgi_security.storage.protocols import Appended, AuditHead, HeadMoved
from asgi_security.testing.contracts.audit import build_records, find_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.protocols import AuditRecord

RECORDS = build_records(4)
FIRST, SECOND, THIRD, FOURTH = RECORDS
HEAD = find_head(RECORDS[:2])
MADE = find_head(RECORDS)
OTHER = AuditHead(2, b"o" * 32)


def test_H84_records_make_the_head_that_their_last_is() -> None:
    assert check_records(RECORDS, None) == MADE
    assert check_records(RECORDS[2:], HEAD) == MADE
    assert check_records([FIRST], None) == find_head([FIRST])
    assert BEFORE_FIRST.mac == FIRST.previous


@pytest.mark.parametrize(
    ("records", "after"),
    [
        pytest.param([], None, id="H84 none"),
        pytest.param(RECORDS[1:], None, id="H84 not from the first"),
        pytest.param(RECORDS, HEAD, id="H84 from the first again"),
        pytest.param(RECORDS[2:], OTHER, id="H84 behind another record"),
        pytest.param([FIRST, THIRD], None, id="H84 a gap"),
        pytest.param([FIRST, replace(SECOND, chain="b")], None, id="H86 two chains"),
        pytest.param([FIRST, replace(SECOND, previous=b"x" * 32)], None, id="H84 a broken link"),
        pytest.param([FIRST, replace(SECOND, sequence=1)], None, id="H84 a number twice"),
    ],
)
def test_H84_what_does_not_follow(records: Sequence[AuditRecord], after: AuditHead | None) -> None:
    with pytest.raises(StorageError):
        check_records(records, after)


@pytest.mark.parametrize(
    ("head", "after", "stands", "expected"),
    [
        pytest.param(HEAD, HEAD, False, None, id="H84 at the end"),
        pytest.param(None, None, False, None, id="H84 of an empty chain"),
        pytest.param(OTHER, HEAD, False, HeadMoved(OTHER), id="H84 moved"),
        pytest.param(None, HEAD, False, HeadMoved(None), id="H84 not there"),
        pytest.param(HEAD, None, False, HeadMoved(HEAD), id="H84 no longer empty"),
        pytest.param(MADE, HEAD, True, Appended(MADE), id="H84 a lost answer"),
        pytest.param(MADE, HEAD, False, Appended(MADE), id="H84 a lost answer, by its head"),
        pytest.param(
            AuditHead(9, b"n" * 32),
            HEAD,
            True,
            Appended(AuditHead(9, b"n" * 32)),
            id="H84 a lost answer, and others since",
        ),
        pytest.param(None, HEAD, True, Appended(MADE), id="a head that somebody removed"),
    ],
)
def test_answers(
    head: AuditHead | None,
    after: AuditHead | None,
    stands: bool,  # noqa: FBT001 -- of a table
    expected: object,
) -> None:
    assert decide_append(head, after, MADE, stands=stands) == expected
