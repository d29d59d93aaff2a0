"""X's (Twitter's) archive: the author's posts, threads as one, long posts with the text that is kept beside them.

Direct messages, deleted posts, likes and everything else are never opened; of the account, its name and number are used.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.files.entries import items_of
from feature_pipeline.sources.files.json_stream import BadJsonError
from feature_pipeline.sources.platforms.threads import Threads
from feature_pipeline.sources.values import age, objects

TWEETS = ("tweets.js", "tweets-part[0-9]*.js", "tweet.js", "tweet-part[0-9]*.js")
NOTES = ("note-tweet.js", "note-tweet-part[0-9]*.js", "note-tweets.js")
BEGINS = re.compile(r"\s*window\.YTD\.(\w+)\.part\d+\s*=\s*")
ASSIGNED = re.compile(rb"(?:\xef\xbb\xbf)?" + BEGINS.pattern.encode())  # the same, where bytes are looked at
TWITTER_DATE = "%a %b %d %H:%M:%S %z %Y"
MENTIONS = re.compile(r"\A\s*(?:@\w{1,30}(?:\s+|\Z))+")
ENTITY = re.compile(r"&(amp|lt|gt);")
CHARACTERS = {"amp": "&", "lt": "<", "gt": ">"}
LAST_LINK = re.compile(r"https://t\.co/\w{1,20}\Z")
LONG = 200  # characters that a short text has in common with a long one, where it does not end with an ellipsis
SAME_MOMENT = dt.timedelta(seconds=5)


@dataclass(frozen=True)
class Tweet:
    id: str
    time: dt.datetime | None
    text: str
    """Without entities of HTML and links to its own pictures; other links are whole."""
    begins: str
    """What its full text begins with, if it is a long post."""
    cut: bool
    """It ends with an ellipsis."""
    parent: str
    """The post that it answers."""
    to: str
    """Whom it answers: an account's number, or its name."""


@dataclass(frozen=True)
class Note:
    id: str
    time: dt.datetime | None
    text: str


def recognises(archive: Archive) -> bool:
    for name in archive.find(*TWEETS):
        begins = ASSIGNED.match(archive.head(name, 200))
        if begins and begins[1].startswith(b"tweet"):
            return True
    return False


def read(archive: Archive) -> Iterator[Item]:
    """Posts, each once its thread is whole. Raises SourceError where a file of them is damaged or no longer as it was.

    Read twice: all of it is known to be sound, and which posts are one, before the first is handed on.
    """
    name, number, protected = _account(archive)
    source = f"x:@{name}" if name else str(archive.path)
    notes = [note for file in archive.find(*NOTES) for note in map(_note, _values(archive, file, "noteTweet")) if note]
    threads, own, alike = Threads[Tweet](age), {number, name}, _Alike(notes)
    answered: dict[str, list[str]] = defaultdict(list)
    for tweet in _tweets(archive, source):
        if isinstance(tweet, Tweet):
            threads.add(tweet.id, tweet.parent)
            alike.compare(tweet)
            if tweet.to and tweet.to not in own:
                answered[tweet.to].append(tweet.parent)
    # The archive has the author's posts only, so whoever is answered by answering one of them is the author.
    own |= {to for to, parents in answered.items() if not threads.ids.isdisjoint(parents)}
    answered.clear()
    texts, ambiguous = alike.joined(threads.ids, source)
    threads.settle()
    yield from archive.refusals(source)
    if not protected:
        yield from ambiguous
    for tweet in _tweets(archive, source):
        if protected:
            parts = threads.whole(tweet.id, tweet) if isinstance(tweet, Tweet) else []
            yield from (Refusal(source, part.id, "private", "the account is protected") for part in parts)
        elif isinstance(tweet, Refusal):
            yield tweet
        elif parts := threads.whole(tweet.id, replace(tweet, text=texts.get(tweet.id, tweet.text))):
            yield _post(parts, source, name, own - {""})
    if name and not archive.is_file and not archive.refused:
        yield Complete()


def _account(archive: Archive) -> tuple[str, str, bool]:
    """Its name, its number, and whether only followers read it."""
    account: dict[str, Any] = next((a for f in archive.find("account.js") for a in _values(archive, f, "account")), {})
    history = [h for f in archive.find("protected-history.js") for h in _values(archive, f, "protectedHistory")]
    last = max(history, key=lambda change: str(change.get("protectedAt", "")), default={})
    return str(account.get("username", "")), str(account.get("accountId", "")), last.get("action") == "Protect"


def _tweets(archive: Archive, source: str) -> Iterator[Tweet | Refusal]:
    """In the order of the archive; of an edited post, its last version."""
    for file in archive.find(*TWEETS):
        for values in _values(archive, file, "tweet"):
            tweet = _tweet(values, source)
            if isinstance(tweet, Refusal) or _is_last(values, tweet.id):
                yield tweet


def _values(archive: Archive, name: str, key: str) -> Iterator[dict[str, Any]]:
    """What stands under `key` in each item of a file that assigns a list to `window.YTD.….part0`."""
    any_list = False
    try:
        for _, value in items_of(archive, name, (), begins=BEGINS, ends=";"):
            any_list = True
            if isinstance(value, dict):
                inner = value.get(key, value)  # the oldest archives have no such key
                if isinstance(inner, dict):
                    yield inner
    except BadJsonError as error:
        raise SourceError(f"{archive.where(name)} is damaged: {error}", "download the archive again") from error
    if not any_list:
        raise SourceError(f"{archive.where(name)} has no list of posts", "download the archive again")


def _tweet(values: dict[str, Any], source: str) -> Tweet | Refusal:
    source_id = str(values.get("id_str") or values.get("id") or "")
    written = values.get("full_text", values.get("text"))
    if not source_id or not isinstance(written, str):
        return Refusal(source, source_id or "?", "bad_post", f"without an id or a text, with {', '.join(values)[:200]}")
    if written.startswith("RT @"):
        return Refusal(source, source_id, "reshare")
    plain = _unescaped(written)
    begins = _without_last_links(plain)
    return Tweet(
        source_id,
        _time(values.get("created_at")),
        _linked(plain, values).rstrip(),
        _linked(begins.removesuffix("…").rstrip(), values),
        begins.endswith("…"),
        str(values.get("in_reply_to_status_id_str") or values.get("in_reply_to_status_id") or ""),
        str(
            values.get("in_reply_to_user_id_str")
            or values.get("in_reply_to_user_id")
            or values.get("in_reply_to_screen_name")
            or ""
        ),
    )


def _without_last_links(text: str) -> str:
    text = text.rstrip()
    while link := LAST_LINK.search(text[-40:]):
        text = text[: -len(link[0])].rstrip()
    return text


def _is_last(values: dict[str, Any], source_id: str) -> bool:
    """Each version of an edited post is in the archive, and each lists all of them."""
    info = values.get("edit_info")
    if not isinstance(info, dict):
        return True
    edit = info.get("edit")
    initial = edit.get("editControlInitial") if isinstance(edit, dict) else info.get("initial")
    ids = initial.get("editTweetIds") if isinstance(initial, dict) else None
    return not isinstance(ids, list) or not ids or source_id not in ids or ids[-1] == source_id


def _note(values: dict[str, Any]) -> Note | None:
    core = values.get("core")
    if not isinstance(core, dict) or not isinstance(core.get("text"), str):
        return None
    text = _unescaped(core["text"])
    for link in objects(core.get("urls")):
        text = _replaced(text, link.get("shortUrl"), link.get("expandedUrl"))
    return Note(str(values.get("noteTweetId", "")), _time(values.get("createdAt")), text)


def _unescaped(text: str) -> str:
    """These three only are escaped; what else looks so was typed."""
    return ENTITY.sub(lambda found: CHARACTERS[found[1]], text)


def _linked(text: str, values: dict[str, Any]) -> str:
    """Links as they were given, not as t.co shortens them; those to the post's own pictures are no text."""
    entities = values.get("entities")
    if isinstance(entities, dict):
        for link in objects(entities.get("urls")):
            text = _replaced(text, link.get("url"), link.get("expanded_url"))
    for media in (entities, values.get("extended_entities")):
        for link in objects(media.get("media")) if isinstance(media, dict) else []:
            if isinstance(link.get("url"), str) and link["url"]:
                text = re.sub(rf"[ \n]?{re.escape(link['url'])}(?!\w)", "", text)
    return text


def _replaced(text: str, short: object, full: object) -> str:
    if isinstance(short, str) and short and isinstance(full, str) and full:
        return re.sub(rf"{re.escape(short)}(?!\w)", lambda _: full, text)
    return text


def _time(value: object) -> dt.datetime | None:
    """In UTC, as the archive says no other."""
    try:
        found = dt.datetime.fromisoformat(str(value))
    except ValueError:
        try:
            found = dt.datetime.strptime(str(value), TWITTER_DATE)
        except ValueError:
            return None
    return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)


class _Alike:
    """Which post each long text belongs to; what could belong to several, or several of which to one, stays as it was."""

    def __init__(self, notes: list[Note]) -> None:
        self._notes = notes
        self._by_day: dict[dt.date | None, list[int]] = defaultdict(list)
        for at, note in enumerate(notes):
            self._by_day[note.time.date() if note.time else None].append(at)
        self._alike: dict[int, dict[str, tuple[bool, bool]]] = defaultdict(dict)
        """Of each note, the posts of its day that it begins like: whether it is cut or long, and of the same moment."""

    def compare(self, tweet: Tweet) -> None:
        for at in self._by_day.get(tweet.time.date() if tweet.time else None, ()):
            note = self._notes[at]
            if _begins_like(note, tweet):
                moment = bool(note.time and tweet.time and abs(tweet.time - note.time) <= SAME_MOMENT)
                self._alike[at][tweet.id] = (tweet.cut or len(tweet.begins) >= LONG, moment)

    def joined(self, ids: set[str], source: str) -> tuple[dict[str, str], list[Refusal]]:
        """Long texts by their posts' ids; and what is ambiguous."""
        wanted: dict[str, set[str]] = defaultdict(set)
        refused: list[Refusal] = []
        for at, note in enumerate(self._notes):
            found = self._candidates(at, ids)
            if len(found) > 1:
                why = f"its post may be any of {', '.join(sorted(found))}; they stay short"
                refused.append(Refusal(source, f"note {note.id}", "ambiguous_note", why))
            for tweet in found[: len(found) == 1]:
                wanted[tweet].add(note.text)
        for tweet, texts in wanted.items():
            if len(texts) > 1:
                why = f"{len(texts)} texts for {tweet}: it stays short"
                refused.append(Refusal(source, f"note of {tweet}", "ambiguous_note", why))
        return {tweet: texts.pop() for tweet, texts in wanted.items() if len(texts) == 1}, refused

    def _candidates(self, at: int, ids: set[str]) -> list[str]:
        """By its number; else the posts of its day that it begins like; of several those of its moment, if any."""
        if self._notes[at].id in ids:
            return [self._notes[at].id]
        alike = self._alike[at]
        moment = [tweet for tweet, (_, same) in alike.items() if same]
        cut = [tweet for tweet, (long, same) in alike.items() if long or same]
        return moment if len(cut) > 1 and moment else cut


def _begins_like(note: Note, tweet: Tweet) -> bool:
    """Also where only one of the two has the names of those who are answered."""
    texts, begins = (note.text, MENTIONS.sub("", note.text)), (tweet.begins, MENTIONS.sub("", tweet.begins))
    return len(note.text) > len(tweet.begins) and any(b and t.startswith(b) for t in texts for b in begins)


def _post(parts: list[Tweet], source: str, name: str, own: set[str]) -> Found:
    """A thread is one post, of the first one's id; where that is gone, of the first that is left."""
    first, texts = parts[0], list[str]()
    reply = bool(first.to or first.parent) and first.to not in own
    for tweet in parts:
        text = MENTIONS.sub("", tweet.text) if tweet.to else tweet.text
        if text.strip():
            texts.append(text.strip("\n").rstrip())
    if not texts:
        return Refusal(source, first.id, "empty", "pictures or names only")
    date = first.time.date() if first.time else None
    url = f"https://x.com/{name or 'i'}/status/{first.id}"
    return RawPost(source, first.id, "", date, url, "\n\n".join(texts), "plain", format="reply" if reply else "note")
