"""What each host lets a program read, and how fast."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from feature_pipeline.sources.web.fetch import Fetcher, FetchError

if TYPE_CHECKING:
    from protego import Protego

AGENT = "llm-twin"
MAX_BYTES = 500 * 1024
MAX_AGE_S = 24 * 3600.0
PAUSE_S = 0.2
# RFC 9309: no rules are published, so all is allowed. Anything else that fails: assume all is forbidden.
NO_RULES = ("not_found", "gone", "blocked_page", "http_error", "too_many_redirects")
# Nothing can be read from such an address, with or without rules.
HOPELESS = ("bad_url", "blocked_address", "unreachable", "tls")


class Robots:
    """Rules are fetched once a host and kept for the run, or for `max_age_s` where it lasts longer.

    `pause_s` is between two readings of a host that asks for none.
    """

    def __init__(self, fetcher: Fetcher, pause_s: float = PAUSE_S, max_age_s: float = MAX_AGE_S) -> None:
        self._fetcher, self._pause_s, self._max_age_s = fetcher, pause_s, max_age_s
        self._rules: dict[str, tuple[float, Protego]] = {}
        self._failed: dict[str, FetchError] = {}

    def check(self, url: str) -> float:
        """Seconds between two readings of the host. Raises FetchError where `url` must not be read, or no one knows."""
        rules = self._of(url)
        if not rules.can_fetch(url, AGENT):
            raise FetchError("robots_disallowed", f"robots.txt forbids {url}")
        return max(rules.crawl_delay(AGENT) or 0.0, self._pause_s)

    def sitemaps(self, url: str) -> list[str]:
        return [str(sitemap) for sitemap in self._of(url).sitemaps]

    def _of(self, url: str) -> Protego:
        parts = urlsplit(url)
        if not parts.netloc:
            raise FetchError("bad_url", f"{url!r} is not a web address")
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin in self._failed:
            raise self._failed[origin]
        at, rules = self._rules.get(origin, (0.0, None))
        if rules is None or time.monotonic() - at > self._max_age_s:
            try:
                rules = self._read(origin)
            except FetchError as error:
                self._failed[origin] = error
                raise
            self._rules[origin] = (time.monotonic(), rules)
        return rules

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
