"""What people made of answers: better or worse, which of two, or the text as it should have been.

It is kept with everything that tells how the answer came about. It may hold words of posts, so it goes with them: what was
written from a forgotten post, or holds words of one, is gone in the same transaction.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sql

from contracts.errors import NotFound, UsageError
from contracts.feature_store import tables as t
from contracts.feature_store.database import Database, now, slices
from contracts.feature_store.shared_words import Words
from contracts.feature_store.with_posts import held, holding
from contracts.prompt import PROMPT_HASH
from contracts.records import Record, Span

if TYPE_CHECKING:
    from contracts.records import Answer

LONGEST = 50_000  # characters of one text

Verdict = Literal["better", "worse", "same", "edited"]
"""better, worse, same: than, or as, the other version; of an answer seen alone, than one had hoped; edited: rewritten."""


class Judged(Record):
    """An answer that somebody judges, and what it was written from."""

    author: str
    """Whose twin answered."""
    question: str
    answer: str
    model: str
    snapshot: str
    prompt_hash: str
    passages: tuple[Span, ...]
    instead: str = ""
    """The version that a share of traffic might have drawn to answer instead."""


class Feedback(Judged):
    """One person's verdict on one answer, or on one of two that were written from the same passages."""

    verdict: Verdict
    edited: str = ""
    """The answer as it should have been."""
    other: str = ""
    """The version whose answer stood beside this one; empty for an answer seen alone."""
    other_answer: str = ""
    blind: bool = False
    """Whoever compared did not see which version had written which."""
    by: str = ""
    """Who said so, where several people use the twin."""
    sent: bool = False
    """Another program sent it over the HTTP API, from whoever uses that."""
    at: dt.datetime | None = None
    id: str = ""

    @classmethod
    def of(cls, answer: Answer, author: str, question: str, verdict: Verdict, **more: Any) -> Feedback:
        """Of an answer just given; `more`: edited, by, and of a comparison other, other_answer and blind."""
        shown = tuple(Span(post_id=one.post_id, start=one.start, end=one.end) for one in answer.passages)
        told = {name: getattr(answer, name) for name in ("answer", "model", "snapshot", "instead")}
        made = {**told, "passages": shown, **more}
        return cls(author=author, question=question, verdict=verdict, prompt_hash=PROMPT_HASH, **made)


class Lesson(Record):
    """What may be learned from an edit: the author's own words alone, without what is private. Or why nothing may."""

    instruction: str = ""
    chosen: str = ""
    rejected: str = ""
    refused: str = ""


_INSTEAD = sql.func.coalesce(t.feedback_draws.c.instead, "").label("instead")
_SENT = t.feedback_sent.c.id.is_not(None).label("sent")
_KEPT = (
    sql.select(t.feedback, _INSTEAD, _SENT)
    .outerjoin(t.feedback_draws, t.feedback_draws.c.id == t.feedback.c.id)
    .outerjoin(t.feedback_sent, t.feedback_sent.c.id == t.feedback.c.id)
)


class FeedbackLog:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, given: Feedback) -> Feedback:
        """Keep it; the same with its id and time. Raises UsageError where it says nothing, NotFound where what the answer
        was written from is stored no more."""
        _check(given)
        made = given.model_copy(update={"id": uuid.uuid4().hex[:16], "at": now()})
        with self._database.begin(write=True) as db:
            self._require(db, made)
            db.execute(sql.insert(t.feedback).values(**_row(made), rules="", lesson=None))
            if made.instead:
                db.execute(sql.insert(t.feedback_draws).values(id=made.id, author=made.author, instead=made.instead))
            if made.sent:
                db.execute(sql.insert(t.feedback_sent).values(id=made.id, author=made.author))
        return made

    def all(self, author: str | None = None, model: str | None = None) -> list[Feedback]:
        """Oldest first; of a model also where it was the other one."""
        query = _KEPT.order_by(t.feedback.c.at, t.feedback.c.id)
        if author is not None:
            query = query.where(t.feedback.c.author == author)
        if model is not None:
            query = query.where(sql.or_(t.feedback.c.model == model, t.feedback.c.other == model))
        with self._database.begin() as db:
            return [_feedback(row) for row in db.execute(query)]

    def alone(self, author: str, by: str) -> list[Feedback]:
        """A person's verdicts on answers that no other stood beside, given where they were read, oldest first."""
        table = t.feedback.c
        mine = (table.author == author, table.by == by, table.other == "", table.verdict.in_(("better", "worse")))
        query = _KEPT.where(*mine, t.feedback_sent.c.id.is_(None)).order_by(table.at, table.id)
        with self._database.begin() as db:
            return [_feedback(row) for row in db.execute(query)]

    def delete(self, ids: Sequence[str]) -> bool:
        """Whether the ledger's log, too, is rid of them. Raises NotFound, and deletes none, where one is not there."""
        with self._database.begin(write=True) as db:
            known = set(db.scalars(sql.select(t.feedback.c.id).where(t.feedback.c.id.in_(ids))))
            if missing := [name for name in ids if name not in known]:
                raise NotFound(f"there is no feedback {missing[0]}", "twin feedback list")
            _delete(db, ids)
        return self._database.settle()

    # ---- what is learned from edits ---------------------------------------------------------------------------------

    def unlabelled(self, author: str, rules: str) -> list[Feedback]:
        """Edits whose lesson was not made by these rules."""
        mine = (t.feedback.c.author == author, t.feedback.c.verdict == "edited", t.feedback.c.rules != rules)
        with self._database.begin() as db:
            return [_feedback(row) for row in db.execute(_KEPT.where(*mine))]

    def label(self, rules: str, lessons: Mapping[str, Lesson]) -> None:
        """The lesson of each edit, by its id."""
        with self._database.begin(write=True) as db:
            for name, lesson in lessons.items():
                values = {"rules": rules, "lesson": lesson.model_dump()}
                db.execute(sql.update(t.feedback).where(t.feedback.c.id == name).values(**values))

    def lessons(self, author: str) -> list[tuple[Feedback, Lesson]]:
        """Oldest first. One whose passages were rewritten since teaches nothing: its prompt cannot be made again."""
        mine = (t.feedback.c.author == author, t.feedback.c.verdict == "edited", t.feedback.c.lesson.is_not(sql.null()))
        query = _KEPT.where(*mine).order_by(t.feedback.c.at, t.feedback.c.id)
        last = sql.func.max(t.revisions.c.replaced).label("at")
        changed = sql.select(t.revisions.c.post_id, last).group_by(t.revisions.c.post_id)
        with self._database.begin() as db:
            rows = [(_feedback(row), Lesson.model_validate(row.lesson or {})) for row in db.execute(query)]
            rewritten = {row.post_id: row.at for row in db.execute(changed)} if rows else {}
        return [(given, _unless_rewritten(given, lesson, rewritten)) for given, lesson in rows]

    # ---- what is to be gone -----------------------------------------------------------------------------------------

    @staticmethod
    def erase(db: sql.Connection, post_ids: Sequence[str]) -> None:
        """What was written from these posts, by whomever, or holds words of them. Called while their texts still stand."""
        kept = [(_feedback(row), row.lesson) for row in db.execute(_KEPT)]
        if not kept:
            return
        wanted = set(post_ids)
        gone = {given.id for given, _ in kept if any(span.post_id in wanted for span in given.passages)}
        words = Words({given.id: _texts(given, lesson) for given, lesson in kept if given.id not in gone})
        gone |= holding(db, words, post_ids)
        for some in slices(sorted(gone)):
            _delete(db, some)

    @staticmethod
    def _require(db: sql.Connection, given: Feedback) -> None:
        if not db.scalar(sql.select(sql.func.count()).where(t.authors.c.name == given.author)):
            raise NotFound(f"no posts by {given.author!r} are stored", "twin status")
        wanted = {span.post_id for span in given.passages}
        if wanted - held(db, wanted, given.author):
            raise NotFound(
                "posts that the answer was written from are stored no more", "ask again, and judge that answer"
            )


def _check(given: Feedback) -> None:
    texts = (given.question, given.answer, given.edited, given.other_answer)
    edited = given.verdict == "edited"
    compared = given.verdict == "same" or given.blind
    wrong = (
        (edited and not given.edited.strip(), "the edited text is empty"),
        (edited and given.edited.strip() == given.answer.strip(), "the edited text is the answer as it was"),
        (compared and not given.other, "only an answer beside another can be as good, or be judged blind"),
        (given.other == given.model, f"{given.model} was compared with itself"),
        (max(map(len, texts)) > LONGEST, f"a text is longer than {LONGEST:,} characters"),
    )
    for found, problem in wrong:
        if found:
            raise UsageError(problem, "twin feedback --help")


def _texts(given: Feedback, lesson: Mapping[str, str] | None) -> list[str]:
    return [given.question, given.answer, given.edited, given.other_answer, *(lesson or {}).values()]


def _unless_rewritten(given: Feedback, lesson: Lesson, rewritten: Mapping[str, dt.datetime]) -> Lesson:
    assert given.at is not None
    if any(span.post_id in rewritten and rewritten[span.post_id] > given.at for span in given.passages):
        return Lesson(refused="a post that it was written from has changed since")
    return lesson


def _delete(db: sql.Connection, ids: Sequence[str]) -> None:
    for table in (t.feedback, t.feedback_draws, t.feedback_sent):
        db.execute(sql.delete(table).where(table.c.id.in_(ids)))


def _row(given: Feedback) -> dict[str, Any]:
    return {
        **given.model_dump(exclude={"passages", "instead", "sent"}),
        "passages": [span.model_dump() for span in given.passages],
    }


def _feedback(row: Any) -> Feedback:
    return Feedback.model_validate({name: getattr(row, name) for name in Feedback.model_fields})
