"""Posts at a web address: one page, a feed, a platform, or a blog with its feeds and sitemaps."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from contracts.errors import SourceError
from feature_pipeline.html.parser import Entry, Facts, ParseError, entries
from feature_pipeline.html.parser import page as read_html
from feature_pipeline.sources import Complete, Item, RawPost, Refusal, Unchanged
from feature_pipeline.sources.files.paths import from_text
from feature_pipeline.sources.memory import Memory, Seen
from feature_pipeline.sources.text import decode, web_address
from feature_pipeline.sources.web import feeds
from feature_pipeline.sources.web import known_platforms as platforms
from feature_pipeline.sources.web.address import canonical, common_host, folder_of, host_of, is_root, key_of, ours
from feature_pipeline.sources.web.fetch import Fetcher, FetchError, Page
from feature_pipeline.sources.web.robots import HOPELESS, PAUSE_S
from feature_pipeline.sources.web.sitemaps import Sitemaps
from feature_pipeline.sources.web.visit import Visit
from feature_pipeline.sources.web.walls import blocked

# Requests a run, but for those that are answered by "as it was"; the next run goes on.
MAX_PAGES = 500
MAX_FEEDS = 5
# Posts that feeds may give in a run.
MAX_ENTRIES = 5_000
# Of a page that a blog lists: that it gives no post is known. With any other reason it may give one another time.
SETTLED = frozenset(("not_found", "gone", "off_site", "not_an_article", "empty", "not_text", "duplicate", "draft"))
SETTLED |= {"robots_disallowed"}
TAG = re.compile(r"<[^<>]*>")


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
            yield from items
            return
    yield from _Blog(url, visit, max_pages).items()


class _Blog:
    """One reading of one address, and what was seen there."""

    def __init__(self, source: str, visit: Visit, max_pages: int) -> None:
        self.source, self.visit, self.memory, self.max_pages = source, visit, visit.memory, max_pages
        self.seen: set[str] = set()
        self.given: dict[str, str] = {}
        """Ids of posts, by the keys of their addresses and by what their pages call their address."""
        self.host, self.prefix = "", "/"
        self.requests = self.entries = 0
        self.listed = False
        """By sitemaps that know all its posts."""
        self.whole = True
        """Nothing was left out or failed so far."""

    @property
    def used_up(self) -> bool:
        return self.requests >= self.max_pages

    def items(self) -> Iterator[Item]:
        try:
            page = self.visit.changed(self.source)
            if page is None:
                yield from self._unchanged(self.source)
            else:
                self.host, self.prefix = host_of(page.url), folder_of(page.url)
                yield from self._first(page)
        except FetchError as error:
            if error.reason in HOPELESS:
                raise
            yield self._lost(error)
        except ParseError as error:
            yield self._refuse(self.source, "quarantined", str(error))
        if self.listed and self.whole:
            yield Complete()

    def _first(self, page: Page) -> Iterator[Item]:
        """The address may name a feed, a sitemap, a post or a blog: its content says which."""
        listed = feeds.kind(page.content)
        if self.source in self.memory.before and _is_front(self.source, page):
            raise FetchError("not_found", f"{self.source} was a post, and leads to the front page")
        if listed == "feed":
            yield from self._feed(self.source, page)
        elif listed:
            yield from self._pages(Sitemaps(self.visit).take(page))
        elif page.content_type in ("text/plain", "text/markdown", "text/x-markdown"):
            item = from_text(_text(page), PurePosixPath(urlsplit(page.url).path), self.source, canonical(page.url))
            yield self._only(page, replace(item, url=item.url or page.url) if isinstance(item, RawPost) else item)
        else:
            html = _text(page)
            text, found = read_html(html, page.url)
            if blocked(found):
                raise FetchError("blocked_page", f"{page.url} shows a wall instead of the page")
            if found.article and not is_root(page.url):
                yield self._only(page, self._post(page, text, found))
            else:
                yield from self._site(page, html, text, found)

    def _only(self, page: Page, item: RawPost | Refusal) -> RawPost | Refusal:
        if isinstance(item, RawPost):
            self.visit.remember(self.source, page, [(item.source, item.source_id)])
        return item

    def _lost(self, error: FetchError) -> Refusal:
        """If the address was one post's, what became of it became of the post. A feed that is gone takes none along."""
        posts = self.memory.before.get(self.source, Seen()).posts
        source_id = posts[0][1] if len(posts) == 1 else self.source
        if error.reason == "gone":
            self.memory.now[self.source] = Seen()
        if error.reason in ("not_found", "gone") and key_of(source_id) != key_of(self.source):
            try:
                self.visit.get(source_id)
                source_id = self.source
            except FetchError as other:
                source_id = source_id if other.reason == error.reason else self.source
        return self._refuse(source_id, error.reason, error.detail)

    def _unchanged(self, address: str) -> Iterator[Unchanged]:
        """What the last run found there."""
        self.memory.now[address] = self.memory.before[address]
        for source, source_id in self.memory.before[address].posts:
            key = key_of(source_id) if web_address(source_id) else source_id
            self.seen.add(key)
            if key not in self.given:
                self.given[key] = source_id
                yield Unchanged(source, source_id)

    # ---- a site -----------------------------------------------------------------------------------------------------

    def _site(self, page: Page, html: str, text: str, found: Facts) -> Iterator[Item]:
        """What its platform lists; where that is closed, a blog as any other."""
        for name, api in platforms.found_in(html, page.url):
            items = platforms.unless_closed(platforms.posts(name, self.visit, page.url, api))
            if items is not None:
                yield from items
                return
            # Posts have other names there: what is missing here may be open again tomorrow.
            self.whole = False
        yield from self._blog(page, text, found)

    def _blog(self, page: Page, text: str, found: Facts) -> Iterator[Item]:
        """Feeds first, as they say most of each post; then what only the sitemaps know."""
        any_feed = failed = False
        for address in found.feeds[:MAX_FEEDS]:
            before = len(self.seen)
            try:
                feed = self.visit.changed(address)
            except FetchError as error:
                self.whole, failed = False, failed or error.reason not in SETTLED
                yield self._refuse(address, error.reason, error.detail)
                continue
            if feed is None:
                any_feed = True
                yield from self._unchanged(address)
            elif feeds.kind(feed.content) == "feed":
                any_feed = True
                yield from self._feed(address, feed, by_address=True)
            else:
                yield self._refuse(address, "bad_feed", "the page calls it a feed, but it is none")
            # An empty feed, or one that says nothing new, cannot vouch for the sitemaps.
            self.whole &= len(self.seen) > before or before > 0
        sitemaps = Sitemaps(self.visit).of_site(page.url)
        failed = failed or bool(sitemaps.troubles)
        if any_feed or failed or ours(list(sitemaps.places), self.host, self.prefix):
            yield from self._pages(sitemaps, key_of(page.url))
        elif found.article or (found.words and found.link_words * 2 < found.words):
            yield self._post(page, text, found)
        else:
            raise SourceError(
                f"{page.url} has no feed, no sitemap and no article", "give the address of its feed, or of one post"
            )

    # ---- feeds ------------------------------------------------------------------------------------------------------

    def _feed(self, address: str, page: Page, by_address: bool = False) -> Iterator[Item]:
        """With its older pages, as long as they bring something new.

        `by_address`: name posts by their address, which stays when an old one leaves the feed for the sitemap.
        """
        first, asked, keys, refused = page, {address, page.url}, [], set()
        older: Page | None = page
        while older is not None:
            page, older = older, None
            try:
                listed = entries(page.content, page.content_type, page.url)
            except ParseError as error:
                yield self._refuse(page.url, "bad_feed", str(error))
                return
            if not by_address and page is first:
                self.host = common_host([entry.url for entry in listed]) or self.host
                if not listed:
                    yield self._refuse(page.url, "empty", "the feed has no entries")
            new: dict[str, tuple[str, Entry]] = {}
            for entry in listed:
                key, name = self._name(entry, by_address)
                keys.append(key)
                if key not in self.seen:
                    new.setdefault(key, (name, entry))
            for item in self._entries(page, new):
                refused |= {item.reason} if isinstance(item, Refusal) else set()
                yield item
            if new and "page_cap" not in refused:
                try:
                    older = self._older(page, asked)
                except FetchError as error:
                    refused.add(error.reason)
                    self.whole = False
                    yield self._refuse(page.url, error.reason, f"its older entries: {error.detail}")
        if refused <= {"empty"}:
            ids = dict.fromkeys(self.given[key] for key in keys if key in self.given)
            self.visit.remember(address, first, [(self.source, source_id) for source_id in ids])

    def _older(self, page: Page, asked: set[str]) -> Page | None:
        """The next page of the feed, once. Raises FetchError where one was promised."""
        named = feeds.older(page.content, page.url)
        address = named or feeds.older_unnamed(page.content, page.url)
        if not address or address in asked:
            return None
        asked.add(address)
        if self.used_up or self.entries >= MAX_ENTRIES:
            raise FetchError("page_cap", f"{address} comes after {self.requests} requests and {self.entries} posts")
        self.requests += 1
        try:
            older = self.visit.get(address)
        except FetchError as error:
            # WordPress says so at the end.
            if error.reason == "not_found" and not named:
                return None
            raise
        if feeds.kind(older.content) != "feed":
            raise FetchError("bad_feed", f"{older.url} is none")
        return older

    def _name(self, entry: Entry, by_address: bool) -> tuple[str, str]:
        """What tells it from the others, and its id."""
        # A link to another's page names that page, not this post.
        own = by_address and entry.url and host_of(entry.url) == self.host
        name = canonical(entry.url or "") if own else entry.id
        return (key_of(name) if web_address(name) else name), name

    def _entries(self, page: Page, new: dict[str, tuple[str, Entry]]) -> Iterator[Item]:
        """What is known already comes last, so that a cap does not keep us from the rest for ever."""
        unread = unlisted = 0
        for key, (name, entry) in sorted(new.items(), key=lambda item: (item[1][1].url or "") in self.memory.before):
            if self.entries >= MAX_ENTRIES:
                unlisted += 1
                continue
            if self.used_up and self._is_own(entry) and not entry.whole:
                unread += 1
                continue
            self.seen.add(key)
            self.entries += 1
            item = self._entry(entry, name)
            if not isinstance(item, Refusal):
                self.given[key] = item.source_id
            yield item
        if unlisted:
            yield self._refuse(page.url, "page_cap", f"{unlisted} entries come after the first {MAX_ENTRIES:,}")
        if unread:
            yield self._refuse(page.url, "page_cap", f"{unread} entries are left: the next run goes on with them")

    def _is_own(self, entry: Entry) -> bool:
        return bool(entry.url) and host_of(entry.url or "") == self.host

    def _entry(self, entry: Entry, source_id: str) -> RawPost | Refusal | Unchanged:
        """A summary is completed from its page, if the page is the blog's own: a link to another's is not."""
        own = self._is_own(entry)
        given = RawPost(
            self.source,
            source_id,
            entry.title,
            entry.date,
            entry.url if own else None,
            entry.text,
            entry.markup,
            entry.author,
        )
        if own and not entry.whole:
            return self._completed(given)
        if not source_id or not entry.text.strip():
            return self._refuse(source_id or self.source, "empty", "the entry has no text, or nothing to name it by")
        return given

    def _completed(self, given: RawPost) -> RawPost | Refusal | Unchanged:
        """From its page, unless that says less than the summary, as the page of a program does."""
        page = self._page(given.url or "", given.source_id)
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
        self.memory.now[given.url or ""] = Seen()
        return given if given.text.strip() else self._refuse(given.source_id, "empty", "neither feed nor page has text")

    # ---- pages ------------------------------------------------------------------------------------------------------

    def _pages(self, sitemaps: Sitemaps, root: str = "") -> Iterator[Item]:
        """What the sitemaps list and the feeds did not give; what its date says is as it was is not asked for."""
        for address, reason, detail in sitemaps.troubles:
            yield self._refuse(address, reason, detail)
        addresses = ours(list(sitemaps.places), self.host, self.prefix)
        # What a feed gives and the sitemaps do not list shows that they do not list everything.
        self.listed = bool(addresses) and sitemaps.whole and self.seen <= {key_of(address) for address in addresses}
        self.seen.add(root)
        to_read = []
        for address in addresses:
            key, changed = key_of(address), sitemaps.places[address]
            before = self.memory.before.get(address)
            if key in self.seen:
                if changed and key in self.given:
                    read = self.memory.now.get(address, Seen())
                    self.memory.now[address] = replace(read, listed=changed, posts=((self.source, self.given[key]),))
            elif changed and before is not None and before.listed == changed:
                self.seen.add(key)
                yield from self._unchanged(address)
            else:
                to_read.append(address)
        yield from self._read(self._new_first(to_read), sitemaps.places)

    def _new_first(self, addresses: list[str]) -> list[str]:
        """Then what is known, in chance order: where a run cannot ask for all of it, each has its turn."""
        known = [address for address in addresses if address in self.memory.before]
        random.shuffle(known)
        return [address for address in addresses if address not in self.memory.before] + known

    def _read(self, addresses: list[str], changed: dict[str, str]) -> Iterator[Item]:
        for number, address in enumerate(addresses):
            key = key_of(address)
            if key in self.seen:
                continue
            if self.used_up or self.visit.given_up:
                reason = "page_cap" if self.used_up else "deferred"
                left = f"{len(addresses) - number} addresses are left: the next run goes on with them"
                yield self._refuse(address, reason, left)
                return
            self.seen.add(key)
            item = self._page(address, canonical(address), changed[address], listed=True)
            if item is not None:
                yield item

    def _page(
        self, address: str, source_id: str, changed: str = "", listed: bool = False
    ) -> RawPost | Refusal | Unchanged | None:
        """None for what gave no post before and is as it was. `listed`: by a sitemap, which may list lists as well."""
        before = self.memory.before.get(address, Seen())
        self.requests += 1
        try:
            page = self.visit.changed(address)
            if page is None:
                self.requests -= 1
                self.memory.now[address] = replace(before, listed=changed)
                self.given.update({key_of(name): name for _, name in before.posts})
                return Unchanged(*before.posts[0]) if before.posts else None
            if _is_front(address, page):
                raise FetchError("not_found", f"{address} leads to the front page")
            item = self._read_page(page, source_id, listed)
        except FetchError as error:
            if error.reason in SETTLED:
                self.memory.now[address] = Seen() if error.reason == "gone" else before
            return self._refuse(before.posts[0][1] if before.posts else source_id, error.reason, error.detail)
        except ParseError as error:
            return self._refuse(source_id, "quarantined", str(error))
        if isinstance(item, RawPost):
            self.visit.remember(address, page, [(item.source, item.source_id)], changed)
        elif item.reason == "not_an_article":
            self.visit.remember(address, page, [], changed)
        elif item.reason in SETTLED:
            self.memory.now[address] = Seen()
        return item

    def _read_page(self, page: Page, source_id: str, listed: bool) -> RawPost | Refusal:
        if host_of(page.url) != self.host:
            return self._refuse(source_id, "off_site", f"it leads to {page.url}")
        text, found = read_html(_text(page), page.url)
        if blocked(found):
            return self._refuse(source_id, "blocked_page", f"{page.url} shows a wall instead of the page")
        if listed and not found.article and found.link_words * 2 > found.words:
            return self._refuse(source_id, "not_an_article", f"{page.url} is mostly links")
        if not text.strip():
            return self._refuse(source_id, "empty", f"{page.url} shows no text to a program")
        same = self._same(found, source_id) if listed else ""
        if same:
            return self._refuse(source_id, "duplicate", f"{page.url} says that it is {found.url}, which was read")
        self.given[key_of(source_id)] = source_id
        return self._post(page, text, found, source_id)

    def _same(self, found: Facts, source_id: str) -> str:
        """The post that was read at another address of the page. All pages of some blogs say that they are the first."""
        if not found.url or host_of(found.url) != self.host or is_root(found.url):
            return ""
        key = key_of(found.url)
        if key in self.given and key != key_of(source_id):
            return self.given[key]
        named = self.given.setdefault(f"{key} {found.title}", source_id)
        return named if named != source_id else ""

    def _post(self, page: Page, text: str, found: Facts, source_id: str = "") -> RawPost:
        url = found.url if found.url and host_of(found.url) == host_of(page.url) else page.url
        return RawPost(
            self.source, source_id or canonical(url), found.title, found.date, url, text, "article", found.author
        )

    def _refuse(self, source_id: str, reason: str, detail: str = "") -> Refusal:
        self.whole &= reason in SETTLED
        return Refusal(self.source, source_id, reason, detail)


def _text(page: Page) -> str:
    text = decode(page.content, page.charset)
    if text is None:
        raise FetchError("not_text", f"{page.url} is no text ({page.content_type or 'of unknown type'})")
    return text


def _is_front(address: str, page: Page) -> bool:
    """Whether it leads to the front page, as many sites answer for what is no more."""
    return is_root(page.url) and not is_root(address)
