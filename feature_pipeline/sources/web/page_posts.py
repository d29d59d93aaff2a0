"""Posts of a site's pages: those that its sitemaps list, and a single one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from feature_pipeline.html.parser import Facts, ParseError
from feature_pipeline.html.parser import page as read_html
from feature_pipeline.sources import Item, RawPost, Refusal, Unchanged
from feature_pipeline.sources.memory import Seen
from feature_pipeline.sources.text import decode
from feature_pipeline.sources.web.address import canonical, host_of, is_root, key_of, ours
from feature_pipeline.sources.web.fetch import FetchError, Page
from feature_pipeline.sources.web.reading import LISTED, SETTLED, Reading
from feature_pipeline.sources.web.sitemaps import Sitemaps
from feature_pipeline.sources.web.walls import blocked


def listed_pages(reading: Reading, sitemaps: Sitemaps, root: str = "") -> Iterator[Item]:
    """What the sitemaps list and the feeds did not give; what its date says is as it was is not asked for."""
    for address, reason, detail in sitemaps.troubles:
        yield reading.refuse(address, reason, detail)
    addresses = ours(list(sitemaps.places), reading.host, reading.prefix)
    if not root and not addresses and not sitemaps.troubles:
        yield reading.refuse(
            reading.source, "empty", "the sitemap lists no page of its site: give the blog's own address"
        )
    # What a feed gives and the sitemaps do not list shows that they do not list everything.
    reading.listed = bool(addresses) and sitemaps.whole and reading.seen <= {key_of(address) for address in addresses}
    reading.seen.add(root)
    to_read = []
    for address in addresses:
        key, changed = key_of(address), sitemaps.places[address]
        before = reading.memory.before.get(address)
        if key in reading.seen:
            if changed and key in reading.given:
                read = reading.memory.now.get(address, Seen())
                reading.memory.now[address] = replace(
                    read, listed=changed, posts=((reading.source, reading.given[key]),)
                )
        elif changed and before is not None and before.listed == changed:
            reading.seen.add(key)
            yield from reading.unchanged(address)
        else:
            to_read.append(address)
    yield from _read(reading, _new_first(reading, to_read), sitemaps.places)


def _new_first(reading: Reading, addresses: list[str]) -> list[str]:
    """Then what is known, in chance order: where a run cannot ask for all of it, each has its turn."""
    known = [address for address in addresses if address in reading.memory.before]
    random.shuffle(known)
    return [address for address in addresses if address not in reading.memory.before] + known


def _read(reading: Reading, addresses: list[str], changed: dict[str, str]) -> Iterator[Item]:
    for number, address in enumerate(addresses):
        key = key_of(address)
        if key in reading.seen:
            continue
        if reading.used_up or reading.visit.given_up:
            reason = "page_cap" if reading.used_up else "deferred"
            left = f"{len(addresses) - number} addresses are left: the next run goes on with them"
            yield reading.refuse(address, reason, left)
            return
        reading.seen.add(key)
        item = page_post(reading, address, canonical(address), changed[address], listed=True)
        if item is not None:
            yield item


def page_post(
    reading: Reading, address: str, source_id: str, changed: str = "", listed: bool = False
) -> RawPost | Refusal | Unchanged | None:
    """None for what gave no post before and is as it was. `listed`: by a sitemap, which may list lists as well."""
    before = reading.memory.before.get(address, Seen())
    known = before.posts[0][1] if before.posts else source_id
    reading.requests += 1
    try:
        page = reading.visit.changed(address)
        if page is None:
            reading.requests -= 1
            reading.memory.now[address] = replace(before, listed=changed)
            reading.given.update({key_of(name): name for _, name in before.posts})
            return Unchanged(*before.posts[0]) if before.posts else None
        if leads_to_front(address, page):
            reading.turned_away += bool(before.posts)
            raise FetchError("not_found", f"{address} leads to the front page")
        item = _post_in(reading, page, source_id, listed)
    except FetchError as error:
        if error.reason in LISTED:
            reading.memory.now[address] = Seen() if error.reason == "gone" else before
        return reading.refuse(known, error.reason, error.detail)
    except ParseError as error:
        reading.memory.now[address] = before
        return reading.refuse(known, "quarantined", str(error))
    if isinstance(item, RawPost):
        reading.visit.remember(address, page, [(item.source, item.source_id)], changed)
    elif item.reason == "not_an_article":
        reading.visit.remember(address, page, [], changed)
    elif item.reason in LISTED:
        reading.memory.now[address] = Seen() if item.reason in SETTLED else before
    return replace(item, source_id=known) if isinstance(item, Refusal) else item


def _post_in(reading: Reading, page: Page, source_id: str, listed: bool) -> RawPost | Refusal:
    if host_of(page.url) != reading.host:
        return reading.refuse(source_id, "off_site", f"it leads to {page.url}")
    text, found = read_html(text_of(page), page.url)
    if blocked(found):
        return reading.refuse(source_id, "blocked_page", f"{page.url} shows a wall instead of the page")
    if listed and (found.listing or (not found.article and found.link_words * 2 > found.words)):
        return reading.refuse(source_id, "not_an_article", f"{page.url} lists posts, or is mostly links")
    if not text.strip():
        return reading.refuse(source_id, "empty", f"{page.url} shows no text to a program")
    same = _same(reading, found, source_id) if listed else ""
    if same:
        return reading.refuse(source_id, "duplicate", f"{page.url} says that it is {found.url}, which was read")
    reading.given[key_of(source_id)] = source_id
    return post_of(reading, page, text, found, source_id)


def _same(reading: Reading, found: Facts, source_id: str) -> str:
    """The post that was read at another address of the page. All pages of some blogs say that they are the first."""
    if not found.url or host_of(found.url) != reading.host or is_root(found.url):
        return ""
    key = key_of(found.url)
    if key in reading.given and key != key_of(source_id):
        return reading.given[key]
    named = reading.given.setdefault(f"{key} {found.title}", source_id)
    return named if named != source_id else ""


def post_of(reading: Reading, page: Page, text: str, found: Facts, source_id: str = "") -> RawPost:
    url = found.url if found.url and host_of(found.url) == host_of(page.url) else page.url
    return RawPost(
        reading.source, source_id or canonical(url), found.title, found.date, url, text, "article", found.author
    )


def text_of(page: Page) -> str:
    """Raises FetchError for what is no page, as a picture is, or a program's answer."""
    text = decode(page.content, page.charset)
    if text is None or page.content_type.endswith(("/json", "+json")):
        raise FetchError("not_text", f"{page.url} is no text ({page.content_type or 'of unknown type'})")
    return text


def leads_to_front(address: str, page: Page) -> bool:
    """Whether it leads to the front page, as many sites answer for what is no more."""
    return is_root(page.url) and not is_root(address)
