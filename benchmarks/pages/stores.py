"""Writes and draws what was measured of the stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.pages.drawing import draw_lines, show_number
from benchmarks.pages.notes import GROWTH_REASONS, STORE_REASONS
from benchmarks.pages.tables import build_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NO_REASON = "No good reason is known: it is a thing to mend."

_TOLD = """\
## Stores

Each backend is filled with {keys} keys of every facet{fewer}. *memory* and *redis* are filled
through their own operations, 256 at once; the tables of *sqlite* and *postgres* in bulk, with the
rows that their operations write, and after each filling operations read some of them back. The
audit log is filled by appends of 100 records to one chain, and asked for appends to chains of their
own, as of one chain only one append at a time succeeds. What was filled in is frozen away from
Python's garbage collector. Redis and PostgreSQL run on the same machine as the process that asks,
so that asking and answering share its processors; with one at once a number is the whole wait, with
more it holds the wait for the others too. The room of a key is resident memory for *memory*, the
file for *sqlite*, `used_memory` for *redis*, and tables with their indices for *postgres*. A dash
is a facet of which nothing expires, or whose rows the server itself removes."""


def list_curves(results: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[float | None]]]:
    """List, for the first operation of each facet, the p50 of each backend at each size."""
    sizes = find_sizes(results)
    curves: dict[str, dict[str, list[float | None]]] = {}
    for result in results:
        alone = [one for one in result["asked"] if one["at_once"] == 1]
        for facet in dict.fromkeys(one["facet"] for one in alone):
            first = next(one["operation"] for one in alone if one["facet"] == facet)
            found = {
                one["size"]: one["p50_us"]
                for one in alone
                if (one["facet"], one["operation"]) == (facet, first)
            }
            sides = curves.setdefault(f"{facet} {first}", {})
            sides[result["backend"]] = [found.get(size) for size in sizes]
    return curves


def find_sizes(results: Sequence[Mapping[str, Any]]) -> list[int]:
    """Find the sizes that were measured."""
    return sorted({size for result in results for size in result["sizes"]})


def find_lasts(results: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Find the last size of each facet.

    >>> find_lasts([{"asked": [{"facet": "audit", "size": 10}, {"facet": "audit", "size": 100}]}])
    {'audit': 100}
    """
    lasts: dict[str, int] = {}
    for one in (one for result in results for one in result["asked"]):
        lasts[one["facet"]] = max(one["size"], lasts.get(one["facet"], 0))
    return lasts


def _tell_fewer(results: Sequence[Mapping[str, Any]]) -> str:
    """Tell which facets have fewer keys than the last size of the run."""
    last = max(find_sizes(results), default=0)
    fewer = {facet: size for facet, size in find_lasts(results).items() if size < last}
    told = [
        f"{size:,} of {', '.join(f'*{facet}*' for facet in fewer if fewer[facet] == size)}"
        for size in dict.fromkeys(fewer.values())
    ]
    return f", but only {' and '.join(told)}" if told else ""


def name_store_drawing(curve: str) -> str:
    """Name the file of a curve's drawing.

    >>> name_store_drawing("revocations is_revoked")
    'stores-revocations-is-revoked.svg'
    """
    return f"stores-{curve.replace(' ', '-').replace('_', '-')}.svg"


def draw_stores(results: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Draw the curves, by the name of their file."""
    sizes = find_sizes(results)
    return {
        name_store_drawing(name): draw_lines(
            f"{name}, p50 in microseconds", "keys of the facet", "us", sizes, sides
        )
        for name, sides in list_curves(results).items()
    }


def _write_asked(results: Sequence[Mapping[str, Any]]) -> str:
    """Write p50 and p99 of every operation at the last size, a column for each number at once."""
    counts = sorted({one["at_once"] for result in results for one in result["asked"]})
    lines: list[tuple[str, ...]] = []
    for result in results:
        name = result["backend"]
        if result["absent"] or result["fault"]:
            lines.append((name, result["absent"] or result["fault"], "", *[""] * len(counts)))
        told: dict[tuple[str, str], dict[int, str]] = {}
        lasts = find_lasts([result])
        for one in result["asked"]:
            if one["size"] == lasts[one["facet"]]:
                shown = f"{show_number(one['p50_us'])} / {show_number(one['p99_us'])}"
                head = (f"{one['facet']} {one['operation']}", f"{one['size']:,}")
                told.setdefault(head, {})[one["at_once"]] = shown
        for head, cells in told.items():
            lines.append((name, *head, *[cells.get(count, "-") for count in counts]))
            name = ""
    headings = (
        "backend",
        "operation",
        "keys",
        *[f"{count} at once, p50 / p99 us" for count in counts],
    )
    return build_table(headings, lines)


def _write_room(results: Sequence[Mapping[str, Any]]) -> str:
    lines: list[tuple[str, ...]] = []
    for result in results:
        name = result["backend"]
        swept = {one["facet"]: one for one in result["swept"]}
        for one in result["filled"]:
            sweep = swept.get(one["facet"])
            costs = ("-", "-")
            if sweep is not None:
                costs = (show_number(sweep["us_per_row"]), show_number(sweep["longest_ms"]))
            numbers = (
                *(f"{one['keys']:,}", show_number(one["bytes_per_key"])),
                show_number(one["per_second"]),
            )
            lines.append((name, one["facet"], *numbers, *costs))
            name = ""
    headings = ("backend", "facet", "keys", "bytes a key", "filled a second", "swept, us a row")
    return build_table((*headings, "longest batch of 500, ms"), lines)


def _write_growth(growth: Sequence[Mapping[str, Any]]) -> str:
    if not growth:
        return ""
    lines: list[tuple[str, ...]] = []
    for backend in dict.fromkeys(one["backend"] for one in growth):
        mine = [one for one in growth if one["backend"] == backend]
        worst = max(mine, key=lambda one: float(one["ratio"]))
        beyond = [one for one in mine if not one["met"]]
        for one in beyond or [worst]:
            verdict = "met" if one["met"] else "**not met**"
            lines.append(
                (
                    backend,
                    f"{one['facet']} {one['operation']}",
                    f"{one['ratio']:.2f}",
                    f"<= {one['budget']:.2f} {verdict}",
                )
            )
    missed = dict.fromkeys(one["backend"] for one in growth if not one["met"])
    reasons = "".join(
        f"\n\n{GROWTH_REASONS.get(name, f'*{name}*: {_NO_REASON}')}" for name in missed
    )
    return (
        "How many times as long an operation takes beside the last size as beside 10,000 keys, "
        "asked alone: the worst of each backend, and all that miss the budget.\n\n"
        + build_table(("backend", "operation", "ratio", "budget"), lines)
        + reasons
    )


def _write_duels(duels: Sequence[Mapping[str, Any]]) -> str:
    lines: list[tuple[str, ...]] = []
    slower: list[str] = []
    for duel in duels:
        head = (duel["backend"], duel["operation"], duel["peer"])
        if duel["ratio"] is None:
            lines.append((*head, duel["absent"] or str(duel["at_once"]), "", "", "", ""))
            continue
        budget = ""
        if duel["budget"] is not None:
            budget = f"<= {duel['budget']:.2f} {'met' if duel['met'] else '**not met**'}"
        numbers = [show_number(duel[side]["median"]) for side in ("ours_us", "peer_us")]
        ratio = f"{duel['ratio']['median']:.3f}"
        lines.append((*head, str(duel["at_once"]), *numbers, ratio, budget))
        if duel["ratio"]["lower"] > 1:
            reason = STORE_REASONS.get((duel["backend"], duel["operation"]), _NO_REASON)
            slower.append(
                f"* **{duel['backend']}, {duel['operation']}**, {duel['at_once']} at once: "
                f"{ratio} times {duel['peer']}. {reason}"
            )
    headings = ("backend", "operation", "peer", "at once", "ours us", "peer us", "ours / peer")
    table = build_table((*headings, "budget"), lines)
    return "\n\n".join(["### Beside real peers", table, *(["\n".join(slower)] if slower else [])])


def write_stores(document: Mapping[str, Any]) -> str:
    """Write what an operation takes, how that grows, what room a key takes, and the peers."""
    results = document["stores"]
    sizes = find_sizes(results)
    keys = f"{sizes[-1]:,}" if sizes else "no"
    parts = [_TOLD.format(keys=keys, fewer=_tell_fewer(results)), _write_asked(results)]
    parts += [f"![lines](benchmarks/{name_store_drawing(name)})" for name in list_curves(results)]
    parts += [_write_growth(document["stores_growth"]), _write_room(results)]
    parts.append(_write_duels(document["stores_duels"]))
    return "\n\n".join(part for part in parts if part)
