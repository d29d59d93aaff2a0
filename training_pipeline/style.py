"""Style as figures: each has its sample size and a 95 % bootstrap interval over posts, or says that it cannot be measured.

Definitions
    ΔNLL          mean over held-out posts of (NLL(base) − NLL(adapter)) / bytes, nats per byte, through the serving prompt
    specificity   ΔNLL(author) − ΔNLL(reference authors): learned the author, not the genre
    AUC           chance that a held-out post of the author's has a higher ΔNLL than a reference author's
    copy excess   share of generated texts with 12 consecutive words of a training post − the author's own such share
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.records import Figure

FEWEST = 5  # posts: under it an interval by resampling says nothing
RESAMPLES = 10_000
COPIED_WORDS = 12

Sample = NDArray[np.float64]


def delta_nll(author: Sequence[float]) -> Figure:
    return _figure([author], lambda means: means[0], "nats/byte")


def specificity(author: Sequence[float], reference: Sequence[float]) -> Figure:
    if not reference:
        return Figure(value=None, n=0, note="no reference authors: ingest other people's posts with --reference")
    return _figure([author, reference], lambda means: means[0] - means[1], "nats/byte")


def auc(author: Sequence[float], reference: Sequence[float]) -> Figure:
    """Mann-Whitney: ties count half."""
    if too_few := _too_few([author, reference]):
        return too_few
    wins = np.greater.outer(np.array(author), np.array(reference)) + 0.5 * np.equal.outer(
        np.array(author), np.array(reference)
    )
    random = np.random.default_rng(0)
    rows = random.integers(0, len(author), (RESAMPLES // 10, len(author)))
    columns = random.integers(0, len(reference), (RESAMPLES // 10, len(reference)))
    drawn = [wins[np.ix_(r, c)].mean() for r, c in zip(rows, columns, strict=True)]
    return _interval(float(wins.mean()), np.array(drawn), len(author), "")


def copy_excess(generated: Sequence[str], held_out: Sequence[str], training: Sequence[str]) -> Figure:
    known = {run for text in training for run in _runs(text)}
    mine = [float(any(run in known for run in _runs(text))) for text in generated]
    own = [float(any(run in known for run in _runs(text))) for text in held_out]
    figure = _figure([mine, own], lambda means: means[0] - means[1], "of outputs")
    if figure.value is None or any(mine):
        return figure
    return figure.model_copy(
        update={
            "note": f"none of {len(mine)} outputs copies; that bounds the true share under {3 / len(mine):.0%} (3/n)"
        }
    )


def _runs(text: str) -> set[tuple[str, ...]]:
    """Every run of COPIED_WORDS consecutive words, case and punctuation aside."""
    words = re.findall(r"[^\W_]+", text.lower())
    return {tuple(words[i : i + COPIED_WORDS]) for i in range(len(words) - COPIED_WORDS + 1)}


def _figure(samples: Sequence[Sequence[float]], statistic: Callable[[list[Sample]], Sample], unit: str) -> Figure:
    """A statistic of the samples' means; each sample is resampled by post, RESAMPLES times."""
    if too_few := _too_few(samples):
        return too_few
    random = np.random.default_rng(0)
    arrays = [np.array(sample, dtype=np.float64) for sample in samples]
    value = statistic([array.mean(keepdims=True) for array in arrays])[0]
    drawn = statistic([random.choice(array, (RESAMPLES, len(array))).mean(axis=1) for array in arrays])
    return _interval(float(value), drawn, len(arrays[0]), unit)


def _interval(value: float, drawn: Sample, n: int, unit: str) -> Figure:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(value=round(value, 5), low=round(float(low), 5), high=round(float(high), 5), n=n, unit=unit)


def _too_few(samples: Sequence[Sequence[float]]) -> Figure | None:
    fewest = min(map(len, samples))
    if fewest < FEWEST:
        return Figure(value=None, n=fewest, note=f"{fewest} posts, needs {FEWEST}")
    return None
