"""What the tabs have in common: what a tab is, how it is wired, how an error is told, and how to ask first."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr

from contracts.errors import TwinError
from ui.page.jobs import Jobs
from ui.wiring import App

if TYPE_CHECKING:
    from ui.page.shell import Shell

PLAIN: dict[str, Any] = {"apply_default_css": False, "js_on_load": None}
CLICKS: dict[str, Any] = {
    "apply_default_css": False,
    "js_on_load": "element.addEventListener('click', event => {"
    " const button = event.target.closest('[data-id]'); if (button) trigger('click', {id: button.dataset.id}); })",
}
"""HTML whose buttons and dots tell their `data-id`."""
WATCHED: dict[str, Any] = {
    "apply_default_css": False,
    "js_on_load": "if (props.value) trigger('change'); watch('value', () => trigger('change'))",
}
"""HTML that tells when other HTML is put into it, also where that is there before the tab is."""


def links(kind: str) -> dict[str, Any]:
    """Empty HTML that tells which link of this kind was clicked, wherever on the page: `<a class="mine" href="#mine-3">` has
    the id 3. Gradio's chat lets no other attribute of our own through."""
    return {
        "apply_default_css": False,
        "visible": "hidden",
        "js_on_load": "document.addEventListener('click', event => {"
        f" const link = event.target.closest?.('a.{kind}'); if (!link) return; event.preventDefault();"
        f" trigger('click', {{id: link.hash.slice('#{kind}-'.length)}}); }})",
    }


# Private: no second way in for a program that is not this page. Stop and the clock never stand in the queue; what may be
# refused does, as Gradio shows messages and errors of queued events alone.
NOW: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
QUEUED: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

LONGEST_QUESTION = 4_000  # characters
LOST = ("Nothing came: too many requests are waiting, or the connection was lost", "try again in a minute")

log = logging.getLogger(__name__)

Updates = dict[Any, Any]
Handler = TypeVar("Handler", bound=Callable[..., Any])


class Tab:
    """A tab: `lay_out` makes its components, `wire` its events; `opened` and `ticked` say what stands on it."""

    id = ""
    label = ""

    def __init__(self, app: App, jobs: Jobs) -> None:
        self._app, self._jobs = app, jobs

    def lay_out(self) -> None: ...

    def wire(self, shell: Shell) -> None: ...

    def outputs(self) -> list[Any]:
        """Every component that `opened` and `ticked` may change."""
        return []

    def opened(self, author: str | None) -> Updates:
        """Everything that stands on it, for this author."""
        return {}

    def standing(self) -> list[Any]:
        """What `revisited` and `ticked` must know of what stands on it."""
        return []

    def revisited(self, author: str | None, *standing: Any) -> Updates:
        """The tab is looked at, maybe again, or a job has ended: what was chosen on it stays where it still can."""
        return self.opened(author)

    def ticked(self, author: str | None, *standing: Any) -> Updates:
        """What a running job changes, about once a second."""
        return {}

    def changed(self, drawn: Updates, standing: Sequence[Any]) -> Updates:
        """Without the choices that stand already: somebody may make another before this arrives, and that is to stay."""
        drawn = dict(drawn)
        for component, stood in zip(self.standing(), standing, strict=True):
            update = drawn.get(component)
            if isinstance(update, dict) and update.get("__type__") == "update" and update.get("value") == stood:
                drawn[component] = {what: how for what, how in update.items() if what != "value"}
        return drawn

    def close(self) -> None:
        """The page ends: so does everything that is being written for it."""


class Sure:
    """Asks before something that cannot be undone; `ask` shows the question, and `yes` is the button that does it."""

    def __init__(self, name: str, yes: str) -> None:
        with gr.Column(visible=False, elem_id=f"{name}-sure", elem_classes="sure") as self.box:
            self.words: gr.HTML = gr.HTML(**PLAIN)
            with gr.Row():
                self.yes = gr.Button(yes, variant="stop", elem_id=f"{name}-yes", min_width=90)
                self.no = gr.Button("Leave it", elem_id=f"{name}-no", min_width=90)
        self.no.click(self.closed, None, self.outputs(), **NOW)

    def outputs(self) -> list[Any]:
        return [self.box, self.words]

    def ask(self, question: str) -> Updates:
        return {self.box: gr.update(visible=True), self.words: f'<p role="alert">{escape(question)}</p>'}

    def closed(self) -> Updates:
        return {self.box: gr.update(visible=False), self.words: ""}


def told(handler: Handler) -> Handler:
    """An error becomes a message on the page, with its way out; what stood there stays. What nobody foresaw is logged."""

    @functools.wraps(handler)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        try:
            return handler(*arguments, **named)
        except TwinError as error:
            raise sorry(error.message, error.hint) from error
        except gr.Error:
            raise
        except Exception as error:
            log.exception("what was asked for is not done")
            raise sorry(
                "Something failed inside the twin", "try it again; the terminal that runs it says what"
            ) from error

    return wrapped  # type: ignore[return-value]


def sorry(message: str, hint: str = "", title: str = "Not done") -> gr.Error:
    return gr.Error(escape(in_sentences(message, hint)), title=title, print_exception=False)


def in_sentences(message: str, hint: str) -> str:
    """What was found, and the way out; where that is a command, it says so."""
    said = f"{message[:1].upper()}{message[1:]}"
    if not hint:
        return said
    return f"{said}. " + (f"In a terminal: {hint}" if hint.startswith("twin ") else f"{hint[:1].upper()}{hint[1:]}")


def not_yet(message: str) -> gr.Error:
    return sorry(message, title="Not yet")


def say(message: str, warning: str = "") -> None:
    """Tell what was done, and what of it is not."""
    gr.Info(escape(message), title="Done")
    if warning:
        gr.Warning(escape(warning), title="Done but for one thing")


def into_view(element: str) -> str:
    """JavaScript for after something is shown that may stand below what can be seen."""
    return (
        f"() => {{ document.getElementById('{element}')?.scrollIntoView({{behavior: 'smooth', block: 'nearest'}}); }}"
    )


def author_or_sorry(author: str | None) -> str:
    if not author:
        raise sorry("There is no author yet", "take posts in first, under Posts")
    return author


def question_or_sorry(question: str, author: str | None) -> tuple[str, str]:
    """The question without space around it, and whose twin is asked."""
    question = question.strip()
    if not question or not author:
        raise not_yet("Write a question first.")
    if len(question) > LONGEST_QUESTION:
        raise not_yet(f"A question may have {LONGEST_QUESTION:,} characters; this one has {len(question):,}.")
    return question, author


def length_told(question: gr.Textbox) -> None:
    """Below a box: that what is typed or pasted there is too long. All of it stays, to be shortened."""
    note = gr.HTML(**PLAIN)
    question.change(None, question, note, js=f"question => window.tooLong(question, {LONGEST_QUESTION})", **NOW)


def options(names: Sequence[str], first: str | None = None) -> Any:
    """A picker's update: these names, the first of them or `first` chosen."""
    value = first if first in names else next(iter(names), None)
    return gr.update(choices=list(names), value=value, interactive=bool(names))
