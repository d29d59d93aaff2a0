"""Blogger: Google Takeout (a feed.atom for each blog), the backup of a blog (.xml), or saved answers of its API.

Comments are other people's, and drafts are nobody's yet: neither is handed on.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive, EntryError
from feature_pipeline.sources.files.entries import json_of
from feature_pipeline.sources.files.xml_export import DamagedError, Element, elements
from feature_pipeline.sources.text import to_date, web_address

HEAD_BYTES = 16_384
MAX_FILES = 1_000  # that are looked at: exports of other platforms have many more
MARKS = (b"schemas.google.com/blogger/", b"tag:blogger.com,1999:blog-")
TAKEOUT = b"schemas.google.com/blogger/2018"  # which the feed that readers subscribe to does not name
ANSWER = re.compile(rb"\"kind\"\s*:\s*\"blogger#(?:post|page)(?:List)?\"")
FEED_PARTS = frozenset(("id", "link", "entry"))
NOT_WORDS = frozenset(("media:thumbnail", "gd:extendedProperty"))
NAME = re.compile(r"tag:blogger\.com,1999:blog-(\w+)(?:\.(?:post|page)-([\w-]+))?")
KIND = re.compile(r"kind#(\w+)\Z")
KINDS = frozenset(("post", "page"))
STATUS = {"live": "", "draft": "draft", "scheduled": "draft", "soft_trashed": "deleted", "trashed": "deleted"}
CSV_HOST = re.compile(rb"[\w-]+\.blogspot\.com(?![\w.-])", re.IGNORECASE)


def recognises(archive: Archive) -> bool:
    return any(_exports(archive))


def read(archive: Archive) -> Iterator[Item]:
    """Published posts and pages of every blog in the export."""
    yield from archive.refusals(str(archive.path))
    whole, seen = not archive.refused, set[tuple[str, str]]()
    for name in _exports(archive):
        export = _Export(archive, name)
        try:
            for item in export.items():
                if isinstance(item, RawPost) and (item.source, item.source_id) in seen:
                    item = Refusal(item.source, item.source_id, "duplicate_id", "it is in the export twice")
                seen.add((item.source, item.source_id))
                yield item
        except DamagedError as error:
            yield Refusal(export.source, name, error.reason, error.detail)
            export.whole = False
        whole = whole and export.whole
    if whole and seen:
        yield Complete()


def _exports(archive: Archive) -> Iterator[str]:
    names = [*archive.find("*.atom", "*.xml"), *archive.find("*.json")] or list(archive.names[:1])
    for name in names[:MAX_FILES]:
        first = archive.head(name, HEAD_BYTES)
        answer, feed = ANSWER.search(first), b"<feed" in first and any(mark in first for mark in MARKS)
        if answer if name.lower().endswith(".json") else feed:
            yield name


class _Export:
    """One file of one blog. `whole` says whether it has all of the blog, as an answer or a saved feed has not."""

    def __init__(self, archive: Archive, name: str) -> None:
        self._archive, self._name = archive, name
        self.source, self.whole = str(archive.path), False
        self._site = ""

    def items(self) -> Iterator[Found]:
        if self._name.lower().endswith(".json"):
            yield from self._answer()
            return
        self._site = self._host()
        self.whole = TAKEOUT in self._archive.head(self._name, HEAD_BYTES)
        for part in elements(self._archive, self._name, FEED_PARTS, NOT_WORDS):
            if part.name == "id":
                self._is(part.text("").strip())
            elif part.name == "link":
                self._links(part)
            else:
                yield from self._entry(part)

    def _is(self, said: str) -> None:
        found = NAME.match(said)
        self.source = f"blogger:{found[1]}" if found else self.source
        self.whole = self.whole or said.endswith(".archive")

    def _links(self, part: Element) -> None:
        for link in part.all(""):
            if link.attributes.get("rel") == "alternate":
                self._site = self._site or web_address(link.attributes.get("href")) or ""

    def _host(self) -> str:
        """Takeout has the address of a blog only among its settings."""
        folder = self._name.rpartition("/")[0]
        settings = f"{folder}/settings.csv" if folder else "settings.csv"
        found = CSV_HOST.search(self._archive.head(settings)) if settings in self._archive.names else None
        return f"https://{found[0].decode('ascii').lower()}/" if found else ""

    def _entry(self, entry: Element) -> Iterator[Found]:
        name = NAME.match(entry.text("id").strip())
        source_id = (name[2] if name else None) or entry.text("id").strip() or "?"
        kind = _kind(entry)
        if kind not in KINDS:
            return  # a comment, a setting or the template
        status = entry.text("blogger:status").strip().lower()
        draft = entry.text("app:control/app:draft").strip().lower() == "yes"
        why = "draft" if draft else STATUS.get(status, "draft") if status else ""
        if entry.text("blogger:trashed") and not why:
            why = "deleted"
        if why or entry.too_large:
            detail = f"its status is {status or 'draft'}" if why else "no post is that long"
            yield Refusal(self.source, source_id, why or "too_large", detail)
            return
        yield _post(
            self.source,
            source_id,
            entry.text("title"),
            entry.text("published"),
            self._address(entry),
            entry.text("content"),
            entry.text("author/name"),
        )

    def _address(self, entry: Element) -> str | None:
        for link in entry.all("link"):
            if link.attributes.get("rel") == "alternate":
                return web_address(link.attributes.get("href"))
        path = entry.text("blogger:filename").strip()
        return web_address(urljoin(self._site, path)) if path and self._site else None

    def _answer(self) -> Iterator[Found]:
        try:
            values = json_of(self._archive, self._name)
        except EntryError as error:
            raise DamagedError("damaged", f"it {error.why}; {error.hint}") from error
        rows = values.get("items", [values]) if isinstance(values, dict) else values
        for row in rows if isinstance(rows, list) else []:
            yield _answered(row if isinstance(row, dict) else {}, self.source)


def _kind(entry: Element) -> str:
    """post, page, comment, settings or template; an entry that says nothing of it is a post of a saved feed."""
    said = entry.text("blogger:type").strip().lower()
    if said:
        return said
    if entry.all("thr:in-reply-to") or ".comment-" in entry.text("id"):
        return "comment"
    kinds = [KIND.search(field.attributes.get("term", "")) for field in entry.all("category")]
    return next((found[1] for found in kinds if found), "post")


def _answered(row: dict[str, Any], path: str) -> Found:
    blog, author = row.get("blog"), row.get("author")
    number = blog.get("id") if isinstance(blog, dict) else None
    source, source_id = f"blogger:{number}" if number else path, str(row.get("id") or "?")
    if row.get("kind", "blogger#post") not in ("blogger#post", "blogger#page"):
        return Refusal(source, source_id, "not_a_post", f"it is a {row.get('kind')}")
    if not row.get("id") or not isinstance(row.get("content"), str | None):
        return Refusal(source, source_id, "bad_item", f"it has no id or no content, only: {', '.join(row)}"[:500])
    why = STATUS.get(str(row.get("status", "live")).lower(), "draft")
    if why:
        return Refusal(source, source_id, why, f"its status is {row.get('status')}")
    return _post(
        source,
        source_id,
        str(row.get("title") or ""),
        str(row.get("published") or ""),
        web_address(row.get("url")),
        row.get("content") or "",
        str(author.get("displayName") or "") if isinstance(author, dict) else "",
    )


def _post(source: str, source_id: str, title: str, day: str, url: str | None, text: str, author: str) -> Found:
    """Titles are escaped once more than the feed needs, and so are names."""
    if not html.unescape(re.sub(r"<(?!img\b)[^<>]*>", "", text)).strip():
        return Refusal(source, source_id, "empty", "a title and nothing else" if title.strip() else "")
    title, author = " ".join(html.unescape(title).split()), html.unescape(author).strip()
    return RawPost(source, source_id, title, to_date(day.strip()), url, text, "html", author or None)
