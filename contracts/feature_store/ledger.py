"""The ledger: posts, revisions, chunks, vectors, labels, snapshots and runs, in whole transactions.

It is the truth, and everything else is derived from it. One process writes at a time; readers never wait.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sql

from contracts.embedder import Embedder
from contracts.errors import NotFound
from contracts.feature_store import tables as t
from contracts.feature_store.catalogue import Catalogue
from contracts.feature_store.conversations import Conversations
from contracts.feature_store.database import Database, now, slices
from contracts.feature_store.drafts import Drafts
from contracts.feature_store.feedback import FeedbackLog
from contracts.feature_store.filters import Filters, wanted
from contracts.feature_store.guesses import Guesses
from contracts.feature_store.sightings import Sightings
from contracts.feature_store.versions import FeatureVersion, FeatureVersions
from contracts.records import AuthorStatus, Example, ExampleKind, Passage, Post, Snapshot, Span, Split, digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

# Live chunks as passages: the slice is taken by the database, so that no whole post travels.
_TEXT = sql.func.substr(t.posts.c.text, t.chunks.c.start + 1, t.chunks.c.end - t.chunks.c.start).label("text")
_PASSAGES = sql.select(
    *(t.chunks.c[name] for name in ("id", "post_id", "start", "end")),
    *(t.posts.c[name] for name in ("source_id", "title", "url", "date")),
    _TEXT,
).join(t.posts, t.posts.c.id == t.chunks.c.post_id)
_TEXTS = sql.select(t.chunks.c.id, t.chunks.c.post_id, t.chunks.c.start, t.posts.c.title, _TEXT).join(
    t.posts, t.posts.c.id == t.chunks.c.post_id
)


class Text(NamedTuple):
    """A chunk's text, where it stands, and the title of its post."""

    post_id: str
    start: int
    title: str
    text: str


class Dated(NamedTuple):
    """A post as the split sees it."""

    id: str
    date: dt.date | None


class Ledger:
    def __init__(self, home: Path, embedder: Embedder, database_url: str | None) -> None:
        self._home, self.embedder = home, embedder
        self._snapshot: tuple[tuple[str, int], Snapshot] | None = None
        self._database = Database(home, database_url)
        self._begin = self._database.begin
        self._identity = self._database.remember("ledger", uuid.uuid4().hex)
        self.versions, self.sightings = FeatureVersions(self._database), Sightings(self._database)
        self.feedback, self.guesses = FeedbackLog(self._database), Guesses(self._database)
        self.catalogue, self.conversations = Catalogue(self._database), Conversations(self._database)
        self.drafts = Drafts(self._database)

    def active(self) -> FeatureVersion | None:
        return self.versions.active()

    def authors(self) -> list[AuthorStatus]:
        version = self.active()
        posts = sql.select(t.posts.c.author, sql.func.count().label("n")).group_by(t.posts.c.author)
        chunks = (
            sql.select(t.chunks.c.author, sql.func.count().label("n"))
            .where(t.chunks.c.version == (version.id if version else ""))
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

    def require_author(self, name: str) -> None:
        """Raises NotFound unless an author of that exact name is stored; an empty name is an error, never "all"."""
        names = sql.select(t.authors.c.name)
        with self._begin() as db:
            if db.scalar(names.where(t.authors.c.name == name)):
                return
            known = ", ".join(db.scalars(names.order_by(t.authors.c.reference, t.authors.c.name))) or "none yet"
        raise NotFound(f"no posts by {name!r} are stored (authors: {known})", f"twin ingest SOURCE --author {name!r}")

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

    def places(self, author: str) -> list[str]:
        """The folders, sites and accounts that the author's posts come from."""
        query = sql.select(t.posts.c.source).where(t.posts.c.author == author).distinct()
        with self._begin() as db:
            return sorted(db.scalars(query))

    def posts_in_turn(self, author: str, source: str) -> Iterator[Post]:
        """The author's posts of one place, a few at a time: however many there are, memory stays as it is."""
        mine = (t.posts.c.author == author, t.posts.c.source == source)
        query = sql.select(t.posts).where(*mine).order_by(t.posts.c.id).limit(500)
        last = ""
        while True:
            with self._begin() as db:  # closed before anything is yielded: who reads may write meanwhile
                rows = db.execute(query.where(t.posts.c.id > last)).all()
            if not rows:
                return
            yield from map(_post, rows)
            last = rows[-1].id

    def dates(self, author: str) -> list[Dated]:
        with self._begin() as db:
            rows = db.execute(sql.select(t.posts.c.id, t.posts.c.date).where(t.posts.c.author == author))
            return [Dated(row.id, row.date) for row in rows]

    def post(self, post_id: str, author: str) -> Post:
        for found in self.posts_by_id([post_id]):
            if found.author == author:
                return found
        raise NotFound(f"no post {post_id} by {author!r}", f"twin search 'some words of it' --author {author!r}")

    def find_post(self, author: str, name: str, deleted: bool = False) -> str:
        """The id of the post that its id, its address or what its source calls it names. Raises NotFound.

        `deleted`: else of one that its source has deleted.
        """
        shown = sql.select(t.sightings.c.post_id).where(t.sightings.c.author == author, t.sightings.c.url == name)
        named = sql.or_(t.posts.c.id.in_(shown), *(t.posts.c[column] == name for column in ("id", "url", "source_id")))
        with self._begin() as db:
            found = list(db.scalars(sql.select(t.posts.c.id).where(t.posts.c.author == author, named)))
            if deleted and not found:
                called = sql.select(t.epitaphs.c.post_id).where(
                    t.epitaphs.c.author == author, t.epitaphs.c.name == name
                )
                dead = sql.or_(t.tombstones.c.post_id == name, t.tombstones.c.post_id.in_(called))
                gone = sql.select(t.tombstones.c.post_id).where(t.tombstones.c.author == author, dead)
                found = list(db.scalars(gone))
        if len(found) != 1:
            raise NotFound(
                f"{len(found)} posts of {author!r} are called {name!r}",
                f"give its id: twin search 'some words of it' --author {author!r} --json",
            )
        return str(found[0])

    def posts_by_id(self, ids: Sequence[str]) -> Iterator[Post]:
        for some in slices(ids):
            with self._begin() as db:
                rows = db.execute(sql.select(t.posts).where(t.posts.c.id.in_(some)).order_by(t.posts.c.id)).all()
            yield from map(_post, rows)

    def examples(self, author: str, split: Split) -> list[Example]:
        query = (
            sql.select(t.examples)
            .join(t.posts, t.posts.c.id == t.examples.c.post_id)
            .where(t.examples.c.author == author, t.posts.c.split == split)
            .order_by(t.posts.c.date, t.posts.c.id, t.examples.c.kind, t.examples.c.id)
        )
        with self._begin() as db:
            rows = db.execute(query).mappings()
            return [Example.model_validate({k: v for k, v in row.items() if k != "id"}) for row in rows]

    def exemplified(self, author: str, split: Split | None = None, kinds: Collection[ExampleKind] = ()) -> int:
        """How many posts examples are made of; with `split`, of that part, and with `kinds`, of these."""
        query = (
            sql.select(sql.func.count(t.examples.c.post_id.distinct()))
            .join(t.posts, t.posts.c.id == t.examples.c.post_id)
            .where(t.examples.c.author == author)
        )
        query = query.where(t.posts.c.split == split) if split else query
        query = query.where(t.examples.c.kind.in_(kinds)) if kinds else query
        with self._begin() as db:
            return int(db.scalar(query) or 0)

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

    def snapshot(self) -> Snapshot:
        """The id of what a reader sees now. Cheap while nothing changes."""
        version = self.active()
        state = (version.id if version else "", self._latest_seq())
        if self._snapshot and self._snapshot[0] == state:
            return self._snapshot[1]
        contents = sql.select(t.posts.c.id, t.posts.c.content_hash).order_by(t.posts.c.id)
        with self._begin() as db:
            posts = db.scalar(sql.select(sql.func.count()).select_from(t.posts))
            chunks = db.scalar(sql.select(sql.func.count()).where(t.chunks.c.version == state[0]))
            rows = db.execution_options(yield_per=1000).execute(contents)
            id_ = digest(state[0], *(f"{row.id}:{row.content_hash}" for row in rows))
        made = Snapshot(id=id_, feature_version=state[0], posts=posts or 0, chunks=chunks or 0)
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
                        id=snapshot.id, version=snapshot.feature_version, pinned=now(), manifest=manifest
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

    def texts_of(self, chunk_ids: Sequence[str]) -> dict[str, Text]:
        """Of each chunk that is still there: half the time of passages, for those who look at many and show none."""
        found: dict[str, Text] = {}
        for some in slices(chunk_ids):
            with self._begin() as db:
                rows = db.execute(_TEXTS.where(t.chunks.c.id.in_(some))).all()
            found.update((row[0], Text(*row[1:])) for row in rows)
        return found

    def spans_of(self, post_id: str) -> list[Span]:
        """Where the post is cut into chunks, in order."""
        version = self.active()
        mine = (t.chunks.c.post_id == post_id, t.chunks.c.version == (version.id if version else ""))
        query = sql.select(t.chunks.c.post_id, t.chunks.c.start, t.chunks.c.end).where(*mine)
        with self._begin() as db:
            return [Span(**row) for row in db.execute(query.order_by(t.chunks.c.ordinal)).mappings()]

    def text_of(self, span: Span) -> str:
        """The slice, taken by the database. Raises NotFound where the post is gone."""
        part = sql.func.substr(t.posts.c.text, span.start + 1, span.end - span.start)
        with self._begin() as db:
            text = db.scalar(sql.select(part).where(t.posts.c.id == span.post_id))
        if text is None:
            raise NotFound(f"the post {span.post_id} is gone", "ask again")
        return str(text)

    def dates_of(self, chunk_ids: Sequence[str]) -> dict[str, dt.date]:
        """The date of the post of each chunk that is still there and has one."""
        query = sql.select(t.chunks.c.id, t.posts.c.date).join(t.posts, t.posts.c.id == t.chunks.c.post_id)
        found: dict[str, dt.date] = {}
        for some in slices(chunk_ids):
            with self._begin() as db:
                rows = db.execute(query.where(t.chunks.c.id.in_(some), t.posts.c.date.is_not(None))).all()
            found.update((row.id, row.date) for row in rows)
        return found

    def vectors_of(self, chunk_ids: Sequence[str]) -> dict[str, Vector]:
        """The stored unit vector of each chunk that is still there."""
        import numpy as np

        query = sql.select(t.chunks.c.id, t.vectors.c.data).join(t.vectors, t.vectors.c.key == t.chunks.c.vector)
        found: dict[str, Vector] = {}
        for some in slices(chunk_ids):
            with self._begin() as db:
                rows = db.execute(query.where(t.chunks.c.id.in_(some))).all()
            found.update((row.id, np.frombuffer(row.data, dtype="<f2").astype(np.float32)) for row in rows)
        return found

    def meanings(self, post_ids: Sequence[str]) -> dict[str, Vector]:
        """The mean of each post's chunk vectors, in the version that is served."""
        import numpy as np

        version = self.active()
        query = (
            sql.select(t.chunks.c.post_id, t.vectors.c.data)
            .join(t.vectors, t.vectors.c.key == t.chunks.c.vector)
            .where(t.chunks.c.version == (version.id if version else ""))
            .order_by(t.chunks.c.post_id, t.chunks.c.ordinal)
        )
        found: dict[str, Vector] = {}
        for some in slices(post_ids):
            parts: dict[str, list[Vector]] = {}
            with self._begin() as db:
                for row in db.execute(query.where(t.chunks.c.post_id.in_(some))):
                    parts.setdefault(row.post_id, []).append(np.frombuffer(row.data, dtype="<f2").astype(np.float32))
            found.update((post_id, np.mean(vectors, axis=0)) for post_id, vectors in parts.items())
        return found

    def newest(self, author: str, limit: int, filters: Filters | None = None, oldest: bool = False) -> list[Passage]:
        """The beginnings of the author's newest posts, or oldest, of those that the filters let through."""
        self.require_author(author)
        version = self.active()
        day = t.posts.c.date if oldest else t.posts.c.date.desc()
        query = _PASSAGES.where(
            t.chunks.c.author == author, t.chunks.c.version == (version.id if version else ""), t.chunks.c.ordinal == 0
        ).order_by(t.posts.c.date.is_(None), day, t.posts.c.source_id)
        with self._begin() as db:
            if filters:
                query = query.where(*wanted(db, author, filters))
            rows = db.execute(query.limit(limit)).mappings().all()
        return [Passage(score=0.0, **{key: value for key, value in row.items() if key != "id"}) for row in rows]

    def corpus(self, author: str) -> dict[str, Any]:
        """What is stored of the author: posts, words, first and last date, and how many of each language and format."""
        mine = t.posts.c.author == author
        sums = sql.select(
            sql.func.count(), sql.func.sum(t.posts.c.words), sql.func.min(t.posts.c.date), sql.func.max(t.posts.c.date)
        )

        def share(column: sql.Column[str]) -> dict[str, int]:
            counts = sql.select(column, sql.func.count()).where(mine).group_by(column).order_by(sql.func.count().desc())
            return {name or "unknown": number for name, number in db.execute(counts)}

        with self._begin() as db:
            posts, words, first, last = db.execute(sums.where(mine)).one()
            return {
                "posts": posts,
                "words": words or 0,
                "first": first.isoformat() if first else None,
                "last": last.isoformat() if last else None,
                "languages": share(t.posts.c.language),
                "formats": share(t.posts.c.format),
            }

    def last_report(self, author: str | None = None) -> dict[str, Any] | None:
        """The report of the last ingest that came to its end, of this author or of anybody."""
        query = sql.select(t.runs).where(t.runs.c.finished.is_not(None)).order_by(t.runs.c.id.desc()).limit(1)
        with self._begin() as db:
            row = db.execute(query.where(t.runs.c.author == author) if author else query).one_or_none()
        return {"started": row.started, "finished": row.finished, **row.report} if row else None

    def vector_key(self, embedded: str, version: FeatureVersion) -> str:
        return digest(version.embedder, embedded, length=32)

    def _latest_seq(self) -> int:
        with self._begin() as db:
            return latest_seq(db)


def latest_seq(db: sql.Connection) -> int:
    last = (db.scalar(sql.select(sql.func.max(table.c.seq))) or 0 for table in (t.chunks, t.removals))
    return int(max(last))


def _post(row: Any) -> Post:
    return Post(**{name: getattr(row, name) for name in Post.model_fields})
