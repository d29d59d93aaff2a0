"""One feature store: a ledger, and a search over it through an index that is caught up with it first.

The index is a cache, so no process ever waits for another: each process that searches takes a free slot folder under
`TWIN_HOME`/index, brings it up to date from the ledger, and keeps it. An ingest in a terminal writes the ledger only, and
an open chat page sees the new posts at its next question.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sql
from filelock import FileLock, Timeout

from contracts.embedder import Embedder
from contracts.errors import Mismatch, StoreBusy
from contracts.feature_store import tables as t
from contracts.feature_store.filters import Filters, Places, Shown, scope
from contracts.feature_store.index import EdgeIndex, Point, ServerIndex, VectorIndex
from contracts.feature_store.versions import FeatureVersion
from contracts.feature_store.writing import WritableLedger

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

SLOTS = 32
CANDIDATES = 100


@dataclass(frozen=True)
class Hit:
    """A chunk that one or both searches found. None: not among that search's candidates."""

    chunk_id: str
    similarity: float
    dense: float | None
    """How far its score stands between what was just not found (0) and the best (1), by meaning and by words."""
    bm25: float | None


class FeatureStore(WritableLedger):
    """The ledger with its search. The store remembers its embedder: the caller passes only text."""

    def __init__(
        self,
        home: Path,
        embedder: Embedder,
        database_url: str | None = None,
        qdrant: Callable[[], QdrantClient] | None = None,
        load: Callable[[str], Embedder] | None = None,
    ) -> None:
        """`embedder` makes new features; `load` brings back the one of an older version by its name, to serve it."""
        super().__init__(home, embedder, database_url)
        self._qdrant, self._load, self._loaded = qdrant, load, embedder
        self._index: VectorIndex | None = None
        self._index_version = ""
        self._slot: FileLock | None = None
        self._index_lock = threading.RLock()
        self._places = Places()
        self._last_search: tuple[tuple[object, ...], list[Hit]] | None = None

    def search(
        self,
        text: str,
        author: str,
        candidates: int = CANDIDATES,
        among: Collection[str] | None = None,
        filters: Filters | None = None,
    ) -> list[Hit]:
        """The author's chunks nearest to `text` by meaning and by words, `candidates` of each; the caller fuses them.

        Only chunks of the posts `among` and of those that pass the filters, where these are given: a post of somebody
        else's that is named there is not found.
        """
        self.require_author(author)
        version = self.active()
        if version is None or not text.strip() or (among is not None and not among):
            return []
        filters, latest = filters or Filters(), self._latest_seq()
        seen = scope(author, filters, among, self._shown(author, filters.source, latest))
        asked = (version, latest, text, seen, candidates)
        if (last := self._last_search) and last[0] == asked:  # a refused question asks again, for the nearest posts
            return list(last[1])
        vector = self.embedder_of(version).embed([text])[0]
        with self._index_lock:
            ranked = self._caught_up(version, latest).search(text, vector, seen, candidates)
        near, dense, bm25 = dict(ranked.dense), shares(ranked.dense, candidates), shares(ranked.bm25, candidates)
        found = [Hit(chunk, near.get(chunk, 0.0), dense.get(chunk), bm25.get(chunk)) for chunk in {**dense, **bm25}]
        self._last_search = asked, found
        return list(found)

    def _shown(self, author: str, source: str, latest: int) -> Shown | None:
        if not source:
            return None
        with self._begin() as db:
            return self._places.shown(db, latest, author, source)

    def embedder_of(self, version: FeatureVersion) -> Embedder:
        """The embedder that made the version's vectors, loaded by its name where the settings name another one."""
        if self._loaded.fingerprint != version.embedder:
            self._loaded = self._load(version.embedder_name) if self._load and version.embedder_name else self.embedder
        if self._loaded.fingerprint != version.embedder:
            found = self._loaded.fingerprint
            self._loaded = self.embedder
            raise Mismatch(
                "the store's vectors come from another embedding model",
                version.embedder,
                found,
                "run the same `twin ingest` again to rebuild them, or set TWIN_EMBEDDER back",
            )
        return self._loaded

    def index_size(self) -> int:
        """Points in this process's index, caught up; equal to the live chunks of the active version."""
        version = self.active()
        if version is None:
            return 0
        with self._index_lock:
            return self._caught_up(version, self._latest_seq()).count()

    def remake_index(self) -> None:
        """Drop the index of the active version, where no other process searches it: it is made again from the ledger."""
        self._drop_indexes()
        version = self.active()
        if self._qdrant is not None and version is not None:
            with FileLock(self._home / "index-server.lock"):
                ServerIndex.drop(self._qdrant(), self._collection(version))

    def close(self) -> None:
        self._close_index()
        self._database.close()

    def leave_no_trace(self) -> bool:
        """Also in the indexes: those that are open learn of it at their next search, the others are made again."""
        try:
            return super().leave_no_trace()
        finally:
            self._drop_indexes()

    def _erase_points(self, ids: Sequence[str]) -> None:
        """On a server, of all versions: only the one that is served would learn of it. Raises StoreError: nothing is
        forgotten while the server is away."""
        if self._qdrant is not None:
            self._close_index()
            ServerIndex.erase(self._qdrant(), self._collection(None), ids)

    def _collection(self, version: FeatureVersion | None) -> str:
        """Its name on the server; without a version, how the names of all begin."""
        return f"twin-{self._identity[:8]}-{version.id if version else ''}"

    def _drop_indexes(self) -> None:
        self._close_index()
        for slot in (self._home / "index").glob("*/slot-*"):
            with suppress(Timeout), FileLock(slot / "slot.lock", timeout=0):
                shutil.rmtree(slot / "shard", ignore_errors=True)
                (slot / "applied.json").unlink(missing_ok=True)

    # ---- the index follows the ledger -------------------------------------------------------------------------------

    def _close_index(self) -> None:
        with self._index_lock:
            if self._index:
                self._index.close()
            if self._slot:
                self._slot.release()
            self._index, self._slot, self._index_version = None, None, ""

    def _caught_up(self, version: FeatureVersion, latest: int) -> VectorIndex:
        if self._index is None or self._index_version != version.id:
            self._close_index()
            self._index, self._index_version = self._open_index(version), version.id
        if self._index.applied < latest:
            if self._qdrant is None:
                self._catch_up(self._index, version, latest)
            else:  # one collection for all processes: one of them at a time brings it up to date
                with FileLock(self._home / "index-server.lock"):
                    self._catch_up(self._index, version, latest)
        return self._index

    def _open_index(self, version: FeatureVersion) -> VectorIndex:
        dimension = self.versions.dimension(version)
        if self._qdrant is not None:
            return ServerIndex(self._qdrant(), self._collection(version), dimension)
        for number in range(SLOTS):
            folder = self._home / "index" / version.id / f"slot-{number}"
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / "slot.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            self._slot = lock
            return EdgeIndex(folder, dimension, f"{self._identity}/{version.id}")
        raise StoreBusy(
            f"{SLOTS} processes search {self._home} already", "stop some, or set TWIN_QDRANT_URL to a server"
        )

    def _catch_up(self, index: VectorIndex, version: FeatureVersion, latest: int) -> None:
        def newer(table: sql.Table) -> tuple[sql.ColumnElement[bool], ...]:
            return table.c.version == version.id, table.c.seq > index.applied, table.c.seq <= latest

        live = (
            sql.select(t.chunks, *(t.posts.c[name] for name in ("text", "date", "format", "source")), t.vectors.c.data)
            .join(t.posts, t.posts.c.id == t.chunks.c.post_id)
            .join(t.vectors, t.vectors.c.key == t.chunks.c.vector)
            .where(*newer(t.chunks))
        )
        dead = sql.select(t.removals.c.id).where(*newer(t.removals))

        def points(db: sql.Connection) -> Iterator[Point]:
            import numpy as np

            for row in db.execution_options(yield_per=1000).execute(live):
                text = row.text[row.start : row.end]
                vector = np.frombuffer(row.data, dtype="<f2").astype(np.float32)
                text = f"{row.header}\n{text}" if row.header else text
                day = row.date.toordinal() if row.date else None
                yield Point(row.id, row.author, row.post_id, text, vector, day, row.format, row.source)

        with self._begin() as db:
            deletes = list(db.scalars(dead))
            index.apply(points(db), deletes, latest)


def shares(ranked: Sequence[tuple[str, float]], candidates: int) -> dict[str, float]:
    """Scores of one search between 0 and 1, best first. What was not found has at most the last one's score, or, where
    all that there is was found, none."""
    ordered = sorted(ranked, key=_by_score)
    best = ordered[0][1] if ordered else 0.0
    least = ordered[-1][1] if len(ordered) >= candidates else 0.0
    if best <= least:
        return {chunk: float(best > 0) for chunk, _ in ordered}
    return {chunk: max(0.0, (score - least) / (best - least)) for chunk, score in ordered}


def _by_score(ranked: tuple[str, float]) -> tuple[float, str]:
    """Best first; equals by id, so that one store gives one ranking whatever order it was written in."""
    return -round(ranked[1], 6), ranked[0]
