"""Posts at a web address: one page, a feed, or a blog with its feeds and sitemaps."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from urllib.parse import urljoin, urlsplit

from contracts.errors import SourceError
from feature_pipeline.parser import Entry, Facts, ParseError, entries, facts
from feature_pipeline.sources import Found, Item, RawPost, Refusal, feeds
from feature_pipeline.sources.fetch import Fetcher, FetchError, Page
from feature_pipeline.sources.files import from_text
from feature_pipeline.sources.memory import Memory
from feature_pipeline.sources.robots import HOPELESS
from feature_pipeline.sources.text import decode, web_address
from feature_pipeline.sources.visit import Visit

MAX_PAGES = 500
MAX_FEEDS = 5
MAX_SITEMAPS = 20
# A wall says little: a post about Cloudflare or passwords says more than this.
WALL_WORDS = 200
WALL = re.compile(
    r"just a moment\s*(?:\.\.\.|…)|verify (?:that )?you are (?:a )?human|are you a (?:human|robot)"
    r"|checking your browser|enable javascript and cookies|attention required!|please (?:enable|accept) cookies"
    r"|unusual traffic from your"
    r"|before you continue to|pardon our interruption|ddos protection by|complete the (?:captcha|security check)"
    r"|access (?:to this page has been )?denied|request unsuccessful\. incapsula|confirm (?:that )?you are human",
    re.IGNORECASE,
)
LOGIN = re.compile(r"\b(?:log|sign) ?in\b|\blogin\b|subscribers only|member[- ]only|your password", re.IGNORECASE)


def read_address(url: str, fetcher: Fetcher | None = None, memory: Memory | None = None) -> Iterator[Item]:
    """Raises SourceError where there is nothing to read; a page that cannot be read is a Refusal."""
    with fetcher or Fetcher() as open_fetcher:
        yield from _Blog(url, Visit(open_fetcher, memory)).items()


def blocked(page: Facts) -> bool:
    """Whether a page that answers 200 is a bot wall, a login or a cookie page instead of what was asked for."""
    if page.words > WALL_WORDS:
        return False
    said = f"{page.title}\n{page.opening}"
    return bool(WALL.search(said)) or (page.password and bool(LOGIN.search(said)) and not page.article)


class _Blog:
    """One reading of one address, and what was seen there."""

    def __init__(self, source: str, visit: Visit) -> None:
        self.source, self.visit = source, visit
        self.seen: set[str] = set()
        self.host, self.prefix = "", "/"
        self.troubles: list[Refusal] = []

    def items(self) -> Iterator[Item]:
        try:
            page = self.visit.get(self.source)
            self.host, self.prefix = _host(page.url), _folder(page.url)
            yield from self._first(page)
            yield from self.troubles
        except FetchError as error:
            if error.reason in HOPELESS:
                raise
            yield self._refuse(self.source, error.reason, error.detail)
        except ParseError as error:
            yield self._refuse(self.source, "quarantined", str(error))

    def _first(self, page: Page) -> Iterator[Item]:
        """The address may name a feed, a sitemap, a post or a blog: its content says which."""
        listed = feeds.kind(page.content)
        if listed == "feed":
            yield from self._feed(page)
        elif listed:
            yield from self._pages(self._ours(self._sitemap(page)))
        elif page.content_type in ("text/plain", "text/markdown", "text/x-markdown"):
            item = from_text(_text(page), PurePosixPath(urlsplit(page.url).path), self.source, _canonical(page.url))
            yield replace(item, url=item.url or page.url) if isinstance(item, RawPost) else item
        else:
            html = _text(page)
            found = facts(html, page.url)
            if blocked(found):
                raise FetchError("blocked_page", f"{page.url} shows a wall instead of the page")
            if found.article and not _is_root(page.url):
                yield self._post(page, html, found)
            else:
                yield from self._blog(page, html, found)

    def _blog(self, page: Page, html: str, found: Facts) -> Iterator[Item]:
        """Feeds first, as they say most of each post; then what only the sitemaps know."""
        any_feed = False
        for address in found.feeds[:MAX_FEEDS]:
            try:
                feed = self.visit.get(address)
            except FetchError as error:
                yield self._refuse(address, error.reason, error.detail)
                continue
            if feeds.kind(feed.content) == "feed":
                any_feed = True
                yield from self._feed(feed, by_address=True)
            else:
                yield self._refuse(address, "bad_feed", "the page calls it a feed, but it is none")
        sitemap = self._ours(self._sitemaps(page.url))
        if any_feed or sitemap:
            self.seen.add(_key(page.url))
            yield from self._pages(sitemap)
        elif found.article or (found.words and found.link_words * 2 < found.words):
            yield self._post(page, html, found)
        else:
            raise SourceError(
                f"{page.url} has no feed, no sitemap and no article", "give the address of its feed, or of one post"
            )

    def _feed(self, page: Page, by_address: bool = False) -> Iterator[Item]:
        """`by_address`: name posts by their address, which stays when an old one leaves the feed for the sitemap."""
        try:
            listed = entries(page.content, page.content_type, page.url)
        except ParseError as error:
            yield self._refuse(page.url, "bad_feed", str(error))
            return
        if not by_address:
            self.host = _common_host(listed) or self.host
        if not listed and not by_address:
            yield self._refuse(page.url, "empty", "the feed has no entries")
        for number, entry in enumerate(listed):
            # A link to another's page names that page, not this post.
            name = _canonical(entry.url) if by_address and entry.url and _host(entry.url) == self.host else ""
            key = _key(name) if name else entry.id
            if key in self.seen:
                continue
            if len(self.seen) >= MAX_PAGES:
                yield self._refuse(page.url, "page_cap", f"{len(listed) - number} entries after the first {MAX_PAGES}")
                return
            self.seen.add(key)
            yield self._entry(entry, name or entry.id)

    def _entry(self, entry: Entry, source_id: str) -> Found:
        """A summary is completed from its page, if the page is the blog's own: a link to another's is not."""
        own = bool(entry.url) and _host(entry.url or "") == self.host
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

    def _completed(self, given: RawPost) -> Found:
        """From its page, unless that says less than the summary, as the page of a program does."""
        if self.visit.given_up:
            return self._refuse(given.source_id, "deferred", "its host failed too often in this run")
        page = self._page(given.url or "", given.source_id)
        if isinstance(page, RawPost) and len(page.text.split()) > len(given.text.split()):
            return replace(
                page,
                title=given.title or page.title,
                date=given.date or page.date,
                author=given.author or page.author,
            )
        says_less = isinstance(page, RawPost) or page.reason == "empty"
        return given if says_less and given.text.strip() else page

    def _pages(self, addresses: list[str]) -> Iterator[Item]:
        for number, address in enumerate(addresses):
            if _key(address) in self.seen:
                continue
            if len(self.seen) >= MAX_PAGES or self.visit.given_up:
                reason = "page_cap" if len(self.seen) >= MAX_PAGES else "deferred"
                yield self._refuse(address, reason, f"{len(addresses) - number} addresses are left for another run")
                return
            self.seen.add(_key(address))
            yield self._page(address, _canonical(address), listed=True)

    def _page(self, address: str, source_id: str, listed: bool = False) -> Found:
        """`listed`: a sitemap names it, so it may as well be a list of posts."""
        try:
            page = self.visit.get(address)
            if _host(page.url) != self.host:
                return self._refuse(source_id, "off_site", f"{address} leads to {page.url}")
            html = _text(page)
            found = facts(html, page.url)
        except FetchError as error:
            return self._refuse(source_id, error.reason, error.detail)
        except ParseError as error:
            return self._refuse(source_id, "quarantined", str(error))
        if blocked(found):
            return self._refuse(source_id, "blocked_page", f"{page.url} shows a wall instead of the page")
        if not found.words:
            return self._refuse(source_id, "empty", f"{page.url} shows no text to a program")
        if listed and not found.article and found.link_words * 2 > found.words:
            return self._refuse(source_id, "not_an_article", f"{page.url} is mostly links")
        return self._post(page, html, found, source_id)

    def _post(self, page: Page, html: str, found: Facts, source_id: str = "") -> RawPost:
        url = found.url if found.url and _host(found.url) == _host(page.url) else page.url
        return RawPost(
            self.source, source_id or _canonical(url), found.title, found.date, url, html, "html", found.author
        )

    def _sitemaps(self, url: str) -> list[str]:
        """Addresses of pages from the sitemaps that robots.txt names, or else from the usual place."""
        found: list[str] = []
        for address in (self.visit.robots.sitemaps(url) or [urljoin(url, "/sitemap.xml")])[:MAX_SITEMAPS]:
            page = self._list(address)
            found += self._sitemap(page) if page else []
        return list(dict.fromkeys(found))

    def _sitemap(self, page: Page, inner: bool = False) -> list[str]:
        """What it lists, through one level of index: more is not in the protocol, and may be a trap."""
        try:
            data = feeds.unpacked(page.content)
            kind, places = feeds.kind(data), feeds.locations(data, page.url)
        except feeds.BadListError as error:
            self.troubles.append(self._refuse(page.url, "bad_sitemap", str(error)))
            return []
        if kind != "index":
            return places
        pages = [] if inner else [self._list(place) for place in places[:MAX_SITEMAPS]]
        return [place for part in pages if part for place in self._sitemap(part, inner=True)]

    def _list(self, address: str) -> Page | None:
        """A sitemap, if there is one."""
        try:
            page = self.visit.get(address)
        except FetchError as error:
            if error.reason not in ("not_found", "gone", "http_error"):
                self.troubles.append(self._refuse(address, error.reason, error.detail))
            return None
        return page if feeds.kind(page.content) or page.content.startswith(b"\x1f\x8b") else None

    def _ours(self, addresses: list[str]) -> list[str]:
        """Those on the same host, without lists of tags or months as far as their address says."""
        from courlan import is_navigation_page, is_not_crawlable

        found = []
        for address in addresses:
            parts = urlsplit(address)
            path = f"{parts.scheme}://{parts.netloc}{parts.path}"
            listing = _is_root(address) or is_navigation_page(path) or is_not_crawlable(path)
            if web_address(address) and _host(address) == self.host and not listing:
                found.append(address)
        # A blog at /~ann/ does not own its host; one at /blog/ may have its posts elsewhere on it.
        under = [address for address in found if urlsplit(address).path.startswith(self.prefix)]
        return under if under or self.prefix.startswith(("/~", "/@")) else found

    def _refuse(self, source_id: str, reason: str, detail: str = "") -> Refusal:
        return Refusal(self.source, source_id, reason, detail)


def _text(page: Page) -> str:
    text = decode(page.content, page.charset)
    if text is None:
        raise FetchError("not_text", f"{page.url} is no text ({page.content_type or 'of unknown type'})")
    return text


def _host(url: str) -> str:
    """With the port; `www.` is the same site."""
    try:
        return urlsplit(url).netloc.lower().removeprefix("www.")
    except ValueError:
        return ""


def _is_root(url: str) -> bool:
    parts = urlsplit(url)
    return not parts.query and re.fullmatch(r"/?(?:index\.\w+)?", parts.path) is not None


def _folder(url: str) -> str:
    before, _, last = urlsplit(url).path.rpartition("/")
    return f"{before}/" if not last or "." in last else f"{before}/{last}/"


def _common_host(listed: list[Entry]) -> str:
    """Where most entries of a feed lead, as a feed may be kept on another host than its blog."""
    hosts = Counter(_host(entry.url) for entry in listed if entry.url)
    host, count = hosts.most_common(1)[0] if hosts else ("", 0)
    return host if count * 2 > len(listed) else ""


def _canonical(url: str) -> str:
    from courlan import clean_url

    return (clean_url(url.split("#")[0]) or url) if url else ""


def _key(url: str) -> str:
    """The same for addresses that lead to the same page."""
    return re.sub(r"\Ahttps?://(?:www\.)?|(?:/index\.html?|/)\Z", "", _canonical(url))
