"""Tells the results of the stores as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks.report import print_any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.stores.command import Growth
    from benchmarks.stores.duels import DuelResult
    from benchmarks.stores.filling import StoreResult


def _show_verdict(met: bool | None) -> str:  # noqa: FBT001 -- a verdict, not a switch
    if met is None:
        return ""
    return "[green]met[/green]" if met else "[red]not met[/red]"


def _build(title: str, *headings: str) -> Table:
    table = Table(title=title)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def build_asked_table(results: Sequence[StoreResult]) -> Table:
    """Build the table of every operation at the last size."""
    table = _build(
        "Each operation beside the last size", "backend", "operation", "keys", "at once", "p50 us"
    )
    for heading in ("p99 us", "a second"):
        table.add_column(heading)
    for result in results:
        name = result.backend
        if result.absent or result.fault:
            table.add_row(name, f"[yellow]{result.absent}[/yellow][red]{result.fault}[/red]")
        lasts = result.lasts
        for one in result.asked:
            if one.size == lasts[one.facet]:
                label = f"{one.facet} {one.operation}"
                numbers = (f"{one.p50_us:.1f}", f"{one.p99_us:.1f}", f"{one.per_second:.0f}")
                table.add_row(name, label, f"{one.size:,}", str(one.at_once), *numbers)
                name = ""
        table.add_section()
    return table


def build_room_table(results: Sequence[StoreResult]) -> Table:
    """Build the table of what a key takes, and what it costs to put it in and to sweep it."""
    table = _build("Room, filling and sweeping", "backend", "facet", "keys", "bytes/key", "fills/s")
    for heading in ("swept us/row", "longest batch ms"):
        table.add_column(heading)
    for result in results:
        swept = {one.facet: one for one in result.swept}
        name = result.backend
        for one in result.filled:
            numbers = (f"{one.keys:,}", f"{one.bytes_per_key:.0f}", f"{one.per_second:,.0f}")
            sweep = swept.get(one.facet)
            costs = ("-", "-")
            if sweep is not None:
                costs = (f"{sweep.us_per_row:.1f}", f"{sweep.longest_ms:.1f}")
            table.add_row(name, one.facet, *numbers, *costs)
            name = ""
        table.add_section()
    return table


def build_growth_table(growth: Sequence[Growth]) -> Table:
    """Build the table of the operation of each facet that grows most, in each backend."""
    table = _build(
        "Growth, asked alone: the worst of each facet", "backend", "operation", "10 k us", "last us"
    )
    for heading in ("ratio", "budget", ""):
        table.add_column(heading)
    for one in find_worst(growth):
        numbers = (f"{one.small_us:.1f}", f"{one.large_us:.1f}", f"{one.ratio:.2f}")
        verdict = (f"<= {one.budget}", _show_verdict(one.met))
        table.add_row(one.backend, f"{one.facet} {one.operation}", *numbers, *verdict)
    return table


def find_worst(growth: Sequence[Growth]) -> list[Growth]:
    """Find the operation of each facet that grows most, in each backend."""
    worst: dict[tuple[str, str], Growth] = {}
    for one in growth:
        name = (one.backend, one.facet)
        if name not in worst or worst[name].ratio < one.ratio:
            worst[name] = one
    return list(worst.values())


def build_duel_table(duels: Sequence[DuelResult]) -> Table:
    """Build the table of ours beside peers."""
    table = _build("Beside real peers", "backend", "operation", "peer", "at once", "ours us")
    for heading in ("peer us", "ours / peer", "budget", ""):
        table.add_column(heading)
    for duel in duels:
        head = (duel.backend, duel.operation, duel.peer)
        if duel.ours_us is None or duel.peer_us is None:
            table.add_row(*head, f"[yellow]{duel.absent}[/yellow]")
            continue
        ratio = "-" if duel.ratio is None else f"{duel.ratio.median:.3f}"
        numbers = (f"{duel.ours_us.median:.1f}", f"{duel.peer_us.median:.1f}", ratio)
        budget = "" if duel.budget is None else f"<= {duel.budget}"
        table.add_row(*head, str(duel.at_once), *numbers, budget, _show_verdict(duel.met))
    return table


def print_stores(
    results: Sequence[StoreResult],
    duels: Sequence[DuelResult],
    growth: Sequence[Growth],
    *,
    to_stderr: bool,
) -> None:
    """Print all tables."""
    for table in (
        build_asked_table(results),
        build_room_table(results),
        build_growth_table(growth),
        build_duel_table(duels),
    ):
        print_any(table, to_stderr=to_stderr)
