"""The “Which one is me?” tab: a blind game, whose score is the most honest figure of style there is."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from contracts.errors import NotFound
from ui.page import game
from ui.page import markup as html
from ui.page.game import Round
from ui.page.tabs.kept import user
from ui.page.tabs.shared import NOW, PLAIN, QUEUED, Tab, Updates, author_or_sorry, told
from ui.page.tabs.switches import session

if TYPE_CHECKING:
    from ui.page.shell import Shell

RULES = (
    "One of two texts is the beginning of a real post that the twin has never seen; the other is what the twin writes for "
    "the same instruction. Which one is real? If nobody can tell, half of the guesses are right."
)


class Me(Tab):
    id, label = "me", "Which one is me?"

    def lay_out(self) -> None:
        self.round: gr.State = gr.State(None)
        self.played: gr.State = gr.State([])
        gr.HTML(f'<h2 class="title2">Which one is me?</h2>{html.paragraphs(RULES)}', **PLAIN)
        with gr.Row(elem_id="deal-row"):
            self.model: gr.Dropdown = gr.Dropdown([], label="Twin", elem_id="player", min_width=160, scale=2)
            self.deal = gr.Button("Deal a pair", variant="primary", elem_id="deal", min_width=120, scale=1)
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
        given = [shell.author, self.model, self.played]
        self.deal.click(self.waiting, self.model, [self.asked, self.table, self.verdict, self.deal], **NOW).then(
            self.dealt, given, [self.round, *self.outputs()], **QUEUED
        ).failure(self.unlucky, None, [self.asked, self.deal], **NOW)
        self.first.click(self._guess(0), [self.round, self.played], self.outputs(), **QUEUED)
        self.second.click(self._guess(1), [self.round, self.played], self.outputs(), **QUEUED)
        self.model.input(self.chosen, [shell.author, self.model], self.outputs(), **NOW)

    def outputs(self) -> list[Any]:
        texts = [self.asked, self.table, self.left, self.right, self.first, self.second, self.verdict, self.score]
        return [self.model, self.deal, self.played, *texts]

    def opened(self, author: str | None) -> Updates:
        registry = self._app.registry
        versions = registry.versions(author) if author else []
        champion = registry.champion(author) if author else None
        names = [version.name for version in reversed(versions)]
        chosen = champion.name if champion else next(iter(names), None)
        words = "" if names else "No version yet: train one, under Train, and see whether anybody can tell it from you."
        return {
            self.model: gr.update(choices=names, value=chosen, interactive=bool(names)),
            self.deal: gr.update(interactive=bool(names)),
            self.played: [],
            **self._cleared(words),
            self.score: self._score(chosen),
        }

    def chosen(self, author: str | None, model: str | None) -> Updates:
        return {self.played: [], **self._cleared(""), self.score: self._score(model)}

    def _cleared(self, words: str) -> Updates:
        return {
            self.table: gr.update(visible=False),
            self.verdict: "",
            self.asked: html.aside(words) if words else "",
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

    def waiting(self, model: str | None) -> Updates:
        return {
            self.asked: f'<p class="aside" role="status">{escape(model or "The twin")} is writing…</p>',
            self.table: gr.update(visible=False),
            self.verdict: "",
            self.deal: gr.update(interactive=False),
        }

    def unlucky(self) -> Updates:
        return {self.asked: "", self.deal: gr.update(interactive=True)}

    @told
    def dealt(self, author: str | None, model: str | None, played: list[str], request: gr.Request) -> Updates:
        version = self._app.registry.get(model or "")
        if version.author != author_or_sorry(author):
            raise NotFound(f"{model} is no version of {author}", "choose one of the list")
        round_ = game.deal(self._app, version, played, user=session(request))
        asked = f"Asked of both: {round_.instruction}"
        return {
            self.round: round_,
            self.asked: html.paragraphs(asked),
            self.table: gr.update(visible=True),
            self.left: _text(round_.texts[0]),
            self.right: _text(round_.texts[1]),
            self.first: gr.update(interactive=True, value="This one is real"),
            self.second: gr.update(interactive=True, value="This one is real"),
            self.verdict: "",
            self.deal: gr.update(interactive=True, value="Deal another pair"),
        }

    def _guess(self, place: int) -> Any:
        @told
        def guessed(round_: Round | None, played: list[str], request: gr.Request) -> Updates:
            """Counted once; afterwards both texts say whose they are."""
            if round_ is None or round_.post_id in played:
                raise NotFound("this pair is guessed already", "deal another pair")
            game.keep(self._app, round_, place == round_.mine, user(request))
            words = "Right." if place == round_.mine else "Wrong: that was the twin."
            names = ["The real one" if n == round_.mine else "The twin" for n in (0, 1)]
            return {
                self.played: [*played, round_.post_id],
                self.first: gr.update(interactive=False, value=names[0]),
                self.second: gr.update(interactive=False, value=names[1]),
                self.verdict: f'<p class="score" role="status">{words}</p>',
                self.score: self._score(round_.model),
            }

        return guessed


def _text(text: str) -> str:
    return f'<div class="blind" dir="auto">{escape(text)}</div>'
