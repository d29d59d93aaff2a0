"""Few posts: each is measured by a training that has not seen it. They are cut in blocks of time, held out in turn.

What is measured is the recipe on this author, by adapters that go when the run ends; the registered version is none of them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

from contracts.errors import UsageError
from contracts.files import read_json, write_json
from contracts.progress import Progress
from contracts.records import Example, Figure, Split
from training_pipeline.data import FIRST, Corpus
from training_pipeline.evaluation.bootstrap import FEWEST
from training_pipeline.stages import Run

BLOCKS = 3
ENOUGH = 30  # posts: of so many six are held out, but where a hash divides them
NOTE = "of the recipe: each post by a training that has not seen it"
DELTAS = "deltas.json"  # in a fold's folder: what its held-out posts and its share of other authors' gained


def are_of_use(posts: int, held_out: int) -> bool:
    """Whether they measure what the version itself cannot: of how many posts there are examples, and of how many held-out
    ones there is one to measure by."""
    return posts >= FEWEST and (posts < ENOUGH or held_out < FEWEST)


def check(corpus: Corpus) -> None:
    """Told before anything is trained. Raises UsageError."""
    posts = len(_by_date(corpus))
    held_out = len({example.post_id for example in corpus.examples["test"] if example.kind in FIRST})
    if posts < FEWEST:
        raise UsageError(f"folds of {posts} posts prove nothing: a figure needs {FEWEST}", "ingest more posts")
    if not are_of_use(posts, held_out):
        raise UsageError(
            f"{posts} posts need no folds: {held_out} of them are held out, and measure the version itself",
            "leave out --folds",
        )


def train(run: Run) -> list[Run]:
    """The trainings that the folds are measured by, each in a folder of its own; finished ones are not trained again."""
    runs = []
    for number, corpus in enumerate(cut(run.corpus, run.recipe.eval_posts), start=1):
        folder = run.folder / f"fold-{number}"
        folder.mkdir(exist_ok=True)
        fold = dataclasses.replace(run, corpus=corpus, folder=folder, progress=_named(run, number))
        fold.train()
        runs.append(fold)
    return runs


def measure(runs: Sequence[Run]) -> dict[str, Figure]:
    """ΔNLL, specificity and AUC over all folds: every post of the author, and of others as many as a run measures."""
    from training_pipeline.evaluation import evaluate, judge

    mine, theirs = dict[str, float](), dict[str, float]()
    for run in runs:
        gained = read_json(run.folder / DELTAS)
        if gained is None:
            asked = [example for example in run.corpus.examples["test"] if example.kind in FIRST]
            gained = evaluate.deltas(
                run.load(run.adapter), run.base.tokenizer(), run.corpus, asked, run.recipe, run.progress
            )
            write_json(run.folder / DELTAS, gained)
        mine |= gained[0]
        theirs |= gained[1]
    figures = judge.compared_with(
        evaluate.learned(mine, theirs), {e.author for run in runs for e in run.corpus.reference}
    )
    return {f"{name}/folds": _noted(figure) for name, figure in figures.items()}


def _noted(figure: Figure) -> Figure:
    return (
        figure.model_copy(update={"note": "; ".join(filter(None, (figure.note, NOTE)))})
        if figure.value is not None
        else figure
    )


def cut(corpus: Corpus, references: int) -> list[Corpus]:
    """The corpus once for each block, which is held out. Of the other posts the newest tenth validates.

    Up to `references` posts of other authors are shared among the folds, so that each is measured once, too.
    """
    from training_pipeline.evaluation.evaluate import evenly

    order, others = _by_date(corpus), evenly(corpus, references)
    made = [example for part in corpus.examples.values() for example in part]
    folds = []
    for block in range(BLOCKS):
        held = order[block * len(order) // BLOCKS : (block + 1) * len(order) // BLOCKS]
        left = [post_id for post_id in order if post_id not in held]
        validation = left[-max(1, len(left) // 10) :]
        learned = set(left) - set(validation)
        examples: dict[Split, list[Example]] = {
            "train": [e for e in _of(made, learned) if all(span.post_id in learned for span in e.evidence)],
            "validation": _of(made, set(validation)),
            "test": _of(made, set(held)),
        }
        folds.append(dataclasses.replace(corpus, examples=examples, reference=others[block::BLOCKS]))
    return folds


def _by_date(corpus: Corpus) -> list[str]:
    """Every post that examples are made of, the oldest first; one without a date counts as old."""
    ids = {example.post_id for part in corpus.examples.values() for example in part}
    return sorted(ids, key=lambda post_id: (corpus.posts[post_id].date or dt.date.min, post_id))


def _of(examples: Sequence[Example], posts: set[str]) -> list[Example]:
    return [example for example in examples if example.post_id in posts]


def _named(run: Run, number: int) -> Progress:
    return lambda stage, done, of: run.progress(f"{stage}, fold {number}", done, of)
