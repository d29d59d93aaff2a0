"""A model's raw text made fit to read: no headings, no echo of how the prompt names its passages, no half a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

from contracts.records import Passage
from inference_pipeline.grounding.sentences import sentences

_MARKER = re.compile(r"\s+\[\d{1,2}\]|(?<=[.,;:!?)\"”])\[\d{1,2}\]|^\[\d{1,2}\]\s*", re.MULTILINE)
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+|^ {0,3}#{1,6}$")
_NUMBERED = re.compile(r"^\s*\[\d{1,2}\].*\(\d{4}-\d\d-\d\d\)\W*$")
_NUMBER = re.compile(r"^\W*\d{1,2}\W*$")
_LINK = re.compile(r"^\W*(?:\[[^\]\n]*\]\(\s*)?<?(?:https?://|www\.)\S+>?\)?\W*$")
_DECORATION = re.compile(r"^\W*(?:\d{1,2}[\].)])?\W*|\W*(?:\(\d{4}-\d\d-\d\d\))?\W*$")
_ENDED = re.compile(r"[.!?…。！？:][\"”’')\]*_]*$")


def tidy(text: str, passages: Sequence[Passage]) -> str:
    """Without the model's own markers, `#` headings, headers of passages and lines that are a link or a number alone."""
    titles = {_bare(passage.title) for passage in passages} - {""}
    kept, fenced, lines = [], False, text.splitlines()
    for line in lines:
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced:
            if _NUMBERED.match(line) or _LINK.match(line) or _bare(line) in titles:
                continue
            if _NUMBER.match(line) and len(lines) > 1:  # alone it may be an answer
                continue
            line = _MARKER.sub("", _HEADING.sub("", line))
        kept.append(line.rstrip())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()


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
