"""Feature versions: what made the features, which one is served, and the way back.

A new embedder or chunker is a new version, built beside the old one, and served from one transaction to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sql

from contracts.errors import NotFound
from contracts.feature_store import tables as t
from contracts.feature_store.database import Database, now
from contracts.records import VersionStatus, digest


@dataclass(frozen=True)
class FeatureVersion:
    """What made the features: the way of cutting, and the embedder, by its fingerprint."""

    chunker: str
    embedder: str
    embedder_name: str = field(default="", compare=False)
    """What TWIN_EMBEDDER called it, to load it again."""

    @property
    def id(self) -> str:
        return digest(self.chunker, self.embedder)


class FeatureVersions:
    def __init__(self, database: Database) -> None:
        self._database = database

    def active(self) -> FeatureVersion | None:
        with self._database.begin() as db:
            return self._one(db, _last(db))

    def chosen(self) -> FeatureVersion | None:
        """The active version, if a person chose it: an ingest then keeps to it, whatever the settings say."""
        with self._database.begin() as db:
            row = db.execute(sql.select(t.activations).order_by(t.activations.c.id.desc()).limit(1)).one_or_none()
            return self._one(db, row.version) if row and row.chosen else None

    def get(self, id_: str) -> FeatureVersion:
        """By its id or the beginning of it. Raises NotFound."""
        with self._database.begin() as db:
            ids = [found for found in db.scalars(sql.select(t.versions.c.id)) if id_ and found.startswith(id_)]
            found = self._one(db, ids[0]) if len(ids) == 1 else None
        if found is None:
            raise NotFound(f"{len(ids)} feature versions begin with {id_!r}", "twin features list")
        return found

    def all(self) -> list[VersionStatus]:
        """Oldest first, with what is built of each."""
        counts = (
            sql.select(t.chunks.c.version, sql.func.count(), sql.func.count(t.chunks.c.post_id.distinct()))
            .group_by(t.chunks.c.version)
            .order_by(t.chunks.c.version)
        )
        with self._database.begin() as db:
            active = _last(db)
            built = {version: (chunks, posts) for version, chunks, posts in db.execute(counts)}
            rows = db.execute(sql.select(t.versions).order_by(t.versions.c.built, t.versions.c.id)).all()
        return [
            VersionStatus(
                id=row.id,
                chunker=row.chunker,
                embedder=row.embedder_name or row.embedder,
                dimension=row.dimension,
                built=row.built,
                active=row.id == active,
                chunks=built.get(row.id, (0, 0))[0],
                posts=built.get(row.id, (0, 0))[1],
            )
            for row in rows
        ]

    def activate(self, version: FeatureVersion, chosen: bool = False) -> None:
        """Serve `version` from now on: one transaction, so every reader sees the old one or the new one."""
        with self._database.begin(write=True) as db:
            db.execute(sql.insert(t.activations).values(version=version.id, chosen=chosen, at=now()))

    def previous(self) -> FeatureVersion:
        """The version that was served before the active one. Raises NotFound where there was none."""
        with self._database.begin() as db:
            served = list(db.scalars(sql.select(t.activations.c.version).order_by(t.activations.c.id.desc())))
            earlier = next((id_ for id_ in served if id_ != served[0]), "")
            found = self._one(db, earlier)
        if found is None:
            raise NotFound("no other feature version was served before this one", "twin features list")
        return found

    def register(self, db: sql.Connection, version: FeatureVersion, dimension: int | None) -> int | None:
        """Note the version the first time that something is built of it; the first of all is served at once.

        Returns the numbers in a vector of its embedder: the `dimension` that is given where none was known.
        """
        # Another chunker may make texts that all have vectors already; their embedder's dimension is known then.
        same = sql.select(t.versions.c.dimension).where(t.versions.c.embedder == version.embedder).limit(1)
        dimension = db.scalar(same) or dimension
        if dimension is None or self._one(db, version.id):
            return dimension
        values = {"chunker": version.chunker, "embedder": version.embedder, "embedder_name": version.embedder_name}
        db.execute(sql.insert(t.versions).values(id=version.id, dimension=dimension, built=now(), **values))
        if _last(db) is None:
            db.execute(sql.insert(t.activations).values(version=version.id, chosen=False, at=now()))
        return dimension

    def dimension(self, version: FeatureVersion) -> int:
        with self._database.begin() as db:
            found = db.scalar(sql.select(t.versions.c.dimension).where(t.versions.c.id == version.id))
        assert found is not None
        return int(found)

    def _one(self, db: sql.Connection, id_: str | None) -> FeatureVersion | None:
        row = db.execute(sql.select(t.versions).where(t.versions.c.id == (id_ or ""))).one_or_none()
        return FeatureVersion(row.chunker, row.embedder, row.embedder_name) if row else None


def _last(db: sql.Connection) -> str | None:
    found: str | None = db.scalar(sql.select(t.activations.c.version).order_by(t.activations.c.id.desc()).limit(1))
    return found
