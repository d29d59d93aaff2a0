"""Scores of what was written: pooled over posts, each kind of text in the same pools, so that they can be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contracts.copies import FEWEST, Runs
from contracts.records import Example, Figure, Split
from training_pipeline.data import Corpus
from training_pipeline.evaluation import bootstrap, content, guards, style
from training_pipeline.evaluation.judge import Change, Judged, Judges
from training_pipeline.evaluation.records import HUMAN, OTHERS, LongestCopy, Written
from training_pipeline.evaluation.texts import POOLED, pooled, stripped
from training_pipeline.evaluation.verify import Band, Verifier
from training_pipeline.recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Values = NDArray[np.float64]
LEARNED: tuple[Split, ...] = ("validation", "train")
BESIDE = ("", "_raw", "_masked")  # texts stripped, which is the headline; as they are written; with their topics masked
OWN = "adapter"  # whose guards are the headline: the adapter's without passages, as these are the author's own words


class Outputs:
    """Written texts with the author's own for the same instructions, cut to the length that was allowed.

    `fluency` gives nats per byte of texts under the base model.
    """

    def __init__(
        self,
        corpus: Corpus,
        asked: Sequence[Example],
        written: Sequence[Written],
        recipe: Recipe,
        fluency: Callable[[Sequence[str]], list[float]],
        tokenizer: PreTrainedTokenizerBase,
    ) -> None:
        self._corpus, self._asked, self._recipe = corpus, asked, recipe
        self._written, self._fluency, self._tokenizer = written, fluency, tokenizer
        self._human = [self._cut(corpus.target(example)) for example in asked]

    def verified(self, judges: Judges) -> dict[str, Figure]:
        """V of each kind of text, the gap closed, and how many pools would be taken for the author's; V and gap also of
        the same texts as they are written, and with their topics masked."""
        found: dict[str, Figure] = {}
        for name in BESIDE:
            found |= self._verified(name, judges)
        if verifier := judges.verifier:
            scores = self._scores(judges.of[""])
            for kind in (*self._recipe.conditions, HUMAN):
                found[f"taken_for_the_author/{kind}"] = self._taken(kind, verifier, scores)
        return found

    def _verified(self, name: str, judges: Judges) -> dict[str, Figure]:
        kinds = [*self._recipe.conditions, HUMAN, OTHERS]
        if name not in judges.of:
            nothing = Figure(value=None, n=0, note=judges.why_not(name))
            return {**{f"verification{name}/{kind}": nothing for kind in kinds}, f"gap_closed{name}": nothing}
        scores = self._scores(judges.of[name])
        found = {f"verification{name}/{kind}": bootstrap.figure([scores[kind]], _mean) for kind in kinds}
        for condition in self._recipe.conditions:
            if condition.startswith(OWN) and "base" in scores:
                gap = f"gap_closed{name}" if condition == OWN else f"gap_closed{name}/{condition}"
                found[gap] = style.gap_closed(scores["base"], scores[condition], scores[HUMAN])
        return found

    def scores(self, judges: Judges) -> dict[str, list[float]]:
        """By the headline's verifier."""
        if "" not in judges.of:
            return {}
        return {kind: values.ravel().tolist() for kind, values in self._scores(judges.of[""]).items()}

    def copied(self) -> dict[str, Figure]:
        """The headline is the adapter's without passages: what it copies then, it has learned by heart.

        With passages, a copy may as well be a quotation of what was put before it; that share stands beside it.
        """
        each, longest = self._recipe.seeds, self.longest_copy()
        found = {
            "copy_excess" if condition == OWN else f"copy_excess/{condition}": style.copy_excess(
                self._texts(condition), self._human, self._posts, each
            )
            for condition in self._adapted
        }
        words, note = (longest.words, "") if longest else (0, f"fewer than {FEWEST} in a row")
        mine = sum(text.condition in self._adapted for text in self._written)
        found["longest_copy_words"] = Figure(value=words, n=mine, unit="words", note=note)
        return found

    def longest_copy(self) -> LongestCopy | None:
        mine = [text for text in self._written if text.condition in self._adapted]
        found = [(copy, text) for text in mine if (copy := self._posts.longest(text.text))]
        if not found:
            return None
        copy, text = max(found, key=lambda one: one[0].words)
        words, span = copy.words, text.text[copy.start : copy.end]
        return LongestCopy(words=words, text=span, post_id=copy.post_id, condition=text.condition)

    def guarded(self, embed: content.Embed | None) -> dict[str, Figure]:
        """What the style cost, of the adapter's own texts."""
        mine, each = self._texts(OWN), self._recipe.seeds
        asked = [example.instruction for example in self._asked]
        unknown = Figure(value=None, n=0, note="no embedder is at hand")
        return {
            "distinct_3": guards.distinct_3(mine, each),
            "distinct_3_human": guards.distinct_3(self._human),
            "length_ratio": guards.length_ratio(mine, self._human, each),
            "fluency_in_band": guards.fluency_in_band(self._nats[OWN], self._own_nats) if mine else _nothing(),
            "strange": guards.strange(self._nats[OWN], self._own_nats) if mine else _nothing(),
            "distinguishability": style.distinguishability(self._human, mine[::each]),
            "distinguishability_human": style.distinguishability(self._human, self._earlier[: len(self._human)]),
            "entities_kept": content.entities_kept(asked, mine, each) if mine else _nothing(),
            "instruction_similarity": (
                content.instruction_similarity(asked, mine, embed, each) if embed and mine else unknown
            ),
        }

    @property
    def _adapted(self) -> list[str]:
        return [condition for condition in self._recipe.conditions if condition.startswith("adapter")]

    @cached_property
    def _posts(self) -> Runs:
        return Runs((post_id, self._corpus.posts[post_id].text) for post_id in sorted(self._corpus.train_ids))

    def _texts(self, condition: str) -> list[str]:
        """By post, the seeds of each in a row."""
        return [text.text for text in self._written if text.condition == condition]

    def _cut(self, text: str) -> str:
        ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        limit = self._recipe.generation_tokens
        return text if len(ids) <= limit else str(self._tokenizer.decode(ids[:limit]))

    @cached_property
    def _earlier(self) -> list[str]:
        """The author's other posts, those that came last before the held-out ones first, cut as the outputs are."""
        learned = [e for part in LEARNED for e in reversed(self._corpus.examples[part])]
        first = {example.post_id: example for example in reversed(learned)}
        newest = dict.fromkeys(example.post_id for example in learned)
        return [self._cut(self._corpus.target(first[post_id])) for post_id in newest]

    @cached_property
    def _nats(self) -> dict[str, Values]:
        """Fluency of each text, shape (posts, seeds)."""
        found = {kind: self._fluency(self._texts(kind)) for kind in self._recipe.conditions}
        shaped: dict[str, Values] = {
            kind: np.reshape(values, (-1, self._recipe.seeds)) for kind, values in found.items()
        }
        return {**shaped, HUMAN: np.reshape(self._fluency(self._human), (-1, 1))}

    @cached_property
    def _own_nats(self) -> list[float]:
        """Of the author's held-out posts; of the newest others too where those are too few for a band."""
        more = self._earlier[: max(0, 2 * guards.FEWEST_FOR_A_BAND - len(self._human))]
        return [*self._nats[HUMAN].ravel(), *self._fluency(more)]

    @cached_property
    def _pools(self) -> list[list[int]]:
        """In which every kind of text is long enough."""
        others = [(self._texts(kind), self._recipe.seeds) for kind in self._recipe.conditions]
        return _pools([(self._human, 1), *others])

    def _scores(self, by: Judged) -> dict[str, Values]:
        """V of each pool, shape (pools, seeds)."""
        found = {HUMAN: _scored(by.verifier, self._human, 1, self._pools, by.change)}
        for kind in self._recipe.conditions:
            found[kind] = _scored(by.verifier, self._texts(kind), self._recipe.seeds, self._pools, by.change)
        return {**found, OTHERS: self._others(by)}

    def _others(self, by: Judged) -> Values:
        """Reference authors' newest posts, cut and pooled in the same way, each author left out while judged."""
        by_author: dict[str, list[str]] = {}
        for example in self._corpus.reference:
            by_author.setdefault(example.author, []).append(self._cut(self._corpus.target(example)))
        scores = [
            by.verifier.scores(pooled(map(by.change, texts[-len(texts) // 5 :]))[: len(self._pools)], by=name)
            for name, texts in by_author.items()
            if name in by.verifier.references
        ]
        return np.concatenate([np.zeros(0), *scores])[:, None]

    def _taken(self, kind: str, verifier: Verifier, scores: dict[str, Values]) -> Figure:
        """Share of pools that are likely the author's, but no more than the author's own, as fluent, and no copies."""
        texts = self._human if kind == HUMAN else self._texts(kind)
        values, nats = scores[kind], self._nats[kind]
        if not len(values):
            return _nothing()
        if len(self._own_nats) < guards.FEWEST_FOR_A_BAND:
            return guards.fluency_in_band(nats, self._own_nats)
        copied = np.reshape([style.copies(text, self._posts) for text in texts], nats.shape)
        band = Band.of(self._own_nats)
        likely = verifier.probabilities(values.ravel()).reshape(values.shape) > 0.5
        fluent = np.array([np.median(nats[pool], axis=0) for pool in self._pools])
        clean = np.array([~copied[pool].any(axis=0) for pool in self._pools])
        ceiling = max(verifier.band.high, float(np.quantile(scores[HUMAN], 0.95)))
        taken = likely & (values <= ceiling) & (fluent >= band.low) & (fluent <= band.high) & clean
        return bootstrap.figure([taken], _mean, "of pools")


def asked_for(written: Sequence[Written]) -> list[str]:
    """The held-out posts whose instructions were given, in order."""
    return list(dict.fromkeys(text.post_id for text in written))


def in_same_pools(
    a: Sequence[Written], b: Sequence[Written], verifier: Verifier
) -> dict[str, tuple[list[float], list[float]]]:
    """V of each pool, its seeds' mean, of two versions' texts for the same instructions; by condition that both have.

    The pools are the same for both: in each, every text of either version is long enough.
    """
    posts = len(asked_for(a))
    sides = [_by_condition(a), _by_condition(b)]
    shared = [condition for condition in sides[0] if condition in sides[1]]
    kinds = [(side[condition], len(side[condition]) // posts) for side in sides for condition in shared]
    pools = _pools(kinds) if shared else []
    means = [_scored(verifier, texts, seeds, pools).mean(axis=1).tolist() for texts, seeds in kinds]
    return {name: (means[n], means[n + len(shared)]) for n, name in enumerate(shared)}


def _by_condition(written: Sequence[Written]) -> dict[str, list[str]]:
    """By post, the seeds of each in a row."""
    found: dict[str, list[str]] = {}
    for text in written:
        found.setdefault(text.condition, []).append(text.text)
    return found


def _pools(kinds: Sequence[tuple[Sequence[str], int]]) -> list[list[int]]:
    """Places of posts that are pooled together: the fewest in a row in which every kind of text has POOLED words.

    A kind: its texts by post, the seeds of each in a row, and how many seeds these are.
    """
    columns = [np.reshape([len(stripped(text).split()) for text in texts], (-1, seeds)) for texts, seeds in kinds]
    counts, pools, gathered = np.concatenate(columns, axis=1), list[list[int]](), list[int]()
    for place in range(len(counts)):
        gathered.append(place)
        if counts[gathered].sum(axis=0).min() >= POOLED:
            pools.append(gathered)
            gathered = []
    return pools


def _scored(
    verifier: Verifier, texts: Sequence[str], seeds: int, pools: Sequence[Sequence[int]], change: Change = stripped
) -> Values:
    """V of each pool, shape (pools, seeds)."""
    joined = [
        pooled(change(texts[place * seeds + seed]) for place in pool)[0] for pool in pools for seed in range(seeds)
    ]
    return verifier.scores(joined).reshape(-1, seeds)


def _mean(means: list[Values]) -> Values:
    return means[0]


def _nothing() -> Figure:
    return Figure(value=None, n=0, note=f"0 posts, needs {bootstrap.FEWEST}")
