"""The page: whose twin it is on top, and a tab for everything that can be done with it.

A background job belongs to no browser. Whichever tab is looked at while one runs asks about once a second how far it is,
and draws itself anew at its end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gradio as gr

from contracts.errors import TwinError
from ui.page import passages as html
from ui.page.jobs import Jobs
from ui.page.tabs.chat import Chat
from ui.page.tabs.compare import Compare
from ui.page.tabs.draft import Draft
from ui.page.tabs.me import Me
from ui.page.tabs.posts import Posts
from ui.page.tabs.settings import Settings
from ui.page.tabs.shared import NOW, PLAIN, QUEUED, Tab, Updates
from ui.page.tabs.train import Train
from ui.page.tabs.versions import Versions
from ui.wiring import App

TICK = 1.0  # seconds
OTHERS: tuple[type[Tab], ...] = (Draft, Compare, Posts, Train, Versions, Me, Settings)


class Shell:
    def __init__(self, app: App, author: str | None = None) -> None:
        self._app, self._first, self._jobs = app, author, Jobs(app)
        self.chat = Chat(app, self._jobs)
        self.tabs: dict[str, Tab] = {tab.id: tab for tab in (self.chat, *(kind(app, self._jobs) for kind in OTHERS))}
        self.blocks: gr.Blocks = gr.Blocks(title="LLM twin", analytics_enabled=False, fill_width=True)
        with self.blocks:
            self._lay_out()
            self._wire()

    def close(self) -> None:
        """End every answer that is being written and every job, then the server."""
        for tab in self.tabs.values():
            tab.close()
        self._jobs.close()
        # An open tab holds a connection; uvicorn would wait for it, and print it as an error where it may not.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self.blocks.server.force_exit = True
        self.blocks.close(verbose=False)

    def _lay_out(self) -> None:
        self.where: gr.State = gr.State(self.chat.id)
        self.timer = gr.Timer(TICK, active=False)
        with gr.Row(elem_id="top"):
            gr.HTML(html.HEADING, elem_id="heading", **PLAIN)
            self.author: gr.Dropdown = gr.Dropdown([], label="Author", elem_id="author", min_width=120)
        self.wrong: gr.HTML = gr.HTML(visible=False, elem_id="wrong", **PLAIN)
        self.strip: gr.Tabs
        self._panes: dict[str, gr.Tab] = {}
        self._places: dict[str, slice] = {}  # of what stands on a tab, among what stands on all
        with gr.Tabs(elem_id="tabs", selected=self.chat.id, overflow_behavior="wrap") as self.strip:
            for tab in self.tabs.values():
                with gr.Tab(tab.label, id=tab.id, elem_id=f"tab-{tab.id}") as self._panes[tab.id]:
                    tab.lay_out()

    def _wire(self) -> None:
        for tab in self.tabs.values():
            tab.wire(self)
        everything = [component for tab in self.tabs.values() for component in tab.outputs()]
        mine = [self.author, self.timer, self.where, self.wrong]
        self.author.change(self.chat.warmed, self.author, self.chat.loading, **QUEUED)
        self.blocks.load(self._loaded, None, [*mine, *self.chat.outputs()], **NOW)
        self.author.input(self._chosen, [self.author, self.where], [*mine, *everything], **NOW)
        standing: list[Any] = []
        for tab in self.tabs.values():
            self._places[tab.id] = slice(len(standing), len(standing) + len(tab.standing()))
            standing += tab.standing()
        self.timer.tick(self._ticked, [self.author, self.where, *standing], [*mine, *everything], **NOW)
        known = [self.author, self.chat.turns, self.chat.choice]
        self._panes["chat"].select(self._chat_opened, known, [*mine, *self.chat.outputs()], **NOW)
        for tab in self.tabs.values():
            if tab is not self.chat:
                drawn = [*mine, *self.chat.outputs(), *tab.outputs()]
                self._panes[tab.id].select(self._opener(tab), [self.author, *tab.standing()], drawn, **NOW)
        posts = self.tabs["posts"]
        assert isinstance(posts, Posts)
        drawn = [*mine, *self.chat.outputs(), *posts.outputs()]
        for gone in posts.gone:
            gone.success(self._gone, self.author, drawn, **NOW)

    # ---- handlers ---------------------------------------------------------------------------------------------------

    def _loaded(self, request: gr.Request) -> Updates:
        try:
            names, author = shown_first(self._app, self._first)
        except TwinError as error:
            return self.chat._closed(error)
        return {**self._watch(), **self.chat.opened(author, request), **self._named(names, author)}

    def _chosen(self, author: str | None, where: str, request: gr.Request) -> Updates:
        """Another author: a fresh conversation, and the tab that is looked at anew."""
        drawn = self.chat.opened(author, request)
        tab = {} if where == "chat" else self._drawn(self.tabs[where].opened, author)
        return {**drawn, **self._told(None), **tab}

    def _chat_opened(self, author: str | None, turns: list[Any], choice: str, request: gr.Request) -> Updates:
        # Gradio also says so of the tab that a page opens with, before that knows an author: then nobody is looked for.
        chosen, others = self._now(author, request) if author else (None, {})
        watched = self._watch()
        drawn = self.chat.seen(author, turns, choice, request) if chosen == author else {}
        return {self.where: "chat", **drawn, **others, **watched}

    def _opener(self, tab: Tab) -> Any:
        def opened(request: gr.Request, author: str | None, *standing: Any) -> Updates:
            chosen, others = self._now(author, request)
            drawn = tab.changed(self._drawn(tab.revisited, chosen, *standing), standing)
            return {self.where: tab.id, **self._watch(), **others, **drawn}

        return opened

    def _ticked(self, request: gr.Request, author: str | None, where: str, *standing: Any) -> Any:
        """While a job runs what it changes; at its end the whole tab, and whoever is new. What is said in the chat stays."""
        tab, mine = self.tabs[where], standing[self._places[where]]
        if self._jobs.running():
            return {**self._told(None), **self._drawn(tab.ticked, author, *mine)}
        chosen, others = self._now(author, request)
        drawn = self._drawn(tab.ticked if tab is self.chat else tab.revisited, chosen, *mine)
        return {self.timer: gr.Timer(active=False), **others, **tab.changed(drawn, mine)}

    def _gone(self, author: str | None, request: gr.Request) -> Any:
        """A post is forgotten; with the last of an author the page goes over to another."""
        chosen, others = self._now(author, request)
        return gr.skip() if chosen == author else {**others, **self._drawn(self.tabs["posts"].opened, chosen)}

    # ---- helpers ----------------------------------------------------------------------------------------------------

    def _drawn(self, draw: Callable[..., Updates], *given: Any) -> Updates:
        """What a tab draws; where it cannot, above all tabs why, and what stood there stays."""
        try:
            return draw(*given)
        except TwinError as error:
            return self._told(error)

    def _told(self, error: TwinError | None) -> Updates:
        told = html.problem(error.message, error.hint) if error else ""
        return {self.wrong: gr.update(value=told, visible=bool(told))}

    def _now(self, author: str | None, request: gr.Request) -> tuple[str | None, Updates]:
        """Whose twin is looked at now, and who else there is: a terminal may have taken in or forgotten some.

        A quick hand opens a tab before the page has learned of its author. Where nobody can be found, the page says why.
        """
        try:
            names, chosen = shown_first(self._app, author or self._first)
        except TwinError as error:
            return author, self._told(error)
        if chosen == author:
            return chosen, {**self._told(None), self.author: gr.update(choices=names)}
        return chosen, {**self._told(None), **self.chat.opened(chosen, request), **self._named(names, chosen)}

    def _named(self, names: list[str], author: str | None) -> Updates:
        return {self.author: gr.update(choices=names, value=author, interactive=bool(names))}

    def _watch(self) -> Updates:
        """Asked before the rest is drawn: a job that ends in between is then drawn again at the next tick, as ended."""
        return {self.timer: gr.Timer(active=bool(self._jobs.running()))}


def shown_first(app: App, wanted: str | None) -> tuple[list[str], str | None]:
    """Those who have posts, and which of them is chosen."""
    known = [author for author in app.store.authors() if author.posts]
    names = [author.name for author in known if not author.reference] or [author.name for author in known]
    return names, wanted if wanted in names else next(iter(names), None)
