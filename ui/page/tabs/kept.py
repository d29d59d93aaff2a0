"""The kept conversations beside the chat: search them, open one, name it, take it away as Markdown, delete it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from contracts.feature_store.conversations import LISTED, Conversation, Listed, Said
from inference_pipeline.twin import Found, Question
from ui import acts
from ui.page.conversation import Turn
from ui.page.markup import download, kept_list
from ui.page.passages import in_plain
from ui.page.tabs.shared import CLICKS, NOW, PLAIN, QUEUED, Sure, Updates, say, told
from ui.wiring import App

if TYPE_CHECKING:
    from ui.page.tabs.chat import Chat

NONE = "None yet: what is said here is kept on this machine."


class Kept:
    """`id` names the conversation that stands in the chat, as it was kept `at`; empty while it is not kept."""

    def __init__(self, app: App) -> None:
        self._app = app

    def lay_out(self) -> None:
        self.id: gr.State = gr.State("")
        self.at: gr.State = gr.State(None)
        with gr.Accordion("Conversations", open=False, elem_id="kept"):
            self.new = gr.Button("New conversation", elem_id="new", size="sm")
            self.words: gr.Textbox = gr.Textbox("", label="Words in them", max_length=200, elem_id="kept-words")
            self.list: gr.HTML = gr.HTML(elem_id="kept-list", **CLICKS)
            with gr.Column(visible=False, elem_id="kept-acts") as self.acts:
                self.title: gr.Textbox = gr.Textbox(label="Name of this one", max_length=120, elem_id="kept-title")
                with gr.Row():
                    self.rename = gr.Button("Rename", elem_id="rename", size="sm", min_width=80)
                    self.delete = gr.Button("Delete", elem_id="kept-delete", variant="stop", size="sm", min_width=80)
                self.save = gr.Button("Save as Markdown", elem_id="kept-save", size="sm")
                self.export: gr.HTML = gr.HTML(elem_id="kept-export", visible="hidden", **PLAIN)
                self.sure = Sure("kept", "Delete it")

    def wire(self, chat: Chat, author: gr.Dropdown) -> None:
        self._chat = chat
        listed, whose = [author, self.words, self.id], [*self.outputs(), *chat.conversation(), author]
        self.words.change(self.found, listed, self.list, trigger_mode="always_last", **NOW)
        self.new.click(self.begun, author, whose, **QUEUED)
        self.list.click(self.opened, author, [*whose, chat.thumbs.given], **QUEUED)
        self.title.submit(self.renamed, [self.id, self.title, author], self.outputs(), **QUEUED)
        self.rename.click(self.renamed, [self.id, self.title, author], self.outputs(), **QUEUED)
        saved = self.save.click(self.exported, self.id, self.export, **QUEUED)
        saved.success(None, js="() => { document.querySelector('#kept-export a')?.click(); }", **NOW)
        self.delete.click(self.asked, None, self.sure.outputs(), **NOW)
        self.sure.yes.click(self.deleted, [self.id, author], whose, **QUEUED)

    def outputs(self) -> list[Any]:
        return [self.id, self.at, self.list, self.acts, self.title, self.export, *self.sure.outputs()]

    # ---- what stands there ------------------------------------------------------------------------------------------

    def drawn(self, user: str, author: str | None, id: str = "") -> Updates:
        """The list, and what can be done with the conversation `id`."""
        if not author:
            return {
                self.id: "",
                self.at: None,
                self.list: "",
                self.acts: gr.update(visible=False),
                **self.sure.closed(),
            }
        conversations = self._app.store.conversations
        listed = conversations.all(user, author)
        one: Listed | Conversation | None = next(
            (row for row in listed if row.id == id), None
        )  # a long one is megabytes, and this is after each answer
        if id and one is None:
            one = conversations.get(user, id)
        return {
            self.id: id,
            self.at: one.at if one else None,
            self.list: _listed(listed, id),
            self.acts: gr.update(visible=bool(one)),
            self.title: one.title if one else "",
            self.export: "",  # made when it is asked for
            **self.sure.closed(),
        }

    def keep(self, user: str, turns: Sequence[Turn], id: str, at: dt.datetime | None) -> Updates:
        """Store what is said so far; where another tab has gone on with it since `at`, as another conversation."""
        author = turns[-1].author
        said = [
            Said(question=turn.question, answer=turn.answer, asked=turn.asked)
            for turn in turns
            if turn.answer and turn.answered
        ]
        return self.drawn(user, author, self._app.store.conversations.keep(user, author, said, id, at))

    def found(self, author: str | None, words: str, id: str, request: gr.Request) -> str:
        if not author:
            return ""
        return _listed(self._app.store.conversations.all(user(self._app, request), author, words), id, words)

    # ---- handlers ---------------------------------------------------------------------------------------------------

    @told
    def begun(self, author: str | None, request: gr.Request) -> Updates:
        return {**self._chat.replaced([], request), **self.drawn(user(self._app, request), author)}

    @told
    def opened(self, author: str | None, event: gr.EventData, request: gr.Request) -> Updates:
        who = user(self._app, request)
        one = self._app.store.conversations.get(who, str(event.id))
        turns = [_turn(n, one.author, said) for n, said in enumerate(one.turns, start=1)]
        thumbs = self._chat.thumbs.before(turns, who)
        return {**self._chat.replaced(turns, request), **self.drawn(who, author, one.id), **thumbs}

    @told
    def exported(self, id: str, request: gr.Request) -> str:
        one = self._app.store.conversations.get(user(self._app, request), id)
        return download(one.title, markdown(one.title, one.turns), "conversation")

    @told
    def renamed(self, id: str, title: str, author: str | None, request: gr.Request) -> Updates:
        self._app.store.conversations.rename(user(self._app, request), id, title)
        return self.drawn(user(self._app, request), author, id)

    def asked(self) -> Updates:
        return self.sure.ask("Delete this conversation? This cannot be undone.")

    @told
    def deleted(self, id: str, author: str | None, request: gr.Request) -> Updates:
        drawn = self._chat.replaced([], request)
        settled = self._app.store.conversations.delete(user(self._app, request), id)
        say("The conversation is deleted.", acts.left(settled))
        return {**drawn, **self.drawn(user(self._app, request), author)}


def _listed(rows: Sequence[Listed], id: str, words: str = "") -> str:
    none = "No conversation has these words." if words.strip() else NONE
    return kept_list(rows, id, none, LISTED)


def user(app: App, request: gr.Request) -> str:
    """Who is logged in, as one of the page's users; where it has none, it is one person's, whatever name was typed."""
    return app.users.who(request.username)


def _turn(number: int, author: str, said: Said) -> Turn:
    answer = said.answer
    found = Found(Question(said.question, author), answer.passages, answer.snapshot, 0.0, said.asked or said.question)
    return Turn(number, author, said.question, found, answer.answer, answer)


def markdown(title: str, turns: Sequence[Said]) -> str:
    parts = [f"# {title}"]
    for said in turns:
        answer = said.answer
        parts += [f"## {said.question}", answer.answer]
        parts += map(in_plain, answer.citations)
        parts.append(f"*{answer.model}, snapshot {answer.snapshot}*")
    return "\n\n".join(parts) + "\n"
