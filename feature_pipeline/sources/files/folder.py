"""A folder of posts, or the same folder zipped: a file is a post, and its path in the folder its id."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

from feature_pipeline.sources import Complete, Found, Item, Refusal
from feature_pipeline.sources.files import documents, json_lines, obsidian, post_file
from feature_pipeline.sources.files.archive import MAX_TOTAL, Archive, EntryError, TooLargeError
from feature_pipeline.sources.files.documents import DOCUMENTS
from feature_pipeline.sources.files.generated import GENERATED_FROM, NOT_POSTS
from feature_pipeline.sources.files.post_file import TEXT, TEXTS

LINES = frozenset((".jsonl", ".ndjson"))
KNOWN = TEXTS | LINES | DOCUMENTS
# What people write posts in as well, and what makes Markdown of it is another program.
UNREAD = GENERATED_FROM | frozenset(".rtf .odt .doc .epub .pages".split())
# A PDF in one of these belongs to a page, and is often another's.
ATTACHED = frozenset("assets static public attachments files media images img downloads uploads".split())
ATTACHMENT = "it is attached to a post; to read it, give the file itself"


def posts(archive: Archive, source: str, without: Collection[str] = ()) -> Iterator[Item]:
    """In the order of their paths, one in memory at a time. `without` are entries, and folders, that are no part of it."""
    whole = True
    for item in _items(archive, source, without):
        # A line without its id, or a file that cannot be read, may be a post that was stored before.
        whole &= not (isinstance(item, Refusal) and item.reason in ("unreadable", "bad_line"))
        yield item
    for folder, why in archive.left_out.items():
        if _shown(folder.rpartition("/")[0], {*without, *archive.left_out}):
            yield Refusal(source, folder, "not_a_post", why)
    if whole:
        yield Complete()


def names(archive: Archive, without: Collection[str] = ()) -> Iterator[str]:
    """Entries with the ending of a post; nothing hidden, and nothing that a site's generator made."""
    return (name for name in shown(archive, without) if _suffix(name) in KNOWN)


def shown(archive: Archive, without: Collection[str] = ()) -> Iterator[str]:
    """Entries that are neither hidden nor made by a site's generator, nor in one of `without`."""
    return (name for name in archive.walk() if _shown(name, without))


def is_attached(name: str) -> bool:
    return not ATTACHED.isdisjoint(name.lower().split("/")[:-1])


def _shown(name: str, without: Collection[str] = ()) -> bool:
    parts = name.split("/")
    if any(part.startswith(".") or part in NOT_POSTS for part in parts):
        return False
    return not without or all("/".join(parts[:depth]) not in without for depth in range(1, len(parts) + 1))


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 — a Path for each of 100,000 names takes seconds


def _items(archive: Archive, source: str, without: Collection[str]) -> Iterator[Found]:
    vault = obsidian.is_vault(archive)
    templates = obsidian.templates(archive) if vault else frozenset()
    # In a folder of posts, a .txt is a licence, a robots.txt or a word list; in one of .txt files only, it is the post.
    only_text = all(_suffix(name) in TEXT for name in names(archive, without))
    for name in shown(archive, without):
        kind = _suffix(name)
        if kind in UNREAD and not is_attached(name):
            yield Refusal(source, name, "unread_format", f"no {kind} is read: pandoc makes Markdown of it")
        elif kind not in KNOWN:
            continue
        elif "_drafts" in name.split("/"):
            yield Refusal(source, name, "draft", "it is in _drafts")
        elif vault and obsidian.is_template(name, templates):
            yield Refusal(source, name, "not_a_post", "it is a template")
        elif kind in TEXT and not only_text:
            yield Refusal(source, name, "not_a_post", "a .txt beside other posts; to read it, give the file itself")
        elif kind in DOCUMENTS and (vault or is_attached(name)):
            yield Refusal(source, name, "not_a_post", ATTACHMENT)
        elif kind in LINES:
            yield from _lines(archive, name, source)
        else:
            yield _post(archive, name, source, vault)
    yield from _refused(archive, source, without)


def _refused(archive: Archive, source: str, without: Collection[str]) -> Iterator[Refusal]:
    """What a zip hides, a link that leads elsewhere, and folders that may not be listed: nobody knows what is in them."""
    for name, why in archive.refused.items():
        if name in archive.closed:
            yield Refusal(source, name, "unreadable", why)
        elif archive.is_zip or (_suffix(name) in KNOWN and _shown(name, without)):
            yield Refusal(source, name, "unsafe_entry", why)


def _post(archive: Archive, name: str, source: str, vault: bool) -> Found:
    path = PurePosixPath(name)
    document = _suffix(name) in DOCUMENTS
    limit = documents.MAX_BYTES if document else post_file.MAX_BYTES
    try:
        data = archive.read(name, limit)
    except TooLargeError as error:
        return Refusal(source, name, "too_large", f"it {error.why}")
    except EntryError as error:
        return Refusal(source, name, "unreadable", f"it {error.why}: {error.hint}")
    if document:
        return documents.from_bytes(data, path, source, name)
    return post_file.from_bytes(data, path, source, name, vault)


def _lines(archive: Archive, name: str, source: str) -> Iterator[Found]:
    """The file is their source, so that their own ids stay as they are."""
    limit = MAX_TOTAL if archive.is_zip else sys.maxsize  # a folder is no bomb
    try:
        with archive.stream(name, limit) as file:
            if not json_lines.has_texts(file):
                yield Refusal(source, name, "not_a_post", 'its first line is no JSON object with a "text"')
                return
        with archive.stream(name, limit) as file:
            yield from json_lines.read_lines(file, str(archive.path / name))
    except EntryError as error:
        yield Refusal(source, name, "unreadable", f"it {error.why}: {error.hint}")
