"""Substack: the export of a publication, and its public API."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import quote, urlsplit

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.files.entries import has_columns, text
from feature_pipeline.sources.files.fragment import body, cut, drop, inner, of_class, words
from feature_pipeline.sources.files.tables import Row, rows
from feature_pipeline.sources.text import to_date, web_address
from feature_pipeline.sources.web.listing import listed, unless_same
from feature_pipeline.sources.web.resumed import Resumed
from feature_pipeline.sources.web.visit import Visit

# Hosts under substack.com that are no publication's.
HOSTS = frozenset(("www", "open", "on", "support", "api", "cdn", "email", "link"))
FURNITURE = (
    f".//*[{of_class('button-wrapper')} or {of_class('captioned-button-wrap')}]",
    ".//*[starts-with(@class, 'subscription-widget') or contains(@class, ' subscription-widget')]",
    f".//*[{of_class('cta-caption')} or {of_class('share-dialog')} or {of_class('paywall-jump')}]",
    ".//*[contains(@data-component-name, 'SubscribeWidget')]",
    # Cards of other posts, notes and publications: other people's words.
    f".//*[{of_class('digest-post-embed')} or {of_class('embedded-post-wrap')} or {of_class('embedded-post')}]",
    f".//*[{of_class('embedded-publication-wrap')} or {of_class('comment')} or {of_class('tweet')}]",
    f".//*[{of_class('image-link-expand')} or {of_class('poll-embed')} or {of_class('install-substack-app-embed')}]",
)
TEXTS = ("posts/[0-9]*.*.html",)

ANCHOR = f".//a[{of_class('footnote-anchor')}]"
NUMBER = f".//a[{of_class('footnote-number')}]"


def recognises(archive: Archive) -> bool:
    return bool(_table(archive))


def read(archive: Archive) -> Iterator[Item]:
    """Everything that was published, for everyone or for those who pay. Lists of readers are not opened."""
    table = _table(archive)
    posts = list(rows(archive, table, ("post_id", "post_date", "is_published", "title")))
    files = _files(archive, table)
    source = _account(archive, [files[_id(row)] for row in posts if _id(row) in files])
    yield from archive.refusals(source)
    seen: set[str] = set()
    for row in posts:
        if row.broken:
            yield Refusal(source, f"line {row.line}", *row.broken)
            continue
        if _id(row) in seen:
            yield Refusal(source, _id(row), "duplicate_id", "posts.csv has it twice")
            continue
        seen.add(_id(row))
        yield _exported(archive, row, files.get(_id(row), ""), source)
    yield Complete()


def claims(url: str) -> bool:
    """A publication on substack.com; a single post of it is read as a page."""
    host, path = _place(url)
    own = re.fullmatch(r"([a-z0-9-]+)\.substack\.com", host)
    return bool(own) and own is not None and own[1] not in HOSTS and not path.startswith(("/p/", "/api/"))


def found_in(html: str, url: str) -> str | None:
    """The address of the publication that a page on a host of its own belongs to."""
    host, path = _place(url)
    is_substack = "substackcdn.com" in html and re.search(r"window\._preloads\s*=", html)
    if not is_substack or not host or path.startswith("/p/") or host in ("substack.com", "www.substack.com"):
        return None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def visit(visit: Visit, url: str, api: str = "") -> Iterator[Item]:
    """What the archive of the publication lists. `api` is its address; without one, `url` is on it."""
    parts = urlsplit(url)
    root = (api or f"{parts.scheme}://{parts.netloc}").rstrip("/")
    source = _named(url)
    known = False

    def page(number: int, offset: int) -> str:
        return f"{root}/api/v1/archive?sort=new&offset={offset}&limit=12"

    def read(start: str) -> Iterator[tuple[str, str, dict[str, Any]] | Complete | Refusal]:
        for at, entry in enumerate(listed(visit, source, page, int(start or 0)), int(start or 0)):
            yield (str(entry["id"]), str(at), entry) if isinstance(entry, dict) else entry

    listing = Resumed(visit.memory, f"{root}/api/v1/archive")
    for entry in listing.entries(read):
        if not known:  # the publication's own host, which its export names too
            source, known = _named(str(entry.get("canonical_url") or "")) or source, True
        yield from _published(visit, entry, root, source)
    yield from listing.ends


def _published(visit: Visit, entry: dict[str, Any], root: str, source: str) -> Iterator[Item]:
    source_id, slug = str(entry["id"]), entry.get("slug")
    if not isinstance(slug, str) or not slug:
        yield Refusal(source, source_id, "bad_answer", "the listing does not say where the post is")
    elif entry.get("audience") in ("only_paid", "founding"):
        yield Refusal(source, source_id, "paywall", "it is for those who pay: your export has the whole")
    else:
        said = [entry.get(name) for name in ("post_date", "updated_at", "audience", "title", "wordcount")]
        changed = json.dumps(said, ensure_ascii=False)
        address = f"{root}/api/v1/posts/{quote(slug, safe='')}"
        yield from unless_same(visit, source, source_id, address, changed, lambda post: _answered(post, entry, source))


def _answered(post: Any, entry: dict[str, Any], source: str) -> Found:
    source_id = str(entry["id"])
    if not isinstance(post, dict) or str(post.get("id", source_id)) != source_id:
        return Refusal(source, source_id, "bad_answer", "the answer is not the post that was asked for")
    if post.get("audience") in ("only_paid", "founding") or post.get("is_truncated") or post.get("truncated"):
        return Refusal(source, source_id, "paywall", "it is for those who pay: your export has the whole")
    content = _content(str(post.get("body_html") or ""))
    if not content:
        return Refusal(source, source_id, "empty", "it has no text, as an episode may")
    bylines = post.get("publishedBylines") or entry.get("publishedBylines")
    names = [line.get("name") for line in bylines if isinstance(line, dict)] if isinstance(bylines, list) else []
    return RawPost(
        source,
        source_id,
        title=str(post.get("title") or entry.get("title") or ""),
        date=to_date(entry.get("post_date") or post.get("post_date")),
        url=web_address(post.get("canonical_url") or entry.get("canonical_url")),
        text=content,
        markup="html",
        author=", ".join(name for name in names if isinstance(name, str) and name) or None,
    )


def _exported(archive: Archive, row: Row, file: str, source: str) -> Found:
    source_id = _id(row)
    if row["is_published"].strip().lower() not in ("true", "1", "yes"):
        return Refusal(source, source_id, "draft", "it was not published")
    if not file:
        return Refusal(source, source_id, "missing", f"posts/{row['post_id']}.html is not in the export")
    try:
        content = _content(text(archive, file))
    except SourceError as error:
        return Refusal(source, source_id, "unreadable", error.message)
    if not content:
        return Refusal(source, source_id, "empty", "it has no text, as an episode may")
    slug = row["post_id"].partition(".")[2]
    host = source.removeprefix("substack:") if source.startswith("substack:") else ""
    domain = host if "." in host else f"{host}.substack.com"
    return RawPost(
        source,
        source_id,
        title=unescape(row["title"]),
        date=to_date(row["post_date"]),
        url=f"https://{domain}/p/{slug}" if host and slug else None,
        text=content,
        markup="html",
    )


def _content(html: str) -> str:
    """Without buttons and cards; a footnote's number in brackets, as it would join the word before it."""
    root = body(html)
    if root is None:
        return ""
    drop(root, *FURNITURE)
    for anchor in root.xpath(ANCHOR):
        number = words(anchor).strip("[]")
        for child in list(anchor):
            anchor.remove(child)
        anchor.text = f"[{number}]"
    for number in root.xpath(NUMBER):
        note = number.getnext()
        first = next(note.iter("p"), None) if note is not None else None
        if first is not None:
            first.text = f"[{words(number)}] {(first.text or '').lstrip()}"
            cut(number)
    return inner(root) if words(root) else ""


def _files(archive: Archive, table: str) -> dict[str, str]:
    """The page of each post, by the post's number."""
    folder = table.rpartition("/")[0]
    found = {}
    for name in sorted(archive.find("posts/*.html")):
        number = re.match(r"(\d+)(?=\.)", name.rpartition("/")[2])
        if number and name.startswith(f"{folder}/" if folder else "posts/"):
            found[number[1]] = name
    return found


def _account(archive: Archive, files: list[str]) -> str:
    """`substack:name`, as the posts' buttons to subscribe say; the archive's path where none does."""
    hosts: Counter[str] = Counter()
    for file in files:
        try:
            page = text(archive, file)
        except SourceError:
            continue
        hosts.update(re.findall(r"https?://([\w.-]+)/subscribe(?=[?\"'&]|%3F)", page))
        if hosts.total() >= 20:
            break
    host = hosts.most_common(1)[0][0] if hosts else ""
    return _named(f"https://{host}") if host else str(archive.path)


def _named(url: str) -> str:
    host = _place(url)[0]
    return f"substack:{host.removeprefix('www.').removesuffix('.substack.com')}" if host else ""


def _place(url: str) -> tuple[str, str]:
    """Host and path of a web address; empty for what is none."""
    try:
        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and "@" not in parts.netloc
        return ((parts.hostname or "") if plain else "", parts.path)
    except ValueError:
        return "", ""


def _table(archive: Archive) -> str:
    tables = sorted(archive.find("posts.csv"))
    return next((name for name in tables if has_columns(archive, name, "post_id", "is_published")), "")


def _id(row: Row) -> str:
    """Its number: the rest of `post_id` is the post's name in its address, which may change."""
    return row["post_id"].partition(".")[0].strip()
