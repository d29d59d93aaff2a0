"""Facebook's export as JSON: the author's posts, and the author's comments as replies.

Messages, groups, other people's posts and everything else are never opened; of the profile, the name and address are used.
An export may be for some months only and does not say so: what it lacks is never taken for deleted. Nor does it say who may
see a post.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from typing import Any

from contracts.errors import SourceError
from contracts.records import digest
from feature_pipeline.sources import Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.values import objects

POSTS = ("posts/your_posts*.json", "your_posts*.json")
COMMENTS = ("comments_and_reactions/comments.json", "comments/comments.json")
PROFILE = "profile_information/profile_information.json"
# Facebook writes each byte of UTF-8 as a character of its own: é as \u00c3\u00a9.
BYTES = re.compile(r"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# Where a file has characters of other kinds too, two that are a capital and a sign, as in «CAFÉ», may be just that.
SURE_BYTES = re.compile(
    r"[\xc2\xc3][\x80-\xbf]|[\xc4-\xdf][\x80-\x9f]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
MENTION = re.compile(r"@\[\d{1,30}:(?:\d{1,10}:)?([^\]\n]{1,200})\]")
LEADING_MENTIONS = re.compile(r"\A\s*(?:@\[\d{1,30}:(?:\d{1,10}:)?[^\]\n]{1,200}\]\s*)+")


def recognises(archive: Archive) -> bool:
    if any(b'"timestamp"' in archive.head(name) for name in archive.find(*POSTS)):
        return True
    return any(b'"comments' in archive.head(name, 200) for name in archive.find(*COMMENTS))


def read(archive: Archive) -> Iterator[Item]:
    """Posts, then comments. Raises SourceError where a file of them is damaged or no longer as it was."""
    name, source = _profile(archive)
    posts = [item for file in archive.find(*POSTS) for item in _listed(archive, file)]
    comments = [item for file in archive.find(*COMMENTS) for item in _listed(archive, file)]
    yield from archive.refusals(source)
    seen: dict[str, Found] = {}
    for item in (
        *(_post(values, source) for values in posts),
        *(_comment(values, source, name) for values in comments),
    ):
        yield from _once(item, seen)


def _once(item: Found, seen: dict[str, Found]) -> Iterator[Found]:
    """There are no ids, only times: two texts of one second are told apart by the text of the second one."""
    before = seen.setdefault(item.source_id, item)
    if before is item:
        yield item
    elif isinstance(item, RawPost) and (not isinstance(before, RawPost) or before.text != item.text):
        other = RawPost(**{**vars(item), "source_id": f"{item.source_id} {digest(item.text, length=8)}"})
        if seen.setdefault(other.source_id, other) is other:
            yield other


def _profile(archive: Archive) -> tuple[str, str]:
    """The author's name, and what names the account: the end of its address, else the name."""
    for file in archive.find(PROFILE):
        values = _json(archive, file)
        profile: Any = values.get("profile_v2", values.get("profile")) if isinstance(values, dict) else None
        if not isinstance(profile, dict):
            continue
        names = profile.get("name")
        name = names.get("full_name") if isinstance(names, dict) else None
        address = re.search(r"facebook\.com/(?:profile\.php\?id=)?([\w.]+)/?\Z", str(profile.get("profile_uri", "")))
        if isinstance(name, str) and name:
            return name, f"facebook:{address[1] if address else name}"
    return "", str(archive.path)


def _listed(archive: Archive, name: str) -> Iterator[dict[str, Any]]:
    """The items of a file: a list, or an object whose only lists are of them."""
    values = _json(archive, name)
    lists = [values] if isinstance(values, list) else list(values.values()) if isinstance(values, dict) else []
    items = [item for value in lists if isinstance(value, list) for item in value if isinstance(item, dict)]
    if items and not any("timestamp" in item for item in items):
        found = ", ".join(sorted({str(key) for item in items for key in item}))[:500]
        raise SourceError(f'{archive.where(name)} has no "timestamp", only: {found}', "ask Facebook for JSON again")
    yield from items


def _json(archive: Archive, name: str) -> Any:
    """Its values, with every text as it was typed."""
    data = archive.read(name)
    try:
        values = json.loads(data)
        return _repaired(values, BYTES if data.isascii() else SURE_BYTES)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{archive.where(name)} is damaged: {error}", "download the export again") from error


def _repaired(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return repaired(value, pattern)
    if isinstance(value, list):
        return [_repaired(item, pattern) for item in value]
    if isinstance(value, dict):
        return {key: _repaired(item, pattern) for key, item in value.items()}
    return value


def repaired(text: str, pattern: re.Pattern[str] = BYTES) -> str:
    """Characters that are bytes of UTF-8 become what they spell; those beside them that spell nothing stay."""
    return pattern.sub(_spelt, text)


def _spelt(found: re.Match[str]) -> str:
    try:
        return found[0].encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:  # an overlong form, or half of a pair
        return found[0]


def _post(values: dict[str, Any], source: str) -> Found:
    """A post's own words are its text, or else those under its pictures; with neither, it shows somebody else's."""
    data, attached = (
        objects(values.get("data")),
        [inner for a in objects(values.get("attachments")) for inner in objects(a.get("data"))],
    )
    text = "\n\n".join(_texts(item.get("post") for item in data))
    if not text:
        media = [item["media"] for item in attached if isinstance(item.get("media"), dict)]
        text = "\n\n".join(_texts(picture.get("description") for picture in media))
    source_id = f"post of {values.get('timestamp')}"
    if not text:
        shared = any("external_context" in item for item in attached) or not attached
        return Refusal(source, source_id, "reshare" if shared else "empty", "without words of its own")
    return RawPost(
        source, source_id, "", _day(values.get("timestamp")), None, MENTION.sub(r"\1", text), "plain", format="note"
    )


def _comment(values: dict[str, Any], source: str, name: str) -> Found:
    source_id = f"comment of {values.get('timestamp')}"
    comments = [item["comment"] for item in objects(values.get("data")) if isinstance(item.get("comment"), dict)]
    if any(name and comment.get("author") not in (name, None) for comment in comments):
        return Refusal(source, source_id, "other_author")
    if any(comment.get("group") for comment in comments):
        return Refusal(source, source_id, "private", "in a group")
    text = "\n\n".join(_texts(comment.get("comment") for comment in comments))
    text = MENTION.sub(r"\1", LEADING_MENTIONS.sub("", text))
    if not text.strip():
        return Refusal(source, source_id, "empty")
    return RawPost(source, source_id, "", _day(values.get("timestamp")), None, text, "plain", format="reply")


def _texts(values: Iterator[Any]) -> list[str]:
    """Each once: an album has its text with every picture."""
    return list(dict.fromkeys(text for text in values if isinstance(text, str) and text.strip()))


def _day(timestamp: object) -> dt.date | None:
    """In UTC, as the export says no other."""
    try:
        return dt.datetime.fromtimestamp(float(str(timestamp)), dt.UTC).date()
    except (ValueError, OverflowError, OSError):
        return None
