"""Cut a post's own words into pieces that each make sense alone: whole sections, else whole paragraphs, else sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from contracts.labels import SHORTEST
from feature_pipeline.chunk import headings

TARGET = 1600  # characters: about 400 tokens, which two cores train on in a second

Slices = tuple[tuple[int, int], ...]

PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_STOP = r"(?<=[.!?…])(?<!\b[A-Z]\.)(?<!\b(?:Mr|Ms|Dr|St|vs|cf)\.)(?<!\b(?:Mrs|e\.g|i\.e)\.)[\"”’')\]*_]*\s+"
"""The end of a sentence: not after an initial or a title, as in “J. S. Bach” and “Dr. Who”."""
_SENTENCE = re.compile(rf"{_STOP}(?![a-zß-öø-ÿ])|(?<=[。！？])[”’」』）]*\s*")
_UNCAPPED = re.compile(_STOP)  # for authors who begin their sentences with a small letter
_ITEM = re.compile(r"\n\s*(?=(?:[-*+]|\d{1,3}[.)])\s)")


class Piece(NamedTuple):
    """Own words in a row, and the heading that they stand under: none at the post's beginning, or within a section."""

    heading: str
    slices: Slices


def pieces(text: str, own: Sequence[tuple[int, int]]) -> list[Piece]:
    """All of a short post as one piece; of a longer one whole sections, and the parts of those that are too long.

    The first piece is the post's beginning: as many whole sections as fit, at least one.
    """
    if length(own) <= TARGET:
        return [Piece("", tuple(own))] if own else []
    first, *others = _sections(text, own)
    together = first.slices
    while others and length(together) + length(others[0].slices) <= TARGET:
        together = _joined(text, (*together, *others.pop(0).slices))
    begun = [*parts(text, together)]
    return [
        *(Piece("", part) for part in begun),
        *(piece for section in others for piece in _whole(text, section)),
    ]


def _sections(text: str, own: Sequence[tuple[int, int]]) -> list[Piece]:
    """Each with its heading's line, but for sections in which the author says nothing."""
    found = headings(text)
    borders = [0, *(start for start, _ in found), len(text)]
    names = ["", *(name for _, name in found)]
    made = []
    for name, (start, end) in zip(names, pairwise(borders), strict=True):
        slices = tuple(within(text, own, start, end))
        if length(slices) - len(name) >= SHORTEST:
            made.append(Piece(name, slices))
    return made or [Piece("", tuple(own))]


def _whole(text: str, section: Piece) -> Iterator[Piece]:
    """Without its heading's line, which the instruction will name."""
    (start, end), *rest = section.slices
    line = text.find("\n", start, end) if text.startswith("#", start) else start
    body = (*within(text, [(line if line >= 0 else end, end)], 0, len(text)), *rest)
    for number, part in enumerate(parts(text, body)):
        yield Piece("" if number else section.heading, part)


def _joined(text: str, slices: Slices) -> Slices:
    """Slices with nothing but blank space between them as one."""
    made = [slices[0]]
    for start, end in slices[1:]:
        if text[made[-1][1] : start].strip():
            made.append((start, end))
        else:
            made[-1] = (made[-1][0], end)
    return tuple(made)


def parts(text: str, own: Sequence[tuple[int, int]]) -> Iterator[Slices]:
    """All of `own` in parts of at most TARGET characters; what has no end of a sentence in so many is left out."""
    while own and (part := beginning(text, own, TARGET)):
        yield part
        own = within(text, own, part[-1][1], len(text))  # a heading that was left out begins the next part


def beginning(text: str, own: Sequence[tuple[int, int]], size: int) -> Slices:
    """The first own words, at most `size` characters in all; they end with a paragraph, else with a sentence."""
    taken: list[tuple[int, int]] = []
    for start, end in own:
        cut = last_end(text, start, end, size)
        if cut > start:
            taken += within(text, [(start, cut)], 0, len(text))
        size -= cut - start
        if cut < end or size < SHORTEST:
            break
    return _without_last_heading(text, taken)


def _without_last_heading(text: str, slices: list[tuple[int, int]]) -> Slices:
    """A text does not end with a heading, under which nothing stands."""
    while slices:
        start, end = slices[-1]
        line = max(text.rfind("\n", start, end) + 1, start)
        if not text.startswith("#", line):
            break
        slices[-1:] = within(text, [(start, line)], 0, len(text))
    return tuple(slices)


def last_end(text: str, start: int, end: int, size: int) -> int:
    """Where a slice of `text[start:end]` of at most `size` characters ends a paragraph, a sentence, or a list's item.

    `start` where none of these ends there: nothing is cut in mid-sentence.
    """
    if end - start <= size:
        return end
    for pattern in (PARAGRAPH, _SENTENCE, _UNCAPPED, _ITEM):
        ends = [match.end() for match in pattern.finditer(text, start, start + size)]
        if ends and ends[-1] > start:
            return ends[-1]
    return start


def within(text: str, own: Sequence[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """The slices' parts in `text[start:end]`, without the blank space around each."""
    found = []
    for one, other in own:
        first, last = max(one, start), min(other, end)
        words = text[first:last]
        if words.strip():
            found.append((first + len(words) - len(words.lstrip()), last - len(words) + len(words.rstrip())))
    return found


def length(slices: Sequence[tuple[int, int]]) -> int:
    """In characters."""
    return sum(end - start for start, end in slices)
