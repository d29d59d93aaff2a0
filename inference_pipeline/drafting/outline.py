"""From a brief to an outline: what each section is about, and what of the author's it will be written from.

No model is asked. Points that a person gives stand as they are; where there is a title alone, the points are clauses of the
author's own passages on it. A point that the author has written nothing about stays, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from contracts.errors import UsageError
from contracts.feature_store.filters import Filters
from contracts.formats import Format
from contracts.labels import CLAUSE
from contracts.orders import without_orders
from contracts.records import Passage
from inference_pipeline.grounding.inert import inert
from inference_pipeline.grounding.sentences import content_words, sentences
from inference_pipeline.twin import Found, Question, Twin

WORDS_A_SECTION = 150  # of an outline made from a title
MOST_SECTIONS = 12
LONGEST_POINT = 300  # characters
FEWEST_WORDS, MOST_WORDS = 20, 5000
_SIGNS = re.compile(r"^[\s#>*+-]+|[*_`]")


@dataclass(frozen=True)
class Brief:
    """What a person wants written. A title, points, or both."""

    author: str
    title: str = ""
    points: tuple[str, ...] = ()
    words: int = 400
    format: Format = "article"
    """article: sections under headings; any other: paragraphs."""
    user: str = ""
    filters: Filters = field(default_factory=Filters)
    """Which of the author's posts it may be written from."""

    def __post_init__(self) -> None:
        texts = (*self.points, self.title)
        wrong = (
            (not any(text.strip() for text in texts), "there is neither a title nor a point"),
            (not all(point.strip() for point in self.points), "a point is empty"),
            (max(map(len, texts)) > LONGEST_POINT, f"a title or point is longer than {LONGEST_POINT} characters"),
            (len(self.points) > MOST_SECTIONS, f"there are more than {MOST_SECTIONS} points"),
            (not FEWEST_WORDS <= self.words <= MOST_WORDS, f"a draft has {FEWEST_WORDS} to {MOST_WORDS:,} words"),
        )
        for found, problem in wrong:
            if found:
                raise UsageError(problem, "twin draft 'A title' --point 'What it says' --author NAME")


@dataclass(frozen=True)
class Planned:
    """A section, and its evidence; without any there is nothing to write it from."""

    point: str
    found: Found


@dataclass(frozen=True)
class Outline:
    """What a draft is written from. Whoever changes a brief after seeing it makes it anew."""

    brief: Brief
    sections: tuple[Planned, ...]
    snapshot: str


def outline(twin: Twin, brief: Brief) -> Outline:
    """Evidence is searched for each point by itself; a passage stands in the one section that it is nearest to."""

    def found_for(text: str) -> Found:
        return twin.find(Question(text, brief.author, filters=brief.filters, format=brief.format))

    points, snapshot = brief.points, ""
    if not points:
        found = found_for(brief.title)
        points, snapshot = _points(brief, found.passages), found.snapshot
    sections = [Planned(point, found_for(_query(brief, point))) for point in points]
    return Outline(brief, tuple(_shared_out(sections)), sections[0].found.snapshot if sections else snapshot)


def _query(brief: Brief, point: str) -> str:
    """The point alone, so that nothing is found for it which only fits the title; a word or two need the title."""
    return point if len(content_words(point)) > 1 or not brief.title else f"{brief.title}: {point}"


def _points(brief: Brief, passages: Sequence[Passage]) -> tuple[str, ...]:
    """A clause of each passage, from as many passages as the length has room for; first of every post, best first."""
    wanted = max(1, min(round(brief.words / WORDS_A_SECTION), MOST_SECTIONS))
    first = {passage.post_id: passage for passage in reversed(passages)}
    turn = sorted(passages, key=lambda passage: first[passage.post_id] is not passage)  # stable: best first remains
    shown = (inert(without_orders(passage.text), [passage]) for passage in turn)
    # Again, as the signs between two parts are gone.
    clauses = (inert(_clause(text, content_words(brief.title)), ()) for text in shown)
    return tuple(dict.fromkeys(clause for clause in clauses if clause))[:wanted]


def _clause(text: str, about: set[str]) -> str:
    """The beginning of the sentence that says most of what the section is to be about."""
    said = [" ".join(_SIGNS.sub("", text[start:end]).split()) for start, end in sentences(text)]
    said = [sentence for sentence in said if len(content_words(sentence)) > 2] or said
    best = max(said, key=lambda sentence: len(content_words(sentence) & about), default="")
    found = CLAUSE.match(best)
    return found[0].strip(" ,;:.-") if found else ""


def _shared_out(sections: Sequence[Planned]) -> list[Planned]:
    """Each passage where it fits best, so that no two sections say the same; none loses its last one by this."""
    fits: dict[tuple[str, int, int], tuple[float, int]] = {}
    for place, section in enumerate(sections):
        for passage in section.found.passages:
            key = (passage.post_id, passage.start, passage.end)
            fits[key] = max(fits.get(key, (-2.0, 0)), (passage.similarity, -place))
    made = []
    for place, section in enumerate(sections):
        mine = tuple(p for p in section.found.passages if fits[p.post_id, p.start, p.end][1] == -place)
        kept = mine or section.found.passages
        made.append(replace(section, found=replace(section.found, passages=kept)))
    return made
