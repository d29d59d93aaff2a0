"""Which of an author's posts a search may find: by date, source and format. The ledger says which, the index obeys."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

import sqlalchemy as sql

from contracts.errors import NotFound, UsageError
from contracts.feature_store import tables as t
from contracts.records import Format

NAMED = 8  # places that an error lists


@dataclass(frozen=True)
class Filters:
    """All that is given must hold. A post without a date is neither after nor before anything."""

    after: dt.date | None = None
    """That day or later."""
    before: dt.date | None = None
    """Earlier than that day."""
    source: str = ""
    """A folder, file, site or account that the post was seen at, or a part of its name, in any case."""
    format: Format | None = None

    def __bool__(self) -> bool:
        return self != Filters()

    @classmethod
    def of(cls, after: str = "", before: str = "", source: str = "", format: Format | None = None) -> Filters:
        """From words: a year, a month or a day. Raises UsageError where nothing can be between the two."""
        made = cls(day(after), day(before), source.strip(), format)
        if made.after and made.before and made.after >= made.before:
            raise UsageError(f"no day is on or after {made.after} and before {made.before}", "swap or widen them")
        return made


def day(text: str) -> dt.date | None:
    """The first day of 2015, 2015-03 or 2015-03-12; None for nothing. Raises UsageError."""
    if not text.strip():
        return None
    parts = re.fullmatch(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", text.strip())
    try:
        if parts:
            return dt.date(*(int(part or 1) for part in parts.groups()))
    except ValueError:
        pass
    raise UsageError(f"{text!r} is no date", "write a year, a month or a day: 2015, 2015-03 or 2015-03-12")


def matching(db: sql.Connection, author: str, filters: Filters) -> list[str]:
    """Ids of the author's posts that pass. Raises NotFound for a source that the author does not have."""
    return list(db.scalars(sql.select(t.posts.c.id).where(*wanted(db, author, filters)).order_by(t.posts.c.id)))


def wanted(db: sql.Connection, author: str, filters: Filters) -> list[sql.ColumnElement[bool]]:
    """What must hold of a row of `posts`: that it is the author's, before anything else."""
    made = [t.posts.c.author == author]
    if filters.after:
        made.append(t.posts.c.date >= filters.after)
    if filters.before:
        made.append(t.posts.c.date < filters.before)
    if filters.format:
        made.append(t.posts.c.format == filters.format)
    if filters.source:
        made.append(_seen_at(_places(db, author, filters.source), author))
    return made


def _places(db: sql.Connection, author: str, named: str) -> list[str]:
    """The author's places of that name, or else those whose names have it in them."""
    columns = (t.posts.c.source, t.sightings.c.source, t.sightings.c.address)
    known = {name for c in columns for name in db.scalars(sql.select(c).where(c.table.c.author == author).distinct())}
    found = [name for name in known if name == named] or [name for name in known if named.casefold() in name.casefold()]
    if not found:
        some = ", ".join(sorted(known)[:NAMED]) or "none"
        raise NotFound(f"{author!r} has no source called {named!r} (sources: {some})", "twin sources")
    return found


def _seen_at(places: list[str], author: str) -> sql.ColumnElement[bool]:
    """A text that stands in several places is one post: each of them shows it."""
    here = sql.or_(t.sightings.c.source.in_(places), t.sightings.c.address.in_(places))
    shown = sql.select(t.sightings.c.post_id).where(t.sightings.c.author == author, here)
    return sql.or_(t.posts.c.source.in_(places), t.posts.c.id.in_(shown))
