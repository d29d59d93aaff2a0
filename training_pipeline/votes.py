"""What people made of versions: blind votes, open votes and ratings, each apart; and guesses in the blind game.

A blind vote is evidence. Of an open one nobody knows whether it was for the text or for the name above it; a rating is of
an answer seen alone, so two versions' ratings are of different questions. Only where a share of traffic drew which of the
two answers are the questions alike, and so the people: the difference between those ratings is the version's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from contracts.feature_store.feedback import Feedback
from contracts.records import Figure, Record
from training_pipeline.evaluation.bootstrap import difference_of_shares, wilson

FEWEST = 6  # votes: were all of five for one version, a fair coin would still do that once in 16 times (p = .0625)


class Votes(Record):
    """Comparisons of the two. `share` is of those that one of them won, with Wilson's interval (Wilson 1927)."""

    wins: int
    losses: int
    ties: int
    people: int
    share: Figure
    p: float | None
    """Of the two-sided sign test: how often a fair coin would be as uneven. Ties say nothing to it."""


class Ratings(Record):
    """Answers of one version that were seen alone. `share` is of those rated better than hoped."""

    model: str
    better: int
    worse: int
    edited: int
    share: Figure


class Preferred(Record):
    """What people made of `model` and `other`; every figure is from the side of `model`."""

    model: str
    other: str
    blind: Votes
    open: Votes
    ratings: tuple[Ratings, Ratings]
    drawn: tuple[Ratings, Ratings]
    """Of these, answers that a share of traffic gave to one of the two, and might have given to the other."""
    difference: Figure
    """Of those, the share of `model` that was rated better than hoped minus that of `other`, with Newcombe's interval."""


def preferred(given: Iterable[Feedback], model: str, other: str) -> Preferred:
    """`given` in the order of time: who judges the same two texts again has changed their mind."""
    last = {_judged(one): one for one in given}.values()
    split = [one for one in last if not one.other and {one.model, one.instead} == {model, other}]
    drawn = (_ratings(split, model), _ratings(split, other))
    compared = [one for one in last if {one.model, one.other} == {model, other} and one.verdict != "edited"]
    return Preferred(
        model=model,
        other=other,
        blind=_votes([one for one in compared if one.blind], model),
        open=_votes([one for one in compared if not one.blind], model),
        ratings=(_ratings(last, model), _ratings(last, other)),
        drawn=drawn,
        difference=_difference(*drawn),
    )


def _judged(one: Feedback) -> tuple[object, ...]:
    """What was judged, by whom: texts, in whichever order they stood, and whether names stood above them.

    Who sends a rating and names nobody is another person each time.
    """
    texts = frozenset({(one.model, one.answer), (one.other, one.other_answer)})
    return one.by or (one.id if one.sent else ""), one.question, texts, one.blind, one.verdict == "edited"


def _votes(compared: Sequence[Feedback], model: str) -> Votes:
    ties = sum(one.verdict == "same" for one in compared)
    wins = sum((one.verdict == "better") == (one.model == model) for one in compared if one.verdict != "same")
    decided = len(compared) - ties
    people = len({one.by for one in compared})
    share, p = _share(wins, decided, "comparisons that one of them won")
    return Votes(wins=wins, losses=decided - wins, ties=ties, people=people, share=share, p=p)


def _ratings(last: Iterable[Feedback], model: str) -> Ratings:
    mine = [one for one in last if one.model == model and not (one.other and one.verdict != "edited")]
    better, worse, edited = (sum(one.verdict == verdict for one in mine) for verdict in ("better", "worse", "edited"))
    share, _ = _share(better, better + worse, "ratings")
    return Ratings(model=model, better=better, worse=worse, edited=edited, share=share)


def _difference(one: Ratings, other: Ratings) -> Figure:
    rated = [(ratings.better, ratings.better + ratings.worse) for ratings in (one, other)]
    if (least := min(of for _, of in rated)) < FEWEST:
        return Figure(
            value=None, n=least, note=f"{least} ratings of drawn answers of one of them, needs {FEWEST} of each"
        )
    low, high = difference_of_shares(*rated[0], *rated[1])
    shares = [better / of for better, of in rated]
    return Figure(value=shares[0] - shares[1], low=low, high=high, n=sum(of for _, of in rated))


def _share(some: int, of: int, what: str) -> tuple[Figure, float | None]:
    """Where too few were counted for any outcome to differ from chance, none is given."""
    if of < FEWEST:
        return Figure(value=None, n=of, note=f"{of} {what}, needs {FEWEST}"), None
    from scipy.stats import binomtest

    low, high = wilson(some, of)
    return Figure(value=some / of, low=low, high=high, n=of), float(binomtest(some, of, 0.5).pvalue)


def told_apart(right: int, of: int) -> Figure:
    """The share of blind guesses that found the author's real passage, with Wilson's interval; half is what chance gives."""
    if not of:
        return Figure(value=None, n=0, note="nobody has played yet")
    low, high = wilson(right, of)
    return Figure(value=right / of, low=low, high=high, n=of)
