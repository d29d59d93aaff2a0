"""WordPress: an export (WXR, which Squarespace writes too), answers of its REST API that were saved, or a live site.

Comments, drafts and what is behind a password are never handed on.
"""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from contracts.formats import Format
from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive, EntryError
from feature_pipeline.sources.files.entries import json_of
from feature_pipeline.sources.files.xml_export import DamagedError, Element, elements
from feature_pipeline.sources.platforms.wordpress_html import plain_title, to_html
from feature_pipeline.sources.text import to_date, web_address
from feature_pipeline.sources.web.fetch import FetchError
from feature_pipeline.sources.web.paging import posts_and_pages
from feature_pipeline.sources.web.visit import Visit

MARKS = (b"wordpress.org/export/", b"<wp:wxr_version>")
SAVED = re.compile(rb"\"content\"\s*:\s*\{\s*\"(?:rendered|raw)\"")
SITE = frozenset(("link", "wp:base_blog_url"))
CHANNEL = SITE | {"wp:author", "item"}
NOT_WORDS = frozenset(("wp:comment", "wp:postmeta", "wp:termmeta"))
POSTS = frozenset(("post", "page"))
# What WordPress keeps beside the posts; nobody wrote them to be read, and there are thousands.
SILENT = frozenset(
    "attachment nav_menu_item revision custom_css customize_changeset oembed_cache user_request wp_block wp_template"
    " wp_template_part wp_global_styles wp_navigation wp_font_family wp_font_face".split()
)
STATUS = {"private": "private", "trash": "deleted"}
SHORT = frozenset(("aside", "status", "quote", "link", "chat"))

LINK = re.compile(r"<link\b[^<>]*>", re.IGNORECASE)
HREF = re.compile(r"\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)
# What plugins hang under each post for its readers.
FLAIR = re.compile(r"<div (?:id=\"jp-post-flair\"|class=\"sharedaddy\b|id=[\"']jp-relatedposts)")
FIELDS = "id,date,date_gmt,link,status,type,format,title,content,author"
HEAD_BYTES = 65_536
MAX_FILES = 1_000  # that are looked at: exports of other platforms have many more
AFTER_THE_LAST = b"rest_post_invalid_page_number"


def recognises(archive: Archive) -> bool:
    return any(_exports(archive))


def read(archive: Archive) -> Iterator[Item]:
    """Posts and pages that were published, of all the files of an export."""
    yield from archive.refusals(str(archive.path))
    whole, any_post, seen = not archive.refused, False, dict[tuple[str, str], str | None]()
    for name in _exports(archive):
        whole = whole and not name.lower().endswith(".json")  # an answer is a page of a list
        try:
            for item in (_saved if name.lower().endswith(".json") else _wxr)(archive, name):
                found = _told_apart(item, seen)
                any_post = any_post or isinstance(found, RawPost)
                yield found
        except DamagedError as error:
            whole = False
            yield Refusal(str(archive.path), name, error.reason, error.detail)
    # An export of the media, or of nothing, does not say that there are no posts.
    if whole and any_post:
        yield Complete()


def found_in(html_text: str, url: str) -> str | None:
    """The root of the API that a page names."""
    for link in LINK.finditer(html_text):
        if "https://api.w.org/" in link[0]:
            href = HREF.search(link[0])
            return web_address(urljoin(url, html.unescape(next(filter(None, href.groups()), "")))) if href else None
    return None


def visit(visit: Visit, url: str, api: str) -> Iterator[Item]:
    """Every public post and page. `api` is what found_in returned."""
    yield from posts_and_pages(visit, _Listing(visit, url, api))


def _exports(archive: Archive) -> Iterator[str]:
    """Names of the files that are WordPress's, as far as their first bytes say."""
    for name in (archive.find("*.xml") + archive.find("*.json") or list(archive.names[:1]))[:MAX_FILES]:
        first = archive.head(name, HEAD_BYTES)
        if any(mark in first for mark in MARKS) if not name.lower().endswith(".json") else SAVED.search(first):
            yield name


def _told_apart(item: Found, seen: dict[tuple[str, str], str | None]) -> Found:
    """Some programs that write such exports give two posts one number: the address of the second names it then."""
    if not isinstance(item, RawPost):
        return item
    key = (item.source, item.source_id)
    if key in seen and seen[key] != item.url and item.url:
        item = replace(item, source_id=f"{item.source_id} {urlsplit(item.url).path}")
        key = (item.source, item.source_id)
    if key in seen:
        return Refusal(item.source, item.source_id, "duplicate_id", "it is in the export twice")
    seen[key] = item.url
    return item


def _wxr(archive: Archive, name: str) -> Iterator[Found]:
    source, site = str(archive.path), ""
    names: dict[str, str] = {}
    for element in elements(archive, name, CHANNEL, NOT_WORDS):
        if element.name in SITE:
            site = site or web_address(element.text("")) or ""
            source = _account(site) or source
        elif element.name == "wp:author":
            names[element.text("wp:author_login").strip()] = element.text("wp:author_display_name").strip()
        elif element.text("wp:post_type").strip() not in SILENT:
            yield _from_item(element, source, site, names)


def _from_item(item: Element, source: str, site: str, names: dict[str, str]) -> Found:
    def said(name: str) -> str:
        return item.text(name).strip()

    address = said("link") or said("guid")
    url = web_address(urljoin(site, address)) if address else None
    source_id = said("wp:post_id") or address or said("title") or "?"
    if not said("wp:post_type") or not said("wp:status"):
        there = ", ".join(sorted({found.path for found in item.fields if found.path}))
        return Refusal(source, source_id, "bad_item", f"it has no wp:post_type or wp:status, only: {there}"[:500])
    kind, status = said("wp:post_type"), said("wp:status")
    if kind not in POSTS:
        return Refusal(source, source_id, "not_a_post", f"its type is {kind}")
    if status != "publish":
        return Refusal(source, source_id, STATUS.get(status, "draft"), f"its status is {status}")
    if said("wp:post_password"):
        return Refusal(source, source_id, "private", "it has a password")
    if item.too_large:
        return Refusal(source, source_id, "too_large", "no post is that long")
    formats = [field.attributes.get("nicename", "") for field in item.all("category")]
    return _post(
        RawPost(
            source,
            source_id,
            plain_title(said("title")),
            _day(said("wp:post_date"), said("wp:post_date_gmt"), said("pubDate")),
            url,
            to_html(item.text("content:encoded")),
            "html",
            _writers(item, names),
        ),
        next((name.removeprefix("post-format-") for name in formats if name.startswith("post-format-")), ""),
    )


def _day(*said: str) -> dt.date | None:
    """The first that is a day. A post without one is dated 0000-00-00, or the year -1."""
    return next(filter(None, (to_date(text) for text in said if "-0001" not in text)), None)


def _writers(item: Element, names: dict[str, str]) -> str | None:
    """Those who are named as authors; where there is one only, WordPress says it by a login."""
    several = [field.text.strip() for field in item.all("category") if field.attributes.get("domain") == "author"]
    login = item.text("dc:creator").strip()
    return ", ".join(dict.fromkeys(filter(None, several))) or names.get(login) or login or None


def _post(raw: RawPost, kind: str) -> Found:
    seen = html.unescape(re.sub(r"<(?!img\b)[^<>]*>", "", raw.text)).strip()
    if not seen:
        return Refusal(raw.source, raw.source_id, "empty", "a title and nothing else" if raw.title else "")
    form: Format = "note" if kind in SHORT and not raw.title else "article"
    return replace(raw, format=form)


def _saved(archive: Archive, name: str) -> Iterator[Found]:
    """An answer of the API that somebody kept: a post, or a list of them."""
    try:
        values = json_of(archive, name)
    except EntryError as error:
        raise DamagedError("damaged", f"it {error.why}; {error.hint}") from error
    for value in values if isinstance(values, list) else [values]:
        itself = _dig(value, "_links", "self", 0, "href") or _dig(value, "link")
        site = re.sub(r"(?:/index\.php)?(?:/wp-json/.*|/?\?.*)\Z", "", itself) if isinstance(itself, str) else ""
        site = site if "/wp-json/" in str(itself) else urljoin(site, "/")
        yield _from_api(value, _account(site) or str(archive.path), {})


def _from_api(value: Any, source: str, names: dict[int, str]) -> Found:
    """A post as the API answers it."""
    number, text = _dig(value, "id"), _dig(value, "content", "rendered") or _dig(value, "content", "raw")
    if not isinstance(number, int) or not isinstance(text, str | None) or "content" not in value:
        keys = ", ".join(value) if isinstance(value, dict) else type(value).__name__
        return Refusal(source, str(number or "?"), "bad_item", f"it has no id or no content, only: {keys}"[:500])
    source_id, kind, status = str(number), str(value.get("type", "post")), str(value.get("status", "publish"))
    if kind not in POSTS:
        return Refusal(source, source_id, "not_a_post", f"its type is {kind}")
    if status != "publish":
        return Refusal(source, source_id, STATUS.get(status, "draft"), f"its status is {status}")
    if _dig(value, "content", "protected") or value.get("password"):
        return Refusal(source, source_id, "private", "it has a password")
    text = to_html(text or "") if "rendered" not in value["content"] else FLAIR.split(text or "", maxsplit=1)[0]
    return _post(
        RawPost(
            source,
            source_id,
            plain_title(str(_dig(value, "title", "rendered") or _dig(value, "title", "raw") or "")),
            to_date(value.get("date")) or to_date(value.get("date_gmt")),
            web_address(value.get("link")),
            text,
            "html",
            _writer(value, names),
        ),
        str(value.get("format", "")),
    )


def _writer(value: Any, names: dict[int, str]) -> str | None:
    terms = [term for group in _dig(value, "_embedded", "wp:term") or [] for term in group]
    several = [str(term.get("name", "")) for term in terms if _dig(term, "taxonomy") == "author"]
    login = value.get("author")
    known = names.get(login) if isinstance(login, int) else None
    name = ", ".join(several) or _dig(value, "_embedded", "author", 0, "name") or known
    return html.unescape(str(name)) if name else None


def _dig(value: Any, *path: str | int) -> Any:
    """What is there, or None where there is no such path."""
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _account(site: str) -> str:
    """Host and path, without `www.`: the same for an export and for the site itself."""
    parts = urlsplit(site)
    return f"wordpress:{parts.netloc.lower().removeprefix('www.')}{parts.path.rstrip('/')}" if parts.netloc else ""


class _Listing:
    """One reading of the API of a site."""

    def __init__(self, visit: Visit, url: str, api: str) -> None:
        self._visit = visit
        dotcom = re.search(r"/wp/v2/sites/([^/?]+)/?\Z", api)
        self._root = f"{api.removesuffix('/')}/{'' if dotcom else 'wp/v2/'}"
        self.told: set[str] = set()
        self.source = _account(urljoin(url, "/") if dotcom else self._home(api, url)) or url
        self._names = self._users()

    def address(self, kind: str) -> str:
        return f"{self._root}{kind}"

    def page(self, kind: str, number: int, size: int) -> tuple[list[Any], bool]:
        """A page with fewer than asked for is not the last: plugins take posts out of any page."""
        try:
            rows = self._ask(kind, per_page=size, page=number, _fields=FIELDS)
        except FetchError as error:
            if number > 1 and AFTER_THE_LAST in error.said:
                return [], True
            raise
        if not isinstance(rows, list):
            raise FetchError("bad_answer", f"the list of {kind} is no list")
        return rows, not rows

    def new(self, rows: list[Any]) -> Iterator[Found]:
        """A post that moved to the next page meanwhile is told once."""
        for row in rows:
            number = str(_dig(row, "id") or "")
            if not number or number not in self.told:
                yield _from_api(row, self.source, self._names)
            self.told.add(number)

    def _ask(self, path: str, **query: str | int) -> Any:
        address = self.address(path)
        return self._visit.json(f"{address}{'&' if '?' in address else '?'}{urlencode(query, safe=',')}")

    def _home(self, api: str, url: str) -> str:
        """Where the site says that it is, which is what its exports say too."""
        try:
            home = _dig(self._visit.json(f"{api}{'&' if '?' in api else '?'}_fields=home"), "home")
        except FetchError:
            home = None
        return web_address(home) or re.sub(r"(?:/index\.php)?/?(?:wp-json/?|\?rest_route=/?)\Z", "", api) or url

    def _users(self) -> dict[int, str]:
        """Names by number, where the site tells them."""
        try:
            users = self._ask("users", per_page=100, _fields="id,name")
        except FetchError:
            return {}
        return {user["id"]: str(user["name"]) for user in users or [] if _dig(user, "id") and _dig(user, "name")}
