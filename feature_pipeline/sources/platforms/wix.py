"""Wix: the table of a blog's posts, whose rich text is JSON (Ricos); where that is broken, its plain text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any
from urllib.parse import urlsplit

from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.files.entries import has_columns
from feature_pipeline.sources.files.tables import Row, rows
from feature_pipeline.sources.text import to_date, web_address

NEEDED = ("title", "plain_content", "rich_content", "published_date")
OPTIONAL = ("id", "internal_id", "post_page_url", "author")
ELEMENTS = {
    "PARAGRAPH": "p",
    "BLOCKQUOTE": "blockquote",
    "CODE_BLOCK": "pre",
    "BULLETED_LIST": "ul",
    "ORDERED_LIST": "ol",
    "LIST_ITEM": "li",
    "TABLE": "table",
    "TABLE_ROW": "tr",
    "TABLE_CELL": "td",
    "CAPTION": "p",
    "COLLAPSIBLE_ITEM_TITLE": "div",
    "COLLAPSIBLE_ITEM_BODY": "div",
}
MARKS = {"BOLD": "b", "ITALIC": "i", "STRIKETHROUGH": "s"}


def recognises(archive: Archive) -> bool:
    return bool(_tables(archive))


def read(archive: Archive) -> Iterator[Item]:
    """Posts of every table of posts, as a large blog is exported in parts."""
    posts = [row for name in _tables(archive) for row in rows(archive, name, NEEDED, OPTIONAL)]
    source = _account(archive, posts)
    yield from archive.refusals(source)
    seen: set[str] = set()
    for row in posts:
        source_id = row["id"] or row["internal_id"] or f"line {row.line}"
        if row.broken:
            yield Refusal(source, source_id, *row.broken)
        elif source_id in seen:
            yield Refusal(source, source_id, "duplicate_id", f"line {row.line} has the id of another")
        else:
            seen.add(source_id)
            yield _post(row, source_id, source)
    yield Complete()


def _tables(archive: Archive) -> list[str]:
    """Whatever they are called; other tables of the site have other columns."""
    return [
        name for name in sorted(archive.find("*.csv")) if has_columns(archive, name, "plain_content", "rich_content")
    ]


def _post(row: Row, source_id: str, source: str) -> Found:
    date = to_date(row["published_date"])
    if date is None:
        return Refusal(source, source_id, "draft", "it has no date of publication")
    html = _html(row["rich_content"])
    content, markup = (html, "html") if html else (row["plain_content"], "plain")
    if not content.strip():
        return Refusal(source, source_id, "empty")
    url, author = web_address(row["post_page_url"]), row["author"].strip()
    return RawPost(source, source_id, row["title"], date, url, content, markup, author or None)


def _account(archive: Archive, posts: list[Row]) -> str:
    address = next(filter(None, (web_address(row["post_page_url"]) for row in posts)), None)
    return f"wix:{urlsplit(address).netloc.lower().removeprefix('www.')}" if address else str(archive.path)


def _html(rich: str) -> str:
    """Empty where it is no rich text, or has no words."""
    try:
        document = json.loads(rich)
        nodes = document.get("nodes") if isinstance(document, dict) else None
        found = "".join(_nodes(nodes))
    except (ValueError, RecursionError):
        return ""
    return found if any(character.isalnum() for character in "".join(_texts(nodes))) else ""


def _nodes(nodes: Any) -> Iterator[str]:
    for node in nodes if isinstance(nodes, list) else []:
        if isinstance(node, dict):
            yield _node(node)


def _node(node: dict[str, Any]) -> str:
    kind, inside = node.get("type"), "".join(_nodes(node.get("nodes")))
    if kind == "TEXT":
        return _text(node.get("textData"))
    if kind == "DIVIDER":
        return "<hr>"
    if kind == "HEADING":
        data = node.get("headingData")
        level = data.get("level") if isinstance(data, dict) else None
        size = level if isinstance(level, int) and 1 <= level <= 6 else 2
        return f"<h{size}>{inside}</h{size}>"
    element = ELEMENTS.get(kind) if isinstance(kind, str) else None
    return f"<{element}>{inside}</{element}>" if element else inside


def _text(data: Any) -> str:
    text = data.get("text") if isinstance(data, dict) else None
    if not isinstance(text, str):
        return ""
    found = escape(text, quote=False).replace("{{", "&#123;{").replace("{%", "&#123;%").replace("\n", "<br>")
    decorations = data.get("decorations")
    for decoration in decorations if isinstance(decorations, list) else []:
        mark = MARKS.get(str(decoration.get("type"))) if isinstance(decoration, dict) else None
        found = f"<{mark}>{found}</{mark}>" if mark else found
    return found


def _texts(nodes: Any) -> Iterator[str]:
    for node in nodes if isinstance(nodes, list) else []:
        if isinstance(node, dict):
            data = node.get("textData")
            yield str(data.get("text", "")) if isinstance(data, dict) else ""
            yield from _texts(node.get("nodes"))
