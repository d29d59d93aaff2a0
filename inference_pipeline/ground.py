"""Trace an answer to its passages: a marker behind each sentence that a passage supports, and the exact span it stands for.

The model's own markers are not trusted: a small model writes [2] as readily as any other word. A sentence is supported
where a passage's sentence holds at least half of its content words. Where no sentence is, the answer ends with a
quotation, so that a reader always has the author's own words to check the rest against.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contracts.records import Citation, Passage

SUPPORT = 0.5  # share of a sentence's content words
FEWEST_SHARED = 3  # words; two in common are chance
QUOTE = 280  # characters of a closing quotation

_MARKER = re.compile(r"\s+\[\d{1,2}\]|(?<=[.,;:!?)\"”])\[\d{1,2}\]|^\[\d{1,2}\]\s*", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"”’')\]*_]*(?=\s)|\n+")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_COMMON = set(
    "about after again all also always and any are because been before being between both but can could did does "
    "doing done down each even every few for from get gets getting give gives goes going good got had has have "
    "having her here him his how into its it's just know let like little long made make makes many may might more "
    "most much must never not now off one only other our out over own people put really right said same say see "
    "should some something still such take than that that's the their them then there these they thing things "
    "think this those though through time too two under until use used very was way well were what when where "
    "which while who why will with without would you your you're i'm don't".split()
)


@dataclass(frozen=True)
class Grounded:
    text: str
    citations: tuple[Citation, ...]


def ground(text: str, passages: Sequence[Passage], question: str = "") -> Grounded:
    """The answer with a marker behind each supported sentence; marker n stands for a span of `passages[n - 1]`."""
    sources = [[(start, end, _words(p.text[start:end])) for start, end in sentences(p.text)] for p in passages]
    spans: dict[int, tuple[int, int]] = {}
    pieces: list[str] = []
    text = _MARKER.sub("", text).strip()
    cursor = 0
    for start, end in sentences(text):
        pieces.append(text[cursor:end])
        cursor = end
        if found := _support(_words(text[start:end]), sources):
            number, first, last = found
            known = spans.get(number, (first, last))
            spans[number] = (min(known[0], first), max(known[1], last))
            pieces.append(f" [{number}]")
    pieces.append(text[cursor:])
    if not spans and passages:
        number, first, last = _quotation(_words(question), sources, passages)
        spans[number] = (first, last)
        passage = passages[number - 1]
        where = f" in “{passage.title}”" if passage.title else ""  # a note has no title
        pieces.append(f"\n\nI wrote{where}: “{passage.text[first:last]}” [{number}]")
    citations = tuple(_citation(number, passages[number - 1], *spans[number]) for number in sorted(spans))
    return Grounded("".join(pieces).strip(), citations)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence, without the space around it; a line break ends one, code fences hold none."""
    start, fenced = 0, False
    for end in [*(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]:
        piece = text[start:end]
        stripped = piece.strip()
        if stripped.startswith(("```", "~~~")):
            fenced = not fenced
        elif stripped and not fenced:
            first = start + len(piece) - len(piece.lstrip())
            yield first, first + len(stripped)
        start = end


def _support(words: set[str], sources: list[list[tuple[int, int, set[str]]]]) -> tuple[int, int, int] | None:
    """Number of the passage and span of its sentence that holds most of `words`, if it holds enough."""
    best, place = 0, None
    for number, passage in enumerate(sources, start=1):
        for start, end, known in passage:
            shared = len(words & known)
            if shared > best:
                best, place = shared, (number, start, end)
    return place if best >= FEWEST_SHARED and best >= SUPPORT * len(words) else None


def _quotation(
    question: set[str], sources: list[list[tuple[int, int, set[str]]]], passages: Sequence[Passage]
) -> tuple[int, int, int]:
    """The passage sentence nearest to the question, the first passage's where none shares a word with it."""
    options = [(number, start, end, words) for number, p in enumerate(sources, 1) for start, end, words in p if words]
    if not options:
        return 1, 0, min(len(passages[0].text), QUOTE)
    number, start, end, _ = max(options, key=lambda option: (len(option[3] & question), -option[0], len(option[3]) > 4))
    # … and what follows it, as far as a quotation goes.
    ends = [last for passage, _, last, _ in options if passage == number and end < last <= start + QUOTE]
    end = max(ends, default=end)
    return number, start, min(end, start + QUOTE)


def _words(text: str) -> set[str]:
    """Content words, without their plural and tense endings."""
    found = (word.lower().replace("’", "'") for word in _WORD.findall(text))
    return {re.sub(r"(?:'s|ing|ed|es|s)$", "", word) for word in found if len(word) > 2 and word not in _COMMON}


def _citation(number: int, passage: Passage, start: int, end: int) -> Citation:
    return Citation(
        marker=number,
        post_id=passage.post_id,
        title=passage.title,
        url=passage.url,
        start=passage.start + start,
        end=passage.start + end,
        text=passage.text[start:end],
    )
