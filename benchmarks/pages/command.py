"""Runs `python -m benchmarks report RUN.json ...`: the page and its drawings from stored runs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.everything import merge
from benchmarks.pages.drawing import Group, draw_bars, draw_lines
from benchmarks.pages.page import name_drawing, write_page
from benchmarks.pages.stores import draw_stores
from benchmarks.report import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TARGET = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


def draw_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """Draw what each side adds, case by case."""
    groups = [
        Group(
            row["case"],
            [
                (side["name"], side["added"]["median"])
                for side in row["sides"]
                if side["added"] is not None
            ],
        )
        for row in rows
        if row["unit"] == "us"
    ]
    return draw_bars("Added over a bare app, microseconds (shorter is faster)", groups, "us")


def draw_servers(rows: Sequence[Mapping[str, Any]]) -> str:
    """Draw the share that each variant keeps of the bare app's throughput."""
    groups = [
        Group(
            f"{row['server']}, {row['request']}, {row['connections']} connections",
            [
                (one["name"], one["share"]["median"] * 100)
                for one in row["variants"]
                if one["share"] is not None
            ],
        )
        for row in rows
        if not row["fault"]
    ]
    return draw_bars("Share of the bare app's throughput (longer is faster)", groups, "%")


def draw_curve(curve: Mapping[str, Any]) -> str:
    """Draw one curve: lines, or bars where there is one size only."""
    title = f"{curve['name']}, {curve['unit']} over a bare app"
    if curve["unit"] == "bytes":
        title = f"{curve['name']}, bytes for each"
    if len(curve["sizes"]) != 1:
        return draw_lines(title, curve["size"], curve["unit"], curve["sizes"], curve["sides"])
    bars = [(name, values[0]) for name, values in curve["sides"].items() if values[0] is not None]
    return draw_bars(title, [Group(curve["size"], bars)], curve["unit"])


def draw_all(document: Mapping[str, Any]) -> dict[str, str]:
    """Draw every drawing that the page refers to, by the name of its file."""
    drawings: dict[str, str] = {}
    if "rows" in document:
        drawings["rows.svg"] = draw_rows(document["rows"])
    if "server" in document:
        drawings["servers.svg"] = draw_servers(document["server"])
    for curve in document.get("growth", ()):
        drawings[name_drawing(curve["name"])] = draw_curve(curve)
    drawings.update(draw_stores(document.get("stores", ())))
    return drawings


def main(arguments: Sequence[str]) -> int:
    """Write the page, its drawings, and the merged run beside them. Always 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks report", description=__doc__)
    parser.add_argument("runs", metavar="RUN.json", nargs="+", help="later ones count")
    parser.add_argument("--output", metavar="PAGE", type=Path, default=_TARGET)
    options = parser.parse_args(arguments)
    document = merge([json.loads(Path(run).read_text(encoding="utf-8")) for run in options.runs])
    page: Path = options.output
    folder = page.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    page.write_text(write_page(document), encoding="utf-8")
    for name, drawing in draw_all(document).items():
        (folder / name).write_text(drawing, encoding="utf-8")
    write_json(document, str(folder / "run.json"))
    print(f"{page} is written")
    return 0
