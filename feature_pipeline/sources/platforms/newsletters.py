"""Newsletters and blogs that are exported as one table or one JSON: Beehiiv, Letterdrop, Curated; and Buttondown and Wix."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.files.entries import has_columns, json_of
from feature_pipeline.sources.files.fragment import body, drop, inner, of_class, words
from feature_pipeline.sources.files.tables import Row, rows
from feature_pipeline.sources.platforms import buttondown, wix
from feature_pipeline.sources.text import to_date, web_address
from feature_pipeline.sources.values import objects

BEEHIIV = ("id", "web_title", "status", "content_html")
BEEHIIV_TOO = ("url", "email_subject_line", "published_at", "publish_date", "created_at")
PUBLISHED = frozenset(("confirmed", "published"))


def recognises(archive: Archive) -> bool:
    return _reader(archive) is not None


def read(archive: Archive) -> Iterator[Item]:
    """Raises SourceError where it is none of these exports."""
    reader = _reader(archive)
    if reader is None:
        raise SourceError(f"{archive.path} is no export of a newsletter", "give it as it was downloaded")
    yield from reader(archive)


def _reader(archive: Archive) -> Callable[[Archive], Iterator[Item]] | None:
    if buttondown.recognises(archive):
        return buttondown.read
    if wix.recognises(archive):
        return wix.read
    if _beehiiv_tables(archive):
        return _beehiiv
    if _letterdrop_files(archive):
        return _letterdrop
    return _curated if _curated_files(archive) else None


def _beehiiv_tables(archive: Archive) -> list[str]:
    return [name for name in sorted(archive.find("*.csv")) if has_columns(archive, name, "content_html", "web_title")]


def _beehiiv(archive: Archive) -> Iterator[Item]:
    posts = [row for name in _beehiiv_tables(archive) for row in rows(archive, name, BEEHIIV, BEEHIIV_TOO)]
    source = _account("beehiiv", (row["url"] for row in posts), archive)
    yield from archive.refusals(source)
    seen: set[str] = set()
    for row in posts:
        if row.broken:
            yield Refusal(source, f"line {row.line}", *row.broken)
        elif row["id"] in seen:
            yield Refusal(source, row["id"], "duplicate_id", f"line {row.line} has the id of another")
        else:
            seen.add(row["id"])
            yield _beehiiv_post(row, source)
    yield Complete()


def _beehiiv_post(row: Row, source: str) -> Found:
    status = row["status"].strip().lower()
    if status not in PUBLISHED:
        archived = status == "archived"
        return Refusal(source, row["id"], "private" if archived else "draft", f"its status is {status or 'empty'}")
    root = body(row["content_html"])
    if root is not None:
        # Around it is the e-mail's own head and foot.
        root = next(iter(root.xpath(".//*[@id='content-blocks']")), root)
        drop(root, f".//*[{of_class('twitter-tweet')}]")
    if root is None or not words(root):
        return Refusal(source, row["id"], "empty")
    date = next(filter(None, map(to_date, (row["published_at"], row["publish_date"], row["created_at"]))), None)
    title = row["web_title"] or row["email_subject_line"]
    return RawPost(source, row["id"], title, date, web_address(row["url"]), _rewrapped(inner(root)), "html")


def _rewrapped(html: str) -> str:
    """Cells of a layout that lost their table are text again."""
    return re.sub(r"</?(?:td|tr|tbody|table)\b[^>]*>", "", html) if re.match(r"\s*<t[dr]\b", html) else html


def _letterdrop_files(archive: Archive) -> list[str]:
    keys = (b'"posts"', b'"publishedOn"', b'"publication"', b'"body"')
    return [name for name in sorted(archive.find("*.json")) if all(key in archive.head(name, 65536) for key in keys)]


def _letterdrop(archive: Archive) -> Iterator[Item]:
    """What its API answered, page by page. Complete if it says that these are all."""
    answers = objects([json_of(archive, name) for name in _letterdrop_files(archive)])
    found = [post for answer in answers for post in objects(answer.get("posts"))]
    posts = {str(post["id"]): post for post in found if post.get("id")}
    name = next((post["publication"] for post in posts.values() if isinstance(post.get("publication"), str)), "")
    source = f"letterdrop:{name}" if name else str(archive.path)
    yield from archive.refusals(source)
    for post in posts.values():
        yield _letterdrop_post(post, source)
    if len(posts) in [total.get("posts") for total in objects([answer.get("totals") for answer in answers])]:
        yield Complete()


def _letterdrop_post(post: dict[str, Any], source: str) -> Found:
    source_id, root = str(post["id"]), body(str(post.get("body") or ""))
    date = to_date(post.get("publishedOn"))
    if date is None:
        return Refusal(source, source_id, "draft", "it has no date of publication")
    if root is None or not words(root):
        return Refusal(source, source_id, "empty")
    author = post.get("author")
    name = author.get("name") if isinstance(author, dict) else None
    title, url = str(post.get("title") or ""), web_address(post.get("url"))
    return RawPost(source, source_id, title, date, url, inner(root), "html", name if isinstance(name, str) else None)


def _curated_files(archive: Archive) -> list[str]:
    """Issues, each a file called after its number."""
    files = sorted(name for name in archive.find("*.json") if re.search(r"(?:\A|/)\d+\.json\Z", name))
    keys = (b'"number"', b'"publication_status"', b'"categories"')
    return files if files and all(key in archive.head(files[0], 8192) for key in keys) else []


def _curated(archive: Archive) -> Iterator[Item]:
    """What the author says of each link; not the sponsors' words."""
    issues, broken = [], []
    for name in _curated_files(archive):
        try:
            issues.append((name, json_of(archive, name)))
        except SourceError as error:
            broken.append((name, error))
    source = _account("curated", (issue.get("url") for _, issue in issues if isinstance(issue, dict)), archive)
    yield from archive.refusals(source)
    yield from (Refusal(source, name, "unreadable", error.message) for name, error in broken)
    for name, issue in issues:
        yield _issue(issue, name, source)
    yield Complete()


def _issue(issue: Any, name: str, source: str) -> Found:
    if not isinstance(issue, dict) or "number" not in issue:
        return Refusal(source, name, "unreadable", f"{name} is no issue")
    source_id = str(issue["number"])
    if issue.get("publication_status") != "published":
        return Refusal(source, source_id, "draft", "it was not published")
    parts = [str(issue.get("summary") or "")]
    for category in objects(issue.get("categories")):
        if "sponsor" not in str(category.get("code")).lower():
            parts += [str(item.get("description_markdown") or "") for item in objects(category.get("items"))]
    kept = [part.strip() for part in parts if part.strip()]
    said = "\n\n".join(part for at, part in enumerate(kept) if not any(part in other for other in kept[at + 1 :]))
    if not said:
        return Refusal(source, source_id, "empty")
    date, url = to_date(issue.get("published_at")), web_address(issue.get("url"))
    return RawPost(source, source_id, str(issue.get("title") or ""), date, url, said, "markdown")


def _account(platform: str, addresses: Iterator[object], archive: Archive) -> str:
    address = next(filter(None, map(web_address, addresses)), None)
    host = urlsplit(address).netloc.lower() if address else ""
    name = host.removeprefix("www.").removesuffix(f".{platform}.com")
    return f"{platform}:{name}" if name else str(archive.path)
