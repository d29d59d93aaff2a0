"""One polite reading of a site: robots first, pauses between requests, and a host that fails is left alone.

Knows nothing of posts: site.py and the platforms' readers say what to ask for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode, urlsplit

from feature_pipeline.sources.memory import Memory, Seen
from feature_pipeline.sources.text import decode, whole_characters
from feature_pipeline.sources.web.fetch import Fetcher, FetchError, Page
from feature_pipeline.sources.web.robots import PAUSE_S, Robots

# For an API's answers; the next run goes on.
MAX_REQUESTS = 500
# A host that fails this often in a row is left alone for this run.
MAX_FAILURES = 5
# A host that wants more between two requests gets one request a run.
MAX_PAUSE_S = 60.0


class Visit:
    """What was fetched in this run, and how its hosts want to be treated."""

    def __init__(self, fetcher: Fetcher, memory: Memory | None = None, pause_s: float = PAUSE_S) -> None:
        self.fetcher, self.memory = fetcher, memory or Memory()
        self.robots = Robots(fetcher, pause_s)
        self.fetched = 0
        self.failures = 0
        self._asked: dict[str, float] = {}

    @property
    def given_up(self) -> bool:
        return self.failures >= MAX_FAILURES

    def get(self, url: str) -> Page:
        """Robots first; and again for where a redirect led to. Raises FetchError."""
        return self._get(url, {})

    def changed(self, url: str) -> Page | None:
        """Like `get`, but None where it is as it was when the last run read it; that is then remembered for the next."""
        seen = self.memory.before.get(url, Seen())
        asked = {"If-None-Match": seen.etag, "If-Modified-Since": seen.last_modified}
        asked = {name: value for name, value in asked.items() if value}
        try:
            return self._get(url, asked)
        except FetchError as error:
            if error.status != 304 or not asked:
                raise
        self.failures = 0
        self.memory.now[url] = seen
        return None

    def remember(self, url: str, page: Page, posts: Iterable[tuple[str, str]], listed: str = "") -> None:
        """What `page`, read at `url`, gave: all of it, or the next run would take the rest for known."""
        self.memory.now[url] = Seen(page.etag, page.last_modified, listed, tuple(posts))

    def json(self, url: str, **query: str | int) -> Any:
        """What an API answers. Raises FetchError, also for an answer that is no JSON."""
        page = self.get(f"{url}?{urlencode(query)}" if query else url)
        try:
            return whole_characters(json.loads(decode(page.content, page.charset) or ""))
        except (ValueError, RecursionError) as error:
            raise FetchError("bad_answer", f"{page.url} answers no JSON: {error}") from error

    def _get(self, url: str, headers: dict[str, str]) -> Page:
        if self.given_up:
            raise FetchError("deferred", f"{url} is left for another run: its host failed too often in this one")
        self._wait(url, self.robots.check(url))
        self.fetched += 1
        try:
            page = self.fetcher.get(url, headers=headers)
        except FetchError as error:
            self.failures += error.reason in ("timeout", "server_error", "unreachable", "truncated")
            # One clear "leave me alone" is enough.
            self.failures += MAX_FAILURES * (error.reason == "deferred")
            raise
        finally:
            self._asked[urlsplit(url).netloc] = time.monotonic()
        self.failures = 0
        if page.url != url:
            self.robots.check(page.url)
        return page

    def _wait(self, url: str, pause: float) -> None:
        last = self._asked.get(urlsplit(url).netloc)
        if last is None:
            return
        if pause > MAX_PAUSE_S:
            self.failures += MAX_FAILURES
            raise FetchError("deferred", f"the host of {url} wants {pause:.0f} s between two requests")
        time.sleep(max(0.0, last + pause - time.monotonic()))
