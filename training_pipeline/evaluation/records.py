"""What a version proved, as records. Loads nothing heavy: reports and cards are made from these alone."""

from __future__ import annotations

from typing import Literal

from contracts.records import Figure, Record, Span

Condition = Literal["base", "base+retrieval", "adapter", "adapter+retrieval"]
CONDITIONS: tuple[Condition, ...] = ("base", "base+retrieval", "adapter", "adapter+retrieval")
HUMAN = "human"
"""The author's own held-out posts: the ceiling."""
OTHERS = "others"
"""The reference authors' posts: the floor."""


class Written(Record):
    """One generated text: which model wrote it, with or without passages, for the instruction of a held-out post."""

    condition: Condition
    post_id: str
    """The held-out post whose instruction was given."""
    seed: int
    instruction: str
    text: str
    evidence: tuple[Span, ...] = ()


class LongestCopy(Record):
    """The longest span that a generated text shares with a post that the model was trained on or was shown."""

    words: int
    text: str
    post_id: str
    condition: Condition


class Evaluation(Record):
    """What a version proved; stored as evaluation.json beside its card, without the texts.

    A version never changes. A text may hold words of a post that is to be forgotten one day, so texts are kept apart.
    """

    figures: dict[str, Figure]
    deltas: dict[str, float]
    """Post id of a held-out post → NLL(base) − NLL(adapter), nats per byte."""
    reference_deltas: dict[str, float]
    written: tuple[Written, ...]
    verification: dict[str, list[float]]
    """Condition, `human` or `others` → verification score of each pooled text."""
    longest_copy: LongestCopy | None
    verifier: str = ""
    """Fingerprint of the verifier that gave the scores; empty where none may judge, and in older proofs."""

    @property
    def has_texts(self) -> bool:
        return bool(self.written) and all(text.instruction for text in self.written)

    def without_texts(self) -> Evaluation:
        written = tuple(text.model_copy(update={"instruction": "", "text": ""}) for text in self.written)
        copied = self.longest_copy and self.longest_copy.model_copy(update={"text": ""})
        return self.model_copy(update={"written": written, "longest_copy": copied})


class Comparison(Record):
    """Two versions on the same posts: b − a."""

    difference: float
    low: float
    high: float
    p: float
    """Of a two-sided paired permutation test."""
    smallest_detectable: float
    """The difference that such a test finds four times in five at the 5 % level."""
    n: int
    """Posts that both were measured on."""
