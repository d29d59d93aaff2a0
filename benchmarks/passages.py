"""Which passages an answer gets, by way of ranking:  python -m benchmarks.passages ../shared/data [HOME]

The corpora of chunk_chroma and one author's blog in one store, each an author of its own. For each ranking: the share of the
gold spans that the first five chunks cover, with its 95 % interval, and their precision; nDCG at 10 of the chunks that hold
a part of a span; and the written questions about the blog whose post is among the first four, and its reciprocal rank.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path, PurePath
from statistics import fmean

from benchmarks import in_home, interval, retrieval
from benchmarks.chunks import Once
from benchmarks.speed import machine
from contracts.embedder import SentenceEmbedder
from contracts.feature_store import FeatureStore, Hit
from contracts.feature_store.retrieve import Scored, as_passages, fuse
from contracts.records import Passage
from feature_pipeline import pipeline
from inference_pipeline.retrieval import selection

AUTHOR, SHOWN, TOP, DEEP = "skeeto", 4, 5, 10
QUESTIONS = Path(__file__).parent / "questions_skeeto.tsv"
Rank = Callable[[FeatureStore, Sequence[Hit], int], list[Passage]]


def main(data: Path, home: Path) -> None:
    store = FeatureStore(home, Once(SentenceEmbedder(cache=home / "embedders")))
    retrieval.fill_corpora(store, data / "chunk_chroma")
    pipeline.run([str(data / "blogs" / AUTHOR / "_posts")], AUTHOR, store)
    gold = list(retrieval.read_questions(data / "chunk_chroma"))
    with QUESTIONS.open(encoding="utf-8", newline="") as file:
        asked = [row for row in csv.DictReader(file, delimiter="\t") if row["label"] == "answerable"]
    print(f"{len(gold)} questions with gold spans; {len(asked)} written questions about {AUTHOR}")
    print(f"| ranking | spans covered by {TOP} | precision | nDCG@{DEEP} | passages | post in {SHOWN} | MRR |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name, rank in rankings().items():
        cells = [*_gold(store, gold, rank), *_known(store, asked, rank)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print(machine())
    store.close()


def rankings() -> dict[str, Rank]:
    marginal = {f"both, λ = {share}": partial(_diverse, share) for share in (0.9, 0.8, 0.7, 0.6)}
    return {
        "BM25": _bm25,
        "MiniLM": _dense,
        "both, by reciprocal ranks": _reciprocal,
        "both, fused": _fused,
        **marginal,
        "shipped: λ = 0.8, neighbours joined": _shipped,
    }


def _bm25(store: FeatureStore, hits: Sequence[Hit], limit: int) -> list[Passage]:
    return as_passages(
        store, fuse([Hit(h.chunk_id, h.similarity, None, h.bm25) for h in hits if h.bm25 is not None])[:limit]
    )


def _dense(store: FeatureStore, hits: Sequence[Hit], limit: int) -> list[Passage]:
    return as_passages(
        store, fuse([Hit(h.chunk_id, h.similarity, h.dense, None) for h in hits if h.dense is not None])[:limit]
    )


def _reciprocal(store: FeatureStore, hits: Sequence[Hit], limit: int) -> list[Passage]:
    """Σ 1 / (60 + rank), of Cormack, Clarke and Büttcher 2009, which most put two rankings together by."""
    scores = dict.fromkeys((hit.chunk_id for hit in hits), 0.0)
    for found in ({h.chunk_id: h.dense for h in hits}, {h.chunk_id: h.bm25 for h in hits}):
        ranked = sorted((chunk for chunk in found if found[chunk] is not None), key=lambda chunk: -(found[chunk] or 0))
        for rank, chunk in enumerate(ranked, start=1):
            scores[chunk] += 1 / (60 + rank)
    best = sorted(scores, key=lambda chunk: (-scores[chunk], chunk))[:limit]
    return as_passages(store, [Scored(chunk, scores[chunk], 0.0) for chunk in best])


def _fused(store: FeatureStore, hits: Sequence[Hit], limit: int) -> list[Passage]:
    return as_passages(store, fuse(hits)[:limit])


def _diverse(relevance: float, store: FeatureStore, hits: Sequence[Hit], limit: int) -> list[Passage]:
    chosen = selection.diverse(store, fuse(hits), limit, relevance)
    first = [Scored(chunk.chunk_id, float(limit - place), chunk.similarity) for place, chunk in enumerate(chosen)]
    return as_passages(store, first)


def _shipped(store: FeatureStore, hits: Sequence[Hit], limit: int) -> list[Passage]:
    return selection.select(store, fuse(hits), limit)


def _gold(store: FeatureStore, questions: Sequence[retrieval.Question], rank: Rank) -> list[str]:
    covered, precise, gains, shown = [], [], [], []
    for question, author, spans in questions:
        hits, wanted = store.search(question, author), _places(spans)
        passages = rank(store, hits, TOP)
        found = _places((p.start, p.end) for p in passages)
        covered.append(len(wanted & found) / len(wanted))
        precise.append(len(wanted & found) / max(1, len(found)))
        shown.append(len(passages))
        holds = sum(bool(wanted & _places([(s.start, s.end)])) for s in store.spans_of(passages[0].post_id))
        deep = [bool(wanted & _places([(p.start, p.end)])) for p in rank(store, hits, DEEP)]
        gains.append(_dcg(deep) / _dcg([True] * min(DEEP, holds)) if holds else 0.0)
    return [interval(covered), f"{fmean(precise):.3f}", f"{fmean(gains):.3f}", f"{fmean(shown):.1f}"]


def _known(store: FeatureStore, asked: Sequence[dict[str, str]], rank: Rank) -> list[str]:
    places = []
    for row in asked:
        names = [PurePath(p.source_id).stem for p in rank(store, store.search(row["question"], AUTHOR), SHOWN)]
        places.append(names.index(row["post"]) + 1 if row["post"] in names else 0)
    return [
        f"{fmean(place > 0 for place in places):.3f}",
        f"{fmean(1 / place if place else 0 for place in places):.3f}",
    ]


def _dcg(relevant: Sequence[bool]) -> float:
    return sum(1 / math.log2(place + 2) for place, holds in enumerate(relevant) if holds)


def _places(spans: Iterable[tuple[int, int]]) -> set[int]:
    return {place for start, end in spans for place in range(start, end)}


if __name__ == "__main__":
    in_home(main)
