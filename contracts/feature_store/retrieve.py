"""Retrieval: the dense and the BM25 ranking fused into passages. Training and measuring see what serving sees, from here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from contracts.feature_store.store import CANDIDATES, FeatureStore, Hit
from contracts.records import Passage

RRF_K = 60  # Cormack, Clarke and Büttcher 2009


def search(
    store: FeatureStore, query: str, author: str, limit: int, among: Collection[str] | None = None
) -> list[Passage]:
    """The best passages for a query, whether or not they fit it; of the posts `among` alone, where these are given."""
    hits = store.search(query, author) if among is None else _search_among(store, query, author, among)
    return best(store, hits, limit)


def best(store: FeatureStore, hits: Sequence[Hit], limit: int) -> list[Passage]:
    """The first `limit` of both rankings fused, as passages; equals by the chunk's id."""
    first = sorted(hits, key=lambda hit: (-fused(hit), hit.chunk_id))[:limit]
    return store.passages({hit.chunk_id: (fused(hit), hit.similarity) for hit in first})


def fused(hit: Hit) -> float:
    """Reciprocal rank fusion: Σ 1 / (k + rank) over the rankings that found the chunk."""
    return sum(1 / (RRF_K + rank) for rank in (hit.dense_rank, hit.bm25_rank) if rank is not None)


def _search_among(store: FeatureStore, query: str, author: str, among: Collection[str]) -> list[Hit]:
    """What a store of these posts alone would find, but for how rare a word is: that is counted over all of them.

    As many candidates are asked for as leave CANDIDATES of each ranking, or until there are no more.
    """
    wanted, found = 2 * CANDIDATES, -1
    while True:
        hits = store.search(query, author, wanted)
        post_of = store.posts_of([hit.chunk_id for hit in hits])
        kept = [hit for hit in hits if post_of.get(hit.chunk_id) in among]
        enough = sum(hit.dense_rank is not None for hit in kept) >= CANDIDATES
        if enough or len(hits) == found:
            return _ranked_anew(kept)
        wanted, found = 4 * wanted, len(hits)


def _ranked_anew(hits: Sequence[Hit]) -> list[Hit]:
    """With ranks that count these alone; under the first CANDIDATES of neither ranking: no hit."""
    dense = sorted((hit.dense_rank, hit.chunk_id) for hit in hits if hit.dense_rank is not None)
    bm25 = sorted((hit.bm25_rank, hit.chunk_id) for hit in hits if hit.bm25_rank is not None)
    dense_rank = {chunk_id: rank for rank, (_, chunk_id) in enumerate(dense[:CANDIDATES], start=1)}
    bm25_rank = {chunk_id: rank for rank, (_, chunk_id) in enumerate(bm25[:CANDIDATES], start=1)}
    ranked = (
        replace(hit, dense_rank=dense_rank.get(hit.chunk_id), bm25_rank=bm25_rank.get(hit.chunk_id)) for hit in hits
    )
    return [hit for hit in ranked if hit.dense_rank or hit.bm25_rank]
