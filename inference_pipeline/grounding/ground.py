"""Trace an answer to its passages: each sentence with what supports it, a marker, and the exact span it stands for.

The model's own markers are not trusted: a small model writes [2] as readily as any other word. Where no sentence is
supported, the answer ends with a quotation, so that a reader always has the author's own words to check the rest against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.orders import is_order, withheld
from contracts.records import Citation, Passage, Sentence
from inference_pipeline.grounding.inert import closed, inert, stands
from inference_pipeline.grounding.sentences import content_words, first_person, sentences
from inference_pipeline.grounding.support import Judged, Source, judge, sources
from inference_pipeline.grounding.tidy import tidy, unrepeated, whole

if TYPE_CHECKING:
    from inference_pipeline.grounding.support import Embed

QUOTE = 280  # characters of a closing quotation


@dataclass(frozen=True)
class Grounded:
    text: str
    citations: tuple[Citation, ...]
    sentences: tuple[Sentence, ...]
    cut: bool
    said: int
    """Where what the model said ends, and the quotation begins."""


def ground(
    text: str, passages: Sequence[Passage], question: str = "", embed: Embed | None = None, limited: bool = False
) -> Grounded:
    """The answer with a marker behind each supported sentence; marker n stands for spans of `passages[n - 1]`.

    `limited`: the model ended because it may say no more. Without `embed`, only words are compared.
    """
    text = unrepeated(tidy(inert(text, passages), passages, question))
    text = inert(text, passages)  # again, as what was tidied away may have stood between two parts
    text, cut = whole(text) if limited else (text, False)
    text = closed(text)
    known = sources(passages)
    places = list(sentences(text))
    judged = judge([text[start:end] for start, end in places], known, embed)
    text, traced = _marked(text, places, judged, passages)
    said = len(text)
    # A "Right." of the author's is supported, and says nothing.
    told = any(one.support == "supported" and content_words(text[one.start : one.end]) for one in traced)
    nearest = None if told else _quotation(question, known, passages)
    if nearest:
        text, quotation = _quoted(text, nearest, passages)
        traced = [*traced, quotation]
    cited = {_place(s.evidence): s.evidence for s in traced if s.evidence and s.support == "supported"}
    return Grounded(text, tuple(cited[place] for place in sorted(cited)), tuple(traced), cut, said)


def _marked(
    text: str, places: Sequence[tuple[int, int]], judged: Sequence[Judged], passages: Sequence[Passage]
) -> tuple[str, list[Sentence]]:
    """The text with its markers, and its sentences where they then are."""
    pieces, traced, cursor, moved = list[str](), list[Sentence](), 0, 0
    for (start, end), found in zip(places, judged, strict=True):
        evidence = _citation(found.source, passages) if found.source else None
        traced.append(
            Sentence(
                start=start + moved,
                end=end + moved,
                support=found.support,
                first_person=first_person(text[start:end]),
                evidence=evidence,
                shared=_shared(text[start:end], found.source),
            )
        )
        pieces.append(text[cursor:end])
        cursor = end
        if evidence and found.support == "supported":
            pieces.append(f" [{evidence.marker}]")
            moved += len(pieces[-1])
    return "".join([*pieces, text[cursor:]]), traced


def _quoted(text: str, source: Source, passages: Sequence[Passage]) -> tuple[str, Sentence]:
    """The text with a quotation at its end, and that quotation."""
    title = passages[source.passage - 1].title
    named = title and not is_order(title) and stands(title, passages)  # a note has no title
    where = f" in “{title}”" if named else ""
    text = f"{text}\n\n" if text else ""
    quotation = f"I wrote{where}: “{source.text}”"
    sentence = Sentence(
        start=len(text),
        end=len(text) + len(quotation),
        support="supported",
        first_person=True,
        evidence=_citation(source, passages),
        shared=1.0,
    )
    return f"{text}{quotation} [{source.passage}]", sentence


def _quotation(question: str, known: Sequence[Source], passages: Sequence[Passage]) -> Source | None:
    """The passage sentence nearest to the question, the first passage's where none shares a word with it.

    It is quoted word for word or not at all: never what would act where it is drawn, nor the beginning of a code block.
    """
    asked = content_words(question)
    telling = sorted(
        (source for source in known if source.words),
        key=lambda source: (-len(source.words & asked), source.passage, len(source.words) <= 4),
    )
    first = next((source for source in telling if stands(source.text, passages)), None)
    if first is None:
        begun = (_beginning(n, passage) for n, passage in enumerate(passages, 1) if not withheld(passage.text))
        return next((source for source in begun if stands(source.text, passages)), None)
    # … and what follows it, as far as a quotation goes, and as an order to the model does not stand between.
    text = passages[first.passage - 1].text
    orders = [start for start, _ in withheld(text) if start > first.start]
    longest = min(first.start + QUOTE, *orders) if orders else first.start + QUOTE
    ends = [s.end for s in known if s.passage == first.passage and first.end < s.end <= longest]
    end = min(max(ends, default=first.end), first.start + QUOTE)
    if not stands(text[first.start : end], passages):
        end = first.end
    return Source(first.passage, first.start, end, text[first.start : end], first.words)


def _shared(text: str, source: Source | None) -> float:
    words = content_words(text)
    return round(len(words & source.words) / len(words), 2) if source and words else 0.0


def _beginning(number: int, passage: Passage) -> Source:
    text = passage.text[:QUOTE]
    return Source(number, 0, len(text), text, frozenset())


def _citation(source: Source, passages: Sequence[Passage]) -> Citation:
    passage = passages[source.passage - 1]
    return Citation(
        marker=source.passage,
        post_id=passage.post_id,
        title=passage.title,
        url=passage.url,
        start=passage.start + source.start,
        end=passage.start + source.end,
        text=passage.text[source.start : source.end],
    )


def _place(citation: Citation) -> tuple[int, int, int]:
    return citation.marker, citation.start, citation.end
