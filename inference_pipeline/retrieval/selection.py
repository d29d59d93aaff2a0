"""From ranked chunks to the passages that a reader gets: no copies of one thing, and neighbours joined."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import Scored, as_passages
from contracts.records import Passage, Span

POOL = 5  # times as many chunks as are wanted are looked through
RELEVANCE = 0.8  # against novelty: λ of Carbonell and Goldstein, 1998; docs/retrieval.md has the table
ALIKE = 0.95  # cosine of two chunks that say the same
GAP = 20  # characters: what a chunker leaves out between two chunks is space, or a rule


def select(store: FeatureStore, ranked: Sequence[Scored], limit: int) -> list[Passage]:
    """The best `limit` chunks that do not repeat each other, as passages, best first; neighbours are one passage."""
    return joined(store, as_passages(store, diverse(store, ranked, limit)))


def diverse(store: FeatureStore, ranked: Sequence[Scored], limit: int, relevance: float = RELEVANCE) -> list[Scored]:
    """`limit` of the ranked chunks by maximal marginal relevance, in the order in which they were chosen; no copies."""
    import numpy as np

    vectors = store.vectors_of([chunk.chunk_id for chunk in ranked[: POOL * limit]])
    pool = [chunk for chunk in ranked[: POOL * limit] if chunk.chunk_id in vectors]
    if not pool:
        return []
    stacked = np.stack([vectors[chunk.chunk_id] for chunk in pool])
    merit = np.array([chunk.score for chunk in pool]) / max(chunk.score for chunk in pool)
    nearest = np.zeros(len(pool))
    chosen: list[Scored] = []
    while len(chosen) < limit and (nearest < ALIKE).any():
        worth = np.where(nearest < ALIKE, relevance * merit - (1 - relevance) * nearest, -np.inf)
        place = int(worth.argmax())
        chosen.append(pool[place])
        nearest = np.maximum(nearest, stacked @ stacked[place])
        nearest[place] = 1.0
    return chosen


def joined(store: FeatureStore, passages: Sequence[Passage]) -> list[Passage]:
    """Passages of one post that follow each other as one, whose text is still exactly its slice of the post."""
    by_place = sorted(passages, key=lambda passage: (passage.post_id, passage.start))
    groups = [by_place[:1]] if by_place else []
    for before, after in pairwise(by_place):
        if before.post_id == after.post_id and after.start - before.end <= GAP:
            groups[-1].append(after)
        else:
            groups.append([after])
    made = [_one(store, group) for group in groups]
    return sorted(made, key=lambda passage: (-passage.score, passage.post_id, passage.start))


def _one(store: FeatureStore, group: Sequence[Passage]) -> Passage:
    """It stands where its best part stood."""
    if len(group) == 1:
        return group[0]
    first, end = group[0], max(passage.end for passage in group)
    text = store.text_of(Span(post_id=first.post_id, start=first.start, end=end))
    score, similarity = max(p.score for p in group), max(p.similarity for p in group)
    return first.model_copy(update={"text": text, "end": end, "score": score, "similarity": similarity})
