"""`twin doctor`: is everything that the twin needs there, and whole? An index that is not is made again from the ledger."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.errors import TwinError

if TYPE_CHECKING:
    from ui.wiring import App

PACKAGES = ("torch", "transformers", "peft", "trl", "sentence-transformers", "qdrant-client", "langchain", "gradio")


@dataclass(frozen=True)
class Check:
    what: str
    ok: bool
    detail: str


def checks(app: Callable[[], App]) -> Iterator[Check]:
    """Each check runs whatever became of the others."""
    made: list[App] = []

    def parts() -> App:
        if not made:
            made.append(app())
        return made[0]

    planned: tuple[tuple[str, Callable[[], str]], ...] = (
        ("packages", lambda: ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)),
        ("settings", lambda: f"base model {parts().settings.base_model}, embedder {parts().settings.embedder}"),
        ("home", lambda: _home(parts())),
        ("embedder", lambda: _embedder(parts())),
        ("store", lambda: _store(parts())),
        ("registry", lambda: _registry(parts())),
        ("base model", lambda: f"{parts().base_model.name}, {parts().base_model.hash}"),
        ("remote server", lambda: _remote(parts())),
    )
    for what, check in planned:
        try:
            yield Check(what, True, check())
        except TwinError as error:
            yield Check(what, False, str(error))
        except (OSError, importlib.metadata.PackageNotFoundError) as error:
            yield Check(what, False, f"{type(error).__name__}: {error}")


def _home(app: App) -> str:
    if not os.access(app.home, os.W_OK):
        raise TwinError(f"{app.home} cannot be written to", "set TWIN_HOME to a folder of yours")
    return str(app.home)


def _embedder(app: App) -> str:
    from inference_pipeline.grounding.answerable import fitted

    works = f"{app.store.embedder.embed(['a test']).shape[1]} dimensions"
    if app.store.active() is None or fitted(app.store):
        return works
    return (
        f"{works}; no thresholds were fitted for it: words alone decide what is refused and which sentences are supported, "
        "so more is refused and fewer are marked"
    )


def _remote(app: App) -> str:
    if app.remote is None:
        return "none: text is generated in this process"
    names = ", ".join(sorted(app.remote.served()))
    return f"it serves {names}" if names else "it answers, and does not say what it serves"


def _store(app: App) -> str:
    """Where the index does not hold what the ledger does, it is made again from it."""
    snapshot, indexed = app.store.snapshot(), app.store.index_size()
    repaired = ""
    if snapshot.chunks != indexed:
        app.store.remake_index()
        repaired = f" (the index held {indexed}, and was made again)"
        snapshot, indexed = app.store.snapshot(), app.store.index_size()
    if snapshot.chunks != indexed:
        raise TwinError(
            f"the ledger holds {snapshot.chunks} chunks, the index {indexed}, also when it is made again",
            "run it again when nothing is ingested",
        )
    return f"{snapshot.posts} posts, {snapshot.chunks} chunks, all of them indexed{repaired}"


def _registry(app: App) -> str:
    names = [version.name for author in app.registry.authors() for version in app.registry.versions(author)]
    for name in names:
        app.registry.checked(name)
    damaged = [str(path) for author in app.registry.authors() for path in app.registry.damaged(author)]
    if damaged:
        raise TwinError(f"no readable card in {', '.join(damaged)}", "delete them, or put their card.json back")
    return f"{len(names)} versions, every file as its card says"
