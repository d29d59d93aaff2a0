"""The Chat tab: a question on the left, the answer as it is written, and on the right the passages it rests on.

All that is said belongs to one browser tab; the server keeps beside it only the switch that stops the answer being
written for that tab. How an answer sounds is measured once it stands there, and comes after it.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from contracts.base_model import DEFAULT as DEFAULT_BASE_MODEL
from contracts.errors import TwinError
from contracts.model_registry import parse
from inference_pipeline.leaving import unless_stopped
from inference_pipeline.twin import BASE, Found, Question
from ui.page import conversation, sample
from ui.page import passages as html
from ui.page.conversation import Heard, Turn, messages, place
from ui.page.jobs import Jobs
from ui.page.tabs.first_steps import FirstSteps
from ui.page.tabs.kept import Kept, user
from ui.page.tabs.rewriting import Rewriting
from ui.page.tabs.shared import (
    LONGEST_QUESTION,
    LOST,
    NOW,
    PLAIN,
    QUEUED,
    Updates,
    in_sentences,
    length_told,
    links,
    not_yet,
    question_or_sorry,
    told,
)
from ui.page.tabs.switches import WritingTab, session
from ui.page.tabs.thumbs import Thumbs
from ui.wiring import App

if TYPE_CHECKING:
    from ui.page.shell import Shell

ANSWERS_AT_ONCE = 4  # of each kind, in threads; how many are written at once is the twin's own queue's to say
TURNS = 200  # of a conversation (tests/test_page_scale.py opens one); there may be any number of conversations
REDRAW = 0.05  # seconds between two updates of the page; a GPU writes faster than anyone reads
EXAMPLES = 4
BEGIN = "Ask something, or begin with one of these."
ASK = "Ask something: the answer is written from the posts, and shows which."

log = logging.getLogger(__name__)


class Chat(WritingTab):
    id, label = "chat", "Chat"

    def __init__(self, app: App, jobs: Jobs) -> None:
        super().__init__(app, jobs)
        self.kept, self.first = Kept(app), FirstSteps(jobs)
        self.mine, self.thumbs = Rewriting(app), Thumbs(app)
        self._warm: set[tuple[str, str]] = set()  # authors and who answers for them, that were loaded
        self._closing = threading.Event()

    def lay_out(self) -> None:
        self.turns: gr.State = gr.State([])
        self.from_: gr.State = gr.State(0)  # the place of the turn that stands first in the chat
        self.heard: gr.State = gr.State(Heard())
        self.stand: gr.State = gr.State([])  # ids of the turns in the chat
        self.thumbs.lay_out()
        self.choice: gr.State = gr.State("")  # of a version; empty: the champion, or whom the split draws
        self.notices: gr.HTML = gr.HTML(visible=False, elem_id="notices", **PLAIN)
        self.to_post: gr.HTML = gr.HTML(elem_id="post-link", **links("post"))
        self.first.lay_out()
        with gr.Row(elem_id="columns") as self.columns:
            with gr.Column(scale=3, min_width=320):
                self.earlier = gr.Button(visible=False, elem_id="earlier", size="sm")
                # Its text comes escaped from ui.page.passages. As Markdown it could still name a remote image, and load it.
                self.chat = gr.Chatbot(
                    elem_id="chat",
                    render_markdown=False,
                    sanitize_html=True,
                    allow_tags=False,
                    latex_delimiters=[],
                    feedback_options=("Like", "Dislike"),
                    buttons=[],
                    editable="user",
                    show_label=False,
                    placeholder=ASK,
                )
                self.mine.lay_out()
                with gr.Row(elem_id="ask"):
                    self.question = gr.Textbox(
                        elem_id="question",
                        label="Question",
                        placeholder="Your question",
                        max_lines=6,
                        interactive=False,
                        show_label=False,
                        container=False,
                        scale=1,
                    )
                    self.send = gr.Button("Send", elem_id="send", variant="primary", scale=0, min_width=90)
                    self.stop = gr.Button("Stop", elem_id="stop", variant="stop", scale=0, min_width=90, visible=False)
                    self.again = gr.Button("Regenerate", elem_id="again", interactive=False, scale=0, min_width=120)
                length_told(self.question)
                self.loading: gr.HTML = gr.HTML(visible=False, elem_id="loading", **PLAIN)
            with gr.Column(scale=2, min_width=320):
                self.model: gr.Dropdown = gr.Dropdown([], label="Model version", elem_id="model", min_width=120)
                self.kept.lay_out()
                self.sources: gr.HTML = gr.HTML(html.idle_sources(), elem_id="sources", **PLAIN)

    def wire(self, shell: Shell) -> None:
        super().wire(shell)
        self.author = shell.author
        self.model.input(lambda model: model, self.model, self.choice, **NOW)
        standing = [self.turns, self.from_, self.heard]
        earlier = self.earlier.click(self.earlier_too, standing, self._chat(), **NOW)
        self.chat.select(self.shown, [self.turns, self.from_], self.sources, **NOW)
        self.chat.clear(self.cleared, shell.author, [*self.conversation(), *self.kept.outputs(), shell.author], **NOW)
        self.first.wire(shell)

        talk = [*self.conversation(), *self.kept.outputs(), shell.author]
        self.kept.wire(self, shell.author)
        self.mine.wire(self)
        stopped = self.stop.click(self.stopped, self.turns, talk, **NOW)
        asking = [self.send.click, self.question.submit]
        at_once = f"(question, chat) => window.standsAtOnce(question, chat, {LONGEST_QUESTION})"
        gr.on(asking, None, [self.question, self.chat], self.chat, js=at_once, **NOW)
        asked = gr.on(asking, self.asked, self._inputs(self.question), talk, **QUEUED)
        asked.failure(self.unasked, [self.turns, self.heard], self._chat(), **NOW)
        picked = self.chat.example_select(self.picked, self._inputs(), talk, **QUEUED)
        edited = self.chat.edit(self.edited, self._inputs(self.from_), talk, **QUEUED)
        again = self.again.click(self.repeated, self.turns, talk, **QUEUED)
        # Of what is not queued Gradio tells no change.
        redrawn: list[Any] = [self.stand.change, earlier.success, stopped.success]
        for started in (asked, picked, edited, again):
            answer = started.success(
                self.answered,
                [self.choice, self.turns, self.kept.id, self.kept.at],
                talk,
                concurrency_id="answers",
                concurrency_limit=ANSWERS_AT_ONCE,
                trigger_mode="multiple",
                **QUEUED,
            )
            redrawn.append(answer.failure(self.refused, self.turns, talk, **NOW).success)
            # Another answer may come while one is measured: Gradio would drop its event, were it "once".
            measured = answer.success(
                self.measured,
                [self.turns, self.heard],
                self.heard,
                concurrency_id="meters",
                concurrency_limit=ANSWERS_AT_ONCE,
                trigger_mode="multiple",
                **QUEUED,
            )
            measured.success(self.styled, standing, self.chat, trigger_mode="multiple", **NOW)
        self.thumbs.wire(self, redrawn)

    def conversation(self) -> list[Any]:
        asking = [self.question, self.send, self.stop, self.again, self.model]
        return [self.turns, *self._chat(), *asking, self.sources, *self.mine.outputs()]

    def _chat(self) -> list[Any]:
        return [self.chat, self.from_, self.stand, self.earlier]

    def outputs(self) -> list[Any]:
        return [
            self.notices,
            *self.first.outputs(),
            self.columns,
            *self.conversation(),
            self.choice,
            *self.kept.outputs(),
        ]

    def _inputs(self, *first: Any) -> list[Any]:
        return [*first, self.author, self.turns, self.heard]

    # ---- handlers ---------------------------------------------------------------------------------------------------

    def opened(self, author: str | None, request: gr.Request | None = None, choice: str = "") -> Updates:
        """A fresh conversation with this author; but what a quick hand has asked meanwhile goes on."""
        try:
            kept = self.kept.drawn(user(self._app, request) if request else "", author)
            drawn = {**self._open(author), **self._models(author, choice), **kept, self.choice: choice}
        except TwinError as error:
            return self._closed(error)
        asked = {*self.conversation()} - {self.model} if request and self._switches.get(request) else set()
        return {part: change for part, change in drawn.items() if part not in asked}

    def seen(
        self, author: str | None, turns: list[Turn], choice: str = "", request: gr.Request | None = None
    ) -> Updates:
        """The tab is looked at again: what was said and chosen stays; versions and examples are as they are now.

        Gradio also says so of the tab that a page opens with, maybe before the page knows an author: that changes nothing.
        """
        if not author:
            return self.first.drawn()
        if not turns:
            return self.opened(author, request, choice)
        try:
            return self._models(turns[-1].author, choice)
        except TwinError:
            return {}

    def warmed(self, author: str | None) -> Iterator[Any]:
        """Load what the first answer needs while the question is being typed; the page says so meanwhile.

        It begins once the page stands. What is wrong is told by the answer to that question.
        """
        with suppress(Exception):
            of = (author or "", self._app.twin.models(author)[0] if author else "")
            if author and of not in self._warm:
                yield gr.update(value=html.loading(), visible=True)
                self._warm |= {of for _ in unless_stopped(map(self._app.twin.warm, [author]), self._closing)}
        yield gr.update(value="", visible=False)

    def ticked(self, author: str | None, *standing: Any) -> Updates:
        return {} if author else self.first.drawn()

    @told
    def asked(self, question: str, author: str | None, turns: list[Turn], heard: Heard, request: gr.Request) -> Updates:
        if not question.strip() and not self._switches.get(request):  # nothing is asked, so nothing will be answered
            return {
                **self.unasked(turns, heard),
                self.question: gr.update(value="", placeholder="Write a question first"),
            }
        question, author = question_or_sorry(question, author)
        if len(turns) >= TURNS:
            raise not_yet(f"A conversation has {TURNS} questions at most. This one is kept: begin a new one beside it.")
        turn = Turn(turns[-1].number + 1 if turns else 1, author, question)
        return {**self._begin(turns, turn, heard, request), self.question: ""}

    def unasked(self, turns: list[Turn], heard: Heard) -> Updates:
        """The chat without the question that nothing comes of."""
        return self._shown(conversation.styled(turns, heard))

    def _begin(self, turns: list[Turn], turn: Turn, heard: Heard, request: gr.Request) -> Updates:
        self._switches.begin(request)
        return self._talk([*conversation.styled(turns, heard), turn], busy=True)

    def picked(
        self, author: str | None, turns: list[Turn], heard: Heard, event: gr.SelectData, request: gr.Request
    ) -> Updates:
        return self.asked(str(event.value["text"]), author, turns, heard, request)

    @told
    def edited(
        self, first: int, author: str | None, turns: list[Turn], heard: Heard, event: gr.EditData, request: gr.Request
    ) -> Updates:
        """A question in other words: it is asked anew. What came after it stays in the conversation that is kept, and this
        one goes on as another."""
        words = event.value["text"] if isinstance(event.value, dict) else event.value
        at = place(event.index, first)
        if not str(words).strip() or at >= len(turns):
            return self.asked("", author, turns, heard, request)
        question, author = question_or_sorry(str(words), author)
        asked = self._begin(turns[:at], turns[at].again(question), heard, request)
        if at == len(turns) - 1:
            return asked
        return {**asked, **self.kept.drawn(user(self._app, request), author)}

    @told
    def repeated(self, turns: list[Turn], request: gr.Request) -> Updates:
        """The last question again, to the model that is chosen now."""
        if not turns:
            raise not_yet("There is nothing to answer again yet.")
        return self._begin(turns[:-1], turns[-1].again(), Heard(), request)

    def stopped(self, turns: list[Turn], request: gr.Request) -> Updates:
        return self._switches.stopped(request, self.stop, lambda: self._freed(turns))

    def _freed(self, turns: list[Turn]) -> Updates:
        idle = self._talk(conversation.settled(turns), busy=False)
        if any(turn.waits for turn in turns):
            return idle
        return {part: idle[part] for part in idle if part not in (self.turns, *self._chat(), self.sources)}

    def answered(
        self, choice: str, turns: list[Turn], kept: str, at: dt.datetime | None, request: gr.Request
    ) -> Iterator[Updates]:
        """Run the twin, and redraw the page as it goes. Closed by Gradio when the tab goes away."""
        stop = self._switches.get(request)
        if stop is None and not any(turn.waits for turn in turns):  # nothing was asked, and the page says so
            yield gr.skip()
            return
        if stop is None or not turns or not turns[-1].waits:  # the tab was gone for a while since
            self._switches.end(request)
            yield self._talk(conversation.settled(turns), busy=False)
            return
        turn, drawn = turns[-1], 0.0
        asked = replace(conversation.question(turns), user=session(request))  # so that tabs take turns
        with self._switches.writing(request, stop) as end:
            # A quick hand asks before the choice of a version of another author is gone.
            mine = bool(choice) and (choice == BASE or parse(choice)[0] == turn.author)
            stream = self._app.twin.stream(asked, choice if mine else None, stop)
            with closing(stream) as events:  # type: ignore[type-var]  # the twin's iterator is a generator
                for event in events:
                    turn = turn.after(event)
                    if isinstance(event, Found):
                        yield self._talk([*turns[:-1], turn], busy=True)
                    elif isinstance(event, str) and time.monotonic() - drawn > REDRAW:
                        yield {self.chat: messages([*turns[conversation.first_shown(len(turns)) : -1], turn])}
                        drawn = time.monotonic()
        turns = [*turns[:-1], turn.ended(end.stopped, end.problem)]
        fresh = turns[-1].id == turn.id and turn.answered
        yield {**self._talk(turns, busy=False), **(self._keep(turns, kept, at, request) if fresh else {})}

    def measured(self, turns: list[Turn], heard: Heard, request: gr.Request) -> Any:
        """How the last answer sounds. An answer that is there is not taken back because that cannot be told."""
        turn = turns[-1] if turns else None
        if turn is None or turn.answer is None or turn.stopped or turn.problem or turn.id == heard.turn:
            return gr.skip()
        asked = Question(turn.asked, turn.author, user=session(request))
        try:  # until the page ends: a process must not end in the midst of what a model computes
            style = next(unless_stopped(map(self._app.twin.meter, [asked], [turn.answer]), self._closing), None)
        except Exception:  # whatever a model raises
            log.exception("an answer is not measured")
            return gr.skip()
        return Heard(turn.id, style.says) if style else gr.skip()

    def styled(self, turns: list[Turn], first: int, heard: Heard) -> Any:
        """Draw the words under the last answer, if they are of it: it may be another by now, of another conversation.

        They join the turns with the next question, so that nothing which is asked meanwhile can be overwritten here.
        """
        ours = turns and turns[-1].id == heard.turn
        return messages(conversation.styled(turns[first:], heard)) if ours else gr.skip()

    def _keep(self, turns: list[Turn], kept: str, at: dt.datetime | None, request: gr.Request) -> Updates:
        """The conversation, in the ledger. An answer that is there is not taken back because it cannot be kept."""
        try:
            return self.kept.keep(user(self._app, request), turns, kept, at)
        except TwinError as error:
            log.warning("a conversation is not kept: %s", error)
            gr.Warning(escape(in_sentences(error.message, error.hint)), title="Not kept")
            return {}

    def replaced(self, turns: list[Turn], request: gr.Request) -> Updates:
        """Another conversation in the place of this one; not while an answer is being written."""
        if self._switches.get(request):
            raise not_yet("An answer is being written: wait for it, or press Stop.")
        return {**self._talk(turns, busy=False), **self.mine.closed()}

    def refused(self, turns: list[Turn], request: gr.Request) -> Updates:
        """The queue took no more questions, or Gradio lost the answer."""
        self._switches.end(request)
        return self._talk([*turns[:-1], turns[-1].ended(problem=LOST)], busy=False)

    def shown(self, turns: list[Turn], first: int, event: gr.SelectData) -> Any:
        """The passages behind the answer that was clicked."""
        turn = next(iter(turns[place(event.index, first) :]), None)
        return turn.sources() if turn else gr.skip()

    def earlier_too(self, turns: list[Turn], first: int, heard: Heard) -> Updates:
        """More of what was said before, until the next question."""
        return self._shown(conversation.styled(turns, heard), max(0, first - conversation.EARLIER))

    def cleared(self, author: str | None, request: gr.Request) -> Updates:
        """A new conversation; while an answer is being written, only end that. What is kept stays."""
        return self._switches.stopped(
            request,
            self.stop,
            lambda: {**self.replaced([], request), **self.kept.drawn(user(self._app, request), author)},
        )

    def close(self) -> None:
        self._closing.set()
        super().close()

    # ---- drawing ----------------------------------------------------------------------------------------------------

    def _open(self, author: str | None) -> Updates:
        models = self._app.twin.models(author) if author else []
        # Among them may be notes, without titles.
        _, posts = self._app.store.catalogue.page(author, limit=10 * EXAMPLES) if author else (0, [])
        examples = [{"text": text} for text in conversation.questions(posts)[:EXAMPLES]]
        settings = self._app.settings
        small = settings.base_model == DEFAULT_BASE_MODEL and not settings.remote_url
        notices = html.notices(author, author == sample.AUTHOR, models[0] != BASE, small) if author else ""
        return {
            **self._talk([], busy=False),
            **self.mine.closed(),
            **(self.first.drawn() if not author else {}),
            self.notices: gr.update(value=notices, visible=bool(notices)),
            self.first.box: gr.update(visible=not author),
            self.columns: gr.update(visible=True if author else "hidden"),
            self.chat: gr.update(value=[], examples=examples, placeholder=BEGIN if examples else ASK),
            self.send: gr.update(visible=True, interactive=bool(author)),
            self.question: gr.update(
                interactive=bool(author), placeholder=f"Ask {author}" if author else "No posts yet"
            ),
        }

    def _models(self, author: str | None, choice: str = "") -> Updates:
        """The versions there are, with the one that was chosen as long as it is there."""
        models = self._app.twin.models(author) if author else []
        value = choice if choice in models else next(iter(models), None)
        return {self.model: gr.update(choices=html.model_choices(models), value=value, interactive=bool(models))}

    def _closed(self, error: TwinError) -> Updates:
        """No conversation is possible; the page says why."""
        return {
            **self._open(None),
            **self._models(None),
            self.first.box: gr.update(visible=False),
            self.notices: gr.update(value=html.problem(error.message, error.hint), visible=True),
        }

    def _talk(self, turns: list[Turn], busy: bool) -> Updates:
        return {
            self.turns: turns,
            **self._shown(turns, busy=busy),
            self.sources: turns[-1].sources() if turns else html.idle_sources(),
            **({} if busy else self._next_question(turns)),
            self.send: gr.update(visible=not busy, interactive=len(turns) < TURNS),
            self.stop: gr.update(visible=busy, value="Stop", interactive=True),
            self.again: gr.update(interactive=bool(turns) and not busy),
            self.author: gr.update(interactive=not busy),
            self.model: gr.update(interactive=not busy),
        }

    def _shown(self, turns: list[Turn], first: int | None = None, busy: bool = False) -> Updates:
        """The last turns, from `first` where that is chosen, below a button for those before."""
        first = conversation.first_shown(len(turns)) if first is None else first
        return {
            self.chat: messages(turns[first:]),
            self.from_: first,
            self.stand: [turn.id for turn in turns[first:]],
            self.earlier: gr.update(visible=bool(first), value=f"{first} earlier questions", interactive=not busy),
        }

    def _next_question(self, turns: list[Turn]) -> Updates:
        full = len(turns) >= TURNS
        words = f"Ask {turns[-1].author}" if turns else "Your question"
        words = f"{TURNS} questions are kept here: begin a new conversation" if full else words
        return {self.question: gr.update(interactive=not full, placeholder=words)}
