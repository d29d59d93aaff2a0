"""The verifier tells an author from others who write of the same things, and knows no names, links or signatures."""

from __future__ import annotations

import datetime as dt
import re
import time

import numpy as np
import pytest

from contracts.records import Mark, Post
from tests.voices import HABITS, article
from training_pipeline.evaluation import texts
from training_pipeline.evaluation.verify import Band, Verifier

OTHERS = [name for name in HABITS if name != "Ada"]


def post(text: str, *marks: Mark) -> Post:
    return Post(
        author="Ada", source="s", source_id="1", title="", date=dt.date(2024, 1, 1), url=None, text=text, marks=marks
    )


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    written = {name: texts.pooled(article(name, n) for n in range(30)) for name in HABITS}
    return Verifier(written.pop("Ada"), written)


def test_the_author_scores_above_others_of_the_same_topic_whom_it_knows_and_whom_it_does_not(
    verifier: Verifier,
) -> None:
    mine = verifier.scores(texts.pooled((article("Ada", n) for n in range(100, 120)), each=1))
    for name in OTHERS:
        unseen = [article(name, n) for n in range(100, 120)]
        assert verifier.scores(unseen).max() < mine.min()
        assert verifier.scores(unseen, by=name).max() < mine.min()
    assert sum(map(verifier.band.holds, mine)) >= 14
    assert verifier.probabilities(mine).min() > 0.9
    assert verifier.probabilities(verifier.others).mean() < 0.1


def test_a_score_is_among_those_of_the_reference_authors(verifier: Verifier) -> None:
    assert verifier.others.mean() == pytest.approx(0, abs=1e-9)
    assert verifier.own.mean() > 2


def test_it_tells_authors_apart_when_their_topics_are_masked() -> None:
    written = {name: [article(name, n) for n in range(30)] for name in HABITS}
    mask = texts.masking(texts.frequent(written, 30))
    pools = {name: texts.pooled(map(mask, made)) for name, made in written.items()}
    assert "polished" in " ".join(written["Ada"])
    assert "polished" not in " ".join(pools["Ada"])
    verifier = Verifier(pools.pop("Ada"), pools)
    mine = verifier.scores([mask(article("Ada", n)) for n in range(100, 110)])
    theirs = verifier.scores([mask(article("Cy", n)) for n in range(100, 110)])
    assert theirs.max() < mine.min()


def test_masking_leaves_what_most_authors_use_often() -> None:
    written = {"a": ["the cat and the dog"], "b": ["the boat and the sea"], "c": ["the bread and the oven"]}
    kept = texts.frequent(written, 300)
    assert kept == ["the", "and"]
    assert texts.masking(kept)("The cat, and the boat's end!") == "The *, and the * *!"


def test_what_is_marked_is_not_the_authors() -> None:
    text = "Mine. Quoted. Mine again. x = 1"
    marks = (Mark(start=6, end=13, kind="quote"), Mark(start=26, end=31, kind="code"))
    assert texts.own_words(post(text, *marks)).split() == ["Mine.", "Mine", "again."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi all,\n\nIt rains.", "It rains."),
        ("It rains.\n\nCheers,\nAda", "It rains."),
        ("It rains.\n\n— Ada Byron", "It rains."),
        ("It rains.\n\nBest regards", "It rains."),
        ("# Rain\n\nIt rains.\n\nIt pours.", "It rains.\n\nIt pours."),
        ("See [my post](https://a.example/b) or https://c.example, or mail me@a.example.", "See my post or  or mail ."),
        ("It rains in Paris, says Bea. I think that I'm wet.", "It rains in N, says N. I think that I'm wet."),
        ("Hello! It rains, and that is the whole text.", "Hello! It rains, and that is the whole text."),
    ],
)
def test_names_links_greetings_and_signatures_do_not_count(text: str, expected: str) -> None:
    assert re.sub(r"\s+([,.])", r" \1", texts.stripped(text)) == expected


def test_pooled_texts_have_exactly_so_many_words() -> None:
    words = [f"w{n}" for n in range(400)]
    long, short = " ".join(words), ["a b c", "d e f", "g"]
    assert [len(text.split()) for text in texts.pooled([long])] == [150, 150]
    assert [text.split() for text in texts.pooled(short, words=4)] == [["a", "b", "c", "d"]]
    assert texts.pooled([long, long], each=1)[0].split() == words[:150]
    assert len(texts.pooled([long, long], each=1)) == 2
    assert texts.pooled(["a b"]) == []


def test_a_band_holds_nine_tenths() -> None:
    band = Band.of(list(np.arange(101.0)))
    assert (band.low, band.high) == (5.0, 95.0)
    assert band.holds(5.0)
    assert not band.holds(95.1)


def test_five_hundred_posts_and_fifty_authors_take_seconds() -> None:
    names = list(HABITS)
    references = {f"{n}": texts.pooled(article(names[1 + n % 3], 50 * n + k) for k in range(10)) for n in range(50)}
    mine = texts.pooled(article("Ada", n) for n in range(400))
    judged = [article("Ada", n) for n in range(400, 500)]
    began = time.process_time()
    verifier = Verifier(mine, references)
    verifier.scores(judged)
    for name, written in references.items():
        verifier.scores(written[:2], by=name)
    assert time.process_time() - began < 20
