"""Write a post: brief → outline → draft, section by section, each from its own evidence and with its own citations.

Every section is asked for in the words that an adapter was trained on, so a twin hears what it knows. A point without
evidence is not written: the draft says so in its place.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import Field

from contracts.copies import FEWEST
from contracts.formats import Format
from contracts.labels import ABOUT, FORMATS, SECTION
from contracts.records import MARKER, Answer, Citation, Copied, Record, Sentence, Span, marked
from inference_pipeline.drafting.assemble import assembled
from inference_pipeline.drafting.outline import Brief, Outline, Planned, outline
from inference_pipeline.sampling import Sampling
from inference_pipeline.twin import Question, Twin

TOKENS_A_WORD = 1.5  # of English prose, with room to end a sentence
FEWEST_TOKENS = 48

Status = Literal["written", "nothing", "stopped"]
"""nothing: the author has written nothing on it; stopped: it was not begun, or not ended, when the draft was stopped."""


@dataclass(frozen=True)
class Piece:
    """Text of a section as it comes; sections count from 0."""

    place: int
    text: str


class Section(Record):
    """`text` has the section's own markers until the draft is whole; then the draft's."""

    point: str
    status: Status
    text: str
    citations: tuple[Citation, ...] = ()
    evidence: tuple[Span, ...] = ()
    supported: int = 0
    inferred: int = 0
    unsupported: int = 0
    """Sentences, by what the author's posts say to them."""
    sentences: tuple[Sentence, ...] = ()
    """Where they stand in `text`. The evidence of one that is not cited has the marker 0."""
    copied: Copied | None = None
    """The longest run of words that `text` shares with a post."""
    cut: bool = False
    markers: tuple[int, ...] = ()
    """Where in `text` each marker begins."""
    timings: dict[str, float] = Field(default_factory=dict)
    """As an answer's, and from the question for its passages on; `retrieve` alone where nothing was written."""


class Draft(Record):
    """A whole draft: Markdown with markers, each citation a slice of a stored post."""

    author: str
    title: str
    format: Format
    asked_words: int
    words: int
    """Of the author's voice: headings, markers and what is said of empty sections are not counted."""
    text: str
    citations: tuple[Citation, ...]
    sections: tuple[Section, ...]
    model: str
    snapshot: str
    seconds: float


Event = Outline | Piece | Section | Draft


def said(whole: Draft) -> str:
    """What a reader should know of it: how long it is, what nothing supports, what it lacks, and who wrote it."""
    unsupported = sum(section.unsupported for section in whole.sections)
    empty = sum(section.status == "nothing" for section in whole.sections)
    words = f"{whole.words} of {whole.asked_words} words, {_count(unsupported, 'sentence')} without support"
    words += f", {_count(empty, 'point')} without evidence" if empty else ""
    return f"{words}; {whole.model}, snapshot {whole.snapshot}, {whole.seconds:.1f} s"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def draft(twin: Twin, brief: Brief, model: str | None = None, stop: threading.Event | None = None) -> Iterator[Event]:
    """The outline, then of each section its pieces and itself, then the whole draft."""
    asked = Question(brief.title or brief.points[0], brief.author)
    name = twin.resolve(asked, model)  # before anything is searched; and one version writes all of it
    planned = outline(twin, brief)
    yield planned
    yield from write(twin, planned, name, stop)


def write(
    twin: Twin, planned: Outline, model: str | None = None, stop: threading.Event | None = None
) -> Iterator[Piece | Section | Draft]:
    """When `stop` is set, or the iterator is closed, the section that is being written ends at the next token."""
    began, brief = time.perf_counter(), planned.brief
    name = twin.resolve(Question(brief.title or brief.points[0], brief.author), model)
    share = brief.words / max(1, sum(bool(section.found.passages) for section in planned.sections))
    done: list[Section] = []
    for place, section in enumerate(planned.sections):
        for event in _section(twin, brief, section, share, name, stop):
            if isinstance(event, str):
                yield Piece(place, event)
            else:
                done.append(event)
                yield event
    sections, text, citations, words = assembled(brief.title, brief.format == "article", done)
    yield Draft(
        author=brief.author,
        title=brief.title,
        format=brief.format,
        asked_words=brief.words,
        words=words,
        text=text,
        citations=citations,
        sections=sections,
        model=name,
        snapshot=planned.snapshot,
        seconds=round(time.perf_counter() - began, 3),
    )


def _section(
    twin: Twin, brief: Brief, section: Planned, words: float, model: str, stop: threading.Event | None
) -> Iterator[str | Section]:
    if not section.found.passages:
        yield Section(point=section.point, status="nothing", text="", timings=_found_in(section))
        return
    if stop and stop.is_set():
        evidence, took = _evidence(section), _found_in(section)
        yield Section(point=section.point, status="stopped", text="", evidence=evidence, timings=took)
        return
    sampling = Sampling(max_tokens=max(FEWEST_TOKENS, round(words * TOKENS_A_WORD)))
    asked = replace(
        section.found.question,
        text=instruction(brief, section.point),
        user=brief.user,
        sampling=sampling,
        format=brief.format,
    )
    for event in twin.write(replace(section.found, question=asked, asked=asked.text), model, stop):
        if isinstance(event, Answer):
            yield _finished(brief, section, event, bool(stop and stop.is_set()))
        else:
            yield event


def instruction(brief: Brief, point: str) -> str:
    """How the section is asked for."""
    point = point.rstrip(".?!: ")
    if brief.title and brief.format == "article":
        return SECTION.format(heading=point, title=brief.title)
    return ABOUT.format(format=FORMATS[brief.format], topic=point)


def _finished(brief: Brief, section: Planned, answer: Answer, stopped: bool) -> Section:
    text, sentences, copied = _without_echoes(answer, {_bare(brief.title), _bare(section.point)} - {""})
    support = [sentence.support for sentence in sentences]
    cited = {(s.evidence.marker, s.evidence.start, s.evidence.end) for s in sentences if s.evidence}
    return Section(
        point=section.point,
        status="stopped" if stopped else "written",
        text=text,
        citations=tuple(one for one in answer.citations if (one.marker, one.start, one.end) in cited),
        evidence=_evidence(section),
        supported=support.count("supported"),
        inferred=support.count("inferred"),
        unsupported=support.count("unsupported"),
        sentences=sentences,
        copied=copied,
        cut=answer.cut,
        markers=marked(sentences),
        timings=answer.timings,
    )


def _without_echoes(answer: Answer, headings: set[str]) -> tuple[str, tuple[Sentence, ...], Copied | None]:
    """The text without lines that only repeat a heading, which the draft has already; and the sentences that remain and
    what is copied, where they now stand."""
    kept, gone, start = list[str](), list[tuple[int, int]](), 0
    for line in answer.answer.split("\n"):
        if line.strip() and _bare(line) in headings:
            gone.append((start, start + len(line)))
        else:
            kept.append(line)
        start += len(line) + 1
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    sentences, at = list[Sentence](), 0
    for one in sorted(answer.sentences, key=lambda one: one.start):
        if not any(first < one.end and one.start < last for first, last in gone):
            start = text.index(answer.answer[one.start : one.end], at)  # its line is not gone, so it is still there
            at = start + one.end - one.start
            sentences.append(one.model_copy(update={"start": start, "end": at}))
    return text, tuple(sentences), _still_copied(answer, gone, text)


def _still_copied(answer: Answer, gone: list[tuple[int, int]], text: str) -> Copied | None:
    """What is copied, behind the last heading in it."""
    if (copied := answer.copied) is None:
        return None
    first = max([copied.start, *(last for _, last in gone if copied.start < last < copied.end)])
    taken = answer.answer[first : copied.end].strip()
    words, start = len(_bare(taken).split()), text.find(taken)
    if start < 0 or words < FEWEST:
        return None
    return copied.model_copy(update={"words": words, "start": start, "end": start + len(taken)})


def _bare(line: str) -> str:
    return re.sub(r"[\W_]+", " ", MARKER.sub("", line)).strip().casefold()


def _found_in(section: Planned) -> dict[str, float]:
    return {"retrieve": round(section.found.seconds, 3), "tokens": 0.0}


def _evidence(section: Planned) -> tuple[Span, ...]:
    return tuple(Span(post_id=one.post_id, start=one.start, end=one.end) for one in section.found.passages)
