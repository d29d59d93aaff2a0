"""A feed that was saved as a file: RSS, Atom or JSON Feed. What it leaves out is not looked for on the web."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from contracts.errors import SourceError
from feature_pipeline.html.parser import Entry, ParseError, entries
from feature_pipeline.sources import Found, RawPost, Refusal
from feature_pipeline.sources.web import feeds
from feature_pipeline.sources.web.feed_posts import TAG

HEAD_BYTES = 4_096
MAX_BYTES = 50_000_000
# Programs make summaries of 30 to 100 words where the feed does not say which field is the whole post.
SUMMARY_WORDS = 150


def is_feed(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return feeds.kind(file.read(HEAD_BYTES)) == "feed"
    except OSError:
        return False


def posts(path: Path) -> Iterator[Found]:
    """Never complete: a feed drops its oldest entries, and the posts stay. Raises SourceError for one that is no feed."""
    if path.stat().st_size > MAX_BYTES:
        raise SourceError(f"{path} is a feed of over {MAX_BYTES:,} bytes", "give the address of the blog")
    try:
        listed = entries(path.read_bytes(), "", "")
    except ParseError as error:
        raise SourceError(f"{path} looks like a feed, and cannot be read: {error}", "save it again") from error
    if not listed:
        yield Refusal(str(path), path.name, "empty", "the feed has no entries: give the address of the blog")
    for entry in {entry.id: entry for entry in reversed(listed)}.values():
        yield _post(entry, str(path))


def _post(entry: Entry, source: str) -> Found:
    if not entry.id or not entry.text.strip():
        return Refusal(source, entry.id or entry.title, "empty", "the entry has no text, or nothing to name it by")
    if not entry.whole and _may_be_cut(entry):
        return Refusal(source, entry.id, "summary", "the feed has its beginning only: give the address of the feed")
    return RawPost(source, entry.id, entry.title, entry.date, entry.url, entry.text, entry.markup, entry.author)


def _may_be_cut(entry: Entry) -> bool:
    """A note has no title, and its description is all of it."""
    words = len(TAG.sub(" ", entry.text).split())
    return bool(feeds.CUT.search(entry.text.strip())) or (bool(entry.title) and words < SUMMARY_WORDS)
