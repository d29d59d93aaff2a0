"""What versions proved, side by side: a small table a figure, with each version's interval drawn on one scale and in words.

The words are the picture's own: whoever cannot see the bars reads the same values in the same row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from training_pipeline.glossary import meaning, value, with_interval
from training_pipeline.plots import Scale, scale
from ui.page import markup

if TYPE_CHECKING:
    from contracts.model_registry import ModelVersion
    from contracts.records import Figure

MARKS = {"gap_closed": (0.0, 1.0), "delta_nll": (0.0,), "specificity": (0.0,), "copy_excess": (0.0,)}
"""The figures that are drawn, and the values that a line stands at: what an untrained model, or the author, would have."""
SHOWN = 8  # versions, the newest
HEIGHT = 22  # pixels of a row
NOTE = (
    "95 % intervals, each over the posts that were held out from that version. Where two overlap, they do not tell which "
    "version is nearer to you."
)


def over_versions(versions: Sequence[ModelVersion], aliases: Mapping[int, str], chosen: str) -> str:
    """`versions` oldest first; nothing where none of them has an interval. `aliases`: number → alias."""
    shown = versions[-SHOWN:]
    plots = "".join(_plot(name, shown, aliases, chosen) for name in MARKS)
    if not plots:
        return ""
    left = f" The newest {len(shown)} of {len(versions)}." if len(shown) < len(versions) else ""
    return markup.section("What they proved, side by side", markup.aside(NOTE + left) + plots)


def _plot(name: str, versions: Sequence[ModelVersion], aliases: Mapping[int, str], chosen: str) -> str:
    figures = {one.number: one.card.evaluation.get(name) for one in versions}
    ends = [end for figure in figures.values() for end in _ends(figure)]
    if not ends:
        return ""
    across = scale([*ends, *MARKS[name]])
    rows = ""
    for one in reversed(versions):
        alias = f" <small>{escape(aliases[one.number])}</small>" if one.number in aliases else ""
        current = ' aria-current="true"' if one.name == chosen else ""
        figure = figures[one.number]
        said = escape(markup.unbroken(_said(name, figure)))
        rows += (
            f'<tr{current}><th scope="row">v{one.number}{alias}</th>'
            f"<td>{_bar(figure, across, MARKS[name])}</td><td>{said}</td></tr>"
        )
    words = meaning(name)
    says = f"{words.label[:1].upper()}{words.label[1:]}: {words.says}"
    low, *_, high = (value(name, tick) for tick in across.ticks)
    axis = f'<tr aria-hidden="true"><th></th><td><span>{low}</span><span>{high}</span></td><td></td></tr>'
    return (
        f'<table class="intervals"><caption>{escape(says)}</caption><tbody>{rows}</tbody><tfoot>{axis}</tfoot></table>'
    )


def _ends(figure: Figure | None) -> list[float]:
    """What must be seen of it; nothing where it is not measured."""
    ends = (figure.value, figure.low, figure.high) if figure else ()
    return [end for end in ends if end is not None and math.isfinite(end)]


def _said(name: str, figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return "not measured"
    return f"{with_interval(name, figure.value, figure)}, n = {figure.n}"


def _bar(figure: Figure | None, across: Scale, marks: Sequence[float]) -> str:
    """The interval as a bar, the value as a dot; lines where nothing was learned, and where the author is."""
    middle = HEIGHT // 2
    parts = [f'<line class="mark" x1="{_at(m, across)}" x2="{_at(m, across)}" y1="0" y2="{HEIGHT}"/>' for m in marks]
    if len(ends := _ends(figure)) == 3:
        parts.append(
            f'<line class="bar" x1="{_at(ends[1], across)}" x2="{_at(ends[2], across)}" y1="{middle}" y2="{middle}"/>'
        )
    if ends:
        parts.append(f'<circle cx="{_at(ends[0], across)}" cy="{middle}" r="4.5"/>')
    return f'<svg width="100%" height="{HEIGHT}" aria-hidden="true" focusable="false">{"".join(parts)}</svg>'


def _at(place: float, across: Scale) -> str:
    return f"{across.at(place):g}%"
