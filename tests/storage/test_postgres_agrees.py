"""Random operations: PostgreSQL answers as memory does, and as the models say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("asyncpg", reason="pip install 'asgi-security[postgres]'")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from asgi_security.storage.memory import MemoryStore
from asgi_security.storage.postgres import PostgresStore
from asgi_security.storage.protocols import Admitted, AttemptKey, LockoutSchedule, Outcome
from asgi_security.testing.contracts.expecting import START, build_digest, build_ticket
from tests.storage.postgres_servers import URL, empty, provide_schema
from tests.storage.test_backends_agree import Backends

if TYPE_CHECKING:
    from asgi_security.storage.protocols import Receipt, Store

pytestmark = pytest.mark.anyio

schema = pytest.fixture(scope="module")(provide_schema)

FEW = settings(
    max_examples=15,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_every_facet_agrees_with_memory(schema: str) -> None:
    class Both(Backends):
        def __init__(self) -> None:
            super().__init__()
            store = PostgresStore(URL, schema=schema, timeout_seconds=20)
            self.stores = (MemoryStore(), store)
            self.runner.run(store.migrate())
            self.runner.run(empty(schema))

    run_state_machine_as_test(Both, settings=FEW)


INSTANTS = st.floats(-40, 90, allow_nan=False).map(lambda offset: START + offset)
SCHEDULES = st.builds(
    LockoutSchedule,
    st.integers(1, 4),
    st.sampled_from([0.1, 7.3, 40.0]),
    st.sampled_from([(), (5.0,), (0.7, 3.3), (1.0, 2.0, 4.0, 8.0)]),
    st.sampled_from([None, 1, 4]),
    st.sampled_from([0.3, 8.0, 60.0]),
)
DIGESTS = st.sampled_from([build_digest(name) for name in "abc"])
NAMES = st.lists(
    st.tuples(
        st.sampled_from(["account", "client"]),
        DIGESTS,
        st.booleans(),
        st.lists(DIGESTS, max_size=2).map(tuple),
    ),
    min_size=1,
    max_size=3,
)
"""Of keys, one schedule for all. A key may come twice, and be another's old one."""

STEPS = st.sampled_from(["charge", "charge", "charge", "fail", "clear", *Outcome])
HISTORIES = st.lists(st.tuples(STEPS, NAMES, INSTANTS, st.integers(0, 5)), min_size=5, max_size=25)


async def replay(store: Store, schedule: LockoutSchedule, history: Any) -> list[object]:
    """Carry out a history; return every answer."""
    attempts = store.attempts
    answers: list[object] = []
    receipts: list[Receipt] = []
    for step, names, now, pick in history:
        keys = [AttemptKey(kind, digest, schedule, *rest) for kind, digest, *rest in names]
        if step == "charge":
            charge = await attempts.charge(keys, ticket=build_ticket(pick), now=now)
            answers.append(charge)
            if isinstance(charge, Admitted):
                receipts.append(charge.receipt)
        elif isinstance(step, Outcome) and receipts:
            receipt = receipts[pick % len(receipts)]
            answers.append(await attempts.settle(receipt, step, now=now))
        elif step == "fail":
            await attempts.add_failure(keys, now=now)
        elif step == "clear":
            await attempts.clear(keys[:1])
        answers.append(await attempts.status(keys, now=now))
    return answers


@settings(FEW, max_examples=40)
@given(schedule=SCHEDULES, history=HISTORIES)
async def test_E13_E20_attempts_answer_as_the_steps_in_python(
    schema: str, schedule: LockoutSchedule, history: Any
) -> None:
    await empty(schema, migrate=True)
    async with PostgresStore(URL, schema=schema, timeout_seconds=20) as store:
        got = await replay(store, schedule, history)
    assert got == await replay(MemoryStore(), schedule, history)
