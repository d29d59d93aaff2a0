"""The vector index: the only code that speaks Qdrant. It holds nothing that the ledger could not make again.

Two implementations of one contract: `EdgeIndex` is Qdrant's engine in this process (one folder, one process);
`ServerIndex` is a Qdrant server or cluster. Both hold a dense vector and a BM25 sparse vector a chunk, and both answer a
query by two rankings, which the reader fuses, because a score to abstain by is lost once the engine has fused them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from contracts.errors import StoreError, TwinError
from contracts.files import read_json, write_json

if TYPE_CHECKING:
    import numpy as np
    import qdrant_edge as edge
    from numpy.typing import NDArray
    from qdrant_client import QdrantClient

    Vector = NDArray[np.float32]

T = TypeVar("T")

DENSE, SPARSE = "dense", "bm25"
# Most chunks hold 60 to 220 words after stop words; the engine's default of 256 shortens no text here.
BM25_AVERAGE_LENGTH = 120.0
WRITE_BATCH = 512
OPTIMIZE_FROM = 10_000
OVERSAMPLING = 1.5
LAYOUT = "3"
"""Raised when what is kept with a point changes: an index of another layout is filled anew from the ledger."""


@dataclass(frozen=True)
class Point:
    """One chunk as the index stores it; `text` is embedded as BM25, the ledger keeps the words."""

    id: str
    author: str
    post: str
    text: str
    dense: Vector
    day: int | None = None
    """`date.toordinal()` of its post."""
    format: str = ""
    source: str = ""

    @property
    def payload(self) -> dict[str, str | int]:
        """What a search may be narrowed by."""
        known: dict[str, str | int] = {}
        known.update(author=self.author, post=self.post, format=self.format, source=self.source)
        return known if self.day is None else {**known, "day": self.day}


@dataclass(frozen=True)
class Scope:
    """Whose chunks a search sees, and which of them: all that is given must hold."""

    author: str
    after: int | None = None
    """That day or later, as `date.toordinal()`."""
    before: int | None = None
    """Earlier than that day."""
    format: str | None = None
    sources: Sequence[str] | None = None
    also: Sequence[str] = ()
    """Posts that were seen at `sources`, too."""
    among: Sequence[str] | None = None
    """Of these posts."""


@dataclass(frozen=True)
class Ranked:
    """Chunk ids with their scores, best first, for each of the two searches."""

    dense: list[tuple[str, float]]
    bm25: list[tuple[str, float]]


class VectorIndex(Protocol):
    """What the store needs of an index. `applied` is the ledger's `seq` that it has caught up with.

    A search sees one author's chunks alone, and how rare a word is is counted over all of these, whatever the scope.
    """

    @property
    def applied(self) -> int: ...
    def apply(self, upserts: Iterable[Point], deletes: Sequence[str], seq: int) -> None: ...
    def search(self, text: str, dense: Vector, scope: Scope, limit: int) -> Ranked: ...
    def count(self) -> int: ...
    def close(self) -> None: ...


@cache
def _bm25() -> edge.Bm25:
    import qdrant_edge as edge

    return edge.Bm25(edge.Bm25Config(avg_len=BM25_AVERAGE_LENGTH))


class EdgeIndex:
    """Qdrant's own engine in this process. `identity` names the ledger and feature version that it was derived from."""

    def __init__(self, folder: Path, dimension: int, identity: str) -> None:
        self._folder, self._identity = folder, f"{identity}/{LAYOUT}"
        self._marker = folder / "applied.json"
        with self._typed():
            self._shard = self._open(dimension)

    @contextmanager
    def _typed(self) -> Iterator[None]:
        """The engine raises bare exceptions, and a full disk an OSError."""
        try:
            yield
        except TwinError:
            raise
        except Exception as error:
            raise StoreError(
                f"the index in {self._folder} cannot be used: {error}",
                "check the disk, then `twin doctor`: the index is made again from the ledger",
            ) from error

    def _open(self, dimension: int) -> edge.EdgeShard:
        import qdrant_edge as edge

        marker = read_json(self._marker)
        if isinstance(marker, dict) and marker.get("identity") == self._identity:
            # The engine raises bare exceptions; whatever is wrong with an index, it is made again from the ledger.
            with suppress(Exception):
                self.applied = int(marker["seq"])
                return edge.EdgeShard.load(str(self._folder / "shard"))
        self.applied = 0
        # First: else a crash from here on leaves an empty index that claims to be full.
        self._marker.unlink(missing_ok=True)
        shutil.rmtree(self._folder / "shard", ignore_errors=True)
        (self._folder / "shard").mkdir(parents=True, exist_ok=True)
        config = edge.EdgeConfig(
            vectors={
                DENSE: edge.EdgeVectorParams(
                    size=dimension,
                    distance=edge.Distance.Cosine,
                    # No graph (m=0): one byte a number in memory is scanned as fast, needs no minutes to build, and misses
                    # nothing once the best are scored again in full (docs/retrieval.md).
                    hnsw_config=edge.HnswIndexConfig(m=0, ef_construct=0, full_scan_threshold=0),
                    quantization_config=edge.ScalarQuantizationConfig(edge.ScalarType.Int8, always_ram=True),
                )
            },
            sparse_vectors={SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        )
        shard = edge.EdgeShard.create(str(self._folder / "shard"), config)
        shard.update(edge.UpdateOperation.create_field_index("author", edge.KeywordIndexParams(is_tenant=True)))
        for field in ("post", "format", "source"):
            shard.update(edge.UpdateOperation.create_field_index(field, edge.KeywordIndexParams()))
        shard.update(edge.UpdateOperation.create_field_index("day", edge.IntegerIndexParams(lookup=False, range=True)))
        return shard

    def apply(self, upserts: Iterable[Point], deletes: Sequence[str], seq: int) -> None:
        with self._typed():
            self._apply(upserts, deletes, seq)

    def _apply(self, upserts: Iterable[Point], deletes: Sequence[str], seq: int) -> None:
        import qdrant_edge as edge

        written = 0
        for batch in _batches(upserts):
            points = [
                edge.Point(
                    point.id,
                    {DENSE: point.dense.tolist(), SPARSE: _bm25().embed_document(point.text)},
                    point.payload,
                )
                for point in batch
            ]
            self._shard.update(edge.UpdateOperation.upsert_points(points))
            written += len(points)
        if deletes:
            self._shard.update(edge.UpdateOperation.delete_points(list(deletes)))
        if written >= OPTIMIZE_FROM:
            self._shard.optimize()
        self._shard.flush()
        # Written last: after a crash before this line the same changes are applied again, which changes nothing.
        write_json(self._marker, {"identity": self._identity, "seq": seq})
        self.applied = seq

    def search(self, text: str, dense: Vector, scope: Scope, limit: int) -> Ranked:
        import qdrant_edge as edge

        def is_any(field: str, values: Sequence[str]) -> edge.FieldCondition:
            # One value is looked up at each chunk three times as fast as one of several.
            match = edge.MatchValue(values[0]) if len(values) == 1 else edge.MatchAny(list(values))
            return edge.FieldCondition(field, match=match)

        mine = is_any("author", [scope.author])
        must: list[Any] = [mine]
        if scope.after is not None or scope.before is not None:
            must.append(edge.FieldCondition("day", range=edge.RangeFloat(gte=scope.after, lt=scope.before)))
        must += [is_any(*pair) for pair in _equal(scope)]
        if scope.sources is not None:
            must.append(edge.Filter(should=[is_any("source", scope.sources), is_any("post", scope.also)]))
        found = edge.Filter(must=must)
        counted = edge.SearchParams(idf=edge.IdfParams(corpus=edge.Filter(must=[mine])))
        again = edge.SearchParams(quantization=edge.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING))
        sparse = _bm25().embed_query(text)

        def ranked(query: edge.Query, params: edge.SearchParams) -> list[tuple[str, float]]:
            request = edge.QueryRequest(limit=limit, query=query, filter=found, params=params, with_payload=False)
            with self._typed():
                return [(str(point.id), point.score) for point in self._shard.query(request)]

        return Ranked(
            dense=ranked(edge.Query.Nearest(dense.tolist(), using=DENSE), again),
            bm25=ranked(edge.Query.Nearest(sparse, using=SPARSE), counted) if sparse.indices else [],
        )

    def count(self) -> int:
        import qdrant_edge as edge

        return self._shard.count(edge.CountRequest(exact=True))

    def close(self) -> None:
        self._shard.close()


class ServerIndex:
    """A Qdrant server or cluster. What has been applied is kept in a point of its own collection's metadata."""

    def __init__(self, client: QdrantClient, collection: str, dimension: int) -> None:
        from qdrant_client import models

        self._client, self._collection = client, collection
        if not self._ask(client.collection_exists, collection):
            self._ask(
                client.create_collection,
                collection,
                vectors_config={DENSE: models.VectorParams(size=dimension, distance=models.Distance.COSINE)},
                sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            )
            tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
            self._ask(client.create_payload_index, collection, "author", tenant)
        for field in ("post", "format", "source"):
            self._ask(client.create_payload_index, collection, field, models.PayloadSchemaType.KEYWORD)
        self._ask(client.create_payload_index, collection, "day", models.PayloadSchemaType.INTEGER)

    @classmethod
    def erase(cls, client: QdrantClient, beginning: str, posts: Sequence[str]) -> None:
        """The points of these posts, from every collection whose name begins so; closes the client. Raises StoreError."""
        from qdrant_client import models

        theirs = models.Filter(must=[models.FieldCondition(key="post", match=models.MatchAny(any=list(posts)))])
        with closing(client):
            for collection in cls._ask(client.get_collections).collections:
                if collection.name.startswith(beginning):
                    cls._ask(client.delete, collection.name, models.FilterSelector(filter=theirs), wait=True)

    @classmethod
    def drop(cls, client: QdrantClient, collection: str) -> None:
        """The whole collection; closes the client. Raises StoreError."""
        with closing(client):
            cls._ask(client.delete_collection, collection)

    @staticmethod
    def _ask(call: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """What the server answers; it is asked three times. Raises StoreError."""
        from tenacity import Retrying, stop_after_attempt, wait_exponential

        try:
            return Retrying(stop=stop_after_attempt(3), wait=wait_exponential(0.2, max=2), reraise=True)(
                call, *arguments, **named
            )
        except Exception as error:  # transport errors of several libraries; all mean that the server is not there
            raise StoreError(
                f"the Qdrant server does not answer: {error}",
                "check TWIN_QDRANT_URL and TWIN_QDRANT_API_KEY, or unset them; it goes on from where it stopped",
            ) from error

    @property
    def applied(self) -> int:
        from qdrant_client import models

        marker, _ = self._ask(
            self._client.scroll,
            self._collection,
            scroll_filter=models.Filter(
                must=[models.FieldCondition(key="kind", match=models.MatchValue(value="applied"))]
            ),
            limit=1,
        )
        payload = (marker[0].payload or {}) if marker else {}
        return int(payload["seq"]) if payload.get("layout") == LAYOUT else 0

    def apply(self, upserts: Iterable[Point], deletes: Sequence[str], seq: int) -> None:
        from qdrant_client import models

        def sparse(text: str) -> models.SparseVector:
            made = _bm25().embed_document(text)
            return models.SparseVector(indices=made.indices, values=made.values)

        for batch in _batches(upserts):
            self._ask(
                self._client.upsert,
                self._collection,
                [
                    models.PointStruct(
                        id=point.id,
                        vector={DENSE: point.dense.tolist(), SPARSE: sparse(point.text)},
                        payload=point.payload,
                    )
                    for point in batch
                ],
                wait=True,
            )
        if deletes:
            self._ask(self._client.delete, self._collection, list(deletes), wait=True)
        marker = models.PointStruct(id=0, vector={}, payload={"kind": "applied", "seq": seq, "layout": LAYOUT})
        self._ask(self._client.upsert, self._collection, [marker], wait=True)

    def search(self, text: str, dense: Vector, scope: Scope, limit: int) -> Ranked:
        from qdrant_client import models

        def is_any(field: str, values: Sequence[str]) -> models.FieldCondition:
            return models.FieldCondition(key=field, match=models.MatchAny(any=list(values)))

        mine = is_any("author", [scope.author])
        must: list[Any] = [mine]
        if scope.after is not None or scope.before is not None:
            must.append(models.FieldCondition(key="day", range=models.Range(gte=scope.after, lt=scope.before)))
        must += [is_any(*pair) for pair in _equal(scope)]
        if scope.sources is not None:
            must.append(models.Filter(should=[is_any("source", scope.sources), is_any("post", scope.also)]))
        counted = models.SearchParams(idf=models.IdfCorpusParams(corpus=models.Filter(must=[mine])))
        sparse = _bm25().embed_query(text)

        def ranked(
            query: list[float] | models.SparseVector, using: str, params: models.SearchParams | None = None
        ) -> list[tuple[str, float]]:
            found = self._ask(
                self._client.query_points,
                self._collection,
                query=query,
                using=using,
                query_filter=models.Filter(must=must),
                search_params=params,
                limit=limit,
                with_payload=False,
            )
            return [(str(point.id), point.score) for point in found.points]

        terms = models.SparseVector(indices=sparse.indices, values=sparse.values)
        return Ranked(
            dense=ranked(dense.tolist(), DENSE), bm25=ranked(terms, SPARSE, counted) if sparse.indices else []
        )

    def count(self) -> int:
        from qdrant_client import models

        chunks = models.Filter(must_not=[models.FieldCondition(key="kind", match=models.MatchValue(value="applied"))])
        return self._ask(self._client.count, self._collection, count_filter=chunks, exact=True).count

    def close(self) -> None:
        self._client.close()


def _equal(scope: Scope) -> Iterator[tuple[str, Sequence[str]]]:
    """Fields with the values that they may have."""
    if scope.format is not None:
        yield "format", [scope.format]
    if scope.among is not None:
        yield "post", scope.among


def _batches(points: Iterable[Point]) -> Iterator[list[Point]]:
    remaining = iter(points)
    return iter(lambda: list(islice(remaining, WRITE_BATCH)), [])
