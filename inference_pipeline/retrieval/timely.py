"""What a question that asks about a time is answered from: its days, the newest, or old and new. Only what fits is moved."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.feature_store import FeatureStore, Filters, Hit
from contracts.feature_store.retrieve import Scored
from inference_pipeline.retrieval.when import When

FITS = 0.8  # of a similarity: nearly as near to the question
POOL = 20  # chunks whose order a date may change
DATE = 2.0  # against the whole of the fused score: among what fits alike, the date decides


def within(
    store: FeatureStore, author: str, when: When, filters: Filters | None, hits: Sequence[Hit], limit: int
) -> list[Hit]:
    """One more search, of the days that the question names. What fits better from other days is still found by `hits`.

    It has to be nearly as near as the farthest of the `limit` nearest: one that is nearer by far is the exception.
    """
    if not when.span:
        return []
    found = store.search(when.searched, author, filters=(filters or Filters()).and_days_of(when.span))
    nearest = sorted((hit.similarity for hit in hits), reverse=True)[:limit]
    least = FITS * min(nearest, default=0.0)
    return [hit for hit in found if hit.similarity >= least]


def in_time(store: FeatureStore, ranked: Sequence[Scored], when: When, limit: int) -> list[Scored]:
    """The ranking as the question's time wants it; as it is, where it wants nothing."""
    if not ranked or not (when.now or when.changed):
        return list(ranked)
    least = FITS * max(chunk.similarity for chunk in ranked)
    pool = [chunk for chunk in ranked[:POOL] if chunk.similarity >= least]
    dates = store.dates_of([chunk.chunk_id for chunk in pool])
    dated = sorted((chunk for chunk in pool if chunk.chunk_id in dates), key=lambda chunk: dates[chunk.chunk_id])
    if when.changed:
        first = [_above(ranked[0], chunk) for chunk in spread(dated, limit)]
    else:
        newer = {day: place / len(dated) for place, day in enumerate(sorted(set(dates.values())))}
        raised = (_above(ranked[0], chunk, DATE * newer[dates[chunk.chunk_id]]) for chunk in dated)
        first = sorted(raised, key=lambda chunk: -chunk.score)
    moved = {chunk.chunk_id for chunk in first}
    return [*first, *(chunk for chunk in ranked if chunk.chunk_id not in moved)]


def spread(dated: Sequence[Scored], limit: int) -> list[Scored]:
    """The oldest, the newest, and as many between as make up `limit`, evenly spaced."""
    if len(dated) <= limit:
        return list(dated)
    places = [round(n * (len(dated) - 1) / max(1, limit - 1)) for n in range(limit)]
    return [dated[place] for place in places]


def _above(best: Scored, chunk: Scored, by: float = 0.0) -> Scored:
    return chunk._replace(score=chunk.score + (1 + by) * best.score)
