"""Are follow-up questions answered from what the talk is about?  python -m benchmarks.follow_ups ../shared/data [HOME]

Every question of questions_skeeto.tsv that a post answers is asked, and then followed by each of the follow-ups below, which
name no topic: is that post among the passages? And every question is asked after another one: are its passages the same as
without that history?
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path, PurePath

from benchmarks import in_home
from benchmarks.speed import machine
from contracts.embedder import SentenceEmbedder
from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import fuse
from feature_pipeline import pipeline
from inference_pipeline.retrieval.follow_up import made_whole
from inference_pipeline.retrieval.selection import select

AUTHOR, TOP = "skeeto", 4
QUESTIONS = Path(__file__).parent / "questions_skeeto.tsv"
FOLLOW_UPS = (
    "And why?",
    "Did you ever try it again?",
    "Was it worth it?",
    "What was the hardest part of it?",
    "Would you do it differently today?",
    "Can you explain that in more detail?",
)
ANSWER = "It took me a weekend. I wrote about that on my blog."


def main(data: Path, home: Path) -> None:
    store = FeatureStore(home, SentenceEmbedder(cache=home / "embedders"))
    pipeline.run([str(data / "blogs" / AUTHOR / "_posts")], AUTHOR, store)
    with QUESTIONS.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["label"] == "answerable"]
    asked = [(row["question"], row["post"]) for row in rows]
    first = [_found(store, [question], post) for question, post in asked]
    print(f"{len(asked)} questions: {sum(first)} posts among the first {TOP} passages ({sum(first) / len(first):.3f})")
    print(
        "| follow-up | as it stands | behind its question alone | both, fused | what the twin does |\n|---|---|---|---|---|"
    )
    sums = [0.0] * 4
    for follow in FOLLOW_UPS:
        shares = _shares(store, asked, follow)
        sums = [total + share for total, share in zip(sums, shares, strict=True)]
        print(f"| {follow} | " + " | ".join(f"{share:.3f}" for share in shares) + " |", flush=True)
    print("| mean | " + " | ".join(f"{total / len(FOLLOW_UPS):.3f}" for total in sums) + " |")
    others = zip(asked, asked[1:] + asked[:1], strict=True)
    left = sum(made_whole(question, [(before, ANSWER)]) is None for (before, _), (question, _) in others)
    print(f"{left} of {len(asked)} questions after another one are asked as they stand")
    print(machine())
    store.close()


def _shares(store: FeatureStore, asked: Sequence[tuple[str, str]], follow: str) -> list[float]:
    found = []
    for question, post in asked:
        made = made_whole(follow, [(question, ANSWER)])
        twin = [made.searched] if made and not made.moves_on else [follow, *([made.searched] if made else [])]
        ways = ([follow], [f"{question} {follow}"], [follow, f"{question} {follow}"], twin)
        found.append([_found(store, queries, post) for queries in ways])
    return [sum(way) / len(asked) for way in zip(*found, strict=True)]


def _found(store: FeatureStore, queries: Sequence[str], post: str) -> bool:
    ranked = fuse(*(store.search(query, AUTHOR) for query in queries))
    return post in {PurePath(passage.source_id).stem for passage in select(store, ranked, TOP)}


if __name__ == "__main__":
    in_home(main)
