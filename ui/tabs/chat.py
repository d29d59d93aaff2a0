"""A conversation on the page: what stands on it, and what it does when a person does something.

A question on the left, the answer as it is written, and on the right the passages it rests on. All that is said belongs
to one browser tab; the server keeps beside it only the switch that stops the answer being written for that tab.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from contracts.base_model import DEFAULT as DEFAULT_BASE_MODEL
from contracts.errors import TwinError
from contracts.records import Answer
from inference_pipeline.twin import BASE, Found, Question
from ui import passages as html
from ui.wiring import App

SAMPLE_AUTHOR = "Wren Halloway"
ANSWERS_AT_ONCE = 2  # more than one, so that a slow answer does not hold up another tab; few, for they share the cores
TURNS_KEPT = 50
LONGEST_QUESTION = 4_000  # characters
REDRAW = 0.05  # seconds between two updates of the page; a GPU writes faster than anyone reads
EXAMPLES = 4

PLAIN: dict[str, Any] = {"apply_default_css": False, "js_on_load": None}
Updates = dict[Any, Any]

log = logging.getLogger(__name__)


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

    def after(self, event: Found | str | Answer) -> Turn:
        if isinstance(event, Found):
            return replace(self, found=event)
        return replace(self, answer=event) if isinstance(event, Answer) else replace(self, text=self.text + event)

    def reply(self) -> str:
        if self.problem:
            return html.prose(self.text) + html.problem(*self.problem)
        if self.answer:
            markers = {citation.marker for citation in self.answer.citations}
            return html.prose(self.answer.answer, self.number, markers) + html.fine_print(self.answer, self.stopped)
        return html.prose(self.text) or html.waiting(bool(self.found))

    def sources(self) -> str:
        if self.found is None:
            return html.idle_sources()
        citations = self.answer.citations if self.answer else () if self.problem else None
        return html.sources(self.found.passages, citations, self.number, self.author)


class Page:
    """The page, and what it does when a person does something: each handler returns the components that change.

    `_stops` holds the switch of every tab for which an answer is being written or waited for.
    """

    def __init__(self, app: App, author: str | None = None) -> None:
        self._app, self._first = app, author
        self._stops: dict[str, threading.Event] = {}
        self.blocks: gr.Blocks = gr.Blocks(title="LLM twin", analytics_enabled=False, fill_width=True)
        with self.blocks:
            self._lay_out()
            self._wire()

    def warm(self) -> None:
        """Load the models before the first question; what is wrong with them is said at that question."""
        with suppress(TwinError):
            names = [author.name for author in self._app.store.authors() if author.posts and not author.reference]
            if names:
                self._app.twin.warm(self._first if self._first in names else names[0])

    def _lay_out(self) -> None:
        self.turns: gr.State = gr.State([])
        with gr.Row(elem_id="top"):
            gr.HTML(html.HEADING, elem_id="heading", **PLAIN)
            self.author = gr.Dropdown([], label="Author", elem_id="author", min_width=120)
            self.model = gr.Dropdown([], label="Model version", elem_id="model", min_width=120)
        self.notices = gr.HTML(visible=False, elem_id="notices", **PLAIN)
        with gr.Row(elem_id="columns"):
            with gr.Column(scale=3, min_width=320):
                self.steps = gr.HTML(html.steps(), visible=False, elem_id="steps", **PLAIN)
                # Its text comes escaped from ui.passages. As Markdown it could still name a remote image, and load it.
                self.chat = gr.Chatbot(
                    elem_id="chat",
                    render_markdown=False,
                    sanitize_html=True,
                    allow_tags=False,
                    latex_delimiters=[],
                    feedback_options=None,
                    buttons=[],
                    show_label=False,
                    placeholder="Ask something, or begin with one of these.",
                )
                with gr.Row(elem_id="ask"):
                    self.question = gr.Textbox(
                        elem_id="question",
                        label="Question",
                        placeholder="Your question",
                        max_length=LONGEST_QUESTION,
                        max_lines=6,
                        interactive=False,
                        show_label=False,
                        container=False,
                        scale=1,
                    )
                    self.send = gr.Button("Send", elem_id="send", variant="primary", scale=0, min_width=90)
                    self.stop = gr.Button("Stop", elem_id="stop", variant="stop", scale=0, min_width=90, visible=False)
                    self.again = gr.Button("Regenerate", elem_id="again", interactive=False, scale=0, min_width=120)
            with gr.Column(scale=2, min_width=320):
                self.sources = gr.HTML(html.idle_sources(), elem_id="sources", **PLAIN)

    def _wire(self) -> None:
        # Only answering waits in the queue. Private: no second way in for a program that is not this page.
        now: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        page = [self.notices, self.steps, self.question, *self._conversation()]
        self.blocks.load(self.opened, None, page, **now)
        self.author.input(self.chosen, self.author, page, **now)
        self.stop.click(self.stopped, None, self.stop, **now)
        self.chat.select(self.shown, self.turns, self.sources, **now)
        self.chat.clear(self.cleared, None, self._conversation(), **now)
        self.blocks.unload(self.left)

        outputs = [self.question, *self._conversation()]
        asked = gr.on([self.send.click, self.question.submit], self.asked, self._inputs(self.question), outputs, **now)
        picked = self.chat.example_select(self.picked, self._inputs(), outputs, **now)
        again = self.again.click(self.repeated, self.turns, outputs, **now)
        for started in (asked, picked, again):
            answer = started.success(
                self.answered,
                [self.model, self.turns],
                self._conversation(),
                concurrency_id="answers",
                concurrency_limit=ANSWERS_AT_ONCE,
                show_progress="hidden",
                api_visibility="private",
            )
            answer.failure(self.refused, self.turns, self._conversation(), **now)

    def _conversation(self) -> list[Any]:
        return [self.turns, self.chat, self.sources, self.send, self.stop, self.again, self.author, self.model]

    def _inputs(self, *first: Any) -> list[Any]:
        return [*first, self.author, self.turns]

    # ---- handlers ---------------------------------------------------------------------------------------------------

    def opened(self) -> Updates:
        """The authors there are, and a conversation with one of them."""
        try:
            known = [author for author in self._app.store.authors() if author.posts]
            names = [author.name for author in known if not author.reference] or [author.name for author in known]
            author = self._first if self._first in names else next(iter(names), None)
            return {**self._open(author), self.author: gr.update(choices=names, value=author, interactive=bool(names))}
        except TwinError as error:
            return self._closed(error)

    def chosen(self, author: str) -> Updates:
        """A fresh conversation with this author."""
        try:
            return self._open(author)
        except TwinError as error:
            return self._closed(error)

    def asked(self, question: str, author: str | None, turns: list[Turn], request: gr.Request) -> Updates:
        question = question.strip()
        if not question or not author:
            raise _sorry("Write a question first.")
        if len(question) > LONGEST_QUESTION:
            raise _sorry(f"A question may have {LONGEST_QUESTION:,} characters; this one has {len(question):,}.")
        self._begin(request)
        turn = Turn(turns[-1].number + 1 if turns else 1, author, question)
        return {**self._talk([*turns, turn][-TURNS_KEPT:], busy=True), self.question: ""}

    def picked(self, author: str | None, turns: list[Turn], event: gr.SelectData, request: gr.Request) -> Updates:
        return self.asked(str(event.value["text"]), author, turns, request)

    def repeated(self, turns: list[Turn], request: gr.Request) -> Updates:
        """The last question again, to the model that is chosen now."""
        if not turns:
            raise _sorry("There is nothing to answer again yet.")
        self._begin(request)
        last = turns[-1]
        return self._talk([*turns[:-1], Turn(last.number, last.author, last.question)], busy=True)

    def answered(self, model: str, turns: list[Turn], request: gr.Request) -> Iterator[Updates]:
        """Run the twin, and redraw the page as it goes. Closed by Gradio when the tab goes away."""
        stop = self._stops.get(_tab(request))
        if stop is None:  # the tab was gone for a while as the question waited
            yield self._talk(turns[:-1], busy=False)
            return
        turn, drawn = turns[-1], 0.0
        try:
            stream = self._app.twin.stream(Question(turn.question, turn.author), model, stop)
            with closing(stream) as events:  # type: ignore[type-var]  # the twin's iterator is a generator
                for event in events:
                    turn = turn.after(event)
                    if isinstance(event, Found):
                        yield self._talk([*turns[:-1], turn], busy=True)
                    elif isinstance(event, str) and time.monotonic() - drawn > REDRAW:
                        yield {self.chat: _messages([*turns[:-1], turn])}
                        drawn = time.monotonic()
        except TwinError as error:
            turn = replace(turn, problem=(error.message, error.hint))
        except Exception:  # the page must stay usable whatever an engine raises; the details are for the terminal
            log.exception("no answer")
            turn = replace(turn, problem=("Something failed inside the twin", "the terminal that runs it says what"))
        finally:
            was_stopped = stop.is_set()
            self._end(_tab(request))
        yield self._talk([*turns[:-1], replace(turn, stopped=was_stopped)], busy=False)

    def stopped(self, request: gr.Request) -> Any:
        stop = self._stops.get(_tab(request))
        if stop is None:
            return gr.skip()
        stop.set()
        return gr.update(value="Stopping…", interactive=False)

    def refused(self, turns: list[Turn], request: gr.Request) -> Updates:
        """The queue took no more questions, or Gradio lost the answer."""
        self._end(_tab(request))
        turn = replace(turns[-1], problem=("Too many questions are waiting", "ask again in a minute"))
        return self._talk([*turns[:-1], turn], busy=False)

    def shown(self, turns: list[Turn], event: gr.SelectData) -> Any:
        """The passages behind the answer that was clicked."""
        message = event.index[0] if isinstance(event.index, (list, tuple)) else event.index
        return turns[message // 2].sources() if message // 2 < len(turns) else gr.skip()

    def cleared(self, request: gr.Request) -> Updates:
        """Forget the conversation; while an answer is being written, only end that."""
        return self._talk([], busy=False) if _tab(request) not in self._stops else {self.stop: self.stopped(request)}

    def left(self, request: gr.Request) -> None:
        self._end(_tab(request))

    def close(self) -> None:
        """End every answer that is being written, then the server."""
        for tab in list(self._stops):
            self._end(tab)
        # An open tab holds a connection; uvicorn would wait for it, and print it as an error where it may not.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self.blocks.server.force_exit = True
        self.blocks.close(verbose=False)

    # ---- drawing ----------------------------------------------------------------------------------------------------

    def _open(self, author: str | None) -> Updates:
        models = self._app.twin.models(author) if author else []
        posts = (
            self._app.store.posts(author, 10 * EXAMPLES) if author else []
        )  # among them may be notes, without titles
        titles = [post.title for post in posts if post.title][:EXAMPLES]
        examples = [{"text": f"What did you write in “{html.short(title)}”?"} for title in titles]
        settings = self._app.settings
        small = settings.base_model == DEFAULT_BASE_MODEL and not settings.remote_url
        notices = html.notices(author, author == SAMPLE_AUTHOR, models[0] != BASE, small) if author else ""
        choices = [(html.model_label(name, name == models[0]), name) for name in models]
        return {
            **self._talk([], busy=False),
            self.model: gr.update(choices=choices, value=models[0] if models else None, interactive=bool(models)),
            self.author: gr.update(interactive=bool(author)),
            self.notices: gr.update(value=notices, visible=bool(notices)),
            self.steps: gr.update(visible=not author),
            self.chat: gr.update(value=[], visible=bool(author), examples=examples),
            self.send: gr.update(visible=True, interactive=bool(author)),
            self.question: gr.update(
                interactive=bool(author), placeholder=f"Ask {author}" if author else "No posts yet"
            ),
        }

    def _closed(self, error: TwinError) -> Updates:
        """No conversation is possible; the page says why."""
        return {
            **self._open(None),
            self.steps: gr.update(visible=False),
            self.notices: gr.update(value=html.problem(error.message, error.hint), visible=True),
        }

    def _talk(self, turns: list[Turn], busy: bool) -> Updates:
        return {
            self.turns: turns,
            self.chat: _messages(turns),
            self.sources: turns[-1].sources() if turns else html.idle_sources(),
            self.send: gr.update(visible=not busy),
            self.stop: gr.update(visible=busy, value="Stop", interactive=True),
            self.again: gr.update(interactive=bool(turns) and not busy),
            self.author: gr.update(interactive=not busy),
            self.model: gr.update(interactive=not busy),
        }

    # ---- the switches -----------------------------------------------------------------------------------------------

    def _begin(self, request: gr.Request) -> None:
        stop = threading.Event()
        if self._stops.setdefault(_tab(request), stop) is not stop:
            raise _sorry("An answer is being written: wait for it, or press Stop.")

    def _end(self, tab: str) -> None:
        if stop := self._stops.pop(tab, None):
            stop.set()


def _messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    return [
        {"role": role, "content": {"type": "text", "text": text}}
        for turn in turns
        for role, text in (("user", html.prose(turn.question)), ("assistant", turn.reply()))
    ]


def _tab(request: gr.Request) -> str:
    return str(request.session_hash)


def _sorry(message: str) -> gr.Error:
    return gr.Error(message, title="Not yet", print_exception=False)
