"""When does the twin refuse?  python -m benchmarks.abstention ../shared/data [HOME]

questions_skeeto.tsv holds questions about one author's blog, written by hand: some that a post answers (with the name of its
file), some on neighbouring topics and some on far ones that he has never written about. The rule of
inference_pipeline.grounding.answerable is fitted on every other question, and reported on the rest.
"""

from __future__ import annotations

import csv
import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks import in_home
from benchmarks.speed import machine
from contracts.embedder import SentenceEmbedder
from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import best
from feature_pipeline import pipeline
from inference_pipeline.grounding.answerable import BEST, BIAS, COSINE, COVERAGE, LEAST, Evidence, evidence

AUTHOR, SAMPLE = "skeeto", "Wren Halloway"
QUESTIONS = Path(__file__).parent / "questions_skeeto.tsv"
EXAMPLES = Path(__file__).parents[1] / "examples"
ROUNDS = 2000


@dataclass(frozen=True)
class Asked:
    question: str
    label: str
    evidence: Evidence
    found: bool
    """Whether the post that answers it is among the passages."""
    milliseconds: float
    """What the rule took, after the search."""

    @property
    def answerable(self) -> bool:
        return self.label == "answerable"


def main(data: Path, home: Path) -> None:
    store = FeatureStore(home, SentenceEmbedder(cache=home / "embedders"))
    pipeline.run([str(data / "blogs" / AUTHOR / "_posts")], AUTHOR, store)
    pipeline.run([str(EXAMPLES / "wren_halloway")], SAMPLE, store)
    asked = [ask(store, AUTHOR, *row) for row in read(QUESTIONS)]
    fitting, reporting = asked[::2], asked[1::2]
    fit(fitting)
    print(f"shipped: {BIAS:+.1f} {COSINE:+.1f} cosine {COVERAGE:+.1f} coverage, answered from {LEAST} on\n")
    report(reporting)
    curve(reporting)
    sample(store)
    titles = [f"What did you write in “{post.title}”?" for post in store.posts(AUTHOR) if post.title]
    print(f"\nthe page's suggestions, {len(titles)} titles: {answered(store, AUTHOR, titles):.3f} answered")
    print(f"the rule takes {statistics.median(a.milliseconds for a in asked):.1f} ms in the median")
    print(machine())
    store.close()


def read(path: Path) -> list[tuple[str, str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["question"], row["label"], row["post"]) for row in csv.DictReader(file, delimiter="\t")]


def ask(store: FeatureStore, author: str, question: str, label: str, post: str = "") -> Asked:
    hits = store.search(question, author)
    began = time.perf_counter()
    weighed = evidence(store, question, hits)
    took = 1000 * (time.perf_counter() - began)
    found = {PurePath(passage.source_id).stem for passage in best(store, hits, BEST)}
    return Asked(question, label, weighed, post in found, took)


def fit(asked: Sequence[Asked]) -> None:
    """The coefficients that these questions give, and where they answer 95 of 100 answerable ones."""
    features = np.array([[a.evidence.cosine, a.evidence.coverage] for a in asked])
    model = LogisticRegression(C=100, max_iter=10_000, class_weight="balanced").fit(
        features, [a.answerable for a in asked]
    )
    (cosine, coverage), bias = model.coef_[0], model.intercept_[0]
    kept = np.quantile(
        [p for p, a in zip(model.predict_proba(features)[:, 1], asked, strict=True) if a.answerable], 0.05
    )
    print(
        f"fitted on {len(asked)}: {bias:+.2f} {cosine:+.2f} cosine {coverage:+.2f} coverage; 95 % answered from {kept:.2f}"
    )


def report(asked: Sequence[Asked]) -> None:
    print(f"on the other {len(asked)} questions, with 95 % intervals:")
    kept = [a.evidence.probability >= LEAST for a in asked if a.answerable]
    print(f"  answerable kept {interval(kept)}")
    print(f"  its post among the {BEST} passages {interval([a.found for a in asked if a.answerable])}")
    for label in ("neighbouring", "far"):
        print(f"  {label} refused {interval([a.evidence.probability < LEAST for a in asked if a.label == label])}")
    print(f"  unanswerable refused {interval([a.evidence.probability < LEAST for a in asked if not a.answerable])}")
    for a in asked:
        if a.answerable != (a.evidence.probability >= LEAST):
            print(f"    wrong: {a.label}: {a.question} ({a.evidence.probability:.2f})")


def curve(asked: Sequence[Asked]) -> None:
    print("\n| answered from | answerable kept | neighbouring refused | far refused | cosine alone: kept | refused |")
    print("|---|---|---|---|---|---|")
    for step in range(1, 10):
        least, cosine = step / 10, 0.3 + step * 0.03
        cells = [
            np.mean([a.evidence.probability >= least for a in asked if a.answerable]),
            *(
                np.mean([a.evidence.probability < least for a in asked if a.label == x])
                for x in ("neighbouring", "far")
            ),
            np.mean([a.evidence.cosine >= cosine for a in asked if a.answerable]),
            np.mean([a.evidence.cosine < cosine for a in asked if not a.answerable]),
        ]
        figures = [f"{cell:.3f}" for cell in cells]
        print(f"| {least:.1f} | {' | '.join(figures[:3])} | {figures[3]} (≥ {cosine:.2f}) | {figures[4]} |")


def sample(store: FeatureStore) -> None:
    """A corpus of 50 short posts, which the rule was not fitted on; what was far from the one author is from the other."""
    lines = (EXAMPLES / "wren_halloway_questions.jsonl").read_text(encoding="utf-8").splitlines()
    own = answered(store, SAMPLE, [json.loads(line)["question"] for line in lines])
    foreign = [question for question, label, _ in read(QUESTIONS) if label == "neighbouring"]
    refused = 1 - answered(store, SAMPLE, foreign)
    print(
        f"\n{SAMPLE}: {own:.3f} of {len(lines)} own questions answered, {refused:.3f} of {len(foreign)} others refused"
    )


def answered(store: FeatureStore, author: str, questions: Sequence[str]) -> float:
    asked = [ask(store, author, question, "") for question in questions]
    return statistics.mean(a.evidence.probability >= LEAST for a in asked)


def interval(values: Sequence[bool]) -> str:
    """The share, with its bootstrap interval."""
    drawn = random.Random(0)
    means = sorted(statistics.mean(drawn.choices(values, k=len(values))) for _ in range(ROUNDS))
    low, high = means[ROUNDS // 40], means[-ROUNDS // 40]
    return f"{statistics.mean(values):.3f} [{low:.3f}, {high:.3f}] (n={len(values)})"


if __name__ == "__main__":
    in_home(main)
