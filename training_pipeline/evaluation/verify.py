"""Is a text by the author? A verification score V against reference authors, for texts pooled to 150 words.

Three measures, each the author's value less that of the reference authors
    cosine   of character 4-gram tf-idf vectors to an author's centroid
    delta    the same of the z-scored frequencies of 150 frequent words and of punctuation: the cosine form (Smith and
             Aldridge 2011, doi 10.1080/09296174.2011.533591) of Burrows 2002 (doi 10.1093/llc/17.3.267)
    ratio    log likelihood a character under a character 5-gram model, smoothed by a Dirichlet prior (MacKay and Peto 1995,
             doi 10.1017/S1351324900000218): a model of the author's texts, and one of the reference authors'
V is the mean of the three, each as a z-score among texts by reference authors. No text is compared with itself: the author's
own are scored by fifths, each by what the others teach, and a reference author's with that author left out, as those of
somebody whom the verifier does not know.

More is not better: copies of the author's posts, and the author's words in any order, score above the author. `band` says
where the author's own texts lie; `guards.py` and `contracts/copies.py` see what V cannot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.records import digest
from training_pipeline.evaluation.ngrams import BUCKETS, Grams
from training_pipeline.evaluation.texts import WORD, frequent, thinned

FOLDS = 5
GRAM, ORDER = 4, 5
PRIOR = 20.0  # pseudo-counts of the next lower order; anything from 2 to 60 gives the same AUC within .01
FREQUENT = 150
PUNCTUATION = list(".,;:!?…()[]\"'“”‘’-–—*_/")
AUTHOR_TEXTS, REFERENCE_TEXTS = 400, 60  # of 150 words, from first to last: bounds the time, not the figures

Values = NDArray[np.float64]
NOBODY = -1


@dataclass(frozen=True)
class Band:
    """Where nine tenths of the author's own texts lie: outside, a value is not the author's, or too much so."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float] | Values) -> Band:
        low, high = np.quantile(np.asarray(values), [0.05, 0.95])
        return cls(float(low), float(high))

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


class Verifier:
    """Fitted on pooled texts: the author's, oldest first, and at least two reference authors'."""

    def __init__(self, author: Sequence[str], references: Mapping[str, Sequence[str]]) -> None:
        mine = thinned(author, AUTHOR_TEXTS)
        self.references = sorted(references)
        theirs = [thinned(references[name], REFERENCE_TEXTS) for name in self.references]
        texts = [*mine, *(text for written in theirs for text in written)]
        self.fingerprint = digest(*mine, *(digest(*written) for written in theirs))
        # What is left out together: a fifth of the author's texts, or a reference author.
        folds = [n * FOLDS // len(mine) for n in range(len(mine))]
        group = np.array(folds + [FOLDS + n for n, written in enumerate(theirs) for _ in written])
        words = frequent({"": mine, **{name: references[name] for name in self.references}}, FREQUENT)
        self._measures = (_Cosine(texts, group), _Delta(texts, group, words), _Ratio(texts, group))
        raw = np.array([measure.values(texts, group) for measure in self._measures])
        self._mean = raw[:, len(mine) :].mean(axis=1, keepdims=True)
        self._deviation = raw[:, len(mine) :].std(axis=1, keepdims=True)
        scores = self._standard(raw)
        self.own: Values = scores[: len(mine)]
        self.others: Values = scores[len(mine) :]
        self.band = Band.of(self.own)

    def scores(self, texts: Sequence[str], by: str | None = None) -> Values:
        """V of each text; `by` names the reference author who wrote them, who is then left out."""
        if not texts:
            return np.zeros(0)
        group = NOBODY if by is None else FOLDS + self.references.index(by)
        left_out = np.full(len(texts), group)
        return self._standard(np.array([measure.values(texts, left_out) for measure in self._measures]))

    def probabilities(self, scores: Values) -> Values:
        """That the author wrote it, if as many texts were the author's as others'."""
        found: Values = self._calibration.predict_proba(scores[:, None])[:, 1]
        return found

    @cached_property
    def _calibration(self) -> Any:
        """Platt 1999: a logistic curve through the scores of the texts that it was fitted on, each without itself."""
        from sklearn.linear_model import LogisticRegression

        both = np.concatenate([self.own, self.others])
        is_author = np.arange(len(both)) < len(self.own)
        return LogisticRegression(class_weight="balanced").fit(both[:, None], is_author)

    def _standard(self, raw: Values) -> Values:
        standard: Values = ((raw - self._mean) / (self._deviation + 1e-12)).mean(axis=0)
        return standard


class _Centroids:
    """Cosine to the author's centroid, less the mean of the cosines to the reference authors'."""

    def __init__(self, vectors: Any, group: NDArray[np.int64]) -> None:
        from scipy.sparse import csr_array

        members = csr_array((np.ones(len(group)), (group, np.arange(len(group)))))
        sums = members @ vectors
        self._sums: Values = sums.toarray() if hasattr(sums, "toarray") else sums

    def values(self, vectors: Any, left_out: NDArray[np.int64]) -> Values:
        found = np.zeros(len(left_out))
        for group in np.unique(left_out):
            rows = np.flatnonzero(left_out == group)
            author = self._sums[[g for g in range(FOLDS) if g != group]].sum(axis=0)
            others = _unit(self._sums[[g for g in range(FOLDS, len(self._sums)) if g != group]])
            found[rows] = vectors[rows] @ (_unit(author[None])[0] - others.mean(axis=0))
        return found


class _Cosine:
    def __init__(self, texts: Sequence[str], group: NDArray[np.int64]) -> None:
        counts = Grams.of(texts, GRAM).counts()
        documents = np.bincount(counts.indices, minlength=BUCKETS)
        self._columns = np.flatnonzero(documents >= 2)
        self._idf = np.log((1 + len(texts)) / (1 + documents[self._columns])) + 1
        self._centroids = _Centroids(self._vectors(counts), group)

    def values(self, texts: Sequence[str], left_out: NDArray[np.int64]) -> Values:
        return self._centroids.values(self._vectors(Grams.of(texts, GRAM).counts()), left_out)

    def _vectors(self, counts: Any) -> Any:
        """Unit tf-idf rows, tf as 1 + log."""
        from scipy.sparse import diags_array
        from sklearn.preprocessing import normalize

        chosen = counts[:, self._columns]
        chosen.data = 1 + np.log(chosen.data)
        return normalize(chosen @ diags_array(self._idf))


class _Delta:
    def __init__(self, texts: Sequence[str], group: NDArray[np.int64], words: Sequence[str]) -> None:
        self._place = {word: n for n, word in enumerate([*words, *PUNCTUATION])}
        shares = self._shares(texts)
        self._mean, self._deviation = shares.mean(axis=0), shares.std(axis=0) + 1e-9
        self._centroids = _Centroids(self._vectors(shares), group)

    def values(self, texts: Sequence[str], left_out: NDArray[np.int64]) -> Values:
        return self._centroids.values(self._vectors(self._shares(texts)), left_out)

    def _vectors(self, shares: Values) -> Values:
        # Clipped, as one rare mark in a text of 150 words is no habit.
        return _unit(np.clip((shares - self._mean) / self._deviation, -3, 3))

    def _shares(self, texts: Sequence[str]) -> Values:
        """How often each word and mark stands in each text, of a hundred words."""
        found = np.zeros((len(texts), len(self._place)))
        for row, text in zip(found, texts, strict=True):
            words = [word.lower() for word in WORD.findall(text)]
            for item in [*words, *text]:  # characters too: only marks of punctuation have a place
                if (place := self._place.get(item)) is not None:
                    row[place] += 1
            row *= 100 / max(len(words), 1)
        return found


class _Ratio:
    def __init__(self, texts: Sequence[str], group: NDArray[np.int64]) -> None:
        self._grams, self._group = Grams.of(texts, ORDER), group
        self._alphabet = len(set().union(*texts)) + 1
        self._author = self._grams.tables(group < FOLDS)
        self._others = self._grams.tables(group >= FOLDS)

    def values(self, texts: Sequence[str], left_out: NDArray[np.int64]) -> Values:
        grams = Grams.of(texts, ORDER)
        ratios = np.zeros(len(grams.row))
        for group in np.unique(left_out):
            chosen = left_out[grams.row] == group
            own, other = self._without(int(group))
            ratios[chosen] = self._log(own, grams, chosen) - self._log(other, grams, chosen)
        lengths = np.bincount(grams.row, minlength=len(texts))
        return np.bincount(grams.row, weights=ratios, minlength=len(texts)) / np.maximum(lengths, 1)

    def _without(self, group: int) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
        if group == NOBODY:
            return self._author, self._others
        out = self._grams.tables(self._group == group)
        if group < FOLDS:
            return [all_ - left for all_, left in zip(self._author, out, strict=True)], self._others
        return self._author, [all_ - left for all_, left in zip(self._others, out, strict=True)]

    def _log(self, tables: Sequence[NDArray[np.float32]], grams: Grams, chosen: NDArray[np.bool_]) -> Values:
        """Log p of each character; from order to order p ← (count + PRIOR · p) / (count of the history + PRIOR)."""
        p = np.full(int(chosen.sum()), 1 / self._alphabet)
        for n, table in enumerate(tables):
            history = tables[n - 1][grams.histories[n][chosen]] if n else table.sum()
            p = (table[grams.ids[n][chosen]] + PRIOR * p) / (history + PRIOR)
        logs: Values = np.log(p)
        return logs


def _unit(rows: Values) -> Values:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Values = rows / np.where(length == 0, 1, length)
    return unit
