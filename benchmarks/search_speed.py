"""How long a search takes, and one of qdrant-client:  python -m benchmarks.search_speed ../shared/data [CHUNKS …]

A store of real sentences under random unit vectors, which are the hardest to search: nothing is near anything. Times what
a question waits for, from its words to the passages in hand, but for the embedding of the question; by its parts, and with
filters. The share of the exact nearest neighbours among those found says what the approximate search costs. Then, in turn,
what one would otherwise write: the same vectors in qdrant-client's local mode, searched for four payloads by meaning alone.
The floor: the bytes of the author's vectors, one a number, as a question is compared with each.
"""

from __future__ import annotations

import datetime as dt
import random
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed import in_turn, machine, ratio, read, rounded, seconds
from contracts.feature_store import Features, FeatureStore, FeatureVersion, Filters, Hit
from contracts.feature_store.retrieve import search
from contracts.feature_store.store import CANDIDATES
from contracts.records import Chunk, Post

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

AUTHOR, OTHER = "author", "other"
FIRST_DAY = dt.date(2010, 1, 1)
CHUNKS = (20_000, 100_000)
A_POST, CHARACTERS, QUERIES, EXACT, BATCH = 10, 900, 300, 10, 200
A_TURN, FOUND = 10, 4  # questions that are timed at once against qdrant-client; passages, as an answer is written from
HALF = Filters.of(after="2010", before="2016-11")
Vectors = NDArray[np.float32]


class Drawn:
    """An embedder whose vectors are drawn by the text's own seed: it costs nothing, so that the search alone is timed."""

    name, fingerprint, dimension = "drawn", "drawn-384", 384

    def embed(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> Vectors:
        drawn = [np.random.default_rng(zlib.crc32(text.encode())).standard_normal(self.dimension) for text in texts]
        made = np.array(drawn, dtype=np.float32)
        return made / np.linalg.norm(made, axis=1, keepdims=True)


def main(data: Path, sizes: Sequence[int]) -> None:
    words = " ".join(path.read_text(encoding="utf-8") for path in sorted((data / "chunk_chroma/corpora").glob("*.md")))
    print("| chunks | what | p50 ms | p95 ms |\n|---|---|---|---|")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            store = FeatureStore(Path(folder), Drawn())
            fill(store, words, size)
            _measure(store, words, size)
            _in_turn(store, words, size)
            store.close()
    print(machine())


def fill(store: FeatureStore, words: str, size: int) -> None:
    version = FeatureVersion("drawn", Drawn.fingerprint, "drawn")
    for posts in _posts(words, size):
        made, vectors = [], {}
        for post in posts:
            chunks = list(_chunks(post))
            texts = [chunk.embedded(post.text) for chunk in chunks]
            keys = [store.vector_key(text, version) for text in texts]
            vectors.update(zip(keys, store.embedder.embed(texts), strict=True))
            made.append(Features(post, chunks, keys, ()))
        store.write(version, made, vectors)


def plain(words: str, size: int) -> QdrantClient:
    """The same in qdrant-client's local mode, as its documentation begins."""
    from qdrant_client import QdrantClient, models

    client, embedder = QdrantClient(":memory:"), Drawn()
    like = models.VectorParams(size=Drawn.dimension, distance=models.Distance.COSINE)
    client.create_collection("posts", vectors_config=like)
    for number, posts in enumerate(_posts(words, size)):
        pairs = [(post, chunk) for post in posts for chunk in _chunks(post)]
        vectors = embedder.embed([chunk.embedded(post.text) for post, chunk in pairs])
        payloads = [{"author": post.author, "text": post.text[chunk.start : chunk.end]} for post, chunk in pairs]
        ids = range(number * BATCH * A_POST, number * BATCH * A_POST + len(pairs))
        client.upload_collection("posts", vectors, payloads, ids)
    return client


def _posts(words: str, size: int) -> Iterator[list[Post]]:
    """In batches; four fifths of the chunks are the author's, one fifth somebody else's."""
    drawn = random.Random(size)
    posts = [_post(drawn, words, number) for number in range(size // A_POST)]
    yield from (posts[first : first + BATCH] for first in range(0, len(posts), BATCH))


def _post(drawn: random.Random, words: str, number: int) -> Post:
    at = [drawn.randrange(len(words) - CHARACTERS) for _ in range(A_POST)]
    author = OTHER if number % 5 == 4 else AUTHOR
    return Post(
        author=author,
        source="notes" if number % 2 else "blog",
        source_id=str(number),
        title=f"Post {number}",
        date=FIRST_DAY + dt.timedelta(days=number % 5000),
        url=None,
        text="".join(words[a : a + CHARACTERS] for a in at),
    )


def _chunks(post: Post) -> Iterator[Chunk]:
    for n in range(A_POST):
        place = {"start": n * CHARACTERS, "end": (n + 1) * CHARACTERS}
        yield Chunk(post_id=post.id, author=post.author, ordinal=n, section="", header=post.title, **place)


def _measure(store: FeatureStore, words: str, size: int) -> None:
    drawn = random.Random(-size)
    first = 1000 * seconds(lambda: store.search(words[:30], AUTHOR))
    print(f"| {size:,} | the index opened and filled, once | {first:.0f} | |", flush=True)
    queries = [_question(drawn, words) for _ in range(QUERIES)]
    filters = {"": Filters(), ", half of the posts by date": HALF, ", one source of two": Filters.of(source="notes")}
    for what, some in filters.items():
        times = sorted(
            1000 * seconds(lambda text=text, f=some: search(store, text, AUTHOR, FOUND, filters=f)) for text in queries
        )
        print(
            f"| {size:,} | hybrid search{what} | {times[len(times) // 2]:.1f} | {times[len(times) * 95 // 100]:.1f} |",
            flush=True,
        )
    found = _recall(store, queries[:EXACT], size)
    print(
        f"| {size:,} | share of the exact {CANDIDATES} nearest found, {EXACT} questions: {found:.3f} | | |", flush=True
    )


def _in_turn(store: FeatureStore, words: str, size: int) -> None:
    from qdrant_client import models

    drawn = random.Random(size + 1)
    queries = [_question(drawn, words) for _ in range(A_TURN)]
    mine = models.Filter(must=[models.FieldCondition(key="author", match=models.MatchValue(value=AUTHOR))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that local mode is not meant for so many
        client = plain(words, size)

    def ours() -> None:
        for text in queries:
            assert len(search(store, text, AUTHOR, FOUND)) == FOUND

    def theirs(whose: models.Filter | None) -> None:
        for text in queries:
            vector = store.embedder.embed([text])[0]
            assert len(client.query_points("posts", vector, query_filter=whose, limit=FOUND).points) == FOUND

    took = in_turn({"hybrid": ours, "dense": lambda: theirs(None), "dense, one author's": lambda: theirs(mine)})
    client.close()
    print(f"{size:,} chunks, {A_TURN} questions a turn, milliseconds a question")
    for name, each in took.items():
        by = "ours" if name == "hybrid" else "qdrant-client"
        against = "" if name == "hybrid" else f", {ratio(each, took['hybrid'])}"
        times = [1000 * one / A_TURN for one in each]
        print(f"  {by}, {name}: median {median(times):.1f} {rounded(times, 1)}{against}", flush=True)
    scanned = Drawn.dimension * size * 4 // 5
    rate = read(scanned)
    print(
        f"  floor of the dense scan: {1000 * scanned / rate:.2f} ms, {scanned / 1e6:.0f} MB at {rate / 1e9:.1f} GB/s",
        flush=True,
    )


def _recall(store: FeatureStore, queries: Sequence[str], size: int) -> float:
    """Share of the author's nearest chunks that the search finds; a search for all of them scores each in full."""
    shares = []
    for text in queries:
        exact, found = (_nearest(store.search(text, AUTHOR, number)) for number in (size, CANDIDATES))
        shares.append(len(exact & found) / CANDIDATES)
    return fmean(shares)


def _nearest(hits: Sequence[Hit]) -> set[str]:
    near = sorted((hit for hit in hits if hit.dense is not None), key=lambda hit: -hit.similarity)
    return {hit.chunk_id for hit in near[:CANDIDATES]}


def _question(drawn: random.Random, words: str) -> str:
    """Five to twelve words in a row."""
    at = drawn.randrange(len(words) - 200)
    return " ".join(words[at : at + 200].split()[1 : 1 + drawn.randint(5, 12)])


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(size) for size in sys.argv[2:]] or CHUNKS)
