"""Sentences of a text with their places, and what a sentence is about: its content words, numbers and negation."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"”’')\]*_]*(?=\s)|\n+")
_NO_END = re.compile(r"\b(?:Mrs?|Ms|Dr|St|Prof|e\.g|i\.e|vs|cf)\.\Z|^\s*\d{1,2}[.)]\Z")  # a title, or a list's number
WRAPPED = 40  # characters of a line that was broken because it was full
_BLOCK = r"\s*(?:#{1,6}\s|```|~~~|\||\[[^\]\n]+\]:)| {4}|\t"
_NO_WRAP = re.compile(rf"{_BLOCK}|.*(?:[.!?…。！？:;][\"”’')\]*_`]*|  )$")
_NO_REST = re.compile(rf"{_BLOCK}|\s*(?:[-*+>]\s|\d{{1,3}}[.)]\s|$)")
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_NEGATION = re.compile(r"\b(?:not|never|no|none|nothing|nobody|nowhere|neither|nor|cannot|without)\b|n['’]t\b", re.I)
_FIRST_PERSON = re.compile(r"\b(?:I|my|me|mine|myself|we|our|us)\b|\bI['’]", re.I)
_QUOTED = re.compile(r"“[^”]*”|\"[^\"\n]*\"|`[^`\n]*`")
_NUMBERS = dict(
    zip("one two three four five six seven eight nine ten eleven twelve".split(), range(1, 13), strict=True)
)
COMMON = frozenset(
    "about after again all also always and any are because been before being between both but can could did does "
    "doing done down each even every few for from get gets getting give gives goes going good got had has have "
    "having her here him his how into its it's just know let like little long made make makes many may might more "
    "most much must never not now off one only other our out over own people put really right said same say see "
    "should some something still such take than that that's the their them then there these they thing things "
    "think this those though through time too two under until use used very was way well were what when where "
    "which while who why will with without would you your you're i'm don't".split()
)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence, without the space around it; code fences hold none.

    A line break ends one, unless its line is full and the next one goes on: many posts are wrapped by hand.
    """
    start, fenced = 0, False
    for end in [*(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]:
        piece = text[start:end]
        if end < len(text) and (_NO_END.search(piece) or _goes_on(text, end)):
            continue
        stripped = piece.strip()
        if stripped.startswith(("```", "~~~")):
            fenced = not fenced
        elif stripped and not fenced:
            first = start + len(piece) - len(piece.lstrip())
            yield first, first + len(stripped)
        start = end


def _goes_on(text: str, end: int) -> bool:
    """Whether the line break that ends there only wraps a paragraph."""
    if text[end - 1] != "\n" or text[end - 2 : end - 1] == "\n":
        return False
    line, rest = text[: end - 1].rpartition("\n")[2], text[end:].partition("\n")[0]
    return len(line) >= WRAPPED and not _NO_WRAP.match(line) and not _NO_REST.match(rest)


def content_words(text: str) -> set[str]:
    """In lower case, without common words, and without plural and tense endings."""
    found = spoken(text).split()
    return {re.sub(r"(?:'s|ing|ed|es|s)$", "", word) for word in found if len(word) > 2 and word not in COMMON}


def spoken(text: str) -> str:
    """Its words alone, in lower case: equal for sentences that are read aloud alike."""
    return " ".join(word.lower().replace("’", "'") for word in WORD.findall(text))


def numbers(text: str) -> set[str]:
    """In digits; up to twelve also where they are spelled. "One" is mostly no number."""
    words = re.findall(r"\d+(?:[.,]\d+)*|[^\W\d_]+", text.lower())
    return {str(_NUMBERS.get(word, word)) for word in words if word[0].isdigit() or _NUMBERS.get(word, 0) > 1}


def negated(text: str) -> bool:
    return bool(_NEGATION.search(text))


def first_person(text: str) -> bool:
    """Whether it speaks as the author; what stands in quotation marks does not."""
    return bool(_FIRST_PERSON.search(_QUOTED.sub("", text)))
