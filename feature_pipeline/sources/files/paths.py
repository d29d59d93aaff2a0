"""A path → its posts: an export by its content, else a document, a folder of posts (zipped or not), a file or a feed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath
from types import ModuleType

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Found, Item, Refusal
from feature_pipeline.sources.files import documents, exports, feed_file, folder, json_lines, post_file
from feature_pipeline.sources.files.archive import AGAIN, Archive
from feature_pipeline.sources.files.documents import DOCUMENTS
from feature_pipeline.sources.files.downloads import Downloads, is_one
from feature_pipeline.sources.files.exports import NAMES, recognised
from feature_pipeline.sources.files.folder import KNOWN, LINES
from feature_pipeline.sources.files.generated import opened
from feature_pipeline.sources.files.post_file import HTML, TEXT

NOT_HTML_NOR_TEXT = KNOWN - HTML - TEXT
READ = (
    f"these are read: {' '.join(sorted(KNOWN))}; a saved feed, given as the file itself; "
    f"exports of {NAMES}, as a zip, a folder or a file"
)


def read_path(source: str) -> Iterator[Item]:
    """Posts of a folder, by path, of a file, or of an export. Raises SourceError where there is nothing to read.

    `path#Name` says who of the people in a chat the author is.
    """
    path, me = _located(source)
    if path.is_file() and path.suffix.lower() in NOT_HTML_NOR_TEXT:
        _no_name(path, me)
        yield from _one(path)
        return
    archive = opened(path)
    try:
        if path.is_dir():
            yield from _folder(archive, me)
        elif reader := recognised(archive):
            yield from _export(reader, archive, me)
        elif archive.is_zip:
            yield from _posts(archive, me)
        elif feed_file.is_feed(path):
            _no_name(path, me)
            yield from feed_file.posts(path)
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
    hint = "give a folder or a file of posts, an export, or a web address, which begins with https://"
    raise SourceError(f"there is no {source}", hint)


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
    downloads = Downloads(archive)
    within = downloads.exports(archive, reader)
    if reader and is_one(archive, reader, within):
        yield from _export(reader, archive, me)
        return
    within |= downloads.zips(within)
    if not within and not downloads.refused:
        yield from _posts(archive, me)
        return
    if not any(reader and exports.asks(reader) for reader in within.values()):
        _no_name(archive.path, me)
    yield from downloads.items(within, me)


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
