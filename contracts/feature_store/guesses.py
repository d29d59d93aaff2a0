"""Guesses in the blind game: whether a person told a real passage from what a version wrote. Ids of posts, and no text."""

from __future__ import annotations

import uuid

import sqlalchemy as sql

from contracts.errors import NotFound
from contracts.feature_store import tables as t
from contracts.feature_store.database import Database, now
from contracts.feature_store.with_posts import held


class Guesses:
    """They go with the version, the post or the author that they are about."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, author: str, model: str, post_id: str, right: bool, by: str = "") -> None:
        """Raises NotFound where the post is stored no more: nothing of it is to stay."""
        values = {"author": author, "model": model, "post_id": post_id, "right": right, "by": by}
        with self._database.begin(write=True) as db:
            if not held(db, [post_id]):
                raise NotFound("the post is stored no more", "deal another pair")
            db.execute(sql.insert(t.guesses).values(id=uuid.uuid4().hex[:16], at=now(), **values))

    def counted(self, model: str) -> tuple[int, int]:
        """Those about this version that were right, and all of them: of each person the first about a post.

        After it, with whichever version, they know which text is real: what follows is memory.
        """
        table = t.guesses.c
        about = sql.select(table.post_id).where(table.model == model)
        query = sql.select(table.by, table.post_id, table.model, table.right).where(table.post_id.in_(about))
        first: dict[tuple[str, str], tuple[str, bool]] = {}
        with self._database.begin() as db:
            for by, post_id, of, right in db.execute(query.order_by(table.at)):
                first.setdefault((by, post_id), (of, right))
        told = [right for of, right in first.values() if of == model]
        return sum(told), len(told)

    def known(self, author: str, by: str) -> set[str]:
        """The author's posts that a person has guessed about."""
        query = sql.select(t.guesses.c.post_id).where(t.guesses.c.author == author, t.guesses.c.by == by)
        with self._database.begin() as db:
            return set(db.scalars(query))

    def forget(self, model: str) -> None:
        with self._database.begin(write=True) as db:
            db.execute(sql.delete(t.guesses).where(t.guesses.c.model == model))
