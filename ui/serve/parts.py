"""What the routes have in common, and whether it is ready."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from ui.serve.answering import Answering
from ui.serve.catalogue import Catalogue
from ui.serve.keys import Caller
from ui.serve.metrics import Metrics
from ui.wiring import App


class Readiness:
    """`status` is "loading", "ready", "no posts", or "failed: " with the kind of error."""

    def __init__(self, app: App, catalogue: Catalogue) -> None:
        self._app, self._catalogue = app, catalogue
        self._status = "loading"

    @property
    def status(self) -> str:
        if self._status == "no posts":  # an ingest beside the server ends that
            self.warm()
        return self._status

    def start(self) -> None:
        threading.Thread(target=self.warm, daemon=True, name="warm").start()

    def warm(self) -> None:
        """Load what the first answer needs. What is wrong is said at the first question, too."""
        try:
            authors = self._catalogue.authors(Caller("ready"))
            if authors:
                self._app.twin.warm(authors[0])
            self._status = "ready" if authors else "no posts"
        except Exception as error:  # whatever a model raises as it loads, who asks must not wait for it for ever
            self._status = f"failed: {type(error).__name__}"


@dataclass(frozen=True)
class Parts:
    app: App
    catalogue: Catalogue
    answering: Answering
    metrics: Metrics
    readiness: Readiness
