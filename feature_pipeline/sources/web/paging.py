"""An API that gives whole posts, page by page: a hundred at a time, or fewer where those are over what is read.

Knows nothing of any platform.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from feature_pipeline.sources import Complete, Item, Refusal
from feature_pipeline.sources.web.fetch import FetchError
from feature_pipeline.sources.web.visit import Visit

SIZES = (100, 20, 5, 1)  # posts a page; each divides the one before it, so that no post falls between two pages
MAX_REQUESTS = 500
MAX_POSTS = 5_000

Ask = Callable[[int, int], tuple[list[Any], bool]]
"""(number of the page, from 1; posts a page) → the posts, and whether it is the last page."""


class Listing(Protocol):
    """One reading of such an API."""

    source: str

    def address(self, kind: str) -> str: ...

    def items(self, kind: str) -> Iterator[Item]: ...


def posts_and_pages(listing: Listing) -> Iterator[Item]:
    """All that the site shows to everybody. Where the listing of one kind ends early, the other is read all the same."""
    whole = True
    for kind in ("posts", "pages"):
        try:
            yield from listing.items(kind)
        except FetchError as error:
            whole = False
            yield Refusal(listing.source, listing.address(kind), error.reason, error.detail)
    if whole:
        yield Complete()


def pages(visit: Visit, ask: Ask, told: set[str]) -> Iterator[list[Any]]:
    """Each page; `told` is where the caller keeps the ids that it has met.

    Raises FetchError where the listing ends early: for the cap, a page that fails, or one that says nothing new.
    """
    at, size = 0, SIZES[0]
    while True:
        if visit.fetched >= MAX_REQUESTS or len(told) >= MAX_POSTS:
            raise FetchError("page_cap", f"what comes after {len(told):,} posts is left for another run")
        try:
            rows, last = ask(at // size + 1, size)
        except FetchError as error:
            # 400 for the first page: the site gives fewer.
            if size == SIZES[-1] or not (error.reason == "too_large" or (error.status == 400 and not at)):
                raise
            size = SIZES[SIZES.index(size) + 1]
            continue
        before = len(told)
        yield rows
        if last:
            return
        if len(told) == before:
            raise FetchError("bad_answer", "the list says again what was on the pages before")
        at += size
