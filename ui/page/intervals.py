"""What versions proved, side by side: a small table a figure, with each version's interval drawn on one scale and in words.

The words are the picture's own: whoever cannot see the bars reads the same values in the same row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from training_pipeline.glossary import MARKS, meaning, value, with_interval
from training_pipeline.plots import bar, ends_of, scale
from ui.page import markup

if TYPE_CHECKING:
    from contracts.model_registry import ModelVersion
    from contracts.records import Figure

DRAWN = ("gap_closed", "delta_nll", "specificity", "copy_excess")
SHOWN = 8  # versions, the newest
NOTE = (
    "95 % intervals, each over the posts that were held out from that version. Where two overlap, they do not tell which "
    "version is nearer to you."
)


def over_versions(versions: Sequence[ModelVersion], aliases: Mapping[int, str], chosen: str) -> str:
    """`versions` oldest first; nothing where none of them has an interval. `aliases`: number → alias."""
    shown = versions[-SHOWN:]
    plots = "".join(_plot(name, shown, aliases, chosen) for name in DRAWN)
    if not plots:
        return ""
    left = f" The newest {len(shown)} of {len(versions)}." if len(shown) < len(versions) else ""
    return markup.section("What they proved, side by side", markup.aside(NOTE + left) + plots)


def _plot(name: str, versions: Sequence[ModelVersion], aliases: Mapping[int, str], chosen: str) -> str:
    figures = {one.number: one.card.evaluation.get(name) for one in versions}
    ends = [end for figure in figures.values() for end in ends_of(figure)]
    if not ends:
        return ""
    across = scale([*ends, *MARKS.get(name, ())])
    rows = ""
    for one in reversed(versions):
        alias = f" <small>{escape(aliases[one.number])}</small>" if one.number in aliases else ""
        current = ' aria-current="true"' if one.name == chosen else ""
        figure = figures[one.number]
        said = escape(markup.unbroken(_said(name, figure)))
        rows += (
            f'<tr{current}><th scope="row">v{one.number}{alias}</th>'
            f"<td>{bar(figure, across, MARKS.get(name, ()))}</td><td>{said}</td></tr>"
        )
    words = meaning(name)
    says = f"{words.label[:1].upper()}{words.label[1:]}: {words.says}"
    low, *_, high = (value(name, tick) for tick in across.ticks)
    axis = f'<tr aria-hidden="true"><th></th><td><span>{low}</span><span>{high}</span></td><td></td></tr>'
    return (
        f'<table class="intervals"><caption>{escape(says)}</caption><tbody>{rows}</tbody><tfoot>{axis}</tfoot></table>'
    )


def _said(name: str, figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return "not measured"
    return f"{with_interval(name, figure.value, figure)}, n = {figure.n}"
