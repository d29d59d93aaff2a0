"""Posts of an API that lists them page by page, and gives the text of each at an address of its own.

Text is asked for only where the listing says something new of a post. Knows nothing of any platform.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal, Unchanged
from feature_pipeline.sources.memory import Seen
from feature_pipeline.sources.web.fetch import FetchError
from feature_pipeline.sources.web.visit import MAX_REQUESTS, Visit

LATER = "the rest is left for another run"

Entry = dict[str, Any]


def listed(
    visit: Visit, source: str, address: Callable[[int, int], str], offset: int = 0
) -> Iterator[Entry | Refusal | Complete]:
    """Each post that the pages list, once; then Complete, or the Refusal that says why the listing ends early.

    `address(page, offset)` is the page's: pages count from 1, `offset` is how many posts came before it. Platforms give
    fewer on a page than asked for, so that only an empty page is the end.
    """
    seen: set[str] = set()
    whole = True
    for number in itertools.count(1):
        url = address(number, offset)
        page = _page(visit, source, url, first=number == 1)
        if isinstance(page, Refusal):
            yield page
            return
        if not page:
            break
        named = [entry for entry in page if isinstance(entry, dict) and entry.get("id")]
        if len(named) < len(page):
            whole = False
            yield Refusal(source, url, "bad_answer", f"{len(page) - len(named)} of what it lists have no id")
        new = {str(entry["id"]): entry for entry in named if str(entry["id"]) not in seen}
        if not new:
            yield Refusal(source, url, "bad_answer", "it lists nothing that was not on the pages before")
            return
        for entry in new.values():
            if visit.given_up:
                yield Refusal(source, url, "deferred", LATER)
                return
            seen.add(str(entry["id"]))
            yield entry
        offset += len(page)
    if whole:
        yield Complete()


def _page(visit: Visit, source: str, url: str, first: bool) -> list[Any] | Refusal:
    """What is new comes in every run: the first page is asked for whatever was asked before."""
    if visit.fetched >= MAX_REQUESTS and not first:
        return Refusal(source, url, "page_cap", LATER)
    try:
        page = visit.json(url)
    except FetchError as error:
        return Refusal(source, url, error.reason, error.detail)
    return page if isinstance(page, list) else Refusal(source, url, "bad_answer", f"{url} answers no list of posts")


def unless_same(
    visit: Visit, source: str, source_id: str, address: str, changed: str, post: Callable[[Any], Found]
) -> Iterator[Item]:
    """The post at `address`, or Unchanged where `changed`, what the listing says of it, is as at the last run."""
    before = visit.memory.before.get(address)
    if before and before.posts and before.listed == changed:
        visit.memory.now[address] = before
        yield from (Unchanged(*name) for name in before.posts)
        return
    if visit.fetched >= MAX_REQUESTS:
        yield Refusal(source, source_id, "page_cap", LATER)
        return
    try:
        item = post(visit.json(address))
    except FetchError as error:
        yield Refusal(source, source_id, error.reason, error.detail)
        return
    if isinstance(item, RawPost):
        visit.memory.now[address] = Seen(listed=changed, posts=((item.source, item.source_id),))
    yield item
