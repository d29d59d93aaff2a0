"""An API that gives whole posts, page by page: a hundred at a time, or fewer where those are over what is read.

Knows nothing of any platform.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from feature_pipeline.sources import Complete, Found, Item, Refusal
from feature_pipeline.sources.web.fetch import FetchError
from feature_pipeline.sources.web.visit import MAX_REQUESTS, Visit

SIZES = (100, 20, 5, 1)  # posts a page; each divides the one before it, so that no post falls between two pages


class Listing(Protocol):
    """One reading of such an API."""

    source: str
    told: set[str]
    """Ids that were met."""

    def address(self, kind: str) -> str: ...

    def page(self, kind: str, number: int, size: int) -> tuple[list[Any], bool]:
        """The posts of a page, the first of which is 1, and whether it is the last."""

    def new(self, rows: list[Any]) -> Iterator[Found]:
        """A post that moved to the next page meanwhile is told once."""


def posts_and_pages(visit: Visit, listing: Listing) -> Iterator[Item]:
    """All that the site shows to everybody: first what the cap of the last run left, then from the newest on.

    Where the listing of one kind ends early, the other is read all the same.
    """
    left = {kind: int(visit.memory.left(listing.address(kind)) or 0) for kind in ("posts", "pages")}
    again = {kind: 0 for kind, at in left.items() if at}
    whole = not again
    for kind, at in (*left.items(), *again.items()):
        try:
            yield from _listed(visit, listing, kind, at, until=left[kind] if at < left[kind] else None)
        except FetchError as error:
            whole = False
            yield Refusal(listing.source, listing.address(kind), error.reason, error.detail)
    if whole:
        yield Complete()


def _listed(visit: Visit, listing: Listing, kind: str, at: int, until: int | None) -> Iterator[Found]:
    """From one place to another, or to the end.

    Raises FetchError where the listing ends early: for the cap, a page that fails, or one that says nothing new.
    """
    size, any_page = SIZES[0], False
    while until is None or at < until:
        if visit.fetched >= MAX_REQUESTS:
            if until is None:
                visit.memory.leave(listing.address(kind), str(at - at % SIZES[0]))
            raise FetchError("page_cap", f"what comes after {len(listing.told):,} posts is left for another run")
        try:
            rows, last = listing.page(kind, at // size + 1, size)
        except FetchError as error:
            # 400 for the first page: the site gives fewer.
            if size == SIZES[-1] or not (error.reason == "too_large" or (error.status == 400 and not any_page)):
                raise
            size = SIZES[SIZES.index(size) + 1]
            continue
        any_page, before = True, len(listing.told)
        yield from listing.new(rows)
        if last:
            return
        if len(listing.told) == before:
            raise FetchError("bad_answer", "the list says again what was on the pages before")
        at += size
