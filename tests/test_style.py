"""A figure that a planted cheat passes is a defect; a figure that the data cannot support is none."""

from __future__ import annotations

import random

import pytest

from training_pipeline import style

WORDS = "spring clock brass screw oil rain tea bench file saw lathe valve seam thread wheel".split()


def text(seed: int, words: int = 120) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def test_delta_nll_has_an_interval_around_its_mean() -> None:
    figure = style.delta_nll([0.1, 0.2, 0.15, 0.12, 0.18, 0.2, 0.1])
    assert figure.value == pytest.approx(0.15, abs=1e-6)
    assert figure.low is not None
    assert figure.high is not None
    assert 0.1 < figure.low < 0.15 < figure.high < 0.2
    assert figure.n == 7


def test_too_few_posts_cannot_be_measured() -> None:
    figure = style.delta_nll([0.1, 0.2])
    assert figure.value is None
    assert str(figure) == "cannot measure: 2 posts, needs 5"
    assert style.specificity([0.1] * 9, []).value is None
    assert "reference" in style.specificity([0.1] * 9, []).note


def test_specificity_tells_the_author_from_the_genre() -> None:
    mine = [0.20, 0.22, 0.18, 0.25, 0.21, 0.19]
    genre = style.specificity(mine, [0.21, 0.20, 0.22, 0.19, 0.23, 0.2])
    author = style.specificity(mine, [0.05, 0.06, 0.04, 0.05, 0.07, 0.06])
    assert author.low is not None
    assert author.low > 0
    assert genre.low is not None
    assert genre.low < 0


def test_auc_is_one_for_the_author_half_for_chance() -> None:
    assert style.auc([5, 6, 7, 8, 9], [0, 1, 2, 3, 4]).value == 1.0
    assert style.auc([1, 1, 1, 1, 1], [1, 1, 1, 1, 1]).value == 0.5


def test_copied_training_posts_are_caught() -> None:
    training = [text(seed) for seed in range(20)]
    honest = [text(seed) for seed in range(100, 120)]
    held_out = [text(seed) for seed in range(200, 220)]
    copied = [f"Well. {training[n][30:200]} indeed" for n in range(5)] + honest[5:]
    assert style.copy_excess(honest, held_out, training).value == 0.0
    caught = style.copy_excess(copied, held_out, training)
    assert caught.value == 0.25
    assert caught.high is not None
    assert caught.high > 0.02


def test_copying_is_caught_whatever_the_case_and_punctuation() -> None:
    training = ["one, two three four five six seven eight nine ten eleven twelve thirteen"]
    copies = ["ONE two. Three four five — six seven eight nine ten eleven TWELVE"] * 5
    assert style.copy_excess(copies, [text(n) for n in range(5)], training).value == 1.0
    shorter = ["one two three four five six seven eight nine ten eleven"] * 5
    assert style.copy_excess(shorter, [text(n) for n in range(5)], training).value == 0.0


def test_an_authors_own_habit_of_repeating_is_no_excess() -> None:
    formula = "as ever this post was written on the bench with tea and rain outside"
    training, held_out = [formula] * 5, [f"news. {formula}"] * 5
    assert style.copy_excess([f"more. {formula}"] * 5, held_out, training).value == 0.0


def test_no_copies_among_few_outputs_says_how_little_that_proves() -> None:
    figure = style.copy_excess([text(n) for n in range(24)], [text(n) for n in range(50, 60)], [text(99)])
    assert "none of 24 outputs copies" in figure.note
    assert "12%" in figure.note
