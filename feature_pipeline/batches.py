"""The work on posts that needs no store: pure functions over batches, the same in this process and on a Ray cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from contracts.hardware import out_of_memory
from contracts.progress import Progress, silent
from contracts.records import Post
from feature_pipeline.clean import clean
from feature_pipeline.sources import RawPost, Refusal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from contracts.embedder import Embedder

    Vector = NDArray[np.float32]


class Engine(Protocol):
    """Where the work is done. `batch` is how many posts it takes at a time."""

    batch: int

    def clean(self, raws: Sequence[RawPost], author: str) -> list[Post | Refusal]: ...
    def embed(self, texts: Sequence[str], embedder: Embedder, progress: Progress) -> list[Vector | None]: ...


class LocalEngine:
    """In this process."""

    batch = 256  # enough that batches of like length fill, few enough that a stopped run loses seconds

    def clean(self, raws: Sequence[RawPost], author: str) -> list[Post | Refusal]:
        return [clean(raw, author) for raw in raws]

    def embed(self, texts: Sequence[str], embedder: Embedder, progress: Progress) -> list[Vector | None]:
        return embed(texts, embedder, progress)


def embed(texts: Sequence[str], embedder: Embedder, progress: Progress = silent) -> list[Vector | None]:
    """A vector for each text; None where the embedder makes none that can be used, even for that text alone."""
    import numpy as np

    if not texts:
        return []
    try:
        made = embedder.embed(texts, lambda done, of: progress("embed", done, of))
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        if len(texts) == 1:
            return [None]
        half = len(texts) // 2
        return [*embed(texts[:half], embedder, progress), *embed(texts[half:], embedder, progress)]
    return [vector if np.isfinite(vector).all() and vector.any() else None for vector in made]
