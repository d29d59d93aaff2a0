"""The ledger: posts, revisions, chunks, vectors, labels, snapshots and runs, in whole transactions.

It is the truth, and everything else is derived from it. One process writes at a time; readers never wait.
"""

from __future__ import annotations

import datetime as dt
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sql
from filelock import FileLock, Timeout
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from contracts.embedder import Embedder
from contracts.errors import NotFound, StoreBusy, StoreError
from contracts.feature_store import tables as t
from contracts.records import AuthorStatus, Chunk, Example, Passage, Post, Snapshot, Split, digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

AT_ONCE = 500  # parameters of one SQL statement, well under every database's limit

# Live chunks as passages: the slice is taken by the database, so that no whole post travels.
_PASSAGES = (
    sql.select(
        *(t.chunks.c[name] for name in ("id", "post_id", "start", "end")),
        *(t.posts.c[name] for name in ("source_id", "title", "url", "date")),
        sql.func.substr(t.posts.c.text, t.chunks.c.start + 1, t.chunks.c.end - t.chunks.c.start).label("text"),
    )
    .join(t.posts, t.posts.c.id == t.chunks.c.post_id)
    .where(t.chunks.c.live)
)


@dataclass(frozen=True)
class FeatureVersion:
    """What made the features: the way of cutting and labelling, and the embedder. Another of either is another version."""

    chunker: str
    embedder: str

    @property
    def id(self) -> str:
        return digest(self.chunker, self.embedder)


@dataclass(frozen=True)
class Features:
    """Everything made from one post; `vectors[i]` is the key of the vector of `chunks[i]`."""

    post: Post
    chunks: Sequence[Chunk]
    vectors: Sequence[str]
    examples: Sequence[Example]


class Ledger:
    def __init__(self, home: Path, embedder: Embedder, database_url: str | None = None) -> None:
        self._home, self.embedder = home, embedder
        self._snapshot: tuple[tuple[str, int], Snapshot] | None = None
        try:
            home.mkdir(parents=True, exist_ok=True)
            self._engine = _connect(database_url or f"sqlite:///{home / 'ledger.sqlite3'}")
            t.metadata.create_all(self._engine)
            self._identity = self._remember("ledger", uuid.uuid4().hex)
        except (OSError, SQLAlchemyError, ImportError) as error:
            raise StoreError(
                f"the feature store in {home} cannot be opened: {error}", "check TWIN_HOME and TWIN_DATABASE_URL"
            ) from error

    # ---- writing: the feature pipeline only -------------------------------------------------------------------------

    @contextmanager
    def writing(self, who: str) -> Iterator[None]:
        """Hold the store for writing; readers go on. Raises StoreBusy, naming who holds it."""
        lock, holder = FileLock(self._home / "ingest.lock"), self._home / "ingest.holder"
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            name = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
            raise StoreBusy(f"the store is being written by {name}", "wait until it has finished") from error
        try:
            holder.write_text(f"{who} (process {os.getpid()})", encoding="utf-8")
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def known(self, posts: Sequence[Post]) -> dict[str, str]:
        """content_hash by id, of those of `posts` that are stored."""
        ids = [post.id for post in posts]
        with self._begin() as db:
            rows = db.execute(sql.select(t.posts.c.id, t.posts.c.content_hash).where(t.posts.c.id.in_(ids)))
            return {row.id: row.content_hash for row in rows}

    def same_text(self, posts: Sequence[Post]) -> dict[str, str]:
        """By text_hash, the id of a stored post of the same author with the same words."""
        if not posts:
            return {}
        query = sql.select(t.posts.c.text_hash, t.posts.c.id).where(
            t.posts.c.author == posts[0].author, t.posts.c.text_hash.in_([post.text_hash for post in posts])
        )
        with self._begin() as db:
            return {row.text_hash: row.id for row in db.execute(query)}

    def vector_key(self, embedded: str) -> str:
        return digest(self.embedder.fingerprint, embedded, length=32)

    def missing_vectors(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` that no stored vector has: the only texts that need embedding."""
        wanted = set(keys)
        found: set[str] = set()
        with self._begin() as db:
            for some in _slices(sorted(wanted)):
                found.update(db.scalars(sql.select(t.vectors.c.key).where(t.vectors.c.key.in_(some))))
        return wanted - found

    def write(
        self, version: FeatureVersion, features: Sequence[Features], vectors: dict[str, Vector], reference: bool
    ) -> None:
        """Store posts with their chunks, vectors and examples: all of them or, after a crash, none."""
        import numpy as np

        for key, vector in vectors.items():
            if vector.ndim != 1 or not np.isfinite(vector).all() or not vector.any():
                raise StoreError(f"the embedder made an unusable vector ({key})", "check the embedding model")
        with self._begin(write=True) as db:
            self._register(db, version, vectors)
            if vectors:
                known = self._existing(db, t.vectors.c.key, list(vectors))
                rows = [
                    {"key": key, "data": v.astype("<f2").tobytes()} for key, v in vectors.items() if key not in known
                ]
                if rows:
                    db.execute(sql.insert(t.vectors), rows)
            seq = (db.scalar(sql.select(sql.func.max(t.chunks.c.seq))) or 0) + 1
            for feature in features:
                self._write_post(db, version, feature, reference, seq)

    def _write_post(
        self, db: sql.Connection, version: FeatureVersion, feature: Features, reference: bool, seq: int
    ) -> None:
        post = feature.post
        values = {
            "author": post.author,
            "source": post.source,
            "source_id": post.source_id,
            "title": post.title,
            "date": post.date,
            "url": post.url,
            "text": post.text,
            "content_hash": post.content_hash,
            "text_hash": post.text_hash,
        }
        if not db.scalar(sql.select(sql.func.count()).where(t.authors.c.name == post.author)):
            db.execute(sql.insert(t.authors).values(name=post.author, reference=reference, split_frozen=False))
        old = db.execute(sql.select(t.posts).where(t.posts.c.id == post.id)).one_or_none()
        if old is None:
            db.execute(sql.insert(t.posts).values(id=post.id, revision=1, split=None, **values))
        elif old.content_hash != post.content_hash:
            db.execute(
                sql.insert(t.revisions).values(
                    post_id=post.id, revision=old.revision, title=old.title, text=old.text, replaced=_now()
                )
            )
            db.execute(sql.update(t.posts).where(t.posts.c.id == post.id).values(revision=old.revision + 1, **values))
        # Chunks of other versions stay while the text is the same; they point into a text that is gone once it changes.
        stale = sql.update(t.chunks).where(t.chunks.c.post_id == post.id, t.chunks.c.live)
        if old is not None and old.content_hash == post.content_hash:
            stale = stale.where(t.chunks.c.version == version.id)
        db.execute(stale.values(live=False, seq=seq))
        ids = [str(uuid.uuid5(uuid.NAMESPACE_URL, f"{version.id}/{post.id}/{c.ordinal}")) for c in feature.chunks]
        db.execute(sql.delete(t.chunks).where(t.chunks.c.id.in_(ids)))
        if feature.chunks:
            db.execute(
                sql.insert(t.chunks),
                [
                    {"id": id_, "version": version.id, "vector": key, "live": True, "seq": seq, **chunk.model_dump()}
                    for id_, chunk, key in zip(ids, feature.chunks, feature.vectors, strict=True)
                ],
            )
        db.execute(sql.delete(t.examples).where(t.examples.c.post_id == post.id))
        if feature.examples:
            db.execute(sql.insert(t.examples), [example.model_dump(mode="json") for example in feature.examples])

    def _register(self, db: sql.Connection, version: FeatureVersion, vectors: dict[str, Vector]) -> None:
        if db.scalar(sql.select(sql.func.count()).where(t.versions.c.id == version.id)):
            return
        # Another chunker may make texts that all have vectors already; their embedder's dimension is known then.
        same = sql.select(t.versions.c.dimension).where(t.versions.c.embedder == version.embedder).limit(1)
        dimension = len(next(iter(vectors.values()))) if vectors else db.scalar(same)
        if dimension is not None:
            first = not db.scalar(sql.select(sql.func.count()).select_from(t.versions))
            db.execute(
                sql.insert(t.versions).values(
                    id=version.id,
                    chunker=version.chunker,
                    embedder=version.embedder,
                    dimension=dimension,
                    active=first,
                )
            )

    def posts_without(self, version: FeatureVersion) -> Iterator[Post]:
        """Stored posts that have no live chunk of `version`: what is left to build of it."""
        built = sql.select(t.chunks.c.post_id).where(t.chunks.c.version == version.id, t.chunks.c.live)
        with self._begin() as db:
            ids = list(db.scalars(sql.select(t.posts.c.id).where(t.posts.c.id.not_in(built)).order_by(t.posts.c.id)))
        yield from self._posts_by_id(ids)

    def activate(self, version: FeatureVersion) -> None:
        """Serve `version` from now on: one transaction, so every reader sees the old one or the new one."""
        with self._begin(write=True) as db:
            db.execute(sql.update(t.versions).values(active=t.versions.c.id == version.id))

    def assign_splits(self, splits: dict[str, Split]) -> None:
        with self._begin(write=True) as db:
            for post_id, split in splits.items():
                db.execute(sql.update(t.posts).where(t.posts.c.id == post_id).values(split=split))

    def splits(self, author: str) -> tuple[dict[str, Split], bool]:
        """Split by post id, and whether it is frozen because a model was trained on it."""
        with self._begin() as db:
            rows = db.execute(
                sql.select(t.posts.c.id, t.posts.c.split).where(
                    t.posts.c.author == author, t.posts.c.split.is_not(None)
                )
            )
            frozen = bool(db.scalar(sql.select(t.authors.c.split_frozen).where(t.authors.c.name == author)))
            return {row.id: row.split for row in rows}, frozen

    def start_run(self, author: str, sources: Sequence[str], reference: bool) -> int:
        """Note that an ingest begins; it says anew whether the author is one to compare with."""
        with self._begin(write=True) as db:
            db.execute(sql.update(t.authors).where(t.authors.c.name == author).values(reference=reference))
            made = db.execute(
                sql.insert(t.runs).values(author=author, started=_now(), report={"sources": list(sources)})
            )
            assert made.inserted_primary_key is not None
            return int(made.inserted_primary_key[0])

    def finish_run(self, run: int, report: dict[str, Any]) -> None:
        with self._begin(write=True) as db:
            db.execute(sql.update(t.runs).where(t.runs.c.id == run).values(finished=_now(), report=report))

    # ---- reading ----------------------------------------------------------------------------------------------------

    def active(self) -> FeatureVersion | None:
        with self._begin() as db:
            row = db.execute(sql.select(t.versions).where(t.versions.c.active)).one_or_none()
        return FeatureVersion(row.chunker, row.embedder) if row else None

    def authors(self) -> list[AuthorStatus]:
        version = self.active()
        posts = sql.select(t.posts.c.author, sql.func.count().label("n")).group_by(t.posts.c.author)
        chunks = (
            sql.select(t.chunks.c.author, sql.func.count().label("n"))
            .where(t.chunks.c.live, t.chunks.c.version == (version.id if version else ""))
            .group_by(t.chunks.c.author)
        )
        with self._begin() as db:
            post_counts = {row.author: row.n for row in db.execute(posts)}
            chunk_counts = {row.author: row.n for row in db.execute(chunks)}
            names = db.execute(sql.select(t.authors).order_by(t.authors.c.reference, t.authors.c.name))
            return [
                AuthorStatus(
                    name=row.name,
                    reference=row.reference,
                    posts=post_counts.get(row.name, 0),
                    chunks=chunk_counts.get(row.name, 0),
                )
                for row in names
            ]

    def require_author(self, name: str) -> AuthorStatus:
        """The author of that exact name; an empty or unknown one is an error, never "all"."""
        known = self.authors()
        for author in known:
            if author.name == name:
                return author
        names = ", ".join(author.name for author in known) or "none yet"
        raise NotFound(f"no posts by {name!r} are stored (authors: {names})", f"twin ingest SOURCE --author {name!r}")

    def posts(self, author: str, limit: int | None = None) -> list[Post]:
        """The author's posts, newest first; those without a date come last."""
        query = (
            sql.select(t.posts)
            .where(t.posts.c.author == author)
            .order_by(t.posts.c.date.is_(None), t.posts.c.date.desc(), t.posts.c.source_id)
            .limit(limit)
        )
        with self._begin() as db:
            return [_post(row) for row in db.execute(query)]

    def post(self, post_id: str, author: str) -> Post:
        for found in self._posts_by_id([post_id]):
            if found.author == author:
                return found
        raise NotFound(f"no post {post_id} by {author!r}")

    def examples(self, author: str, split: Split) -> list[Example]:
        query = (
            sql.select(t.examples)
            .join(t.posts, t.posts.c.id == t.examples.c.post_id)
            .where(t.examples.c.author == author, t.posts.c.split == split)
            .order_by(t.posts.c.date, t.posts.c.id, t.examples.c.kind, t.examples.c.start)
        )
        with self._begin() as db:
            rows = db.execute(query).mappings()
            return [Example.model_validate({k: v for k, v in row.items() if k != "id"}) for row in rows]

    def snapshot(self) -> Snapshot:
        """The id of what a reader sees now. Cheap while nothing changes."""
        version = self.active()
        state = (version.id if version else "", self._latest_seq())
        if self._snapshot and self._snapshot[0] == state:
            return self._snapshot[1]
        with self._begin() as db:
            rows = db.execute(sql.select(t.posts.c.id, t.posts.c.content_hash).order_by(t.posts.c.id)).all()
            chunks = db.scalar(sql.select(sql.func.count()).where(t.chunks.c.live, t.chunks.c.version == state[0]))
        made = Snapshot(
            id=digest(state[0], *(f"{row.id}:{row.content_hash}" for row in rows)),
            feature_version=state[0],
            posts=len(rows),
            chunks=chunks or 0,
        )
        self._snapshot = (state, made)
        return made

    def pin(self) -> Snapshot:
        """The present snapshot, its list of posts kept: a model is about to depend on it."""
        snapshot = self.snapshot()
        with self._begin(write=True) as db:
            if not db.scalar(sql.select(sql.func.count()).where(t.snapshots.c.id == snapshot.id)):
                manifest = {row.id: row.revision for row in db.execute(sql.select(t.posts.c.id, t.posts.c.revision))}
                db.execute(
                    sql.insert(t.snapshots).values(
                        id=snapshot.id, version=snapshot.feature_version, pinned=_now(), manifest=manifest
                    )
                )
        return snapshot

    def freeze_split(self, author: str) -> None:
        """From now on no post of the author's changes its part of the split: a champion depends on it."""
        with self._begin(write=True) as db:
            db.execute(sql.update(t.authors).where(t.authors.c.name == author).values(split_frozen=True))

    def passages(self, scores: dict[str, tuple[float, float]]) -> list[Passage]:
        """Passages of the given chunk ids, best first; the values are (score, similarity)."""
        with self._begin() as db:
            rows = db.execute(_PASSAGES.where(t.chunks.c.id.in_(list(scores)))).mappings().all()
        made = []
        for row in rows:
            score, similarity = scores[row["id"]]
            fields = {key: value for key, value in row.items() if key != "id"}
            made.append(Passage(score=score, similarity=similarity, **fields))
        return sorted(made, key=lambda passage: (-passage.score, passage.post_id, passage.start))

    def newest(self, author: str, limit: int) -> list[Passage]:
        """The beginnings of the author's newest posts."""
        self.require_author(author)
        version = self.active()
        query = _PASSAGES.where(
            t.chunks.c.author == author, t.chunks.c.version == (version.id if version else ""), t.chunks.c.ordinal == 0
        ).order_by(t.posts.c.date.is_(None), t.posts.c.date.desc(), t.posts.c.source_id)
        with self._begin() as db:
            rows = db.execute(query.limit(limit)).mappings().all()
        return [Passage(score=0.0, **{key: value for key, value in row.items() if key != "id"}) for row in rows]

    def _latest_seq(self) -> int:
        with self._begin() as db:
            return db.scalar(sql.select(sql.func.max(t.chunks.c.seq))) or 0

    # ---- helpers ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _begin(self, write: bool = False) -> Iterator[sql.Connection]:
        try:
            with self._engine.execution_options(write=write).begin() as connection:
                yield connection
        except DBAPIError as error:
            raise StoreError(f"the ledger failed: {error.orig}", "check the disk, then `twin doctor`") from error

    def _remember(self, key: str, value: str) -> str:
        """The stored value of `key`, set to `value` the first time."""
        query = sql.select(t.meta.c.value).where(t.meta.c.key == key)
        with self._begin() as db:
            found: str | None = db.scalar(query)
        if found is None:  # only then: a reader must not wait for a writer
            with self._begin(write=True) as db:
                found = db.scalar(query)
                if found is None:
                    db.execute(sql.insert(t.meta).values(key=key, value=value))
        return found or value

    def _existing(self, db: sql.Connection, column: sql.Column[str], keys: Sequence[str]) -> set[str]:
        return {found for some in _slices(keys) for found in db.scalars(sql.select(column).where(column.in_(some)))}

    def _posts_by_id(self, ids: Sequence[str]) -> Iterator[Post]:
        for some in _slices(ids):
            with self._begin() as db:
                rows = db.execute(sql.select(t.posts).where(t.posts.c.id.in_(some)).order_by(t.posts.c.id)).all()
            yield from map(_post, rows)


def _connect(url: str) -> sql.Engine:
    engine = sql.create_engine(url)
    if engine.dialect.name == "sqlite":

        @sql.event.listens_for(engine, "connect")
        def _(connection: Any, record: object) -> None:
            connection.isolation_level = None  # the begin event below says when a transaction starts
            connection.execute("PRAGMA busy_timeout=30000")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

        @sql.event.listens_for(engine, "begin")
        def _(connection: sql.Connection) -> None:
            # A transaction that reads and then writes fails if another wrote in between; one that says so at once waits.
            write = connection.get_execution_options().get("write")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _post(row: Any) -> Post:
    return Post(**{name: getattr(row, name) for name in Post.model_fields})


def _slices(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(items), AT_ONCE):
        yield items[first : first + AT_ONCE]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)
