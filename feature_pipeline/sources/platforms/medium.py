"""Medium: the archive that a member downloads, and the feed, which lists the newest ten posts only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from contracts.errors import SourceError
from feature_pipeline.characters import letters
from feature_pipeline.html.parser import Entry, ParseError, entries
from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.files.entries import text
from feature_pipeline.sources.files.fragment import body, cut, drop, inner, of_class, tree, words
from feature_pipeline.sources.text import to_date, web_address
from feature_pipeline.sources.web.fetch import FetchError, Page
from feature_pipeline.sources.web.visit import Visit

if TYPE_CHECKING:
    from lxml.html import HtmlElement

# An address ends with it, after the words of the title if there are any.
ID = re.compile(r"(?:\A|[-_])([0-9a-f]{8,16})\Z")
# First parts of an address on medium.com that are no publication.
PLACES = frozenset(
    "about account browse business collections creators feed gift jobs-at-medium m me membership new-story notifications p "
    "partner-program plans policy privacy search sitemap tag tags topic topics trending upgrade verified-authors".split()
)
# Hosts under medium.com that are no member's.
HOSTS = frozenset(("www", "api", "cdn", "help", "link", "miro", "policy", "static", "status"))
# Cards and embeds: what other people wrote.
OTHERS = (
    f".//*[{of_class('graf--mixtapeEmbed')}]",
    f".//*[{of_class('graf--tweetEmbed')}]",
    f".//*[{of_class('twitter-tweet')}]",
)
HEADING = "self::h1 or self::h2 or self::h3 or self::h4"
# Its pages about the account are in folders of their own, and numbered where they are many: claps/claps-0001.html.
ACCOUNT = "blocks bookmarks claps highlights interests ips lists mutes partner-program profile sessions twitter".split()
TEXTS = (
    *("README.html", "posts/*.html", "*-following/*.html", "*/*-0[0-9][0-9][0-9].html"),
    *(f"{folder}/*.html" for folder in ACCOUNT),
)
PUBLISHED_IN = re.compile(r"was originally published in .{1,200} on Medium, where people are continuing", re.DOTALL)


def recognises(archive: Archive) -> bool:
    heads = (archive.head(name, 8192) for name in sorted(archive.find("posts/*.html"))[:5])
    return any(b"h-entry" in head and b"p-name" in head and b'data-field="' in head for head in heads)


def read(archive: Archive) -> Iterator[Item]:
    """Posts, and responses to others as replies. Profile, claps, bookmarks and lists are not opened."""
    names = sorted(archive.find("posts/*.html"))
    source = _account(archive, names)
    yield from archive.refusals(source)
    seen: set[str] = set()
    for name in names:
        item = _entry(archive, name, source)
        if item.source_id in seen:
            item = replace(item, source_id=PurePosixPath(name).stem)
        seen.add(item.source_id)
        yield item
    yield Complete()


def claims(url: str) -> bool:
    return bool(_feeds(url))


def visit(visit: Visit, url: str, api: str = "https://medium.com") -> Iterator[Item]:
    """The newest ten. Never complete: what is older is in the archive only. Raises SourceError for another address."""
    names = _feeds(url)
    if not names:
        raise SourceError(f"{url} is no member or publication on Medium", "give one such as https://medium.com/@ann")
    source = f"medium:{names[0].lower()}"
    try:
        page = _feed(visit, names, api)
        listed = entries(page.content, page.content_type, page.url)
    except FetchError as error:
        yield Refusal(source, url, error.reason, error.detail)
        return
    except ParseError as error:
        yield Refusal(source, url, "bad_feed", str(error))
        return
    for entry in listed:
        yield _listed(entry, source)
    yield Refusal(source, url, "last_10_only", "Medium's feed lists the newest ten; download your archive for the rest")


def _feed(visit: Visit, names: list[str], api: str) -> Page:
    for name in names[:-1]:
        try:
            return visit.get(f"{api}/feed/{name}")
        except FetchError as error:
            if error.reason != "not_found":
                raise
    return visit.get(f"{api}/feed/{names[-1]}")


def _feeds(url: str) -> list[str]:
    """What the feed of an address may be called: `@member` or `publication`; none for other addresses."""
    try:
        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and not parts.port and "@" not in parts.netloc
    except ValueError:
        return []
    host, path = (parts.hostname or "") if plain else "", [part for part in parts.path.split("/") if part]
    if host in ("medium.com", "www.medium.com"):
        path = path[1:] if path[:1] == ["feed"] else path
        name = path[0] if len(path) == 1 or path[1:] == ["about"] else ""
        member = re.fullmatch(r"@[\w.-]{1,60}", name)
        return [name] if member or (re.fullmatch(r"[\w-]{2,80}", name) and name.lower() not in PLACES) else []
    own = re.fullmatch(r"([a-z0-9-]+)\.medium\.com", host)
    if own and own[1] not in HOSTS and path in ([], ["about"], ["feed"]):
        return [f"@{own[1]}", own[1]]
    return []


def _account(archive: Archive, names: list[str]) -> str:
    """`medium:@name`, as the first published post says; the archive's path where none does."""
    for name in names:
        try:
            root = tree(text(archive, name))
        except SourceError:
            continue
        links = root.xpath(f"//a[{of_class('p-author')}]/@href") if root is not None else []
        author = next((name for link in links for name in _feeds(str(link))[:1]), "")
        if author:
            return f"medium:{author.lower()}"
    return str(archive.path)


def _entry(archive: Archive, name: str, source: str) -> Found:
    stem = PurePosixPath(name).stem
    try:
        root = tree(text(archive, name))
    except SourceError as error:
        return Refusal(source, _id(stem) or stem, "unreadable", error.message)
    if root is None:
        return Refusal(source, _id(stem) or stem, "empty")
    url = _first(root, f"//a[{of_class('p-canonical')}]/@href")
    original = _first(root, "//footer//a[contains(@href, '/p/')]/@href")
    source_id = _id(url) or _id(original) or _id(stem) or stem
    date = to_date(_first(root, f"//time[{of_class('dt-published')}]/@datetime"))
    if stem.startswith("draft_") or date is None:
        return Refusal(source, source_id, "draft", "it was not published")
    content = root.xpath("//*[@data-field='body']")
    if not content or not words(content[0]):
        return Refusal(source, source_id, "empty")
    title = words(next(iter(root.xpath(f"//*[{of_class('p-name')}]")), None))
    summary = words(next(iter(root.xpath("//*[@data-field='subtitle']")), None))
    author = words(next(iter(root.xpath(f"//a[{of_class('p-author')}]")), None))
    found = _post(content[0], title, may_be_reply=not summary)
    return replace(found, source=source, source_id=source_id, date=date, url=web_address(url), author=author or None)


def _listed(entry: Entry, source: str) -> Found:
    url = (entry.url or "").split("?")[0]
    source_id = _id(url) or _id(entry.id) or entry.id
    content = body(entry.text)
    if content is None or not words(content):
        return Refusal(source, source_id, "empty")
    if content.xpath(f".//*[{of_class('medium-feed-item')} or {of_class('medium-feed-link')}]"):
        return Refusal(source, source_id, "paywall", "the feed has its beginning only; your archive has the whole")
    for last in content.xpath(".//p[last()]"):
        if PUBLISHED_IN.search(words(last)):
            drop(last, "preceding-sibling::*[1][self::hr]")
            cut(last)
    first = next(iter(content), None)
    subtitle = first is not None and first.tag == "h4"
    if subtitle:
        cut(first)
    found = _post(content, entry.title, may_be_reply=not subtitle)
    return replace(found, source=source, source_id=source_id, date=entry.date, url=url or None, author=entry.author)


def _post(content: HtmlElement, title: str, may_be_reply: bool) -> RawPost:
    """Title, text and format; the rest is for the caller to say.

    Medium does not say what is a response. It has neither title nor subtitle of its own, so that Medium calls it by how
    it begins; a post without a title cannot be told from one.
    """
    drop(content, "(.//section)[1]/div[hr][not(normalize-space())]", *OTHERS)
    named_so = [each for each in content.xpath(f".//*[{HEADING}]") if letters(words(each)) == letters(title)]
    marked = content.xpath(f".//*[({HEADING}) and {of_class('graf--title')}]")
    for heading in (marked or named_so)[:1]:
        cut(heading)
    drop(content, f".//*[{of_class('graf--subtitle')}]")
    reply = may_be_reply and not marked and not named_so and _begins(content, title)
    if reply:
        _drop_quoted(content)
    for code in content.iter("pre"):
        _tidy(code)
    return RawPost(
        "", "", "" if reply else title, None, None, inner(content), "html", format="reply" if reply else "article"
    )


def _tidy(code: HtmlElement) -> None:
    """Its language where Markdown looks for it, and no indentation of the page's own around it."""
    if code.get("data-code-block-lang"):
        code.set("class", f"language-{code.get('data-code-block-lang')}")
    if len(code) == 1 and not (code.text or "").strip() and not (code[0].tail or "").strip():
        code.text = code[0].tail = None


def _begins(content: HtmlElement, title: str) -> bool:
    """Whether the title is how the text begins, or how it goes on after the words that it answers."""
    opening, quoted = letters(re.sub(r"(?:…|\.\.\.)\s*\Z", "", title)), _quoted(content)
    said = letters(words(content))
    return said.startswith(opening) or said.removeprefix(letters(words(quoted))).startswith(opening)


def _drop_quoted(content: HtmlElement) -> None:
    quoted = _quoted(content)
    if quoted is not None:
        cut(quoted)


def _quoted(content: HtmlElement) -> HtmlElement | None:
    """A response to a highlight begins with it: other people's words, unless there is nothing else."""
    first = next((each for each in content.iter("p", "blockquote") if words(each)), None)
    answers = first is not None and first.tag == "blockquote" and words(first) != words(content)
    return first if answers else None


def _id(address: str) -> str:
    found = ID.search(address.split("?")[0].rstrip("/").rpartition("/")[2])
    return found[1] if found else ""


def _first(root: HtmlElement, path: str) -> str:
    return str(next(iter(root.xpath(path)), "")).strip()
