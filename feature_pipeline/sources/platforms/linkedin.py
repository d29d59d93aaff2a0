"""LinkedIn's export: Shares.csv (posts), Comments.csv (the author's own, as replies) and Articles/*.html.

Messages, connections, the profile and addresses are never opened. Every export of one's own data is one account, and none
of the files read here names it, so the source is "linkedin:profile".
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, urlsplit

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.files.tables import Row, rows
from feature_pipeline.sources.text import decode, to_date, web_address

SOURCE = "linkedin:profile"
# The larger archive adds the member's number to its files' names.
SHARES = ("Shares.csv", "Shares_[0-9]*.csv")
COMMENTS = ("Comments.csv", "Comments_[0-9]*.csv")
ARTICLES = TEXTS = ("Articles/Articles/*.html", "Articles/*.html")
OTHERS = ("Profile.csv", "Connections.csv", "Registration.csv")
# Who may read it: anybody, or any member. An export from before 2021 does not say. Others are connections and groups.
PUBLIC = frozenset(("", "PUBLIC", "MEMBER_NETWORK", "LOGGED_IN", "ANYONE"))
URN = re.compile(r"urn:li:(\w+):(\d+)")
SLUG_URN = re.compile(r"-(activity|share|ugcPost)-(\d{10,})")
# A quote after a backslash, unless the cell ends there: a new row begins with a date.
ESCAPED_QUOTE = re.compile(r'\\"(?!\s*\Z|\r?\n\d{4}-\d\d-\d\d)')
MAX_ARTICLE = 5_000_000
HEADING = re.compile(r"<h1[^>]{0,500}>(.{1,3000}?)</h1>", re.IGNORECASE | re.DOTALL)
LINK = re.compile(r"<a[^>]{0,500}?href=[\"']([^\"']{1,2000})", re.IGNORECASE)
PUBLISHED = re.compile(
    r"<p(?=[^>]{0,200}\bpublished\b|[^>]{0,200}>\s{0,20}Published on)[^>]{0,200}>([^<]{0,200})</p>", re.IGNORECASE
)
CREATED = re.compile(
    r"<p(?=[^>]{0,200}\bcreated\b|[^>]{0,200}>\s{0,20}Created on)[^>]{0,200}>[^<]{0,200}</p>", re.IGNORECASE
)
DAY = re.compile(r"\d{4}-\d\d-\d\d")


def recognises(archive: Archive) -> bool:
    if any(re.search(b"ShareLink|ShareCommentary", archive.head(name)) for name in archive.find(*SHARES)):
        return True
    if any(archive.head(name).lstrip(b"\xef\xbb\xbf").startswith(b"Date,Link,") for name in archive.find(*COMMENTS)):
        return True
    # "Basic" archives may have no posts; reading one says what to ask for.
    if len(archive.find(*OTHERS)) > 1:
        return True
    return any(
        re.search(b"linkedin\\.com/|Published on 20", archive.head(name)) for name in archive.find(ARTICLES[0])[:5]
    )


def read(archive: Archive) -> Iterator[Item]:
    """Posts, the author's comments, articles. Raises SourceError for a missing column, or where there are none of them."""
    shares, comments, articles = archive.find(*SHARES), archive.find(*COMMENTS), archive.find(*ARTICLES)
    if not (shares or comments or articles):
        raise SourceError(
            f"{archive.path} has no Shares.csv, Comments.csv or articles",
            "in LinkedIn's settings, Data privacy → Get a copy of your data, ask for the larger archive",
        )
    # Tables first and whole: where one of them is damaged, nothing has been handed on yet.
    found = [*_shares(archive, shares), *_comments(archive, comments)]
    yield from archive.refusals(SOURCE)
    seen: dict[str, Found] = {}
    for item in (*found, *_articles(archive, articles)):
        if seen.get(item.source_id) != item:  # the export has some rows twice
            yield _own(item, seen)
    broken = any(isinstance(item, Refusal) and item.reason in ("unreadable", "bad_row") for item in seen.values())
    # Each part of the export can be asked for alone; one that has all of them has all the posts.
    if shares and comments and archive.find(*OTHERS) and not archive.is_file and not archive.refused and not broken:
        yield Complete()


def _own(item: Found, seen: dict[str, Found]) -> Found:
    """With an id that nothing else of this export has."""
    if item.source_id in seen:
        return Refusal(SOURCE, item.source_id, "duplicate_id", "another row has the same address and another text")
    seen[item.source_id] = item
    return item


def _shares(archive: Archive, names: list[str]) -> Iterator[Found]:
    optional = ("SharedUrl", "MediaUrl", "Visibility")
    for name in names:
        table = list(rows(archive, name, ("Date", "ShareLink", "ShareCommentary"), optional))
        wrapped = _are_wrapped([row["ShareCommentary"] for row in table])
        for row in table:
            yield _share(row, unwrapped(row["ShareCommentary"]) if wrapped else row["ShareCommentary"], name)


def _share(row: Row, text: str, name: str) -> Found:
    if row.broken:
        return Refusal(SOURCE, f"{name}:{row.line}", *row.broken)
    link = unquote(row["ShareLink"].strip())
    source_id = _urn(link) or f"share of {row['Date'].strip() or f'line {row.line}'}"
    if row["Visibility"].strip().upper() not in PUBLIC or source_id.startswith("urn:li:groupPost:"):
        return Refusal(SOURCE, source_id, "private", f"for {row['Visibility'].strip() or 'a group'} only")
    if not text.strip():
        return Refusal(SOURCE, source_id, "reshare", "without words of its own")
    return RawPost(SOURCE, source_id, "", to_date(row["Date"]), web_address(link), text, "plain", format="note")


def _comments(archive: Archive, names: list[str]) -> Iterator[Found]:
    for name in names:
        for row in rows(archive, name, ("Date", "Link", "Message"), prepare=lambda text: ESCAPED_QUOTE.sub('""', text)):
            yield _comment(row, name)


def _comment(row: Row, name: str) -> Found:
    """Many comments have one link, that of the post they are on; the time makes them two."""
    if row.broken:
        return Refusal(SOURCE, f"{name}:{row.line}", *row.broken)
    link = unquote(row["Link"].strip())
    source_id = f"comment on {_urn(link) or link} of {row['Date'].strip() or f'line {row.line}'}"
    if "urn:li:groupPost:" in link:
        return Refusal(SOURCE, source_id, "private", "in a group")
    if not row["Message"].strip():
        return Refusal(SOURCE, source_id, "empty")
    return RawPost(
        SOURCE, source_id, "", to_date(row["Date"]), web_address(link), row["Message"], "plain", format="reply"
    )


def _articles(archive: Archive, names: list[str]) -> Iterator[Found]:
    for name in names:
        try:
            text = decode(archive.read(name, MAX_ARTICLE))
        except SourceError as error:
            yield Refusal(SOURCE, name, "unreadable", error.message)
            continue
        yield _article(name, text) if text is not None else Refusal(SOURCE, name, "not_text")


def _article(name: str, page: str) -> Found:
    """A page is a picture, a heading that links to the article, when it was written and published, and the text."""
    heading, published = HEADING.search(page), PUBLISHED.search(page)
    link = LINK.search(heading[1]) if heading else None
    url = web_address(unquote(html.unescape(link[1]))) if link else None
    slug = re.search(r"/pulse/([^/]+)", urlsplit(url).path) if url else None
    source_id = f"article {slug[1]}" if slug else name
    day = DAY.search(published[1]) if published else None
    if day is None:
        return Refusal(SOURCE, source_id, "draft", "it has no date of publication")
    at = max(match.end() for match in (heading, published, CREATED.search(page)) if match)
    body = re.sub(r"</body>.*", "", page[at:], flags=re.IGNORECASE | re.DOTALL)
    if not re.sub(r"<[^>]*>|\s", "", body):
        return Refusal(SOURCE, source_id, "empty")
    title = html.unescape(re.sub(r"<[^>]*>", "", heading[1])).strip() if heading else ""
    return RawPost(SOURCE, source_id, title, to_date(day[0]), url, body, "html")


def _urn(link: str) -> str:
    """The post's own id; of several (a comment's holds its post's) the first."""
    found = URN.search(link)
    if found:
        return f"urn:li:{found[1]}:{found[2]}"
    slug = SLUG_URN.search(link)
    return f"urn:li:{slug[1]}:{slug[2]}" if slug else ""


def _are_wrapped(texts: Iterable[str]) -> bool:
    """Some exports close and open quotes at every line end. Every text of theirs does; in others, a few lines may do so,
    around words that are quoted."""
    multiline = [lines for lines in map(_lines, texts) if len(lines) > 1]
    if not multiline or not all(_is_wrapped(lines) for lines in multiline):
        return False
    # A quotation has its quotes in pairs; a lone one, or an empty pair for an empty line, is no author's.
    clear = any(lines[0].count('"') % 2 or any(line in ('"', '""') for line in lines[1:-1]) for lines in multiline)
    return clear or len(multiline) > 2


def _is_wrapped(lines: list[str]) -> bool:
    inside = all(line.startswith('"') and line.endswith('"') for line in lines[1:-1])
    return lines[0].endswith('"') and lines[-1].startswith('"') and inside


def unwrapped(text: str) -> str:
    """The text of a commentary whose lines are quoted one by one: `a"⏎"⏎"b` or `"a"⏎""⏎"b"` → a, an empty line, b."""
    lines = _lines(text)
    if len(lines) == 1 or not _is_wrapped(lines):
        return text
    whole = lines[0].startswith('"') and lines[-1].endswith('"') and lines[0].count('"') % 2 == 0 and len(lines[0]) > 1
    bare = [lines[0][whole:-1], *(line[1:-1] for line in lines[1:-1]), lines[-1][1 : -1 if whole else None]]
    joined = "\n".join(bare)
    # Quoted as a cell of its own, each line has its own quotes doubled.
    pairs = all(len(run) % 2 == 0 for run in re.findall('"+', joined))
    return joined.replace('""', '"') if pairs else joined


def _lines(text: str) -> list[str]:
    return re.split(r"\r?\n", text)
