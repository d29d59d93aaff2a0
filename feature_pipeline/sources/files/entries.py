"""An entry of an export as text, and what a table in it is about. Knows nothing of any platform."""

from __future__ import annotations

import csv
import json
import re
from typing import Any

from feature_pipeline.sources.files.archive import MAX_ENTRY, Archive, EntryError
from feature_pipeline.sources.files.tables import separator
from feature_pipeline.sources.text import decode

MAX_POST = 5_000_000  # bytes
AGAIN = "download the export again, and give it as it came"


def text(archive: Archive, name: str, limit: int = MAX_POST) -> str:
    """Raises SourceError where the entry is damaged, over `limit` bytes, or no text."""
    found = decode(archive.read(name, limit))
    if found is None:
        raise EntryError(archive.where(name), "is no text: its bytes are of another kind of file", AGAIN)
    return found


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
        found = {_key(cell) for cell in next(csv.reader([first.strip()], delimiter=separator(first)), [])}
    except csv.Error:
        return False
    return {_key(column) for column in columns} <= found


def _key(column: str) -> str:
    return re.sub(r"[\s_]+", "", column).casefold()
