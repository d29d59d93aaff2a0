"""Below the chat: an answer as the person would have written it, kept as what they make of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from contracts.feature_store.feedback import Feedback
from ui.page.conversation import Turn
from ui.page.passages import unmarked
from ui.page.tabs.kept import user
from ui.page.tabs.shared import NOW, QUEUED, Updates, into_view, links, not_yet, say, told
from ui.page.tabs.shelf import LONGEST_TEXT
from ui.wiring import App

if TYPE_CHECKING:
    from ui.page.tabs.chat import Chat


class Rewriting:
    """`turn` is the one whose answer is rewritten, as it was when that was begun: the chat may go on meanwhile."""

    def __init__(self, app: App) -> None:
        self._app = app

    def lay_out(self) -> None:
        self.turn: gr.State = gr.State(None)
        self.link: gr.HTML = gr.HTML(elem_id="mine-link", **links("mine"))
        with gr.Column(visible=False, elem_id="mine") as self.box:
            self.text: gr.Textbox = gr.Textbox(
                "", label="I would have written", elem_id="mine-text", lines=4, max_lines=14, max_length=LONGEST_TEXT
            )
            with gr.Row():
                self.save = gr.Button("Save", variant="primary", elem_id="mine-save", size="sm", min_width=90)
                self.leave = gr.Button("Leave it", elem_id="mine-leave", size="sm", min_width=90)

    def wire(self, chat: Chat) -> None:
        opened = self.link.click(self.opened, chat.turns, self.outputs(), **QUEUED)
        opened.success(
            None, js="() => { document.querySelector('#mine textarea')?.focus({preventScroll: true}); }", **NOW
        )
        opened.success(None, js=into_view("mine"), **NOW)
        self.leave.click(self.closed, None, self.outputs(), **NOW)
        self.save.click(self.saved, [self.turn, self.text], self.outputs(), **QUEUED)

    def outputs(self) -> list[Any]:
        return [self.turn, self.box, self.text]

    @told
    def opened(self, turns: Sequence[Turn], event: gr.EventData) -> Updates:
        turn = next((one for one in turns if str(one.number) == str(event.id)), None)
        if turn is None or turn.answer is None:
            raise not_yet("This answer is not complete: wait for its end.")
        return {self.turn: turn, self.box: gr.update(visible=True), self.text: unmarked(turn.answer)}

    def closed(self) -> Updates:
        return {self.turn: None, self.box: gr.update(visible=False), self.text: ""}

    @told
    def saved(self, turn: Turn | None, text: str, request: gr.Request) -> Updates:
        """A training learns from it only where that is asked for."""
        if turn is None or turn.answer is None:
            raise not_yet("Choose an answer first, by “I would have written…” below it.")
        if text.strip() in ("", turn.answer.answer.strip(), unmarked(turn.answer).strip()):
            raise not_yet("Nothing is changed yet: write the answer as it should have been.")
        given = Feedback.of(
            turn.answer, turn.author, turn.asked, "edited", edited=text.strip(), by=user(self._app, request)
        )
        self._app.store.feedback.add(given)
        say("Your words are kept, with the answer, its version and its passages.")
        return self.closed()
