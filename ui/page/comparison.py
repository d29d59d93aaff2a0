"""A comparison: one question put to two versions, as much of their answers as there is, and what was made of them.

All of it belongs to one browser tab. Nothing that is drawn before a blind vote tells which version has written which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from random import Random

from contracts.feature_store.feedback import Feedback
from contracts.records import Answer
from inference_pipeline.side_by_side import Piece
from inference_pipeline.twin import BASE, Found
from ui.page import passages as html

SAME = -1  # the choice of who finds no difference; else it is the place of the better answer, 0 or 1
LETTERS = ("A", "B")
TURN = 0  # in the addresses of passages; turns of the chat count from 1


@dataclass(frozen=True)
class Comparison:
    author: str
    question: str
    models: tuple[str, str]
    """In the order of the columns."""
    blind: bool
    """They are called A and B until the vote."""
    found: Found | None = None
    texts: tuple[str, str] = ("", "")
    answers: tuple[Answer, ...] = ()
    """Those that are whole, in the order of the columns."""
    stopped: bool = False
    problem: tuple[str, str] | None = None
    choice: int | None = None

    @property
    def open(self) -> bool:
        """Both answers can be judged, and are not yet. Where nothing was found, neither version has written anything."""
        both = len(self.answers) == len(self.models) and not self.stopped and self.problem is None
        return both and bool(self.answers[0].passages) and self.choice is None

    @property
    def named(self) -> bool:
        return not self.blind or self.choice is not None

    @property
    def names(self) -> tuple[str, ...]:
        """What stands above the columns."""
        return tuple(map(html.version_name, self.models)) if self.named else LETTERS

    def after(self, event: Found | Piece | Answer) -> Comparison:
        if isinstance(event, Found):
            return replace(self, found=event)
        if isinstance(event, Answer):
            return replace(self, answers=(*self.answers, event))
        first, second = (text + event.text * (place == event.place) for place, text in enumerate(self.texts))
        return replace(self, texts=(first, second))

    def feedback(self, choice: int, by: str) -> Feedback:
        """What the choice says of the two, as `twin models compare` counts it."""
        mine, other = self.answers[max(choice, 0)], self.answers[1 - max(choice, 0)]
        asked = self.found.asked if self.found else self.question
        beside = {"other": other.model, "other_answer": other.answer, "blind": self.blind}
        return Feedback.of(mine, self.author, asked, "same" if choice == SAME else "better", by=by, **beside)

    # ---- drawing ----------------------------------------------------------------------------------------------------

    def column(self, place: int) -> str:
        """One answer under its name, or as much of it as there is."""
        was = f"{LETTERS[place]}: " if self.blind and self.named else ""
        chosen = '<span class="badge">your choice</span>' if self.choice == place else ""
        head = f"<h3>{escape(was + self.names[place])}{chosen}</h3>"
        return f'<section class="side">{head}<div class="said" dir="auto">{self._said(place)}</div></section>'

    def _said(self, place: int) -> str:
        if place < len(self.answers):
            answer = self.answers[place]
            fine = html.fine_print(answer, self.stopped and place == len(self.answers) - 1) if self.named else ""
            return html.answer(answer, TURN) + html.in_words(answer) + fine
        if self.problem or self.stopped:
            return html.prose(self.texts[place])
        turn = place == len(self.answers)
        return html.prose(self.texts[place]) or (html.waiting(bool(self.found)) if turn else html.waits())

    def sources(self) -> str:
        """The passages that both were given, with what either of them cites."""
        if self.found is None:
            return ""
        cited = [citation for answer in self.answers for citation in answer.citations] if self.answers else None
        nearest = self.answers[0].nearest if self.answers else ()
        return html.sources(self.found.passages, () if self.problem else cited, TURN, self.author, nearest)


def begun(author: str, question: str, models: Sequence[str], blind: bool, draw: Random) -> Comparison:
    """Where it is blind, which version stands in which column is drawn."""
    first, second = draw.sample(list(models), 2) if blind else models
    return Comparison(author, question, (first, second), blind)


def can_be(models: Sequence[str]) -> str:
    """What is to be done before anything can be compared; empty where it can."""
    if not models:
        return "There is no author yet: take posts in, under Posts."
    if list(models) == [BASE]:
        return (
            "There is only the base model to ask so far. Train a version, under Train: then both answer the same question "
            "here, and you say which answer you like better."
        )
    return ""
