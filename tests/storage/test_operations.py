"""The table of all operations: it is complete, and each row does something that can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asgi_security.storage.memory import MemoryStore
from tests.storage.operations import ROWS, list_names, list_protocols

if TYPE_CHECKING:
    from tests.storage.operations import Row

pytestmark = pytest.mark.anyio


def test_every_operation_of_every_facet_has_one_row() -> None:
    wanted = [
        (facet, name)
        for facet, protocol in list_protocols().items()
        for name in list_names(protocol)
    ]
    assert sorted((row.facet, row.name) for row in ROWS) == sorted(wanted)


READS = {
    *("attempts.status", "attempts.history", "revocations.is_revoked", "sessions.load"),
    *("sessions.list_for", "refresh.load_family", "refresh.list_for", "audit.load_head"),
    *("audit.read", "audit.list_chains", "accounts.load", "accounts.find", "accounts.list_factors"),
    *("accounts.find_identity", "accounts.list_identities", "api_keys.load", "api_keys.list_for"),
}


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_row_shows_what_its_operation_does(row: Row) -> None:
    """A write can be told from none by its look, and a read finds something."""
    seen: list[object] = []
    for times in (0, 1):
        store = MemoryStore()
        await row.prepare(store, "name")
        answers = [await row.act(store, "name") for _ in range(times)]
        seen.append(await row.look(store, "name"))
    if str(row) in READS:
        assert seen[0] == seen[1]
        assert answers[0]
    else:
        assert seen[0] != seen[1]
