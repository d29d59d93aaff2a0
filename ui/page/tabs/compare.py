"""The Compare tab: two versions answer one question from the same passages, and a person says which is better."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from random import SystemRandom
from typing import TYPE_CHECKING, Any

import gradio as gr

from contracts.errors import NotFound, TwinError
from inference_pipeline.side_by_side import Piece, side_by_side
from inference_pipeline.twin import Question
from ui.page import comparison as compared
from ui.page import markup as html
from ui.page.comparison import SAME, Comparison
from ui.page.passages import model_choices, problem
from ui.page.show_versions import preferred as shown
from ui.page.tabs.chat import REDRAW
from ui.page.tabs.kept import user
from ui.page.tabs.shared import (
    LOST,
    NOW,
    PLAIN,
    QUEUED,
    Updates,
    length_told,
    not_yet,
    question_or_sorry,
    told,
)
from ui.page.tabs.switches import WritingTab, session

if TYPE_CHECKING:
    from ui.page.shell import Shell

RULES = (
    "Two versions answer the same question from the same passages, so that only who writes differs. Blind, you see A and B, "
    "and learn which was which by voting. Votes are kept and counted, here and under Versions."
)


class Compare(WritingTab):
    id, label = "compare", "Compare"

    def lay_out(self) -> None:
        self.comparison: gr.State = gr.State(None)
        gr.HTML(f'<h2 class="title2">Compare two versions</h2>{html.paragraphs(RULES)}', **PLAIN)
        self.words: gr.HTML = gr.HTML(elem_id="compare-words", **PLAIN)
        with gr.Column(visible=False, elem_id="compare-form") as self.form:
            with gr.Row():
                self.first: gr.Dropdown = gr.Dropdown([], label="One version", elem_id="compare-first", min_width=240)
                self.second: gr.Dropdown = gr.Dropdown([], label="The other", elem_id="compare-second", min_width=240)
            self.blind = gr.Checkbox(True, label="Blind: names after the vote", elem_id="compare-blind")
            with gr.Row(elem_id="compare-ask"):
                self.question = gr.Textbox(
                    label="Question",
                    placeholder="A question to both",
                    elem_id="compare-question",
                    show_label=False,
                    container=False,
                    scale=1,
                )
                self.send = gr.Button("Ask both", variant="primary", elem_id="compare-send", scale=0, min_width=120)
                self.stop = gr.Button(
                    "Stop", variant="stop", visible=False, elem_id="compare-stop", scale=0, min_width=120
                )
            length_told(self.question)
        with gr.Row(visible=False, elem_id="compare-columns") as self.table:
            with gr.Column(min_width=320):
                self.left: gr.HTML = gr.HTML(elem_id="answer-1", **PLAIN)
                self.vote_left = gr.Button("A is better", visible=False, elem_id="vote-1")
            with gr.Column(min_width=320):
                self.right: gr.HTML = gr.HTML(elem_id="answer-2", **PLAIN)
                self.vote_right = gr.Button("B is better", visible=False, elem_id="vote-2")
        self.vote_same = gr.Button("No difference", visible=False, elem_id="vote-same")
        self.outcome: gr.HTML = gr.HTML(elem_id="compare-outcome", **PLAIN)
        self.sources: gr.HTML = gr.HTML(elem_id="compare-sources", **PLAIN)

    def wire(self, shell: Shell) -> None:
        super().wire(shell)
        drawn = self._drawn_in()
        # What may be refused goes through the queue: Gradio shows an error of its events alone.
        inputs = [self.question, shell.author, self.first, self.second, self.blind]
        asked = gr.on([self.send.click, self.question.submit], self.asked, inputs, drawn, **QUEUED)
        answered = asked.success(
            self.answered,
            self.comparison,
            drawn,
            trigger_mode="multiple",
            **QUEUED,
        )
        answered.failure(self.refused, self.comparison, drawn, **NOW)
        self.stop.click(self.stopped, None, drawn, **NOW)
        for button, choice in ((self.vote_left, 0), (self.vote_right, 1), (self.vote_same, SAME)):
            button.click(self._vote(choice), self.comparison, drawn, **QUEUED)
        shell.author.input(self.left_behind, None, drawn, **NOW)

    def outputs(self) -> list[Any]:
        return [self.words, self.form, *self._drawn_in()]

    def standing(self) -> list[Any]:
        return [self.comparison, self.first, self.second]

    # ---- what stands on it ------------------------------------------------------------------------------------------

    def opened(self, author: str | None) -> Updates:
        """Who can be compared. What was asked of whom stays."""
        return self._models(author, None, None)

    def revisited(self, author: str | None, *standing: Any) -> Updates:
        comparison, first, second = standing
        left = comparison is not None and comparison.author != author
        return {**self._models(author, first, second), **(self._drawn(None) if left else {})}

    def _models(self, author: str | None, first: str | None, second: str | None) -> Updates:
        """The pickers, with what was chosen in them as long as it can be."""
        try:
            models = self._app.twin.models(author) if author else []
            words = html.aside(missing) if (missing := compared.can_be(models)) else ""
        except TwinError as error:
            models, words = [], problem(error.message, error.hint)
        chosen = [first, second] if {first, second} <= set(models) and first != second else [*models, None, None][:2]
        return {
            self.words: words,
            self.form: gr.update(visible=not words),
            self.first: gr.update(choices=model_choices(models), value=chosen[0]),
            self.second: gr.update(choices=model_choices(models), value=chosen[1]),
        }

    # ---- handlers ---------------------------------------------------------------------------------------------------

    def asked(
        self,
        question: str,
        author: str | None,
        first: str | None,
        second: str | None,
        blind: bool,
        request: gr.Request,
    ) -> Updates:
        question, author = question_or_sorry(question, author)
        if not first or not second or first == second:
            raise not_yet("Choose two different versions.")
        self._switches.begin(request)
        return self._drawn(compared.begun(author, question, (first, second), blind, SystemRandom()), busy=True)

    def answered(self, comparison: Comparison | None, request: gr.Request) -> Iterator[Updates]:
        """Run both, one after the other, and redraw the columns as they go. Closed by Gradio when the tab goes away."""
        stop, drawn = self._switches.get(request), 0.0
        if stop is None or comparison is None:  # as it waited, the tab was gone for a while, or another author chosen
            yield self._drawn(None) if comparison else gr.skip()
            return
        asked = Question(comparison.question, comparison.author, user=session(request))  # so that tabs take turns
        with self._switches.writing(request, stop) as end:
            stream = side_by_side(self._app.twin, asked, comparison.models, stop)
            with closing(stream) as events:  # type: ignore[type-var]  # it is a generator
                for event in events:
                    comparison = comparison.after(event)
                    if self._switches.get(request) is not stop:
                        return  # another author's twin is asked by now
                    if not isinstance(event, Piece) or time.monotonic() - drawn > REDRAW:
                        yield self._columns(comparison)
                        drawn = time.monotonic()
        if end.mine:
            yield self._drawn(replace(comparison, stopped=end.stopped, problem=end.problem))

    def refused(self, comparison: Comparison | None, request: gr.Request) -> Updates:
        """The queue took no more questions, or Gradio lost the answers."""
        self._switches.end(request)
        return self._drawn(replace(comparison, problem=LOST) if comparison else None)

    def stopped(self, request: gr.Request) -> Updates:
        return self._switches.stopped(request, self.stop, lambda: self._asking(busy=False))

    def _vote(self, choice: int) -> Any:
        @told
        def voted(comparison: Comparison | None, request: gr.Request) -> Updates:
            """Kept once; afterwards both answers say whose they are."""
            if comparison is None or not comparison.open:
                raise NotFound("there are no two answers to judge", "ask both a question")
            self._app.store.feedback.add(comparison.feedback(choice, user(self._app, request)))
            return self._drawn(replace(comparison, choice=choice))

        return voted

    def left_behind(self, request: gr.Request) -> Updates:
        """Another author is chosen."""
        self._switches.end(request)
        return self._drawn(None)

    # ---- drawing ----------------------------------------------------------------------------------------------------

    def _drawn_in(self) -> list[Any]:
        votes = [self.vote_left, self.vote_right, self.vote_same]
        asking = [self.first, self.second, self.blind, self.send, self.stop]
        return [self.comparison, *asking, self.table, self.left, self.right, *votes, self.outcome, self.sources]

    def _drawn(self, comparison: Comparison | None, busy: bool = False) -> Updates:
        names = comparison.names if comparison else compared.LETTERS
        votes = bool(comparison and comparison.open)
        return {
            self.comparison: comparison,
            **self._asking(busy),
            self.table: gr.update(visible=comparison is not None),
            self.vote_left: gr.update(visible=votes, value=f"{names[0]} is better"),
            self.vote_right: gr.update(visible=votes, value=f"{names[1]} is better"),
            self.vote_same: gr.update(visible=votes),
            self.outcome: self._outcome(comparison) if comparison and not busy else "",
            **(self._columns(comparison) if comparison else {self.left: "", self.right: "", self.sources: ""}),
        }

    def _asking(self, busy: bool) -> Updates:
        return {
            **{box: gr.update(interactive=not busy) for box in (self.first, self.second, self.blind)},
            self.send: gr.update(visible=not busy),
            self.stop: gr.update(visible=busy, value="Stop", interactive=True),
        }

    def _columns(self, comparison: Comparison) -> Updates:
        return {
            self.left: comparison.column(0),
            self.right: comparison.column(1),
            self.sources: comparison.sources(),
        }

    def _outcome(self, comparison: Comparison) -> str:
        """Why there is nothing to judge; or, after the vote, what people prefer so far."""
        from training_pipeline.votes import preferred

        if comparison.problem:
            return problem(*comparison.problem)
        if comparison.stopped:
            return html.aside("Stopped: ask again, and let both finish, to judge them.")
        if comparison.choice is None:
            return "" if comparison.open else html.aside("Neither has written anything that could be judged.")
        so_far = preferred(self._app.store.feedback.all(comparison.author), *comparison.models)
        return f'<div role="status">{shown(so_far)}</div>'
