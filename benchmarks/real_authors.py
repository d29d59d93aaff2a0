"""A twin of a real author:  python -m benchmarks.real_authors ../shared/data [HOME]

Takes in one author's blog and four others to compare with, trains the quick recipe, and prints what was found and proved.
With a HOME folder the work is kept there, and a second run goes on where the first ended.
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks import in_home
from contracts import hardware
from feature_pipeline import pipeline as features
from training_pipeline import pipeline as training
from training_pipeline.recipe import load
from ui.wiring import App

AUTHOR = ("skeeto", "skeeto/_posts")
REFERENCES = (
    ("matklad", "matklad/content/posts"),
    ("brandur", "brandur/content/articles"),
    ("eevee", "eevee/content"),
    ("jessfraz", "jessfraz/content"),
)
REFERENCE_POSTS = 60  # of each: more than the quick recipe measures with


def main(data: Path, home: Path) -> None:
    app = App(folder=home)
    for name, folder in (AUTHOR, *REFERENCES):
        began = time.monotonic()
        reference = name != AUTHOR[0]
        report = features.run(
            [str(data / "blogs" / folder)],
            name,
            app.store,
            reference=reference,
            limit=REFERENCE_POSTS if reference else None,
        )
        took = time.monotonic() - began
        print(
            f"{name}: {report.found} found, {report.stored} stored ({report.duplicate} duplicate), "
            f"{sum(report.refused.values())} refused, {report.chunks} chunks, {took:.0f} s",
            flush=True,
        )
    outcome = training.run(AUTHOR[0], app.store, app.registry, app.base_model, load("quick"), app.home, resume=True)
    card = outcome.version.card
    print(
        f"{outcome.version.name}: {card.examples} examples, {card.training['tokens']} tokens, {outcome.seconds:.0f} s"
    )
    print(
        f"  validation loss {card.training['base_validation_loss']:.3f} → {card.training['best_validation_loss']:.3f}"
    )
    for measure, figure in card.evaluation.items():
        print(f"  {measure}: {figure}" + (f" ({figure.note})" if figure.note else ""))
    print(f"  promoted: {outcome.promoted}", *card.gate)
    print("machine:", ", ".join(f"{key} {value}" for key, value in hardware.describe().items()))
    app.store.close()


if __name__ == "__main__":
    in_home(main)
