"""Drafts that a person has kept, as they left them. Each person sees their own.

They hold words of posts, so they go with them: a draft that was written from a forgotten post, or holds words of one, is
gone in the same transaction, also where it was edited since.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sql

from contracts.errors import NotFound, UsageError
from contracts.feature_store import tables as t
from contracts.feature_store.database import Database, holding_words, now, slices
from contracts.feature_store.shared_words import Words
from contracts.feature_store.with_posts import held, holding
from contracts.records import Citation, Copied, Passage, Record, Sentence

LONGEST_TITLE = 120  # characters
LISTED = 50


class Part(Record):
    """A section: what it was to say, what it was written from, and what of that it cites by the draft's markers."""

    point: str
    passages: tuple[Passage, ...]
    citations: tuple[Citation, ...] = ()
    text: str = ""
    """As it was written, before any edit; empty in older drafts, and where nothing was."""
    sentences: tuple[Sentence, ...] = ()
    """Of `text`, with what the author's posts say to them."""
    copied: Copied | None = None


class KeptDraft(Record):
    author: str
    """Whose twin wrote it."""
    title: str
    text: str
    """Markdown, as it was edited."""
    parts: tuple[Part, ...]
    model: str
    snapshot: str


class Listed(NamedTuple):
    id: str
    title: str
    at: dt.datetime


class Drafts:
    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, user: str, draft: KeptDraft, id: str = "") -> str:
        """Store it as the draft `id`, or as a new one, and return its id. Raises NotFound where it or its posts are gone."""
        if not draft.text.strip():
            raise UsageError("the draft is empty", "write something first")
        title = " ".join(draft.title.split())[:LONGEST_TITLE] or "Untitled"
        values = {**draft.model_dump(mode="json"), "title": title, "at": now()}
        mine = (t.drafts.c.id == id, t.drafts.c.user == user, t.drafts.c.author == draft.author)
        with self._database.begin(write=True) as db:
            _require(db, draft)
            if id:
                if not db.execute(sql.update(t.drafts).where(*mine).values(**values)).rowcount:
                    raise NotFound(
                        "the draft is kept no more: a post whose words it holds was forgotten, or it was deleted",
                        "write it again",
                    )
                return id
            made = uuid.uuid4().hex[:16]
            db.execute(sql.insert(t.drafts).values(id=made, user=user, **values))
            return made

    def all(self, user: str, author: str, words: str = "") -> list[Listed]:
        """The person's last drafts by this author's twin that hold all of `words`, the latest first."""
        table = t.drafts.c
        mine = [table.user == user, table.author == author, *holding_words(words, table.title, table.text)]
        query = sql.select(table.id, table.title, table.at).where(*mine)
        with self._database.begin() as db:
            return [Listed._make(row) for row in db.execute(query.order_by(table.at.desc()).limit(LISTED))]

    def get(self, user: str, id: str) -> KeptDraft:
        """Raises NotFound, also for another person's."""
        query = sql.select(t.drafts).where(t.drafts.c.id == id, t.drafts.c.user == user)
        with self._database.begin() as db:
            row = db.execute(query).one_or_none()
        if row is None:
            raise NotFound("there is no such draft", "choose one of the list")
        return KeptDraft.model_validate({name: getattr(row, name) for name in KeptDraft.model_fields})

    def delete(self, user: str, id: str) -> bool:
        """Whether the ledger's log, too, is rid of it."""
        with self._database.begin(write=True) as db:
            mine = (t.drafts.c.id == id, t.drafts.c.user == user)
            if not db.execute(sql.delete(t.drafts).where(*mine)).rowcount:
                raise NotFound("there is no such draft", "choose one of the list")
        return self._database.settle()

    @staticmethod
    def erase(db: sql.Connection, post_ids: Sequence[str]) -> None:
        """Those that were written from these posts, or hold their words. Called while the posts' texts still stand."""
        kept = list(db.execute(sql.select(t.drafts.c.id, t.drafts.c.title, t.drafts.c.text, t.drafts.c.parts)))
        if not kept:
            return
        wanted = set(post_ids)
        gone = {row.id for row in kept if wanted.intersection(_posts(row.parts))}
        words = Words(
            {
                row.id: (row.title, row.text, *(part.get(name, "") for part in row.parts for name in ("point", "text")))
                for row in kept
            }
        )
        gone |= holding(db, words, post_ids)
        for some in slices(sorted(gone)):
            db.execute(sql.delete(t.drafts).where(t.drafts.c.id.in_(some)))


def _require(db: sql.Connection, draft: KeptDraft) -> None:
    wanted = _posts([part.model_dump() for part in draft.parts])
    if wanted - held(db, wanted, draft.author):
        raise NotFound("posts that the draft was written from are stored no more", "write it again, and keep that")


def _posts(parts: Sequence[dict[str, Any]]) -> set[str]:
    """Every post whose words or title they hold."""
    copied = [part["copied"] for part in parts if part.get("copied")]
    return {one["post_id"] for one in (*(passage for part in parts for passage in part["passages"]), *copied)}
