"""Posts as JSON Lines: one object a line, with at least a "text"."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import IO

from contracts.formats import Format
from feature_pipeline.sources import Found, RawPost, Refusal
from feature_pipeline.sources.files.front_matter import from_values
from feature_pipeline.sources.text import decode

MAX_LINE = 5_000_000  # bytes
FORMATS: tuple[Format, ...] = ("article", "note", "reply", "document")


def has_texts(file: IO[bytes]) -> bool:
    """Whether its first line is a post."""
    try:
        first = json.loads(decode(next(_lines(file))[1]) or "")
    except (OSError, ValueError, RecursionError, StopIteration):
        return False
    return isinstance(first, dict) and "text" in first


def read_lines(file: IO[bytes], source: str) -> Iterator[Found]:
    """A post a line, of any number: the limit of size is for one line. Raises OSError."""
    seen: set[str] = set()
    for number, line in _lines(file):
        item = _line(line, number, source)
        if isinstance(item, RawPost) and item.source_id in seen:
            item = Refusal(source, item.source_id, "duplicate_id", f"line {number} has the id of another")
        seen.add(item.source_id)
        yield item


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Numbered, without the blank ones; what is over the limit is cut, and so cannot be parsed."""
    for number in itertools.count(1):
        line = file.readline(MAX_LINE)
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE)
        if not line:
            return
        if line.strip():
            yield number, line


def _line(line: bytes, number: int, source: str) -> Found:
    def refuse(reason: str, detail: str = "") -> Refusal:
        return Refusal(source, source_id, reason, detail)

    source_id = str(number)
    try:
        values = json.loads(decode(line) or "")
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        return refuse("bad_line", f"line {number} is no JSON object of up to 5 MB")
    if isinstance(values.get("id"), (str, int)) and values["id"] != "":
        source_id = str(values["id"])
    text, title = values.get("text"), values.get("title")
    if not isinstance(text, str):
        return refuse("bad_line", f'line {number} has no "text", only: {", ".join(values) or "nothing"}')
    said = from_values(values)
    if said.draft:
        return refuse("draft", said.draft)
    if not text.strip():
        return refuse("empty")
    title = title if isinstance(title, str) else said.title
    known = [form for form in FORMATS if form == values.get("format")]
    form: Format = known[0] if known else "article" if title.strip() else "note"
    return RawPost(source, source_id, title, said.date, said.url, text, "plain", said.author, form)
