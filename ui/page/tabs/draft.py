"""The Draft tab: a title or points become an outline, the outline a draft, section by section, to be edited and kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from contracts.errors import TwinError, UsageError
from inference_pipeline.drafting.draft import Piece, draft, said
from inference_pipeline.drafting.outline import FEWEST_WORDS, LONGEST_POINT, MOST_SECTIONS, Brief, outline
from inference_pipeline.twin import Question
from ui.page import drafting
from ui.page import markup as html
from ui.page.drafting import Sheet, Writing
from ui.page.jobs import Jobs
from ui.page.passages import model_choices, problem
from ui.page.tabs.shared import LOST, NOW, PLAIN, QUEUED, Updates, into_view, not_yet, sorry, told
from ui.page.tabs.shelf import LONGEST_TEXT, Shelf
from ui.page.tabs.switches import WritingTab, session
from ui.wiring import App

if TYPE_CHECKING:
    from ui.page.shell import Shell

MOST_WORDS = 2_500
REDRAW = 0.1  # seconds between two updates of the page: all of the draft is drawn each time


class Draft(WritingTab):
    id, label = "draft", "Draft"

    def __init__(self, app: App, jobs: Jobs) -> None:
        super().__init__(app, jobs)
        self.shelf = Shelf(app)

    def lay_out(self) -> None:
        self.sheet: gr.State = gr.State(None)
        self.writing: gr.State = gr.State(None)
        self.words: gr.HTML = gr.HTML(visible=False, elem_id="draft-words", **PLAIN)
        with gr.Row(visible=False, elem_classes="columns") as self.desk:
            with gr.Column(scale=2, min_width=320):
                self._lay_out_brief()
                self.shelf.lay_out()
            with gr.Column(scale=3, min_width=320):
                self.note: gr.HTML = gr.HTML(elem_id="draft-note", **PLAIN)
                with gr.Column(visible=False) as self.finished:
                    self.text: gr.Textbox = gr.Textbox(
                        "",
                        label="The draft, as Markdown: edit it here",
                        elem_id="draft-text",
                        lines=16,
                        max_lines=40,
                        max_length=LONGEST_TEXT,
                    )
                    self.of: gr.Textbox = gr.Textbox("", visible=False)  # of which draft the text is
                    with gr.Row(elem_id="draft-acts"):
                        self.keep = gr.Button("Keep", variant="primary", elem_id="draft-keep", scale=0, min_width=110)
                        self.export: gr.HTML = gr.HTML(elem_id="draft-export", **PLAIN)
                self.paper: gr.HTML = gr.HTML(elem_id="draft-paper", **PLAIN)
                self.sources: gr.HTML = gr.HTML(elem_id="draft-sources", **PLAIN)

    def _lay_out_brief(self) -> None:
        gr.HTML('<h2 class="title2">Draft a post</h2>', **PLAIN)
        self.title = gr.Textbox("", label="Title", elem_id="draft-title", max_length=LONGEST_POINT)
        self.points: gr.Textbox = gr.Textbox(
            "",
            label="Points, one a line: each becomes a section",
            placeholder="Leave it empty to have them found in your posts",
            elem_id="draft-points",
            lines=4,
            max_lines=MOST_SECTIONS,
            max_length=MOST_SECTIONS * LONGEST_POINT,
        )
        with gr.Row():
            self.length = gr.Number(
                400,
                label="About how many words",
                minimum=FEWEST_WORDS,
                maximum=MOST_WORDS,
                precision=0,
                elem_id="draft-length",
                min_width=120,
            )
            self.model: gr.Dropdown = gr.Dropdown([], label="Model version", elem_id="draft-model", min_width=160)
        shapes = [("Sections under headings", "article"), ("Paragraphs", "note")]
        self.format = gr.Radio(shapes, value="article", label="Format", elem_id="draft-format")
        with gr.Row():
            self.plan = gr.Button("Outline", elem_id="draft-plan", min_width=110)
            self.write = gr.Button("Write it", variant="primary", elem_id="draft-write", min_width=110)
            self.stop = gr.Button("Stop", variant="stop", visible=False, elem_id="draft-stop", min_width=110)
        self.outline: gr.HTML = gr.HTML(elem_id="draft-outline", **PLAIN)

    def wire(self, shell: Shell) -> None:
        super().wire(shell)
        brief = [shell.author, self.title, self.points, self.length, self.format]
        drawn = self.drawn_in()
        self.plan.click(self.planned, brief, [self.outline, self.points], **QUEUED)
        begun = self.write.click(self.begun, [*brief, self.model, self.sheet, self.text], drawn, **QUEUED)
        begun.success(None, js=into_view("draft-paper"), **NOW)
        written = begun.success(
            self.written,
            self.writing,
            [*drawn, self.points],
            trigger_mode="multiple",
            **QUEUED,
        )
        written.failure(self.refused, self.writing, [*drawn, self.points], **NOW)
        self.stop.click(self.stopped, None, drawn, **NOW)
        self.text.change(self.linked, [self.sheet, self.text], self.export, trigger_mode="always_last", **NOW)
        self.shelf.wire(self, shell.author)
        shell.author.input(self.left_behind, [self.sheet, self.text], drawn, **NOW)

    def outputs(self) -> list[Any]:
        return [self.words, self.desk, *self.drawn_in()]

    def standing(self) -> list[Any]:
        return [self.sheet, self.model]

    # ---- what stands on it ------------------------------------------------------------------------------------------

    def opened(self, author: str | None) -> Updates:
        """Who can write. What is written stays."""
        return self._models(author, None)

    def revisited(self, author: str | None, *standing: Any) -> Updates:
        sheet, model = standing
        left = sheet is not None and sheet.draft.author != author
        return {**self._models(author, model), **(self.drawn(None) if left else {})}

    def _models(self, author: str | None, chosen: str | None) -> Updates:
        try:
            models = self._app.twin.models(author) if author else []
            words = "" if author else html.aside("There is no author yet: take posts in, under Posts.")
        except TwinError as error:
            models, words = [], problem(error.message, error.hint)
        value = chosen if chosen in models else next(iter(models), None)
        return {
            self.words: gr.update(value=words, visible=bool(words)),
            self.desk: gr.update(visible=not words),
            self.model: gr.update(choices=model_choices(models), value=value),
        }

    # ---- brief, outline, draft --------------------------------------------------------------------------------------

    @told
    def planned(self, author: str | None, title: str, points: str, length: float | None, format: str) -> Updates:
        """The outline, as it would be written now; its points become lines, to be changed, moved or taken out."""
        made = outline(self._app.twin, _brief(author, title, points, length, format))
        parts = drafting.parts(made)
        return {self.outline: drafting.outline(parts), self.points: drafting.lines(parts) or points}

    @told
    def begun(
        self,
        author: str | None,
        title: str,
        points: str,
        length: float | None,
        format: str,
        model: str | None,
        sheet: Sheet | None,
        text: str,
        request: gr.Request,
    ) -> Updates:
        brief = replace(_brief(author, title, points, length, format), user=session(request))  # so that tabs take turns
        name = self._app.twin.resolve(Question(brief.title or brief.points[0], brief.author), model)
        self.shelf.put_away(sheet, text, request)  # it stays among the kept ones; this is to be another
        self._switches.begin(request)
        return self._busy(Writing(brief, name))

    def written(self, writing: Writing | None, request: gr.Request) -> Iterator[Updates]:
        """Have it written, and redraw it as it goes. Closed by Gradio when the tab goes away."""
        stop, drawn = self._switches.get(request), 0.0
        if stop is None or writing is None:  # as it waited, the tab was gone for a while, or another author chosen
            yield self.drawn(None) if writing else gr.skip()
            return
        over = False
        try:
            with self._switches.writing(request, stop) as end:
                stream = draft(self._app.twin, writing.brief, writing.model, stop)
                with closing(stream) as events:  # type: ignore[type-var]  # it is a generator
                    for event in events:
                        writing = writing.after(event)
                        if self._switches.get(request) is not stop:
                            return  # another author's twin is asked by now
                        if not isinstance(event, Piece):
                            yield self._so_far(writing)
                        elif time.monotonic() - drawn > REDRAW:
                            yield {self.paper: writing.paper()}
                            drawn = time.monotonic()
            if over := end.mine:
                note = problem(*end.problem) if end.problem else ""
                if writing.whole:
                    note = html.aside(("Stopped: " if end.stopped else "") + said(writing.whole))
                yield self._ended(writing, note, request)
        finally:
            if not over:  # nobody looks at it any more; it will be found among the kept ones
                made = writing.kept()
                self.shelf.put_away(Sheet(made), made.text, request)

    def refused(self, writing: Writing | None, request: gr.Request) -> Updates:
        """The queue took no more, or Gradio lost the draft: then what is whole of it stays."""
        self._switches.end(request)
        return self._ended(writing, problem(*LOST), request) if writing else self.drawn(None, problem(*LOST))

    def stopped(self, request: gr.Request) -> Updates:
        return self._switches.stopped(request, self.stop, lambda: self._buttons(busy=False))

    def left_behind(self, sheet: Sheet | None, text: str, request: gr.Request) -> Updates:
        """Another author is chosen. What was edited is kept."""
        self._switches.end(request)
        with suppress(gr.Error):  # the author is another one already
            self.shelf.put_away(sheet, text, request)
        return self.drawn(None)

    # ---- its text ---------------------------------------------------------------------------------------------------

    def linked(self, sheet: Sheet | None, text: str) -> str:
        return drafting.download(sheet.draft.title, text, sheet.draft.parts) if sheet else ""

    def free_or_sorry(self, request: gr.Request) -> None:
        if self._switches.get(request):
            raise not_yet("A draft is being written: wait for it, or press Stop.")

    # ---- drawing ----------------------------------------------------------------------------------------------------

    def drawn_in(self) -> list[Any]:
        brief = [self.model, self.plan, self.write, self.stop, self.outline]
        sheet = [self.note, self.paper, self.finished, self.text, self.of, self.export, self.sources]
        return [self.sheet, self.writing, *brief, *sheet, *self.shelf.outputs()]

    def drawn(self, sheet: Sheet | None, note: str = "") -> Updates:
        """Nothing is being written: the draft as it stands, to be edited."""
        one = sheet.draft if sheet else None
        return {
            self.sheet: sheet,
            self.writing: None,
            **self._buttons(busy=False),
            self.outline: drafting.outline(one.parts) if one else "",
            self.note: note,
            self.paper: drafting.as_written(one) if one else "",
            self.finished: gr.update(visible=one is not None),
            self.text: one.text if one else "",
            self.of: sheet.id if sheet else "",
            self.export: drafting.download(one.title, one.text, one.parts) if one else "",
            self.sources: drafting.sources(one.parts) if one else "",
            **self.shelf.drawn(sheet),
        }

    def _busy(self, writing: Writing) -> Updates:
        return {**self.drawn(None), **self._buttons(busy=True), self.writing: writing, self.paper: writing.paper()}

    def _so_far(self, writing: Writing) -> Updates:
        parts = writing.kept().parts
        return {
            self.writing: writing,
            self.outline: drafting.outline(parts),
            self.paper: writing.paper(),
            self.sources: drafting.sources(parts),
        }

    def _ended(self, writing: Writing, note: str, request: gr.Request) -> Updates:
        """What there is of it, kept, to be edited; also where it was stopped, or failed."""
        made = writing.kept()
        sheet, why_not = self.shelf.kept_at_once(made, request) if made.text else (None, "")
        outlined = drafting.outline(made.parts) if writing.planned else ""
        return {
            **self.drawn(sheet, note + why_not),
            self.outline: outlined,
            self.points: drafting.lines(made.parts) or "\n".join(writing.brief.points),
        }

    def _buttons(self, busy: bool) -> Updates:
        return {
            self.model: gr.update(interactive=not busy),
            self.plan: gr.update(interactive=not busy),
            self.write: gr.update(visible=not busy),
            self.stop: gr.update(visible=busy, value="Stop", interactive=True),
        }


def _brief(author: str | None, title: str, points: str, length: float | None, format: str) -> Brief:
    """What was asked for; the message says what is missing."""
    lines, title = drafting.points(points), " ".join(title.split())
    if not author or not (title or lines):
        raise not_yet("Write a title first, or points, one a line.")
    if length is None or not FEWEST_WORDS <= length <= MOST_WORDS:
        raise not_yet(f"A draft here has {FEWEST_WORDS} to {MOST_WORDS:,} words.")
    try:
        return Brief(author, title, lines, int(length), "note" if format == "note" else "article")
    except UsageError as error:  # its hint is a command
        raise sorry(error.message, "change the title or the points") from error
