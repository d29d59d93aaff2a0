"""DEV (dev.to): a member's or an organisation's articles, as their API gives the Markdown that was typed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from contracts.errors import SourceError
from feature_pipeline.characters import letters
from feature_pipeline.sources import Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.front_matter import BadFrontMatterError, split
from feature_pipeline.sources.text import to_date, web_address
from feature_pipeline.sources.web.listing import listed, unless_same
from feature_pipeline.sources.web.visit import Visit

# First parts of an address that are no member.
PLACES = frozenset(
    "about admin api badges bookmarks challenges code-of-conduct connect contact dashboard devteam enter faq feed guides "
    "hackathons latest listings mod new notifications pod privacy reactions reading readinglist search settings shop "
    "signout_confirm subforems support t tags terms top trending videos welcome".split()
)
TITLE = re.compile(r"\A\s*#[ \t]+([^\n]{1,1000})\n+")


def claims(url: str) -> bool:
    """A member; a single article of theirs is read as a page."""
    return bool(_member(url))


def visit(visit: Visit, url: str, api: str = "https://dev.to/api") -> Iterator[Item]:
    """Everything that was published, newest first. Raises SourceError for another address."""
    member = _member(url)
    if not member:
        raise SourceError(f"{url} is no member of DEV", "give one such as https://dev.to/ann")
    source = f"devto:{member.lower()}"

    def page(number: int, offset: int) -> str:
        return f"{api}/articles?username={member}&state=all&per_page=100&page={number}"

    for entry in listed(visit, source, page):
        if not isinstance(entry, dict):
            yield entry
            continue
        source_id = str(entry["id"])
        changed = f"{entry.get('published_at') or ''} {entry.get('edited_at') or ''}"
        if not source_id.isdecimal():
            yield Refusal(source, source_id, "bad_answer", "its id is no number")
            continue
        post = partial(_post, entry=entry, source=source)
        yield from unless_same(visit, source, source_id, f"{api}/articles/{source_id}", changed, post)


def _post(post: Any, entry: dict[str, Any], source: str) -> Found:
    source_id = str(entry["id"])
    typed = post.get("body_markdown") if isinstance(post, dict) else None
    if not isinstance(typed, str) or str(post.get("id", source_id)) != source_id:
        return Refusal(source, source_id, "bad_answer", "the answer is not the article that was asked for")
    try:
        front, text, _ = split(typed.replace("\r\n", "\n"))
    except BadFrontMatterError as error:
        return Refusal(source, source_id, "bad_front_matter", str(error))
    title = str(post.get("title") or entry.get("title") or front.title)
    heading = TITLE.match(text)
    if heading and letters(heading[1]) == letters(title):
        text = text[heading.end() :]
    if not text.strip():
        return Refusal(source, source_id, "empty")
    user = post.get("user") or entry.get("user")
    name = user.get("name") if isinstance(user, dict) else None
    # What was first published elsewhere says where: that is the post's own address.
    addresses = (web_address(each.get(key)) for key in ("canonical_url", "url") for each in (post, entry))
    return RawPost(
        source,
        source_id,
        title,
        date=to_date(entry.get("published_at") or post.get("published_at")) or front.date,
        url=next(filter(None, addresses), None),
        text=text,
        markup="markdown",
        author=name if isinstance(name, str) and name else None,
    )


def _member(url: str) -> str:
    """The name in the address of a profile or of its feed; empty for other addresses."""
    try:
        parts = urlsplit(url)
        ours = parts.netloc.lower() in ("dev.to", "www.dev.to") and parts.scheme in ("http", "https")
    except ValueError:
        return ""
    path = [part for part in parts.path.split("/") if part] if ours else []
    path = path[1:] if path[:1] == ["feed"] else path
    is_member = len(path) == 1 and re.fullmatch(r"\w{1,60}", path[0], re.ASCII) and path[0].lower() not in PLACES
    return path[0] if is_member else ""
