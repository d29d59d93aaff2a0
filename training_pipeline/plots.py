"""Plots as inline SVG that follows the page's colours and width: x in percent, y in pixels, text at its own size.

A plot is a picture for those who see it; the page beside it has the same values as a table or a sentence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contracts.records import Figure

DOTS = 200  # more values of a row are drawn thinned out, evenly over their order
CURVE, ROW, TOP, BAR = 220, 62, 34, 22  # heights in pixels
TICKS = 4  # of a scale, about


@dataclass(frozen=True)
class Curve:
    """A named line of (x, y); `kind` is its CSS class."""

    name: str
    kind: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Row:
    """A named sample: its values, and their mean with its interval where there is one."""

    name: str
    kind: str
    values: Sequence[float]
    mean: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Scale:
    """Values → percent of the plot's width or height, over the range that round ticks span."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        return round(100 * (value - self.low) / (self.high - self.low), 2)


def scale(values: Sequence[float]) -> Scale:
    """A scale around `values` whose ticks are 1, 2 or 5 times a power of ten apart."""
    low, high = min(values), max(values)
    span = high - low or abs(high) or 1.0
    step = 10 ** math.floor(math.log10(span / TICKS))
    step *= next(factor for factor in (1, 2, 5, 10) if factor * step >= span / TICKS)
    first, last = math.floor(low / step), max(math.ceil(high / step), math.floor(low / step) + 1)
    return Scale(first * step, last * step, tuple(round(n * step, 12) for n in range(first, last + 1)))


def ends_of(figure: Figure | None) -> list[float]:
    """Value and interval: what must be seen of a figure; nothing where it is not measured."""
    ends = (figure.value, figure.low, figure.high) if figure else ()
    return [end for end in ends if end is not None and math.isfinite(end)]


def bar(figure: Figure | None, across: Scale, marks: Sequence[float]) -> str:
    """The interval as a bar, the value as a dot; `marks` are lines. For those who see: beside it stand the same values."""
    middle = BAR // 2
    parts = [f'<line class="mark" x1="{across.at(m):g}%" x2="{across.at(m):g}%" y1="0" y2="{BAR}"/>' for m in marks]
    if len(ends := ends_of(figure)) == 3:
        low, high = across.at(ends[1]), across.at(ends[2])
        parts.append(f'<line class="bar" x1="{low:g}%" x2="{high:g}%" y1="{middle}" y2="{middle}"/>')
    if ends:
        parts.append(f'<circle cx="{across.at(ends[0]):g}%" cy="{middle}" r="4.5"/>')
    return f'<svg width="100%" height="{BAR}" aria-hidden="true" focusable="false">{"".join(parts)}</svg>'


def curves(title: str, drawn: Sequence[Curve], x: str) -> str:
    """Lines over a common x axis, such as losses over steps. Points that are no numbers are left out."""
    shown = [Curve(c.name, c.kind, [p for p in c.points if all(map(math.isfinite, p))]) for c in drawn]
    shown = [curve for curve in shown if curve.points]
    if not shown:
        return ""
    across = scale([px for curve in shown for px, _ in curve.points])
    up = scale([py for curve in shown for _, py in curve.points])
    parts = [_ticks_up(up)]
    for curve in shown:
        places = [(across.at(px), 100 - up.at(py)) for px, py in curve.points]
        line = " ".join(f"{px:g},{py:g}" for px, py in places)
        # Stretched to the page's width; the line's own width is not.
        parts.append(
            f'<svg width="100%" height="{CURVE}" viewBox="0 0 100 100" preserveAspectRatio="none">'
            f'<polyline class="{curve.kind}" points="{line}" vector-effect="non-scaling-stroke"/></svg>'
        )
        if len(places) <= 30:
            parts += [
                f'<circle class="{curve.kind}" cx="{px:g}%" cy="{py * CURVE / 100:g}" r="3.5"/>' for px, py in places
            ]
    parts += [_tick_across(across, tick, CURVE + 18, end=tick == across.ticks[-1]) for tick in across.ticks]
    parts.append(f'<text class="axis" x="50%" y="{CURVE + 36}" text-anchor="middle">{escape(x)}</text>')
    return _svg(title, CURVE + 42, parts)


def strips(title: str, rows: Sequence[Row], marks: Mapping[str, float], x: str) -> str:
    """Samples under one another on one scale: a dot a value, a bar for the mean's interval; `marks` are lines across."""
    ends = [end for row in rows for end in (*row.values, row.mean, row.low, row.high) if end is not None]
    ends = [end for end in (*ends, *marks.values()) if math.isfinite(end)]
    if not ends:
        return ""
    across = scale(ends)
    bottom = TOP + ROW * len(rows)
    parts = []
    for name, value in marks.items():
        at = across.at(value)
        anchor = "start" if at < 25 else "end" if at > 75 else "middle"
        parts.append(f'<line class="mark" x1="{at:g}%" x2="{at:g}%" y1="{TOP - 12}" y2="{bottom}"/>')
        parts.append(f'<text class="marked" x="{at:g}%" y="{TOP - 18}" text-anchor="{anchor}">{escape(name)}</text>')
    for number, row in enumerate(rows):
        parts += _strip(row, across, TOP + ROW * number)
    parts += [_tick_across(across, tick, bottom + 18, end=tick == across.ticks[-1]) for tick in across.ticks]
    parts.append(f'<text class="axis" x="50%" y="{bottom + 36}" text-anchor="middle">{escape(x)}</text>')
    return _svg(title, bottom + 42, parts)


def _strip(row: Row, across: Scale, top: int) -> list[str]:
    middle = top + 36
    values = [value for value in row.values if math.isfinite(value)]
    every = math.ceil(len(values) / DOTS) or 1
    parts = [f'<text class="row" x="0" y="{top + 14}">{escape(row.name)}</text>']
    parts += [
        # Apart from each other by their order, so that equal values stay visible; the same at every drawing.
        f'<circle class="dot {row.kind}" cx="{across.at(value):g}%" cy="{middle - 9 + place % 5 * 3}" r="3"/>'
        for place, value in enumerate(values[::every])
    ]
    if row.low is not None and row.high is not None and math.isfinite(row.low + row.high):
        low, high = across.at(row.low), across.at(row.high)
        parts.append(
            f'<line class="bar {row.kind}" x1="{low:g}%" x2="{high:g}%" y1="{middle + 10}" y2="{middle + 10}"/>'
        )
    if row.mean is not None and math.isfinite(row.mean):
        at = across.at(row.mean)
        parts.append(f'<line class="mean" x1="{at:g}%" x2="{at:g}%" y1="{middle - 12}" y2="{middle + 15}"/>')
    return parts


def _ticks_up(up: Scale) -> str:
    parts = []
    for tick in up.ticks:
        y = round((100 - up.at(tick)) * CURVE / 100, 1)
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y:g}" y2="{y:g}"/>')
        parts.append(f'<text class="axis" x="100%" y="{y - 4:g}" text-anchor="end">{tick:g}</text>')
    return "".join(parts)


def _tick_across(across: Scale, tick: float, y: int, end: bool) -> str:
    at = across.at(tick)
    anchor = "end" if end else "middle" if at else "start"
    return f'<text class="axis" x="{at:g}%" y="{y}" text-anchor="{anchor}">{tick:g}</text>'


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg class="plot" width="100%" height="{height}" role="img" aria-label="{escape(title)}" focusable="false">'
        f"{''.join(parts)}</svg>"
    )
