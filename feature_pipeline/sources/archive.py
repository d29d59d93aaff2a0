"""An export as its platform gave it: a zip, a folder it was unpacked to, or one file. Nothing is unpacked to disk."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from contracts.errors import SourceError

MAX_ENTRY = 200_000_000  # bytes of one entry, unpacked: a year of somebody's posts is under a tenth of it
MAX_ENTRIES = 200_000


class Archive:
    """Read-only. Names are as in the archive, with forward slashes; an entry that could do harm is in `refused`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refused: dict[str, str] = {}
        """Why an entry cannot be read, by its name."""
        self._zip = zipfile.ZipFile(path) if path.is_file() and zipfile.is_zipfile(path) else None
        self.names: tuple[str, ...] = tuple(self._list())

    @property
    def is_zip(self) -> bool:
        return self._zip is not None

    def find(self, *patterns: str) -> list[str]:
        """Names that match one of the patterns, whatever folder the export is wrapped in; case is ignored."""
        lowered = [pattern.lower() for pattern in patterns]
        return [
            name
            for name in self.names
            if any(fnmatchcase(name.lower(), p) or fnmatchcase(name.lower(), f"*/{p}") for p in lowered)
        ]

    def read(self, name: str, limit: int = MAX_ENTRY) -> bytes:
        """The bytes of an entry. Raises SourceError where they are over the limit or damaged."""
        if self._zip is None:
            path = self.path if self.path.is_file() else self.path / name
            with path.open("rb") as file:
                data = file.read(limit + 1)
        else:
            try:
                with self._zip.open(name) as entry:
                    data = entry.read(limit + 1)
            except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError) as error:
                raise SourceError(f"{name} in {self.path} is damaged: {error}", "download the export again") from error
        if len(data) > limit:
            raise SourceError(f"{name} in {self.path} is over {limit:,} bytes", "no post is that long")
        return data

    def head(self, name: str, size: int = 4096) -> bytes:
        """The first bytes of an entry, to recognise it by."""
        if self._zip is None:
            with (self.path if self.path.is_file() else self.path / name).open("rb") as file:
                return file.read(size)
        with self._zip.open(name) as entry:
            return entry.read(size)

    def close(self) -> None:
        if self._zip:
            self._zip.close()

    def _list(self) -> Iterator[str]:
        if self._zip is not None:
            for info in self._zip.infolist()[:MAX_ENTRIES]:
                why = _unsafe(info)
                if why:
                    self.refused[info.filename] = why
                elif not info.is_dir():
                    yield info.filename
        elif self.path.is_file():
            yield self.path.name
        else:
            for folder, folders, names in os.walk(self.path):
                folders.sort()
                for name in sorted(names):
                    path = Path(folder, name)
                    if path.is_file() and path.resolve().is_relative_to(self.path.resolve()):
                        yield path.relative_to(self.path).as_posix()


def _unsafe(info: zipfile.ZipInfo) -> str:
    parts = PurePosixPath(info.filename.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or (len(info.filename) > 1 and info.filename[1] == ":"):
        return "its path leads out of the archive"
    if (info.external_attr >> 16) & 0o170000 == 0o120000:
        return "it is a symbolic link"
    return "it is encrypted" if info.flag_bits & 1 else ""
