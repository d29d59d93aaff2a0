"""A training as it goes: its losses and what it writes by now, read from what the run writes down."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from training_pipeline import run_folder
from training_pipeline.run_folder import LOSSES, SAMPLES

LEGEND = '<ul class="legend"><li>training</li><li class="validation">validation</li></ul>'

Points = Sequence[tuple[float, float]]


class Sample(NamedTuple):
    """What the adapter wrote after a step, for an instruction that the author's `own` text answers."""

    step: int
    text: str
    instruction: str
    own: str


def running(home: Path, author: str, since: float) -> Path | None:
    """The folder of the author's run that last wrote down a loss, if that was after `since`."""
    files = []
    for folder in run_folder.of(home, author):
        with suppress(FileNotFoundError):  # it has none yet, or is over and removed
            files.append(((folder / LOSSES).stat().st_mtime, folder))
    return max(files)[1] if files and max(files)[0] >= since - 1 else None


def losses(run: Path) -> tuple[Points, Points]:
    """Training and validation loss over steps."""
    kept: dict[str, dict[int, float]] = {"loss": {}, "eval_loss": {}}
    for row in _rows(run / LOSSES):
        for name, points in kept.items():
            if name in row:
                points[row["step"]] = float(row[name])  # a run that was resumed tells some steps twice
    train, validation = (tuple(sorted(points.items())) for points in kept.values())
    return train, validation


def samples(run: Path) -> list[Sample]:
    """One for each step that has any."""
    made = {row["step"]: Sample(**row) for row in _rows(run / SAMPLES)}
    return [made[step] for step in sorted(made)]


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with suppress(FileNotFoundError):
        for line in file.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):  # the last line may be half written
                yield json.loads(line)


def curves(train: Points, validation: Points) -> str:
    """A plot with its last values as words; nothing before there is a line."""
    if len(train) < 2:
        return ""
    from training_pipeline.plots import Curve
    from training_pipeline.plots import curves as plotted

    plot = plotted(
        "Loss in nats per token over training steps",
        [Curve("training", "train", train), Curve("validation", "validation", validation)],
        "step",
    )
    if not plot:
        return ""
    said = f"Validation loss: {validation[0][1]:.3f} for the base model" if validation else "Loss, in nats per token"
    said += f", {validation[-1][1]:.3f} at step {validation[-1][0]}." if len(validation) > 1 else "."
    return f'<section class="card"><h2>How it learns</h2><p>{said}</p>{LEGEND}{plot}</section>'


def written(made: Sequence[Sample]) -> str:
    """The first sample and the last two, above how the author's own text begins."""
    if not made:
        return ""
    shown = [(_after(one.step), one.text) for one in (made[0], *made[1:][-2:])]
    said = "".join(
        f'<dt>{escape(when)}</dt><dd dir="auto">{escape(text.strip()) or "nothing"}</dd>'
        for when, text in [*shown, ("The real one", made[-1].own)]
    )
    asked = f"Asked to: {made[-1].instruction}"
    return (
        f'<section class="card samples"><h2>What it writes by now</h2><p>{escape(asked)}</p><dl>{said}</dl></section>'
    )


def _after(step: int) -> str:
    return f"After {step} step{'' if step == 1 else 's'}" if step else "Before it learned"
