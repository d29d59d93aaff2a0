"""The thumbs below answers in the chat: a person's verdict on an answer, kept, taken back, and shown where it was given."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import gradio as gr

from contracts.errors import NotFound
from contracts.feature_store.feedback import Feedback, Verdict
from ui.page.conversation import Turn, place
from ui.page.tabs.kept import user
from ui.page.tabs.shared import NOW, QUEUED, Updates, say, told
from ui.wiring import App

if TYPE_CHECKING:
    from ui.page.tabs.chat import Chat


class Thumbs:
    def __init__(self, app: App) -> None:
        self._app = app

    def lay_out(self) -> None:
        self.given: gr.State = gr.State({})  # id of a turn → the verdict on its answer

    def wire(self, chat: Chat, redrawn: Sequence[Any]) -> None:
        """`redrawn`: the events after which other turns stand in the chat. Gradio's thumbs would stay at their places."""
        self._chat = chat.chat
        rated = [chat.turns, chat.from_, self.given]
        chat.chat.like(self.judged, rated, [self.given, chat.chat], **QUEUED)
        for drawn in redrawn:
            drawn(self.drawn, [chat.stand, self.given], chat.chat, trigger_mode="always_last", **NOW)

    def drawn(self, stand: Sequence[str], given: dict[str, Feedback]) -> Any:
        """The thumbs that were pressed, below the answers that they are of."""
        pressed = {id: "Like" if one.verdict == "better" else "Dislike" for id, one in given.items()}
        return gr.update(feedback_value=[pressed.get(id) for id in stand])

    def before(self, turns: Sequence[Turn], by: str) -> Updates:
        """What the person made of these answers before, as a kept conversation is opened; of several verdicts the last."""
        author = turns[0].author if turns else ""
        kept = {_of(one): one for one in self._app.store.feedback.alone(author, by)}
        return {self.given: {id: kept[which] for id, which in _which(turns).items() if which in kept}}

    @told
    def judged(
        self, turns: list[Turn], first: int, given: dict[str, Feedback], event: gr.LikeData, request: gr.Request
    ) -> Updates:
        """A person's verdict on an answer, kept with all that tells how it came about: better or worse than they hoped.

        It takes the place of every one before, also of another browser tab's; a thumb that is pressed once more takes
        back what is kept."""
        turn = next(iter(turns[place(event.index, first) :]), None)
        if turn is None or turn.answer is None:
            return {self._chat: gr.skip()}
        feedback, by, which = self._app.store.feedback, user(self._app, request), _which(turns)
        same = {id for id in which if which[id] == which[turn.id]}  # where it was said more than once
        given = {id: one for id, one in given.items() if id not in same}
        before = [one.id for one in feedback.alone(turn.author, by) if _of(one) == which[turn.id]]
        if isinstance(event.liked, bool):
            verdict: Verdict = "better" if event.liked else "worse"
            said = Feedback.of(turn.answer, turn.author, turn.asked, verdict, by=by)
            given |= dict.fromkeys(same, feedback.add(said))
        if before:
            with suppress(NotFound):  # gone meanwhile, by another tab or with a post
                feedback.delete(before)
        if turn.id in given:
            say("Kept, with the version and the passages: two versions side by side, under Versions, count it.")
        elif before:
            say("Your verdict is taken back.")
        return {self.given: given, self._chat: self.drawn([one.id for one in turns[first:]], given)}


def _of(verdict: Feedback) -> tuple[str, str, str]:
    """What it is about."""
    return verdict.model, verdict.question, verdict.answer


def _which(turns: Sequence[Turn]) -> dict[str, tuple[str, str, str]]:
    """By id of a turn, what a verdict on its answer would be about."""
    return {turn.id: (turn.answer.model, turn.asked, turn.answer.answer) for turn in turns if turn.answer}
