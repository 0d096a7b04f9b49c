"""The benchmark of the stores: real small runs, what is computed of them, what the page says."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from asgi_security.storage import protocols
from asgi_security.storage.protocols import Busy, Conflict, Gone, Locked
from benchmarks.stores import command, filling, measuring
from benchmarks.stores.command import QUICK
from benchmarks.stores.duels import DUELS, run_duels
from benchmarks.stores.measuring import measure_backend
from benchmarks.stores.places import BACKENDS, MissingError, provide
from benchmarks.stores.plans import PLANS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.stores.duels import Duel
    from benchmarks.stores.filling import StoreResult, Swept
    from benchmarks.stores.places import Place

POSTGRES_URL = command.POSTGRES_URL
TINY = replace(
    QUICK,
    sizes=(20, 60),
    calls=((1, 12), (7, 35)),
    rounds=2,
    duel_calls=20,
    small=60,
    warm_keys=40,
)
TURNS = 12 + 12 + 35
REFUSALS = (
    *(Locked, Busy, Conflict, Gone),
    *(protocols.NameTaken, protocols.AccountConflict, protocols.AccountGone),
    *(protocols.Retried, protocols.Reused, protocols.FamilyGone, protocols.HeadMoved),
)

PROTOCOLS = {
    "attempts": protocols.AttemptStore,
    "revocations": protocols.RevocationStore,
    "sessions": protocols.SessionStore,
    "once": protocols.OneTimeStore,
    "throttles": protocols.ThrottleStore,
    "accounts": protocols.AccountStore,
    "refresh": protocols.RefreshStore,
    "api_keys": protocols.ApiKeyStore,
    "audit": protocols.AuditStore,
}
NOT_ASKED = {
    "accounts": {
        *("list_factors", "replace_factors", "advance_factor", "delete_factor"),
        *("link", "find_identity", "list_identities", "unlink"),
    },
    "refresh": {"revoke_handle", "revoke_subject", "list_for"},
    "api_keys": {"revoke", "revoke_for", "list_for"},
    "audit": {"list_chains"},
}
"""Every other operation is."""
SWEPT = {"attempts", "revocations", "sessions", "once", "throttles", "refresh"}


def list_operations(protocol: type) -> set[str]:
    return {
        name
        for name, value in vars(protocol).items()
        if inspect.iscoroutinefunction(value) and not name.startswith("_")
    }


@pytest.mark.parametrize("facet", sorted(PLANS))
def test_operations_of_a_facet_are_asked(facet: str) -> None:
    names = [operation.name for operation in PLANS[facet].operations]
    not_asked = NOT_ASKED.get(facet, set())
    assert not_asked <= list_operations(PROTOCOLS[facet])
    assert set(names) == list_operations(PROTOCOLS[facet]) - not_asked
    assert len(names) == len(set(names))


def test_every_facet_has_a_plan() -> None:
    facets = {name for name, value in vars(protocols.Store).items() if isinstance(value, property)}
    assert set(PLANS) == set(PROTOCOLS) == facets


@pytest.fixture(scope="module", params=BACKENDS)
def result(request: pytest.FixtureRequest) -> StoreResult:
    """Return what a small real run of a backend found."""
    found = measure_backend(request.param, POSTGRES_URL, TINY)
    if found.absent:
        pytest.skip(found.absent)
    return found


def test_a_backend_is_measured(result: StoreResult) -> None:
    assert result.fault == ""
    operations = [(facet, one.name) for facet in PLANS for one in PLANS[facet].operations]
    alone = [(one.facet, one.operation, one.size) for one in result.asked if one.at_once == 1]
    assert sorted(alone) == sorted((*pair, size) for pair in operations for size in (20, 60))
    together = [(one.facet, one.operation, one.size) for one in result.asked if one.at_once == 7]
    assert sorted(together) == sorted((*pair, 60) for pair in operations)
    assert all(0 < one.p50_us <= one.p99_us and one.per_second > 0 for one in result.asked)
    assert [(one.facet, one.keys) for one in result.filled] == [(facet, 60) for facet in PLANS]
    swept = {one.facet: one.rows for one in result.swept}
    if result.backend == "redis":
        assert set(swept) <= {"attempts", "sessions", "refresh"}
    else:
        assert set(swept) == SWEPT
    assert all(rows >= 60 for rows in swept.values())


def test_a_run_leaves_a_store_as_it_was_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every turn is admitted and saved, and what it made is gone after it."""
    refused: list[object] = []
    counts: dict[str, int] = {}
    real = filling.ask_all

    async def ask_all(acts: Any, at_once: int) -> list[float]:
        async def check(act: Any) -> None:
            answer = await act()
            if isinstance(answer, REFUSALS) or answer is False:
                refused.append(answer)

        return await real((partial(check, act) for act in acts), at_once)

    class Watched(filling.Measurement):
        async def sweep(self, facet: str) -> Swept | None:
            counts[facet] = len(getattr(self._store, facet))
            return await super().sweep(facet)

    monkeypatch.setattr(filling, "ask_all", ask_all)
    monkeypatch.setattr(measuring, "Measurement", Watched)
    found = measure_backend("memory", "", TINY)
    assert found.fault == ""
    # A question whether fresh ids are revoked is answered no, by every turn.
    assert refused == [False] * TURNS
    filled = 60 + TINY.warm_keys
    assert counts == {
        **dict.fromkeys(PLANS, filled),
        "once": filled + TURNS,  # the claims stay
        "revocations": filled + 2 * TURNS,
        "audit": filled + TURNS,
    }


async def _dump_sqlite(place: Place) -> dict[str, list[object]]:
    with closing(sqlite3.connect(place.url)) as connection:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in names}  # noqa: S608


async def _dump_postgres(place: Place) -> dict[str, list[object]]:
    import asyncpg  # type: ignore[import-untyped]  # noqa: PLC0415 -- an extra

    connection = await asyncpg.connect(place.url)
    try:
        names = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = $1", place.schema
        )
        return {
            name: [tuple(row) for row in await connection.fetch(f'TABLE "{place.schema}".{name}')]
            for (name,) in names
        }
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("backend", "dump"), [("sqlite", _dump_sqlite), ("postgres", _dump_postgres)]
)
def test_bulk_rows_are_those_that_operations_write(
    backend: str, dump: Callable[[Place], Awaitable[dict[str, list[object]]]]
) -> None:
    async def fill(place: Place, *, in_bulk: bool) -> dict[str, list[object]]:
        used = place if in_bulk else replace(place, load=None)
        measurement = filling.Measurement(used, TINY, now=1.8e9 + 0.123456)
        await measurement.warm_up()
        for facet in PLANS:
            await measurement.fill(facet, 0, 30)
            await measurement.fill(facet, 30, 131)
        await measurement.close()
        return {name: sorted(rows, key=repr) for name, rows in (await dump(place)).items()}

    try:
        with provide(backend, POSTGRES_URL, 1) as bulk, provide(backend, POSTGRES_URL, 1) as own:
            assert bulk.load is not None
            found = asyncio.run(fill(bulk, in_bulk=True))
            assert found == asyncio.run(fill(own, in_bulk=False))
    except MissingError as error:
        pytest.skip(str(error))
    finally:
        gc.unfreeze()
    filled = [name for name, rows in found.items() if len(rows) == 131 + TINY.warm_keys]
    assert len(filled) == len(PLANS)


@pytest.mark.parametrize("facet", sorted(PLANS))
def test_what_does_not_read_as_it_was_put_in_is_told(
    facet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(PLANS[facet], expect=lambda _: "something else")
    monkeypatch.setattr(filling, "PLANS", {facet: plan})
    monkeypatch.setattr(measuring, "PLANS", {facet: plan})
    fault = measure_backend("memory", "", TINY).fault
    assert f"{facet}: key" in fault
    assert "does not read as it was put in" in fault


def test_a_facet_may_have_fewer_keys_than_the_run() -> None:
    few = replace(PLANS["once"], most_keys=30)
    assert few.limit_sizes((20, 60)) == (20, 30)
    assert few.limit_sizes((20, 30)) == few.limit_sizes((20, 30, 40)) == (20, 30)
    assert few.limit_sizes((10, 25)) == (10, 25)
    assert PLANS["once"].limit_sizes((20, 60)) == (20, 60)
    newer = {facet for facet, plan in PLANS.items() if plan.most_keys is not None}
    assert newer == {"accounts", "refresh", "api_keys", "audit"}


def test_a_collection_looks_through_no_heap_of_another() -> None:
    """What lives in the process is frozen for a run, and no longer."""
    seen: list[int] = []

    class Watched(filling.Measurement):
        async def warm_up(self) -> None:
            seen.append(gc.get_freeze_count())
            await super().warm_up()

    before = gc.get_freeze_count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "Measurement", Watched)
        assert measure_backend("memory", "", TINY).fault == ""
    assert seen[0] > 10_000
    assert gc.get_freeze_count() <= before


def test_a_missing_or_failing_backend_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = measure_backend("postgres", "postgresql://127.0.0.1:1/d", TINY)
    assert missing.absent.startswith("nobody answers")
    monkeypatch.setattr("benchmarks.stores.places.shutil.which", lambda _: None)
    assert measure_backend("redis", "", TINY).absent == "no redis-server in the PATH"

    def fail(*_: object) -> None:
        raise ValueError("odd")

    monkeypatch.setattr(measuring, "provide", fail)
    assert measure_backend("memory", "", TINY).fault == "failed: ValueError('odd')"


@pytest.mark.parametrize("duel", DUELS, ids=lambda duel: f"{duel.backend} {duel.operation}")
def test_a_duel_is_fought(duel: Duel) -> None:
    results = run_duels([duel], POSTGRES_URL, TINY)
    if results[0].absent:
        pytest.skip(results[0].absent)
    assert [one.at_once for one in results] == [1, 32]
    for one in results:
        assert one.ratio is not None
        assert one.ratio.median > 0
        assert one.budget == duel.budgets.get(one.at_once)


def test_what_redis_charges_is_judged() -> None:
    (charge,) = [duel for duel in DUELS if (duel.backend, duel.operation) == ("redis", "charge")]
    assert charge.budgets == {1: 1.2, 32: 0.6}


def test_a_duel_without_its_peer_is_told() -> None:
    def miss(_: object) -> Any:
        raise ImportError("No module named 'peer'")

    def none(_: object) -> Any:
        raise MissingError("no server")

    for open_peer, told in ((miss, "No module named 'peer'"), (none, "no server")):
        (result,) = run_duels([replace(DUELS[3], open_peer=open_peer)], "", TINY)
        assert result.absent == f"missing: {told}"
        assert result.met is None


@pytest.mark.parametrize("backend", ["memory", "sqlite"])
def test_the_last_size_is_compared_with_a_small_store(backend: str) -> None:
    found = measure_backend(backend, "", replace(TINY, small=40))
    assert found.fault == ""
    operations = [(facet, one.name) for facet in PLANS for one in PLANS[facet].operations]
    assert [(one.facet, one.operation) for one in found.compared] == operations
    assert all(min(one.small_us, one.large_us, one.ratio) > 0 for one in found.compared)


def test_a_small_run_is_compared_with_nothing(result: StoreResult) -> None:
    assert TINY.small == TINY.sizes[-1]
    assert result.compared == ()
