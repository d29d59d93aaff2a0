"""What each source showed at its last reading: which post each thing is, or is a copy of, and what changed since.

A post stays as long as one source shows it. Knows nothing of texts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql

from contracts.feature_store import tables as t
from contracts.feature_store.database import Database, now, slices
from contracts.records import SourceStatus, digest

CHANGES = "sightings"

Key = tuple[str, str]
"""(source, source_id), as the source's reader names a post."""


@dataclass(frozen=True)
class Sighting:
    """`raw_hash` is over what the source said; `url` is this copy's own address."""

    key: Key
    post_id: str
    raw_hash: str
    url: str | None


@dataclass(frozen=True)
class Place:
    """One source of one author, in one run."""

    author: str
    address: str
    run: int


class Sightings:
    def __init__(self, database: Database) -> None:
        self._database = database

    # ---- the sources that a person named ----------------------------------------------------------------------------

    def register(self, author: str, address: str) -> None:
        mine = _of(t.sources, author, address)
        with self._database.begin(write=True) as db:
            if not db.scalar(sql.select(sql.func.count()).select_from(t.sources).where(*mine)):
                db.execute(sql.insert(t.sources).values(author=author, address=address, added=now(), outcome=""))

    def finish(self, author: str, address: str, outcome: str) -> None:
        """How the reading went, in words."""
        with self._database.begin(write=True) as db:
            done = sql.update(t.sources).where(*_of(t.sources, author, address))
            db.execute(done.values(read=now(), outcome=outcome))

    def sources(self, author: str | None = None) -> list[SourceStatus]:
        """In the order in which they were named."""
        posts = (
            sql.select(t.sightings.c.author, t.sightings.c.address, sql.func.count().label("posts"))
            .group_by(t.sightings.c.author, t.sightings.c.address)
            .subquery()
        )
        same = sql.and_(posts.c.author == t.sources.c.author, posts.c.address == t.sources.c.address)
        query = sql.select(t.sources, posts.c.posts).outerjoin(posts, same)
        if author is not None:
            query = query.where(t.sources.c.author == author)
        with self._database.begin() as db:
            rows = db.execute(query.order_by(t.sources.c.author, t.sources.c.added, t.sources.c.address)).all()
        return [
            SourceStatus(
                author=row.author, address=row.address, posts=row.posts or 0, read=row.read, outcome=row.outcome
            )
            for row in rows
        ]

    # ---- what they showed -------------------------------------------------------------------------------------------

    def known(self, place: Place, keys: Sequence[Key]) -> dict[Key, Sighting]:
        with self._database.begin() as db:
            return self._known(db, place, keys)

    def _known(self, db: sql.Connection, place: Place, keys: Sequence[Key]) -> dict[Key, Sighting]:
        found: dict[Key, Sighting] = {}
        for some in slices(keys):
            query = sql.select(t.sightings).where(
                *_here(place),
                t.sightings.c.source.in_({source for source, _ in some}),
                t.sightings.c.source_id.in_({source_id for _, source_id in some}),
            )
            for row in db.execute(query):
                key = (row.source, row.source_id)
                found[key] = Sighting(key, row.post_id, row.raw_hash, row.url)
        return {key: found[key] for key in keys if key in found}

    def leading(self, place: Place, seen: Sequence[Sighting]) -> dict[Key, str]:
        """Those of `seen` that speak for a post which nothing shows by its own name any more, with its id.

        It is one copy of each, the first by name, so that two which differ do not take turns.
        """
        copies = {one.key: one.post_id for one in seen if one.post_id != digest(place.author, *one.key)}
        first: dict[str, tuple[str, Key]] = {}
        own: set[str] = set()
        for some in slices(sorted(set(copies.values()))):
            with self._database.begin() as db:
                for row in db.execute(sql.select(t.sightings).where(t.sightings.c.post_id.in_(some))):
                    here = (row.address, (row.source, row.source_id))
                    first[row.post_id] = min(first.get(row.post_id, here), here)
                    if digest(row.author, row.source, row.source_id) == row.post_id:
                        own.add(row.post_id)
        return {
            key: post_id
            for key, post_id in copies.items()
            if post_id not in own and first.get(post_id) == (place.address, key)
        }

    def touch(self, place: Place, keys: Sequence[Key]) -> None:
        """These were met in this run, whatever became of them."""
        if not keys:
            return
        update = sql.update(t.sightings).where(
            *_here(place),
            t.sightings.c.source == sql.bindparam("s"),
            t.sightings.c.source_id == sql.bindparam("i"),
        )
        with self._database.begin(write=True) as db:
            rows = [{"s": source, "i": source_id} for source, source_id in keys]
            db.execute(update.values(run=place.run, missed=0), rows)

    def put(self, db: sql.Connection, place: Place, seen: Sequence[Sighting]) -> list[str]:
        """In the transaction that writes their posts. Returns the posts that no source shows now: they became copies."""
        where = (
            *_here(place),
            t.sightings.c.source == sql.bindparam("s"),
            t.sightings.c.source_id == sql.bindparam("i"),
        )
        before = self._known(db, place, [sighting.key for sighting in seen])
        added, changed = [], []
        for sighting in {sighting.key: sighting for sighting in seen}.values():
            (source, source_id), post_id = sighting.key, sighting.post_id
            values = {
                "post_id": post_id,
                "url": sighting.url,
                "raw_hash": sighting.raw_hash,
                "missed": 0,
                "run": place.run,
            }
            if sighting.key in before:
                changed.append({"s": source, "i": source_id, **values})
            else:
                mine = {"author": place.author, "address": place.address, "source": source, "source_id": source_id}
                added.append({**mine, **values})
        if added:
            db.execute(sql.insert(t.sightings), added)
        if changed:
            columns: dict[str, Any] = {
                name: sql.bindparam(name) for name in ("post_id", "url", "raw_hash", "missed", "run")
            }
            db.execute(sql.update(t.sightings).where(*where).values(columns), changed)
        if added or changed:
            _note_change(db)
        left = {before[one.key].post_id for one in seen if one.key in before} - {one.post_id for one in seen}
        return [post_id for post_id in sorted(left) if not _shown(db, post_id)]

    def look_again(self, db: sql.Connection, post_ids: Collection[str], but: Collection[Key]) -> None:
        """Copies of posts whose words have changed may be copies no longer."""
        for some in slices(sorted(post_ids)):
            rows = db.execute(sql.select(t.sightings).where(t.sightings.c.post_id.in_(some))).all()
            for row in rows:
                if (row.source, row.source_id) not in but:
                    this = [
                        t.sightings.c[name] == getattr(row, name)
                        for name in ("author", "address", "source", "source_id")
                    ]
                    db.execute(sql.update(t.sightings).where(*this).values(raw_hash=""))

    def count(self, place: Place) -> int:
        """How many are known."""
        with self._database.begin() as db:
            return db.scalar(sql.select(sql.func.count()).select_from(t.sightings).where(*_here(place))) or 0

    def to_look_at(self, place: Place) -> set[Key]:
        """What is to be read again, whatever the source says of it."""
        again = sql.select(t.sightings.c.source, t.sightings.c.source_id).where(
            t.sightings.c.raw_hash == "", *_here(place)
        )
        with self._database.begin() as db:
            return {(row.source, row.source_id) for row in db.execute(again)}

    def doubted(self, place: Place) -> int | None:
        """How many were known when the source's listing was first not believed; None where the last one was."""
        mine = _of(t.doubts, place.author, place.address)
        with self._database.begin() as db:
            return db.scalar(sql.select(t.doubts.c.known).where(*mine))

    def doubt(self, place: Place, known: int | None) -> None:
        """Keep how many were known, for the next listing; or, with None, believe again."""
        with self._database.begin(write=True) as db:
            db.execute(sql.delete(t.doubts).where(*_of(t.doubts, place.author, place.address)))
            if known is not None:
                db.execute(sql.insert(t.doubts).values(author=place.author, address=place.address, known=known))

    def missing(self, place: Place) -> list[Key]:
        """Known, and not met in this run."""
        query = sql.select(t.sightings.c.source, t.sightings.c.source_id)
        with self._database.begin() as db:
            rows = db.execute(query.where(*_here(place), t.sightings.c.run != place.run)).all()
        return [(row.source, row.source_id) for row in rows]

    def miss(self, place: Place, keys: Sequence[Key], times: int) -> list[Key]:
        """Those of `keys` that were now not found in so many complete runs in a row."""
        gone = []
        with self._database.begin(write=True) as db:
            for source, source_id in keys:
                mine = (*_here(place), t.sightings.c.source == source, t.sightings.c.source_id == source_id)
                missed = t.sightings.c.missed + 1
                db.execute(sql.update(t.sightings).where(*mine).values(run=place.run, missed=missed))
                if (db.scalar(sql.select(t.sightings.c.missed).where(*mine)) or 0) >= times:
                    gone.append((source, source_id))
        return gone

    def drop(self, db: sql.Connection, author: str, address: str, keys: Sequence[Key]) -> list[str]:
        """The source does not show these any more. Returns the posts that no source shows now."""
        shown = _of(t.sightings, author, address)
        orphans: list[str] = []
        if keys:
            _note_change(db)
        for source, source_id in keys:
            mine = (*shown, t.sightings.c.source == source, t.sightings.c.source_id == source_id)
            post_id = db.scalar(sql.select(t.sightings.c.post_id).where(*mine))
            db.execute(sql.delete(t.sightings).where(*mine))
            if post_id and not _shown(db, post_id):
                orphans.append(post_id)
        return orphans

    def copies(self, author: str) -> int:
        """How many things that the sources show are the text of a post which another one is already."""
        shown = sql.select(t.sightings.c.source, t.sightings.c.source_id, t.sightings.c.post_id)
        mine = shown.where(t.sightings.c.author == author).distinct().subquery()
        with self._database.begin() as db:
            things, posts = db.execute(
                sql.select(sql.func.count(), sql.func.count(sql.distinct(mine.c.post_id))).select_from(mine)
            ).one()
        return int(things - posts)

    def posts(self, author: str, address: str) -> list[str]:
        """Ids of the posts that the source shows, and of those that it was the last to show."""
        tables = (t.sightings, t.epitaphs)
        queries = (sql.select(table.c.post_id).where(*_of(table, author, address)) for table in tables)
        with self._database.begin() as db:
            return sorted({post_id for query in queries for post_id in db.scalars(query)})

    def addresses(self, post_id: str) -> list[str]:
        """Where the post and its copies stand on the web."""
        query = sql.select(t.sightings.c.url).where(t.sightings.c.post_id == post_id, t.sightings.c.url.is_not(None))
        with self._database.begin() as db:
            return sorted(set(db.scalars(query)))

    # ---- how to ask them whether they have changed ------------------------------------------------------------------

    def memory(self, author: str, address: str, rules: str) -> dict[str, dict[str, Any]]:
        """etag, last_modified, listed and posts, by URL; what other rules have cleaned is to be fetched again."""
        with self._database.begin() as db:
            mine = (*_of(t.fetches, author, address), t.fetches.c.rules == rules)
            rows = db.execute(sql.select(t.fetches).where(*mine)).all()
        names = ("etag", "last_modified", "listed")
        return {
            row.url: {
                **{name: getattr(row, name) for name in names},
                "posts": tuple((source, source_id) for source, source_id in row.posts),
            }
            for row in rows
        }

    def remember(self, author: str, address: str, rules: str, memory: dict[str, dict[str, Any]]) -> None:
        """Instead of what was remembered of the same URLs. After their posts are stored: else they would never be."""
        with self._database.begin(write=True) as db:
            for some in slices(sorted(memory)):
                db.execute(sql.delete(t.fetches).where(*_of(t.fetches, author, address), t.fetches.c.url.in_(some)))
            mine = {"author": author, "address": address, "rules": rules}
            rows = [{**mine, "url": url, **seen} for url, seen in memory.items()]
            if rows:
                db.execute(sql.insert(t.fetches), rows)


def changes(db: sql.Connection) -> int:
    """How often what the sources show has changed, but for what went with a post: that has a `seq` of its own."""
    return int(db.scalar(sql.select(t.meta.c.value).where(t.meta.c.key == CHANGES)) or 0)


def _note_change(db: sql.Connection) -> None:
    number = changes(db)
    if number:
        db.execute(sql.update(t.meta).where(t.meta.c.key == CHANGES).values(value=str(number + 1)))
    else:
        db.execute(sql.insert(t.meta).values(key=CHANGES, value="1"))


def _shown(db: sql.Connection, post_id: str) -> bool:
    count = sql.select(sql.func.count()).select_from(t.sightings).where(t.sightings.c.post_id == post_id)
    return bool(db.scalar(count))


def _of(table: sql.Table, author: str, address: str) -> tuple[sql.ColumnElement[bool], sql.ColumnElement[bool]]:
    return table.c.author == author, table.c.address == address


def _here(place: Place) -> tuple[sql.ColumnElement[bool], sql.ColumnElement[bool]]:
    return _of(t.sightings, place.author, place.address)
