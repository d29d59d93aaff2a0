"""An export as its platform gave it: a zip, a folder it was unpacked to, or one file. Nothing is unpacked to disk.

An archive is somebody else's file: what leads out of it, hides its size or its text is refused, entry by entry. Sizes are
counted as bytes come out of it, as what a zip says of itself may be a lie.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from fnmatch import translate
from pathlib import Path, PurePosixPath
from typing import IO

from contracts.errors import SourceError
from feature_pipeline.sources import Refusal

MAX_ENTRY = 200_000_000  # bytes of one entry, unpacked: a year of somebody's posts is under a tenth of it
MAX_TOTAL = 2_000_000_000  # bytes of all that is read of one archive
MAX_ENTRIES = 200_000
MAX_NAME = 1_000  # characters of an entry's path
# Posts pack to a tenth of their size, the emptiest tables to a hundredth; a bomb to a thousandth.
MAX_RATIO = 200
RATIO_FROM = 10_000_000  # bytes under which a small file may well be one letter repeated
PIECE = 1_000_000
INSTALLED = ("node_modules", "__pycache__")  # by programs, beside somebody's posts, and of any number
# Deflate can be asked for so many bytes and no more; Python unpacks the others' blocks whole, however large they become.
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED, UTF8 = 0x1, 0x800  # a zip entry's flags
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)
AGAIN = "download the export again, and give it as it came"


class Archive:
    """Read-only. Names are as in the archive, with forward slashes; an entry that could do harm is in `refused`.

    Raises SourceError where the archive is damaged, cut short, or has more entries than anybody's posts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refused: dict[str, str] = {}
        """Why an entry cannot be read, by its name."""
        self._taken = 0
        self._zip = _open(path) if path.is_file() else None
        self._entries: dict[str, zipfile.ZipInfo | Path] = {}
        """Where a zip has a name twice, the last one counts, as for every program that unpacks it."""
        self._list()
        self.names: tuple[str, ...] = tuple(self._entries)
        self._lowered = [name.lower() for name in self.names]

    @property
    def is_zip(self) -> bool:
        return self._zip is not None

    @property
    def is_file(self) -> bool:
        """One file out of an export, so that nothing is known of the others."""
        return self._zip is None and self.path.is_file()

    def find(self, *patterns: str) -> list[str]:
        """Names that match one of the patterns, whatever folder the export is wrapped in; case is ignored."""
        lowered = [pattern.lower() for pattern in patterns]
        either = re.compile("|".join(translate(prefix + p) for p in lowered for prefix in ("", "*/")))
        return [name for name, low in zip(self.names, self._lowered, strict=True) if either.match(low)]

    def read(self, name: str, limit: int = MAX_ENTRY) -> bytes:
        """The bytes of an entry. Raises SourceError where they are too many, packed too tightly, or damaged."""
        try:
            return b"".join(self._pieces(name, limit))
        except DAMAGED as error:
            raise SourceError(f"{name} in {self.path} is damaged: {error}", AGAIN) from error

    def head(self, name: str, size: int = 4096) -> bytes:
        """The first bytes of an entry, to recognise it by; none where it is damaged."""
        try:
            return next(self._pieces(name, size, piece=size), b"")
        except (*DAMAGED, SourceError):
            return b""

    def refusals(self, source: str) -> Iterator[Refusal]:
        """What `refused` holds, for a reader's report."""
        for name, why in self.refused.items():
            yield Refusal(source, name, "unsafe_entry", why)

    def close(self) -> None:
        if self._zip:
            self._zip.close()

    def _pieces(self, name: str, limit: int, piece: int = PIECE) -> Iterator[bytes]:
        """An entry's bytes, until it is read or has become too large."""
        entry, size = self._entries[name], 0
        with self._opened(entry) as file:
            while data := file.read(piece):
                size += len(data)
                self._taken += len(data)
                if size > limit:
                    raise SourceError(f"{name} in {self.path} is over {limit:,} bytes", "no post is that long")
                if self._taken > MAX_TOTAL:
                    raise SourceError(f"{self.path} unpacks to over {MAX_TOTAL:,} bytes", "give a folder of the posts")
                if isinstance(entry, zipfile.ZipInfo) and size > max(RATIO_FROM, MAX_RATIO * self._packed(entry)):
                    raise SourceError(f"{name} in {self.path} unpacks to over {MAX_RATIO} times its size", AGAIN)
                yield data

    def _opened(self, entry: zipfile.ZipInfo | Path) -> IO[bytes]:
        if isinstance(entry, Path):
            return entry.open("rb")
        assert self._zip is not None
        return self._zip.open(entry)

    def _packed(self, entry: zipfile.ZipInfo) -> int:
        """No entry is packed into more bytes than the zip has, whatever it says."""
        return min(entry.compress_size, self.path.stat().st_size)

    def _list(self) -> None:
        for name, entry, why in self._found():
            if len(self._entries) + len(self.refused) >= MAX_ENTRIES:
                raise SourceError(f"{self.path} has over {MAX_ENTRIES:,} entries", "give a folder of the posts")
            if why:
                self.refused[name] = why
            else:
                self._entries[name] = entry
        for name in self.refused:
            self._entries.pop(name, None)

    def _found(self) -> Iterator[tuple[str, zipfile.ZipInfo | Path, str]]:
        """Name, where it is, and why it is refused. What systems leave behind (__MACOSX, .DS_Store) is no entry."""
        if self._zip is not None:
            for info in self._zip.infolist():
                name = _name(info)
                why = _unsafe(info, name)
                if why or not (info.is_dir() or _hidden(name)):
                    yield name, info, why
        elif self.path.is_file():
            yield _text(self.path.name), self.path, ""
        else:
            yield from _walk(self.path)


def _open(path: Path) -> zipfile.ZipFile | None:
    """The zip at `path`; None where it is another kind of file."""
    try:
        if zipfile.is_zipfile(path):
            return zipfile.ZipFile(path)
        with path.open("rb") as file:
            begun = file.read(4) == b"PK\x03\x04"
    except DAMAGED as error:
        raise SourceError(f"{path} cannot be read: {error}", AGAIN) from error
    if begun:
        raise SourceError(f"{path} is a zip that ends too soon", AGAIN)
    return None


def _name(info: zipfile.ZipInfo) -> str:
    """With forward slashes, and in UTF-8 where a Mac wrote it so without saying so."""
    name = info.filename
    if not info.flag_bits & UTF8:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return PurePosixPath(name.replace("\\", "/")).as_posix()


def _text(name: str) -> str:
    """As text, even where the name's bytes are none."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _hidden(name: str) -> bool:
    return name.startswith(("__MACOSX/", ".")) or "/." in name or "/__MACOSX/" in name


def _unsafe(info: zipfile.ZipInfo, name: str) -> str:
    if name.startswith("/") or ".." in name.split("/") or re.match(r"[A-Za-z]:(?:/|$)", name):
        return "its path leads out of the archive"
    if len(name) > MAX_NAME:
        return f"its name is over {MAX_NAME:,} characters"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a symbolic link"
    if info.flag_bits & ENCRYPTED:
        return "it is encrypted"
    return "" if info.compress_type in PACKED else "it is packed in a way that no export is"


def _walk(root: Path) -> Iterator[tuple[str, Path, str]]:
    """Files of a folder in order; links to elsewhere are refused, links to folders not followed: some are loops."""
    unread: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=unread.append):
        folders[:] = sorted(name for name in folders if not _hidden(f"{name}/") and name not in INSTALLED)
        for name in sorted(names):
            path = Path(folder, name)
            if not _hidden(name):
                yield from _file(path, _text(path.relative_to(root).as_posix()), root)
    for error in unread:
        yield _text(str(error.filename)), root, f"it cannot be read: {error.strerror}"


def _file(path: Path, name: str, root: Path) -> Iterator[tuple[str, Path, str]]:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode) and not path.resolve().is_relative_to(root.resolve()):
        yield name, path, "it is a link that leads out of the folder"
    elif path.is_file():
        yield name, path, ""
