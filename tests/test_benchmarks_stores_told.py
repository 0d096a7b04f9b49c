"""What the benchmark of the stores makes of its results: judgement, page, drawings, command."""

from __future__ import annotations

import json
import re
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks.__main__ import main
from benchmarks.measure import Quartiles
from benchmarks.pages.notes import GROWTH_REASONS, STORE_REASONS
from benchmarks.pages.page import write_page
from benchmarks.pages.stores import draw_stores, list_curves, write_stores
from benchmarks.stores import command
from benchmarks.stores.command import QUICK, build_part, build_sizes, judge_growth
from benchmarks.stores.duels import DUELS, DuelResult, run_duels
from benchmarks.stores.filling import Asked, Compared, Filled, StoreResult, Swept

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TINY = replace(QUICK, sizes=(20, 60))


def _asked(size: int, p50_us: float, operation: str = "charge", at_once: int = 1) -> Asked:
    return Asked("attempts", operation, size, at_once, p50_us, p50_us * 2, 1000.0)


def _build_results() -> list[StoreResult]:
    asked = (
        *(_asked(1_000, 9.0), _asked(10_000, 10.0), _asked(1_000_000, 15.0)),
        *(_asked(10_000, 10.0, "clear"), _asked(1_000_000, 16.0, "clear")),
        _asked(1_000_000, 99.0, "charge", 32),
        *(Asked("audit", "append", size, 1, 7.0, 8.0, 9.0) for size in (1_000, 10_000, 100_000)),
    )
    return [
        StoreResult(
            "memory",
            (1_000, 10_000, 100_000, 1_000_000),
            asked,
            (Filled("attempts", 1_000_000, 250.0, 1e5), Filled("once", 1_000_000, 333.0, 1e5)),
            (Swept("attempts", 500, 1.5, 7.5),),
            (
                Compared("attempts", "charge", 10.0, 15.0, 1.5),
                Compared("attempts", "clear", 10.0, 15.0, 1.6),
            ),
        ),
        StoreResult("redis", absent="no redis-server in the PATH"),
        StoreResult("postgres", fault="failed: ValueError('odd')"),
    ]


def _fought(
    backend: str, operation: str, peer: str, at_once: int, ratio: float, budget: float | None = None
) -> DuelResult:
    value = Quartiles(ratio - 0.01, ratio, ratio + 0.01)
    return DuelResult(backend, operation, peer, at_once, value, value, value, budget)


DUEL_RESULTS = (
    _fought("redis", "charge", "raw", 1, 1.31, 1.2),
    _fought("redis", "charge", "raw", 32, 0.31, 0.6),
    _fought("memory", "session create", "x", 1, 2.31),
    DuelResult("sqlite", "once put", "aiosqlite", 0, absent="missing: aiosqlite"),
)


def test_growth_is_judged() -> None:
    found = {one.operation: (one.ratio, one.met) for one in judge_growth(_build_results())}
    assert found == {"charge": (1.5, True), "clear": (1.6, False)}


def test_sizes_grow_by_ten() -> None:
    assert build_sizes(1_000_000) == (1_000, 10_000, 100_000, 1_000_000)
    assert build_sizes(1_000) == (1_000,)


def _build_document() -> dict[str, Any]:
    part = build_part(_build_results(), DUEL_RESULTS, TINY)
    machine = {"processor": "", "processors": 2, "system": "Linux", "machine": "x86_64"}
    machine |= {"implementation": "CPython", "python": "3.11"}
    document: dict[str, Any] = {"machine": {**machine, "versions": {}}, **part}
    return dict(json.loads(json.dumps(document)))


@pytest.mark.parametrize(
    "told",
    [
        pytest.param("1,000,000 keys of every facet", id="how many"),
        pytest.param("but only 100,000 of *audit*. ", id="how many of a facet that has fewer"),
        pytest.param("| audit append | 100,000 | 7 / 8 | - |", id="beside fewer"),
        pytest.param("no redis-server in the PATH", id="a backend that is missing"),
        pytest.param("failed: ValueError('odd')", id="a backend that failed"),
        pytest.param("| attempts charge | 1,000,000 | 15 / 30 | 99 / 198 |", id="an operation"),
        pytest.param("| attempts clear | 1.60 | <= 1.50 **not met** |", id="growth beyond"),
        pytest.param("| raw | 1 | 1.31 | 1.31 | 1.310 | <= 1.20 **not met** |", id="a budget"),
        pytest.param("<= 0.60 met", id="a budget that is met"),
        pytest.param("1.310 times raw. No good reason is known", id="a peer that is faster"),
        pytest.param(STORE_REASONS["memory", "session create"], id="a reason"),
        pytest.param(GROWTH_REASONS["memory"], id="why one grows beyond"),
        pytest.param("missing: aiosqlite", id="a peer that is missing"),
        pytest.param(
            "| attempts | 1,000,000 | 250 | 100,000 | 1.5 | 7.5 |", id="room and sweeping"
        ),
        pytest.param(
            "| once | 1,000,000 | 333 | 100,000 | - | - |", id="rows that the server removes"
        ),
    ],
)
def test_the_page_hides_nothing(told: str) -> None:
    document = _build_document()
    assert told in write_stores(document)
    assert told in write_page(document)


def test_growth_within_the_budget_tells_the_worst() -> None:
    document = _build_document()
    growth = [one for one in document["stores_growth"] if one["met"]]
    assert "| attempts charge | 1.50 | <= 1.50 met |" in write_stores(
        {**document, "stores_growth": growth}
    )


def test_the_page_of_a_run_in_which_nothing_was_there() -> None:
    document = build_part([StoreResult("redis", absent="none")], (), TINY)
    assert "no keys of every facet" in write_stores(document)
    assert draw_stores(document["stores"]) == {}


def test_the_first_operation_of_each_facet_is_drawn() -> None:
    stores = _build_document()["stores"]
    assert list_curves(stores) == {
        "attempts charge": {"memory": [9.0, 10.0, None, 15.0]},
        "audit append": {"memory": [7.0, 7.0, 7.0, None]},
    }
    drawings = draw_stores(stores)
    names = ["stores-attempts-charge.svg", "stores-audit-append.svg"]
    assert list(drawings) == names
    for drawing in drawings.values():
        root = ET.fromstring(drawing)  # noqa: S314 -- our own
        assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 1
        assert len(list(root.iter("{http://www.w3.org/2000/svg}circle"))) == 4
    named = re.findall(r"\]\(benchmarks/([^)]+)\)", write_stores(_build_document()))
    assert named == names


def test_every_reason_is_of_a_duel() -> None:
    assert set(STORE_REASONS) <= {(duel.backend, duel.operation) for duel in DUELS}


@pytest.mark.parametrize(("fault", "status"), [("", 0), ("failed", 1)])
def test_the_command_writes_what_it_measured(
    fault: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[object, ...]] = []

    def run(function: Any, *arguments: Any) -> Sequence[object] | StoreResult:
        asked.append(arguments)
        if function is run_duels:
            return DUEL_RESULTS
        return replace(_build_results()[0], fault=fault)

    monkeypatch.setattr(command, "in_own_process", run)
    assert main(["stores", "--quick", "--keys", "100", "--on", "memory", "--json", "-"]) == status
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["stores_effort"]["sizes"] == [100]
    assert document["stores"][0]["fault"] == fault
    assert [one["met"] for one in document["stores_duels"]] == [False, True, None, None]
    assert "not met" in err
    assert [duel.backend for duel in asked[1][0]] == ["memory", "memory"]  # type: ignore[attr-defined]


def test_what_was_measured_outlives_a_run_that_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(function: Any, *arguments: Any) -> StoreResult:
        if arguments[0] == "redis":
            raise KeyboardInterrupt
        return _build_results()[0]

    monkeypatch.setattr(command, "in_own_process", run)
    target = tmp_path / "run.json"
    with pytest.raises(KeyboardInterrupt):
        main(["stores", "--on", "memory", "--on", "redis", "--json", str(target)])
    (kept,) = json.loads(target.read_text(encoding="utf-8"))["stores"]
    assert kept["backend"] == "memory"


def test_a_backend_whose_process_is_ended_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(function: Any, *arguments: Any) -> Sequence[object]:
        if function is not run_duels:
            raise BrokenProcessPool
        return ()

    monkeypatch.setattr(command, "in_own_process", run)
    assert main(["stores", "--on", "sqlite"]) == 1
    assert "its process was ended" in capsys.readouterr().out


def test_no_keys_is_a_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["stores", "--keys", "0"])
    assert end.value.code == 2
    assert "at least 1" in capsys.readouterr().err
