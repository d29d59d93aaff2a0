"""A corpus' verifiers, fitted on training posts and judged on held-out ones, before they may judge what was generated.

A reference author's oldest four fifths are fitted on; the rest is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.records import Figure, Post
from training_pipeline.data import Corpus
from training_pipeline.evaluation import style
from training_pipeline.evaluation.bootstrap import too_few
from training_pipeline.evaluation.texts import KEPT, POOLED, frequent, masking, own_words, pooled, stripped
from training_pipeline.evaluation.verify import FOLDS, Verifier

FEWEST_AUTHORS = 2  # so that one is left when another is judged
ENOUGH_AUTHORS = 5  # with fewer, what tells the author from them may be what tells them from everybody
BY_AUTHORS = ("specificity", "specificity_auc", "verification_auc", "gap_closed", "gap_closed_raw", "gap_closed_masked")

Texts = Sequence[str]
Change = Callable[[str], str]


@dataclass(frozen=True)
class Sides:
    """Texts to fit on and to judge, the author's and each reference author's, as they were written."""

    author: Texts
    held_out: Texts
    references: Mapping[str, Texts]
    others: Mapping[str, Texts]

    @classmethod
    def of(cls, posts: Sequence[Post], author: str, train: frozenset[str], test: frozenset[str]) -> Sides:
        by_author: dict[str, list[Post]] = {}
        for post in sorted(posts, key=lambda post: (str(post.date or ""), post.id)):
            by_author.setdefault(post.author, []).append(post)
        mine = by_author.pop(author, [])
        cut = {name: len(written) * 4 // 5 for name, written in by_author.items()}
        return cls(
            author=[own_words(post) for post in mine if post.id in train],
            held_out=[own_words(post) for post in mine if post.id in test],
            references={name: [own_words(post) for post in made[: cut[name]]] for name, made in by_author.items()},
            others={name: [own_words(post) for post in made[cut[name] :]] for name, made in by_author.items()},
        )


@dataclass(frozen=True)
class Judged:
    """A verifier of texts that are changed in one way, with the scores of held-out posts, one a post."""

    change: Change
    verifier: Verifier
    held_out: NDArray[np.float64]
    others: NDArray[np.float64]


def judged(sides: Sides, change: Change, words: int = POOLED) -> Judged | str:
    """Fitted and judged on changed texts, pooled to so many words; or why that cannot be."""
    author = pooled(map(change, sides.author), words)
    references = {name: made for name, texts in sides.references.items() if (made := pooled(map(change, texts), words))}
    if len(references) < FEWEST_AUTHORS:
        return f"{len(references)} reference authors with {words} words to learn from, needs {FEWEST_AUTHORS}"
    if len(author) < FOLDS:
        return f"{len(author)} texts of {words} words to learn from, needs {FOLDS}"
    verifier = Verifier(author, references)
    others = [
        verifier.scores(pooled(map(change, texts), words, each=1), by=name)
        for name, texts in sides.others.items()
        if name in references
    ]
    held_out = verifier.scores(pooled(map(change, sides.held_out), words, each=1))
    return Judged(change, verifier, held_out, np.concatenate(others))


@dataclass(frozen=True)
class Judges:
    """Those of a corpus: the headline's, of stripped texts, and beside it of texts as written and with their topics masked.

    `of` has those that may judge, by name; the headline's is "".
    """

    figures: dict[str, Figure]
    of: Mapping[str, Judged]

    @property
    def verifier(self) -> Verifier | None:
        """The headline's, if it may judge."""
        return self.of[""].verifier if "" in self.of else None

    def why_not(self, name: str = "") -> str:
        """Why the judge of that name may not judge."""
        return why_not(self.figures[f"verification_auc{name}"])


def verified(corpus: Corpus) -> Judges:
    return judges(_sides(corpus))


def headline(corpus: Corpus) -> Verifier | None:
    """That of `verified`, in a third of the time."""
    made = judged(_sides(corpus), stripped)
    return made.verifier if isinstance(made, Judged) and knows(auc(made)) else None


def _sides(corpus: Corpus) -> Sides:
    test = frozenset(example.post_id for example in corpus.examples["test"])
    return Sides.of(list(corpus.posts.values()), corpus.author, corpus.train_ids, test)


def judges(sides: Sides) -> Judges:
    """Fitted on these texts, with the figures of each; which of them may judge."""
    mask = masking(frequent({"": sides.author, **sides.references}, KEPT))
    changes: dict[str, Change] = {"": stripped, "_raw": str.strip, "_masked": lambda text: mask(stripped(text))}
    made = {name: judged(sides, change) for name, change in changes.items()}
    found, headline = {f"verification_auc{name}": auc(one) for name, one in made.items()}, made[""]
    if isinstance(headline, Judged):
        probability = headline.verifier.probabilities
        sure = [probability(scores) if len(scores) else scores for scores in (headline.held_out, headline.others)]
        found |= style.verification(*sure)
    else:
        empty = np.zeros(0)
        found |= dict.fromkeys(style.verification(empty, empty), found["verification_auc"])
    may = {
        name: one for name, one in made.items() if isinstance(one, Judged) and knows(found[f"verification_auc{name}"])
    }
    return Judges(found, may)


def compared_with(found: dict[str, Figure], authors: Collection[str]) -> dict[str, Figure]:
    """The figures, with a note where the reference authors are few."""
    if len(authors) >= ENOUGH_AUTHORS:
        return found
    others = (
        f"against only {len(authors)} other author{'s' * (len(authors) != 1)}, where {ENOUGH_AUTHORS} are asked for"
    )
    told = {
        name: found[name].model_copy(update={"note": "; ".join(filter(None, (found[name].note, others)))})
        for name in BY_AUTHORS
        if name in found and found[name].value is not None
    }
    return {**found, **told}


def knows(figure: Figure) -> bool:
    """Whether the verifier provably tells the author's held-out posts from others'."""
    return figure.low is not None and figure.low >= style.LEAST_AUC


def why_not(figure: Figure) -> str:
    if figure.value is None:
        return figure.note
    return f"cannot measure style on this corpus: the verifier's AUC is {figure}, its lower end under {style.LEAST_AUC}"


def auc(found: Judged | str) -> Figure:
    if isinstance(found, str):
        return Figure(value=None, n=0, note=found)
    for texts, whose in ((found.held_out, "of yours"), (found.others, "by other authors")):
        if few := too_few([texts], style.FEWEST_JUDGED, f"held-out texts of {POOLED} words {whose}"):
            return few
    return style.auc(found.held_out, found.others)
