"""Style as figures: each has its sample size and a 95 % bootstrap interval over posts, or says that it cannot be measured.

Definitions
    ΔNLL          mean over held-out posts of (NLL(base) − NLL(adapter)) / bytes, nats per byte, through the serving prompt
    specificity   ΔNLL(author) − ΔNLL(reference authors): learned the author, not the genre
    AUC           chance that a held-out post of the author's has a higher value than a reference author's
    copy excess   share of generated texts with 12 consecutive words of a training post − the author's own such share, by
                  Newcombe's interval (Stat. Med. 17, 1998, method 10): none in 24 resampled is none, and proves nothing
    gap closed    (V(generated) − V(base)) / (V(human) − V(base)), V as in verify.py
    c@1, F0.5u    of verification with the right not to answer: Peñas and Rodrigo 2011 (https://aclanthology.org/P11-1142),
                  Bevendorff et al. 2019 (https://aclanthology.org/N19-1068); as at PAN
    Brier         mean squared error of the probabilities; PAN prints 1 − this
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contracts.copies import Runs
from contracts.records import Figure
from training_pipeline.evaluation.bootstrap import (
    RESAMPLES,
    Sample,
    difference_of_shares,
    figure,
    interval,
    too_few,
    wilson,
)

LEAST_AUC = 0.7  # under it, the interval's lower end, a verifier does not know this author
FEWEST_JUDGED = 10  # posts of each side; with fewer, one that is told right or wrong moves an AUC by over .1
UNDECIDED = 0.1  # a probability this near to a half is no answer
TOO_MUCH = 1.2
COPIED_WORDS = 12
HALF = 0.5


def delta_nll(author: Sequence[float]) -> Figure:
    return figure([author], lambda means: means[0], "nats/byte")


def specificity(author: Sequence[float], reference: Sequence[float]) -> Figure:
    if not reference:
        why = "no reference authors in the author's language: ingest other people's posts with --reference"
        return Figure(value=None, n=0, note=why)
    return figure([author, reference], lambda means: means[0] - means[1], "nats/byte")


def auc(author: Sequence[float] | Sample, reference: Sequence[float] | Sample) -> Figure:
    """Mann-Whitney: ties count half."""
    if few := too_few([author, reference]):
        return few
    wins = np.greater.outer(np.array(author), np.array(reference)) + 0.5 * np.equal.outer(
        np.array(author), np.array(reference)
    )
    random = np.random.default_rng(0)
    rows = random.integers(0, len(author), (RESAMPLES // 10, len(author)))
    columns = random.integers(0, len(reference), (RESAMPLES // 10, len(reference)))
    drawn = [wins[np.ix_(r, c)].mean() for r, c in zip(rows, columns, strict=True)]
    return interval(float(wins.mean()), np.array(drawn), len(author))


def copy_excess(generated: Sequence[str], held_out: Sequence[str], training: Runs, each: int = 1) -> Figure:
    """`generated` holds `each` texts for every instruction, and those for the same one follow each other.

    These count as one: what makes one of them copy makes the others, too.
    """
    posts, own = len(generated) // each, len(held_out)
    if few := too_few([generated[:posts], held_out]):
        return few
    mine, theirs = (sum(copies(text, training) for text in texts) / len(texts) for texts in (generated, held_out))
    low, high = difference_of_shares(mine * posts, posts, theirs * own, own)
    none = f"none of {len(generated)} outputs copies; for {posts} posts that proves under {wilson(0, posts)[1]:.1%}"
    return Figure(
        value=round(mine - theirs, 5),
        low=round(low, 5),
        high=round(high, 5),
        n=posts,
        unit="of outputs",
        note="" if mine else none,
    )


def copies(text: str, training: Runs) -> bool:
    found = training.longest(text)
    return found is not None and found.words >= COPIED_WORDS


def believed(figures: dict[str, Figure]) -> dict[str, Figure]:
    """The figures, but for a gap that a cheat has closed: copies and words in any order are near to the author, too."""
    made = dict(figures)
    for name in [name for name in figures if name.startswith("gap_closed")]:
        _, slash, condition = name.partition("/")
        copies, strange = figures.get(f"copy_excess{slash}{condition}"), figures.get("strange")
        reason = ""
        if copies and copies.value and (copies.low or 0) > 0:
            reason = f"{copies.value:.0%} more of its texts than of yours copy a post, which says nothing of style"
        elif strange and strange.value and (strange.low or 0) > HALF and not slash:
            reason = f"{strange.value:.0%} of its texts are stranger than nearly all of yours: words, and no sentences"
        if reason and made[name].value is not None:
            made[name] = Figure(value=None, n=made[name].n, note=reason)
    return made


def verification(author: Sample, others: Sample) -> dict[str, Figure]:
    """c@1, F0.5u and Brier score of the probabilities that held-out texts are the author's; as many of others."""
    count = min(len(author), len(others))
    chosen = [side[np.linspace(0, len(side) - 1, count).astype(int)] if count else side for side in (author, others)]
    names = ("verification_c_at_1", "verification_f05u", "verification_brier")
    if few := too_few(chosen, FEWEST_JUDGED):
        return dict.fromkeys(names, few)
    sides = [_outcomes(side, truth) for side, truth in zip(chosen, (True, False), strict=True)]
    statistics = (_c_at_1, _f05u, lambda means: (means[0][:, 2] + means[1][:, 2]) / 2)
    return {name: figure(sides, statistic) for name, statistic in zip(names, statistics, strict=True)}


def gap_closed(base: Sample, generated: Sample, human: Sample) -> Figure:
    """Scores of the same pools of posts, shape (pools, seeds); `human` has one column."""
    both = (
        np.stack([base, generated, np.broadcast_to(human, base.shape)], axis=-1) if len(base) else np.zeros((0, 1, 3))
    )
    gap = figure([both], lambda means: means[0][:, 2] - means[0][:, 0])
    if gap.value is None or gap.low is None:
        return gap
    if gap.low <= 0:
        return Figure(value=None, n=gap.n, note=f"the author is not above the base model: V differs by {gap}")
    made = figure([both], lambda means: (means[0][:, 1] - means[0][:, 0]) / (means[0][:, 2] - means[0][:, 0]))
    over = made.value is not None and made.value > TOO_MUCH
    return made.model_copy(update={"note": "over 1.2: more like the author than the author is"}) if over else made


def distinguishability(human: Sequence[str], generated: Sequence[str]) -> Figure:
    """AUC of a classifier that tells the two apart, each text judged by one trained on others; .5 is the best.

    Texts at the same place answer the same instruction, so that they are held out together.
    """
    if few := too_few([human, generated], FEWEST_JUDGED):
        return few
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline

    classifier = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(2, 4), sublinear_tf=True, min_df=2, lowercase=False),
        LogisticRegression(C=10, class_weight="balanced"),
    )
    told = np.array([0] * len(human) + [1] * len(generated))
    groups = [*range(len(human)), *range(len(generated))]
    found = cross_val_predict(
        classifier, [*human, *generated], told, groups=groups, cv=GroupKFold(5), method="decision_function"
    )
    return auc(found[told == 1], found[told == 0])


def _outcomes(probabilities: Sample, author: bool) -> Sample:
    """Of each text: right, not answered, squared error; shape (texts, 1, 3)."""
    answered = np.abs(probabilities - 0.5) > UNDECIDED
    right = answered & ((probabilities > 0.5) == author)
    return np.stack([right, ~answered, (probabilities - author) ** 2], axis=-1)[:, None].astype(np.float64)


def _c_at_1(means: list[Sample]) -> Sample:
    right, unanswered = (means[0][:, 0] + means[1][:, 0]) / 2, (means[0][:, 1] + means[1][:, 1]) / 2
    return right + unanswered * right


def _f05u(means: list[Sample]) -> Sample:
    """(1.25 · tp) / (1.25 · tp + .25 · (fn + unanswered) + fp)."""
    hits, unanswered = means[0][:, 0], means[0][:, 1] + means[1][:, 1]
    missed = 1 - means[0][:, 0] - means[0][:, 1]
    alarms = 1 - means[1][:, 0] - means[1][:, 1]
    found: Sample = 1.25 * hits / np.maximum(1.25 * hits + 0.25 * (missed + unanswered) + alarms, 1e-12)
    return found
