"""Reddit's data request: posts.csv and comments.csv, in Markdown.

Messages, chats, drafts, votes and addresses are never opened, nor is the `ip` column of the two that are. A request may be
for some months only and does not say so: what an export lacks is never taken for deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from feature_pipeline.sources import Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import MAX_TOTAL, Archive
from feature_pipeline.sources.files.tables import Row, rows
from feature_pipeline.sources.text import to_date, web_address

SITE = "https://www.reddit.com"
WITHDRAWN = frozenset(("[deleted]", "[removed]", "[deleted by user]", "[removed by reddit]"))
NAMED = re.compile(r"export_(.+)_\d{8}")
# A quoted line; `>!` hides a spoiler, which is the author's own.
QUOTED = re.compile(r" {0,3}>(?!!)")


def recognises(archive: Archive) -> bool:
    heads = [archive.head(name) for name in archive.find("posts.csv", "comments.csv")]
    return any(b"subreddit" in head or b"permalink" in head for head in heads)


def read(archive: Archive) -> Iterator[Item]:
    """Posts, then comments as replies. Raises SourceError for a missing column, naming those found."""
    source = _source(archive)
    for _ in _all(archive, source):
        pass  # all of it is sound, before the first is handed on
    yield from archive.refusals(source)
    seen: set[str] = set()
    for item in _all(archive, source):
        if item.source_id not in seen:
            yield item
        seen.add(item.source_id)


def _all(archive: Archive, source: str) -> Iterator[Found]:
    yield from _items(archive, source, "posts.csv", ("id", "permalink", "date", "title", "url", "body"))
    yield from _items(archive, source, "comments.csv", ("id", "permalink", "date", "body"))


def _source(archive: Archive) -> str:
    """By the account's name, which the statistics have; of those nothing else is kept."""
    for name in archive.find("statistics.csv"):
        for row in rows(archive, name, (), ("statistic", "value")):
            if row["statistic"].strip().casefold() == "account name" and row["value"].strip():
                return f"reddit:{row['value'].strip()}"
    named = NAMED.match(archive.path.name)
    return f"reddit:{named[1]}" if named else str(archive.path)


def _items(archive: Archive, source: str, table: str, columns: tuple[str, ...]) -> Iterator[Found]:
    for name in archive.find(table):
        for row in rows(archive, name, columns, ("subreddit",), limit=MAX_TOTAL):
            if row.broken or not row["id"].strip():
                yield Refusal(source, f"{name}:{row.line}", *(row.broken or ("bad_row", f"line {row.line} has no id")))
            else:
                yield _post(row, source) if "title" in columns else _comment(row, source)


def _post(row: Row, source: str) -> Found:
    """A post has a title and mostly a text; one with a link or a picture instead has no words but the title."""
    source_id, title, body = f"t3_{row['id'].strip()}", row["title"].strip(), row["body"]
    if {title.casefold(), body.strip().casefold()} & WITHDRAWN:
        return Refusal(source, source_id, "deleted")
    if not body.strip() and _leads_away(row):
        return Refusal(source, source_id, "link_only", "a title and a link")
    date, url = to_date(row["date"]), _address(row["permalink"])
    if not body.strip():
        if not title:
            return Refusal(source, source_id, "empty")
        return RawPost(source, source_id, "", date, url, title, "plain", format="note")
    return RawPost(source, source_id, title, date, url, body, "markdown", format="article" if title else "note")


def _comment(row: Row, source: str) -> Found:
    source_id, body = f"t1_{row['id'].strip()}", row["body"]
    if body.strip().casefold() in WITHDRAWN:
        return Refusal(source, source_id, "deleted")
    own = "\n".join(line for line in re.split(r"\r?\n", body) if not QUOTED.match(line))
    if not own.strip():
        return Refusal(source, source_id, "empty", "quotes only" if body.strip() else "")
    date, url = to_date(row["date"]), _address(row["permalink"])
    return RawPost(source, source_id, "", date, url, own.strip("\n"), "markdown", format="reply")


def _leads_away(row: Row) -> bool:
    """A post of text links to itself."""
    link, itself = row["url"].strip(), urlsplit(_address(row["permalink"]) or "").path
    return bool(link) and (not itself or urlsplit(link).path.rstrip("/") != itself.rstrip("/"))


def _address(permalink: str) -> str | None:
    path = permalink.strip()
    return f"{SITE}{path}" if path.startswith("/") else web_address(path)
