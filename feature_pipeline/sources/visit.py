"""One polite reading of a site: robots first, pauses between requests, and a host that fails is left alone.

Knows nothing of posts: web.py and the platforms' readers say what to ask for.
"""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

from feature_pipeline.sources.fetch import Fetcher, FetchError, Page
from feature_pipeline.sources.memory import Memory
from feature_pipeline.sources.robots import Robots
from feature_pipeline.sources.text import decode

# A host that fails this often in a row is left alone for this run.
MAX_FAILURES = 5


class Visit:
    """What was fetched in this run, and how its hosts want to be treated."""

    def __init__(self, fetcher: Fetcher, memory: Memory | None = None) -> None:
        self.fetcher, self.memory = fetcher, memory or Memory()
        self.robots = Robots(fetcher)
        self.fetched = 0
        self.failures = 0

    @property
    def given_up(self) -> bool:
        return self.failures >= MAX_FAILURES

    def get(self, url: str) -> Page:
        """Robots first; and again for the host that a redirect led to. Raises FetchError."""
        pause = self.robots.check(url)
        if self.fetched:
            time.sleep(pause)
        self.fetched += 1
        try:
            page = self.fetcher.get(url)
        except FetchError as error:
            self.failures += error.reason in ("timeout", "server_error", "unreachable", "truncated")
            # One clear "leave me alone" is enough.
            self.failures += MAX_FAILURES * (error.reason == "deferred")
            raise
        self.failures = 0
        if urlsplit(page.url).netloc != urlsplit(url).netloc:
            self.robots.check(page.url)
        return page

    def json(self, url: str, **query: str | int) -> Any:
        """What an API answers. Raises FetchError, also for an answer that is no JSON."""
        page = self.get(f"{url}?{urlencode(query)}" if query else url)
        try:
            return json.loads(decode(page.content, page.charset) or "")
        except (ValueError, RecursionError) as error:
            raise FetchError("bad_answer", f"{page.url} answers no JSON: {error}") from error
