"""Readers: each turns one kind of source into posts, or into a refusal that says why there is none.

They know nothing of the feature store, and clean nothing: what they yield is what the source says.

read(source)      an address → web/site.py, which hands on to the platform that it finds there
                  a path     → files/paths.py: an export archive by its content, else a folder or a file of posts
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from contracts.errors import SourceError
from contracts.formats import Format
from feature_pipeline.sources.text import storable, whole_characters

if TYPE_CHECKING:
    from feature_pipeline.sources.memory import Memory

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RawPost:
    """A post as its source gave it. `markup` says how `text` is to be cleaned."""

    source: str
    """With `source_id`, what names the post for ever: a folder, an address, or `platform:account` where one is known, so
    that next year's export of the same account brings the same posts up to date."""
    source_id: str
    title: str
    """Empty where there is none, as in most notes."""
    date: dt.date | None
    url: str | None
    text: str
    markup: str
    """"markdown", "html" (a fragment, all of it the post), "article" (Markdown of a page, already extracted) or "plain"."""
    author: str | None = None
    """Who the source says wrote it; the post belongs to the author whom the person named."""
    format: Format = "article"


@dataclass(frozen=True)
class Refusal:
    """Something in the source that yields no post, with the reason as a word and as a sentence."""

    source: str
    source_id: str
    reason: str
    """One word for the report, such as `empty`, `draft`, `bad_front_matter`, `blocked_page`. Those in WITHDRAWN take the
    stored post away, `not_found` when two complete runs say so, or two of a source that is that page alone; with any other,
    what was stored stays."""
    detail: str = ""


@dataclass(frozen=True)
class Unread(Refusal):
    """The address that a person named could not be read: the source has failed, and says nothing of what it had before.

    But for the post that `source_id` names, where the address was that of one post.
    """


@dataclass(frozen=True)
class Unchanged:
    """The source itself says that this post is as it was at the last run (a 304, or the same date in its listing)."""

    source: str
    source_id: str


@dataclass(frozen=True)
class Complete:
    """Comes last, where everything that the source has was listed: what it had before and did not list is deleted.

    A feed never says so, as it lists the newest only; nor does a run that met a cap, a time-out or a broken page of a list.
    """


Found = RawPost | Refusal
Item = Found | Unchanged | Complete

WORDS = frozenset(("text", "title", "author"))
WITHDRAWN = frozenset(("gone", "draft", "private", "deleted"))
"""Reasons that say that the author, or the platform, has taken the post back."""


def read(source: str, memory: Memory | None = None) -> Iterator[Item]:
    """Posts of a folder, a file, an export archive, a page, a feed or a blog's address.

    `memory` is what the last run of this source learned of it. Raises SourceError where it cannot be read at all, also for
    what its reader did not foresee: the other sources are read all the same.
    """
    try:
        for item in _read(source, memory):
            yield item if isinstance(item, Complete) else _storable(item)
    except SourceError:
        raise
    except Exception as error:
        log.exception("%s could not be read", source)
        what = f"{source} holds something that was not expected: {type(error).__name__}: {error}"
        raise SourceError(what, "what was stored of it stays; please report this, with what was logged") from error


def _storable(item: Found | Unchanged) -> Item:
    """With nothing in it that no store, and no terminal, could show."""
    said = {name: value for name, value in vars(item).items() if isinstance(value, str)}
    changed: dict[str, Any] = {
        name: whole_characters(value).replace("\0", "") if name in WORDS else storable(value)
        for name, value in said.items()
    }
    return item if said == changed else replace(item, **changed)


def _read(source: str, memory: Memory | None) -> Iterator[Item]:
    if source.lower().startswith(("http://", "https://")):
        from feature_pipeline.sources.web.site import read_address

        yield from read_address(source, memory=memory)
    else:
        from feature_pipeline.sources.files.paths import read_path

        yield from read_path(source)
