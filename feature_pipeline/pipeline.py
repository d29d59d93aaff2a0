"""The feature pipeline: collect → clean → chunk → embed → label → store.

Everything is written in whole batches, so a run that is stopped at any moment has stored some posts completely and the
others not at all, and the next run goes on where it ended. Posts that have not changed cost a comparison of two hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from contracts.errors import SourceError, UsageError
from contracts.feature_store import Features, FeatureStore, FeatureVersion
from contracts.records import Post, Snapshot, digest
from feature_pipeline.chunk import CHUNKER, chunk
from feature_pipeline.clean import clean
from feature_pipeline.label import LABELS, examples, split
from feature_pipeline.sources import Item, RawPost, Refusal, read

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH = 256  # posts: enough that batches of like length fill, few enough that a stopped run loses seconds
LONGEST_NAME = 80  # bytes: three times as many in a folder's name, where a file system allows 255

Progress = Callable[[str, int, int | None], None]
"""Called with a stage, how many are done, and of how many (None while that is not known)."""


@dataclass
class Report:
    """What a run met, counted; `refused` holds a reason's count, `failed` the sources that could not be read."""

    author: str
    found: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    duplicate: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    examples_of_refusals: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    chunks: int = 0
    embedded: int = 0
    examples: int = 0
    snapshot: Snapshot | None = None

    @property
    def stored(self) -> int:
        return self.added + self.changed + self.unchanged + self.duplicate

    def refuse(self, refusal: Refusal) -> None:
        self.refused[refusal.reason] = self.refused.get(refusal.reason, 0) + 1
        self.examples_of_refusals.setdefault(refusal.reason, f"{refusal.source_id}: {refusal.detail}".rstrip(": "))

    def as_json(self) -> dict[str, Any]:
        return {**self.__dict__, "snapshot": self.snapshot.model_dump() if self.snapshot else None}


def run(
    sources: Sequence[str],
    author: str,
    store: FeatureStore,
    *,
    reference: bool = False,
    limit: int | None = None,
    progress: Progress = lambda stage, done, of: None,
) -> Report:
    """Bring the author's features in step with the sources. A source that cannot be read does not stop the others."""
    version = FeatureVersion(digest(CHUNKER, LABELS), store.embedder.fingerprint)
    with store.writing(f"an ingest of {author!r}"):
        report = Report(author)
        run_id = store.start_run(author, sources, reference)
        posts = _posts(collect(sources, author, report, limit), report, progress)
        for batch in _batches(posts):
            if new := _new(batch, store, report):
                build(new, version, store, report, reference, progress)
        outdated = store.active() not in (None, version)
        for batch in _batches(store.posts_without(version)):
            build(batch, version, store, report, reference, progress)
        if outdated:
            store.activate(version)
        label(author, store)
        report.snapshot = store.snapshot()
        store.finish_run(run_id, report.as_json())
    return report


def collect(sources: Sequence[str], author: str, report: Report, limit: int | None = None) -> Iterator[Post | Refusal]:
    """Cleaned posts and refusals of all sources in turn; at most `limit` of them."""

    def items() -> Iterator[Item]:
        for source in sources:
            try:
                yield from read(source)
            except SourceError as error:
                report.failed[source] = str(error)

    found = (item for item in items() if isinstance(item, (RawPost, Refusal)))
    for item in islice(found, limit):
        yield item if isinstance(item, Refusal) else clean(item, author)


def build(
    posts: Sequence[Post],
    version: FeatureVersion,
    store: FeatureStore,
    report: Report,
    reference: bool,
    progress: Progress,
) -> None:
    """Chunk, embed and label the posts, and store them in one transaction."""
    features = []
    texts: dict[str, str] = {}
    for post in posts:
        chunks = chunk(post)
        embedded = [piece.embedded(post.text) for piece in chunks]
        keys = [store.vector_key(text) for text in embedded]
        texts.update(zip(keys, embedded, strict=True))
        features.append(Features(post, chunks, keys, examples(post)))
    vectors = embed({key: texts[key] for key in store.missing_vectors(texts)}, store, progress)
    store.write(version, features, vectors, reference)
    report.chunks += sum(len(feature.chunks) for feature in features)
    report.examples += sum(len(feature.examples) for feature in features)
    report.embedded += len(vectors)


def embed(texts: dict[str, str], store: FeatureStore, progress: Progress) -> dict[str, NDArray[np.float32]]:
    """A vector for each text, by its key."""
    made = store.embedder.embed(list(texts.values()), lambda done, of: progress("embed", done, of))
    return dict(zip(texts, made, strict=True))


def label(author: str, store: FeatureStore) -> None:
    """Give every post its part of the split."""
    known, frozen = store.splits(author)
    made = split(store.posts(author), known, frozen)
    store.assign_splits({post_id: part for post_id, part in made.items() if known.get(post_id) != part})


def _batches(posts: Iterator[Post]) -> Iterator[list[Post]]:
    return iter(lambda: list(islice(posts, BATCH)), [])


def _posts(items: Iterable[Post | Refusal], report: Report, progress: Progress) -> Iterator[Post]:
    for item in items:
        report.found += 1
        progress("read", report.found, None)
        if isinstance(item, Refusal):
            report.refuse(item)
        else:
            yield item


def _new(batch: Sequence[Post], store: FeatureStore, report: Report) -> list[Post]:
    """Those posts of the batch that the store does not hold as they are, each text once."""
    known, same = store.known(batch), store.same_text(batch)
    now = {post.id: post.text_hash for post in batch}
    same = {text: id_ for text, id_ in same.items() if now.get(id_, text) == text}  # what is edited here has it no more
    new: dict[str, Post] = {}
    for post in batch:
        if known.get(post.id) == post.content_hash:
            report.unchanged += 1
        elif same.setdefault(post.text_hash, post.id) != post.id:
            report.duplicate += 1
        else:
            report.changed += post.id in known
            report.added += post.id not in known and post.id not in new
            new[post.id] = post
    return list(new.values())


def check_author(name: str) -> str:
    """The name without surrounding spaces. Raises UsageError for one that no folder or address could carry."""
    name = name.strip()
    if not name or not name.isprintable() or len(name.encode()) > LONGEST_NAME or any(mark in name for mark in "@/\\"):
        raise UsageError(f"{name!r} cannot be an author's name", f"use up to {LONGEST_NAME} bytes, without @ / or \\")
    return name
