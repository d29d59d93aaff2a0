"""What the feature pipeline writes: posts with everything made of them, in whole transactions, and what is to be gone."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sql
from filelock import FileLock, Timeout

from contracts.errors import NotFound, StoreBusy, StoreError
from contracts.feature_store import tables as t
from contracts.feature_store.database import now, slices
from contracts.feature_store.ledger import Ledger, latest_seq
from contracts.feature_store.sightings import Key, Place, Sighting
from contracts.feature_store.versions import FeatureVersion
from contracts.records import Chunk, Example, Mark, Post, Split, digest, text_hash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """Everything made from one post; `vectors[i]` is the key of the vector of `chunks[i]`."""

    post: Post
    chunks: Sequence[Chunk]
    vectors: Sequence[str]
    examples: Sequence[Example]
    labels: str = ""
    """The rules that the examples were made by."""
    sketch: bytes = b""


class WritableLedger(Ledger):
    """The ledger as the feature pipeline uses it."""

    @contextmanager
    def writing(self, who: str) -> Iterator[None]:
        """Hold the store for writing; readers go on. Raises StoreBusy, naming who holds it."""
        lock, holder = FileLock(self._home / "ingest.lock"), self._home / "ingest.holder"
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            name = (holder.is_file() and holder.read_text(encoding="utf-8")) or "another process"
            raise StoreBusy(f"the store is being written by {name}", "wait until it has finished") from error
        try:
            with self._database.alone() as alone:
                if not alone:
                    raise StoreBusy("the store is being written from another machine", "wait until it has finished")
                with suppress(OSError):  # on a full disk it can wait: the ledger says so itself
                    holder.write_text(f"{who} (process {os.getpid()})", encoding="utf-8")
                yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    # ---- what is there already --------------------------------------------------------------------------------------

    def known(self, ids: Sequence[str]) -> dict[str, str]:
        """content_hash by id, of those that are stored."""
        with self._begin() as db:
            rows = db.execute(sql.select(t.posts.c.id, t.posts.c.content_hash).where(t.posts.c.id.in_(ids)))
            return {row.id: row.content_hash for row in rows}

    def same_text(self, author: str, hashes: Collection[str]) -> dict[str, str]:
        """By text_hash, the id of a stored post of the author's with the same words."""
        query = sql.select(t.posts.c.text_hash, t.posts.c.id).where(
            t.posts.c.author == author, t.posts.c.text_hash.in_(hashes)
        )
        with self._begin() as db:
            return {row.text_hash: row.id for row in db.execute(query)}

    def sketches(self, author: str) -> Iterator[tuple[str, bytes]]:
        query = sql.select(t.posts.c.id, t.posts.c.sketch).where(t.posts.c.author == author).order_by(t.posts.c.id)
        with self._begin() as db:
            for row in db.execution_options(yield_per=1000).execute(query):
                yield row.id, row.sketch

    def is_forgotten(self, author: str, hashes: Collection[str]) -> set[str]:
        query = sql.select(t.forgotten.c.hash).where(t.forgotten.c.author == author, t.forgotten.c.hash.in_(hashes))
        with self._begin() as db:
            return set(db.scalars(query))

    def outdated(self, author: str, labels: str) -> set[str]:
        """Ids of posts that were labelled by other rules."""
        query = sql.select(t.posts.c.id).where(t.posts.c.author == author, t.posts.c.labels != labels)
        with self._begin() as db:
            return set(db.scalars(query))

    def missing_vectors(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` that no stored vector has: the only texts that need embedding."""
        wanted = set(keys)
        with self._begin() as db:
            return wanted - self._existing(db, t.vectors.c.key, sorted(wanted))

    def posts_without(self, version: FeatureVersion) -> Iterator[Post]:
        """Stored posts that have no chunk of `version`: what is left to build of it."""
        built = sql.select(t.chunks.c.post_id).where(t.chunks.c.version == version.id)
        with self._begin() as db:
            ids = list(db.scalars(sql.select(t.posts.c.id).where(t.posts.c.id.not_in(built)).order_by(t.posts.c.id)))
        yield from self.posts_by_id(ids)

    # ---- writing ----------------------------------------------------------------------------------------------------

    def write(
        self,
        version: FeatureVersion,
        features: Sequence[Features],
        vectors: dict[str, Vector],
        reference: bool = False,
        place: Place | None = None,
        seen: Sequence[Sighting] = (),
    ) -> None:
        """Store posts with their chunks, vectors, examples and sightings: all of them or, after a crash, none."""
        import numpy as np

        for key, vector in vectors.items():
            if vector.ndim != 1 or not np.isfinite(vector).all() or not vector.any():
                raise StoreError(f"the embedder made an unusable vector ({key})", "check the embedding model")
        with self._begin(write=True) as db:
            dimension = self.versions.register(db, version, len(next(iter(vectors.values()))) if vectors else None)
            if sizes := {len(vector) for vector in vectors.values()} - {dimension}:
                wrong = f"the embedder made vectors of {sizes.pop()} numbers, and those of its version have {dimension}"
                raise StoreError(wrong, "check the embedding model")
            if vectors:
                known = self._existing(db, t.vectors.c.key, list(vectors))
                rows = [
                    {"key": key, "data": v.astype("<f2").tobytes()} for key, v in vectors.items() if key not in known
                ]
                if rows:
                    db.execute(sql.insert(t.vectors), rows)
            changed = self._write_posts(db, version, features, reference)
            if place:
                self._bury(db, self.sightings.put(db, place, seen), place.address, "duplicate")
                self.sightings.look_again(db, changed, {sighting.key for sighting in seen})

    def _write_posts(
        self, db: sql.Connection, version: FeatureVersion, features: Sequence[Features], reference: bool
    ) -> list[str]:
        """A statement for all of them wherever that can be. Returns the posts whose words were others before."""
        seq, ids = latest_seq(db) + 1, [feature.post.id for feature in features]
        for name in sorted({feature.post.author for feature in features}):
            if not db.scalar(sql.select(sql.func.count()).where(t.authors.c.name == name)):
                db.execute(sql.insert(t.authors).values(name=name, reference=reference, split_frozen=False))
        old = {
            row.id: row for some in slices(ids) for row in db.execute(sql.select(t.posts).where(t.posts.c.id.in_(some)))
        }
        new = [feature for feature in features if feature.post.id not in old]
        revised = self._revisions(db, [feature.post.id for feature in new])
        rows = [{"revision": revised.get(f.post.id, 0) + 1, "split": None, **_row(f)} for f in new]
        if rows:
            db.execute(sql.insert(t.posts), rows)
        for feature in features:
            if before := old.get(feature.post.id):
                self._rewrite(db, version, feature, before, seq)
        self._write_chunks(db, version, features, seq)
        self._write_examples(db, ids, [example for feature in features for example in feature.examples])
        return [f.post.id for f in features if f.post.id in old and old[f.post.id].text_hash != f.post.text_hash]

    def _revisions(self, db: sql.Connection, ids: Sequence[str]) -> dict[str, int]:
        """The last revision of posts that were deleted and are back."""
        found: dict[str, int] = {}
        column = t.revisions.c.post_id
        for some in slices(ids):
            last = sql.select(column, sql.func.max(t.revisions.c.revision)).where(column.in_(some)).group_by(column)
            found.update((post_id, revision) for post_id, revision in db.execute(last))
            for table in (t.tombstones, t.epitaphs):
                db.execute(sql.delete(table).where(table.c.post_id.in_(some)))
        return found

    def _rewrite(self, db: sql.Connection, version: FeatureVersion, feature: Features, old: Any, seq: int) -> None:
        stale = [t.chunks.c.post_id == old.id]
        if old.content_hash == feature.post.content_hash:
            # Chunks of other versions stay with the text; they would point into one that is gone if it changed.
            stale.append(t.chunks.c.version == version.id)
        else:
            self._keep_revision(db, old)
            values = {**_row(feature), "revision": old.revision + 1}
            db.execute(sql.update(t.posts).where(t.posts.c.id == old.id).values(**values))
        self._remove_chunks(db, seq, *stale)

    def _write_chunks(
        self, db: sql.Connection, version: FeatureVersion, features: Sequence[Features], seq: int
    ) -> None:
        rows = [
            {
                "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{version.id}/{chunk.post_id}/{chunk.ordinal}")),
                "version": version.id,
                "vector": key,
                "seq": seq,
                **chunk.model_dump(),
            }
            for feature in features
            for chunk, key in zip(feature.chunks, feature.vectors, strict=True)
        ]
        for some in slices([str(row["id"]) for row in rows]):
            db.execute(sql.delete(t.removals).where(t.removals.c.id.in_(some)))
        if rows:
            db.execute(sql.insert(t.chunks), rows)

    def _write_examples(self, db: sql.Connection, post_ids: Sequence[str], made: Sequence[Example]) -> None:
        for some in slices(post_ids):
            db.execute(sql.delete(t.examples).where(t.examples.c.post_id.in_(some)))
        if made:
            db.execute(sql.insert(t.examples), [example.model_dump(mode="json") for example in made])

    def _keep_revision(self, db: sql.Connection, old: Any) -> None:
        db.execute(
            sql.insert(t.revisions).values(
                post_id=old.id, revision=old.revision, title=old.title, text=old.text, replaced=now()
            )
        )

    def relabel(self, labels: str, made: Sequence[tuple[Post, Sequence[Mark], Sequence[Example]]]) -> None:
        """New marks and examples of stored posts, by the rules `labels`."""
        with self._begin(write=True) as db:
            for post, marks, examples in made:
                values = {"marks": [mark.model_dump() for mark in marks], "labels": labels}
                db.execute(sql.update(t.posts).where(t.posts.c.id == post.id).values(**values))
                self._write_examples(db, [post.id], examples)

    def add_examples(self, made: Sequence[Example]) -> None:
        """Beside those that the posts have."""
        with self._begin(write=True) as db:
            if made:
                db.execute(sql.insert(t.examples), [example.model_dump(mode="json") for example in made])

    def assign_splits(self, splits: dict[str, Split]) -> None:
        with self._begin(write=True) as db:
            for post_id, split in splits.items():
                db.execute(sql.update(t.posts).where(t.posts.c.id == post_id).values(split=split))

    def start_run(self, author: str, sources: Sequence[str], reference: bool) -> int:
        """Note that an ingest begins; it says anew whether the author is one to compare with."""
        with self._begin(write=True) as db:
            db.execute(sql.update(t.authors).where(t.authors.c.name == author).values(reference=reference))
            made = db.execute(
                sql.insert(t.runs).values(author=author, started=now(), report={"sources": list(sources)})
            )
            assert made.inserted_primary_key is not None
            return int(made.inserted_primary_key[0])

    def stopped_before(self, run: int) -> bool:
        """Whether what is stored may not be labelled: the author's run before this one came to no end, or is forgotten."""
        mine = sql.select(t.runs.c.author).where(t.runs.c.id == run).scalar_subquery()
        before = sql.select(t.runs.c.finished).where(t.runs.c.author == mine, t.runs.c.id < run)
        with self._begin() as db:
            last = db.execute(before.order_by(t.runs.c.id.desc()).limit(1)).one_or_none()
        return last is None or last.finished is None

    def finish_run(self, run: int, report: dict[str, Any]) -> None:
        with self._begin(write=True) as db:
            db.execute(sql.update(t.runs).where(t.runs.c.id == run).values(finished=now(), report=report))

    # ---- what is to be gone -----------------------------------------------------------------------------------------

    def drop(self, author: str, address: str, keys: Sequence[Key], reason: str) -> int:
        """The source shows these no more; posts that no other source shows are deleted. Returns how many."""
        deleted = 0
        for some in slices(keys):
            with self._begin(write=True) as db:
                orphans = self.sightings.drop(db, author, address, some)
                self._bury(db, orphans, address, reason)
                deleted += len(orphans)
        return deleted

    def _bury(self, db: sql.Connection, ids: Sequence[str], address: str, reason: str) -> None:
        """Their last texts stay as revisions; a tombstone says why they are gone, an epitaph what they were called."""
        for row in db.execute(sql.select(t.posts).where(t.posts.c.id.in_(ids))).all():
            self._keep_revision(db, row)
            db.execute(sql.insert(t.tombstones).values(post_id=row.id, author=row.author, reason=reason, at=now()))
            mine = {"post_id": row.id, "author": row.author, "address": address}
            names = {row.source_id, row.url} - {None}
            db.execute(sql.insert(t.epitaphs), [{**mine, "name": name} for name in sorted(names)])
        self._remove(db, ids)

    def forget(self, author: str, post_ids: Sequence[str]) -> bool:
        """Leave nothing of these posts but hashes of ids and words, so that no later run brings them back.

        Also of the ids that their copies would have as posts of their own: the words of a copy may be a few others.
        Returns, as those below do, whether the ledger's log, too, is rid of them.
        """
        for some in slices(post_ids):
            with self._begin(write=True) as db:
                hashes = {*some, *self._word_hashes(db, some)}
                copies = sql.select(t.sightings.c.source, t.sightings.c.source_id).where(
                    t.sightings.c.post_id.in_(some)
                )
                hashes |= {digest(author, *key) for key in db.execute(copies)}
                known = self._existing(db, t.forgotten.c.hash, sorted(hashes))
                rows = [{"author": author, "hash": value} for value in sorted(hashes - known)]
                if rows:
                    db.execute(sql.insert(t.forgotten), rows)
                db.execute(sql.delete(t.fetches).where(t.fetches.c.author == author))
                self._erase(db, some)
        return self.leave_no_trace()

    def _word_hashes(self, db: sql.Connection, ids: Sequence[str]) -> set[str]:
        """Of the words of these posts, also of the last ones of those that are deleted."""
        living = db.execute(sql.select(t.posts.c.id, t.posts.c.text_hash).where(t.posts.c.id.in_(ids)))
        found = {row.id: row.text_hash for row in living}
        dead = sql.select(t.revisions.c.post_id, t.revisions.c.text).where(
            t.revisions.c.post_id.in_(set(ids) - set(found))
        )
        found.update({row.post_id: text_hash(row.text) for row in db.execute(dead.order_by(t.revisions.c.revision))})
        return set(found.values())

    def forget_source(self, author: str, address: str) -> bool:
        """The source and every post that it shows, or was the last to show.

        What other sources show comes back from there.
        """
        ids = self.sightings.posts(author, address)
        with self._begin(write=True) as db:
            db.execute(sql.delete(t.doubts).where(t.doubts.c.author == author, t.doubts.c.address == address))
            known = db.execute(
                sql.delete(t.sources).where(t.sources.c.author == author, t.sources.c.address == address)
            )
            if not ids and not known.rowcount:
                raise NotFound(f"{author!r} has no source {address}", f"twin sources --author {author!r}")
            db.execute(sql.delete(t.fetches).where(t.fetches.c.author == author))
            db.execute(sql.delete(t.runs).where(t.runs.c.author == author))
            for some in slices(ids):
                self._erase(db, some)
        return self.leave_no_trace()

    def forget_author(self, author: str) -> bool:
        """Everything of the author's but the hashes of what was forgotten before."""
        with self._begin(write=True) as db:
            for some in slices(self._ever(db, author)):
                self._erase(db, some)
            said = (t.feedback, t.feedback_draws, t.feedback_sent, t.conversations, t.drafts, t.guesses)
            for table in (t.sources, t.sightings, t.doubts, t.fetches, t.runs, t.tombstones, t.epitaphs, *said):
                db.execute(sql.delete(table).where(table.c.author == author))
            db.execute(sql.delete(t.authors).where(t.authors.c.name == author))
        return self.leave_no_trace()

    def ever(self, author: str) -> list[str]:
        """Ids of the author's posts, also of those that are deleted."""
        with self._begin() as db:
            return self._ever(db, author)

    @staticmethod
    def _ever(db: sql.Connection, author: str) -> list[str]:
        living = sql.select(t.posts.c.id).where(t.posts.c.author == author)
        dead = sql.select(t.tombstones.c.post_id).where(t.tombstones.c.author == author)
        return list(db.scalars(living.union(dead)))

    def _erase(self, db: sql.Connection, ids: Sequence[str]) -> None:
        """Also older revisions; feedback, conversations and drafts with their words; every sign that a post was there."""
        for column in (t.posts.c.id, t.tombstones.c.post_id):  # locked: who keeps words of them waits, or is waited for
            db.execute(sql.select(column).where(column.in_(ids)).order_by(column).with_for_update()).all()
        self._erase_points(ids)
        self.feedback.erase(db, ids)
        self.conversations.erase(db, ids)
        self.drafts.erase(db, ids)
        self._remove(db, ids)
        for table in (t.revisions, t.tombstones, t.epitaphs, t.sightings, t.guesses):
            db.execute(sql.delete(table).where(table.c.post_id.in_(ids)))

    def _erase_points(self, ids: Sequence[str]) -> None:
        """What an index holds of these posts that is not on this machine; a ledger alone has none."""

    def _remove(self, db: sql.Connection, ids: Sequence[str]) -> None:
        if ids:
            self._remove_chunks(db, latest_seq(db) + 1, t.chunks.c.post_id.in_(ids))
            db.execute(sql.delete(t.examples).where(t.examples.c.post_id.in_(ids)))
            db.execute(sql.delete(t.posts).where(t.posts.c.id.in_(ids)))

    def _remove_chunks(self, db: sql.Connection, seq: int, *which: sql.ColumnElement[bool]) -> None:
        gone = db.execute(sql.select(t.chunks.c.id, t.chunks.c.version).where(*which)).all()
        if gone:
            db.execute(sql.delete(t.chunks).where(*which))
            db.execute(sql.insert(t.removals), [{"id": row.id, "version": row.version, "seq": seq} for row in gone])

    def leave_no_trace(self) -> bool:
        """Vectors that no chunk has any more, the blocks of the file that held what is gone, and the indexes' copies.

        Whether the ledger's log, too, is empty of it.
        """
        with self._begin(write=True) as db:
            used = sql.select(t.chunks.c.vector)
            db.execute(sql.delete(t.vectors).where(t.vectors.c.key.not_in(used)))
        return self._database.settle()

    def _existing(self, db: sql.Connection, column: sql.Column[str], keys: Sequence[str]) -> set[str]:
        return {found for some in slices(keys) for found in db.scalars(sql.select(column).where(column.in_(some)))}


def _row(feature: Features) -> dict[str, Any]:
    """A row of `posts`, but for what the ledger alone knows of it."""
    post = feature.post
    return {
        "id": post.id,
        **post.model_dump(exclude={"marks"}),
        "marks": [mark.model_dump() for mark in post.marks],
        "words": len(post.text.split()),
        "content_hash": post.content_hash,
        "text_hash": post.text_hash,
        "sketch": feature.sketch,
        "labels": feature.labels,
    }
