"""What the routes have in common, and whether it is ready."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from math import inf

from inference_pipeline.leaving import aside
from ui.serve.answering import Answering
from ui.serve.catalogue import Catalogue
from ui.serve.keys import Caller
from ui.serve.metrics import Metrics
from ui.wiring import App

AGAIN = 3.0  # seconds between two tries to load, or two looks at a remote server


class Readiness:
    """`status` is "loading", "ready", "no posts", or "failed: " with the kind of error, until it is tried again."""

    def __init__(self, app: App, catalogue: Catalogue, again: float = AGAIN) -> None:
        """Raises UsageError where the remote server's address is none."""
        self._app, self._catalogue, self._remote, self._again = app, catalogue, app.remote, again
        self._status, self._tried, self._trying = "loading", -inf, threading.Lock()

    @property
    def status(self) -> str:
        """An ingest beside the server, a model that is put right and a remote server that comes or goes change it."""
        settled = self._status == "ready" and not self._remote
        soon = self._status != "no posts" and time.monotonic() - self._tried < self._again
        if not settled and not soon:
            self.warm()
        return self._status

    def start(self) -> None:
        aside(self.warm, "warm")

    def warm(self) -> None:
        """Load what the first answer needs; whoever comes meanwhile does not wait for it. What is wrong is said at the first
        question, too."""
        if not self._trying.acquire(blocking=False):
            return
        where = ""
        try:
            authors = self._catalogue.authors(Caller("ready"))
            if authors and self._remote:
                where = ", from the remote server"
                self._remote.served()
                where = ""
            if authors:
                self._app.twin.warm(authors[0])
            self._status = "ready" if authors else "no posts"
        except Exception as error:  # whatever a model raises as it loads, who asks must not wait for it for ever
            self._status = f"failed: {type(error).__name__}{where}"
        finally:
            self._tried = time.monotonic()
            self._trying.release()


@dataclass(frozen=True)
class Parts:
    app: App
    catalogue: Catalogue
    answering: Answering
    metrics: Metrics
    readiness: Readiness
