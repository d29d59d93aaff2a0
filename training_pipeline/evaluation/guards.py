"""Guards: what an imitation must not cost, and what tells a good one from copies and word salad.

Definitions
    forgetting        mean over passages of generic text of (NLL(adapter) − NLL(base)) / bytes, nats per byte. The passages
                      are our own, generic.txt: reference authors' posts would hide it, as an adapter learns their genre too
    fluency           NLL(base) of a text by itself, nats per byte; in band: within 5-95 % of the author's own held-out
                      posts. Word salad lies above the band, loops and copies of common text below
    distinct-3        different runs of three words by all such runs, of each text (Li et al. 2016, arXiv 1510.03055)
    length ratio      words of a text by words of the author's post on the same instruction, as far as both may go
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import numpy as np

from contracts.records import Figure
from training_pipeline.evaluation.bootstrap import Sample, figure
from training_pipeline.evaluation.verify import Band

FEWEST_FOR_A_BAND = 20  # the author's texts: of fewer, the 5th percentile is the least


def generic_passages() -> list[str]:
    text = (resources.files("training_pipeline.evaluation") / "generic.txt").read_text(encoding="utf-8")
    return [passage.strip() for passage in text.split("\n\n") if passage.strip()]


def forgetting(base: Sequence[float], adapted: Sequence[float]) -> Figure:
    """Of the passages' nats per byte."""
    return figure(
        [np.stack([base, adapted], axis=-1)[:, None]], lambda means: means[0][:, 1] - means[0][:, 0], "nats/byte"
    )


def fluency_in_band(generated: Sample, own: Sequence[float]) -> Figure:
    """Share of texts, shape (posts, seeds), whose nats per byte lie in the author's own band."""
    if len(own) < FEWEST_FOR_A_BAND:
        return Figure(value=None, n=len(own), note=f"{len(own)} posts, needs {FEWEST_FOR_A_BAND}")
    band = Band.of(own)
    return figure([(generated >= band.low) & (generated <= band.high)], lambda means: means[0], "of outputs")


def strange(generated: Sample, own: Sequence[float]) -> Figure:
    """Share of texts above the author's own band: a twentieth of the author's are. Loops lie below it, word salad above."""
    if len(own) < FEWEST_FOR_A_BAND:
        return fluency_in_band(generated, own)
    return figure([generated > Band.of(own).high], lambda means: means[0], "of outputs")


def distinct_3(texts: Sequence[str], each: int = 1) -> Figure:
    return figure([np.reshape([_distinct_3(text) for text in texts], (-1, each))], lambda means: means[0])


def length_ratio(texts: Sequence[str], own: Sequence[str], each: int = 1) -> Figure:
    """`own` has one text for `each` of `texts`."""
    ratios = [len(text.split()) / max(len(own[n // each].split()), 1) for n, text in enumerate(texts)]
    return figure([np.reshape(ratios, (-1, each))], lambda means: means[0])


def _distinct_3(text: str) -> float:
    words = text.lower().split()
    runs = list(zip(words, words[1:], words[2:], strict=False))
    return len(set(runs)) / len(runs) if runs else 0.0
