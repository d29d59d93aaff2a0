"""Conversations of a person with a twin, kept until they are deleted. Each person sees their own.

They hold words of posts, so they go with them: what was answered from a forgotten post, or holds words of one, is gone in
the same transaction.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sql

from contracts.errors import NotFound, UsageError
from contracts.feature_store import tables as t
from contracts.feature_store.database import Database, holding_words, now
from contracts.feature_store.shared_words import Words
from contracts.feature_store.with_posts import held, holding
from contracts.records import Answer, Record

LONGEST_TITLE = 120  # characters
LISTED = 50


class Said(Record):
    """A question, and the whole answer to it."""

    question: str
    answer: Answer
    asked: str = ""
    """The question as one understands it who has not heard what was said before; empty in older conversations."""


class Listed(NamedTuple):
    id: str
    title: str
    at: dt.datetime
    turns: int


class Conversation(Record):
    id: str
    author: str
    """Whose twin answered."""
    title: str
    at: dt.datetime
    turns: tuple[Said, ...]


class Conversations:
    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, user: str, author: str, turns: Sequence[Said], id: str = "", at: dt.datetime | None = None) -> str:
        """Store these turns as the conversation `id`, or as a new one, and return its id.

        With `at`, as it was when it was read, one that has changed since is left as it is, and these become a new one.
        Raises NotFound where there is no conversation `id` any more: what was deleted is not to come back.

        A page that was open all the while still has what was answered from a post that is forgotten by now: such turns are
        left out, and where no other is left, nothing is kept and the id is empty.
        """
        mine = (t.conversations.c.id == id, t.conversations.c.user == user, t.conversations.c.author == author)
        with self._database.begin(write=True) as db:
            rows = _not_forgotten(db, [turn.model_dump(mode="json") for turn in turns])
            if not rows:
                db.execute(sql.delete(t.conversations).where(*mine))
                return ""
            values = {"at": now(), "turns": rows, "text": _text(rows)}
            if id:
                there = db.scalar(sql.select(t.conversations.c.at).where(*mine))
                if there is None:
                    raise NotFound("this conversation is deleted, and is kept no more", "begin a new one")
                if at in (None, there):
                    db.execute(sql.update(t.conversations).where(*mine).values(**values))
                    return id
            made = {"id": uuid.uuid4().hex[:16], "user": user, "author": author, "title": _title(rows), **values}
            db.execute(sql.insert(t.conversations).values(**made))
            return str(made["id"])

    def all(self, user: str, author: str, words: str = "") -> list[Listed]:
        """The person's last conversations with this author's twin that hold all of `words`, the latest first."""
        table = t.conversations.c
        mine = [table.user == user, table.author == author, *holding_words(words, table.title, table.text)]
        # Counted by the database: fifty long conversations are a hundred megabytes, and the list is drawn after each answer.
        query = (
            sql.select(table.id, table.title, table.at, sql.func.json_array_length(table.turns))
            .where(*mine)
            .order_by(table.at.desc())
            .limit(LISTED)
        )
        with self._database.begin() as db:
            return [Listed._make(row) for row in db.execute(query)]

    def get(self, user: str, id: str) -> Conversation:
        """Raises NotFound, also for another person's."""
        query = sql.select(t.conversations).where(t.conversations.c.id == id, t.conversations.c.user == user)
        with self._database.begin() as db:
            row = db.execute(query).one_or_none()
        if row is None:
            raise NotFound("there is no such conversation", "choose one of the list")
        return Conversation(id=row.id, author=row.author, title=row.title, at=row.at, turns=row.turns)

    def rename(self, user: str, id: str, title: str) -> None:
        title = " ".join(title.split())[:LONGEST_TITLE]
        if not title:
            raise UsageError("a conversation needs a name", "write one")
        self._change(sql.update(t.conversations).values(title=title), user, id)

    def delete(self, user: str, id: str) -> bool:
        """Whether the ledger's log, too, is rid of it."""
        self._change(sql.delete(t.conversations), user, id)
        return self._database.settle()

    def _change(self, change: Any, user: str, id: str) -> None:
        with self._database.begin(write=True) as db:
            if not db.execute(change.where(t.conversations.c.id == id, t.conversations.c.user == user)).rowcount:
                raise NotFound("there is no such conversation", "choose one of the list")

    @staticmethod
    def erase(db: sql.Connection, post_ids: Sequence[str]) -> None:
        """Turns that were answered from these posts, or hold their words. Called while the posts' texts still stand."""
        kept = list(db.execute(sql.select(t.conversations.c.id, t.conversations.c.title, t.conversations.c.turns)))
        turns = {f"{row.id} {n}": turn for row in kept for n, turn in enumerate(row.turns)}
        if not turns:
            return
        wanted = set(post_ids)
        gone = {name for name, turn in turns.items() if wanted.intersection(_posts(turn["answer"]))}
        words = Words(
            {name: (turn["question"], turn["answer"]["answer"], turn.get("asked", "")) for name, turn in turns.items()}
        )
        gone |= holding(db, words, post_ids)
        for row in kept:
            left = [turn for n, turn in enumerate(row.turns) if f"{row.id} {n}" not in gone]
            if len(left) < len(row.turns):
                _shorten(db, row.id, left)


def _shorten(db: sql.Connection, id: str, turns: Sequence[dict[str, Any]]) -> None:
    mine = t.conversations.c.id == id
    if not turns:
        db.execute(sql.delete(t.conversations).where(mine))
        return
    # With a new title: the old one may be of what is gone.
    values = {"turns": list(turns), "text": _text(turns), "title": _title(turns)}
    db.execute(sql.update(t.conversations).where(mine).values(**values))


def _not_forgotten(db: sql.Connection, turns: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those whose posts are stored, or were deleted by their source alone."""
    known = held(db, (post_id for turn in turns for post_id in _posts(turn["answer"])), deleted=True)
    return [turn for turn in turns if _posts(turn["answer"]) <= known]


def _text(turns: Sequence[dict[str, Any]]) -> str:
    return "\n".join(f"{turn['question']}\n{turn['answer']['answer']}" for turn in turns)


def _title(turns: Sequence[dict[str, Any]]) -> str:
    return " ".join(turns[0]["question"].split())[:LONGEST_TITLE]


def _posts(answer: dict[str, Any]) -> set[str]:
    """Every post whose words or title the answer holds."""
    copied = [answer["copied"]] if answer.get("copied") else []
    return {one["post_id"] for one in (*answer["passages"], *answer.get("nearest", ()), *copied)}
