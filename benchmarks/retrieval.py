"""Retrieval and abstention on real text:  python -m benchmarks.retrieval ../shared/data [HOME]

Prints, for the shipped default: the share of gold spans that the top 5 passages cover (chunk_chroma), known-item recall
and MRR over one author's blog, and how often a question is answered or refused at each threshold.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks import in_home
from contracts.embedder import SentenceEmbedder
from contracts.feature_store import FeatureStore, FeatureVersion
from contracts.records import Post
from feature_pipeline import pipeline
from feature_pipeline.chunk import CHUNK, CHUNKER, WHOLE
from inference_pipeline.retrieve import LEAST_SIMILARITY, search

TOP = 5
AUTHOR = "skeeto"


def main(data: Path, home: Path) -> None:
    store = FeatureStore(home, SentenceEmbedder())
    questions = list(_questions(data / "chunk_chroma"))
    pipeline.run([str(data / "blogs" / AUTHOR / "_posts")], AUTHOR, store)
    _known_items(store)
    _abstention(store, [question for question, _, _ in questions])
    store.close()
    with tempfile.TemporaryDirectory() as other:
        store = FeatureStore(Path(other), SentenceEmbedder())
        _gold_spans(store, data / "chunk_chroma", questions)
        store.close()


def _gold_spans(store: FeatureStore, data: Path, questions: list[tuple[str, str, list[tuple[int, int]]]]) -> None:
    version = FeatureVersion(CHUNKER, store.embedder.fingerprint)
    report = pipeline.Report("chroma")
    for corpus in sorted((data / "corpora").glob("*.md")):
        post = Post(
            author=corpus.stem,
            source=str(data),
            source_id=corpus.name,
            title=corpus.stem.replace("_", " "),
            date=None,
            url=None,
            text=corpus.read_text(encoding="utf-8"),
        )
        pipeline.build([post], version, store, report, False, lambda *_: None)
    covered, read = [], []
    for question, corpus_id, gold in questions:
        wanted = set(_places(gold))
        passages = search(store, question, corpus_id, TOP)
        found = set(_places((passage.start, passage.end) for passage in passages))
        covered.append(len(wanted & found) / len(wanted))
        read.append(len(wanted & found) / len(found))
    print(f"gold spans, {len(questions)} questions, chunks of {CHUNK} (posts under {WHOLE} whole), top {TOP}:")
    print(f"  recall {sum(covered) / len(covered):.3f}, precision {sum(read) / len(read):.3f}")


def _known_items(store: FeatureStore) -> None:
    """Ask for each post by its title alone: is it found, and how far up?"""
    ranks = []
    for post in store.posts(AUTHOR):
        found = [passage.post_id for passage in search(store, post.title, AUTHOR, 20)]
        ranks.append(found.index(post.id) + 1 if post.id in found else 0)
    recall = sum(0 < rank <= TOP for rank in ranks) / len(ranks)
    mrr = sum(1 / rank for rank in ranks if rank) / len(ranks)
    print(f"known items, {len(ranks)} titles of {AUTHOR}: recall@{TOP} {recall:.3f}, MRR {mrr:.3f}")


def _abstention(store: FeatureStore, foreign: list[str]) -> None:
    """Questions about the author's own titles should be answered, those about other corpora refused."""
    own = [f"What do you think about {post.title}?" for post in store.posts(AUTHOR)]
    kept = [_similarity(store, question) for question in own]
    refused = [_similarity(store, question) for question in foreign]
    print(f"abstention: {len(own)} questions about own titles, {len(foreign)} about other corpora")
    for step in range(20, 51, 5):
        threshold = step / 100
        answered = sum(value >= threshold for value in kept) / len(kept)
        declined = sum(value < threshold for value in refused) / len(refused)
        mark = "  ← shipped" if abs(threshold - LEAST_SIMILARITY) < 0.001 else ""
        print(f"  threshold {threshold:.2f}: answered {answered:.3f}, refused {declined:.3f}{mark}")


def _similarity(store: FeatureStore, question: str) -> float:
    return max((hit.similarity for hit in store.search(question, AUTHOR)), default=0.0)


def _questions(data: Path) -> Iterator[tuple[str, str, list[tuple[int, int]]]]:
    with (data / "questions_df.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            gold = [(span["start_index"], span["end_index"]) for span in json.loads(row["references"])]
            yield row["question"], row["corpus_id"], gold


def _places(spans: Iterable[tuple[int, int]]) -> Iterator[int]:
    for start, end in spans:
        yield from range(start, end)


if __name__ == "__main__":
    in_home(main)
