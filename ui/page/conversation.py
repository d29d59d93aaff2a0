"""A conversation: questions, and as much of their answers as there is. All of it belongs to one browser tab."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from contracts.feature_store.catalogue import Listed
from contracts.records import Answer
from inference_pipeline.twin import Exchange, Found, Question
from ui.page import passages as html

OPENING, FEWEST_WORDS = 9, 3  # words of a note that a question quotes, and that make one
EARLIER = 20  # turns more, where somebody asks for earlier ones
REMEMBERED = 6  # turns before a question that it may refer to
SHOWN = 5  # turns at least that stand in the chat, and not twice as many: a browser takes long over each

_BESIDE = re.compile(r"\S*://\S*|[@#“”\"]\S*")  # addresses, names and tags, which a note is not about


@dataclass(frozen=True)
class Turn:
    """One question, and as much of its answer as there is."""

    number: int
    author: str
    question: str
    found: Found | None = None
    text: str = ""
    answer: Answer | None = None
    stopped: bool = False
    problem: tuple[str, str] | None = None
    style: str = ""
    """How much like the author the answer is, in words; empty where that cannot be told, or not yet."""
    before: Turn | None = None
    """The answered turn in whose place this one is asked; nothing is left of it once this one has an answer."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Of this very turn: the same question asked again is another one."""

    @property
    def waits(self) -> bool:
        """Nothing has come of it yet."""
        return self.found is None and self.answer is None and self.problem is None

    @property
    def answered(self) -> bool:
        """There are words that can be kept."""
        return self.answer is not None and bool(self.answer.answer.strip())

    @property
    def asked(self) -> str:
        """The whole question, as one understands it who has not heard what was said before."""
        return self.found.asked if self.found else self.question

    def after(self, event: Found | str | Answer) -> Turn:
        if isinstance(event, Found):
            return replace(self, found=event)
        return replace(self, answer=event) if isinstance(event, Answer) else replace(self, text=self.text + event)

    def ended(self, stopped: bool = False, problem: tuple[str, str] | None = None) -> Turn:
        """As it stands at the end; where nothing came of it, that is the turn before it, with what failed."""
        if self.before and (not self.answered or (stopped and not self.text.strip())):
            return replace(self.before, problem=problem)
        return replace(self, stopped=stopped, problem=problem, before=None)

    def again(self, question: str = "") -> Turn:
        """The same question, or another in its place, to be answered anew."""
        before = replace(self, problem=None) if self.answered else None
        return Turn(self.number, self.author, question or self.question, before=before)

    def reply(self) -> str:
        failed = html.problem(*self.problem) if self.problem else ""
        if self.answer:
            said = html.answer(self.answer, self.number) + html.in_words(self.answer, self.style)
            return said + self._understood() + html.fine_print(self.answer, self.stopped, self.number) + failed
        return html.prose(self.text) + failed or html.waiting(bool(self.found))

    def sources(self) -> str:
        if self.found is None or self.found.reply:
            return html.idle_sources()
        citations = self.answer.citations if self.answer else () if self.problem else None
        nearest = self.answer.nearest if self.answer else ()
        return html.sources(self.found.passages, citations, self.number, self.author, nearest)

    def _understood(self) -> str:
        return html.understood(self.asked) if self.asked != self.question else ""

    def exchange(self) -> Exchange:
        return Exchange(self.question, self.answer.answer if self.answer else self.text)


def questions(posts: Sequence[Listed]) -> list[str]:
    """To begin with: after posts that have a title, then after notes, by their first words."""
    titled = (f"What did you write in “{html.short(post.title)}”?" for post in posts if post.title)
    begun = (_BESIDE.sub(" ", post.beginning).split() for post in posts if not post.title)
    notes = (
        f"What did you mean by “{' '.join(words[:OPENING])}{'…' if len(words) > OPENING else ''}”?"
        for words in begun
        if len(words) >= FEWEST_WORDS
    )
    return list(dict.fromkeys([*titled, *notes]))


class Heard(NamedTuple):
    """How an answer sounds, in words, and the id of the turn that it is of: it is measured while people go on."""

    turn: str = ""
    style: str = ""


def styled(turns: Sequence[Turn], heard: Heard) -> list[Turn]:
    """With the words under the answer that they are of; nothing changes where that is not there any more."""
    return [replace(turn, style=heard.style) if turn.id == heard.turn else turn for turn in turns]


def settled(turns: Sequence[Turn]) -> list[Turn]:
    """Those that are over; of one that was never answered, the turn in whose place it was asked."""
    return [turn.before or turn for turn in turns if turn.before or not turn.waits]


def question(turns: Sequence[Turn]) -> Question:
    """What the last turn asks, with what was said before it."""
    *before, last = turns
    said = [turn.exchange() for turn in before[-REMEMBERED:] if turn.answer and turn.found and turn.found.passages]
    return Question(last.question, last.author, tuple(said), key=turns[0].question)


def first_shown(turns: int) -> int:
    """The place of the turn that stands first in the chat, of so many. It moves by SHOWN, so that what is read stays put."""
    return max(0, ((turns - 1) // SHOWN - 1) * SHOWN)


def place(index: Any, first: int) -> int:
    """Of the turn that a message is of, where `first` stands first; Gradio's events name it by number, or in a list."""
    return first + int(index[0] if isinstance(index, (list, tuple)) else index) // 2


def messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """As Gradio's chatbot takes them; escaped, for it shows HTML."""
    return [
        {"role": role, "content": {"type": "text", "text": text}}
        for turn in turns
        for role, text in (("user", html.prose(turn.question)), ("assistant", turn.reply()))
    ]
