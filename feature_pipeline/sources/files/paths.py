"""A path → its posts: an export by its content, else a document, a folder of posts (zipped or not) or a file of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePath
from types import ModuleType

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Found, Item, Refusal
from feature_pipeline.sources.files import documents, exports, folder, json_lines, post_file
from feature_pipeline.sources.files.archive import AGAIN, Archive
from feature_pipeline.sources.files.documents import DOCUMENTS
from feature_pipeline.sources.files.exports import NAMES, recognised
from feature_pipeline.sources.files.folder import KNOWN, LINES, NOT_POSTS
from feature_pipeline.sources.files.post_file import HTML, TEXT, from_text

__all__ = ["from_text", "read_path"]

# An export that is one file, beside others in a folder.
SINGLE = frozenset((".zip", ".xml", ".car", ".json", ".csv"))
MARKDOWN = (".md", ".mdx", ".markdown", ".org")
NOT_HTML_NOR_TEXT = KNOWN - HTML - TEXT
# A folder with more sub-folders than this is no folder of downloads; only one that looks like an export is searched.
MANY_FOLDERS = 50
READ = f"these are read: {' '.join(sorted(KNOWN))}; exports of {NAMES}, as a zip, a folder or a file"


def read_path(source: str) -> Iterator[Item]:
    """Posts of a folder, by path, of a file, or of an export. Raises SourceError where there is nothing to read.

    `path#Name` says who of the people in a chat the author is.
    """
    path, me = _located(source)
    if path.is_file() and path.suffix.lower() in NOT_HTML_NOR_TEXT:
        _no_name(path, me)
        yield from _one(path)
        return
    archive = Archive(path)
    try:
        if path.is_dir():
            yield from _folder(archive, me)
        elif reader := recognised(archive):
            yield from _export(reader, archive, me)
        elif archive.is_zip:
            yield from _posts(archive, me)
        elif path.suffix.lower() in KNOWN:
            _no_name(path, me)
            yield from _one(path)
        elif path.stat().st_size == 0:
            raise SourceError(f"{path} is empty: it has 0 bytes", AGAIN)
        else:
            raise SourceError(f"{path} is no file of posts, and no export that is known", READ)
    finally:
        archive.close()


def _located(source: str) -> tuple[Path, str]:
    """The resolved path and the name after a #, if that is no part of the path."""
    before, _, me = source.rpartition("#")
    for written, name in ((source, ""), (before, me)):
        try:
            found = Path(written).expanduser().resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            continue
        if written and (found.is_dir() or found.is_file()):
            return found, name.strip()
    raise SourceError(f"there is no {source}", "give a folder or a file of posts, an export, or an http address")


def _no_name(path: Path, me: str) -> None:
    """A name that nothing asks for is an address that was not meant."""
    if me:
        raise SourceError(f"there is no {path}#{me}, and {path} is no chat that {me} could be in", f"give {path}")


def _export(reader: ModuleType, archive: Archive, me: str) -> Iterator[Item]:
    if not exports.asks(reader):
        _no_name(archive.path, me)
    yield from exports.read(reader, archive, me)


def _posts(archive: Archive, me: str) -> Iterator[Item]:
    _no_name(archive.path, me)
    _not_part_of_an_export(archive.path)
    if next(folder.names(archive), None) is None:
        kinds = sorted({PurePath(name).suffix.lower() or "files without an ending" for name in archive.names[:10_000]})
        what = f"only {' '.join(kinds[:12])}" if kinds else "nothing"
        raise SourceError(f"{archive.path} has no posts, {what}", f"{READ}; hidden ones are not")
    yield from folder.posts(archive, str(archive.path))


def _not_part_of_an_export(path: Path) -> None:
    """Substack's table beside the posts says which of them are drafts; the posts do not."""
    if path.name == "posts" and (path.parent / "posts.csv").is_file():
        raise SourceError(
            f"{path} is a part of an export, without the table that says what is a draft", f"give {path.parent}"
        )


def _folder(archive: Archive, me: str) -> Iterator[Item]:
    """One export, or posts with exports among them."""
    reader = recognised(archive)
    damaged: list[Refusal] = []
    within = dict(_exports_within(archive, reader is not None, damaged))
    if reader and _is_one(archive, reader, within):
        yield from _export(reader, archive, me)
    elif not within and not damaged:
        yield from _posts(archive, me)
    else:
        if not any(map(exports.asks, within.values())):
            _no_name(archive.path, me)
        yield from damaged
        yield from _mixed(archive, within, me, whole=not damaged)


def _exports_within(archive: Archive, search_all: bool, damaged: list[Refusal]) -> Iterator[tuple[str, ModuleType]]:
    """Names at the top of a folder that are exports themselves; a zip that nobody can look into is added to `damaged`."""
    entries = sorted(path for path in archive.path.iterdir() if not path.name.startswith("."))
    folders = [path for path in entries if path.is_dir() and not path.is_symlink() and path.name not in NOT_POSTS]
    if len(folders) > MANY_FOLDERS and not search_all:
        folders = []
    for path in [*folders, *(path for path in entries if path.suffix.lower() in SINGLE and path.is_file())]:
        try:
            with contextlib.closing(Archive(path)) as inner:
                reader = recognised(inner)
        except SourceError as error:
            if path.name in archive.closed:
                continue  # it is told with the posts
            damaged.append(_unreadable(archive, path.name, error))
            continue
        if reader:
            yield path.name, reader


def _is_one(archive: Archive, reader: ModuleType, within: dict[str, ModuleType]) -> bool:
    """Whether the folder is this reader's export, and not a place where exports and posts lie together."""
    if not within:
        return True
    places = [name for name in within if (archive.path / name).is_dir()]
    zips = any(name.lower().endswith(".zip") for name in within)
    texts = set(archive.find(*getattr(reader, "TEXTS", ())))  # Markdown that is part of the export
    own = (name for name in folder.names(archive, places) if name.lower().endswith(MARKDOWN))
    return set(within.values()) == {reader} and len(places) <= 1 and not zips and texts.issuperset(own)


def _mixed(archive: Archive, within: dict[str, ModuleType], me: str, whole: bool) -> Iterator[Item]:
    for name, reader in within.items():
        complete = False
        try:
            with contextlib.closing(Archive(archive.path / name)) as inner:
                for item in exports.read(reader, inner, me):
                    complete |= isinstance(item, Complete)
                    if not isinstance(item, Complete):
                        yield item
        except SourceError as error:  # the other exports can still be read
            yield _unreadable(archive, name, error)
        whole &= complete
    for item in folder.posts(archive, str(archive.path), without=within.keys()):
        if whole or not isinstance(item, Complete):
            yield item


def _unreadable(archive: Archive, name: str, error: SourceError) -> Refusal:
    """Of an export in a folder, which the report names."""
    said = error.message.replace(str(archive.path / name), "it")
    return Refusal(str(archive.path), name, "unreadable", f"{said}; {error.hint}")


def _one(path: Path) -> Iterator[Item]:
    """A file of posts by itself."""
    kind, source, whole = path.suffix.lower(), str(path), True
    for item in _lines(path) if kind in LINES else [_single(path, kind, source)]:
        whole &= not (isinstance(item, Refusal) and item.reason in ("unreadable", "bad_line"))
        yield item
    if whole:
        yield Complete()


def _single(path: Path, kind: str, source: str) -> Found:
    reader = documents if kind in DOCUMENTS else post_file
    try:
        with path.open("rb") as file:
            data = file.read(reader.MAX_BYTES + 1)
    except OSError as error:
        return Refusal(source, path.name, "unreadable", error.strerror or str(error))
    found: Found = reader.from_bytes(data, path, source, path.name)
    return found


def _lines(path: Path) -> Iterator[Found]:
    try:
        with path.open("rb") as file:
            yield from json_lines.read_lines(file, str(path))
    except OSError as error:
        yield Refusal(str(path), path.name, "unreadable", error.strerror or str(error))
