"""How much like its author a text is: what the adapter makes of it against what its base model does, in nats per byte.

Placed in the band of the author's own held-out posts, which the version was never trained on. Both are scored through the
prompt that asks for a post without passages, as the band was. An adapter finds what it wrote itself likely, so the meter
tells a text that the author would not have written rather than how good an imitation is; that is the report's business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from contracts.files import read_json
from contracts.model_registry import ModelVersion
from contracts.prompt import Message
from contracts.records import Answer

_MARKER = re.compile(r" \[\d+\]")

SHORTEST = 80  # bytes; under it a few words decide
FEWEST = 10  # of the author's own posts, for a band
LOW, HIGH = 0.05, 0.95


class Scorer(Protocol):
    def nll(self, messages: Sequence[Message], text: str) -> tuple[float, int]:
        """How unlikely the text is as the answer, in nats, and its bytes as far as it was read."""


@dataclass(frozen=True)
class Style:
    """All but `posts` and `share` in nats per byte: NLL under the base model minus NLL under the adapter."""

    delta: float
    low: float
    """Of the author's own held-out posts: a twentieth gain less than this."""
    median: float
    high: float
    posts: int
    share: float
    """Of the author's own posts, those that gain less than this text."""

    @property
    def says(self) -> str:
        """In plain words, to the author."""
        if self.delta > self.high:
            return "more like you than your own posts are: imitation overdone"
        if self.delta >= self.median:
            return "as much like you as your own posts"
        if self.delta >= self.low:
            return f"like you, though {1 - self.share:.0%} of your own posts are more so"
        return "less like you than nearly all of your own posts" if self.delta > 0 else "not like you"


def measure(adapted: Scorer, base: Scorer, conversation: Sequence[Message], text: str, own: Sequence[float]) -> Style:
    """`own`: the same of each of the author's held-out posts."""
    (high, length), (low, _) = base.nll(conversation, text), adapted.nll(conversation, text)
    return place((high - low) / length, own)


def place(delta: float, own: Sequence[float]) -> Style:
    low, median, high = (float(value) for value in np.quantile(own, [LOW, 0.5, HIGH]))
    return Style(delta, low, median, high, len(own), sum(value < delta for value in own) / len(own))


def own_posts(version: ModelVersion) -> list[float]:
    """ΔNLL of each held-out post, as the version's evaluation has kept it; none where it has not, or too few for a band."""
    kept = read_json(version.folder / "evaluation.json")
    deltas = kept.get("deltas") if isinstance(kept, Mapping) else None
    values = [float(value) for value in deltas.values()] if isinstance(deltas, Mapping) else []
    return values if len(values) >= FEWEST else []


def said(answer: Answer) -> str:
    """What the model said: the answer without its markers, and without the quotation that was put behind it."""
    end = len(answer.answer)
    for last in answer.sentences[-1:]:
        if last.evidence and answer.answer[last.start : last.end].endswith(f"“{last.evidence.text}”"):
            end = last.start
    return _MARKER.sub("", answer.answer[:end]).strip()
