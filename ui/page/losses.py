"""A training's losses as it goes: read from what the run writes down at every step, and drawn as in the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

FILE = "losses.jsonl"  # written by training_pipeline/lora.py
LEGEND = '<ul class="legend"><li>training</li><li class="validation">validation</li></ul>'

Points = Sequence[tuple[float, float]]


def read(runs: Path, since: float) -> tuple[Points, Points]:
    """Training and validation loss over steps, of the run that was last written to, if that was after `since`."""
    files = [(path.stat().st_mtime, path) for path in runs.glob(f"*/{FILE}")]
    if not files or max(files)[0] < since - 1:
        return (), ()
    kept: dict[str, dict[int, float]] = {"loss": {}, "eval_loss": {}}
    for line in max(files)[1].read_text(encoding="utf-8").splitlines():
        with suppress(ValueError, KeyError, TypeError):  # the last line may be half written
            row = json.loads(line)
            for name, points in kept.items():
                if name in row:
                    points[row["step"]] = float(row[name])  # a run that was resumed tells some steps twice
    return tuple(tuple(sorted(points.items())) for points in kept.values())  # type: ignore[return-value]


def drawn(train: Points, validation: Points) -> str:
    """A plot with its last values as words; nothing before there is a line."""
    if len(train) < 2:
        return ""
    from training_pipeline.plots import Curve, curves

    plot = curves(
        "Loss in nats per token over training steps",
        [Curve("training", "train", train), Curve("validation", "validation", validation)],
        "step",
    )
    if not plot:
        return ""
    said = f"Validation loss: {validation[0][1]:.3f} for the base model" if validation else "Loss, in nats per token"
    said += f", {validation[-1][1]:.3f} at step {validation[-1][0]}." if len(validation) > 1 else "."
    return f'<section class="card"><h2>How it learns</h2><p>{said}</p>{LEGEND}{plot}</section>'
