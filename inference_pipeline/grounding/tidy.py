"""A model's raw text made fit to read: no headings, no echo of how the prompt names its passages, no half a sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from contracts.prompt import ANSWER
from contracts.records import Passage, replaced
from inference_pipeline.grounding.sentences import content_words, negated, numbers, sentences, spoken

TWICE = 2  # times that a thing may be said

_MARKER = re.compile(r"\s+\[\d{1,3}\]|(?<=[.,;:!?)\"”])\[\d{1,3}\]|^\[\d{1,3}\]\s*", re.MULTILINE)
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+|^ {0,3}#{1,6}$")
_NUMBERED = re.compile(r"^\s*\[\d{1,3}\].*\(\d{4}-\d\d-\d\d\)\W*$")
_HEADINGS = re.compile(r"^ {0,3}#{1,6}\s+(.+)$", re.MULTILINE)
_FIXED = {spoken(line) for line in ANSWER.splitlines() if line and "{" not in line}
_NUMBER = re.compile(r"^\W*\d{1,2}\W*$")
_LINK = re.compile(r"^\W*(?:\[[^\]\n]*\]\(\s*)?<?(?:https?://|www\.)\S+>?\)?\W*$")
_DECORATION = re.compile(r"^\W*(?:\d{1,2}[\].)])?\W*|\W*(?:\(\d[\d/.\-]*\))?\W*$")
_ENDED = re.compile(r"[.!?…。！？:][\"”’')\]*_]*$")


def tidy(text: str, passages: Sequence[Passage], question: str = "") -> str:
    """Without the model's own markers, `#` headings, and lines that echo the prompt or are a link or a number alone."""
    titles = {_bare(title) for passage in passages for title in (passage.title, *_HEADINGS.findall(passage.text))} - {
        ""
    }
    asked = {*_FIXED, spoken(question)} - {""}
    kept, fenced, lines = [], False, text.splitlines()
    for line in lines:
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced:
            if _NUMBERED.match(line) or _LINK.match(line) or _bare(line) in titles or spoken(line) in asked:
                continue
            if _NUMBER.match(line) and len(lines) > 1:  # alone it may be an answer
                continue
            line = _MARKER.sub("", _HEADING.sub("", line))
        kept.append(line.rstrip())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()


def unrepeated(text: str) -> str:
    """Without what a model says over and over: a sentence of the same content words for the third time, numbers aside."""
    times, gone = Counter[tuple[frozenset[str], bool]](), list[tuple[int, int, str]]()
    for start, end in sentences(text):
        one = text[start:end]
        words = frozenset(content_words(one)) - numbers(one)
        times[words, negated(one)] += 1
        if words and times[words, negated(one)] > TWICE:
            after = re.compile(" *").match(text, end)
            gone.append((start, after.end() if after else end, ""))
    return re.sub(r"\n{3,}", "\n\n", replaced(text, gone)).strip() if gone else text


def whole(text: str) -> tuple[str, bool]:
    """Cut back to the last sentence that is whole, and whether anything was cut; a text without one stays as it is."""
    if text.count("\n```") % 2 or (text.startswith("```") and text.count("```") % 2):
        return text.rstrip() + "\n```", True  # in the midst of code
    places = list(sentences(text))
    if not places or _ENDED.search(text.rstrip()):
        return text, False
    ends = [end for start, end in places[:-1] if _ENDED.search(text[start:end])]
    return (text[: ends[-1]], True) if ends else (text, True)


def _bare(line: str) -> str:
    """A line without its number, date and decoration, as a title is compared."""
    return _DECORATION.sub("", line).casefold()
