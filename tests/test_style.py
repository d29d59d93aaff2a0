"""A figure that a planted cheat passes is a defect; a figure that the data cannot support is none."""

from __future__ import annotations

import random

import numpy as np
import pytest

from contracts.copies import Runs
from tests.fakes import WordEmbedder
from tests.voices import article
from training_pipeline.evaluation import bootstrap, content, guards, style

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


def known(texts: list[str]) -> Runs:
    return Runs((str(n), each) for n, each in enumerate(texts))


def test_copied_training_posts_are_caught() -> None:
    training = [text(seed) for seed in range(20)]
    honest = [text(seed) for seed in range(100, 120)]
    held_out = [text(seed) for seed in range(200, 220)]
    copied = [f"Well. {training[n][30:200]} indeed" for n in range(5)] + honest[5:]
    assert style.copy_excess(honest, held_out, known(training)).value == 0.0
    caught = style.copy_excess(copied, held_out, known(training))
    assert caught.value == 0.25
    assert caught.high is not None
    assert caught.high > 0.02


def test_copying_is_caught_whatever_the_case_and_punctuation() -> None:
    training = ["one, two three four five six seven eight nine ten eleven twelve thirteen"]
    copies = ["ONE two. Three four five — six seven eight nine ten eleven TWELVE"] * 5
    assert style.copy_excess(copies, [text(n) for n in range(5)], known(training)).value == 1.0
    shorter = ["one two three four five six seven eight nine ten eleven"] * 5
    assert style.copy_excess(shorter, [text(n) for n in range(5)], known(training)).value == 0.0


def test_an_authors_own_habit_of_repeating_is_no_excess() -> None:
    formula = "as ever this post was written on the bench with tea and rain outside"
    training, held_out = [formula] * 5, [f"news. {formula}"] * 5
    assert style.copy_excess([f"more. {formula}"] * 5, held_out, known(training)).value == 0.0


def test_no_copies_among_few_outputs_says_how_little_that_proves() -> None:
    figure = style.copy_excess([text(n) for n in range(24)], [text(n) for n in range(50, 60)], known([text(99)]))
    assert "none of 24 outputs copies" in figure.note
    assert "under 13.8%" in figure.note
    assert figure.high == pytest.approx(0.1380, abs=1e-4)


def test_verification_counts_what_is_not_answered() -> None:
    sure = style.verification(np.full(20, 0.9), np.full(20, 0.1))
    assert [figure.value for figure in sure.values()] == pytest.approx([1.0, 1.0, 0.01])
    half = style.verification(np.full(20, 0.9), np.array([0.1, 0.5] * 10))
    assert half["verification_c_at_1"].value == pytest.approx(0.75 * 1.25)
    assert half["verification_f05u"].value == pytest.approx(1.25 / (1.25 + 0.25 * 0.5), abs=1e-5)
    wrong = style.verification(np.full(20, 0.1), np.full(20, 0.9))
    assert [figure.value for figure in wrong.values()] == pytest.approx([0, 0, 0.81])
    assert str(style.verification(np.full(20, 0.9), np.full(3, 0.1))["verification_brier"]).endswith(
        "3 posts, needs 10"
    )


def test_the_gap_is_closed_by_the_share_of_the_way_to_the_author() -> None:
    spread = np.random.default_rng(0).normal(0, 0.1, (8, 3))
    base, human = spread, spread[:, :1] + 2.0
    assert style.gap_closed(base, base + 1.0, human).value == pytest.approx(0.5, abs=0.06)
    assert "more like the author" in style.gap_closed(base, base + 3.0, human).note
    assert style.gap_closed(base, base, base[:, :1]).value is None
    assert "4 posts" in style.gap_closed(base[:4], base[:4], human[:4]).note


def test_seeds_of_one_post_are_no_posts() -> None:
    """Equal seeds tell nothing new: three of each post leave the interval as wide as one does."""
    values = np.random.default_rng(1).normal(size=12)
    one = bootstrap.figure([values], lambda means: means[0])
    three = bootstrap.figure([np.tile(values[:, None], 3)], lambda means: means[0])
    apart = bootstrap.figure([np.repeat(values, 3)], lambda means: means[0])
    widths = [(f.high or 0) - (f.low or 0) for f in (one, three, apart)]
    assert widths[1] == pytest.approx(widths[0], rel=0.05)
    assert widths[2] < 0.7 * widths[0]


def test_a_paired_difference_is_found_and_chance_is_not() -> None:
    drawn = np.random.default_rng(2)
    a = drawn.normal(size=20)
    better = bootstrap.paired(list(a), list(a + 0.5 + drawn.normal(0, 0.1, 20)))
    assert better is not None
    assert better.p < 0.001
    assert better.low > 0.4
    assert better.smallest_detectable < 0.1
    same = bootstrap.paired(list(a), list(a + drawn.normal(0, 0.1, 20)))
    assert same is not None
    assert same.p > 0.05
    assert bootstrap.paired([1.0] * 4, [2.0] * 4) is None
    equal = bootstrap.paired([1.0] * 6, [1.0] * 6)
    assert equal is not None
    assert (equal.difference, equal.p) == (0.0, 1.0)


def test_a_classifier_tells_another_author_and_not_the_author_from_the_author() -> None:
    human = [article("Ada", n, 4) for n in range(40)]
    again = style.distinguishability(human, [article("Ada", n, 4) for n in range(50, 90)])
    other = style.distinguishability(human, [article("Bea", n, 4) for n in range(40)])
    assert again.low is not None
    assert again.low < 0.65
    assert (other.value or 0) > 0.95
    assert style.distinguishability(human[:5], human[:5]).note == "5 posts, needs 10"


def test_forgetting_is_what_the_adapter_lost() -> None:
    base = [0.7 + 0.01 * n for n in range(12)]
    assert guards.forgetting(base, [value + 0.2 for value in base]).value == pytest.approx(0.2)
    assert guards.forgetting(base, base).value == 0.0
    assert len(guards.generic_passages()) == 12
    assert min(map(len, guards.generic_passages())) > 250


def test_loops_and_lengths_are_seen() -> None:
    own = [article("Ada", n) for n in range(10)]
    loop = ["the clock is late and " * 30] * 10
    assert (guards.distinct_3(own).low or 0) > 2 * (guards.distinct_3(loop).high or 1)
    assert guards.length_ratio(own, own).value == 1.0
    assert guards.length_ratio([text for text in own for _ in range(2)], own, each=2).value == 1.0
    assert (guards.length_ratio([text[:200] for text in own], own).high or 1) < 0.5


def test_fluency_is_judged_by_the_authors_own_band() -> None:
    own = list(np.linspace(0.8, 1.2, 41))
    assert guards.fluency_in_band(np.full((6, 3), 1.0), own).value == 1.0
    assert guards.fluency_in_band(np.full((6, 3), 2.5), own).value == 0.0  # word salad
    assert guards.fluency_in_band(np.full((6, 3), 0.2), own).value == 0.0  # a loop
    assert guards.fluency_in_band(np.full((6, 3), 1.0), own[:7]).note == "7 posts, needs 20"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Write a post titled "Rust in 2024"', {"2024"}),
        ("Write about Rust's borrow checker, C++ and GDB.", {"rust", "c++", "gdb"}),
        ("What did I say on 3.14 and e-mail? And why?", {"3.14"}),
        ("What is SQLite? The best.", {"sqlite"}),
    ],
)
def test_names_and_numbers(text: str, expected: set[str]) -> None:
    assert content.entities(text) == expected


def test_content_is_kept_or_lost() -> None:
    asked = [f"Write how Rust {n} differs from C++" for n in range(6)]
    kept = [f"Rust {n} is not C++, says Ada" for n in range(6)]
    assert content.entities_kept(asked, kept).value == 1.0
    assert content.entities_kept(asked, ["Rust it is"] * 6).value == pytest.approx(1 / 3, abs=1e-4)
    assert content.entities_kept(["write something"] * 6, kept).note.startswith("0 instructions")
    numbered = ["Top 5 things about Go"] * 6
    assert content.entities_kept(numbered, ["It was going well in 2015, at 2.5 per cent."] * 6).value == 0.0
    assert content.entities_kept(numbered, ["Go’s 5 best: none."] * 6).value == 1.0
    assert content.entities_kept(["On GPUs by 3.14 or C and V8"] * 6, ["gpus 3.14, c, V8s."] * 6).value == 1.0
    assert content.entities_kept(["Why not C or Rust"] * 6, ["C++ or c#, by trust"] * 6).value == 0.0
    embed = WordEmbedder().embed
    on, off = (content.instruction_similarity(asked, texts, embed) for texts in (kept, ["tea and rain"] * 6))
    assert (on.low or 0) > (off.high or 0)
