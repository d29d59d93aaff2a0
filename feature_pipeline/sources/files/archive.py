"""An export as its platform gave it: a zip, a folder it was unpacked to, or one file. Nothing is unpacked to disk.

An archive is somebody else's file: what leads out of it, hides its size or its text is refused, entry by entry. Sizes are
counted as bytes come out of it, as what a zip says of itself may be a lie. A folder is no bomb: it may have any number of
files, and only each of them has a limit.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from fnmatch import translate
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from contracts.errors import SourceError
from feature_pipeline.sources import Refusal

MAX_ENTRY = 200_000_000  # bytes of one entry, unpacked: a year of somebody's posts is under a tenth of it
MAX_TOTAL = 2_000_000_000  # bytes of all that is read of one zip
MAX_ENTRIES = 200_000  # that are listed: a zip may have no more, a folder can be walked
MAX_NAME = 1_000  # characters of an entry's path
# Posts pack to a tenth of their size, the emptiest tables to a hundredth; a bomb to a thousandth.
MAX_RATIO = 200
RATIO_FROM = 10_000_000  # bytes under which a small file may well be one letter repeated
PIECE = 1_000_000
# Folders of what programs installed or left beside somebody's posts, of any number.
LEFT = frozenset(("node_modules", "__pycache__", "__MACOSX"))
# Deflate can be asked for so many bytes and no more; Python unpacks the others' blocks whole, however large they become.
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED, UTF8 = 0x1, 0x800  # a zip entry's flags
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)
AGAIN = "download the export again, and give it as it came"


class _Entry(NamedTuple):
    name: str
    place: zipfile.ZipInfo | str
    why: str = ""
    """Why it is refused."""
    closed: bool = False
    """It is, or is in, a folder that may not be listed."""


class EntryError(SourceError):
    """One entry cannot be read: `why` says it without naming the entry."""

    def __init__(self, where: str, why: str, hint: str) -> None:
        super().__init__(f"{where} {why}", hint)
        self.why = why


class TooLargeError(EntryError):
    """One entry has more bytes than were asked for."""


class _Stream(io.RawIOBase):
    """Bytes that come in pieces, as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._left:
            self._left = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count


class Archive:
    """Read-only. Names are as in the archive, with forward slashes; an entry that could do harm is in `refused`.

    Raises SourceError where the archive is damaged, cut short, or a zip has more entries than anybody's posts.
    """

    def __init__(self, path: Path, most: int = MAX_ENTRIES) -> None:
        self.path = path
        self.refused: dict[str, str] = {}
        """Why an entry cannot be read, by its name."""
        self.closed: set[str] = set()
        """Those of `refused` that are, or are in, folders which may not be listed: nobody knows what there is."""
        self.cut = False
        """Whether it is a folder with more files than `names` has: `walk` finds them all."""
        self._taken = 0
        self._read: dict[str, int] = {}
        """Bytes that came out of each entry, however often it is read; of all together, `_taken`."""
        self._zip = _open(path) if path.is_file() else None
        self._root = path.parent if path.is_file() else path
        self._entries: dict[str, zipfile.ZipInfo | str] = {}
        """Where a zip has a name twice, the last one counts, as for every program that unpacks it. A file's own path, from
        the root, differs from its name where its bytes are no text."""
        self._list(most)
        self.names: tuple[str, ...] = tuple(self._entries)
        self._lowered: list[str] = []
        self._utf8: dict[str, bool] = {}
        self.left_out: dict[str, str] = {}
        """Folders whose files are no part of it, each with why."""
        self._never: frozenset[str] = frozenset()

    @property
    def is_zip(self) -> bool:
        return self._zip is not None

    @property
    def is_file(self) -> bool:
        """One file out of an export, so that nothing is known of the others."""
        return self._zip is None and self._root != self.path

    def walk(self) -> Iterator[str]:
        """Every name, in the order of their paths. One that is not in `names` can be read until the next is asked for."""
        if not self.cut:
            yield from sorted(self.names, key=lambda name: name.split("/")) if self.is_zip else self.names
            return
        for found in _walk(self.path):
            if self._is_left_out(found.name):
                continue
            if found.why:
                self._refuse(found)
            elif found.name in self._entries:
                yield found.name
            else:
                self._entries[found.name] = found.place
                yield found.name
                del self._entries[found.name]

    def leave_out(self, folders: Mapping[str, str], named: frozenset[str] = frozenset()) -> None:
        """These folders, and any with one of these names, are not there from now on, whoever asks."""
        self.left_out.update(folders)
        self._never |= named
        if not self.left_out and not self._never:
            return
        self._entries = {name: place for name, place in self._entries.items() if not self._is_left_out(name)}
        self.refused = {name: why for name, why in self.refused.items() if not self._is_left_out(name)}
        self.closed &= self.refused.keys()
        self.names, self._lowered = tuple(self._entries), []

    def _is_left_out(self, name: str) -> bool:
        parts = name.split("/")
        if not self._never.isdisjoint(parts[:-1]):
            return True
        return bool(self.left_out) and any("/".join(parts[:depth]) in self.left_out for depth in range(1, len(parts)))

    def find(self, *patterns: str) -> list[str]:
        """Names that match one of the patterns, whatever folder the export is wrapped in; case is ignored."""
        if not patterns:
            return []
        lowered = [pattern.lower() for pattern in patterns]
        either = re.compile("|".join(translate(prefix + p) for p in lowered for prefix in ("", "*/")))
        if len(self._lowered) < len(self.names):
            self._lowered = [name if name.islower() else name.lower() for name in self.names]
        return [name for name, low in zip(self.names, self._lowered, strict=True) if either.match(low)]

    def read(self, name: str, limit: int = MAX_ENTRY) -> bytes:
        """The bytes of an entry. Raises SourceError where they are too many, packed too tightly, or damaged."""
        try:
            return b"".join(self.pieces(name, limit))
        except DAMAGED as error:
            raise EntryError(self.where(name), in_words(error), AGAIN) from error

    def stream(self, name: str, limit: int = MAX_TOTAL) -> IO[bytes]:
        """The same as they come, for what need not be held whole. What is read of it may raise SourceError."""
        return io.BufferedReader(_Stream(self._readable(name, limit)))

    def is_utf8(self, name: str, limit: int = MAX_TOTAL) -> bool:
        """Whether all of an entry is text in this encoding, which is looked at once. Raises SourceError."""
        if name not in self._utf8:
            self._utf8[name] = self._decodes(name, limit)
        return self._utf8[name]

    def _decodes(self, name: str, limit: int) -> bool:
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            for piece in self._readable(name, limit):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
        return True

    def _readable(self, name: str, limit: int) -> Iterator[bytes]:
        try:
            yield from self.pieces(name, limit)
        except DAMAGED as error:
            raise EntryError(self.where(name), in_words(error), AGAIN) from error

    def head(self, name: str, size: int = 4096) -> bytes:
        """The first bytes of an entry, to recognise it by; none where it is damaged."""
        try:
            return next(self.pieces(name, size, piece=size), b"")
        except (*DAMAGED, SourceError):
            return b""

    def where(self, name: str) -> str:
        """The entry and the archive, for a message; once, where they are the same file."""
        return str(self.path) if self.is_file else f"{name} in {self.path}"

    def refusals(self, source: str) -> Iterator[Refusal]:
        """What `refused` holds, for a reader's report."""
        for name, why in self.refused.items():
            yield Refusal(source, name, "unreadable" if name in self.closed else "unsafe_entry", why)

    def close(self) -> None:
        if self._zip:
            self._zip.close()

    def pieces(self, name: str, limit: int, piece: int = PIECE) -> Iterator[bytes]:
        """An entry's bytes, until it is read or has become too large. Raises SourceError, or one of DAMAGED."""
        entry, size = self._entries[name], 0
        with self._opened(entry) as file:
            while data := file.read(piece):
                size += len(data)
                if size > limit:
                    raise TooLargeError(self.where(name), f"is over {limit:,} bytes", "no post is that long")
                if isinstance(entry, zipfile.ZipInfo):
                    self._check(name, entry, size)
                yield data

    def _check(self, name: str, entry: zipfile.ZipInfo, size: int) -> None:
        """Raises SourceError where this entry, or all that was read, has become a bomb."""
        before = self._read.get(name, 0)
        if size > before:
            self._read[name] = size
            self._taken += size - before
        if self._taken > MAX_TOTAL:
            why = f"comes after {MAX_TOTAL:,} unpacked bytes, and no more are read"
            raise EntryError(self.where(name), why, "give a folder of the posts")
        if size > max(RATIO_FROM, MAX_RATIO * self._packed(entry)):
            raise EntryError(self.where(name), f"unpacks to over {MAX_RATIO} times its size", AGAIN)

    def _opened(self, entry: zipfile.ZipInfo | str) -> IO[bytes]:
        if isinstance(entry, str):
            return (self._root / entry).open("rb")
        assert self._zip is not None
        return self._zip.open(entry)

    def _packed(self, entry: zipfile.ZipInfo) -> int:
        """No entry is packed into more bytes than the zip has, whatever it says."""
        return min(entry.compress_size, self.path.stat().st_size)

    def _list(self, most: int) -> None:
        for found in self._found():
            if len(self._entries) + len(self.refused) >= most:
                if self.is_zip:
                    raise SourceError(f"{self.path} has over {most:,} entries", "give a folder of the posts")
                self.cut = True
                break
            if found.why:
                self._refuse(found)
            else:
                self._entries[found.name] = found.place
        for name in self.refused:
            self._entries.pop(name, None)

    def _refuse(self, found: _Entry) -> None:
        self.refused[found.name] = found.why
        if found.closed:
            self.closed.add(found.name)

    def _found(self) -> Iterator[_Entry]:
        """All that there is. What systems leave behind (__MACOSX, .DS_Store) is no entry."""
        if self._zip is not None:
            for info in self._zip.infolist():
                name = _name(info)
                why = _unsafe(info, name)
                if why or not (info.is_dir() or _hidden(name)):
                    yield _Entry(name, info, why)
        elif self.is_file:
            yield _Entry(_text(self.path.name), self.path.name)
        else:
            yield from _walk(self.path)


def _open(path: Path) -> zipfile.ZipFile | None:
    """The zip at `path`; None where it is another kind of file."""
    try:
        if path.suffix.lower() == ".zip" and path.stat().st_size == 0:
            raise SourceError(f"{path} is empty: it has 0 bytes", AGAIN)
        if zipfile.is_zipfile(path):
            return zipfile.ZipFile(path)
        with path.open("rb") as file:
            begun = file.read(4) == b"PK\x03\x04"
    except DAMAGED as error:
        raise SourceError(f"{path} {in_words(error)}", AGAIN) from error
    if begun:
        raise SourceError(f"{path} is a zip that ends too soon", AGAIN)
    return None


def in_words(error: BaseException) -> str:
    """What is wrong with a file, without the words of a program for it."""
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return "is damaged, or was cut short"


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


def _walk(root: Path) -> Iterator[_Entry]:
    """Files of a folder in the order of their paths; links to elsewhere are refused, links to folders not followed: some
    are loops. Holds the names of one folder and of those that it is in. Raises SourceError where it may not be listed."""
    real = os.path.realpath(root)
    try:
        waiting = [("", iter(_names(real)))]
    except OSError as error:
        raise SourceError(f"{root} cannot be read: {error.strerror}", "give a folder that you may open") from error
    while waiting:
        within, names = waiting[-1]
        name = next(names, None)
        if name is None:
            waiting.pop()
            continue
        entry = f"{within}{name}"
        path = os.path.join(real, entry)  # noqa: PTH118 — a Path for each of 300,000 files takes seconds
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode):
                yield _Entry(_text(entry), entry)
            elif stat.S_ISLNK(mode):
                yield from _link(path, entry, real)
            elif stat.S_ISDIR(mode) and name not in LEFT:
                waiting.append((f"{entry}/", iter(_names(path))))
        except FileNotFoundError:
            continue  # it has gone in the meantime
        except OSError as error:
            yield _Entry(_text(entry), entry, f"it cannot be read: {error.strerror}", closed=True)


def _names(folder: str) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208 — as above


def _link(path: str, entry: str, root: str) -> Iterator[_Entry]:
    target = Path(os.path.realpath(path))
    if target.is_dir():
        return
    if not target.is_relative_to(root):
        yield _Entry(_text(entry), entry, "it is a link that leads out of the folder")
    elif target.is_file():
        yield _Entry(_text(entry), entry)
