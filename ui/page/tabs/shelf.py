"""The kept drafts beside the draft: each one that is written, with its edits; find one, open it, delete it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import gradio as gr

from contracts.errors import NotFound, TwinError, UsageError
from contracts.feature_store.drafts import LISTED, KeptDraft
from inference_pipeline.drafting.assemble import heading
from ui import acts
from ui.page import drafting
from ui.page.drafting import Sheet
from ui.page.markup import kept_list
from ui.page.passages import problem
from ui.page.tabs.kept import user
from ui.page.tabs.shared import CLICKS, NOW, QUEUED, Sure, Updates, not_yet, say, sorry, told
from ui.wiring import App

if TYPE_CHECKING:
    from ui.page.tabs.draft import Draft

NONE = "None yet: what is written here is kept on this machine."
LONGEST_TEXT = 17_000  # characters


class Shelf:
    def __init__(self, app: App) -> None:
        self._app = app

    def lay_out(self) -> None:
        with gr.Accordion("Kept drafts", open=False, elem_id="drafts") as self.box:
            self.new = gr.Button("New draft", elem_id="draft-new", size="sm")
            self.words: gr.Textbox = gr.Textbox("", label="Words in them", max_length=200, elem_id="drafts-words")
            self.list: gr.HTML = gr.HTML(elem_id="drafts-list", **CLICKS)
            self.delete = gr.Button("Delete this one", visible=False, variant="stop", elem_id="draft-delete", size="sm")
            self.sure = Sure("draft", "Delete it")

    def wire(self, tab: Draft, author: gr.Dropdown) -> None:
        self._tab = tab
        standing, all_ = [tab.sheet, tab.text], [*tab.drawn_in(), self.list]
        listed = [author, tab.sheet, self.words]
        self.box.expand(self.found, listed, self.list, **NOW)
        self.words.change(self.found, listed, self.list, trigger_mode="always_last", **NOW)
        tab.text.input(self.saved, [*standing, tab.of], None, trigger_mode="always_last", **NOW)
        tab.keep.click(self.kept, standing, all_, **QUEUED)
        self.new.click(self.begun, [author, *standing], [*all_, tab.title, tab.points], **QUEUED)
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

    def found(self, author: str | None, sheet: Sheet | None, words: str, request: gr.Request) -> str:
        return self.listed(author, sheet, request, words)

    def listed(self, author: str | None, sheet: Sheet | None, request: gr.Request, words: str = "") -> str:
        if not author:
            return ""
        kept = self._app.store.drafts.all(user(self._app, request), author, words)
        none = "No draft has these words." if words.strip() else NONE
        return kept_list(kept, sheet.id if sheet else "", none, LISTED)

    @told
    def kept(self, sheet: Sheet | None, text: str, request: gr.Request) -> Updates:
        if sheet is None:
            raise not_yet("There is no draft yet.")
        made = self._keep(sheet, text, request)
        say("The draft is kept on this machine")
        listed = self.listed(made.draft.author, made, request)
        edited_on = {part: gr.skip() for part in (self._tab.note, self._tab.text, self._tab.export)}
        return {**self._tab.drawn(made), **edited_on, self.list: listed}

    def kept_at_once(self, draft: KeptDraft, request: gr.Request) -> tuple[Sheet, str]:
        """What was written just now, and why it is not kept where it cannot be."""
        try:
            return self._keep(Sheet(draft), draft.text, request), ""
        except TwinError as error:
            return Sheet(draft), problem(error.message, error.hint)

    def saved(self, sheet: Sheet | None, text: str, of: str, request: gr.Request) -> None:
        """Each edit, as it is typed; not one of the draft that stood there before. What cannot be kept is told by Keep."""
        if sheet and sheet.id and sheet.id == of and text.strip():
            with suppress(TwinError):
                self._keep(sheet, text, request)

    @told
    def put_away(self, sheet: Sheet | None, text: str, request: gr.Request) -> None:
        """Keep what is not kept; not where nothing is left of it, or it or its posts are gone."""
        if sheet and text.strip() and (not sheet.id or text != sheet.draft.text):
            with suppress(NotFound):
                self._keep(sheet, text, request)

    @told
    def opened(
        self, author: str | None, sheet: Sheet | None, text: str, event: gr.EventData, request: gr.Request
    ) -> Updates:
        self._tab.free_or_sorry(request)
        self.put_away(sheet, text, request)
        one = self._app.store.drafts.get(user(self._app, request), str(event.id))
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
    def begun(self, author: str | None, sheet: Sheet | None, text: str, request: gr.Request) -> Updates:
        """An empty desk. What stood on it is kept."""
        self._tab.free_or_sorry(request)
        self.put_away(sheet, text, request)
        empty = {self._tab.title: "", self._tab.points: ""}
        return {**self._tab.drawn(None), self.list: self.listed(author, None, request), **empty}

    def asked(self) -> Updates:
        return self.sure.ask("Delete this draft? This cannot be undone.")

    @told
    def deleted(self, author: str | None, sheet: Sheet | None, request: gr.Request) -> Updates:
        self._tab.free_or_sorry(request)
        settled = self._app.store.drafts.delete(user(self._app, request), sheet.id if sheet else "")
        say("The draft is deleted.", acts.left(settled))
        return {**self._tab.drawn(None), self.list: self.listed(author, None, request)}

    def _keep(self, sheet: Sheet, text: str, request: gr.Request) -> Sheet:
        if len(text) > LONGEST_TEXT and text != sheet.draft.text:
            raise UsageError(f"a draft may have {LONGEST_TEXT:,} characters", "take some of it into another one")
        now = sheet.draft.model_copy(update={"text": text})
        return Sheet(now, self._app.store.drafts.keep(user(self._app, request), now, sheet.id))
