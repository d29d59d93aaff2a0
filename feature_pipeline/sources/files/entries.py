"""An entry of an export as text, and what a table in it is about. Knows nothing of any platform."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from collections.abc import Iterator
from typing import IO, Any

from feature_pipeline.sources.files import json_stream
from feature_pipeline.sources.files.archive import AGAIN, MAX_ENTRY, MAX_TOTAL, Archive, EntryError
from feature_pipeline.sources.files.tables import key, separator
from feature_pipeline.sources.text import decode

MAX_POST = 5_000_000  # bytes


def text(archive: Archive, name: str, limit: int = MAX_POST) -> str:
    """Raises SourceError where the entry is damaged, over `limit` bytes, or no text."""
    found = decode(archive.read(name, limit))
    if found is None:
        raise EntryError(archive.where(name), "is no text: its bytes are of another kind of file", AGAIN)
    return found


@contextlib.contextmanager
def opened(archive: Archive, name: str, limit: int = MAX_TOTAL) -> Iterator[IO[str]]:
    """An entry of any length as text, as it comes where it is UTF-8; in another encoding it is held whole, up to MAX_ENTRY.

    Raises SourceError, also while it is read.
    """
    if archive.is_utf8(name, limit):
        with io.TextIOWrapper(archive.stream(name, limit), "utf-8-sig", newline="") as file:
            yield file
    else:
        yield io.StringIO(text(archive, name, min(limit, MAX_ENTRY)), newline="")


def items_of(
    archive: Archive, name: str, *lists: json_stream.Path, begins: re.Pattern[str] | None = None, ends: str = ""
) -> Iterator[tuple[json_stream.Path, Any]]:
    """`json_stream.items` of an entry. Raises BadJsonError or SourceError, once it comes to what is wrong."""
    with opened(archive, name) as file:
        yield from json_stream.items(file, lists, begins, ends)


def json_of(archive: Archive, name: str) -> Any:
    """Raises SourceError where it is no JSON."""
    try:
        return json.loads(text(archive, name, MAX_ENTRY))
    except (ValueError, RecursionError) as error:
        raise EntryError(archive.where(name), f"is no JSON: {error}", AGAIN) from error


def has_columns(archive: Archive, name: str, *columns: str) -> bool:
    """Whether a table has these, by the same rule as `tables.rows`: case, spaces and underscores do not count."""
    first = (decode(archive.head(name, 8192)) or "").lstrip("\ufeff\r\n").split("\n", 1)[0]
    try:
        found = {key(cell) for cell in next(csv.reader([first.strip()], delimiter=separator(first)), [])}
    except csv.Error:
        return False
    return {key(column) for column in columns} <= found
