"""Mastodon, and servers that speak as it does: the archive that it exports, and the public API.

Both name a status by its place on its own server, so that they give the same post. A thread of the author's own is one
post; a poll's answers are left out.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote, urlsplit

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.files.entries import items_of, json_of, opened
from feature_pipeline.sources.files.fragment import body, drop, inner, of_class, words
from feature_pipeline.sources.files.json_stream import BadJsonError, keys
from feature_pipeline.sources.platforms.threads import Threads
from feature_pipeline.sources.text import to_date, web_address
from feature_pipeline.sources.values import age, string
from feature_pipeline.sources.web.fetch import FetchError
from feature_pipeline.sources.web.listing import listed
from feature_pipeline.sources.web.resumed import Resumed
from feature_pipeline.sources.web.visit import Visit

PROFILE = re.compile(r"/(?:@|users/)([\w.-]+)/?")
PUBLIC = frozenset(("https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"))
MENTION = f".//a[{of_class('mention')} and not({of_class('hashtag')})]"
MAX_MENTIONS = 100  # a status has room for no more
PAGE = 40
MAX_HTML = 200_000  # characters of one status; the most generous servers take a tenth


@dataclass(frozen=True)
class Status:
    """A public status of the author's own."""

    id: str
    key: str
    """What an answer to it calls it."""
    answers: str
    """The key of the status that it answers; empty where it answers none."""
    to_self: bool
    date: dt.date | None
    url: str | None
    warning: str
    html: str


@dataclass(frozen=True)
class Account:
    source: str
    author: str
    key: str
    """What a status says of whose it is: an address in an archive, an id in the API."""


def recognises(archive: Archive) -> bool:
    return any(b"OrderedCollection" in archive.head(name) for name in archive.find("outbox.json"))


def read(archive: Archive) -> Iterator[Item]:
    """What the archive's outbox.json holds, each post once its thread is whole. Raises SourceError where it is none.

    Read twice: all of it is known to be sound, and which statuses are one post, before the first is handed on.
    """
    name = next(name for name in archive.find("outbox.json") if b"OrderedCollection" in archive.head(name))
    account = _owner(archive, name)
    threads = Threads[Status](lambda key: age(_status_id(key)))
    for found in _statuses(archive, name, account):
        if isinstance(found, Status):
            threads.add(found.key, found.answers if found.to_self else "")
    threads.settle()
    yield from archive.refusals(account.source)
    for found in _statuses(archive, name, account):
        if isinstance(found, Refusal):
            yield found
        elif thread := threads.whole(found.key, found):
            yield _post(thread, account)
    yield Complete()


def _statuses(archive: Archive, name: str, account: Account) -> Iterator[Status | Refusal]:
    for number, activity in enumerate(_activities(archive, name)):
        yield _exported(activity, account, str(number))


def _activities(archive: Archive, name: str) -> Iterator[Any]:
    any_list = False
    try:
        for _, activity in items_of(archive, name, ("orderedItems",)):
            if any_list:
                yield activity
            any_list = True
        if not any_list:
            with opened(archive, name) as file:
                there = ", ".join(keys(file)) or "nothing"
            raise SourceError(f"{name} has no orderedItems, but {there}", "request a new archive of your account")
    except BadJsonError as error:
        raise SourceError(f"{archive.where(name)} is no JSON: {error}", "download the archive again") from error


def claims(url: str) -> bool:
    """The address may be a profile; only its server can say whether it is."""
    return PROFILE.fullmatch(_parts(url)[1]) is not None


def visit(visit: Visit, url: str, api: str = "") -> Iterator[Item]:
    """Public statuses of a profile. Raises FetchError where its server is no Mastodon."""
    host, path = _parts(url)
    name = PROFILE.fullmatch(path)
    root = (api or f"{urlsplit(url).scheme}://{host}").rstrip("/")
    said = visit.json(f"{root}/api/v1/accounts/lookup", acct=name[1] if name else "")
    if not isinstance(said, dict) or not all(
        isinstance(said.get(key), str) and said[key] for key in ("id", "username")
    ):
        raise FetchError("bad_answer", f"{root} does not answer as Mastodon does")
    account = Account(
        source=_named(said["username"], _parts(str(said.get("url") or url))[0]),
        author=str(said.get("display_name") or said["username"]),
        key=said["id"],
    )
    yield from _visited(visit, account, f"{root}/api/v1/accounts/{quote(account.key, safe='')}/statuses")


def _visited(visit: Visit, account: Account, address: str) -> Iterator[Item]:
    statuses: list[Status] = []
    listing = Resumed(visit.memory, address)

    def read(start: str) -> Iterator[tuple[str, str, Status | Refusal] | Complete | Refusal]:
        before = start

        def page(number: int, offset: int) -> str:
            older = f"&max_id={quote(before, safe='')}" if before else ""
            return f"{address}?limit={PAGE}&exclude_reblogs=true{older}"

        for entry in listed(visit, account.source, page):
            if isinstance(entry, dict):
                before = str(entry["id"])
                yield before, before, _answered(entry, account)
            else:
                yield entry

    for found in listing.entries(read):
        if isinstance(found, Status):
            statuses.append(found)
        else:
            yield found
    yield from _threads(statuses, account, listing.cut, listing.again)
    yield from listing.ends


def _answered(status: dict[str, Any], account: Account) -> Status | Refusal:
    """A status as the API gives it."""
    key = str(status["id"])
    source_id = _status_id(str(status.get("uri") or key))
    owner = status.get("account")
    if isinstance(owner, dict) and str(owner.get("id")) != account.key:
        return Refusal(account.source, source_id, "other_author", "somebody else wrote it")
    if status.get("reblog"):
        return Refusal(account.source, source_id, "reshare", "a boost")
    if status.get("visibility") not in ("public", "unlisted"):
        return Refusal(account.source, source_id, "private", "it is not for everyone")
    return Status(
        id=source_id,
        key=key,
        answers=str(status.get("in_reply_to_id") or ""),
        to_self=str(status.get("in_reply_to_account_id")) == account.key,
        date=to_date(status.get("created_at")),
        url=web_address(status.get("url")),
        warning=string(status.get("spoiler_text")),
        html=string(status.get("content")),
    )


def _exported(activity: Any, account: Account, number: str) -> Status | Refusal:
    """A status as ActivityPub tells it."""
    if not isinstance(activity, dict):
        return Refusal(account.source, number, "bad_entry", "it is no activity")
    note = activity.get("object")
    source_id = _status_id(string(note.get("id") if isinstance(note, dict) else activity.get("id")) or number)
    if activity.get("type") == "Announce":
        return Refusal(account.source, source_id, "reshare", "a boost")
    if activity.get("type") != "Create" or not isinstance(note, dict):
        return Refusal(account.source, source_id, "not_a_post", f"it is of the type {activity.get('type')!r}")
    if not string(note.get("id")):
        return Refusal(account.source, source_id, "bad_entry", "it has no id")
    if account.key and note.get("attributedTo", account.key) != account.key:
        return Refusal(account.source, source_id, "other_author", "somebody else wrote it")
    if not PUBLIC & {*_list(note.get("to")), *_list(note.get("cc"))}:
        return Refusal(account.source, source_id, "private", "it is not for everyone")
    answers = string(note.get("inReplyTo"))
    return Status(
        id=source_id,
        key=string(note.get("id")),
        answers=answers,
        to_self=bool(account.key) and answers.startswith(f"{account.key}/"),
        date=to_date(note.get("published")),
        url=web_address(note.get("url")),
        warning=string(note.get("summary")),
        html=string(note.get("content")),
    )


def _threads(
    statuses: list[Status], account: Account, cut: Collection[str] = (), again: Collection[str] = ()
) -> Iterator[Found]:
    """One post for each status that answers nobody, or somebody else, with what the author went on to say below it.

    `cut`: keys of those below which the listing broke off, so that the beginning of a thread may be among what was not
    listed. `again`: of those whose threads the last run told whole, and this one could only in part.
    """
    once = {status.key: status for status in statuses}  # whatever an archive repeats
    threads: dict[str, list[Status]] = {}
    begins: dict[str, str] = {}
    for status in sorted(once.values(), key=lambda status: age(status.id)):
        first = begins.get(status.answers) if status.to_self else None
        if status.to_self and first is None and status.key in cut:
            yield Refusal(account.source, status.id, "thread_cut", "the beginning of its thread was not listed")
        else:
            begins[status.key] = first or status.key
            threads.setdefault(begins[status.key], []).append(status)
    for begin, thread in threads.items():
        if begin not in again:
            yield _post(thread, account)


def _post(thread: list[Status], account: Account) -> Found:
    first = thread[0]
    if any(len(status.html) > MAX_HTML for status in thread):
        return Refusal(account.source, first.id, "too_large", f"over {MAX_HTML:,} characters")
    parts = []
    for status in thread:
        content = _content(status.html, answer=bool(status.answers))
        if status.warning.strip() and (status is first or status.warning != first.warning):
            content = f"<p>{escape(status.warning, quote=False)}</p>{content}"
        parts.append(content)
    if not any(parts):
        return Refusal(account.source, first.id, "empty", "it has no text, as a picture may")
    return RawPost(
        account.source,
        first.id,
        title="",
        date=first.date,
        url=first.url,
        text="\n".join(part for part in parts if part),
        markup="html",
        author=account.author or None,
        format="reply" if first.answers and not first.to_self else "note",
    )


def _content(html: str, answer: bool) -> str:
    """Links as they were typed, which are shown without their ends; an answer without those that it is addressed to."""
    root = body(html) if html.strip() else None
    if root is None:
        return ""
    drop(root, f".//*[{of_class('quote-inline')}]")  # says what is quoted, to those who cannot show it
    for span in root.xpath(f".//a//span[{of_class('invisible')} or {of_class('ellipsis')}]"):
        span.attrib.pop("class")
    for link in root.xpath(MENTION)[:MAX_MENTIONS] if answer else ():
        if "".join(link.xpath("preceding::text()")).strip():
            break
        link.drop_tree()
    return inner(root) if words(root) else ""


def _owner(archive: Archive, outbox: str) -> Account:
    """Who the archive's actor.json says, or the first status that names its author."""
    beside = outbox.removesuffix("outbox.json") + "actor.json"
    actor = _object(archive, beside) if beside in archive.names else {}
    name, key = string(actor.get("preferredUsername")), string(actor.get("id"))
    if name and key:
        host = _parts(string(actor.get("url")) or key)[0]
        return Account(_named(name, host), string(actor.get("name")) or name, key)
    for activity in _activities(archive, outbox):
        note = activity.get("object") if isinstance(activity, dict) else None
        if isinstance(note, dict) and string(note.get("attributedTo")):
            host, path = _parts(string(note.get("url")))
            written = re.match(r"/@([\w.-]+)/", path)
            if written:
                return Account(_named(written[1], host), written[1], note["attributedTo"])
    return Account(str(archive.path), "", "")


def _object(archive: Archive, name: str) -> dict[str, Any]:
    said = json_of(archive, name)
    if not isinstance(said, dict):
        raise SourceError(f"{archive.where(name)} is no JSON object", "download the archive again")
    return said


def _status_id(uri: str) -> str:
    """Its number on its server where the address ends in one, else the address."""
    number = re.search(r"/statuses/(\w+)(?:/activity)?\Z", uri)
    return number[1] if number else uri


def _named(name: str, host: str) -> str:
    return f"mastodon:@{name}@{host}"


def _parts(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.netloc.lower(), parts.path


def _list(value: object) -> list[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
