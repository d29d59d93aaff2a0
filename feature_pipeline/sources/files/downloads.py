"""Exports, and zips of posts, that lie among other posts in a folder: each is read as if it had been named itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Item, Refusal
from feature_pipeline.sources.files import exports, folder
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.files.exports import recognised
from feature_pipeline.sources.files.generated import NOT_POSTS, opened
from feature_pipeline.sources.files.post_file import HTML, MARKDOWN, ORG, RST

TABLES = (".csv", ".json")
# An export that is one file, beside others in a folder.
SINGLE = frozenset((".zip", ".xml", ".car", *TABLES))
# What no export is made of, but where its reader has TEXTS: files that are only read with its tables, which know the drafts.
OWN = MARKDOWN | ORG | RST | folder.LINES
# A folder with more sub-folders than this is no folder of downloads; only one that looks like an export is searched.
MANY_FOLDERS = 50
MAX_DEPTH = 4  # folders in folders that are searched for exports
MAX_ZIPS = 200  # that are looked into, of those that are no exports at the top

Exports = dict[str, ModuleType | None]
"""By the path from the folder, which ends with a / where other texts lie in it, too; None: a zip of posts."""


class Downloads:
    """What was looked into in one folder, and what nobody can look into."""

    def __init__(self, root: Archive) -> None:
        self.root = root
        self.refused: list[Refusal] = []
        self._readers: dict[Path, ModuleType | None] = {}

    def exports(self, place: Archive, reader: ModuleType | None, depth: int = MAX_DEPTH) -> Exports:
        """By their paths from `place`, of which `reader` is what recognises the whole: files, zips and folders."""
        entries = sorted(path for path in place.path.iterdir() if not path.name.startswith("."))
        folders = [path for path in entries if path.is_dir() and not path.is_symlink() and self._is_searched(path)]
        found: Exports = {}
        if depth and (reader or len(folders) <= MANY_FOLDERS):
            for path in folders:
                found |= self._in_folder(path, depth - 1)
        for path in entries:
            if path.suffix.lower() in SINGLE and path.is_file() and (single := self._reader(path)):
                found[path.name] = single
        if reader and reader not in found.values():
            found[""] = reader  # it is known by more than one file
        return found

    def zips(self, within: Exports) -> Exports:
        """Those further below, and those of posts. A zip in a zip is not opened; texts beside pictures are attached."""
        found: Exports = {}
        names = (name for name in folder.shown(self.root, within) if name.lower().endswith(".zip"))
        for number, name in enumerate(names):
            path = self.root.path / name
            if not path.is_file():
                continue
            if number >= MAX_ZIPS:
                self._refuse(path, "unreadable", f"it comes after {MAX_ZIPS} others: give it by itself")
            elif reader := self._reader(path):
                found[name] = reader
            elif self._has_posts(path):
                if folder.is_attached(name):
                    self._refuse(path, "not_a_post", folder.ATTACHMENT)
                else:
                    found[name] = None
        return found

    def items(self, within: Exports, me: str) -> Iterator[Item]:
        """All of them, and then the posts of the folder itself."""
        yield from self.refused
        whole = all(refusal.reason != "unreadable" for refusal in self.refused)
        without = set(within)
        for path, reader in dict.fromkeys((self._place(name, reader), reader) for name, reader in within.items()):
            complete, here = False, "" if path == self.root.path else f"{self._name(path)}/"
            try:
                with contextlib.closing(opened(path, self.root)) as inner:
                    inner.leave_out({name.removeprefix(here): "" for name in within if name.startswith(here)})
                    without.update(f"{here}{name}" for name in _texts(inner, reader))
                    if reader and exports.has_pages(reader):
                        without.update(self._pages_beside(path))
                    for item in exports.read(reader, inner, me) if reader else folder.posts(inner, str(path)):
                        complete |= isinstance(item, Complete)
                        if not isinstance(item, Complete):
                            yield item
            except SourceError as error:  # the others can still be read
                yield self._unreadable(path, error)
            whole &= complete
        for item in folder.posts(self.root, str(self.root.path), without):
            if whole or not isinstance(item, Complete):
                yield item

    def _place(self, name: str, reader: ModuleType | None) -> Path:
        """Of a table that some texts of its export lie beside, the folder of both."""
        path = self.root.path / name
        return path.parent if hasattr(reader, "TEXTS") and name.lower().endswith(TABLES) and path.is_file() else path

    def _pages_beside(self, path: Path) -> Iterator[str]:
        """Of an export's messages, other people's too, which may also be there as pages."""
        place = path if path.is_dir() else path.parent
        return (n for n in self.root.names if n.lower().endswith(tuple(HTML)) and (self.root.path / n).parent == place)

    def _is_searched(self, path: Path) -> bool:
        return path.name not in NOT_POSTS and self._name(path) not in self.root.left_out

    def _in_folder(self, path: Path, depth: int) -> Exports:
        """The folder, where it is one export; else those that lie in it."""
        try:
            with contextlib.closing(opened(path, self.root)) as inner:
                reader = recognised(inner)
                below = self.exports(inner, reader, depth) if reader else {}
                if reader and _all_of_one(inner, reader, below):
                    return {path.name: reader}
                return {f"{path.name}/{name}": found for name, found in below.items()}
        except SourceError as error:
            if self._name(path) not in self.root.closed:  # or it is told with the posts
                self.refused.append(self._unreadable(path, error))
            return {}

    def _reader(self, path: Path) -> ModuleType | None:
        """What reads this file; one that nobody can look into is refused, once."""
        if path not in self._readers:
            self._readers[path] = None
            try:
                with contextlib.closing(opened(path, self.root)) as inner:
                    self._readers[path] = recognised(inner)
            except SourceError as error:
                self.refused.append(self._unreadable(path, error))
        return self._readers[path]

    def _has_posts(self, path: Path) -> bool:
        try:
            with contextlib.closing(opened(path, self.root)) as inner:
                return next(folder.names(inner), None) is not None
        except SourceError:  # it is refused already
            return False

    def _unreadable(self, path: Path, error: SourceError) -> Refusal:
        said = error.message.replace(str(path), "it")
        return Refusal(str(self.root.path), self._name(path), "unreadable", f"{said}; {error.hint}")

    def _refuse(self, path: Path, reason: str, detail: str) -> None:
        self.refused.append(Refusal(str(self.root.path), self._name(path), reason, detail))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root.path).as_posix()


def is_one(archive: Archive, reader: ModuleType, within: Exports) -> bool:
    """Whether the folder is this reader's export, and not a place where exports and posts lie together."""
    return _all_of_one(archive, reader, within) and len(_places(archive, within)) <= 1


def _all_of_one(archive: Archive, reader: ModuleType, within: Exports) -> bool:
    zips = any(name.lower().endswith(".zip") for name in within)
    texts = set(archive.find(*getattr(reader, "TEXTS", ())))
    endings = tuple(OWN if exports.has_pages(reader) else OWN | HTML)
    own = (name for name in folder.names(archive, _places(archive, within)) if name.lower().endswith(endings))
    return set(within.values()) == {reader} and not zips and texts.issuperset(own)


def _texts(archive: Archive, reader: ModuleType | None) -> Iterator[str]:
    """Those of an export at the top of this archive."""
    patterns = tuple(map(str.lower, getattr(reader, "TEXTS", ())))
    for name in archive.names if patterns else ():
        # A * stands for folders, too, which may be the author's own.
        if any(name.count("/") == pattern.count("/") and fnmatchcase(name.lower(), pattern) for pattern in patterns):
            yield name


def _places(archive: Archive, within: Exports) -> list[str]:
    return [name for name in within if (archive.path / name).is_dir()]
