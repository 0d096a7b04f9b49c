"""What every backend decides alike about an append to a chain."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from asgi_security.errors import StorageError
from asgi_security.storage.protocols.audit import Appended, AuditHead, HeadMoved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asgi_security.storage.protocols.audit import AuditRecord

BEFORE_FIRST = AuditHead(0, bytes(32))
"""What the first record of a chain follows on, as rows hold it."""


def check_records(records: Sequence[AuditRecord], after: AuditHead | None) -> AuditHead:
    """Return the head that these records make, which is the last of them.

    Raises:
        StorageError: There are none, or they do not follow on `after` and on one another in one
            chain: a store must not make a gap of a caller's mistake.
    """
    if not records:
        raise StorageError("there are no records to append")
    before = BEFORE_FIRST if after is None else after
    first = records[0]
    follows = (first.sequence, first.previous) == (before.sequence + 1, before.mac)
    for one, other in pairwise(records):
        follows = follows and (other.chain, other.sequence, other.previous) == (
            *(one.chain, one.sequence + 1, one.mac),
        )
    if not follows:
        raise StorageError("the records do not follow on one another")
    return AuditHead(records[-1].sequence, records[-1].mac)


def decide_append(
    head: AuditHead | None, after: AuditHead | None, made: AuditHead, *, stands: bool
) -> Appended | HeadMoved | None:
    """Return the answer that an append has without storing anything, None if it may be stored.

    Args:
        head: where the chain ends.
        after: where the caller believes that it ends.
        made: the last of the records.
        stands: whether the chain has that record at its number. It was then appended before and
            its answer lost: to append it once more, behind whoever came in between, would log
            twice what happened once.
    """
    if stands or head == made:
        return Appended(made if head is None else head)
    return None if head == after else HeadMoved(head)
