"""The Settings tab: what the settings are and mean, what is in memory, and whether everything is there and whole."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from contracts.errors import TwinError
from ui.doctor import Check, checks
from ui.page import markup as html
from ui.page.passages import problem
from ui.page.tabs.shared import PLAIN, QUEUED, Tab, Updates
from ui.settings import Settings as Values

if TYPE_CHECKING:
    from ui.page.shell import Shell

SECRET = re.compile(r"(\A|_)(keys?|password|secret)\Z")
HOW = (
    "They are read when the page starts, from the environment or from twin.toml in the home folder, and are changed there: "
    "a page that could change them could also be made to read or send what is nobody’s business."
)
PARTS = {"store": "search over the posts", "base_model": "base model", "engine": "engine", "twin": "twin"}


class Settings(Tab):
    id, label = "settings", "Settings"

    def lay_out(self) -> None:
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=3, min_width=320):
                self.values: gr.HTML = gr.HTML(elem_id="settings", **PLAIN)
            with gr.Column(scale=2, min_width=320):
                self.memory: gr.HTML = gr.HTML(elem_id="memory", **PLAIN)
                self.check = gr.Button("Check everything", elem_id="check", variant="primary")
                self.health: gr.HTML = gr.HTML(elem_id="health", **PLAIN)

    def wire(self, shell: Shell) -> None:
        self.check.click(self.checked, None, [self.health, self.check], concurrency_limit=1, **QUEUED)

    def outputs(self) -> list[Any]:
        return [self.values, self.memory]

    def opened(self, author: str | None) -> Updates:
        try:
            memory = self._memory()
        except TwinError as error:
            memory = problem(error.message, error.hint)
        return {self.values: self._values(), self.memory: memory}

    def _values(self) -> str:
        settings = self._app.settings
        rows = []
        for name, field in Values.model_fields.items():
            value = getattr(settings, name)
            shown = _safe(name, value)
            default = "" if value == field.default else '<span class="badge">changed</span>'
            means = escape(field.description or "").replace("`", "")
            variable = f"TWIN_{name.upper()}"
            rows.append(
                f'<tr><th scope="row">{escape(name.replace("_", " "))}<small>{variable}</small></th>'
                f"<td>{escape(shown)}{default}<small>{means}</small></td></tr>"
            )
        table = f'<div class="wide"><table class="facts"><tbody>{"".join(rows)}</tbody></table></div>'
        return html.section("Settings", html.paragraphs(HOW) + table)

    def _memory(self) -> str:
        made = [words for name, words in PARTS.items() if name in vars(self._app)]
        running = [f"{job.what} ({html.duration(job.seconds)})" for job in self._jobs.running()]
        snapshot = self._app.store.snapshot()
        rows = [
            ("Home", str(self._app.home)),
            ("Stored", f"{snapshot.posts:,} posts, {snapshot.chunks:,} chunks, snapshot {snapshot.id}"),
            ("Loaded", ", ".join(made) or "nothing yet"),
            ("Memory of this page", _memory_used()),
            ("Processor cores", str(os.cpu_count() or "unknown")),
            ("In the background", "; ".join(running) or "nothing"),
        ]
        return html.section("On this machine", html.table(rows))

    def checked(self) -> Iterator[Updates]:
        """Each check as it is done: the models are loaded for some of them."""
        done: list[Check] = []
        yield {self.health: _health(done, True), self.check: gr.update(interactive=False)}
        for check in checks(lambda: self._app):
            done.append(check)
            yield {self.health: _health(done, True)}
        yield {self.health: _health(done, False), self.check: gr.update(interactive=True)}


def _health(done: list[Check], more: bool) -> str:
    rows = [("Well" if check.ok else "Wrong", check.what, check.detail) for check in done]
    wrong = sum(not check.ok for check in done)
    words = "Checking…" if more else f"{wrong} of {len(done)} need you." if wrong else "Everything is there and whole."
    return html.section("Health", f'<p role="status">{words}</p>' + (html.table(rows) if rows else ""))


def _safe(name: str, value: object) -> str:
    """A value as it may be shown: never a key, nor the password in an address."""
    if value is None:
        return "not set"
    if SECRET.search(name):
        return "set"
    return re.sub(r"://[^/@\s]*@", "://…@", str(value))


def _memory_used() -> str:
    try:
        import resource
        import sys

        unit = 2**20 if sys.platform == "darwin" else 2**10
        return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit:,} MiB at most so far"
    except ImportError:
        return "unknown"
