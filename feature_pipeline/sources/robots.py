"""What each host lets a program read, and how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from feature_pipeline.sources.fetch import Fetcher, FetchError

if TYPE_CHECKING:
    from protego import Protego

AGENT = "llm-twin"
MAX_BYTES = 500 * 1024
PAUSE_S = 0.2
MAX_PAUSE_S = 10.0
# RFC 9309: no rules are published, so all is allowed. Anything else that fails: assume all is forbidden.
NO_RULES = ("not_found", "gone", "blocked_page", "http_error", "too_many_redirects")
# Nothing can be read from such an address, with or without rules.
HOPELESS = ("bad_url", "blocked_address", "unreachable", "tls")


class Robots:
    """Rules are fetched once a host and kept for the run."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._rules: dict[str, Protego] = {}
        self._failed: dict[str, FetchError] = {}

    def check(self, url: str) -> float:
        """Seconds to wait before reading `url`. Raises FetchError where it must not be read, or no one knows."""
        rules = self._of(url)
        if not rules.can_fetch(url, AGENT):
            raise FetchError("robots_disallowed", f"robots.txt forbids {url}")
        return min(max(rules.crawl_delay(AGENT) or 0.0, PAUSE_S), MAX_PAUSE_S)

    def sitemaps(self, url: str) -> list[str]:
        return [str(sitemap) for sitemap in self._of(url).sitemaps]

    def _of(self, url: str) -> Protego:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin in self._failed:
            raise self._failed[origin]
        if origin not in self._rules:
            try:
                self._rules[origin] = self._read(origin)
            except FetchError as error:
                self._failed[origin] = error
                raise
        return self._rules[origin]

    def _read(self, origin: str) -> Protego:
        from protego import Protego

        try:
            page = self._fetcher.get(f"{origin}/robots.txt", max_bytes=MAX_BYTES, cut=True)
        except FetchError as error:
            if error.reason in NO_RULES:
                return Protego.parse("")
            if error.reason in HOPELESS:
                raise
            raise FetchError("robots_unavailable", f"{error.detail}, so nothing of it is read in this run") from error
        return Protego.parse(page.content.decode("utf-8", "replace"))
