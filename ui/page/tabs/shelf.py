"""The kept drafts beside the draft: keep the one that stands there, open another, delete it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import gradio as gr

from contracts.errors import TwinError
from inference_pipeline.drafting.assemble import heading
from ui.page import drafting
from ui.page.drafting import Sheet
from ui.page.markup import kept_list
from ui.page.tabs.kept import user
from ui.page.tabs.shared import CLICKS, NOW, QUEUED, Sure, Updates, not_yet, say, sorry, told
from ui.wiring import App

if TYPE_CHECKING:
    from ui.page.tabs.draft import Draft

NONE = "None yet: “Keep” keeps a draft on this machine."


class Shelf:
    def __init__(self, app: App) -> None:
        self._app = app

    def lay_out(self) -> None:
        with gr.Accordion("Kept drafts", open=False, elem_id="drafts") as self.box:
            self.new = gr.Button("New draft", elem_id="draft-new", size="sm")
            self.list: gr.HTML = gr.HTML(elem_id="drafts-list", **CLICKS)
            self.delete = gr.Button("Delete this one", visible=False, variant="stop", elem_id="draft-delete", size="sm")
            self.sure = Sure("draft", "Delete it")

    def wire(self, tab: Draft, author: gr.Dropdown) -> None:
        self._tab = tab
        standing, all_ = [tab.sheet, tab.text], [*tab.drawn_in(), self.list]
        self.box.expand(self.listed, [author, tab.sheet], self.list, **NOW)
        tab.keep.click(self.kept, standing, all_, **QUEUED)
        self.new.click(self.begun, author, [*all_, tab.title, tab.points], **QUEUED)
        self.list.click(self.opened, [author, *standing], [*all_, tab.title, tab.points], **QUEUED)
        self.delete.click(self.asked, None, self.sure.outputs(), **NOW)
        self.sure.yes.click(self.deleted, [author, tab.sheet], all_, **QUEUED)
        author.input(lambda: gr.update(open=False), None, self.box, **NOW)

    def outputs(self) -> list[Any]:
        return [self.delete, *self.sure.outputs()]

    def drawn(self, sheet: Sheet | None) -> Updates:
        """What can be done with the draft that stands there."""
        return {self.delete: gr.update(visible=bool(sheet and sheet.id)), **self.sure.closed()}

    # ---- handlers ---------------------------------------------------------------------------------------------------

    def listed(self, author: str | None, sheet: Sheet | None, request: gr.Request) -> str:
        if not author:
            return ""
        return kept_list(self._app.store.drafts.all(user(request), author), sheet.id if sheet else "", NONE)

    @told
    def kept(self, sheet: Sheet | None, text: str, request: gr.Request) -> Updates:
        if sheet is None:
            raise not_yet("There is no draft yet.")
        made = self._keep(sheet, text, request)
        say("The draft is kept on this machine")
        listed = self.listed(made.draft.author, made, request)
        edited_on = {part: gr.skip() for part in (self._tab.note, self._tab.text, self._tab.export)}
        return {**self._tab.drawn(made), **edited_on, self.list: listed}

    def put_away(self, sheet: Sheet | None, text: str, request: gr.Request) -> None:
        """Keep what is not kept, as it cannot be asked about; not where nothing is left of it, or its posts are gone."""
        if sheet and (not sheet.id or text != sheet.draft.text):
            with suppress(TwinError):
                self._keep(sheet, text, request)

    @told
    def opened(
        self, author: str | None, sheet: Sheet | None, text: str, event: gr.EventData, request: gr.Request
    ) -> Updates:
        self._tab.free_or_sorry(request)
        if sheet and not sheet.id:
            raise sorry("This draft is not kept yet", "press Keep, or New draft to drop it")
        unchanged_or_sorry(sheet, text)
        one = self._app.store.drafts.get(user(request), str(event.id))
        if one.author != author:
            raise sorry("That draft is by another author’s twin", "choose the author on top")
        made = Sheet(one, str(event.id))
        first = heading(one.parts[0].point) if one.parts else ""
        return {
            **self._tab.drawn(made),
            self.list: self.listed(author, made, request),
            self._tab.title: one.title if one.title != first else "",
            self._tab.points: drafting.lines(one.parts),
        }

    @told
    def begun(self, author: str | None, request: gr.Request) -> Updates:
        """An empty desk. What is kept stays."""
        self._tab.free_or_sorry(request)
        empty = {self._tab.title: "", self._tab.points: ""}
        return {**self._tab.drawn(None), self.list: self.listed(author, None, request), **empty}

    def asked(self) -> Updates:
        return self.sure.ask("Delete this draft? This cannot be undone.")

    @told
    def deleted(self, author: str | None, sheet: Sheet | None, request: gr.Request) -> Updates:
        self._tab.free_or_sorry(request)
        self._app.store.drafts.delete(user(request), sheet.id if sheet else "")
        say("The draft is deleted")
        return {**self._tab.drawn(None), self.list: self.listed(author, None, request)}

    def _keep(self, sheet: Sheet, text: str, request: gr.Request) -> Sheet:
        now = sheet.draft.model_copy(update={"text": text})
        return Sheet(now, self._app.store.drafts.keep(user(request), now, sheet.id))


def unchanged_or_sorry(sheet: Sheet | None, text: str) -> None:
    """Edits that are not kept are not written over."""
    if sheet and text != sheet.draft.text:
        raise sorry("What you have changed in this draft is not kept yet", "press Keep, or New draft to drop it")
