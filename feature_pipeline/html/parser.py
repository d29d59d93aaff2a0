"""Pages and feeds are parsed in a child process that is ended at a limit: a hostile one costs its own time only.

This file is both ends: the functions that ask, and the loop that answers when it is run as a program.
"""

from __future__ import annotations

import atexit
import base64
import datetime as dt
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LIMIT_S = 10.0
# feedparser reads 3 MB of honest entries in 4 s.
FEED_LIMIT_S = 30.0
# The first answer also waits for the child to import lxml and trafilatura on a busy machine.
START_S = 60.0


class ParseError(Exception):
    """The page or feed could not be parsed; the message says why."""


@dataclass(frozen=True)
class Facts:
    """What a page says about itself."""

    title: str = ""
    date: dt.date | None = None
    author: str | None = None
    url: str | None = None
    """Its canonical address, if it names one."""
    article: bool = False
    """og:type, structured data or a single <article> say that it is one."""
    listing: bool = False
    """It shows posts that stand on other pages, with their beginnings or without."""
    password: bool = False
    words: int = 0
    link_words: int = 0
    opening: str = ""
    """The first 300 visible words."""
    feeds: list[str] = field(default_factory=list)
    older: str = ""
    """Of a list of posts: the address of the page that follows."""
    links: list[str] = field(default_factory=list)
    """Where it leads to; empty where it stands in no row of pages."""


@dataclass(frozen=True)
class Entry:
    """A post as a feed lists it."""

    id: str
    url: str | None
    title: str
    date: dt.date | None
    author: str | None
    text: str
    markup: str
    whole: bool
    """Whether `text` is the post, or may be only its beginning."""


def markdown(html: str) -> str:
    """The article of a whole page, or the whole of a fragment, as Markdown. Raises ParseError."""
    return str(_child.ask("markdown", html))


def facts(html: str, url: str | None = None) -> Facts:
    """Raises ParseError."""
    return _facts(_child.ask("facts", html, url))


def page(html: str, url: str | None = None) -> tuple[str, Facts]:
    """`markdown` and `facts` of a whole page, for the time of one. Raises ParseError."""
    text, found = _child.ask("page", html, url)
    return text, _facts(found)


def entries(feed: bytes, content_type: str, url: str) -> list[Entry]:
    """In the feed's order. Raises ParseError."""
    found = _child.ask("entries", base64.b64encode(feed).decode(), content_type, url, limit_s=FEED_LIMIT_S)
    return [Entry(**{**entry, "date": _day(entry["date"])}) for entry in found]


def _facts(found: dict[str, Any]) -> Facts:
    return Facts(**{**found, "date": _day(found.get("date"))})


def _day(date: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat(date or "")
    except ValueError:
        return None


class Child:
    """One process, started when it is first needed and again after each time it had to be ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        atexit.register(self.close)

    def ask(self, task: str, *arguments: object, limit_s: float = LIMIT_S) -> Any:
        with self._lock:
            process = self._process or self._start()
            answer = self._exchange(process, json.dumps([task, arguments]), limit_s)
        if "error" in answer:
            raise ParseError(answer["error"])
        return answer["answer"]

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _start(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "feature_pipeline.html.parser"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            # The parent's path, so that the child finds us wherever it was started.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)},
        )
        self._exchange(self._process, json.dumps(["facts", ["<p>ready?"]]), START_S)
        return self._process

    def _exchange(self, process: subprocess.Popen[str], request: str, limit_s: float) -> dict[str, Any]:
        assert process.stdin
        assert process.stdout
        timer = threading.Timer(limit_s, process.kill)
        timer.start()
        try:
            process.stdin.write(request + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = ""
        finally:
            timer.cancel()
        if not line.endswith("\n"):
            self.close()
            raise ParseError(f"parsing took over {limit_s:g} s, or ended the parser")
        answer: dict[str, Any] = json.loads(line)
        return answer


_child = Child()


def _serve() -> None:
    """The child: answers one request a line until the parent goes away."""
    from feature_pipeline.html import page as html_page
    from feature_pipeline.sources.web import feeds

    def read_feed(feed: str, content_type: str, url: str) -> list[dict[str, Any]]:
        return [vars(entry) for entry in feeds.entries(base64.b64decode(feed), content_type, url)]

    tasks: dict[str, Callable[..., Any]] = {
        "markdown": html_page.markdown,
        "facts": html_page.facts,
        "page": html_page.page,
        "entries": read_feed,
    }
    for line in sys.stdin:
        task, arguments = json.loads(line)
        try:
            answer = {"answer": tasks[task](*arguments)}
        except Exception as error:  # whatever a parser trips over costs one page, not the run
            answer = {"error": str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer, default=str) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
