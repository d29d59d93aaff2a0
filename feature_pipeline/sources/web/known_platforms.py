"""Which platform an address or a page belongs to: its API says more of a post than its pages do."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from itertools import chain, islice
from typing import Protocol, cast

from feature_pipeline.sources import Item, RawPost, Refusal, Unchanged, Unread
from feature_pipeline.sources.web.fetch import FetchError
from feature_pipeline.sources.web.visit import Visit

# In this order: any site may be a Mastodon, which only asking it shows.
BY_ADDRESS = ("github", "bluesky", "devto", "medium", "substack", "mastodon")
BY_PAGE = ("wordpress", "ghost", "substack")


class Reader(Protocol):
    """What a platform's module has of this."""

    def claims(self, url: str) -> bool: ...

    def found_in(self, html: str, url: str) -> str | None: ...

    def visit(self, visit: Visit, url: str, *api: str) -> Iterator[Item]: ...


def claimed_by(url: str) -> list[str]:
    """The platforms that the address alone names."""
    return [name for name in BY_ADDRESS if _reader(name).claims(url)]


def found_in(html: str, url: str) -> list[tuple[str, str]]:
    """The platforms that a page says it is made by, each with the address of its API."""
    found = ((name, _reader(name).found_in(html, url)) for name in BY_PAGE)
    return [(name, api) for name, api in found if api]


def posts(name: str, visit: Visit, url: str, *api: str) -> Iterator[Item]:
    """`api` is what found_in gave."""
    return _reader(name).visit(visit, url, *api)


def unless_closed(items: Iterator[Item]) -> Iterator[Item] | None:
    """The items; None where a platform's API gives no post: it is closed, or the posts are kept elsewhere."""
    held: list[Item] = []
    try:
        for item in items:
            held.append(item)
            if isinstance(item, (RawPost, Unchanged)):
                return chain(held, items)
    except FetchError:
        pass
    return None


def unless_other(items: Iterator[Item]) -> Iterator[Item] | None:
    """The items; None where the first request shows that this is another kind of site."""
    try:
        first = list(islice(items, 1))
    except FetchError:
        return None
    return chain(first, items)


def unless_nothing(items: Iterator[Item]) -> Iterator[Item]:
    """The items; where a platform gives nothing but the reason why not, that is said of the source."""
    first = list(islice(items, 2))
    for item in first:
        if len(first) == 1 and isinstance(item, Refusal):
            item = Unread(item.source, item.source_id, item.reason, item.detail)
        yield item
    yield from items


def _reader(name: str) -> Reader:
    return cast(Reader, import_module(f"feature_pipeline.sources.platforms.{name}"))
