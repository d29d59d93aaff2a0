"""The switches of what is being written: one for each browser tab, that ends it on Stop and when the tab goes away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import gradio as gr

from contracts.errors import TwinError
from ui.page.jobs import Jobs
from ui.page.tabs.shared import Tab, Updates, not_yet
from ui.wiring import App

if TYPE_CHECKING:
    from ui.page.shell import Shell

log = logging.getLogger(__name__)


@dataclass
class End:
    """How a writing ended; `mine`: nobody has ended its switch meanwhile, as leaving the tab or its author does."""

    problem: tuple[str, str] | None = None
    stopped: bool = False
    mine: bool = False


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

    @contextmanager
    def writing(self, request: gr.Request, stop: threading.Event) -> Iterator[End]:
        """Around what is written until `stop` is set: what fails in it is told by its end, and then the switch is gone."""
        end = End()
        try:
            yield end
        except TwinError as error:
            end.problem = (error.message, error.hint)
        except Exception:  # the page must stay usable whatever an engine raises; the details are for the terminal
            log.exception("what was asked for is not written")
            end.problem = ("Something failed inside the twin", "the terminal that runs it says what")
        finally:
            end.stopped, end.mine = stop.is_set(), self.get(request) is stop
            if end.mine:
                self.end(request)

    def close(self) -> None:
        for stop in list(self._of.values()):
            stop.set()

    def stopped(self, request: gr.Request, button: gr.Button, free: Callable[[], Updates]) -> Updates:
        """Stop was pressed; what the button says until the writing has ended.

        Where nothing is being written any more, as after a lost connection, `free` frees the page.
        """
        stop = self.get(request)
        if stop is None:
            return free()
        stop.set()
        return {button: gr.update(value="Stopping…", interactive=False)}


class WritingTab(Tab):
    """A tab on which something is written, until Stop, or until the browser's tab or the page goes away."""

    def __init__(self, app: App, jobs: Jobs) -> None:
        super().__init__(app, jobs)
        self._switches = Switches()

    def wire(self, shell: Shell) -> None:
        shell.blocks.unload(self._switches.end)

    def close(self) -> None:
        self._switches.close()


def session(request: gr.Request) -> str:
    """The browser tab: a new one at every load of the page."""
    return str(request.session_hash)
