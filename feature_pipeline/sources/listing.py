"""Posts of an API that lists them page by page, and gives the text of each at an address of its own.

Text is asked for only where the listing says something new of a post. Knows nothing of any platform.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal, Unchanged
from feature_pipeline.sources.fetch import FetchError
from feature_pipeline.sources.memory import Seen
from feature_pipeline.sources.visit import Visit

MAX_REQUESTS = 500
MAX_POSTS = 5_000

Entry = dict[str, Any]


def listed(
    visit: Visit, source: str, address: Callable[[int, int], str], key: str = "id"
) -> Iterator[Entry | Refusal | Complete]:
    """Each post that the pages list, once; then Complete, or the Refusal that says why the listing ends early.

    `address(page, offset)` is the page's: pages count from 1, `offset` is how many posts came before it. Platforms give
    fewer on a page than asked for, so that only an empty page is the end.
    """
    seen: set[str] = set()
    offset = 0
    for number in itertools.count(1):
        url = address(number, offset)
        why = "" if number == 1 else _cap(visit, len(seen))
        if why:
            yield Refusal(source, url, why, "the rest is left for another run")
            return
        try:
            page = visit.json(url)
        except FetchError as error:
            yield Refusal(source, url, error.reason, error.detail)
            return
        if not isinstance(page, list) or not all(isinstance(entry, dict) and entry.get(key) for entry in page):
            yield Refusal(source, url, "bad_answer", f"{url} answers no list of posts")
            return
        if not page:
            yield Complete()
            return
        new = [entry for entry in page if str(entry[key]) not in seen]
        if not new:
            yield Refusal(source, url, "bad_answer", f"{url} lists again what was on the pages before")
            return
        for entry in new:
            why = _cap(visit, len(seen))
            if why:
                yield Refusal(source, url, why, "the rest is left for another run")
                return
            if str(entry[key]) not in seen:
                seen.add(str(entry[key]))
                yield entry
        offset += len(page)


def unless_same(
    visit: Visit, source: str, source_id: str, address: str, changed: str, post: Callable[[Any], Found]
) -> Iterator[Item]:
    """The post at `address`, or Unchanged where `changed`, what the listing says of it, is as at the last run."""
    before = visit.memory.before.get(address)
    if before and before.posts and before.listed == changed:
        visit.memory.now[address] = before
        yield from (Unchanged(*name) for name in before.posts)
        return
    try:
        item = post(visit.json(address))
    except FetchError as error:
        yield Refusal(source, source_id, error.reason, error.detail)
        return
    if isinstance(item, RawPost):
        visit.memory.now[address] = Seen(listed=changed, posts=((item.source, item.source_id),))
    yield item


def _cap(visit: Visit, posts: int) -> str:
    if visit.given_up:
        return "deferred"
    return "page_cap" if visit.fetched >= MAX_REQUESTS or posts >= MAX_POSTS else ""
