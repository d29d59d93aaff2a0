"""The switches of what is being written: one for each browser tab, that ends it on Stop and when the tab goes away."""

from __future__ import annotations

import threading
from typing import Any

import gradio as gr

from ui.page.tabs.shared import not_yet


class Switches:
    """At most one writing for each browser tab. The server keeps nothing else about a tab that is not looked at."""

    def __init__(self) -> None:
        self._of: dict[str, threading.Event] = {}

    def begin(self, request: gr.Request) -> None:
        """Make the tab's switch. Raises what the page shows where something is being written for it already."""
        stop = threading.Event()
        if self._of.setdefault(session(request), stop) is not stop:
            raise not_yet("An answer is being written: wait for it, or press Stop.")

    def get(self, request: gr.Request) -> threading.Event | None:
        """The tab's switch; None where nothing is being written for it."""
        return self._of.get(session(request))

    def end(self, request: gr.Request) -> None:
        """It is written, or nobody waits for it any more."""
        if stop := self._of.pop(session(request), None):
            stop.set()

    def close(self) -> None:
        for stop in list(self._of.values()):
            stop.set()

    def stopped(self, request: gr.Request) -> Any:
        """Stop was pressed; what the button says until the writing has ended."""
        stop = self.get(request)
        if stop is None:
            return gr.skip()
        stop.set()
        return gr.update(value="Stopping…", interactive=False)


def session(request: gr.Request) -> str:
    """The browser tab: a new one at every load of the page."""
    return str(request.session_hash)
