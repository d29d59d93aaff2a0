"""Retrieval: the dense and the BM25 ranking fused into passages. Training and measuring see what serving sees, from here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain
from typing import NamedTuple

from contracts.feature_store.filters import Filters
from contracts.feature_store.store import FeatureStore, Hit
from contracts.records import Passage


def search(
    store: FeatureStore,
    query: str,
    author: str,
    limit: int,
    among: Collection[str] | None = None,
    filters: Filters | None = None,
) -> list[Passage]:
    """The best passages for a query, whether or not they fit it; of the posts `among`, or that pass, alone where given."""
    return best(store, store.search(query, author, among=among, filters=filters), limit)


class Scored(NamedTuple):
    chunk_id: str
    score: float
    similarity: float


def best(store: FeatureStore, hits: Sequence[Hit], limit: int) -> list[Passage]:
    """The first `limit` of both rankings fused, as passages."""
    return as_passages(store, fuse(hits)[:limit])


def as_passages(store: FeatureStore, scored: Sequence[Scored]) -> list[Passage]:
    return store.passages({chunk.chunk_id: (chunk.score, chunk.similarity) for chunk in scored})


def fuse(*searches: Sequence[Hit]) -> list[Scored]:
    """All rankings of all searches fused, best first; equals by the chunk's id."""
    scores: dict[str, float] = {}
    similar: dict[str, float] = {}
    for hit in chain(*searches):
        scores[hit.chunk_id] = scores.get(hit.chunk_id, 0.0) + fused(hit)
        similar[hit.chunk_id] = max(similar.get(hit.chunk_id, 0.0), hit.similarity)
    ranked = sorted(scores, key=lambda chunk_id: (-scores[chunk_id], chunk_id))
    return [Scored(chunk_id, scores[chunk_id], similar[chunk_id]) for chunk_id in ranked]


def fused(hit: Hit) -> float:
    """The mean of both searches' scores, each between 0 and 1: a convex combination after min-max scaling, which keeps how
    much better one chunk is than the next, as ranks do not (Bruch, Gai and Ingber 2023; docs/retrieval.md compares)."""
    return ((hit.dense or 0.0) + (hit.bm25 or 0.0)) / 2
