"""The curves of the benchmarks: what is told of a point, and small real points of each kind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmarks.__main__ import main
from benchmarks.cases import stack
from benchmarks.growth import command, memory, requests
from benchmarks.growth.curves import Curve, CurveError, GrowthEffort, run_curve, time_point
from benchmarks.growth.memory import fill_store, in_own_process, park
from benchmarks.measure import Effort
from benchmarks.rows import BARE, OURS, Contender, Side

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.growth.curves import Point

TINY = GrowthEffort(
    timing=Effort(rounds=1, piece_seconds=1e-5, keys=0, imports=0),
    most=100,
    parked_websockets=5,
    parked_streams=5,
)


def _build_curve(measure: Callable[[int, GrowthEffort], Point]) -> Curve:
    return Curve(name="c", size="things", unit="us", sizes=(1, 10, 100, 1_000), measure=measure)


def test_a_curve_ends_at_the_bound_of_the_effort() -> None:
    result = run_curve(_build_curve(lambda size, _: {OURS: size * 2.0}), TINY)
    assert result.sizes == (1, 10, 100)
    assert result.sides == {OURS: [2.0, 20.0, 200.0]}
    assert result.fault == ""


def test_a_side_that_is_absent_has_gaps() -> None:
    def measure(size: int, _: GrowthEffort) -> Point:
        return {OURS: 1.0} if size == 10 else {OURS: 1.0, "peer": 2.0}

    assert run_curve(_build_curve(measure), TINY).sides["peer"] == [2.0, None, 2.0]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(CurveError("answers differ"), "answers differ", id="known"),
        pytest.param(ValueError("odd"), "failed: ValueError('odd')", id="unknown"),
    ],
)
def test_a_failure_ends_the_curve_and_keeps_its_points(error: Exception, told: str) -> None:
    def measure(size: int, _: GrowthEffort) -> Point:
        if size == 10:
            raise error
        return {OURS: 1.0}

    result = run_curve(_build_curve(measure), TINY)
    assert (result.sizes, result.sides, result.fault) == ((1,), {OURS: [1.0]}, told)


async def _nothing(_: object) -> None:
    pass


def test_sides_that_answer_differently_make_no_point() -> None:
    def build(name: str, answer: int) -> Contender:
        return Contender(name, lambda: Side(name, _nothing, lambda: answer))

    with pytest.raises(CurveError, match="answers differ: ours 1, peer 2"):
        time_point([build(OURS, 1), build("peer", 2)], lambda n: [None] * n, _nothing, TINY)


@pytest.mark.parametrize("curve", requests.CURVES, ids=lambda curve: curve.name)
def test_a_point_of_every_timed_curve_is_measured(curve: Curve) -> None:
    point = curve.measure(2, TINY)
    assert OURS in point
    assert all(isinstance(value, float) for value in point.values())


def test_a_curve_goes_without_a_stack_whose_packages_are_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def miss(app: object) -> object:
        raise ImportError("No module named 'secure'")

    monkeypatch.setattr(stack, "stack_peers", miss)
    curve = next(curve for curve in requests.CURVES if curve.name == "request headers")
    assert set(curve.measure(2, TINY)) == {OURS}


def test_a_store_is_filled_and_charged() -> None:
    each, charge, left = fill_store(OURS, 20) or (-1.0, 0.0, 0)
    assert each >= 0
    assert charge > 0
    assert left == 4


def test_a_store_that_has_given_up_keys_makes_no_point(monkeypatch: pytest.MonkeyPatch) -> None:
    left = {OURS: 5, "limits fixed": 4}
    monkeypatch.setattr(memory, "in_own_process", lambda _, side, size: (1.0, 1.0, left[side]))
    (curve, *_) = memory.CURVES
    with pytest.raises(CurveError, match="ours 5, limits fixed 4"):
        curve.measure(10, TINY)


@pytest.mark.parametrize("kind", ["websocket", "stream"])
@pytest.mark.parametrize("variant", [BARE, OURS])
def test_connections_are_parked_and_leave(variant: str, kind: str) -> None:
    assert park(variant, kind, 20) is not None


def test_a_point_of_memory_is_measured_in_a_fresh_process() -> None:
    assert in_own_process(pow, 2, 5) == 32


def test_every_curve_has_a_name_of_its_own() -> None:
    names = [curve.name for curve in command.CURVES]
    assert len(set(names)) == len(names) == len(requests.CURVES) + len(memory.CURVES)


@pytest.mark.parametrize(("fault", "status"), [("", 0), ("answers differ", 1)])
def test_the_command_writes_what_it_measured(
    fault: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(size: int, _: GrowthEffort) -> Point:
        if fault and size > 1:
            raise CurveError(fault)
        return {OURS: 1.5}

    monkeypatch.setattr(command, "CURVES", (_build_curve(measure),))
    assert main(["growth", "--quick", "--json", "-"]) == status
    out, err = capsys.readouterr()
    (curve,) = json.loads(out)["growth"]
    assert curve["fault"] == fault
    assert "1.5" in err
