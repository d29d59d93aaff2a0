"""Buttondown: the export of a newsletter, a table of e-mails (emails.json or emails.csv) and a text for each."""

from __future__ import annotations

import re
from collections.abc import Iterator

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import AGAIN, Archive
from feature_pipeline.sources.files.entries import has_columns, json_of, text
from feature_pipeline.sources.files.fragment import body, drop, inner, of_class, words
from feature_pipeline.sources.files.tables import rows
from feature_pipeline.sources.text import to_date, web_address

NEEDED = ("id", "subject", "publish_date")
OPTIONAL = ("slug", "status", "email_type", "archival_mode", "body", "absolute_url")
TEXTS = ("emails/*.md", "emails/*.html")
SENT = frozenset(("", "sent", "imported", "resending", "throttled", "archived"))
MODE = re.compile(r"\A\s*<!--\s*buttondown-editor-mode:\s*(\w+)\s*-->")
# An embedded post of somebody else, with the script that shows it.
TWEET = re.compile(r"<blockquote class=\"twitter-tweet\"(?:(?!<blockquote)[\s\S])*?</blockquote>")


def recognises(archive: Archive) -> bool:
    return bool(_table(archive))


def read(archive: Archive) -> Iterator[Item]:
    """What was sent. Lists of subscribers are not opened."""
    table = _table(archive)
    emails = list(_listed(archive, table) if table.lower().endswith(".json") else _rows(archive, table))
    source = _account(archive, emails)
    texts = {name.rpartition("/")[2].rpartition(".")[0]: name for name in archive.find(*TEXTS)}
    yield from archive.refusals(source)
    for email in emails:
        yield _email(archive, email, texts, source)
    yield Complete()


def _table(archive: Archive) -> str:
    """The table of e-mails, if their texts are in it or beside it."""
    beside = bool(archive.find(*TEXTS))
    needed = NEEDED if beside else (*NEEDED, "body")
    for name in sorted(archive.find("emails.json")):
        head = archive.head(name, 65536)
        if all(f'"{key}"'.encode() in head for key in needed):
            return name
    return next((name for name in sorted(archive.find("emails.csv")) if has_columns(archive, name, *needed)), "")


def _rows(archive: Archive, table: str) -> Iterator[dict[str, str]]:
    for row in rows(archive, table, NEEDED, OPTIONAL):
        yield {"id": f"line {row.line}", "broken": ": ".join(row.broken)} if row.broken else row.cells


def _listed(archive: Archive, name: str) -> Iterator[dict[str, str]]:
    emails = json_of(archive, name)
    for email in emails if isinstance(emails, list) else []:
        if not isinstance(email, dict) or not set(NEEDED) <= set(email):
            found = ", ".join(email) if isinstance(email, dict) else type(email).__name__
            raise SourceError(f"an e-mail in {name} lacks one of {', '.join(NEEDED)}, it has: {found}", AGAIN)
        yield {key: str(value) for key, value in email.items() if isinstance(value, (str, int, float))}


def _email(archive: Archive, email: dict[str, str], texts: dict[str, str], source: str) -> Found:
    source_id = email.get("id", "")
    if "broken" in email:
        return Refusal(source, source_id, "bad_row", email["broken"])
    if email.get("status", "").lower() not in SENT:
        return Refusal(source, source_id, "draft", "it was not sent")
    if email.get("email_type", "").lower() in ("private", "hidden") or email.get("archival_mode", "") == "disabled":
        return Refusal(source, source_id, "private", "it is not in the newsletter's archive")
    written, slug = email.get("body", ""), email.get("slug", "")
    name = texts.get(slug) or texts.get(source_id)
    if not written and not name:
        return Refusal(source, source_id, "missing", f"emails/{slug or source_id}.md is not in the export")
    try:
        written = written or text(archive, name or "")
    except SourceError as error:
        return Refusal(source, source_id, "unreadable", error.message)
    content, markup = _content(written)
    if not content.strip():
        return Refusal(source, source_id, "empty")
    date, url = to_date(email.get("publish_date")), web_address(email.get("absolute_url"))
    return RawPost(source, source_id, email.get("subject", ""), date, url, content, markup)


def _content(written: str) -> tuple[str, str]:
    """Text and markup: the first line says in which editor it was written."""
    mode = MODE.match(written)
    written = written[mode.end() :] if mode else written
    is_html = mode[1] == "fancy" if mode else bool(re.match(r"\s*<(?:!doctype|html|p|h\d|div|table)\b", written, re.I))
    if not is_html:
        return TWEET.sub("", written), "markdown"
    root = body(written)
    if root is None:
        return "", "html"
    drop(root, f".//*[{of_class('twitter-tweet')}]")
    return (inner(root) if words(root) else ""), "html"


def _account(archive: Archive, emails: list[dict[str, str]]) -> str:
    for email in emails:
        found = re.match(r"https://buttondown\.(?:email|com)/([\w-]+)/archive/", email.get("absolute_url", ""))
        if found:
            return f"buttondown:{found[1].lower()}"
    return str(archive.path)
