"""The models that a caller may ask: each id carries its author, so that no request can mix two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from contracts.errors import NotFound
from inference_pipeline.twin import BASE
from ui.serve.keys import Caller
from ui.wiring import App


@dataclass(frozen=True)
class Served:
    """`model` is what the twin takes: None lets it choose."""

    id: str
    author: str
    model: str | None
    created: int = 0


class Catalogue:
    def __init__(self, app: App) -> None:
        self._app = app

    def authors(self, caller: Caller) -> list[str]:
        """Those with posts whom the caller may ask; reference authors are there to be compared with, not to be asked."""
        known = self._app.store.authors()
        return [author.name for author in known if author.posts and not author.reference and caller.may(author.name)]

    def author(self, name: str, caller: Caller) -> str:
        if name not in self.authors(caller):
            raise NotFound(f"no author {name[:100]!r}", "GET /v1/models lists them")
        return name

    def models(self, caller: Caller) -> list[Served]:
        return [served for author in self.authors(caller) for served in self._of(author)]

    def get(self, model: str, caller: Caller) -> Served:
        """Raises NotFound, with the same words for what is not there and what the caller may not ask."""
        for served in self.models(caller):
            if served.id == model:
                return served
        raise NotFound(f"no model {model[:100]!r}", "GET /v1/models lists them")

    def _of(self, author: str) -> Iterator[Served]:
        """`author` alone is what answers by default; then the aliases, the versions from the newest, and the base model."""
        registry = self._app.registry
        champion, challenger = registry.champion(author), registry.challenger(author)
        yield Served(author, author, None, int(champion.card.created.timestamp()) if champion else 0)
        for alias, version in (("champion", champion), ("challenger", challenger)):
            if version:
                yield Served(f"{author}@{alias}", author, version.name, int(version.card.created.timestamp()))
        for version in reversed(registry.versions(author)):
            yield Served(version.name, author, version.name, int(version.card.created.timestamp()))
        yield Served(f"{author}@{BASE}", author, BASE)
