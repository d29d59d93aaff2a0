"""How much like its author a text is: what the adapter makes of it against what its base model does, in nats per byte.

Placed in the band of the author's own held-out posts, which the version was never trained on. Both are scored through the
prompt that asks for a post without passages, as the band was. An adapter finds what it wrote itself likely, so the meter
tells a text that the author would not have written rather than how good an imitation is; that is the report's business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from contracts.files import read_json
from contracts.model_registry import ModelVersion
from contracts.prompt import Message
from contracts.records import Answer, Style

_MARKER = re.compile(r" \[\d+\]")

SHORTEST = 80  # bytes; under it a few words decide
FEWEST = 10  # of the author's own posts, for a band
LOW, HIGH = 0.05, 0.95


class Scorer(Protocol):
    def nll(self, messages: Sequence[Message], text: str) -> tuple[float, int]:
        """How unlikely the text is as the answer, in nats, and its bytes as far as it was read."""


def measure(adapted: Scorer, base: Scorer, conversation: Sequence[Message], text: str, own: Sequence[float]) -> Style:
    """`own`: the same of each of the author's held-out posts."""
    (high, length), (low, _) = base.nll(conversation, text), adapted.nll(conversation, text)
    return place((high - low) / length, own)


def place(delta: float, own: Sequence[float]) -> Style:
    low, median, high = (float(value) for value in np.quantile(own, [LOW, 0.5, HIGH]))
    share = sum(value < delta for value in own) / len(own)
    return Style(delta=delta, low=low, median=median, high=high, posts=len(own), share=share)


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
