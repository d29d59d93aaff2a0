"""How far the passages support a sentence of an answer: by the words they share, or by meaning where the words differ.

Neither is entailment. Two things that both overlook are looked for by themselves: a "not" that was lost or added, and a
number that the passage's sentence does not have. With either, a sentence is inferred at best. docs/grounding.md has how
often the classes are right. Of an embedder that the two cosines were not set for, meaning is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.orders import withheld
from contracts.records import Passage, Support
from inference_pipeline.grounding.sentences import content_words, negated, numbers, sentences, spoken

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Embed = Callable[[Sequence[str]], NDArray[np.float32]]

SHARED = 0.5  # share of a sentence's content words
FEWEST_SHARED = 3  # words; two in common are chance
PARAPHRASE = 0.70  # cosine of two sentences that say the same, by the embedders in answerable.FITTED
NEAR = 0.50  # … of two sentences on the same thing
NEAR_SHARED = 0.34  # share of content words


@dataclass(frozen=True)
class Source:
    """A sentence of a passage. `passage` counts from 1, as markers do; `start` and `end` are places in its text."""

    passage: int
    start: int
    end: int
    text: str
    words: frozenset[str]


@dataclass(frozen=True)
class Judged:
    support: Support
    source: Source | None


def sources(passages: Sequence[Passage]) -> list[Source]:
    """The sentences of all passages; an order to the model is no evidence."""
    cut = (
        (number, passage.text, start, end)
        for number, passage in enumerate(passages, start=1)
        for start, end in sentences(passage.text)
        if not any(first <= start < last for first, last in withheld(passage.text))
    )
    return [Source(n, a, b, text[a:b], frozenset(content_words(text[a:b]))) for n, text, a, b in cut]


def judge(texts: Sequence[str], known: Sequence[Source], embed: Embed | None = None) -> list[Judged]:
    """What the sources say to each sentence. Only sentences that words leave open are embedded."""
    # A sentence that a passage has as its own, however short: "It is a good one." has no content word to compare.
    whole = {said: Judged("supported", source) for source in reversed(known) if (said := spoken(source.text))}
    judged = [whole.get(spoken(text)) or _by_words(text, known) for text in texts]
    telling = [source for source in known if source.words]
    unsettled = [
        place for place, found in enumerate(judged) if found.support != "supported" and content_words(texts[place])
    ]
    if unsettled and telling and embed:
        cosines = embed([texts[place] for place in unsettled]) @ embed([source.text for source in telling]).T
        for place, row in zip(unsettled, cosines, strict=True):
            nearest = int(row.argmax())
            judged[place] = max(
                judged[place], _by_meaning(texts[place], telling[nearest], float(row[nearest])), key=_rank
            )
    return judged


def _by_words(text: str, known: Sequence[Source]) -> Judged:
    words = content_words(text)
    source = max(known, key=lambda source: len(words & source.words), default=None)
    if source is None or not words:
        return Judged("unsupported", None)
    shared = len(words & source.words)
    if shared >= FEWEST_SHARED and shared >= SHARED * len(words):
        return _agreeing(text, source)
    near = shared >= FEWEST_SHARED - 1 and shared >= NEAR_SHARED * len(words)
    return Judged("inferred", source) if near else Judged("unsupported", None)


def _by_meaning(text: str, source: Source, cosine: float) -> Judged:
    if cosine >= PARAPHRASE:
        return _agreeing(text, source)
    return Judged("inferred", source) if cosine >= NEAR else Judged("unsupported", None)


def _agreeing(text: str, source: Source) -> Judged:
    agree = negated(text) == negated(source.text) and numbers(text) <= numbers(source.text)
    return Judged("supported" if agree else "inferred", source)


def _rank(judged: Judged) -> int:
    return ("unsupported", "inferred", "supported").index(judged.support)
