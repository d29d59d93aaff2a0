"""Two versions on the same posts: what differs, and whether one sounds less like its author than the champion.

V is a z-score among reference authors, by a verifier that is fitted anew for each version: more posts or other authors shift
it. So the V of two cards is never compared but where one verifier has scored both, on the same posts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from contracts.records import Figure
from training_pipeline.evaluation import bootstrap, judge
from training_pipeline.evaluation.gate import GAINED
from training_pipeline.evaluation.scoring import asked_for, in_same_pools

if TYPE_CHECKING:
    from training_pipeline.data import Corpus
    from training_pipeline.evaluation.records import Comparison, Evaluation, Written
    from training_pipeline.evaluation.verify import Verifier

ANSWERS = ("adapter+retrieval", "adapter")  # as it answers, else by itself


def differences(a: Evaluation, b: Evaluation, verifier: Verifier | None = None) -> dict[str, Comparison]:
    """b − a where both were measured on the same posts: ΔNLL by post, V by pool of posts.

    V is scored anew, by one verifier in pools that are the same for both: those in which each was scored by itself depend
    on how long its texts are. Without a verifier, or without the texts of both, it is not compared.
    """
    pairs = {
        "delta_nll": _shared(a.deltas, b.deltas),
        "delta_nll_reference": _shared(a.reference_deltas, b.reference_deltas),
    }
    if verifier and a.has_texts and b.has_texts and asked_for(a.written) == asked_for(b.written):
        pairs |= {f"verification/{name}": pair for name, pair in in_same_pools(a.written, b.written, verifier).items()}
    compared = {name: bootstrap.paired(*pair) for name, pair in pairs.items()}
    return {name: comparison for name, comparison in compared.items() if comparison}


def gained(now: Evaluation, champion: Evaluation | None, name: str, corpus: Corpus) -> dict[str, Figure]:
    """By how much more than the champion's V a version's is, as the gate judges it; or why that is not known.

    Where the texts of both are kept, in pools of the posts that both wrote for; else by their figures, where these are of
    one verifier and the same posts.
    """
    if champion is None:
        return _unknown(f"what {name} proved is not kept")
    if now.has_texts and champion.has_texts:
        compared = differences(*_alike(champion, now), judge.headline(corpus))
        for condition in ANSWERS:
            if one := compared.get(f"verification/{condition}"):
                told = Figure(value=one.difference, low=one.low, high=one.high, n=one.n, note=f"against {name}")
                return {f"{GAINED}/{condition}": told}
        return _unknown(
            f"in too few pools of the same posts to be compared with {name}, or by no verifier that can judge"
        )
    if now.verifier and now.verifier == champion.verifier and asked_for(now.written) == asked_for(champion.written):
        for condition in ANSWERS:
            here, there = (one.figures.get(f"verification/{condition}") for one in (now, champion))
            if here and there and there.value is not None and None not in (here.value, here.low, here.high):
                ends = {end: round(getattr(here, end) - there.value, 5) for end in ("value", "low", "high")}
                return {f"{GAINED}/{condition}": Figure(**ends, n=here.n, note=f"against the mean of {name}")}
    return _unknown(f"the texts of {name} are not kept, and its V is by another verifier or of other posts")


def _unknown(why: str) -> dict[str, Figure]:
    return {GAINED: Figure(value=None, n=0, note=f"{why}, so V is not compared with the champion's")}


def _alike(a: Evaluation, b: Evaluation) -> tuple[Evaluation, Evaluation]:
    """Their texts for the instructions that both were given, cut where the shorter of the two recipes cuts."""
    given = [{(text.post_id, text.instruction) for text in one.written} for one in (a, b)]
    words = min(max(len(text.text.split()) for text in one.written) for one in (a, b))

    def kept(written: Sequence[Written]) -> tuple[Written, ...]:
        return tuple(
            text.model_copy(update={"text": "".join(re.findall(r"\s*\S+", text.text)[:words])})
            for text in written
            if (text.post_id, text.instruction) in given[0] & given[1]
        )

    first, second = (one.model_copy(update={"written": kept(one.written)}) for one in (a, b))
    return first, second


def _shared(a: dict[str, float], b: dict[str, float]) -> tuple[list[float], list[float]]:
    both = sorted(a.keys() & b.keys())
    return [a[post_id] for post_id in both], [b[post_id] for post_id in both]
