"""Where an author's posts come from, beside the posts: read a place again, as `twin sync` does, forget it, or the author."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from contracts.errors import NotFound
from contracts.records import SourceStatus
from ui import acts
from ui.page import show_posts, show_versions
from ui.page.jobs import Jobs
from ui.page.tabs.shared import CLICKS, QUEUED, Sure, Updates, author_or_sorry, say, told
from ui.page.temporary import uploads
from ui.wiring import App

if TYPE_CHECKING:
    from ui.page.shell import Shell
    from ui.page.tabs.posts import Posts


class Sources:
    """`id` names the place that is chosen; the way to one on this machine never leaves it."""

    def __init__(self, app: App, jobs: Jobs) -> None:
        self._app, self._jobs = app, jobs

    def lay_out(self) -> None:
        self.id: gr.State = gr.State("")
        with gr.Accordion("Places that they were read from", open=False, elem_id="sources-box"):
            self.list: gr.HTML = gr.HTML(elem_id="sources-list", **CLICKS)
            with gr.Row(visible=False) as self.acts:
                self.again = gr.Button("Read it again", elem_id="source-again", size="sm", min_width=110)
                self.forget = gr.Button("Forget it", variant="stop", elem_id="source-forget", size="sm", min_width=110)
            self.sure = Sure("source", "Forget it for good")

    def lay_out_author(self) -> None:
        """At the end of all that is stored of the author."""
        self.whole = gr.Button("", variant="stop", elem_id="author-forget", size="sm", visible=False)
        self.certain = Sure("author", "Forget them for good")

    def wire(self, posts: Posts, shell: Shell, running: list[Any]) -> None:
        self._posts = posts
        at = [shell.author, self.id]
        self.list.click(self.chosen, shell.author, self.outputs(), **QUEUED)
        self.again.click(self.read, [*at, posts.whose], running, **QUEUED)
        self.forget.click(self.asked, at, self.sure.outputs(), **QUEUED)
        self.whole.click(self.asked_of_all, shell.author, self.certain.outputs(), **QUEUED)
        self.gone = [
            self.sure.yes.click(self.forgotten, at, posts.outputs(), **QUEUED),
            self.certain.yes.click(self.all_forgotten, shell.author, posts.outputs(), **QUEUED),
        ]

    def outputs(self) -> list[Any]:
        return [self.id, self.list, self.acts, self.again, self.whole, *self.sure.outputs(), *self.certain.outputs()]

    def drawn(self, author: str | None, id: str = "") -> Updates:
        """Every place, and what can be done with the one that is chosen. What was dropped on the page is there no more."""
        rows = self._app.store.sightings.sources(author) if author else []
        one = next((row for row in rows if _id(row) == id), None)
        dropped = one is not None and uploads(self._app.home) in Path(one.address).parents
        return {
            self.id: id if one else "",
            self.list: show_posts.sources([(_id(row), row) for row in rows], id),
            self.acts: gr.update(visible=one is not None),
            self.again: gr.update(visible=not dropped),
            self.whole: gr.update(visible=bool(author), value=f"Forget everything of {author}"),
            **self.sure.closed(),
            **self.certain.closed(),
        }

    # ---- handlers ---------------------------------------------------------------------------------------------------

    @told
    def chosen(self, author: str | None, event: gr.EventData) -> Updates:
        return self.drawn(author, str(event.id))

    @told
    def read(self, author: str | None, id: str, whose: str) -> Updates:
        one = self._one(author, id)
        (reference,) = [known.reference for known in self._app.store.authors() if known.name == one.author]
        part = {"sources": [one.address], "author": one.author, "reference": reference}
        what = f"Reading {show_posts.place(one.address)} again"
        self._jobs.start("posts", what, one.author, {"do": "ingest", "parts": [part]})
        return self._posts.begun(author, whose)

    @told
    def asked(self, author: str | None, id: str) -> Updates:
        one = self._one(author, id)
        return self.sure.ask(
            f"Forget everything from {show_posts.place(one.address)} ({one.posts:,})? It goes as a single post does, with "
            "all that holds its words; what another place shows, too, stays. This cannot be undone."
        )

    @told
    def forgotten(self, author: str | None, id: str) -> Updates:
        one = self._one(author, id)
        done = acts.forget(self._app, one.author, source=one.address)
        flagged = show_versions.learned(done.adapters, self._app.registry.aliases(one.author))
        say(f"{len(done.posts):,} posts are forgotten.{flagged}", done.warning)
        return self._posts.opened(author)

    @told
    def asked_of_all(self, author: str | None) -> Updates:
        author = author_or_sorry(author)
        versions = [name.removeprefix(f"{author}@") for name in self._app.registry.names(author)]
        champion = ", also the champion" if self._app.registry.champion(author) else ""
        those = f" and delete every version ({', '.join(versions)}){champion}" if versions else ""
        return self.certain.ask(
            f"Forget every post of {author}{those}? Kept conversations, drafts, verdicts and reports go, too, and so "
            "does what a stopped training has left. What was exported or downloaded is yours to delete. This "
            "cannot be undone."
        )

    @told
    def all_forgotten(self, author: str | None) -> Updates:
        """No version stays: the page shows those of authors with posts alone, so nobody could delete it here any more."""
        author = author_or_sorry(author)
        acts.require_author(self._app, author)
        done = acts.forget(self._app, author, models=True)
        deleted = f", and {', '.join(done.versions)} deleted" if done.versions else ""
        say(f"{author} is forgotten: {len(done.posts):,} posts{deleted}.", done.warning)
        return self._posts.opened(None)

    def _one(self, author: str | None, id: str) -> SourceStatus:
        rows = self._app.store.sightings.sources(author_or_sorry(author))
        for row in rows:
            if _id(row) == id:
                return row
        raise NotFound("that place is not there any more", "choose one of the list")


def _id(row: SourceStatus) -> str:
    return sha256(row.address.encode()).hexdigest()[:12]
