"""Readers: each turns one kind of source into posts, or into a refusal that says why there is none.

They know nothing of the feature store, and clean nothing: what they yield is what the source says.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class RawPost:
    """A post as its source gave it. `markup` says how `text` is to be cleaned."""

    source: str
    source_id: str
    title: str
    date: dt.date | None
    url: str | None
    text: str
    markup: str
    """"markdown", "html" or "plain"."""
    author: str | None = None
    """Who the source says wrote it; the post belongs to the author whom the person named."""


@dataclass(frozen=True)
class Refusal:
    """Something in the source that yields no post, with the reason as a word and as a sentence."""

    source: str
    source_id: str
    reason: str
    """One word for the report, such as `empty`, `draft`, `bad_front_matter`, `blocked_page`."""
    detail: str = ""


Item = RawPost | Refusal


def read(source: str) -> Iterator[Item]:
    """Posts of a folder, a file, a page, a feed or a blog's address. Raises SourceError where it cannot be read at all."""
    if source.startswith(("http://", "https://")):
        from feature_pipeline.sources.web import read_address

        yield from read_address(source)
    else:
        from feature_pipeline.sources.files import read_path

        yield from read_path(source)
