"""Ghost: an export, answers of its Content or Admin API that were saved, or a live site.

In the author's own export, posts for members are the author's words; what the public API withholds is a paywall. An export
does not say where its blog stands, but no two blogs give one id: it alone names a post, so that an export and the live site
bring the same one up to date.
"""

from __future__ import annotations

import datetime as dt
import html
import re
import zoneinfo
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.files.entries import items_of, opened
from feature_pipeline.sources.files.json_stream import BadJsonError, Path, keys
from feature_pipeline.sources.platforms.ghost_html import from_lexical, from_mobiledoc, only_markdown
from feature_pipeline.sources.text import to_date, web_address
from feature_pipeline.sources.values import objects
from feature_pipeline.sources.web.fetch import FetchError
from feature_pipeline.sources.web.paging import posts_and_pages
from feature_pipeline.sources.web.visit import Visit

EXPORT = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*\{\s*\"(?:db|meta|data)\"\s*:")
ANSWER = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*\{\s*\"(?:posts|pages)\"\s*:\s*\[")
BODIES = (b'"html"', b'"lexical"', b'"mobiledoc"', b'"plaintext"')
# "sent" went to subscribers by e-mail alone: it was published, too.
PUBLISHED = frozenset(("published", "sent"))

SCRIPT = re.compile(r"<script\b[^<>]*>", re.IGNORECASE)
VALUE = re.compile(r"\b(data-(?:ghost|key|api|sodo-search))\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
KEY = re.compile(r"[0-9a-fA-F]{8,64}\Z")
# What names a post since Ghost 1.0; before, the first post of each blog was 1.
OBJECT_ID = re.compile(r"[0-9a-f]{24}\Z")
HEAD_BYTES = 65_536
MAX_FILES = 1_000  # that are looked at: exports of other platforms have many more


def recognises(archive: Archive) -> bool:
    return any(_exports(archive))


def read(archive: Archive) -> Iterator[Item]:
    """Published posts and pages. Raises SourceError where an export has no posts in it."""
    yield from archive.refusals(str(archive.path))
    whole, seen = not archive.refused, set[tuple[str, str]]()
    for name in _exports(archive):
        try:
            about = _about(archive, name)
        except BadJsonError:
            yield Refusal(str(archive.path), name, "damaged", "it is no JSON that can be read: export the blog again")
            whole = False
            continue
        whole = whole and about.is_export  # an answer is a page of a list
        for item in _posts(archive, name, about):
            if isinstance(item, RawPost) and (item.source, item.source_id) in seen:
                item = Refusal(item.source, item.source_id, "duplicate_id", "it is in the export twice")
            seen.add((item.source, item.source_id))
            yield item
    if whole and seen:
        yield Complete()


def found_in(html_text: str, url: str) -> str | None:
    """The root of the Content API with the public key, as the page gives them to its own scripts."""
    for script in SCRIPT.finditer(html_text):
        said = {name.lower(): html.unescape(one or two) for name, one, two in VALUE.findall(script[0])}
        site = said.get("data-ghost") or said.get("data-sodo-search")
        root = said.get("data-api") or (site and f"{site.rstrip('/')}/ghost/api/content/")
        if root and site and KEY.match(said.get("data-key", "")):
            return web_address(f"{urljoin(url, root).rstrip('/')}/?{urlencode({'key': said['data-key']})}")
    return None


def visit(visit: Visit, url: str, api: str) -> Iterator[Item]:
    """Every public post and page. `api` is what found_in returned."""
    yield from posts_and_pages(visit, _Listing(visit, url, api))


def _exports(archive: Archive) -> Iterator[str]:
    for name in (archive.find("*.json") or archive.names[:1])[:MAX_FILES]:
        first = archive.head(name, HEAD_BYTES)
        posts = b'"slug"' in first and any(body in first for body in BODIES)
        export = EXPORT.match(first) and (b'"exported_on"' in first or (posts and b'"posts"' in first))
        if export or (posts and ANSWER.match(first)):
            yield name


@dataclass
class _About:
    """What an export says beside its posts."""

    path: str
    is_export: bool = False
    """Not an answer of an API."""
    settings: dict[str, Any] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    writers: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """Of each post by its id: the place of each writer, and the user's id."""

    @property
    def account(self) -> str:
        title = self.settings.get("title")
        return f"ghost:{title}" if isinstance(title, str) and title.strip() else self.path

    @property
    def zone(self) -> dt.tzinfo:
        return _zone(self.settings.get("timezone") or self.settings.get("active_timezone"))

    def names(self, post: str, owner: str) -> str:
        """Of a post's own writers, or of the user that it belongs to."""
        named = [self.users.get(user, "") for _, user in sorted(self.writers.get(post, ()))]
        return ", ".join(filter(None, named)) or self.users.get(owner, "")


def _tables(*names: str) -> list[Path]:
    """Where they may be: in an export, in one of its older kind, in an answer."""
    return [(*within, name) for within in (("db", "data"), ("data",), ()) for name in names]


def _about(archive: Archive, name: str) -> _About:
    """All but the posts. Raises BadJsonError, and SourceError where there are none."""
    about, any_posts, same = _About(str(archive.path)), False, dict[Any, Any]()
    for path, row in items_of(archive, name, *_tables("posts", "pages", "settings", "users", "posts_authors")):
        any_posts |= path[-1] in ("posts", "pages")
        about.is_export |= len(path) > 1
        if not isinstance(row, dict):
            continue
        if path[-1] == "settings":
            about.settings[str(row.get("key"))] = row.get("value")
        elif path[-1] == "users":
            about.users[str(row.get("id"))] = str(row.get("name") or "")
        elif path[-1] == "posts_authors":
            post, one = str(row.get("post_id")), (str(row.get("sort_order", 0)).zfill(9), str(row.get("author_id")))
            writers = (*about.writers.get(post, ()), one)
            about.writers[post] = same.setdefault(writers, writers)  # most posts have the same
    if not any_posts:
        with opened(archive, name) as file:
            there = ", ".join(keys(file, ("db", "data"), ("data",))) or "nothing"
        raise SourceError(f'{name} has no "posts", only: {there}', "export the blog from Ghost again")
    return about


def _posts(archive: Archive, name: str, about: _About) -> Iterator[Found]:
    account, zone = about.account, about.zone
    for _, row in items_of(archive, name, *_tables("posts", "pages")):
        if isinstance(row, dict):
            post = {**row["data"], "url": row.get("url")} if isinstance(row.get("data"), dict) else row
            answered = web_address(post.get("url")) if post is row else None
            yield _post(post, f"ghost:{_host(answered)}" if answered else account, about.names, zone)


def _post(post: dict[str, Any], source: str, writers: Callable[[str, str], str], zone: dt.tzinfo) -> Found:
    source = "ghost" if OBJECT_ID.match(str(post.get("id"))) else source
    source_id = str(post.get("id") or post.get("uuid") or post.get("slug") or post.get("url") or "?")
    status = str(post.get("status", "published"))
    if status not in PUBLISHED:
        return Refusal(source, source_id, "draft", f"its status is {status}")
    if post.get("access") is False:
        return Refusal(source, source_id, "paywall", "the site shows it to members only: export the blog")
    text, markup = _text(post)
    if not re.sub(r"<(?!img\b)[^<>]*>", "", html.unescape(text)).strip():
        withheld = post.get("visibility", "public") != "public" and not post.keys() & {"lexical", "mobiledoc"}
        return Refusal(source, source_id, "paywall" if withheld else "empty")
    return RawPost(
        source,
        source_id,
        str(post.get("title") or ""),
        _day(post.get("published_at") or post.get("created_at"), zone),
        web_address(post.get("canonical_url")) or web_address(post.get("url")),
        text,
        markup,
        _writer(post, source_id, writers),
    )


def _text(post: dict[str, Any]) -> tuple[str, str]:
    """The post as its readers saw it; where that is not kept, as the author's editor has it."""
    for text in (post.get("html"), from_lexical(post.get("lexical"))):
        if isinstance(text, str) and text.strip():
            return text.replace("__GHOST_URL__", ""), "html"
    markdown = only_markdown(post.get("mobiledoc"))
    if markdown.strip():
        return markdown, "markdown"
    text = from_mobiledoc(post.get("mobiledoc"))
    return (text, "html") if text.strip() else (str(post.get("plaintext") or post.get("markdown") or ""), "plain")


def _writer(post: dict[str, Any], source_id: str, writers: Callable[[str, str], str]) -> str | None:
    author = post.get("author") or post.get("primary_author")
    rows = objects(post.get("authors")) or ([author] if isinstance(author, dict) else [])
    people = [row.get("data", row) for row in rows]
    names = ", ".join(str(person["name"]) for person in people if isinstance(person, dict) and person.get("name"))
    owner = author if isinstance(author, str | int) else post.get("author_id")
    return names or writers(source_id, str(owner)) or None


def _zone(name: Any) -> dt.tzinfo:
    try:
        return zoneinfo.ZoneInfo(name) if isinstance(name, str) else dt.UTC
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return dt.UTC


def _day(said: Any, zone: dt.tzinfo) -> dt.date | None:
    """In the blog's time zone: exports have UTC (milliseconds, before 2017), answers the zone's own time."""
    try:
        at = dt.datetime.fromtimestamp(said / 1000, dt.UTC) if isinstance(said, int) else _utc(str(said or ""))
        return at.astimezone(zone).date() if at.utcoffset() == dt.timedelta(0) else at.date()
    except (ValueError, OverflowError, OSError):
        return to_date(said)


def _utc(said: str) -> dt.datetime:
    at = dt.datetime.fromisoformat(said)
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)


def _is_last(answer: dict[str, Any], short: bool) -> bool:
    """A site may give fewer on a page than asked for, and then says that there is a next."""
    pages = answer["meta"].get("pagination") if isinstance(answer.get("meta"), dict) else None
    return not pages["next"] if isinstance(pages, dict) and "next" in pages else short


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower().removeprefix("www.")


class _Listing:
    """One reading of the Content API."""

    def __init__(self, visit: Visit, url: str, api: str) -> None:
        self._visit = visit
        self._root, _, query = api.partition("?")
        self._key = parse_qs(query).get("key", [""])[0]
        self.source = f"ghost:{_host(url)}"
        self.told: set[str] = set()

    def address(self, kind: str) -> str:
        return f"{self._root}{kind}/"

    def page(self, kind: str, number: int, size: int) -> tuple[list[Any], bool]:
        answer = self._ask(kind, limit=size, page=number, include="authors", formats="html")
        rows = answer.get(kind) if isinstance(answer, dict) else None
        if not isinstance(rows, list):
            raise FetchError("bad_answer", f"the list of {kind} is no list")
        return rows, _is_last(answer, len(rows) < size)

    def _ask(self, kind: str, **query: str | int) -> Any:
        """Raises FetchError, which is shown to people, without the key."""
        try:
            return self._visit.json(self.address(kind), key=self._key, **query)
        except FetchError as error:
            detail = error.detail.replace(self._key, "…") if self._key else error.detail
            raise FetchError(error.reason, detail, error.status) from error

    def new(self, rows: list[Any]) -> Iterator[Found]:
        """A post that moved to the next page meanwhile is told once."""
        for row in rows:
            if not isinstance(row, dict) or not row.get("id"):
                yield Refusal(self.source, "?", "bad_item", "it has no id")
            elif str(row["id"]) not in self.told:
                self.told.add(str(row["id"]))
                yield _post(row, self.source, lambda *_: "", dt.UTC)
