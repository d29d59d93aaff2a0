"""Posts → chunks, examples and vectors: what one feature version holds of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING

from contracts.feature_store import Features, FeatureStore, FeatureVersion
from contracts.progress import Progress
from contracts.records import Post
from feature_pipeline.batches import Engine
from feature_pipeline.chunk import Chunker, chunk
from feature_pipeline.deduplicate import compared, sketch
from feature_pipeline.examples import examples
from feature_pipeline.label import LABELS
from feature_pipeline.report import Report
from feature_pipeline.sources import Refusal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Build:
    """A feature version in the making; the report counts what is made, and why something was not."""

    store: FeatureStore
    version: FeatureVersion
    chunker: Chunker
    engine: Engine
    report: Report
    progress: Progress

    def complete(self) -> None:
        """Add what the version lacks of the stored posts, be it new or interrupted."""
        posts = self.store.posts_without(self.version)
        while batch := list(islice(posts, self.engine.batch)):
            features, vectors, _ = self.features(batch)
            self.store.write(self.version, features, vectors)

    def features(
        self, posts: Sequence[Post], sketches: Mapping[str, bytes] = MappingProxyType({})
    ) -> tuple[list[Features], dict[str, NDArray[np.float32]], set[str]]:
        """Chunks, examples and vectors; and the ids of posts of which these cannot be made, which are refused.

        `sketches`: those that are made already, by id.
        """
        made, broken = [], {}
        for post in posts:
            try:
                made.append((post, chunk(post, self.chunker), examples(post)))
            except Exception as error:  # what is wrong with one post costs no other
                log.exception("%s of %s could not be cut", post.source_id, post.source)
                broken[post] = f"{type(error).__name__}: {error}"
        texts = {
            self.store.vector_key(text, self.version): text
            for post, chunks, _ in made
            for text in (piece.embedded(post.text) for piece in chunks)
        }
        missing = sorted(self.store.missing_vectors(texts))
        embedder = self.store.embedder_of(self.version)
        found = self.engine.embed([texts[key] for key in missing], embedder, self.progress)
        vectors = {key: vector for key, vector in zip(missing, found, strict=True) if vector is not None}
        features = []
        for post, chunks, asked in made:
            keys = [self.store.vector_key(piece.embedded(post.text), self.version) for piece in chunks]
            if vectors.keys() >= set(keys) & set(missing):
                sketched = sketches[post.id] if post.id in sketches else sketch(compared(post))
                features.append(Features(post, chunks, keys, asked, LABELS, sketched))
            else:
                broken[post] = "the embedder makes no usable vector of it"
        for post, why in broken.items():
            self.report.refuse(Refusal(post.source, post.source_id, "quarantined", why))
        self.report.chunks += sum(len(feature.chunks) for feature in features)
        self.report.examples += sum(len(feature.examples) for feature in features)
        self.report.embedded += len(vectors)
        return features, vectors, {post.id for post in broken}
