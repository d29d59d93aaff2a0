"""Tables of an export: CSV as platforms write it, and as people's programs save it again.

Knows nothing of posts. Only the columns that a reader asks for leave this file; an `ip` column is never seen outside it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from contracts.errors import SourceError
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.text import UTF16, decode

MAX_TABLE = 100_000_000  # bytes
MAX_CELL = 5_000_000  # characters, as for a post in a file


@dataclass(frozen=True)
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
    prepare: Callable[[str], str] = str,
) -> Iterator[Row]:
    """Rows of the CSV `name`; `prepare` repairs its text. Raises SourceError for a missing column, naming those found."""
    text = prepare(_text(archive.read(name, MAX_TABLE), f"{archive.where(name)}"))
    # The default ends at 128 KiB, in the middle of a cell, and takes what follows for rows.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_TABLE))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator(text))
    header = next((row for row in reader if any(cell.strip() for cell in row)), None)
    if header is None:
        return
    places = {column: _places(header, column) for column in required + optional}
    missing = [column for column in required if not places[column]]
    if missing:
        wanted, found = " or ".join(f'"{column}"' for column in missing), ", ".join(header)
        raise SourceError(
            f"{archive.where(name)} has no column {wanted}, only: {found[:500]}", "download the export again"
        )
    for row in reader:
        if any(cell.strip() for cell in row):
            yield _row(reader.line_num, row, header, places)


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
    exact = [at for at, name in enumerate(header) if _key(name) == _key(column)]
    numbered = [at for at, name in enumerate(header) if _key(re.sub(r"_\d+\s*$", "", name)) == _key(column)]
    return exact + [at for at in numbered if at not in exact]


def _key(name: str) -> str:
    return re.sub(r"[\s_\ufeff]+", "", name).casefold()


def _text(data: bytes, what: str) -> str:
    text = decode(data) if data.startswith(UTF16) else _by_lines(data.replace(b"\0", b""))
    if text is None:
        raise SourceError(f"{what} is no text", "download the export again")
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
