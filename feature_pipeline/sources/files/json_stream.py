"""JSON of any length, an item of its lists in memory at a time. Knows nothing of any platform.

It is not ijson, whose events name the path of each, which takes 24 GB for 100,000 opening brackets, and which can bound
no item (measured, ijson 3.6.0 yajl2_c).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import IO, Any

PIECE = 1 << 18  # characters that are read at once
MAX_ITEM = 20_000_000  # characters of one item, or of one value beside the lists: four times the longest post
MAX_DEPTH = 20  # of what is gone through piece by piece; what lies deeper is one value
CUT = 16  # characters: where a piece ends in a word or a number, that is where the parser stumbles
SPACES = re.compile(r"[ \t\n\r]*")
DECODER = json.JSONDecoder()

Path = tuple[str, ...]
"""The keys that lead to a value; a list on the way has none of its own."""


class BadJsonError(ValueError):
    """It is no JSON, ends too soon, or has an item that is too long."""


def items(
    file: IO[str], lists: Collection[Path], begins: re.Pattern[str] | None = None, ends: str = ""
) -> Iterator[tuple[Path, Any]]:
    """Each item of the lists at these paths, in the file's order; before the first of each list comes None, in its place.

    What lies beside is passed over. A program's assignment may stand around it: `begins` before, `ends` after it. Raises
    BadJsonError, once it comes to what is wrong.
    """
    reader = _Reader(file)
    if begins:
        reader.drop(begins)
    yield from _values(reader, (), frozenset(lists), 0)
    if reader.rest().strip(f" \t\n\r{ends}"):
        raise BadJsonError("something follows its end")


def keys(file: IO[str], *places: Path) -> list[str]:
    """Those of the object at one of these places, or else of the outermost; none where it is none. Raises BadJsonError."""
    found: dict[Path, list[str]] = {}
    for _ in _values(_Reader(file), (), frozenset((*places, ())), 0, found):
        pass
    return next((found[place] for place in (*places, ()) if found.get(place)), [])


def _values(
    reader: _Reader, path: Path, lists: frozenset[Path], depth: int, noted: dict[Path, list[str]] | None = None
) -> Iterator[tuple[Path, Any]]:
    """Items of the lists, as above; the keys of the objects on the way are `noted`, where they are wanted."""
    first = reader.peek()
    on_the_way = depth < MAX_DEPTH and any(wanted[: len(path)] == path for wanted in lists)
    if first == "[" and path in lists:
        yield path, None
        for _ in reader.members("]"):
            yield path, reader.value()
    elif first == "[" and on_the_way:
        for _ in reader.members("]"):
            yield from _values(reader, path, lists, depth + 1, noted)
    elif first == "{" and on_the_way:
        for key in reader.members("}"):
            if noted is not None:
                noted.setdefault(path, []).append(key)
            yield from _values(reader, (*path, key), lists, depth + 1, noted)
    else:
        _pass_over(reader, 0)


def _pass_over(reader: _Reader, depth: int) -> None:
    first = reader.peek()
    if first == "[":
        for _ in reader.members("]"):
            reader.value()
    elif first == "{" and depth < MAX_DEPTH:
        for _ in reader.members("}"):
            _pass_over(reader, depth + 1)
    else:
        reader.value()


class _Reader:
    """A place in a file, and the text from there on that was read already."""

    def __init__(self, file: IO[str]) -> None:
        self._file, self._text, self._at, self._ended = file, "", 0, False

    def peek(self) -> str:
        """The next character that is no space. Raises BadJsonError at the end."""
        while True:
            self._at = SPACES.match(self._text, self._at).end()  # type: ignore[union-attr]  # it matches nothing, too
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                raise BadJsonError("it ends too soon")

    def members(self, end: str) -> Iterator[str]:
        """Of the list or the object that begins here: each key, or nothing, while the place is before its value."""
        self._at += 1
        while self.peek() != end:
            key = ""
            if end == "}":
                key = self.value()
                if not isinstance(key, str):
                    raise BadJsonError("a key is no text")
                self._take(":")
            self.peek()
            yield key
            if self.peek() != end:
                self._take(",")
                if self.peek() == end:
                    raise BadJsonError("a value is missing")
        self._at += 1

    def value(self) -> Any:
        """The value that begins here, whole. Raises BadJsonError."""
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - CUT
                if not cut or not self._more():
                    raise BadJsonError(error.msg) from error
            except (ValueError, RecursionError) as error:
                raise BadJsonError(str(error)) from error
            else:
                if self._ended or end < len(self._text) - CUT:
                    self._at = end
                    return value
                self._more()  # a number may go on, behind its point or its e, too

    def drop(self, pattern: re.Pattern[str]) -> None:
        self._more()
        if found := pattern.match(self._text):
            self._at = found.end()

    def rest(self) -> str:
        """What is left, if it is no more than a line."""
        self._more()
        return self._text[self._at :]

    def _take(self, sign: str) -> None:
        if self.peek() != sign:
            raise BadJsonError(f"{self._text[self._at]!r} stands where {sign!r} was expected")
        self._at += 1

    def _more(self) -> bool:
        """As much again as is waiting, so that an item of any length is parsed a few times only."""
        waiting = len(self._text) - self._at
        if waiting > MAX_ITEM:
            raise BadJsonError(f"an item is over {MAX_ITEM:,} characters")
        piece = self._file.read(max(PIECE, waiting)) if not self._ended else ""
        self._ended = not piece
        self._text, self._at = self._text[self._at :] + piece, 0
        return bool(piece)
