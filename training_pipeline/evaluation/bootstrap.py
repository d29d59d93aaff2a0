"""Intervals: resampled by post, seeds within posts; of shares, Wilson's; and what a paired comparison can show."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from math import hypot, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contracts.records import Figure
from training_pipeline.evaluation.records import Comparison

FEWEST = 5  # posts: under it an interval by resampling says nothing
RESAMPLES = 10_000
NESTED_RESAMPLES = 2_000  # each draws seeds too; the third digit of an interval is the same

Sample = NDArray[np.float64]
Statistic = Callable[[list[Sample]], Sample]


def figure(samples: Sequence[ArrayLike], statistic: Statistic, unit: str = "") -> Figure:
    """A statistic of the samples' means, with the 95 % interval of a cluster bootstrap; each sample is drawn by itself.

    A sample has the shape (posts,), (posts, seeds) or (posts, seeds, values); what is to be drawn together is one sample's
    `values`. The statistic gets one array of means a sample, of shape (resamples,) or (resamples, values).
    """
    arrays = [_three(sample) for sample in samples]
    if few := too_few(arrays):
        return few
    random = np.random.default_rng(0)
    value = float(statistic([_flat(array.mean(axis=(0, 1))[None]) for array in arrays])[0])
    count = RESAMPLES if all(array.shape[1] == 1 for array in arrays) else NESTED_RESAMPLES
    return interval(value, statistic([_flat(_means(array, count, random)) for array in arrays]), len(arrays[0]), unit)


def interval(value: float, drawn: Sample, n: int, unit: str = "") -> Figure:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(value=round(value, 5), low=round(float(low), 5), high=round(float(high), 5), n=n, unit=unit)


def wilson(some: float, of: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share (JASA 22, 1927). `some` need not be whole."""
    share, z2 = some / of, 1.959964**2 / of
    middle = (share + z2 / 2) / (1 + z2)
    half = sqrt(z2 * (share * (1 - share) + z2 / 4)) / (1 + z2)
    return max(0.0, middle - half), min(1.0, middle + half)


def difference_of_shares(a: float, of_a: int, b: float, of_b: int) -> tuple[float, float]:
    """95 % interval of a / of_a − b / of_b, of two groups that have nothing to do with each other, by Newcombe's hybrid of
    Wilson's two (Statistics in Medicine 17, 1998, method 10)."""
    (low_a, high_a), (low_b, high_b) = wilson(a, of_a), wilson(b, of_b)
    p, q = a / of_a, b / of_b
    return p - q - hypot(p - low_a, high_b - q), p - q + hypot(high_a - p, q - low_b)


def too_few(samples: Sequence[Sized], fewest: int = FEWEST, what: str = "posts") -> Figure | None:
    least = min(map(len, samples))
    return Figure(value=None, n=least, note=f"{least} {what}, needs {fewest}") if least < fewest else None


def paired(a: Sequence[float], b: Sequence[float]) -> Comparison | None:
    """b − a on the same posts; None under FEWEST of them.

    p is that of a two-sided sign-flip permutation test. The smallest detectable effect is (1.96 + .84) standard errors: what
    such a test finds four times in five (Cohen 1988).
    """
    differences = np.asarray(b, dtype=np.float64) - np.asarray(a, dtype=np.float64)
    n = len(differences)
    if n < FEWEST:
        return None
    random = np.random.default_rng(0)
    mean = float(differences.mean())
    flipped = np.abs((random.choice([-1.0, 1.0], (RESAMPLES, n)) @ differences) / n)
    drawn = random.choice(differences, (RESAMPLES, n)).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Comparison(
        difference=mean,
        low=float(low),
        high=float(high),
        p=float((1 + (flipped >= abs(mean) - 1e-12).sum()) / (1 + RESAMPLES)),
        smallest_detectable=float(2.8 * differences.std(ddof=1) / np.sqrt(n)),
        n=n,
    )


def _means(array: Sample, count: int, random: np.random.Generator) -> Sample:
    """Means of resampled posts, and of resampled seeds within each; shape (resamples, values)."""
    posts, seeds, _ = array.shape
    if seeds == 1:
        drawn: Sample = array[random.integers(0, posts, (count, posts)), 0].mean(axis=1)
        return drawn
    post = random.integers(0, posts, (count, posts, 1))
    seed = random.integers(0, seeds, (count, posts, seeds))
    nested: Sample = array[post, seed].mean(axis=(1, 2))
    return nested


def _three(sample: ArrayLike) -> Sample:
    array = np.asarray(sample, dtype=np.float64)
    if array.ndim == 1:
        return array[:, None, None]
    return array[:, :, None] if array.ndim == 2 else array


def _flat(means: Sample) -> Sample:
    return means[:, 0] if means.shape[1] == 1 else means
