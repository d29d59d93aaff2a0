"""Which version people prefer: counts, intervals and the sign test, and what votes of different worth never do: mix."""

from __future__ import annotations

import datetime as dt

import pytest

from contracts.feature_store.feedback import Feedback
from training_pipeline.votes import FEWEST, Votes, preferred

TWO, THREE = "Ada@v2", "Ada@v3"


def vote(verdict: str, number: int = 0, *, model: str = THREE, other: str = TWO, **changes: object) -> Feedback:
    values = {
        "author": "Ada",
        "question": f"Question {number}?",
        "answer": f"{model} says {number}.",
        "model": model,
        "other": other,
        "other_answer": f"{other} says {number}." if other else "",
        "snapshot": "s",
        "prompt_hash": "p",
        "passages": (),
        "verdict": verdict,
        "at": dt.datetime(2024, 1, 1),
    }
    return Feedback.model_validate({**values, **changes})


def votes(won: int, lost: int, tied: int = 0, **changes: object) -> list[Feedback]:
    verdicts = ["better"] * won + ["worse"] * lost + ["same"] * tied
    return [vote(verdict, number, **changes) for number, verdict in enumerate(verdicts)]  # type: ignore[arg-type]


def test_eight_of_ten_is_not_yet_proof() -> None:
    blind = preferred(votes(8, 2, 5, blind=True), THREE, TWO).blind
    assert (blind.wins, blind.losses, blind.ties, blind.share.n) == (8, 2, 5, 10)
    assert blind.share.value == 0.8
    # Wilson's interval for 8 of 10, by his formula with z = 1.959964, and twice the chance of 8, 9 or 10 heads in 10.
    assert (blind.share.low, blind.share.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert blind.p == pytest.approx(2 * (45 + 10 + 1) / 1024)


def test_both_sides_tell_the_same_story() -> None:
    given = [*votes(9, 3, 2), *(vote("worse", 20 + n, model=TWO, other=THREE) for n in range(4))]
    one, other = preferred(given, THREE, TWO).open, preferred(given, TWO, THREE).open
    assert (one.wins, one.losses, one.ties) == (other.losses, other.wins, other.ties) == (13, 3, 2)
    assert one.p == other.p
    assert one.share.low == pytest.approx(1 - other.share.high)  # type: ignore[operator]


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (5, 0), (2, 3)])
def test_too_few_decide_nothing_and_it_says_how_many_would(won: int, lost: int) -> None:
    found = preferred(votes(won, lost, 9), THREE, TWO).open
    assert found.p is None
    assert str(found.share) == f"cannot measure: {won + lost} comparisons that one of them won, needs 6"


def test_the_fewest_votes_are_those_that_could_prove_anything() -> None:
    unanimous = preferred(votes(FEWEST, 0), THREE, TWO).open
    assert unanimous.p is not None
    assert unanimous.p == 2 * 0.5**FEWEST < 0.05 < 2 * 0.5 ** (FEWEST - 1)
    assert unanimous.share.low is not None
    assert unanimous.share.low > 0.5


def test_blind_votes_open_votes_and_ratings_never_mix() -> None:
    given = [
        *votes(7, 1, blind=True),
        *votes(0, 8),
        *(vote("better", n, other="") for n in range(9)),
        *(vote("worse", n, model=TWO, other="") for n in range(6)),
        vote("edited", 50, other="", edited="So."),
        *votes(6, 0, other="Ada@v1"),  # another comparison
        *votes(6, 0, model="Ada@v1", other=TWO),
    ]
    found = preferred(given, THREE, TWO)
    assert (found.blind.wins, found.blind.losses) == (7, 1)
    assert (found.open.wins, found.open.losses) == (0, 8)
    mine, others = found.ratings
    assert (mine.model, mine.better, mine.worse, mine.edited, mine.share.value) == (THREE, 9, 0, 1, 1.0)
    assert (others.model, others.better, others.worse, others.edited, others.share.value) == (TWO, 0, 6, 0, 0.0)


def test_a_changed_mind_counts_once_and_another_persons_too() -> None:
    given = [
        vote("better", 1, by="carol"),
        vote("worse", 1, by="dan"),
        vote("worse", 1, by="carol"),
        vote("better", 1, by="carol", answer="Asked again, it says something else."),
        vote("better", 1, by="erin", model=TWO, other=THREE),
        vote("worse", 1, by="erin"),  # the same two texts in the other order
    ]
    found = preferred(given, THREE, TWO).open
    assert (found.wins, found.losses, found.people) == (1, 3, 3)


def test_whoever_sends_a_rating_and_names_nobody_is_another_person_each_time() -> None:
    named = [vote("better", 1, other="", by="7", sent=True, id=f"a{n}") for n in range(3)]
    nobody = [vote("worse", 1, other="", sent=True, id=f"b{n}") for n in range(3)]
    here = [vote("better", 1, other="", id=f"c{n}") for n in range(3)]  # on a page for one person
    mine, _ = preferred([*named, *nobody, *here], THREE, TWO).ratings
    assert (mine.better, mine.worse) == (2, 3)


def test_without_any_votes_nothing_is_measured() -> None:
    found = preferred([], THREE, TWO)
    none = Votes(wins=0, losses=0, ties=0, people=0, share=found.open.share, p=None)
    assert found.blind == found.open == none
    assert [str(one.share) for one in found.ratings] == ["cannot measure: 0 ratings, needs 6"] * 2


def test_ratings_of_answers_that_were_drawn_are_compared_and_no_others() -> None:
    given = [
        *(vote("better" if n < 9 else "worse", n, other="", instead=TWO) for n in range(10)),
        *(vote("better" if n < 3 else "worse", 20 + n, model=TWO, other="", instead=THREE) for n in range(10)),
        *(vote("worse", 40 + n, other="") for n in range(9)),  # asked for by name
        *(vote("worse", 60 + n, other="", instead="Ada@v1") for n in range(9)),  # another challenger's time
        *votes(0, 8),
    ]
    found = preferred(given, THREE, TWO)
    assert [(one.model, one.better, one.worse) for one in found.drawn] == [(THREE, 9, 1), (TWO, 3, 7)]
    # Newcombe's method 10 by hand: Wilson of 9 in 10 is .5958 to .9821, of 3 in 10 .1078 to .6032.
    assert found.difference.value == pytest.approx(0.6)
    assert (found.difference.low, found.difference.high) == pytest.approx((0.1705, 0.8090), abs=1e-3)
    other = preferred(given, TWO, THREE).difference
    assert (other.value, other.low) == pytest.approx((-0.6, -found.difference.high))  # type: ignore[operator]


def test_too_few_drawn_answers_of_one_of_them_decide_nothing() -> None:
    given = [
        *(vote("better", n, other="", instead=TWO) for n in range(9)),
        *(vote("worse", 20 + n, model=TWO, other="", instead=THREE) for n in range(5)),
    ]
    said = "cannot measure: 5 ratings of drawn answers of one of them, needs 6 of each"
    assert str(preferred(given, THREE, TWO).difference) == said
