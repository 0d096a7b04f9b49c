"""The arithmetic and the honesty of `python -m benchmarks`; nothing here looks at a real clock."""

from __future__ import annotations

import gc
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.__main__ import main, select
from benchmarks.cases import CASES
from benchmarks.cases.imports import ImportCase, build_environment
from benchmarks.cases.memory import Filled, MemoryCase
from benchmarks.driving import WaitsError, ask, bare_app, build_scope, build_step, run_now
from benchmarks.measure import (
    Effort,
    Quartiles,
    Stopwatch,
    Subject,
    calibrate,
    compute_added,
    compute_order,
    compute_quartiles,
    compute_ratio,
    find_disagreement,
    measure,
)
from benchmarks.report import build_document, build_part, build_table
from benchmarks.rows import OURS, Contender, Row, Side, SideResult, TimedCase, judge

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from benchmarks.rows import Case

TINY = Effort(rounds=2, piece_seconds=1e-5, keys=10, imports=1)

numbers = st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        pytest.param([7.0], Quartiles(7.0, 7.0, 7.0), id="one number"),
        pytest.param([1.0, 3.0], Quartiles(1.5, 2.0, 2.5), id="two numbers"),
        pytest.param([5.0, 1.0, 4.0, 2.0, 3.0], Quartiles(2.0, 3.0, 4.0), id="any order"),
        pytest.param([1.0, 2.0, 3.0, 4.0, 1e9], Quartiles(2.0, 3.0, 4.0), id="an outlier"),
    ],
)
def test_quartiles(values: list[float], wanted: Quartiles) -> None:
    assert compute_quartiles(values) == wanted


@given(numbers)
def test_quartiles_lie_in_order_within_the_numbers(values: list[float]) -> None:
    found = compute_quartiles(values)
    slack = 1e-6
    assert min(values) - slack <= found.lower <= found.median + slack
    assert found.median - slack <= found.upper <= max(values) + slack


def test_quartiles_change_their_unit() -> None:
    assert Quartiles(1.0, 2.0, 3.0).scale(1000.0) == Quartiles(1000.0, 2000.0, 3000.0)


@given(st.integers(1, 6))
def test_every_subject_takes_every_place_equally_often(count: int) -> None:
    orders = [compute_order(count, index) for index in range(2 * count)]
    for place in range(count):
        assert sorted(order[place] for order in orders) == sorted([*range(count), *range(count)])


def test_a_ratio_is_made_within_each_round() -> None:
    # The machine was ten times slower in the second round: the ratio does not notice.
    assert compute_ratio((1.0, 10.0, 1.0), (2.0, 20.0, 2.0)) == Quartiles(0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    "theirs", [pytest.param((), id="none"), pytest.param((-1.0, 0.0, 1.0), id="lost in the noise")]
)
def test_no_ratio_to_a_side_that_added_nothing(theirs: tuple[float, ...]) -> None:
    assert compute_ratio((1.0,) * len(theirs), theirs) is None


def test_the_bare_app_is_subtracted_round_by_round() -> None:
    assert compute_added((5.0, 7.0), (1.0, 4.0)) == (4.0, 3.0)


class FakeMachine:
    """Subjects that take exactly as long as they are told, and a note of who ran."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, int]] = []

    def build(self, name: str, seconds: float, most_calls: int = 10_000) -> Subject:
        def run(calls: int) -> float:
            self.ran.append((name, calls))
            return calls * seconds

        return Subject(name, run, most_calls)


@pytest.mark.parametrize(
    ("seconds", "most_calls", "wanted"),
    [
        pytest.param(1e-6, 10_000, 4000, id="as many as fill the piece"),
        pytest.param(1.0, 10_000, 1, id="at least one"),
        pytest.param(1e-6, 300, 300, id="no more than there are inputs"),
        pytest.param(0.0, 300, 300, id="a clock that does not move"),
    ],
)
def test_calibration(seconds: float, most_calls: int, wanted: int) -> None:
    subject = FakeMachine().build("one", seconds, most_calls)
    assert calibrate(subject, piece_seconds=0.004) == wanted


def test_rounds_are_interleaved() -> None:
    machine = FakeMachine()
    subjects = [machine.build("slow", 2.0), machine.build("fast", 1.0)]
    found = measure(subjects, Effort(rounds=3, piece_seconds=1.0, keys=0, imports=0))
    assert found == {"slow": (2.0,) * 3, "fast": (1.0,) * 3}
    assert [name for name, _ in machine.ran[2:]] == ["slow", "fast", "fast", "slow", "fast", "slow"]


def test_a_series_is_of_single_calls() -> None:
    machine = FakeMachine()
    found = measure(
        [machine.build("one", 0.25)], Effort(rounds=1, piece_seconds=2.0, keys=0, imports=0)
    )
    assert machine.ran[-1] == ("one", 8)
    assert found == {"one": (0.25,)}


def test_the_collector_rests_while_the_clock_runs() -> None:
    ticks = iter([10.0, 12.5])
    with Stopwatch(lambda: next(ticks)) as watch:
        assert not gc.isenabled()
    assert gc.isenabled()
    assert watch.seconds == 2.5


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with Stopwatch():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_agreement_has_nothing_to_tell() -> None:
    assert find_disagreement({"ours": (200, b"x"), "theirs": (200, b"x")}) is None
    assert find_disagreement({}) is None


@pytest.mark.parametrize(
    ("ours", "other", "told"),
    [
        pytest.param(200, 400, "ours 200, other 400", id="plain"),
        pytest.param((1, (2, 3)), (1, (2, 4)), "ours 3, other 4", id="within tuples"),
        pytest.param((1,), (1, 2), "ours (1,), other (1, 2)", id="tuples of other lengths"),
        pytest.param(["a", "b"], ["b", "c"], "ours ['a'], other ['c']", id="items of one side"),
        pytest.param([1, 2], [2, 1], "ours [1, 2], other [2, 1]", id="order"),
        pytest.param("a", "b" * 200, f"ours 'a', other '{'b' * 156}...", id="cut"),
    ],
)
def test_a_disagreement_shows_where_it_lies(ours: object, other: object, told: str) -> None:
    found = find_disagreement({"ours": ours, "same": ours, "other": other})
    assert found == f"answers differ: {told}"


def test_a_step_that_waits_is_not_driven_by_hand() -> None:
    class Pause:
        def __await__(self) -> Generator[None]:
            yield

    async def wait() -> None:
        await Pause()

    with pytest.raises(WaitsError):
        run_now(wait())


def test_a_step_leaves_its_scope_alone() -> None:
    async def writing(scope: Any, receive: Any, send: Any) -> None:
        scope["session"] = (await receive())["body"]
        await bare_app(scope, receive, send)

    scope = build_scope()
    run_now(build_step(writing, scope=scope)(None))
    assert "session" not in scope
    assert ask(writing, scope, body=b"hello").status == 200


async def _nothing(_: object) -> None:
    pass


async def _never(_: object) -> None:
    raise AssertionError("timed although the answers differ")


def _build_case(name: str, *contenders: Contender, budget: float | None = None) -> TimedCase:
    return TimedCase(
        name=name,
        contenders=contenders,
        inputs=lambda calls: [None] * calls,
        bare=_nothing,
        budgets={} if budget is None else {"peer": budget},
    )


def _contend(name: str, answer: object, step: Any = _nothing) -> Contender:
    return Contender(name, lambda: Side(name, step, lambda: answer))


def _miss(name: str) -> Contender:
    def build() -> Side:
        raise ImportError("No module named 'peer'")

    return Contender(name, build)


def test_sides_that_answer_differently_are_not_compared() -> None:
    case = _build_case("odd", _contend(OURS, 200, _never), _contend("peer", 400, _never), budget=1)
    row = case.run(TINY)
    assert row.fault == "answers differ: ours 200, peer 400"
    assert row.sides == ()


@pytest.mark.parametrize(
    ("contenders", "status", "told"),
    [
        pytest.param((_contend(OURS, 1), _contend("peer", 1)), 0, "peer", id="all agree"),
        pytest.param(
            (_contend(OURS, 1, _never), _contend("peer", 2)), 1, "answers differ", id="a mismatch"
        ),
        pytest.param((_contend(OURS, 1), _miss("peer")), 0, "missing", id="a peer is missing"),
        pytest.param((_miss(OURS), _contend("peer", 1)), 1, "missing", id="ours is missing"),
        pytest.param((_contend(OURS, 1, _never),), 1, "failed", id="a side fails while timed"),
    ],
)
def test_exit_code(
    contenders: tuple[Contender, ...],
    status: int,
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    case = _build_case("the case", *contenders, budget=1e-9)
    assert main([], [case], full=TINY) == status
    shown = capsys.readouterr().out
    assert "the case" in shown
    assert told in shown


def test_a_case_that_fails_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @dataclass(frozen=True)
    class Failing:
        name: str = "first"

        def run(self, effort: Effort) -> Row:
            raise ValueError("of this case")

    target = tmp_path / "rows.json"
    cases: list[Case] = [Failing(), _build_case("second", _contend(OURS, 1))]
    assert main(["--quick", "--json", str(target)], cases, quick=TINY) == 1
    rows = json.loads(target.read_text(encoding="utf-8"))["rows"]
    assert [row["case"] for row in rows] == ["first", "second"]
    assert rows[0]["fault"] == "failed: ValueError('of this case')"
    assert [side["name"] for side in rows[1]["sides"]] == [OURS]


@pytest.mark.parametrize(
    ("ours", "budgets", "wanted"),
    [
        pytest.param(1.0, {"peer": 0.5}, (True,), id="at the bound"),
        pytest.param(1.1, {"peer": 0.5}, (False,), id="above it"),
        pytest.param(1.0, {}, (None,), id="no budget"),
    ],
)
def test_a_budget_is_a_bound(
    ours: float, budgets: dict[str, float], wanted: tuple[bool | None]
) -> None:
    _, peer = judge({OURS: (ours,), "peer": (2.0,)}, budgets, 1e6)
    assert (peer.met,) == wanted
    assert peer.added == Quartiles(2e6, 2e6, 2e6)


def test_ours_has_no_ratio_to_itself() -> None:
    (own,) = judge({OURS: (1.0,)}, {OURS: 1.0}, 1.0)
    assert own.ratio is None
    assert own.met is None


def test_the_document_says_where_the_numbers_come_from() -> None:
    side = SideResult("peer", ratio=Quartiles(0.1, 0.2, 0.3), budget=0.25)
    row = Row(case="one", unit="us", sides=(side,))
    document = json.loads(json.dumps(build_document(build_part([row], TINY))))
    assert document["machine"]["versions"]["starlette"]
    assert document["effort"]["rounds"] == 2
    assert document["rows"][0]["sides"][0]["met"] is True


def test_the_table_has_a_line_for_every_side() -> None:
    sides = (SideResult("peer", absent="missing: x"), SideResult(OURS))
    table = build_table([Row(case="one", unit="us", sides=sides, fault="odd")])
    assert table.row_count == 3
    assert next(iter(table.columns[1].cells)) == OURS


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        pytest.param([], ["cors actual", "jwt repeat"], id="all"),
        pytest.param(["jwt"], ["jwt repeat"], id="a part"),
        pytest.param(["*actual"], ["cors actual"], id="a glob"),
        pytest.param(["cors", "repeat"], ["cors actual", "jwt repeat"], id="several"),
        pytest.param(["csp"], [], id="none"),
    ],
)
def test_selection(patterns: list[str], wanted: list[str]) -> None:
    cases = [_build_case("cors actual"), _build_case("jwt repeat")]
    assert [case.name for case in select(cases, patterns)] == wanted


def test_a_pattern_without_a_case_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "no such case"]) == 2
    assert "no such case" in capsys.readouterr().err


def test_names_are_listed_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed == [case.name for case in CASES]
    assert len(set(listed)) == len(listed)


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        pytest.param("import json", "", id="light"),
        pytest.param("import sqlite3", "ours loads sqlite3", id="heavy"),
        pytest.param("import no_such_module", "ours could not be imported", id="missing"),
    ],
)
def test_imports_in_fresh_interpreters(statement: str, fault: str) -> None:
    statements = {OURS: statement, "peer": "import no_such_peer"}
    row = ImportCase(name="imports", statements=statements, budgets={}).run(TINY)
    assert row.fault == fault
    peer = next(side for side in row.sides if side.name == "peer")
    assert peer.absent == "missing: No module named 'no_such_peer'"


def test_an_import_that_fails_otherwise_is_no_missing_package() -> None:
    case = ImportCase(name="imports", statements={OURS: "1 / 0"}, budgets={})
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        case.run(TINY)


def test_bytecode_is_kept_while_imports_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    environment = build_environment("/somewhere")
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert environment["PYTHONPYCACHEPREFIX"] == "/somewhere"


def _build_fill(bytes_for_each: int, left: int) -> Any:
    return lambda keys: Filled([bytes(bytes_for_each) for _ in range(keys)], left)


def test_memory_is_counted_for_each_key() -> None:
    fills = {OURS: _build_fill(1000, 4), "peer": _build_fill(4000, 4)}
    row = MemoryCase(name="memory", fills=fills, budgets={"peer": 1.0}).run(TINY)
    added = {side.name: side.added.median for side in row.sides if side.added is not None}
    # Whatever else allocates in this process meanwhile is spread over few keys.
    assert 1000 < added[OURS] < 2000
    assert 4000 < added["peer"] < 5000
    assert row.fault == ""


def test_stores_that_remember_differently_are_not_compared() -> None:
    fills = {OURS: _build_fill(10, 4), "peer": _build_fill(10, 5)}
    row = MemoryCase(name="memory", fills=fills, budgets={}).run(TINY)
    assert row.fault == "answers differ: ours 4, peer 5"
    assert row.sides == ()


def test_one_real_case_through_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--only", "cors no Origin", "--json", "-"]) == 0
    out, err = capsys.readouterr()
    (row,) = json.loads(out)["rows"]
    assert row["case"] == "cors no Origin"
    assert {side["name"] for side in row["sides"]} == {OURS, "Starlette"}
    assert "Starlette" in err
