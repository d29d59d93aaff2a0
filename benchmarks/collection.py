"""A test collection, ours against what is mostly built:  python -m benchmarks.collection FOLDER [HOME]

FOLDER holds documents (`corpus.jsonl`: `_id`, `title`, `text`), queries (`queries.jsonl`: `_id`, `text`) and judgements
(`qrels.tsv`: query, document, grade, under a line of names), as BEIR has them. Each document is a post of one author.
For each ranking of documents: nDCG at 10 and recall at 100 with 95 % intervals over the queries, and nDCG less that of BM25
and MiniLM fused by reciprocal ranks, query by query. That baseline shares no code with our index: BM25 is SQLite's, over
stems, and MiniLM reads each document's beginning, as far as it can.
"""

from __future__ import annotations

import csv
import json
import math
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import in_home, interval, retrieval
from benchmarks.chunks import Once
from benchmarks.speed import machine
from contracts.embedder import Embedder, SentenceEmbedder
from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import Scored, as_passages, fuse
from contracts.feature_store.store import CANDIDATES
from contracts.records import Post
from inference_pipeline.retrieval import selection

AUTHOR, TOP, DEEP = "collection", 10, 100
RRF = 60  # of Cormack, Clarke and Büttcher 2009
BASELINE = "BM25 and MiniLM, reciprocal ranks"

Ranking = list[str]
"""Ids of documents, best first."""


class Collection(NamedTuple):
    documents: list[Post]
    queries: dict[str, str]
    """Those that a document is judged relevant for."""
    relevant: dict[str, dict[str, int]]
    """By query and document, how relevant: 1 or more."""


def main(folder: Path, home: Path) -> None:
    asked = read(folder)
    embedder = Once(SentenceEmbedder(cache=home / "embedders"))
    store = FeatureStore(home, embedder)
    retrieval.fill(store, asked.documents)
    rankings = measured(store, embedder, asked)
    store.close()
    print(f"{folder.name}: {len(asked.documents)} documents, {len(asked.queries)} queries")
    print(f"| ranking | nDCG@{TOP} | recall@{DEEP} | nDCG@{TOP} against reciprocal ranks |")
    print("|---|---|---|---|")
    than = [ndcg(found, asked.relevant[query]) for query, found in rankings[BASELINE].items()]
    for name, ranked in rankings.items():
        gains = [ndcg(found, asked.relevant[query]) for query, found in ranked.items()]
        recalls = [recall(found, asked.relevant[query]) for query, found in ranked.items()]
        # The choice of passages for one answer ends at ten.
        deep = interval(recalls) if any(len(found) > TOP for found in ranked.values()) else ""
        against = "" if name == BASELINE else interval(np.subtract(gains, than), "+.3f")
        print(f"| {name} | {interval(gains)} | {deep} | {against} |")
    print(machine())


def read(folder: Path) -> Collection:
    relevant: dict[str, dict[str, int]] = defaultdict(dict)
    with (folder / "qrels.tsv").open(encoding="utf-8", newline="") as file:
        for query, document, grade in list(csv.reader(file, delimiter="\t"))[1:]:
            if int(grade) > 0:
                relevant[query][document] = int(grade)
    queries = {row["_id"]: row["text"] for row in _lines(folder / "queries.jsonl") if row["_id"] in relevant}
    return Collection([_post(row) for row in _lines(folder / "corpus.jsonl")], queries, relevant)


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _post(row: Mapping[str, str]) -> Post:
    return Post(
        author=AUTHOR,
        source=AUTHOR,
        source_id=row["_id"],
        title=row.get("title", ""),
        date=None,
        url=None,
        text=row["text"],
    )


def measured(store: FeatureStore, embedder: Embedder, asked: Collection) -> dict[str, dict[str, Ranking]]:
    """Each way's ranking for each query."""
    bm25, dense = Bm25(asked.documents), Dense(embedder, asked.documents)
    ways: dict[str, Callable[[str], Ranking]] = {
        "BM25": bm25.search,
        "MiniLM": dense.search,
        BASELINE: lambda query: reciprocal(bm25.search(query), dense.search(query)),
        "**ours, as searched**": partial(ours, store),
        "ours, as passages are chosen for an answer (λ = 0.8)": partial(ours_chosen, store),
    }
    return {name: {query: way(text) for query, text in asked.queries.items()} for name, way in ways.items()}


def ours(store: FeatureStore, query: str) -> Ranking:
    return _documents(store, fuse(store.search(query, AUTHOR)))[:DEEP]


def ours_chosen(store: FeatureStore, query: str) -> Ranking:
    chosen = selection.diverse(store, fuse(store.search(query, AUTHOR)), TOP)
    return _documents(store, [scored._replace(score=1 / place) for place, scored in enumerate(chosen, start=1)])


def _documents(store: FeatureStore, ranked: Sequence[Scored]) -> Ranking:
    """A document stands where its best chunk stands."""
    return list(dict.fromkeys(passage.source_id for passage in as_passages(store, ranked)))


class Bm25:
    """SQLite's BM25 (k1 = 1.2, b = 0.75) over Porter's stems; any of the query's words that Lucene does not stop."""

    STOPPED = frozenset(
        "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this "
        "to was will with".split()
    )

    def __init__(self, documents: Sequence[Post]) -> None:
        self._db = sqlite3.connect(":memory:")
        self._db.execute("CREATE VIRTUAL TABLE documents USING fts5(id UNINDEXED, text, tokenize = 'porter unicode61')")
        self._db.executemany(
            "INSERT INTO documents VALUES (?, ?)", ((post.source_id, _whole(post)) for post in documents)
        )

    def search(self, query: str) -> Ranking:
        words = " OR ".join(f'"{word}"' for word in re.findall(r"[^\W_]+", query.lower()) if word not in self.STOPPED)
        asked = "SELECT id FROM documents WHERE documents MATCH ? ORDER BY bm25(documents), id LIMIT ?"
        with closing(self._db.execute(asked, (words, CANDIDATES))) as found:
            return [row[0] for row in found]


class Dense:
    """Cosines of the query's embedding to those of whole documents."""

    def __init__(self, embedder: Embedder, documents: Sequence[Post]) -> None:
        self._embedder, self._ids = embedder, [post.source_id for post in documents]
        self._vectors = embedder.embed([_whole(post) for post in documents])

    def search(self, query: str) -> Ranking:
        nearest = (self._vectors @ self._embedder.embed([query])[0]).argsort()[::-1][:CANDIDATES]
        return [self._ids[place] for place in nearest]


def _whole(post: Post) -> str:
    return f"{post.title}\n{post.text}" if post.title else post.text


def reciprocal(*rankings: Ranking) -> Ranking:
    scores: dict[str, float] = defaultdict(float)
    for ranking in rankings:
        for rank, document in enumerate(ranking, start=1):
            scores[document] += 1 / (RRF + rank)
    return sorted(scores, key=lambda document: (-scores[document], document))[:DEEP]


def ndcg(found: Ranking, relevant: Mapping[str, int], top: int = TOP) -> float:
    """Järvelin and Kekäläinen 2002, with gains that are the grades, as trec_eval has it."""
    gain = sum(relevant.get(document, 0) / math.log2(place + 2) for place, document in enumerate(found[:top]))
    best = sorted(relevant.values(), reverse=True)[:top]
    return gain / sum(grade / math.log2(place + 2) for place, grade in enumerate(best))


def recall(found: Ranking, relevant: Mapping[str, int], deep: int = DEEP) -> float:
    return len(relevant.keys() & set(found[:deep])) / len(relevant)


if __name__ == "__main__":
    in_home(main)
