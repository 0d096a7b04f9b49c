"""The page of the benchmarks: drawings that are XML, and a page that hides nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import everything
from benchmarks.__main__ import main
from benchmarks.cases import CASES
from benchmarks.growth.command import CURVES
from benchmarks.pages.command import draw_all
from benchmarks.pages.drawing import Group, draw_bars, draw_lines
from benchmarks.pages.notes import OVER_BUDGET, REASONS
from benchmarks.pages.page import find_higher, find_overtaking, find_slower, write_page
from benchmarks.rows import TimedCase

ROOT = Path(__file__).resolve().parents[1]
SVG = "{http://www.w3.org/2000/svg}"

numbers = st.floats(min_value=0, max_value=1e9)


def _side(name: str, median: float | None, **more: Any) -> dict[str, Any]:
    added = None if median is None else {"lower": median, "median": median, "upper": median}
    side = {"name": name, "added": added, "ratio": None, "budget": None, "met": None, "absent": ""}
    return {**side, **more}


def _ratio(median: float) -> dict[str, float]:
    return {"lower": median, "median": median, "upper": median}


def _build_document() -> dict[str, Any]:
    peer = _side("limits fixed", 0.5, ratio=_ratio(4.0), budget=0.5, met=False)
    unknown = _side("strange", 0.5, ratio=_ratio(2.0))
    absent = _side("Secweb", None, absent="missing: No module named 'Secweb'")
    rows = [
        {
            "case": "lockout login",
            "unit": "us",
            "bare": None,
            "sides": [_side("ours", 2.0), peer, unknown, absent],
            "fault": "",
        },
        {"case": "odd", "unit": "us", "bare": None, "sides": [], "fault": "answers differ: a < b"},
    ]
    variant = {
        **{key: _ratio(0.61) for key in ("throughput", "p50_ms", "p99_ms", "share", "cpu_share")},
        "name": "ours",
        "absent": "",
        "cpu_us": None,
        "met": True,
    }
    missing = dict.fromkeys(variant) | {"name": "peers", "absent": "did not start"}
    server = [
        {
            "server": "uvicorn",
            "request": "plain",
            "connections": 32,
            "variants": [variant, missing],
            "fault": "",
        },
        {"server": "granian", "request": "", "connections": 0, "variants": [], "fault": "missing"},
    ]
    growth = [
        {
            "name": "retired keys",
            "size": "keys",
            "unit": "us",
            "sizes": [1, 10],
            "sides": {"ours": [1.0, 2.0], "PyJWT": [3.0, None]},
            "fault": "answers differ",
        },
        {
            "name": "parked",
            "size": "each",
            "unit": "bytes",
            "sizes": [1],
            "sides": {"ours": [5.0]},
            "fault": "",
        },
    ]
    machine = {"processor": "A & B", "processors": 2, "system": "Linux", "machine": "x86_64"}
    return {
        "machine": {
            **machine,
            "implementation": "CPython",
            "python": "3.11",
            "versions": {"x": "1"},
        },
        "rows": rows,
        "server": server,
        "server_effort": {"rounds": 1, "seconds": 1.0, "budget": 0.5, "generator": "wrk"},
        "growth": growth,
        "instructions": {"bare app": 1_000.0, "cors": 4_000.0},
        "instructions_faults": {"jwt": "valgrind is not installed"},
    }


@given(st.lists(st.tuples(st.text("a<&>\"'é", max_size=5), numbers), max_size=5))
def test_bars_are_xml_and_say_their_numbers(bars: list[tuple[str, float]]) -> None:
    root = ET.fromstring(draw_bars("a < b & c", [Group("<g>", bars)], "us"))  # noqa: S314 -- our own
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert len(root.findall(f"{SVG}rect")) == len(bars) + 1
    assert len(texts) == 2 + 2 * len(bars)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=6, unique=True).map(sorted), st.data())
def test_lines_are_xml_and_stay_in_the_field(sizes: list[int], data: st.DataObject) -> None:
    count = len(sizes)
    values = data.draw(st.lists(st.none() | numbers, min_size=count, max_size=count))
    text = draw_lines("t", "size", "us", sizes, {"ours": values})
    root = ET.fromstring(text)  # noqa: S314 -- our own
    for line in root.iter(f"{SVG}polyline"):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 69 <= x <= 551
            assert 39 <= y <= 301
    known = [value for value in values if value is not None]
    assert len(list(root.iter(f"{SVG}circle"))) == (len(known) + 1 if known else 0)


def test_no_other_side_has_the_colour_of_ours() -> None:
    names = ["ours", *(f"peer {number}" for number in range(9))]
    text = draw_bars("t", [Group("g", [(name, 1.0) for name in names])], "us")
    fills = re.findall(r'height="13" fill="(#[0-9a-f]+)"', text)
    assert len(fills) == len(names)
    assert fills.count(fills[0]) == 1


def test_the_page_tells_what_is_slower_and_why() -> None:
    document = _build_document()
    assert find_slower(document["rows"]) == [
        ("lockout login", "limits fixed", 4.0),
        ("lockout login", "strange", 2.0),
    ]
    page = write_page(document)
    assert REASONS["lockout login", "limits fixed"] in page
    assert "with strange. No good reason is known" in page


def test_the_page_tells_what_is_over_budget_and_why() -> None:
    document = _build_document()
    over = document["rows"][0]
    page = write_page({**document, "rows": [{**over, "case": "lockout look"}]})
    assert "**lockout look**: 4.000 of limits fixed, 0.500 allowed." in page
    assert OVER_BUDGET["lockout look"] in page
    assert "allowed. No good reason is known" in write_page(document)
    assert "Nothing in this run." in write_page({**document, "rows": []})


@pytest.mark.parametrize(
    "told",
    [
        pytest.param("**not met**", id="a budget"),
        pytest.param("missing: No module named 'Secweb'", id="a peer that is absent"),
        pytest.param("answers differ: a < b", id="a mismatch"),
        pytest.param("did not start", id="a variant"),
        pytest.param("valgrind is not installed", id="a count that failed"),
        pytest.param("svc-infra", id="a peer without a row"),
        pytest.param("| cors | 4,000 | 3,000 |", id="what is over the bare app"),
        pytest.param("A & B", id="the processor"),
    ],
)
def test_the_page_hides_nothing(told: str) -> None:
    assert told in write_page(_build_document())


def test_the_page_tells_where_a_curve_is_higher() -> None:
    document = _build_document()
    sides = {"ours": [1.0, 2.0, 3.0], "x": [0.5, None, 2.99], "bare": [0.0, 0.0, 0.0]}
    curve = {**document["growth"][0], "sizes": [1, 2, 3], "sides": sides}
    assert find_higher([curve]) == [("retired keys", "x", [1])]
    assert "**retired keys**, by 1: more than x." in write_page({**document, "growth": [curve]})


def test_the_page_tells_which_variant_is_ahead() -> None:
    document = _build_document()
    ours, peers = document["server"][0]["variants"]
    ahead = {**ours, "name": "peers", "share": _ratio(0.75)}
    row = {**document["server"][0], "variants": [ours, ahead]}
    assert find_overtaking([row]) == [("uvicorn, plain, connections: 32", "peers", 0.75, 0.61)]
    assert "peers kept 0.750" in write_page({**document, "server": [row]})
    assert peers["absent"]
    assert find_overtaking(document["server"]) == []


def test_a_run_without_slower_rows_says_so() -> None:
    document = {**_build_document(), "rows": []}
    assert "Nowhere in this run." in write_page(document)


def test_every_drawing_that_the_page_names_is_drawn(tmp_path: Path) -> None:
    document = _build_document()
    run = tmp_path / "run.json"
    run.write_text(json.dumps(document), encoding="utf-8")
    page = tmp_path / "benchmarks.md"
    assert main(["report", str(run), "--output", str(page)]) == 0
    named = re.findall(r"\]\(benchmarks/([^)]+)\)", page.read_text(encoding="utf-8"))
    assert set(named) == set(draw_all(document))
    assert all((tmp_path / "benchmarks" / name).exists() for name in named)
    assert json.loads((tmp_path / "benchmarks" / "run.json").read_text()) == document


def test_later_runs_count() -> None:
    assert everything.merge([{"rows": 1, "machine": 1}, {"machine": 2}]) == {
        "rows": 1,
        "machine": 2,
    }


def test_everything_is_measured_into_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        asked.append(arguments[:-1])
        if arguments[0] == "server":
            return 1
        Path(arguments[-1]).write_text(json.dumps({arguments[0]: 1}), encoding="utf-8")
        return 0

    monkeypatch.setattr("benchmarks.__main__.main", run)
    target = tmp_path / "all.json"
    assert everything.main(["--quick", "--json", str(target)]) == 1
    assert asked == [
        ["--quick", "--json"],
        ["server", "--quick", "--json"],
        ["growth", "--quick", "--json"],
        ["stores", "--quick", "--json"],
        ["instructions", "--json"],
    ]
    assert json.loads(target.read_text()) == {
        "--quick": 1,
        "growth": 1,
        "stores": 1,
        "instructions": 1,
    }


def test_every_reason_is_of_a_side_that_exists() -> None:
    sides = {
        (case.name, contender.name)
        for case in CASES
        if isinstance(case, TimedCase)
        for contender in case.contenders
    }
    sides |= {
        (curve.name, side) for curve in CURVES for side in ("limits fixed", "closures by hand")
    }
    assert set(REASONS) - {("server", "")} <= sides


def test_every_budget_has_a_reason_in_store() -> None:
    budgeted = {case.name for case in CASES if isinstance(case, TimedCase) and case.budgets}
    for part in OVER_BUDGET:
        assert part == "imports" or any(name.startswith(part) for name in budgeted), part


def test_the_stored_page_is_that_of_the_stored_run() -> None:
    folder = ROOT / "docs"
    stored = json.loads((folder / "benchmarks" / "run.json").read_text(encoding="utf-8"))
    assert (folder / "benchmarks.md").read_text(encoding="utf-8") == write_page(stored)
    for name, drawing in draw_all(stored).items():
        assert (folder / "benchmarks" / name).read_text(encoding="utf-8") == drawing
