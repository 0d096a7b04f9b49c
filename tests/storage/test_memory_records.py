"""The records of attempts in memory: what a search through all of them would find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asgi_security.storage.memory.records import AttemptRecords
from asgi_security.storage.protocols import AttemptRecord

LIMIT = 5
owners = st.sampled_from([None, b"a", b"b"])
added = st.builds(
    AttemptRecord,
    at=st.integers(0, 20).map(float),
    account=owners,
    client=owners,
    kind=st.just("password"),
    outcome=st.sampled_from(["failure", "success"]),
)
dropped = st.integers(0, 20).map(float)


@given(
    steps=st.lists(added | dropped, max_size=30),
    account=owners,
    client=owners,
    limit=st.integers(-1, 6),
)
def test_D62_found_as_by_a_search(
    steps: list[AttemptRecord | float], account: bytes | None, client: bytes | None, limit: int
) -> None:
    records, kept = AttemptRecords(LIMIT), list[AttemptRecord]()
    for step in steps:
        if isinstance(step, float):
            records.drop_until(step)
            while kept and kept[0].at <= step:
                del kept[0]
        else:
            records.add(step)
            kept = [*kept, step][-LIMIT:]
    searched = [
        record
        for record in reversed(kept)
        if account in {None, record.account} and client in {None, record.client}
    ]
    searched.sort(key=lambda record: record.at, reverse=True)
    assert records.find(account, client, limit) == tuple(searched[: max(0, limit)])


def test_nothing_is_left_of_what_is_forgotten() -> None:
    records = AttemptRecords(LIMIT)
    for number in range(20):
        owner = bytes([number])
        records.add(AttemptRecord(float(number), owner, owner, "password", "failure"))
    assert len(records._by_owner) == 2 * LIMIT
    records.drop_until(20)
    assert not records._by_owner
    assert records.find(None, None, 10) == ()
