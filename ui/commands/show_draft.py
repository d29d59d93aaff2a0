"""How an outline and a draft are printed: each section as soon as it is whole, then what the markers stand for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ui.commands.show import citations, note, one_line, out

if TYPE_CHECKING:
    from inference_pipeline.drafting.draft import Draft, Event
    from inference_pipeline.drafting.outline import Outline


def outline(planned: Outline, as_json: bool) -> None:
    if as_json:
        rows = [
            {"point": one.point, "evidence": [p.model_dump(mode="json") for p in one.found.passages]}
            for one in planned.sections
        ]
        out({"author": planned.brief.author, "title": planned.brief.title, "sections": rows})
        return
    from inference_pipeline.drafting.assemble import NOTHING

    for one in planned.sections:
        print(f"- {one_line(one.point)}")
        for passage in one.found.passages:
            words = " ".join(passage.text.split())[:100]
            print(one_line(f"    {passage.title or 'Untitled'} ({passage.date or 'no date'}): {words}"))
        if not one.found.passages:
            print(f"    {NOTHING}")
    if not planned.sections:
        print(f"{NOTHING} Say with --point what it is to be about.")


def draft(events: Iterable[Event], as_json: bool) -> None:
    """For a program the whole draft at the end; progress goes to stderr."""
    from inference_pipeline.drafting.draft import Draft, Section
    from inference_pipeline.drafting.outline import Outline

    whole: Draft | None = None
    done = 0
    for event in events:
        if isinstance(event, Outline) and not as_json:
            note(f"{len(event.sections)} sections")
        elif isinstance(event, Section):
            done += 1
            if not as_json:
                note(f"  {done}: {one_line(event.point)}: {event.status}")
        elif isinstance(event, Draft):
            whole = event
    assert whole is not None
    if as_json:
        out(whole.model_dump(mode="json"))
    else:
        _draft(whole)


def _draft(whole: Draft) -> None:
    from inference_pipeline.drafting.assemble import NOTHING
    from inference_pipeline.drafting.draft import said

    print(whole.text if whole.sections else f"{NOTHING} Say with --point what it is to be about.")
    citations(whole.citations)
    note(f"\n{said(whole)}")
