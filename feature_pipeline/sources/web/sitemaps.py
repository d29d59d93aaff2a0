"""The addresses that a site's sitemaps list, and whether that is all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urljoin

from feature_pipeline.sources.web import feeds
from feature_pipeline.sources.web.fetch import FetchError, Page
from feature_pipeline.sources.web.visit import Visit

MAX_SITEMAPS = 50
MAX_PLACES = 50_000


@dataclass
class Sitemaps:
    """`places` are addresses, each with the time of its last change, or nothing where that cannot be believed."""

    visit: Visit
    places: dict[str, str] = field(default_factory=dict)
    troubles: list[tuple[str, str, str]] = field(default_factory=list)
    """Address, reason, and detail."""
    whole: bool = True
    """Every sitemap that was named was read to its end."""
    left: int = MAX_SITEMAPS

    def of_site(self, url: str) -> Sitemaps:
        """Those that robots.txt names, or else the usual place."""
        for address in self.visit.robots.sitemaps(url) or [urljoin(url, "/sitemap.xml")]:
            self._fetch(address)
        return self

    def take(self, page: Page, inner: bool = False) -> Sitemaps:
        """One level of an index: more is not in the protocol, and may be a trap."""
        try:
            data = feeds.unpacked(page.content)
            kind, listed = feeds.kind(data), feeds.listing(data, page.url)
        except feeds.BadListError as error:
            self._trouble(page.url, "bad_sitemap", str(error))
            return self
        if kind != "index":
            for place, changed in listed[: MAX_PLACES - len(self.places)]:
                self.places.setdefault(place, changed)
            if len(self.places) >= MAX_PLACES:
                self._trouble(page.url, "page_cap", f"the sitemaps list over {MAX_PLACES:,} addresses")
        elif inner:
            self._trouble(page.url, "bad_sitemap", "an index of sitemaps lists another index")
        else:
            for place, _ in listed:
                self._fetch(place, inner=True)
        return self

    def _fetch(self, address: str, inner: bool = False) -> None:
        if self.left == 0:
            if self.whole or self.troubles[-1][1] != "page_cap":
                self._trouble(address, "page_cap", f"this and later sitemaps come after the first {MAX_SITEMAPS}")
            return
        self.left -= 1
        try:
            page = self.visit.get(address)
        except FetchError as error:
            self.whole = False
            if error.reason not in ("not_found", "gone", "http_error"):
                self._trouble(address, error.reason, error.detail)
            return
        if feeds.kind(page.content) in ("sitemap", "index") or page.content.startswith(b"\x1f\x8b"):
            self.take(page, inner)
        else:
            self.whole = False

    def _trouble(self, address: str, reason: str, detail: str) -> None:
        self.whole = False
        self.troubles.append((address, reason, detail))
