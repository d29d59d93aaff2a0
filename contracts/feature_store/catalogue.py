"""Stored posts as a person looks through them: a page of a list, found by words, and how many of each year and length.

Reads no whole text of a post that is not shown, so that a list of ten thousand costs no more than one of ten.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sql

from contracts.feature_store import tables as t
from contracts.feature_store.database import Database, holding_words, slices

BEGINNING = 160  # characters of a post without a title that stand for one
LENGTHS = (50, 150, 300, 600, 1200, 2400)  # words of a post


class Listed(NamedTuple):
    """A post in a list."""

    id: str
    title: str
    date: dt.date | None
    source: str
    format: str
    words: int
    beginning: str


class Catalogue:
    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, author: str, words: str = "", format: str = "", first: int = 0, limit: int = 20
    ) -> tuple[int, Sequence[Listed]]:
        """How many of the author's posts hold all of `words`, and `limit` of them from `first` on, newest first."""
        mine = [t.posts.c.author == author, *holding_words(words, t.posts.c.title, t.posts.c.text)]
        if format:
            mine.append(t.posts.c.format == format)
        found = (
            sql.select(t.posts.c.id)
            .where(*mine)
            .order_by(t.posts.c.date.is_(None), t.posts.c.date.desc(), t.posts.c.source_id)
        )
        with self._database.begin() as db:  # the texts are gone through once: 0.1 s for eight thousand posts
            ids = list(db.scalars(found))
        return len(ids), self.some(ids[first : first + limit])

    def some(self, ids: Sequence[str], characters: int = BEGINNING) -> list[Listed]:
        """These posts, with their first `characters`, in the order of `ids`; those that are gone are left out."""
        columns = (t.posts.c[name] for name in ("id", "title", "date", "source", "format", "words"))
        query = sql.select(*columns, sql.func.substr(t.posts.c.text, 1, characters))
        found: dict[str, Listed] = {}
        for part in slices(ids):
            with self._database.begin() as db:
                found.update((row.id, Listed._make(row)) for row in db.execute(query.where(t.posts.c.id.in_(part))))
        return [found[id_] for id_ in ids if id_ in found]

    def years(self, author: str) -> dict[int, dict[str, int]]:
        """Year → place → posts; those without a date are left out."""
        year = sql.extract("year", t.posts.c.date)
        query = (
            sql.select(year, t.posts.c.source, sql.func.count())
            .where(t.posts.c.author == author, t.posts.c.date.is_not(None))
            .group_by(year, t.posts.c.source)
            .order_by(year, t.posts.c.source)
        )
        found: dict[int, dict[str, int]] = {}
        with self._database.begin() as db:
            for when, source, posts in db.execute(query):
                found.setdefault(int(when), {})[source] = posts
        return found

    def lengths(self, author: str) -> list[int]:
        """Posts of up to so many words as each of LENGTHS says and more than the one before, and of more than all."""
        counts = [0] * (len(LENGTHS) + 1)
        with self._database.begin() as db:
            for words in db.scalars(sql.select(t.posts.c.words).where(t.posts.c.author == author)):
                counts[bisect_left(LENGTHS, words)] += 1
        return counts

    def sources(self, author: str) -> dict[str, int]:
        """Place → posts, the largest first."""
        query = (
            sql.select(t.posts.c.source, sql.func.count().label("posts"))
            .where(t.posts.c.author == author)
            .group_by(t.posts.c.source)
            .order_by(sql.func.count().desc(), t.posts.c.source)
        )
        with self._database.begin() as db:
            return {row.source: row.posts for row in db.execute(query)}
