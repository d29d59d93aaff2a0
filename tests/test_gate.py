"""The gate: it says every bound that does not hold, and a figure that is no number holds none."""

from __future__ import annotations

import math
import re

import pytest

from contracts.records import Figure
from tests.fakes import recipe
from training_pipeline.evaluation.gate import gate


def figures(low: float = 0.1, high: float = 0.2) -> dict[str, Figure]:
    figure = Figure(value=(low + high) / 2, low=low, high=high, n=9)
    none = Figure(value=0.0, low=0.0, high=0.0, n=9)
    return {"delta_nll": figure, "specificity": figure, "copy_excess": none, "forgetting": none}


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, []),
        ({"delta_nll": Figure(value=0.1, low=0.0, high=0.2, n=9)}, ["delta_nll: .* lower end \\+0.0000 is not above"]),
        ({"specificity": Figure(value=0.1, low=-0.1, high=0.2, n=9)}, ["specificity: .* lower end -0.1000"]),
        ({"copy_excess": Figure(value=0.4, low=0.2, high=0.6, n=9)}, ["copy_excess: .* upper end \\+0.6000 is above 0.5"]),
        ({"copy_excess": Figure(value=0.4, low=0.2, high=0.5, n=9)}, []),
        ({"forgetting": Figure(value=0.1, low=0.05, high=0.15, n=9)}, ["forgetting: .* upper end \\+0.1500 is above 0.1"]),
        ({"specificity": Figure(value=None, n=0, note="no reference authors")}, ["specificity cannot .* no reference"]),
        ({"delta_nll": Figure(value=math.nan, low=math.nan, high=math.nan, n=9)}, ["delta_nll: .* \\+nan is not above"]),
        ({"copy_excess": Figure(value=math.nan, low=math.nan, high=math.nan, n=9)}, ["copy_excess: .* \\+nan is above"]),
        (
            {name: Figure(value=None, n=1, note="1 posts, needs 5") for name in figures()},
            ["delta_nll cannot", "specificity cannot", "copy_excess cannot", "forgetting cannot"],
        ),
    ],
)  # fmt: skip
def test_the_gate_says_every_reason(changes: dict[str, Figure], reasons: list[str]) -> None:
    told = gate({**figures(), **changes}, recipe())
    assert len(told) == len(reasons)
    for reason, pattern in zip(told, reasons, strict=True):
        assert re.match(pattern, reason), reason
