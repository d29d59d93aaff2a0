"""Sections put together: headings above them, one row of markers through all of them, and the words counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from contracts.records import MARKER, Citation, Copied, Sentence

if TYPE_CHECKING:
    from inference_pipeline.drafting.draft import Section

NOTHING = "Nothing of yours on this."


def assembled(
    title: str, headings: bool, sections: Sequence[Section]
) -> tuple[tuple[Section, ...], str, tuple[Citation, ...], int]:
    """The sections with the draft's markers, its text, its citations by marker, and how many words were written.

    A marker stands for one passage throughout: [2] in two sections is the same passage.
    """
    numbers: dict[tuple[str, int, int], int] = {}
    marked = tuple(_numbered(section, numbers) for section in sections)
    parts = [f"# {title}"] if title and headings else []
    for section in marked:
        if headings and (section.text or section.status == "nothing"):
            parts.append(f"## {heading(section.point)}")
        if section.status == "nothing":
            parts.append(f"*{NOTHING}*" if headings else f"*{heading(section.point)}: {NOTHING}*")
        elif section.text:
            parts.append(section.text)
    cited = [citation for section in marked for citation in section.citations]
    unique = {(one.marker, one.start, one.end): one for one in cited}
    words = sum(len(MARKER.sub(" ", section.text).split()) for section in marked)
    return marked, "\n\n".join(parts), tuple(unique[key] for key in sorted(unique)), words


def heading(point: str) -> str:
    point = point.strip().rstrip(".:; ")
    return point[:1].upper() + point[1:]


def _numbered(section: Section, numbers: dict[tuple[str, int, int], int]) -> Section:
    """With the draft's numbers; `numbers` grows with each passage that is cited for the first time."""
    new: dict[int, int] = {}
    for citation in section.citations:
        span = section.evidence[citation.marker - 1]
        new[citation.marker] = numbers.setdefault((span.post_id, span.start, span.end), len(numbers) + 1)
    text, markers, moved, at = "", list[int](), list[tuple[int, int]](), 0
    for place in section.markers:
        found = MARKER.match(section.text, place)
        if found and int(found[1]) in new:
            text += section.text[at:place]
            markers.append(len(text))
            text, at = f"{text}[{new[int(found[1])]}]", found.end()
            moved.append((at, len(text) - at))
    text += section.text[at:]

    def stands(one: Sentence | Copied) -> dict[str, int]:
        start, end = (
            place + next((by for since, by in reversed(moved) if since <= place), 0) for place in (one.start, one.end)
        )
        return {"start": start, "end": end}

    def numbered(one: Citation) -> Citation:
        return one.model_copy(update={"marker": new.get(one.marker, 0)})

    sentences = (
        one.model_copy(update={**stands(one), "evidence": one.evidence and numbered(one.evidence)})
        for one in section.sentences
    )
    copied = section.copied
    return section.model_copy(
        update={
            "text": text,
            "citations": tuple(map(numbered, section.citations)),
            "markers": tuple(markers),
            "sentences": tuple(sentences),
            "copied": copied and copied.model_copy(update=stands(copied)),
        }
    )
