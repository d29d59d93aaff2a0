"""From how many posts on does an adapter pay?  python -m benchmarks.real_authors ../shared/data [HOME] [--recipe quick]

For each of two real authors, with five others to compare with: adapters of their newest 20, 50, 100 and 300 training posts,
all measured on the same held-out posts; that a recipe may draw from the newest alone is left aside. One `pays` when its
gate holds: it learned the author, and copies nothing.
A measured size is a line of HOME/sizes.jsonl, and is not measured again: stop it, and the same command goes on.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.speed import machine
from contracts.records import Figure, digest
from feature_pipeline import pipeline as features
from training_pipeline import data
from training_pipeline.evaluation.gate import gate
from training_pipeline.glossary import said
from training_pipeline.recipe import Recipe, load
from training_pipeline.stages import Run
from ui.wiring import App

BLOGS = {
    "skeeto": "skeeto/_posts",
    "brandur": "brandur/content",
    "matklad": "matklad/content/posts",
    "eevee": "eevee/content",
    "jessfraz": "jessfraz/content",
    "simonw_til": "simonw_til",
}
AUTHORS = ("skeeto", "matklad")
SIZES = (20, 50, 100, 300)
REFERENCE_POSTS = 60  # of each: more than the quick recipe measures with
SHOWN = ("delta_nll", "specificity", "specificity_auc", "gap_closed", "copy_excess")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("home", type=Path, nargs="?")
    parser.add_argument("--recipe", default="quick")
    parser.add_argument("--authors", nargs="+", choices=sorted(BLOGS), default=AUTHORS)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    given = parser.parse_args()
    if given.home:
        results(given.data, given.home, load(given.recipe), given.authors, given.sizes)
    else:
        with tempfile.TemporaryDirectory() as folder:
            results(given.data, Path(folder), load(given.recipe), given.authors, given.sizes)


def results(blogs: Path, home: Path, recipe: Recipe, authors: Sequence[str], sizes: Sequence[int]) -> None:
    table, recipe = home / "sizes.jsonl", recipe.model_copy(update={"newest": None})
    for author in authors:
        app = App(folder=home / author)
        read(app, blogs / "blogs", author)
        corpus = data.read(app.store, author)
        learnable = len({example.post_id for example in corpus.examples["train"]})
        for size in dict.fromkeys(min(size, learnable) for size in sizes):
            part = newest(corpus, size)
            key = digest(author, str(size), recipe.model_dump_json(), app.base_model.hash, part.hash)
            if key not in {row["key"] for row in rows(table)}:
                row = {"key": key, "author": author, "size": size, **result(app, part, recipe, key)}
                table.parent.mkdir(parents=True, exist_ok=True)
                with table.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
        app.store.close()
    print_table(rows(table))
    print(machine())


def read(app: App, blogs: Path, author: str) -> None:
    """The author's posts, and some of each of the others'."""
    for name, folder in BLOGS.items():
        other = name != author
        report = features.run(
            [str(blogs / folder)], name, app.store, reference=other, limit=REFERENCE_POSTS if other else None
        )
        print(f"{name}: {report.found} found, {report.stored} stored, {report.chunks} chunks", flush=True)


def newest(corpus: data.Corpus, size: int) -> data.Corpus:
    """The corpus with its newest `size` training posts alone; validation and held-out posts stay what they are."""
    examples = data.newest(corpus, size)
    kept = {example.post_id for example in examples}
    train = [example for example in examples if all(span.post_id in kept for span in example.evidence)]
    return dataclasses.replace(corpus, examples={**corpus.examples, "train": train})


def result(app: App, corpus: data.Corpus, recipe: Recipe, key: str) -> dict[str, Any]:
    """One adapter, trained and measured; its folder is kept until then, so that a stopped one goes on."""
    began = time.monotonic()
    folder = app.home / "runs" / key
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(corpus, app.base_model, recipe, folder, progress)
    made, figures = run.train(), run.measure(run.adapter).figures
    shutil.rmtree(folder)
    return {
        "examples": made["examples"],
        "tokens": made["tokens"],
        "validation_loss": [made["base_validation_loss"], made["best_validation_loss"]],
        "seconds": round(time.monotonic() - began),
        "gate": gate(figures, recipe),
        "figures": {name: figure.model_dump() for name, figure in figures.items()},
    }


def progress(stage: str, done: int, of: int | None) -> None:
    if done == of or of is None:
        print(f"  {stage} {done}", flush=True)


def rows(table: Path) -> list[dict[str, Any]]:
    lines = table.read_text(encoding="utf-8").splitlines() if table.is_file() else []
    return [json.loads(line) for line in lines]


def print_table(found: Sequence[dict[str, Any]]) -> None:
    print(f"| author | posts | examples | {' | '.join(SHOWN)} | pays |")
    print(f"|{'---|' * (len(SHOWN) + 4)}")
    for row in found:
        figures = {name: Figure.model_validate(figure) for name, figure in row["figures"].items()}
        cells = [said(name, figures[name]) if name in figures else "not measured" for name in SHOWN]
        pays = "no: " + "; ".join(row["gate"]) if row["gate"] else "yes"
        print(f"| {row['author']} | {row['size']} | {row['examples']} | {' | '.join(cells)} | {pays} |")


if __name__ == "__main__":
    main()
