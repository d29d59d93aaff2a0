"""Posts at a web address: one page, a feed, a platform, or a blog with its feeds and sitemaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from contracts.errors import SourceError
from feature_pipeline.html.parser import Facts, ParseError, facts
from feature_pipeline.html.parser import page as read_html
from feature_pipeline.sources import Complete, Item, RawPost, Refusal, Unread
from feature_pipeline.sources.files.post_file import from_text
from feature_pipeline.sources.memory import Memory, Seen
from feature_pipeline.sources.web import feeds
from feature_pipeline.sources.web import known_platforms as platforms
from feature_pipeline.sources.web.address import canonical, folder_of, host_of, is_root, key_of, leads_on, ours
from feature_pipeline.sources.web.feed_posts import feed_posts
from feature_pipeline.sources.web.fetch import Fetcher, FetchError, Page
from feature_pipeline.sources.web.page_posts import leads_to_front, listed_pages, post_of, text_of
from feature_pipeline.sources.web.reading import SETTLED, Reading
from feature_pipeline.sources.web.robots import HOPELESS, PAUSE_S
from feature_pipeline.sources.web.sitemaps import Sitemaps
from feature_pipeline.sources.web.visit import Visit
from feature_pipeline.sources.web.walls import blocked

# Requests a run, but for those that are answered by "as it was"; the next run goes on.
MAX_PAGES = 500
MAX_FEEDS = 5
MAX_IN_VAIN = 3  # pages of older posts in a row that show none
NOTHING = "give the address of its feed, or of one post, or an export: what a page makes by JavaScript is not seen"


def read_address(
    url: str,
    fetcher: Fetcher | None = None,
    memory: Memory | None = None,
    max_pages: int = MAX_PAGES,
    pause_s: float = PAUSE_S,
) -> Iterator[Item]:
    """Raises SourceError where there is nothing to read; a page that cannot be read is a Refusal.

    What the last run learned and this one did not come to is kept in `memory.now`; what a complete one did not meet is not.
    """
    with fetcher or Fetcher() as open_fetcher:
        visit, whole = Visit(open_fetcher, memory, pause_s), False
        for item in _items(url, visit, max_pages):
            whole = isinstance(item, Complete)
            yield item
        for address, seen in visit.memory.before.items():
            visit.memory.now.setdefault(address, Seen() if whole else seen)


def _items(url: str, visit: Visit, max_pages: int) -> Iterator[Item]:
    for name in platforms.claimed_by(url):
        found = platforms.posts(name, visit, url)
        items = platforms.unless_other(found) if name == "mastodon" else found
        if items is not None:
            yield from platforms.unless_nothing(items)
            return
    yield from _what_is_there(Reading(url, visit, max_pages))


def _what_is_there(reading: Reading) -> Iterator[Item]:
    try:
        page = reading.visit.changed(reading.source)
        if page is None:
            yield from reading.unchanged(reading.source)
        else:
            reading.host, reading.prefix = host_of(page.url), folder_of(page.url)
            yield from _first(reading, page)
    except FetchError as error:
        if error.reason in HOPELESS:
            raise
        yield _lost(reading, error)
    except ParseError as error:
        yield Unread(reading.source, reading.source, "quarantined", str(error))
    if reading.listed and reading.whole and not reading.closed:
        yield Complete()


def _first(reading: Reading, page: Page) -> Iterator[Item]:
    """The address may name a feed, a sitemap, a post or a blog: its content says which."""
    listed = feeds.kind(page.content)
    if reading.source in reading.memory.before and leads_to_front(reading.source, page):
        raise FetchError("not_found", f"{reading.source} was a post, and leads to the front page")
    if listed == "feed":
        yield from feed_posts(reading, reading.source, page)
    elif listed:
        yield from listed_pages(reading, Sitemaps(reading.visit).take(page))
    elif page.content_type in ("text/plain", "text/markdown", "text/x-markdown"):
        item = from_text(text_of(page), PurePosixPath(urlsplit(page.url).path), reading.source, canonical(page.url))
        yield _only(reading, page, replace(item, url=item.url or page.url) if isinstance(item, RawPost) else item)
    else:
        html = text_of(page)
        text, found = read_html(html, page.url)
        if blocked(found):
            raise FetchError("blocked_page", f"{page.url} shows a wall instead of the page")
        if found.article and not is_root(page.url):
            yield _only(reading, page, post_of(reading, page, text, found))
        else:
            yield from _site(reading, page, html, text, found)


def _only(reading: Reading, page: Page, item: RawPost | Refusal) -> RawPost | Refusal:
    if isinstance(item, RawPost):
        reading.visit.remember(reading.source, page, [(item.source, item.source_id)])
    return item


def _lost(reading: Reading, error: FetchError) -> Unread:
    """If the address was one post's, what became of it became of the post. A feed that is gone takes none along."""
    posts = reading.memory.before.get(reading.source, Seen()).posts
    source_id = posts[0][1] if len(posts) == 1 else reading.source
    if error.reason == "gone":
        reading.memory.now[reading.source] = Seen()
    if error.reason in ("not_found", "gone") and key_of(source_id) != key_of(reading.source):
        try:
            reading.visit.get(source_id)
            source_id = reading.source
        except FetchError as other:
            source_id = source_id if other.reason == error.reason else reading.source
    return Unread(reading.source, source_id, error.reason, f"{error.detail}; {error.hint}")


def _site(reading: Reading, page: Page, html: str, text: str, found: Facts) -> Iterator[Item]:
    """What its platform lists; where that is closed, a blog as any other."""
    for name, api in platforms.found_in(html, page.url):
        items = platforms.unless_closed(platforms.posts(name, reading.visit, page.url, api))
        if items is not None:
            yield from items
            return
        # Posts have other names there: what is missing here may be open again tomorrow.
        reading.whole = False
    yield from _blog(reading, page, text, found)


def _add_older(reading: Reading, sitemaps: Sitemaps, found: Facts, first: str) -> None:
    """Where no sitemap says what there is: what the page at `first` leads to, and each page of older posts after it.
    Some blogs lead from post to post: those are told, as pages that list posts are not.

    As many as leave requests for their posts; the next run goes on there. Never all that there is: what such a page does
    not show may stand elsewhere. What says nothing new a few times in a row is a calendar, or a server's only answer.
    """
    asked: set[str] = set()
    rows = {first, f"{first}?page=1"}
    new: set[str] = set()
    met: set[str] = set()
    itself: list[str] = []
    in_vain = 0
    sitemaps.whole = False
    there, half = f"{reading.source}#older", (reading.requests + reading.max_pages) // 2
    here = older = reading.memory.left(there) or found.older
    while True:
        links = [link for link in (*itself, *found.links) if link not in rows]
        sitemaps.places.update(dict.fromkeys(links, ""))
        for row in rows | ({older} - asked):
            sitemaps.places.pop(row, None)
        listed = set(ours(links, reading.host, reading.prefix)) - {older}
        in_vain = in_vain + 1 if listed <= met else 0
        met |= listed
        shown = listed - reading.memory.before.keys()
        new |= {address for address in shown if key_of(address) not in reading.seen}
        if not older or older in asked or host_of(older) != reading.host or in_vain >= MAX_IN_VAIN:
            return
        full = reading.requests + len(new) >= reading.max_pages
        try:
            if full or reading.requests >= half:
                reading.memory.leave(there, here if full else older)
                raise FetchError("page_cap", f"it comes after {reading.requests} requests: the next run goes on there")
            asked.add(older)
            reading.requests += 1
            page = reading.visit.get(older)
            found = facts(text_of(page), page.url)
        except (FetchError, ParseError) as error:
            told = (error.reason, error.detail) if isinstance(error, FetchError) else ("quarantined", str(error))
            sitemaps.troubles.append((older, *told))
            return
        # What is asked for by a query is a page of the row, even where it marks the one post that it shows.
        itself = [older] if found.article and not found.listing and not urlsplit(older).query else []
        rows |= {older}.difference(itself)
        here, older = older, found.older


def _blog(reading: Reading, page: Page, text: str, found: Facts) -> Iterator[Item]:
    """Feeds first, as they say most of each post; then what only the sitemaps know, or the pages of older posts."""
    any_feed = failed = False
    for address in found.feeds[:MAX_FEEDS]:
        before = len(reading.seen)
        try:
            feed = reading.visit.changed(address)
        except FetchError as error:
            reading.whole, failed = False, failed or error.reason not in SETTLED
            yield reading.refuse(address, error.reason, error.detail)
            continue
        if feed is None:
            any_feed = True
            yield from reading.unchanged(address)
        elif feeds.kind(feed.content) == "feed":
            any_feed = True
            yield from feed_posts(reading, address, feed, by_address=True)
        else:
            yield reading.refuse(address, "bad_feed", "the page calls it a feed, but it is none")
        # An empty feed, or one that says nothing new, cannot vouch for the sitemaps.
        reading.whole &= len(reading.seen) > before or before > 0
    sitemaps = Sitemaps(reading.visit).of_site(page.url)
    failed = failed or bool(sitemaps.troubles)
    # A post may lead to the next one as a list of posts does: without a feed, it must look like a list, or lead as one.
    in_a_row = found.older and (found.listing or is_root(page.url) or leads_on(page.url, found.older))
    if (any_feed or in_a_row) and not sitemaps.places:
        _add_older(reading, sitemaps, found, page.url)
    if any_feed or failed or ours(list(sitemaps.places), reading.host, reading.prefix):
        yield from listed_pages(reading, sitemaps, key_of(page.url))
    elif found.listing:
        what = "lists posts, and none that is known to be the writer's: give the address of a feed, or of one post"
        yield reading.refuse(page.url, "not_an_article", f"{page.url} {what}")
    elif found.article or (found.words and found.link_words * 2 < found.words):
        yield post_of(reading, page, text, found)
    else:
        what = "has no feed, no sitemap and no article" if page.content.strip() else "answers with an empty page"
        raise SourceError(f"{page.url} {what}", NOTHING)
