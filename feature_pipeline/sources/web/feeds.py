"""What a feed or a sitemap lists. Knows nothing of fetching."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from feature_pipeline.html.parser import Entry
from feature_pipeline.sources.text import decode, to_date, web_address

# Possessive, as a thousand comments could be divided in more ways than there is time for.
ROOT = re.compile(
    rb"\A(?:\xef\xbb\xbf)?(?:\s|<!--(?:(?!-->).)*-->|<\?(?:(?!\?>).)*\?>|<!DOCTYPE[^>\[]*(?:\[[^\]]*\]\s*)?>)*+<([\w:.-]+)",
    re.DOTALL,
)
# The end of a text that was cut short.
CUT = re.compile(
    r"(?:\[?(?:…|\.\.\.|&#8230;|&hellip;)\]?|read more|continue reading|more →)[\s»→)\]]*(?:</\w+>\s*)*\Z",
    re.IGNORECASE,
)
ATOM = "{http://www.w3.org/2005/Atom}"
WORDPRESS = re.compile(rb"<generator\b[^>]*(?:>\s*|uri=[\"'])https?://(?:www\.)?wordpress\.(?:org|com)/")
# RSS wants one beside the author's name; feedparser takes a part of one with a long ending for the name.
ADDRESS = re.compile(r"(?<![@\w])[\w.+-]+@[\w-]+\.[\w.-]+")
MAX_SITEMAP_BYTES = 5_000_000


class BadListError(ValueError):
    """It is no feed or sitemap that can be read safely."""


def kind(data: bytes) -> str:
    """`feed`, `sitemap`, `index` (of sitemaps) or nothing, from the content itself: servers mislabel them."""
    if data.lstrip()[:1] == b"{":
        return "feed" if b"jsonfeed.org/version" in data[:2048] else ""
    root = ROOT.match(data[:4096])
    name = root[1].decode("ascii", "replace").split(":")[-1].lower() if root else ""
    return {"rss": "feed", "feed": "feed", "rdf": "feed", "urlset": "sitemap", "sitemapindex": "index"}.get(name, "")


def entries(data: bytes, content_type: str, url: str) -> Iterator[Entry]:
    """In the feed's order. Raises BadListError. May take long: ask `parser.entries`."""
    if data.lstrip()[:1] == b"{":
        yield from _json_entries(data, url)
        return
    _no_entities(data)
    import feedparser

    # A stream, since feedparser opens bytes as a path if there is one of that name; not sanitized, since that takes
    # away the styles which say that a text is hidden; and without the feed's address, which it would add to the ids.
    feed = feedparser.parse(
        io.BytesIO(data),
        sanitize_html=False,
        response_headers={"content-type": content_type or "application/xml"},
    )
    if not feed.get("version") and not feed.entries:
        raise BadListError("it is no feed that can be read")
    for entry in feed.entries:
        yield _entry(entry, url)


def listing(data: bytes, url: str) -> list[tuple[str, str]]:
    """The addresses in a sitemap or an index of sitemaps, each with the time of its last change. Raises BadListError.

    The time is empty where it cannot be believed: where all are the same, it is the time at which the list was made.
    """
    _no_entities(data)
    try:
        root = _xml(data)
    except SyntaxError as error:
        raise BadListError(f"it is no XML: {error}") from error
    found = []
    for place in root.iterfind(".//{*}loc"):
        parent = place.getparent()
        # A <loc> of a page, not of an image in it.
        if place.text and parent is not None and str(parent.tag).rpartition("}")[2] in ("url", "sitemap"):
            found.append((urljoin(url, place.text.strip()), (parent.findtext("{*}lastmod") or "").strip()))
    made_at_once = len(found) > 1 and len({changed for _, changed in found}) == 1
    return [(place, changed if not made_at_once and _is_past(changed) else "") for place, changed in found]


def older(data: bytes, url: str) -> str:
    """The address of the page of older entries that a feed names; empty where there is none."""
    if data.lstrip()[:1] == b"{":
        try:
            named = json.loads(decode(data) or "").get("next_url")
        except (ValueError, RecursionError, AttributeError):
            return ""
        return web_address(urljoin(url, named)) or "" if isinstance(named, str) and named else ""
    try:
        _no_entities(data)
        root = _xml(data, recover=True)
    except (BadListError, SyntaxError):
        return ""
    links = [] if root is None else [*root.findall(f"{ATOM}link"), *root.findall(f"{{*}}channel/{ATOM}link")]
    named_as = {link.get("rel"): link.get("href", "") for link in reversed(links)}
    href = named_as.get("prev-archive") or named_as.get("next") or ""
    return web_address(urljoin(url, href.strip())) or "" if href else ""


def older_unnamed(data: bytes, url: str) -> str:
    """The same for WordPress, whose feeds have pages and do not say so."""
    if not WORDPRESS.search(data[:20_000]):
        return ""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    number = int(query["paged"]) if re.fullmatch(r"[0-9]{1,6}", query.get("paged", "")) else 1
    return urlunsplit(parts._replace(query=urlencode({**query, "paged": str(number + 1)})))


def unpacked(data: bytes) -> bytes:
    """A sitemap.xml.gz as XML; anything else as it is. Raises BadListError."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        with gzip.open(io.BytesIO(data)) as file:  # may be several, one after the other
            text = file.read(MAX_SITEMAP_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadListError(f"it is no gzip, or was cut short: {error}") from error
    if len(text) > MAX_SITEMAP_BYTES:
        raise BadListError(f"it is over {MAX_SITEMAP_BYTES:,} bytes")
    return text


def _xml(data: bytes, recover: bool = False) -> Any:
    from lxml import etree

    return etree.fromstring(
        data, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, recover=recover)
    )


def _is_past(changed: str) -> bool:
    """Whether nothing more can change at that time; a day is past when it is over everywhere."""
    try:
        at = dt.datetime.fromisoformat(changed)
    except ValueError:
        return False
    at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    only_a_day = at.time() == dt.time()
    return at + dt.timedelta(hours=36 if only_a_day else 0) < dt.datetime.now(dt.UTC)


def _no_entities(data: bytes) -> None:
    """No feed needs its own entities; with them, a file can grow without end or name files of ours."""
    root = ROOT.match(data)  # they are declared before it; a post may well be about them
    if b"<!ENTITY" in (data[: root.end()] if root else data.replace(b"\0", b"")):
        raise BadListError("it declares entities")


def _entry(entry: Any, base: str) -> Entry:
    content = [part for part in entry.get("content", []) if part.get("value")]
    best = max(content, key=lambda part: len(part["value"]), default=None) or entry.get("summary_detail") or {}
    text = str(best.get("value") or "")
    link, title, date = entry.get("feedburner_origlink") or entry.get("link"), str(entry.get("title", "")), _date(entry)
    return Entry(
        # Without a name of its own, by what does not change when a word is corrected.
        id=str(entry.get("id") or link or f"{date or ''} {title}".strip()),
        url=web_address(urljoin(base, link)) if link else None,
        title=_plain(title, str(entry.get("title_detail", {}).get("type", ""))),
        date=date,
        author=_named(str(entry.get("author") or "")) or None,
        text=text,
        markup="plain" if best.get("type") == "text/plain" and not re.search(r"<\w+[ />]|&\w+;", text) else "html",
        whole=bool(content) and not CUT.search(text.strip()),
    )


def _named(author: str) -> str:
    return ADDRESS.sub("", author).strip(" ()<>") if ADDRESS.search(author) else author


def _date(entry: Any) -> dt.date | None:
    for name in ("published", "updated", "created"):
        # The text, for the author's own day; feedparser's parsed form is in UTC.
        date = to_date(entry.get(name))
        if date is None and entry.get(f"{name}_parsed"):
            date = dt.date(*entry[f"{name}_parsed"][:3])
        if date is not None:
            return date
    return None


def _plain(title: str, kind_of: str) -> str:
    """Atom lets a title be HTML."""
    if "html" not in kind_of or not re.search(r"<\w|&\w+;|&#", title):
        return title
    from lxml.html import fragment_fromstring

    return str(fragment_fromstring(title, create_parent="div").text_content())


def _json_entries(data: bytes, url: str) -> Iterator[Entry]:
    try:
        feed = json.loads(decode(data) or "")
    except (ValueError, RecursionError) as error:
        raise BadListError(f"it is no JSON: {error}") from error
    items = feed.get("items") if isinstance(feed, dict) else None
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict):
            yield _json_entry({key: value for key, value in item.items() if value}, url)


def _json_entry(item: dict[str, Any], base: str) -> Entry:
    html, plain = str(item.get("content_html", "")), str(item.get("content_text", ""))
    authors = item.get("authors") or [item.get("author")]
    author = authors[0] if isinstance(authors, list) else None
    link = web_address(urljoin(base, str(item.get("url", ""))) if item.get("url") else None)
    return Entry(
        id=str(item.get("id") or link or ""),
        url=link,
        title=str(item.get("title", "")),
        date=to_date(item.get("date_published")) or to_date(item.get("date_modified")),
        author=str(author.get("name") or "") or None if isinstance(author, dict) else None,
        text=html or plain or str(item.get("summary", "")),
        markup="html" if html else "plain",
        whole=bool(html or plain),
    )
