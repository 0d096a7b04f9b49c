"""Writes the page: Markdown from the document of a run, the same text for the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.pages.drawing import show_number
from benchmarks.pages.notes import LEFT_OUT, OVER_BUDGET, REASONS
from benchmarks.pages.stores import write_stores
from benchmarks.pages.tables import build_table
from benchmarks.rows import BARE, OURS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NOISE = 1.03
"""By how much a point of a curve must be higher to be told."""
_LEAST = 0.1
"""And how much at least: a point of next to nothing is noise."""
_NO_REASON = "No good reason is known: it is a thing to mend."
_INTRODUCTION = """\
# Benchmarks

What each guard adds to a request, beside what real libraries add to the same request. This page is
written by `python -m benchmarks report` from the run in `benchmarks/run.json` beside it.

How the numbers are made:

* A row first asks every side for its answer to the same request. Only sides that agree are
  compared: a guard that does something else is not faster or slower, it is different.
* All sides of a row run interleaved in one process, in rounds whose order rotates. The clock is the
  thread's processor time, and the garbage collector is off while it runs. What is shown is the
  median, without the bare app's own time. Ratios are made within a round.
* *ours / side* below 1 means that ours is faster. A budget is what the design asks for; one that is
  not met is said so.
* Servers run in processes of their own on the loopback, loaded over kept-alive connections."""


def _show(value: Mapping[str, float] | None) -> str:
    return "-" if value is None else show_number(value["median"])


def _show_ratio(value: Mapping[str, float] | None) -> str:
    return "-" if value is None else f"{value['median']:.3f}"


def _show_budget(side: Mapping[str, Any]) -> str:
    if side["budget"] is None:
        return ""
    verdict = {True: "met", False: "**not met**", None: ""}[side["met"]]
    return f"<= {side['budget']:.3f} {verdict}".rstrip()


def write_machine(machine: Mapping[str, Any]) -> str:
    """Write where the numbers come from."""
    versions = ", ".join(
        f"{name} {version}" for name, version in machine["versions"].items() if version
    )
    return (
        "## The machine\n\n"
        f"{machine['processor'] or 'an unnamed processor'}, {machine['processors']} processors, "
        f"{machine['system']} on {machine['machine']}; "
        f"{machine['implementation']} {machine['python']}.\n\n{versions}."
    )


def write_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write the timed rows."""
    lines: list[tuple[str, ...]] = []
    for row in rows:
        name = f"{row['case']} ({row['unit']})" if row["unit"] else row["case"]
        for side in row["sides"]:
            added = side["absent"] or _show(side["added"])
            ratio = _show_ratio(side["ratio"])
            lines.append((name, side["name"], added, ratio, _show_budget(side)))
            name = ""
        if row["fault"]:
            lines.append((name, row["fault"], "", "", ""))
    table = build_table(("case", "side", "added", "ours / side", "budget"), lines)
    return f"## Work added over a bare app\n\n![bars](benchmarks/rows.svg)\n\n{table}"


def find_slower(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, float]]:
    """Find where ours is slower than a side in three of four rounds: case, side and ratio."""
    return [
        (row["case"], side["name"], side["ratio"]["median"])
        for row in rows
        for side in row["sides"]
        if side["ratio"] is not None and side["ratio"]["lower"] > 1
    ]


def find_overtaking(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, float, float]]:
    """Find where a variant keeps more of the throughput: run, variant, its share and ours."""
    found: list[tuple[str, str, float, float]] = []
    for row in rows:
        shares = {one["name"]: one["share"]["median"] for one in row["variants"] if one["share"]}
        name = f"{row['server']}, {row['request']}, connections: {row['connections']}"
        found += [
            (name, variant, share, shares[OURS])
            for variant, share in shares.items()
            if variant != BARE and share > shares[OURS]
        ]
    return found


def find_higher(curves: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, list[int]]]:
    """Find the sizes at which ours takes more than another side: curve, side and sizes."""
    found: list[tuple[str, str, list[int]]] = []
    for curve in curves:
        ours = curve["sides"].get(OURS, ())
        for side, values in curve["sides"].items():
            pairs = zip(curve["sizes"], ours, values, strict=False)
            sizes = [
                size
                for size, own, other in pairs
                if own is not None and other is not None and own > other * _NOISE and own > _LEAST
            ]
            if sizes and not side.startswith((OURS, BARE)):
                found.append((curve["name"], side, sizes))
    return found


def write_slower(document: Mapping[str, Any]) -> str:
    """Write plainly where ours is slower or takes more, and why."""
    lines = [
        f"* **{case}** takes {show_number(ratio)} times as long as with {side}. "
        + REASONS.get((case, side), _NO_REASON)
        for case, side, ratio in find_slower(document.get("rows", ()))
    ]
    lines += [
        f"* **{curve}**, by {', '.join(map(show_number, sizes))}: more than {side}. "
        + REASONS.get((curve, side), _NO_REASON)
        for curve, side, sizes in find_higher(document.get("growth", ()))
    ]
    lines += [
        f"* Behind **{run}**: {variant} kept {share:.3f} of the bare throughput, ours {ours:.3f}. "
        + REASONS["server", ""]
        for run, variant, share, ours in find_overtaking(document.get("server", ()))
    ]
    return "## Where ours is slower\n\n" + ("\n".join(lines) or "Nowhere in this run.")


def write_over_budget(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write plainly which budgets are not met, and where the time goes."""
    lines = []
    for row in rows:
        over = [
            f"{side['ratio']['median']:.3f} of {side['name']}, {side['budget']:.3f} allowed"
            for side in row["sides"]
            if side["met"] is False
        ]
        if over:
            reasons = [text for case, text in OVER_BUDGET.items() if row["case"].startswith(case)]
            lines.append(f"* **{row['case']}**: {'; '.join(over)}. {(reasons or [_NO_REASON])[0]}")
    return "## Over budget\n\n" + ("\n".join(lines) or "Nothing in this run.")


def write_servers(rows: Sequence[Mapping[str, Any]], effort: Mapping[str, Any]) -> str:
    """Write what each variant keeps of the bare app's throughput."""
    lines: list[tuple[str, ...]] = []
    for row in rows:
        name = f"{row['server']}, {row['request']}, {row['connections']}"
        for one in row["variants"]:
            if one["absent"]:
                lines.append((name, one["name"], one["absent"], "", "", "", ""))
            else:
                columns = (one[key] for key in ("throughput", "p50_ms", "p99_ms"))
                shares = (_show_ratio(one["share"]), _show_ratio(one["cpu_share"]))
                lines.append((name, one["name"], *map(_show, columns), *shares))
            name = ""
        if row["fault"]:
            lines.append((f"{row['server']}", row["fault"], "", "", "", "", ""))
    headings = ("server, request, connections", "variant", "requests/s", "p50 ms", "p99 ms")
    table = build_table((*headings, "share", "share by CPU"), lines)
    return (
        "## Behind a real server\n\n"
        "All five guards and the client's address; *peers* are the fastest of the rows above that "
        "give the same answer; *Starlette* are its own middlewares, with headers and a limit by "
        "hand. The share is of the bare app's throughput in the same round; that by processor time "
        f"is disturbed less by other programs. The budget is {effort['budget']:.2f} for ours. Load "
        f"by {effort['generator']}, {effort['rounds']} rounds of {effort['seconds']} s.\n\n"
        f"![bars](benchmarks/servers.svg)\n\n{table}"
    )


def write_growth(curves: Sequence[Mapping[str, Any]]) -> str:
    """Write how cost follows size."""
    parts = ["## How cost grows"]
    for curve in curves:
        headings = (f"{curve['unit']}, by {curve['size']}", *map(show_number, curve["sizes"]))
        if len(curve["sizes"]) == 1:
            headings = (f"{curve['name']}, {curve['size']}", curve["unit"])
        lines = [
            (name, *("-" if value is None else show_number(value) for value in values))
            for name, values in curve["sides"].items()
        ]
        parts.append(f"### {curve['name']}")
        parts.append(f"![lines](benchmarks/{name_drawing(curve['name'])})")
        if curve["fault"]:
            parts.append(curve["fault"])
        parts.append(build_table(headings, lines))
    return "\n\n".join(parts)


def name_drawing(curve: str) -> str:
    """Name the file of a curve's drawing.

    >>> name_drawing("retired keys")
    'growth-retired-keys.svg'
    """
    return f"growth-{curve.lower().replace(' ', '-')}.svg"


def write_instructions(counts: Mapping[str, float], faults: Mapping[str, str]) -> str:
    """Write how many instructions a request takes."""
    bare = counts.get("bare app", 0.0)
    lines = [(case, f"{count:,.0f}", f"{count - bare:,.0f}") for case, count in counts.items()]
    lines += [(case, fault, "") for case, fault in faults.items()]
    return (
        "## Instructions\n\n"
        "Of one request, as callgrind counts them; a change that adds more than 10 % fails "
        "`python -m benchmarks --compare`.\n\n"
        + build_table(("case", "instructions", "over the bare app"), lines)
    )


def write_left_out() -> str:
    """Write which peers have no row, and why."""
    lines = [f"* **{peer}**: {reason}." for peer, reason in LEFT_OUT.items()]
    return "## Without a row\n\n" + "\n".join(lines)


def write_page(document: Mapping[str, Any]) -> str:
    """Write the whole page from whatever parts the document has."""
    parts = [_INTRODUCTION, write_machine(document["machine"])]
    if "rows" in document:
        parts.append(write_rows(document["rows"]))
    if "server" in document:
        parts.append(write_servers(document["server"], document["server_effort"]))
    if "growth" in document:
        parts.append(write_growth(document["growth"]))
    if "stores" in document:
        parts.append(write_stores(document))
    if "instructions" in document:
        parts.append(write_instructions(document["instructions"], document["instructions_faults"]))
    parts += [write_over_budget(document.get("rows", ())), write_slower(document)]
    parts.append(write_left_out())
    return "\n\n".join(parts) + "\n"
