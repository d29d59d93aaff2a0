"""Bluesky: the repository that it exports, a CAR file, and the public API of its app.

Both name a post by its author's DID and its record key, so that they give the same post. A thread of the author's own is
one post. Of somebody else's post that is quoted nothing is kept.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.text import to_date
from feature_pipeline.sources.values import objects, string
from feature_pipeline.sources.web.fetch import FetchError
from feature_pipeline.sources.web.listing import LATER
from feature_pipeline.sources.web.resumed import Resumed
from feature_pipeline.sources.web.visit import MAX_REQUESTS, Visit

API = "https://public.api.bsky.app"
PROFILE = re.compile(r"/profile/([\w.:%-]+)/?")
POST, REPOST, SELF = "app.bsky.feed.post/", "app.bsky.feed.repost/", "app.bsky.actor.profile/self"
MAX_BLOCK = 2_000_000  # bytes; a repository takes records of 1 MB
MAX_BLOCKS = 1_000_000  # each like is one; about 200 MB of places to remember
MAX_KEY = 512  # characters of a record's name; a post's has 13
MAX_DEPTH = 32
CID = b"\x01\x71\x12\x20"  # version 1, DAG-CBOR, sha256 of 32 bytes: every link of a repository
CID_SIZE = 36
AGAIN = "export your repository again, in Settings → Account → Export my data"


class DamagedError(ValueError):
    """A block is not there, or is not what its name says."""


@dataclass(frozen=True)
class Account:
    did: str
    author: str | None

    @property
    def source(self) -> str:
        return f"bluesky:{self.did}"


@dataclass(frozen=True)
class Said:
    """What is kept of a post's record; the rest of a hostile one would fill the memory."""

    answers: str
    """The address of the post that it answers; empty where it answers none."""
    date: dt.date | None
    text: str


def recognises(archive: Archive) -> bool:
    return bool(_repositories(archive))


def read(archive: Archive) -> Iterator[Item]:
    """The posts of each repository. Raises SourceError where one has no account."""
    yield from archive.refusals(str(archive.path))
    whole = True
    for name in _repositories(archive):
        for item in _repository(archive, name):
            whole = whole and not (isinstance(item, Refusal) and item.reason == "damaged" and item.source_id == name)
            yield item
    if whole:
        yield Complete()


def claims(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.netloc.lower() in ("bsky.app", "www.bsky.app") and PROFILE.fullmatch(parts.path) is not None


def visit(visit: Visit, url: str, api: str = API) -> Iterator[Item]:
    """What a profile has posted. Raises FetchError where there is none, or where it asks for readers to be logged in."""
    name = PROFILE.fullmatch(urlsplit(url).path)
    said = visit.json(f"{api}/xrpc/app.bsky.actor.getProfile", actor=unquote(name[1]) if name else "")
    did = said.get("did") if isinstance(said, dict) else None
    if not isinstance(did, str) or not did.startswith("did:"):
        raise FetchError("bad_answer", f"{api} does not say whose profile {url} is")
    labels = [label.get("val") for label in objects(said.get("labels"))]
    if "!no-unauthenticated" in labels:
        raise FetchError("blocked_page", f"{url} asks not to be shown to those who are not logged in")
    account = Account(did, string(said.get("displayName")) or None)
    address = f"{api}/xrpc/app.bsky.feed.getAuthorFeed"
    listing = Resumed(visit.memory, address)
    posts: dict[str, Said] = {}
    for item in listing.entries(lambda cursor: _feed(visit, account, address, cursor)):
        if isinstance(item, Refusal):
            yield item
        else:
            posts.update([item])
    yield from _threads(posts, account, listing.cut, listing.again)
    yield from listing.ends


Entry = tuple[str, Said] | Refusal


def _feed(
    visit: Visit, account: Account, address: str, cursor: str
) -> Iterator[tuple[str, str, Entry] | Complete | Refusal]:
    """What Resumed asks for: entries by record key, each with the cursor of its page.

    Asks for `posts_with_replies`, which is everything: the author's threads are replies too, and so are answers to others.
    """
    asked = {cursor}
    while True:
        more = {"cursor": cursor} if cursor else {}
        try:
            page = visit.json(address, actor=account.did, filter="posts_with_replies", limit=100, **more)
            if not isinstance(page, dict) or not isinstance(page.get("feed"), list):
                raise FetchError("bad_answer", f"{address} answers no feed")
        except FetchError as error:
            yield Refusal(account.source, address, error.reason, error.detail)
            return
        for entry in objects(page["feed"]):
            found = _listed(entry, account)
            yield "" if isinstance(found, Refusal) else found[0], cursor, found
        cursor = string(page.get("cursor"))
        if not cursor:
            yield Complete()
            return
        if cursor in asked:
            yield Refusal(account.source, address, "bad_answer", "it leads to what was on the pages before")
            return
        asked.add(cursor)
        if visit.fetched >= MAX_REQUESTS:
            yield Refusal(account.source, address, "page_cap", LATER)
            return


def _listed(entry: dict[str, Any], account: Account) -> Entry:
    post = entry.get("post")
    uri = string(post.get("uri")) if isinstance(post, dict) else ""
    reason = entry.get("reason")
    if isinstance(reason, dict) and string(reason.get("$type")).endswith("#reasonRepost"):
        return Refusal(account.source, uri, "reshare", "a repost")
    own = f"at://{account.did}/{POST}"
    if not isinstance(post, dict) or not uri.startswith(own) or not isinstance(post.get("record"), dict):
        return Refusal(account.source, uri, "other_author", "somebody else wrote it")
    return uri.removeprefix(own), _said(post["record"])


def _threads(
    posts: dict[str, Said], account: Account, cut: Collection[str], again: Collection[str] = ()
) -> Iterator[Found]:
    """One post for each that answers nobody, or somebody else, with what the author went on to say below it.

    `cut`: those below which the listing broke off, so that the beginning of a thread may be among what was not listed.
    `again`: those whose threads the last run told whole, and this one could only in part.
    """
    own = f"at://{account.did}/{POST}"
    threads: dict[str, list[str]] = {}
    begins: dict[str, str] = {}
    for key in sorted(posts):  # record keys grow with time
        parent = posts[key].answers
        first = begins.get(parent.removeprefix(own)) if parent.startswith(own) else None
        if parent.startswith(own) and first is None and key in cut:
            yield Refusal(account.source, key, "thread_cut", "the beginning of its thread was not listed")
        else:
            begins[key] = first or key
            threads.setdefault(begins[key], []).append(key)
    for begin, keys in threads.items():
        if begin not in again:
            yield _post([posts[key] for key in keys], keys[0], account)


def _post(thread: list[Said], key: str, account: Account) -> Found:
    first = thread[0]
    if not any(said.text for said in thread):
        return Refusal(account.source, key, "empty", "it has no text, as a picture may")
    return RawPost(
        account.source,
        key,
        title="",
        date=first.date,
        url=f"https://bsky.app/profile/{account.did}/post/{key}",
        text="\n\n".join(said.text for said in thread if said.text),
        markup="plain",
        author=account.author,
        format="reply" if first.answers and not first.answers.startswith(f"at://{account.did}/") else "note",
    )


def _said(record: dict[str, Any]) -> Said:
    return Said(_parent(record), to_date(record.get("createdAt")), _text(record))


def _parent(record: dict[str, Any]) -> str:
    reply = record.get("reply")
    parent = reply.get("parent") if isinstance(reply, dict) else None
    return string(parent.get("uri")) if isinstance(parent, dict) else ""


def _text(record: dict[str, Any]) -> str:
    """With links in full, and an answer without the names that it begins with. Facets count in bytes of UTF-8."""
    text = string(record.get("text")).encode("utf-8", "surrogatepass")
    done, at = b"", 0
    for start, end, kind, uri in _facets(record, len(text)):
        if start < at:
            continue
        done += text[at:start]
        shown = text[start:end]
        if kind == "mention" and _parent(record) and not done.strip():
            done, shown = b"", b""
        elif kind == "link" and _shortens(shown.decode("utf-8", "replace"), uri):
            shown = uri.encode("utf-8", "surrogatepass")
        done, at = done + shown, end
    return (done + text[at:]).decode("utf-8", "replace").strip()


def _facets(record: dict[str, Any], size: int) -> list[tuple[int, int, str, str]]:
    """(start, end, kind, address) of each that lies within the text, in order."""
    found = []
    for facet in objects(record.get("facets")):
        index = facet.get("index")
        start, end = (index.get("byteStart"), index.get("byteEnd")) if isinstance(index, dict) else (None, None)
        if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end <= size:
            continue
        for feature in objects(facet.get("features")):
            kind = string(feature.get("$type")).removeprefix("app.bsky.richtext.facet#")
            found.append((start, end, kind, string(feature.get("uri"))))
    return sorted(found)


def _shortens(shown: str, uri: str) -> bool:
    """The app shows an address without its scheme and its end; words that are a link stay as they are."""
    stem = re.sub(r"(?:\.\.\.|…)\Z", "", re.sub(r"\Ahttps?://", "", shown))
    return len(stem) > 3 and re.sub(r"\Ahttps?://", "", uri).startswith(stem)


def _repositories(archive: Archive) -> list[str]:
    return [
        name
        for name in archive.find("*.car")
        if re.search(rb"\A[\x80-\xff]{0,3}.\xa2.*eroots", archive.head(name), re.S)
    ]


def _repository(archive: Archive, name: str) -> Iterator[Found]:
    """The posts that the tree of one CAR file holds; what is damaged of it is said, and the rest is read."""
    try:
        car = Car(archive.read(name))
        commit = car.load(car.root)
    except DamagedError as error:
        raise SourceError(f"{archive.where(name)} is damaged: {error}", AGAIN) from error
    if not isinstance(commit.get("did"), str) or not isinstance(commit.get("data"), bytes):
        raise SourceError(f"{archive.where(name)} is no repository: it has {', '.join(map(str, commit))}", AGAIN)
    account, posts, whole = Account(commit["did"], None), dict[str, Said](), True
    for key, cid in car.walk(commit["data"]):
        if key.startswith(REPOST):
            yield Refusal(account.source, key, "reshare", "a repost")
        elif key == SELF or key.startswith(POST):
            try:
                record = car.load(cid)
            except DamagedError as error:
                whole = False
                yield Refusal(account.source, key.removeprefix(POST), "damaged", str(error))
                continue
            if key == SELF:
                account = Account(account.did, string(record.get("displayName")) or None)
            else:
                posts[key.removeprefix(POST)] = _said(record)
    # What answers a post that cannot be read is no beginning itself.
    yield from _threads(posts, account, cut=() if whole and not car.damage else posts)
    if car.damage:
        yield Refusal(account.source, name, "damaged", car.damage)


class Car:
    """Blocks by their names, in the bytes of a CAR file of version 1. Nothing is decoded before it is asked for.

    A name is the hash of its block, which is checked, so that no tree of them can lead back into itself.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._starts: dict[bytes, int] = {}
        """Where each block's frame begins."""
        self.damage = ""
        """Why not everything could be read."""
        header, at = self._frame(0)
        roots = _decoded(header).get("roots")
        if not isinstance(roots, list) or not roots or not isinstance(roots[0], bytes):
            raise DamagedError("its header names no root")
        self.root = roots[0]
        try:
            while at < len(data):
                if len(self._starts) >= MAX_BLOCKS:
                    raise DamagedError(f"it has over {MAX_BLOCKS:,} blocks")
                frame, after = self._frame(at)
                self._starts[frame[:CID_SIZE]] = at
                at = after
        except DamagedError as error:
            self.damage = str(error)

    def load(self, cid: bytes) -> dict[str, Any]:
        """Raises DamagedError."""
        at = self._starts.get(cid)
        if at is None:
            raise DamagedError("a block is missing")
        block = self._frame(at)[0][CID_SIZE:]
        if not cid.startswith(CID) or hashlib.sha256(block).digest() != cid[len(CID) :]:
            raise DamagedError("a block is not what its name says")
        return _decoded(block)

    def walk(self, top: bytes) -> Iterator[tuple[str, bytes]]:
        """(key, name of the record) of the whole tree; a branch that cannot be read is left out and told in `damage`.

        Each record is given once, or a small file could name a large one a million times.
        """
        waiting, seen = [top], {top}
        while waiting:
            try:
                node = self.load(waiting.pop())
            except DamagedError as error:
                self.damage = str(error)
                continue
            key = b""
            below = [node.get("l")]
            for entry in objects(node.get("e")):
                shared, rest, record = entry.get("p"), entry.get("k"), entry.get("v")
                if not isinstance(shared, int) or not isinstance(rest, bytes) or not isinstance(record, bytes):
                    self.damage = "an entry of its tree has no key"
                    break
                key = (key[: max(0, shared)] + rest)[:MAX_KEY]
                if record not in seen:
                    seen.add(record)
                    yield key.decode("utf-8", "replace"), record
                below.append(entry.get("t"))
            for branch in below:
                if isinstance(branch, bytes) and branch not in seen:
                    seen.add(branch)
                    waiting.append(branch)

    def _frame(self, at: int) -> tuple[bytes, int]:
        """What is framed at `at`, and where the next frame is: a length as a varint, then so many bytes."""
        size = 0
        for number in range(4):  # four groups of seven bits count to 268 million
            if at >= len(self._data):
                raise DamagedError("it ends in the middle of a block")
            byte = self._data[at]
            size |= (byte & 127) << (7 * number)
            at += 1
            if byte < 128:
                break
        if byte > 127 or not 0 < size <= MAX_BLOCK:
            raise DamagedError("it has a block of an impossible size")
        if at + size > len(self._data):
            raise DamagedError("it ends in the middle of a block")
        return self._data[at : at + size], at + size


class _OnlyLinks(dict[int, Any]):
    """How to decode each tag: a link to its bytes, and nothing else. CBOR has tags that run regular expressions or join a
    list to itself, and a repository has none of them."""

    def __getitem__(self, tag: int) -> Any:
        return _link if tag == 42 else _refused


def _link(value: Any, immutable: bool) -> bytes:
    if not isinstance(value, bytes) or not value.startswith(b"\0"):
        raise ValueError("a link that is none")
    return value[1:]


def _refused(value: Any, immutable: bool) -> None:
    raise ValueError("a tag that no repository has")


def _decoded(block: bytes) -> dict[str, Any]:
    import cbor2

    try:
        said = cbor2.loads(
            block,
            semantic_decoders=_OnlyLinks(),
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            strict_hashable_types=True,
        )
    except cbor2.CBORDecodeError as error:
        raise DamagedError(f"a block is no DAG-CBOR: {error}") from error
    if not isinstance(said, dict):
        raise DamagedError("a block is no record")
    return said
