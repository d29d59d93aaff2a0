"""The gate: what a version has to prove before it becomes champion. Decided from figures alone."""

from __future__ import annotations

from contracts.records import Figure
from training_pipeline.evaluation.bootstrap import wilson
from training_pipeline.recipe import Recipe

GAINED = "verification_gained"
"""V of a version less that of the champion that it would replace."""


def gate(figures: dict[str, Figure], recipe: Recipe) -> tuple[str, ...]:
    """Why the version may not become champion; empty when it may."""
    reasons = []
    for name, bound, end in (
        ("delta_nll", recipe.gate.delta_nll_low, "low"),
        ("specificity", recipe.gate.specificity_low, "low"),
        ("copy_excess", recipe.gate.copy_excess_high, "high"),
        ("forgetting", recipe.gate.forgetting_high, "high"),
    ):
        figure = figures.get(name, Figure(value=None, n=0, note="it is not among the figures"))
        if figure.value is None or figure.low is None or figure.high is None:
            reasons.append(f"{name} cannot be measured: {figure.note}")
        elif end == "low" and not figure.low > bound:  # so that a figure that is no number fails too
            reasons.append(f"{name}: the interval's lower end {figure.low:+.4f} is not above {bound}")
        elif end == "high" and not (figure.high <= bound or (name == "copy_excess" and _few_and_none(figure, bound))):
            reasons.append(f"{name}: the interval's upper end {figure.high:+.4f} is above {bound}")
    return (*reasons, *_worse(figures))


def without_gain(figures: dict[str, Figure]) -> dict[str, Figure]:
    return {name: figure for name, figure in figures.items() if name.partition("/")[0] != GAINED}


def _few_and_none(copies: Figure, bound: float) -> bool:
    """Of so few posts that no copy at all would not prove the bound: no more copies than the author's own, then."""
    return copies.value is not None and copies.value <= 0 and wilson(0, copies.n)[1] > bound


def _worse(figures: dict[str, Figure]) -> list[str]:
    """V against the champion's: worse where even the interval's upper end is under it. What is not known is not held against
    the version; the figure says why."""
    return [
        f"{name}: the interval's upper end {figure.high:+.4f} is under 0"
        for name, figure in figures.items()
        if name.partition("/")[0] == GAINED and figure.high is not None and figure.high < 0
    ]
