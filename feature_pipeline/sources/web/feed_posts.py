"""Posts of a feed: whole ones as they stand there, summaries completed from their pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from feature_pipeline.html.parser import Entry, ParseError, entries
from feature_pipeline.sources import Item, RawPost, Refusal, Unchanged
from feature_pipeline.sources.memory import Seen
from feature_pipeline.sources.text import web_address
from feature_pipeline.sources.web import feeds
from feature_pipeline.sources.web.address import canonical, common_host, host_of, key_of
from feature_pipeline.sources.web.fetch import FetchError, Page
from feature_pipeline.sources.web.page_posts import page_post
from feature_pipeline.sources.web.reading import Reading

TAG = re.compile(r"<[^<>]*>")


def feed_posts(reading: Reading, address: str, page: Page, by_address: bool = False) -> Iterator[Item]:
    """With its older pages, as long as they bring something new: first where the cap of the last run left them.

    `by_address`: name posts by their address, which stays when an old one leaves the feed for the sitemap.
    """
    first, asked, keys, refused = page, {address, page.url}, [], set()
    pages = f"{address}#older"
    left = reading.memory.left(pages)
    for start in dict.fromkeys((left, "")):
        older: Page | None = first
        there = start
        while older is not None and "page_cap" not in refused:
            page, older = older, None
            if page is not first or start == left:
                try:
                    listed = entries(page.content, page.content_type, page.url)
                except ParseError as error:
                    if page is first and not by_address:
                        raise FetchError("bad_feed", f"{page.url}: {error}") from error
                    yield reading.refuse(page.url, "bad_feed", str(error))
                    return
                if not by_address and page is first:
                    reading.host = common_host([entry.url for entry in listed]) or reading.host
                    if not listed:
                        yield reading.refuse(page.url, "empty", "the feed has no entries: give the address of the blog")
                new: dict[str, tuple[str, Entry]] = {}
                for entry in listed:
                    key, name = _name(reading, entry, by_address)
                    keys.append(key)
                    if key not in reading.seen:
                        new.setdefault(key, (name, entry))
                for item in _entries(reading, page, new):
                    refused |= {item.reason} if isinstance(item, Refusal) else set()
                    yield item
                if not new or "page_cap" in refused:
                    break
            try:
                older = _older(reading, page, asked, there)
            except FetchError as error:
                refused.add(error.reason)
                reading.whole = False
                yield reading.refuse(page.url, error.reason, f"its older entries: {error.detail}")
            there = ""
        if "page_cap" in refused and start == left:
            reading.memory.leave(pages, left if page is first else page.url)
    if refused <= {"empty"}:
        ids = dict.fromkeys(reading.given[key] for key in keys if key in reading.given)
        reading.visit.remember(address, first, [(reading.source, source_id) for source_id in ids])


def _older(reading: Reading, page: Page, asked: set[str], there: str) -> Page | None:
    """The page at `there`, or the next one of the feed, once. Raises FetchError where one was promised."""
    named = there or feeds.older(page.content, page.url)
    address = named or feeds.older_unnamed(page.content, page.url)
    if not address or address in asked:
        return None
    asked.add(address)
    if reading.used_up:
        raise FetchError("page_cap", f"{address} comes after {reading.requests} requests: the next run goes on there")
    reading.requests += 1
    try:
        older = reading.visit.get(address)
    except FetchError as error:
        # WordPress says so at the end.
        if error.reason == "not_found" and not named:
            return None
        raise
    if feeds.kind(older.content) != "feed":
        raise FetchError("bad_feed", f"{older.url} is none")
    return older


def _name(reading: Reading, entry: Entry, by_address: bool) -> tuple[str, str]:
    """What tells it from the others, and its id."""
    # A link to another's page names that page, not this post.
    own = by_address and entry.url and host_of(entry.url) == reading.host
    name = canonical(entry.url or "") if own else entry.id
    return (key_of(name) if web_address(name) else name), name


def _entries(reading: Reading, page: Page, new: dict[str, tuple[str, Entry]]) -> Iterator[Item]:
    """What is known already comes last, so that a cap does not keep us from the rest for ever."""
    unread = 0
    for key, (name, entry) in sorted(new.items(), key=lambda item: (item[1][1].url or "") in reading.memory.before):
        if reading.used_up and _is_own(reading, entry) and not entry.whole:
            unread += 1
            continue
        reading.seen.add(key)
        item = _entry(reading, entry, name)
        if not isinstance(item, Refusal):
            reading.given[key] = item.source_id
        yield item
    if unread:
        yield reading.refuse(page.url, "page_cap", f"{unread} entries are left: the next run goes on with them")


def _is_own(reading: Reading, entry: Entry) -> bool:
    return bool(entry.url) and host_of(entry.url or "") == reading.host


def _entry(reading: Reading, entry: Entry, source_id: str) -> RawPost | Refusal | Unchanged:
    """A summary is completed from its page, if the page is the blog's own: a link to another's is not."""
    own = _is_own(reading, entry)
    given = RawPost(
        reading.source,
        source_id,
        entry.title,
        entry.date,
        entry.url if own else None,
        entry.text,
        entry.markup,
        entry.author,
    )
    if own and not entry.whole:
        return _completed(reading, given)
    if not source_id or not entry.text.strip():
        return reading.refuse(source_id or reading.source, "empty", "the entry has no text, or nothing to name it by")
    return given


def _completed(reading: Reading, given: RawPost) -> RawPost | Refusal | Unchanged:
    """From its page, unless that says less than the summary, as the page of a program does."""
    page = page_post(reading, given.url or "", given.source_id)
    if isinstance(page, Unchanged):
        return page
    if isinstance(page, RawPost) and len(page.text.split()) > len(TAG.sub(" ", given.text).split()):
        return replace(
            page,
            title=given.title or page.title,
            date=given.date or page.date,
            author=given.author or page.author,
        )
    if isinstance(page, Refusal) and (page.reason != "empty" or not given.text.strip()):
        return page
    # What is stored is not what the page gave, so that nothing is known of the page.
    reading.memory.now[given.url or ""] = Seen()
    return given if given.text.strip() else reading.refuse(given.source_id, "empty", "neither feed nor page has text")
