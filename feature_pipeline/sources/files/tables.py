"""Tables of an export: CSV as platforms write it, and as people's programs save it again.

Knows nothing of posts. Only the columns that a reader asks for leave this file; an `ip` column is never seen outside it.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO

from contracts.errors import SourceError
from feature_pipeline.sources.files.archive import AGAIN, Archive
from feature_pipeline.sources.text import UTF16, decode

MAX_TABLE = 100_000_000  # bytes of one whose rows, or whose text, a reader holds
MAX_LINE = 20_000_000  # characters of a line, and of a cell of many lines
MAX_CELL = 5_000_000  # characters, as for a post in a file


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: what it has in the columns asked for, or `broken`, a refusal's reason and detail."""

    line: int
    cells: dict[str, str] = field(default_factory=dict)
    broken: tuple[str, str] | None = None

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


def rows(
    archive: Archive,
    name: str,
    required: tuple[str, ...],
    optional: tuple[str, ...] = (),
    prepare: Callable[[str], str] | None = None,
    limit: int = MAX_TABLE,
) -> Iterator[Row]:
    """Rows of the CSV `name`, one in memory at a time; all of it where `prepare` repairs its text, or it is no UTF-8.

    Raises SourceError where it is over `limit` bytes, and for a missing column, naming those found.
    """
    # The default ends at 128 KiB, in the middle of a cell, and takes what follows for rows.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
    with _opened(archive, name, prepare, limit) as file:
        yield from _rows(file, archive.where(name), required, optional)


def _rows(file: IO[str], where: str, required: tuple[str, ...], optional: tuple[str, ...]) -> Iterator[Row]:
    lines = _lines(file, where)
    begin: list[str] = []
    for line in lines:
        begin.append(line)
        if line.strip():
            break
    parsed = _parsed(itertools.chain(begin, lines), separator("".join(begin)), where)
    _, header = next(parsed, (0, []))
    if not header:
        return
    places = {column: _places(header, column) for column in required + optional}
    missing = [column for column in required if not places[column]]
    if missing:
        wanted, found = " or ".join(f'"{column}"' for column in missing), ", ".join(header)
        raise SourceError(f"{where} has no column {wanted}, only: {found[:500]}", AGAIN)
    for number, row in parsed:
        yield _row(number, row, header, places)


def _parsed(lines: Iterable[str], separator: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, each with the number of its last line."""
    reader = csv.reader(lines, delimiter=separator)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:  # such as a quote that is never closed
        raise SourceError(f"{where} cannot be read after line {reader.line_num}: {error}", AGAIN) from error


def _lines(file: IO[str], where: str) -> Iterator[str]:
    while line := file.readline(MAX_LINE):
        if len(line) == MAX_LINE:
            raise SourceError(f"{where} has a line of over {MAX_LINE:,} characters", AGAIN)
        yield line.replace("\0", "")


@contextlib.contextmanager
def _opened(archive: Archive, name: str, prepare: Callable[[str], str] | None, limit: int) -> Iterator[IO[str]]:
    if prepare is None and archive.is_utf8(name, limit):
        with io.TextIOWrapper(archive.stream(name, limit), "utf-8-sig", newline="") as file:
            yield file
    else:
        text = _text(archive.read(name, MAX_TABLE), archive.where(name))
        yield io.StringIO(prepare(text) if prepare else text, newline="")


def separator(text: str) -> str:
    """What stands between the cells: Excel writes semicolons where the comma is a decimal point. The header says which."""
    header = re.search(r"\S.*", text)
    return ";" if header and header[0].count(";") > header[0].count(",") else ","


def _row(line: int, row: list[str], header: list[str], places: dict[str, list[int]]) -> Row:
    if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :]):
        return Row(line, broken=("bad_row", f"line {line} has {len(row)} cells for {len(header)} columns"))
    if any(len(cell) > MAX_CELL for cell in row):
        return Row(line, broken=("too_large", f"a cell that ends in line {line} is over {MAX_CELL:,} characters"))
    filled = {
        column: next((row[at] for at in ats if at < len(row) and row[at].strip()), "") for column, ats in places.items()
    }
    return Row(line, filled)


def _places(header: list[str], column: str) -> list[int]:
    """Where a column is: by its own name first, then by one that a program numbered, as in `ShareLink_2`."""
    exact = [at for at, name in enumerate(header) if key(name) == key(column)]
    numbered = [at for at, name in enumerate(header) if key(re.sub(r"_\d+\s*$", "", name)) == key(column)]
    return exact + [at for at in numbered if at not in exact]


def key(name: str) -> str:
    return re.sub(r"[\s_\ufeff]+", "", name).casefold()


def _text(data: bytes, what: str) -> str:
    text = decode(data) if data.startswith(UTF16) else _by_lines(data.replace(b"\0", b""))
    if text is None:
        raise SourceError(f"{what} is no text", AGAIN)
    return text


def _by_lines(data: bytes) -> str | None:
    """One line in another encoding, pasted in by some program, leaves the others as they are."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        lines = data.split(b"\n")
    read = [_utf8(line) for line in lines]
    wide = sum(text is not None and not text.isascii() for text in read)
    if wide <= read.count(None):
        return decode(data)
    pairs = zip(read, lines, strict=True)
    return "\n".join(line.decode("cp1252", "replace") if text is None else text for text, line in pairs)


def _utf8(line: bytes) -> str | None:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
