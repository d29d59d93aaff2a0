"""A draft: its outline with the evidence, and as much of its text as there is. All of it belongs to one browser tab."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import zip_longest

from contracts.feature_store.drafts import KeptDraft, Part
from contracts.records import MARKER, Citation, Passage
from inference_pipeline.drafting.assemble import NOTHING, assembled, heading
from inference_pipeline.drafting.draft import Draft, Event, Piece, Section
from inference_pipeline.drafting.outline import Brief, Outline, Planned
from ui.page import markup
from ui.page import passages as html

TURN = -1  # in the addresses of passages; the comparison's is 0, and turns of the chat count from 1

_BULLET = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+")


def points(lines: str) -> tuple[str, ...]:
    """A point a line, with or without its bullet."""
    made = (" ".join(_BULLET.sub("", line).split()) for line in lines.splitlines())
    return tuple(point for point in made if point)


def lines(parts: Sequence[Part]) -> str:
    """The points again, to be changed."""
    return "\n".join(part.point for part in parts)


@dataclass(frozen=True)
class Sheet:
    """The draft that stands on the page; `id` is empty while it is not kept."""

    draft: KeptDraft
    """As it was written or kept last, before any later edit."""
    id: str = ""


@dataclass(frozen=True)
class Writing:
    """A draft while it is written."""

    brief: Brief
    model: str
    planned: Outline | None = None
    sections: tuple[Section, ...] = ()
    """Those that are whole."""
    piece: str = ""
    """What there is of the next one."""
    whole: Draft | None = None

    def after(self, event: Event) -> Writing:
        if isinstance(event, Outline):
            return replace(self, planned=event)
        if isinstance(event, Piece):
            return replace(self, piece=self.piece + event.text)
        if isinstance(event, Section):
            return replace(self, sections=(*self.sections, event), piece="")
        return replace(self, whole=event)

    def kept(self) -> KeptDraft:
        """What there is of it, with the markers that it has in the whole draft."""
        sections, text, *_ = self._assembled()
        planned = self.planned.sections if self.planned else ()
        parts = [_part(one, made) for one, made in zip_longest(planned, sections)]
        return KeptDraft(
            author=self.brief.author,
            title=self.brief.title or heading((self.brief.points or self._planned())[0]),
            text=text if any(section.text for section in sections) else "",
            parts=tuple(parts),
            model=self.model,
            snapshot=self.planned.snapshot if self.planned else "",
        )

    def paper(self) -> str:
        """Its sections as they come; the one that is written ends the text."""
        whole, planned = len(self.sections), self._planned()
        shown = _written(self.kept().parts[:whole])
        if whole < len(planned):
            piece = html.prose(self.piece) or html.waiting(found=True)
            shown += f"{_heading(planned[whole])}<div>{piece}</div>"
        elif not planned:
            shown = html.waiting(found=False)
        title = f"<h2>{escape(self.brief.title)}</h2>" if self.brief.title else ""
        return f'<div class="said draft" dir="auto">{title}{shown}</div>'

    def _planned(self) -> list[str]:
        return [section.point for section in self.planned.sections] if self.planned else []

    def _assembled(self) -> tuple[tuple[Section, ...], str, tuple[Citation, ...], int]:
        return assembled(self.brief.title, self.brief.format == "article", self.sections)


# ---- drawing --------------------------------------------------------------------------------------------------------


def parts(planned: Outline) -> list[Part]:
    return [_part(section, None) for section in planned.sections]


def outline(made: Sequence[Part]) -> str:
    """Each point with the posts that it will be written from."""
    if not made:
        return f'<p class="aside">{escape(f"{NOTHING} Say in points what it is to be about.")}</p>'
    items = "".join(f"<li><strong>{escape(one.point)}</strong>{_evidence(one.passages)}</li>" for one in made)
    return f'<section class="sources"><h2>Outline</h2><ol class="outline">{items}</ol></section>'


def _evidence(passages: Sequence[Passage]) -> str:
    if not passages:
        return f'<p class="aside">{escape(NOTHING)} It will not be written.</p>'
    dates = (f", <time>{one.date.isoformat()}</time>" if one.date else "" for one in passages)
    lines = dict.fromkeys(
        f"<bdi>{escape(one.title or 'Untitled')}</bdi>{date}" for one, date in zip(passages, dates, strict=True)
    )
    return f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>"


def sources(made: Sequence[Part]) -> str:
    """What each section cites, under its name; a passage that two of them cite stands once, with the spans of both."""
    cited = [citation for part in made for citation in part.citations]
    shown, seen = "", set[int]()
    for part in made:
        cards = [(number, passage) for number, passage in _cited(part) if number not in seen]
        seen |= {number for number, _ in cards}
        shown += html.used(heading(part.point), cards, cited, TURN)
    return shown or '<p class="aside">What each section cites will stand here.</p>'


def _cited(part: Part) -> Iterator[tuple[int, Passage]]:
    """The markers that stand in the section, and their passages."""
    found: dict[int, Passage] = {}
    for one in part.citations:
        for passage in part.passages:
            if passage.post_id == one.post_id and passage.start <= one.start < passage.end:
                found.setdefault(one.marker, passage)
    yield from sorted(found.items(), key=lambda pair: pair[0])


# ---- what there is of it --------------------------------------------------------------------------------------------


def _part(planned: Planned, made: Section | None) -> Part:
    of = made.model_dump(include={"citations", "text", "sentences", "copied"}) if made else {}
    return Part(point=planned.point, passages=planned.found.passages, **of)


def as_written(draft: KeptDraft) -> str:
    """Below the text that is edited: what was written, marked as in the chat, under what a reader should know of it."""
    if not any(part.text for part in draft.parts):
        return ""
    sentences = [one for part in draft.parts for one in part.sentences]
    notes = html.notes(*html.doubts(sentences, [part.copied for part in draft.parts if part.copied]))
    return (
        '<details class="said draft" dir="auto"><summary>As it was written: what posts say to each sentence</summary>'
        f"{notes}{_written(draft.parts)}</details>"
    )


def _written(parts: Sequence[Part]) -> str:
    return "".join(f"{_heading(part.point)}<div>{_said(part)}</div>" for part in parts)


def _heading(point: str) -> str:
    return f"<h3>{escape(heading(point))}</h3>"


def _said(part: Part) -> str:
    if not part.passages:
        return f"<em>{NOTHING}</em>"
    return html.said(part.text, part.sentences, part.copied, TURN)


# ---- as a file ------------------------------------------------------------------------------------------------------


def markdown(text: str, made: Sequence[Part]) -> str:
    """The text as it was edited, and below it what the markers stand for that are left in it."""
    left = set(map(int, MARKER.findall(text)))
    cited = sorted((one for part in made for one in part.citations), key=lambda one: (one.marker, one.start))
    below = dict.fromkeys(html.in_plain(one) for one in cited if one.marker in left)
    return "\n\n".join([text.strip(), *below]) + "\n"


def download(title: str, text: str, made: Sequence[Part]) -> str:
    return markup.download(title, markdown(text, made), "draft")
