"""The Posts tab: take posts in, see what became of them, look through what is stored, and forget some of it."""

from __future__ import annotations

import logging
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from contracts.errors import NotFound, StoreBusy, TwinError, UsageError
from contracts.files import file_name, sha256_of
from feature_pipeline.topics import Maps
from ui import acts
from ui.page import markup as html
from ui.page import show_posts, show_versions
from ui.page.jobs import Jobs
from ui.page.passages import problem
from ui.page.tabs.shared import (
    CLICKS,
    NOW,
    PLAIN,
    QUEUED,
    WATCHED,
    Sure,
    Tab,
    Updates,
    author_or_sorry,
    into_view,
    say,
    told,
)
from ui.page.tabs.sources import Sources
from ui.page.temporary import LARGEST_UPLOAD, uploads
from ui.page.temporary import NAME as TEMPORARY
from ui.wiring import App

if TYPE_CHECKING:
    from ui.page.shell import Shell

A_PAGE = 20  # posts
FORMATS = [
    ("Any kind", ""),
    ("Articles", "article"),
    ("Notes", "note"),
    ("Replies", "reply"),
    ("Documents", "document"),
]
ADDRESS = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE)
ASIDE = (
    "Exports of LinkedIn, X, Medium, Substack, WordPress, Ghost, Mastodon and others, as you got them; Markdown, HTML, Word "
    "and PDF files. Files are read once and not kept. A folder on this machine is read by a command: "
)
LIMIT = (
    f"At most {LARGEST_UPLOAD >> 20} MB at once, all files together; take the rest in after it. A larger archive: unpack it "
    "and drop the files with the posts."
)

log = logging.getLogger(__name__)


class Posts(Tab):
    id, label = "posts", "Posts"

    def __init__(self, app: App, jobs: Jobs) -> None:
        super().__init__(app, jobs)
        self._maps = Maps(app.store)
        self.sources = Sources(app, jobs)

    def lay_out(self) -> None:
        self.first: gr.State = gr.State(0)
        self.read: gr.State = gr.State("")
        self.of: gr.State = gr.State("")  # whose posts are listed
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=2, min_width=320):
                self._lay_out_intake()
            with gr.Column(scale=3, min_width=320):
                self._lay_out_store()

    def _lay_out_intake(self) -> None:
        gr.HTML('<h2 class="title2">Take posts in</h2>', **PLAIN)
        self.whose: gr.Textbox = gr.Textbox(
            label="Whose posts", placeholder="Your name", max_length=80, elem_id="whose"
        )
        self.files = gr.File(label="Files or archives", file_count="multiple", elem_id="files", height=150)
        gr.HTML(html.aside(LIMIT), elem_id="files-limit", **PLAIN)
        self.address: gr.Textbox = gr.Textbox(
            label="Or an address: a blog, a feed, an account",
            placeholder="https://",
            max_length=2000,
            elem_id="address",
        )
        self.reference = gr.Checkbox(label="Another person, only to compare with", elem_id="reference")
        with gr.Row():
            self.take = gr.Button("Take in", variant="primary", elem_id="take", min_width=90)
            self.look = gr.Button("Look first", elem_id="look", min_width=90)
            self.stop = gr.Button("Stop", variant="stop", elem_id="stop-posts", visible=False, min_width=90)
        self.progress: gr.HTML = gr.HTML(elem_id="posts-progress", **PLAIN)
        self.report: gr.HTML = gr.HTML(elem_id="report", **PLAIN)
        gr.HTML(f'<p class="aside">{ASIDE}<code>twin ingest ~/my-posts --author "Me"</code></p>', **PLAIN)

    def _lay_out_store(self) -> None:
        self.summary: gr.HTML = gr.HTML(elem_id="summary", **WATCHED)
        self.sources.lay_out()
        self.topics: gr.HTML = gr.HTML(elem_id="topics", **CLICKS)
        with gr.Row():
            self.words: gr.Textbox = gr.Textbox(
                label="Words in them", max_length=200, elem_id="words", scale=3, min_width=140
            )
            self.format: gr.Dropdown = gr.Dropdown(
                FORMATS, value="", label="Kind", elem_id="format", scale=2, min_width=120
            )
        self.list: gr.HTML = gr.HTML(elem_id="list", **CLICKS)
        with gr.Row():
            self.newer = gr.Button("Newer", elem_id="newer", min_width=90)
            self.older = gr.Button("Older", elem_id="older", min_width=90)
        self.post: gr.HTML = gr.HTML(elem_id="post", **PLAIN)
        self.forget = gr.Button("Forget this post", variant="stop", elem_id="forget", visible=False)
        self.sure = Sure("forget", "Forget it for good")
        self.sources.lay_out_author()

    def wire(self, shell: Shell) -> None:
        self.timer = shell.timer
        given = [self.whose, self.files, self.address, self.reference, shell.author]
        running = [self.progress, self.report, self.take, self.look, self.stop, self.files, self.address, shell.timer]
        self.take.click(self.taken, given, running, **QUEUED)
        self.look.click(self.looked, given, running, **QUEUED)
        self.stop.click(self.stopped, [shell.author, self.whose], running, **NOW)

        looked_for = [shell.author, self.words, self.format]
        found = [self.list, self.first, self.newer, self.older]
        gr.on(
            [self.words.change, self.format.change],
            self.searched,
            looked_for,
            found,
            trigger_mode="always_last",
            **QUEUED,
        )
        self.newer.click(self.turned_back, [*looked_for, self.first], found, **QUEUED)
        self.older.click(self.turned, [*looked_for, self.first], found, **QUEUED)
        shown = [self.post, self.read, self.forget, *self.sure.outputs()]
        opened = gr.on([self.list.click, self.topics.click], self.shown, shell.author, shown, **QUEUED)
        opened.success(None, js=into_view("post"), **NOW)
        led = shell.chat.to_post.click(self.led_to, shell.author, [*shown, self.of], **QUEUED)
        here = led.success(lambda: gr.Tabs(selected=self.id), None, shell.strip, **NOW)
        here.success(None, js="() => { window.keepInView('post'); }", **NOW)
        # What is stored has changed, or is somebody else's; the map takes seconds, and the tab does not wait for it.
        self.summary.change(self.mapped, shell.author, self.topics, **QUEUED)
        self.forget.click(self.asked, self.read, self.sure.outputs(), **NOW)
        forgotten = [shell.author, self.read, self.words, self.format]
        self.sources.wire(self, shell, running)
        gone = self.sure.yes.click(self.forgotten, forgotten, self.outputs(), **QUEUED)
        self.gone = [gone, *self.sources.gone]

    def standing(self) -> list[Any]:
        return [self.whose, self.of, self.words, self.format, self.first, self.read]

    def outputs(self) -> list[Any]:
        intake = [self.whose, self.progress, self.report, self.take, self.look, self.stop]
        store = [self.summary, self.list, self.first, self.newer, self.older, self.post, self.read, self.forget]
        fresh = [self.of, self.words, self.format]
        return [*intake, *fresh, *store, *self.sure.outputs(), *self.sources.outputs()]

    # ---- what stands on it ------------------------------------------------------------------------------------------

    def opened(self, author: str | None) -> Updates:
        """What is being typed stays; the list begins anew."""
        whose = gr.update(placeholder=author or "Your name")
        fresh = {self.whose: whose, self.of: author or "", self.words: "", self.format: ""}
        return {**self._intake(author), **fresh, **self._store(author), **self._closed_post()}

    def revisited(self, author: str | None, *standing: Any) -> Updates:
        """What is looked for, and the post that is open, as long as they are of this author."""
        whose, of, words, format, first, read = standing
        if author is None or of != author:
            return {**self.opened(author), **self._intake(author, whose)}
        drawn = {**self._intake(author, whose), **self._store(author, words, format, first)}
        gone = read and not any(self._app.store.posts_by_id([read]))
        return {**drawn, **self._closed_post()} if gone else drawn

    def ticked(self, author: str | None, *standing: Any) -> Updates:
        return self._intake(author, standing[0])

    def _intake(self, author: str | None, whose: str = "") -> Updates:
        """What is being read. What would be taken in, and is not stored, is shown where its author is named alone."""
        job = self._jobs.get("posts")
        busy = job is not None and job.state == "running"
        found = job.result if job and job.state == "done" else {}
        if job and "posts" in found and job.author != (whose.strip() or author):
            found = {}
        return {
            self.progress: html.job(job),
            self.report: show_posts.outcome(found) if job else self._last_report(author),
            self.take: gr.update(visible=not busy),
            self.look: gr.update(visible=not busy),
            self.stop: gr.update(visible=busy),
        }

    def _last_report(self, author: str | None) -> str:
        """Of the last reading that came to its end, before this page was started."""
        last = self._app.store.last_report(author) if author else None
        return (
            html.aside(f"The last reading, of {last['finished']:%Y-%m-%d %H:%M}:") + show_posts.report(last)
            if last
            else ""
        )

    def _store(self, author: str | None, words: str = "", format: str = "", first: int = 0) -> Updates:
        if not author:
            drawn = {**self.found(None, "", ""), **self.sources.drawn(None)}
            return {self.summary: html.aside("Nothing is stored yet."), **drawn}
        store = self._app.store
        listed = store.catalogue
        summary = show_posts.summary(
            author, store.corpus(author), listed.years(author), listed.lengths(author), listed.sources(author)
        )
        return {self.summary: summary, **self.found(author, words, format, first), **self.sources.drawn(author)}

    def _closed_post(self) -> Updates:
        return {self.post: "", self.read: "", self.forget: gr.update(visible=False), **self.sure.closed()}

    # ---- taking in --------------------------------------------------------------------------------------------------

    @told
    def taken(self, whose: str, files: list[str] | None, address: str, reference: bool, author: str | None) -> Updates:
        return self._begin("ingest", whose, author, files, address, reference)

    @told
    def looked(self, whose: str, files: list[str] | None, address: str, reference: bool, author: str | None) -> Updates:
        return self._begin("preview", whose, author, files, address, reference)

    def _begin(
        self, do: str, whose: str, chosen: str | None, files: list[str] | None, address: str, reference: bool
    ) -> Updates:
        from feature_pipeline.pipeline import check_author

        named = whose.strip() or chosen
        if not named:
            raise UsageError("nobody is named", "say whose posts these are")
        author = check_author(named)
        now = self._jobs.get("posts")
        if now and now.state == "running":
            raise StoreBusy(f"{now.what} is not finished", "wait for its end, or stop it")
        addresses = _addresses(address)
        if not files and not addresses:
            raise UsageError("there is nothing to read", "drop a file, or paste an address that begins with https://")
        what = f"{'Reading' if do == 'ingest' else 'Looking at'} the posts of {author}"
        folder = uploads(self._app.home) / file_name(author)

        def clear() -> None:
            shutil.rmtree(folder, ignore_errors=True)

        clear()
        try:
            part = {"sources": [*_kept(self._app.home, folder, files or []), *addresses], "author": author}
            request = {"do": do, "parts": [{**part, "reference": reference}]}
            self._jobs.start("posts", what, author, request, clear)
        except BaseException:
            clear()
            raise
        drawn = self.begun(chosen, whose)
        if do == "preview":  # the files stay, to be taken in after it
            return drawn
        for file in files or []:
            Path(file).unlink(missing_ok=True)
        return {**drawn, self.files: None, self.address: ""}

    def begun(self, chosen: str | None, whose: str) -> Updates:
        """Posts are being read; the clock draws how far."""
        return {**self._intake(chosen, whose), self.timer: gr.Timer(active=True)}

    def stopped(self, author: str | None, whose: str) -> Updates:
        self._jobs.stop("posts")
        return self._intake(author, whose)

    # ---- looking through --------------------------------------------------------------------------------------------

    def found(self, author: str | None, words: str, format: str, first: int = 0) -> Updates:
        if not author:
            return {
                self.list: "",
                self.first: 0,
                self.newer: gr.update(visible=False),
                self.older: gr.update(visible=False),
            }
        total, rows = self._app.store.catalogue.page(author, words, format, first, A_PAGE)
        return {
            self.list: show_posts.listing(rows, total, first, bool(words or format)),
            self.first: first,
            self.newer: gr.update(visible=first > 0),
            self.older: gr.update(visible=first + A_PAGE < total),
        }

    def mapped(self, author: str | None) -> Iterator[str]:
        """The map, and before it where it takes a while that it is being made; what is wrong stands in its place."""
        if not author:
            yield ""
            return
        try:
            if self._maps.get(author) is None:
                yield html.aside("Placing the posts by what they are about…")
            yield show_posts.topics(author, self._maps.of(author))
        except TwinError as error:
            yield problem(error.message, error.hint)
        except Exception:  # the tab must stay usable; the details are for the terminal
            log.exception("the map of topics is not drawn")
            yield problem("The map of topics cannot be drawn", "the terminal that runs the twin says what is wrong")

    @told
    def searched(self, author: str | None, words: str, format: str) -> Updates:
        return self.found(author, words, format)

    @told
    def turned(self, author: str | None, words: str, format: str, first: int) -> Updates:
        return self.found(author, words, format, first + A_PAGE)

    @told
    def turned_back(self, author: str | None, words: str, format: str, first: int) -> Updates:
        return self.found(author, words, format, max(0, first - A_PAGE))

    @told
    def shown(self, author: str | None, event: gr.EventData) -> Updates:
        post = self._app.store.post(str(event.id), author_or_sorry(author))
        return {
            self.post: show_posts.post(post),
            self.read: post.id,
            self.forget: gr.update(visible=True),
            **self.sure.closed(),
        }

    def led_to(self, author: str | None, event: gr.EventData) -> Updates:
        """A link elsewhere on the page leads to a post. That the list is of its author keeps it open as the tab is drawn."""
        return {**self.shown(author, event), self.of: author}

    # ---- forgetting -------------------------------------------------------------------------------------------------

    def asked(self, post_id: str) -> Updates:
        return self.sure.ask(
            "Forget this post? It goes from the store, the index and the reports, no later reading brings it back, and "
            "versions that learned from it are flagged. Kept answers and drafts with its words go, too, and so does what a "
            "stopped training has left. This cannot be undone."
        )

    @told
    def forgotten(self, author: str | None, post_id: str, words: str, format: str) -> Updates:
        author = author_or_sorry(author)
        self._app.store.post(post_id, author)  # of this author, and still there
        done = acts.forget(self._app, author, [post_id])
        flagged = show_versions.learned(done.adapters, self._app.registry.aliases(author))
        say(f"The post is forgotten.{flagged}", done.warning)
        return {**self._intake(author), **self._store(author, words, format), **self._closed_post()}


def _kept(home: Path, folder: Path, files: Sequence[str]) -> list[str]:
    """The uploads in `folder`, each under the name and at the place that it has each time.

    Files of one name, as each export has its posts.csv, lie apart by what is in them.
    """
    names = Counter(Path(file).name for file in files)
    kept = []
    for file in map(Path, files):
        if not file.is_file() or not file.resolve().is_relative_to(home.resolve() / TEMPORARY):
            raise NotFound(f"{file.name} is not here any more", "drop it again")
        target = (folder / sha256_of(file)[:12] if names[file.name] > 1 else folder) / file.name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(file, target)
        kept.append(str(target))
    return list(dict.fromkeys(kept))


def _addresses(given: str) -> list[str]:
    """Web addresses alone: whoever reaches the page must not read this machine's files through it. Raises UsageError."""
    wanted = given.split()
    for address in wanted:
        if not ADDRESS.fullmatch(address):
            raise UsageError(f"“{address}” is no web address", "paste one that begins with https://, or drop the file")
    return wanted
