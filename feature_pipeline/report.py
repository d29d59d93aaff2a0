"""What a run met, counted. Every run ends with one, and the store keeps it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from contracts.records import Snapshot
from feature_pipeline.sources import Refusal

EXAMPLES = 3  # of each reason: enough to see what is meant


def named(what: str, said: str) -> str:
    """What was said, with the name of what it was said of, once. A short id may stand in it by chance."""
    once = said.startswith(f"{what} ") or ("/" in what and what in said)
    return said if once else f"{what}: {said}".rstrip(": ")


@dataclass
class SourceReport:
    """One source's part of a run. `error` says why it could not be read; `complete`, that it listed all that it has."""

    address: str
    found: int = 0
    complete: bool = False
    error: str = ""


@dataclass
class Report:
    """`found` = added + changed + unchanged + duplicate + refused."""

    author: str
    found: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    duplicate: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """By reason."""
    examples_of_refusals: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Sources that could not be read, with the error."""
    gone: dict[str, str] = field(default_factory=dict)
    """Sources whose address is no more, and of which nothing is stored: nothing has failed, and there is a way out."""
    deleted: int = 0
    withheld: int = 0
    """Not deleted, since a listing that lost half of what is known is rather broken than true."""
    chunks: int = 0
    embedded: int = 0
    examples: int = 0
    seconds: float = 0.0
    sources: list[SourceReport] = field(default_factory=list)
    corpus: dict[str, Any] = field(default_factory=dict)
    """What is stored of the author after the run: posts, words, dates, languages, formats."""
    snapshot: Snapshot | None = None

    @property
    def kept(self) -> int:
        return self.added + self.changed + self.unchanged

    @property
    def stored(self) -> int:
        return self.kept + self.duplicate

    def refuse(self, refusal: Refusal) -> None:
        self.refused[refusal.reason] = self.refused.get(refusal.reason, 0) + 1
        examples = self.examples_of_refusals.setdefault(refusal.reason, [])
        if len(examples) < EXAMPLES:
            examples.append(named(refusal.source_id, refusal.detail))

    def as_json(self) -> dict[str, Any]:
        snapshot = self.snapshot.model_dump() if self.snapshot else None
        return {**asdict(self), "kept": self.kept, "stored": self.stored, "snapshot": snapshot}
