"""Which of an author's posts a search may find: by date, source and format. The ledger says which, the index obeys."""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace

import sqlalchemy as sql

from contracts.errors import NotFound, UsageError
from contracts.feature_store import tables as t
from contracts.feature_store.index import Scope
from contracts.feature_store.sightings import changes
from contracts.formats import Format

NAMED = 8  # places that an error lists
KEPT = 32  # names of places whose posts are kept


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

    def and_days_of(self, other: Filters) -> Filters:
        """Narrowed to the days that both let through."""
        after = max(filter(None, (self.after, other.after)), default=None)
        before = min(filter(None, (self.before, other.before)), default=None)
        return replace(self, after=after, before=before)

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


Shown = tuple[list[str], list[str]]
"""Places, and posts that stand under another place's name and are seen at these, too."""


class Places:
    """What stands at the places that searches name, kept until a post or a sighting has changed."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[tuple[int, int], Shown]] = OrderedDict()
        self._lock = threading.Lock()

    def shown(self, db: sql.Connection, latest: int, author: str, named: str) -> Shown:
        """`latest`: the ledger's last `seq`. Raises NotFound for a place that the author does not have."""
        state = latest, changes(db)
        with self._lock:
            kept = self._kept.get((author, named))
        if kept and kept[0] == state:
            return kept[1]
        places = _places(db, author, named)
        made = places, _seen_elsewhere(db, author, places)
        with self._lock:
            self._kept[author, named] = state, made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made


def scope(author: str, filters: Filters, among: Collection[str] | None, shown: Shown | None) -> Scope:
    """As the index is asked; `shown` is what stands at the filters' source, where they have one."""
    sources, also = shown or (None, [])
    return Scope(
        author,
        after=filters.after.toordinal() if filters.after else None,
        before=filters.before.toordinal() if filters.before else None,
        format=filters.format,
        sources=sources,
        also=also,
        among=None if among is None else sorted(among),
    )


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


def _seen_elsewhere(db: sql.Connection, author: str, places: list[str]) -> list[str]:
    """Posts of the author's that stand under another place's name, and that one of these shows too."""
    foreign = t.posts.c.source.not_in(places)
    return list(db.scalars(sql.select(t.posts.c.id).where(t.posts.c.author == author, foreign, _shown(places, author))))


def _seen_at(places: list[str], author: str) -> sql.ColumnElement[bool]:
    """A text that stands in several places is one post: each of them shows it."""
    return sql.or_(t.posts.c.source.in_(places), _shown(places, author))


def _shown(places: list[str], author: str) -> sql.ColumnElement[bool]:
    here = sql.or_(t.sightings.c.source.in_(places), t.sightings.c.address.in_(places))
    return t.posts.c.id.in_(sql.select(t.sightings.c.post_id).where(t.sightings.c.author == author, here))
