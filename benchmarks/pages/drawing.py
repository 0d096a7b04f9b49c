"""Draws bars and lines as SVG text, with nothing but strings.

Every drawing brings its own white ground and says its numbers in words too, so that it reads in
light and dark pages and without telling colours apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from benchmarks.rows import OURS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000")
_MARKS = ("circle", "square", "triangle")
_WIDTH = 760
_LABEL_WIDTH = 220
_BAR_HEIGHT = 16
_BAR_ROOM = 420
_PLOT = (70, 40, 480, 260)
"""Left, top, width and height of the field of a line drawing."""


@dataclass(frozen=True, slots=True)
class Group:
    """Bars that are compared with one another: a name, and a value for each side."""

    name: str
    bars: Sequence[tuple[str, float]]


def _text(x: float, y: float, content: str, *, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>'
        f"{escape(content, quote=False)}</text>"
    )


def _wrap(title: str, height: float, parts: Sequence[str]) -> str:
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" '
                f'width="{_WIDTH}" height="{height:.0f}" role="img" '
                'font-family="sans-serif" font-size="12">'
            ),
            f"<title>{escape(title, quote=False)}</title>",
            f'<rect width="{_WIDTH}" height="{height:.0f}" fill="#ffffff"/>',
            _text(12, 22, title, bold=True),
            *parts,
            "</svg>\n",
        ]
    )


def show_number(value: float) -> str:
    """Show a number with three digits that count.

    >>> [show_number(value) for value in (0.0123, 4.567, 123.4, 1_234_567.0)]
    ['0.0123', '4.57', '123', '1,234,567']
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _choose_colour(names: Sequence[str], name: str) -> str:
    """Choose the colour of a side: the first is ours alone, the others take turns."""
    if name == OURS:
        return _COLOURS[0]
    others = [one for one in names if one != OURS]
    return _COLOURS[1 + others.index(name) % (len(_COLOURS) - 1)]


def draw_bars(title: str, groups: Sequence[Group], unit: str) -> str:
    """Draw groups of bars; the longest bar of each group fills the room."""
    names = list(dict.fromkeys(name for group in groups for name, _ in group.bars))
    parts: list[str] = []
    y = 40.0
    for group in groups:
        parts.append(_text(12, y + _BAR_HEIGHT - 4, group.name, bold=True))
        y += _BAR_HEIGHT + 4
        longest = max((value for _, value in group.bars), default=0.0)
        for name, value in group.bars:
            width = _BAR_ROOM * max(value, 0.0) / longest if longest > 0 else 0.0
            colour = _choose_colour(names, name)
            parts += [
                _text(_LABEL_WIDTH - 8, y + _BAR_HEIGHT - 4, name, anchor="end"),
                (
                    f'<rect x="{_LABEL_WIDTH}" y="{y:.1f}" width="{width:.1f}" '
                    f'height="{_BAR_HEIGHT - 3}" fill="{colour}"/>'
                ),
                _text(
                    _LABEL_WIDTH + width + 6,
                    y + _BAR_HEIGHT - 4,
                    f"{show_number(value)} {unit}",
                ),
            ]
            y += _BAR_HEIGHT
        y += 8
    return _wrap(title, y + 8, parts)


class _Axis:
    """A scale from numbers to the field: logarithmic where they span more than a factor of 20."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        low, high = min(values), max(values)
        self._is_log = low > 0 and high / low > 20
        if not self._is_log:
            low = min(low, 0.0)
        if low == high:
            high = low + 1.0
        self.low, self.high = low, high
        self._begin, self._end = begin, end

    def place(self, value: float) -> float:
        """Place a number in the field."""
        low, high, value = (
            (math.log(self.low), math.log(self.high), math.log(value))
            if self._is_log
            else (self.low, self.high, value)
        )
        return self._begin + (self._end - self._begin) * (value - low) / (high - low)

    def ticks(self) -> list[float]:
        """List the numbers to write at the axis."""
        if self._is_log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            steps = [step * 10.0**power for power in range(first, last + 1) for step in (1, 2, 5)]
            return [step for step in steps if self.low <= step <= self.high]
        return [self.low + (self.high - self.low) * part / 4 for part in range(5)]


def _draw_mark(kind: str, x: float, y: float, colour: str) -> str:
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
    if kind == "square":
        return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}"/>'
    points = f"{x:.1f},{y - 5:.1f} {x - 5:.1f},{y + 4:.1f} {x + 5:.1f},{y + 4:.1f}"
    return f'<polygon points="{points}" fill="{colour}"/>'


def draw_lines(
    title: str,
    size: str,
    unit: str,
    sizes: Sequence[float],
    sides: Mapping[str, Sequence[float | None]],
) -> str:
    """Draw one line for each side over the sizes."""
    left, top, width, height = _PLOT
    known = [value for values in sides.values() for value in values if value is not None]
    if not known or not sizes:
        return _wrap(title, 60, [_text(12, 44, "nothing was measured")])
    across, up = _Axis(sizes, left, left + width), _Axis(known, top + height, top)
    parts = [
        (
            f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" '
            'stroke="#888888"/>'
        ),
        _text(left + width / 2, top + height + 36, size, anchor="middle"),
        _text(left - 8, top - 6, unit, anchor="end"),
    ]
    parts += [
        _text(across.place(value), top + height + 16, show_number(value), anchor="middle")
        for value in sizes
    ]
    for value in up.ticks():
        y = up.place(value)
        parts += [
            f'<line x1="{left}" y1="{y:.1f}" x2="{left + width}" y2="{y:.1f}" stroke="#dddddd"/>',
            _text(left - 6, y + 4, show_number(value), anchor="end"),
        ]
    for index, (name, values) in enumerate(sides.items()):
        colour, mark = _choose_colour(list(sides), name), _MARKS[index % len(_MARKS)]
        points = [
            (across.place(x), up.place(y))
            for x, y in zip(sizes, values, strict=True)
            if y is not None
        ]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{joined}" fill="none" stroke="{colour}"/>')
        parts += [_draw_mark(mark, x, y, colour) for x, y in points]
        legend = top + 10 + 20 * index
        parts += [
            _draw_mark(mark, left + width + 20, legend, colour),
            _text(left + width + 32, legend + 4, name),
        ]
    return _wrap(title, top + height + 50, parts)
