"""The “Which one is me?” tab: a blind game, whose score is the most honest figure of style there is."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from contracts.errors import NotFound
from ui.page import game
from ui.page import markup as html
from ui.page.game import Round
from ui.page.passages import problem
from ui.page.tabs.kept import user
from ui.page.tabs.shared import LOST, NOW, PLAIN, QUEUED, Updates, options, told
from ui.page.tabs.switches import WritingTab, session

if TYPE_CHECKING:
    from ui.page.shell import Shell

RULES = (
    "One of two texts is the beginning of a real post that the twin has never seen; the other is what the twin writes for "
    "the same instruction. Which one is real? If nobody can tell, half of the guesses are right."
)


class Me(WritingTab):
    id, label = "me", "Which one is me?"

    def lay_out(self) -> None:
        self.round: gr.State = gr.State(None)
        gr.HTML(f'<h2 class="title2">Which one is me?</h2>{html.paragraphs(RULES)}', **PLAIN)
        with gr.Row(elem_id="deal-row"):
            self.model: gr.Dropdown = gr.Dropdown([], label="Twin", elem_id="player", min_width=160, scale=2)
            self.deal = gr.Button("Deal a pair", variant="primary", elem_id="deal", min_width=120, scale=1)
            self.stop = gr.Button("Stop", variant="stop", visible=False, elem_id="deal-stop", min_width=120, scale=1)
        self.asked: gr.HTML = gr.HTML(elem_id="asked", **PLAIN)
        with gr.Row(visible=False) as self.table:
            with gr.Column(min_width=320):
                self.left: gr.HTML = gr.HTML(elem_id="text-1", **PLAIN)
                self.first = gr.Button("This one is real", elem_id="guess-1")
            with gr.Column(min_width=320):
                self.right: gr.HTML = gr.HTML(elem_id="text-2", **PLAIN)
                self.second = gr.Button("This one is real", elem_id="guess-2")
        self.verdict: gr.HTML = gr.HTML(elem_id="verdict", **PLAIN)
        self.score: gr.HTML = gr.HTML(elem_id="score", **PLAIN)

    def wire(self, shell: Shell) -> None:
        super().wire(shell)
        begun = self.deal.click(self.begun, self.model, self.outputs(), **QUEUED)
        dealt = begun.success(self.dealt, [shell.author, self.model], self.outputs(), trigger_mode="multiple", **QUEUED)
        dealt.failure(self.refused, None, self.outputs(), **NOW)
        self.stop.click(self.stopped, None, self.outputs(), **NOW)
        self.first.click(self._guess(0), self.round, self.outputs(), **QUEUED)
        self.second.click(self._guess(1), self.round, self.outputs(), **QUEUED)
        self.model.input(self.chosen, self.model, self.outputs(), **NOW)
        shell.author.input(self.left_behind, None, self.outputs(), **NOW)

    def standing(self) -> list[Any]:
        return [self.model, self.round]

    def outputs(self) -> list[Any]:
        texts = [self.asked, self.table, self.left, self.right, self.first, self.second, self.verdict, self.score]
        return [self.model, self.deal, self.stop, self.round, *texts]

    def opened(self, author: str | None) -> Updates:
        registry = self._app.registry
        versions = registry.versions(author) if author else []
        champion = registry.champion(author) if author else None
        names = [version.name for version in reversed(versions)]
        chosen = champion.name if champion else next(iter(names), None)
        words = "" if names else "No version yet: train one, under Train, and see whether anybody can tell it from you."
        return {
            **self._idle(html.aside(words) if words else ""),
            self.model: options(names, chosen),
            self.deal: gr.update(visible=True, interactive=bool(names)),
            self.score: self._score(chosen),
        }

    def revisited(self, author: str | None, *standing: Any) -> Updates:
        """The twin that was chosen, with the pair that is dealt or being written."""
        model, round_ = standing
        names = [version.name for version in reversed(self._app.registry.versions(author))] if author else []
        if model not in names or (round_ and round_.model not in names):
            return self.opened(author)
        return {self.model: gr.update(choices=names), self.score: self._score(model)}

    def chosen(self, model: str | None) -> Updates:
        return {**self._idle(""), self.score: self._score(model)}

    def left_behind(self, request: gr.Request) -> Updates:
        """Another author is chosen."""
        self._switches.end(request)
        return self._idle("")

    def _idle(self, words: str) -> Updates:
        """No pair is dealt, nor being written; `words` is HTML that says why."""
        return {
            self.round: None,
            self.table: gr.update(visible=False),
            self.verdict: "",
            self.asked: words,
            self.model: gr.update(interactive=True),
            **self._buttons(busy=False),
        }

    def _buttons(self, busy: bool) -> Updates:
        return {
            self.deal: gr.update(visible=not busy),
            self.stop: gr.update(visible=busy, value="Stop", interactive=True),
        }

    def _score(self, model: str | None) -> str:
        if not model:
            return ""
        try:
            version = self._app.registry.get(model)
        except NotFound:
            return ""
        score = game.figure(self._app, version)
        words = game.said(score) or "Nobody has played against this version yet."
        return f'<p class="score">{escape(words)}</p>'

    def begun(self, model: str | None, request: gr.Request) -> Updates:
        self._switches.begin(request)
        words = f'<p class="aside" role="status">{escape(model or "The twin")} is writing…</p>'
        return {**self._idle(words), self.model: gr.update(interactive=False), **self._buttons(busy=True)}

    def stopped(self, request: gr.Request) -> Updates:
        return self._switches.stopped(request, self.stop, lambda: self._idle(""))

    def refused(self, request: gr.Request) -> Updates:
        """The queue took no more, or Gradio lost the pair."""
        self._switches.end(request)
        return self._idle(problem(*LOST))

    def dealt(self, author: str | None, model: str | None, request: gr.Request) -> Any:
        """A pair, once the twin has written; nothing for an author who was left meanwhile."""
        stop = self._switches.get(request)
        round_: Round | None = None
        if stop is None:
            return gr.skip()
        with self._switches.writing(request, stop) as end:
            version = self._app.registry.get(model or "")
            if version.author != author:
                raise NotFound(f"{model} is no version of {author}", "choose one of the list")
            round_ = game.deal(self._app, version, user(self._app, request), user=session(request), stop=stop)
        if not end.mine:
            return gr.skip()
        if round_ is None:
            return self._idle(problem(*end.problem) if end.problem else html.aside("Stopped."))
        return {
            **self._idle(html.paragraphs(f"Asked of both: {round_.instruction}")),
            self.round: round_,
            self.table: gr.update(visible=True),
            self.left: _text(round_.texts[0]),
            self.right: _text(round_.texts[1]),
            self.first: gr.update(interactive=True, value="This one is real"),
            self.second: gr.update(interactive=True, value="This one is real"),
            self.deal: gr.update(visible=True, value="Deal another pair"),
        }

    def _guess(self, place: int) -> Any:
        @told
        def guessed(round_: Round | None, request: gr.Request) -> Updates:
            """Counted once; afterwards both texts say whose they are."""
            if round_ is None:
                raise NotFound("this pair is guessed already", "deal another pair")
            game.keep(self._app, round_, place == round_.mine, user(self._app, request))
            words = "Right." if place == round_.mine else "Wrong: that was the twin."
            names = ["The real one" if n == round_.mine else "The twin" for n in (0, 1)]
            return {
                self.round: None,
                self.first: gr.update(interactive=False, value=names[0]),
                self.second: gr.update(interactive=False, value=names[1]),
                self.verdict: f'<p class="score" role="status">{words}</p>',
                self.score: self._score(round_.model),
            }

        return guessed


def _text(text: str) -> str:
    return f'<div class="blind" dir="auto">{escape(text)}</div>'
