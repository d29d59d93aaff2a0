"""One reading of one address: what was seen there so far, and whether that may be everything."""

from __future__ import annotations

from collections.abc import Iterator

from feature_pipeline.sources import Refusal, Unchanged
from feature_pipeline.sources.text import web_address
from feature_pipeline.sources.web.address import key_of
from feature_pipeline.sources.web.visit import Visit

# Of a page that a blog lists: that it gives no post is known. With any other reason it may give one another time.
SETTLED = frozenset(("not_found", "gone", "off_site", "not_an_article", "empty", "not_text", "duplicate", "draft"))
SETTLED |= {"robots_disallowed"}
# It may give one another time, and what was stored of it stays until then; but that it is listed was learned. With any other
# reason (a time-out, a server's error, a cap, unknown rules) nothing was.
LISTED = SETTLED | {"blocked_page", "too_large", "quarantined"}


class Reading:
    """Shared by what reads the feeds and what reads the pages of a site. Asks for nothing itself."""

    def __init__(self, source: str, visit: Visit, max_pages: int) -> None:
        self.source, self.visit, self.memory, self.max_pages = source, visit, visit.memory, max_pages
        self.seen: set[str] = set()
        """Keys of addresses, and ids of entries that have none."""
        self.given: dict[str, str] = {}
        """Ids of posts, by the keys of their addresses and by what their pages call their address."""
        self.host, self.prefix = "", "/"
        self.requests = 0
        self.listed = False
        """By sitemaps that know all its posts."""
        self.whole = True
        """Nothing was left out or failed so far."""
        self.turned_away = 0
        """Pages that gave posts once, and lead to the front page now."""

    @property
    def used_up(self) -> bool:
        return self.requests >= self.max_pages

    @property
    def closed(self) -> bool:
        """Most of what was read before leads to the front page now: a site that lets nobody in has deleted nothing."""
        known = sum(bool(seen.posts) for seen in self.memory.before.values())
        return self.turned_away > 1 and 2 * self.turned_away > known

    def refuse(self, source_id: str, reason: str, detail: str = "") -> Refusal:
        self.whole &= reason in LISTED
        return Refusal(self.source, source_id, reason, detail)

    def unchanged(self, address: str) -> Iterator[Unchanged]:
        """What the last run found there."""
        self.memory.now[address] = self.memory.before[address]
        for source, source_id in self.memory.before[address].posts:
            key = key_of(source_id) if web_address(source_id) else source_id
            self.seen.add(key)
            if key not in self.given:
                self.given[key] = source_id
                yield Unchanged(source, source_id)
