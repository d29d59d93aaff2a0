"""Questions that ask about a time: which days, now, or a change; and the passages that they are answered from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.feature_store import FeatureStore, Filters
from contracts.feature_store.retrieve import Scored
from inference_pipeline.retrieval.retrieve import retrieve
from inference_pipeline.retrieval.timely import spread
from inference_pipeline.retrieval.when import asked_when
from tests.fakes import WordEmbedder, fill, post


@pytest.mark.parametrize(
    ("question", "after", "before"),
    [
        ("What did you think of Lisp in 2015?", "2015", "2016"),
        ("What did you write between 2012 and 2014 about rust?", "2012", "2015"),
        ("Clocks from 2019 to 2017?", "2017", "2020"),
        ("How did you back up before 2020?", "", "2020"),
        ("What have you learned since 2018?", "2018", ""),
        ("Which editors did you use after 2018?", "2019", ""),
        ("What were you building after 2012 and before 2014?", "2013", "2014"),
        ("What did you post in December 2016?", "2016-12", "2017"),
        ("And during the year 1999?", "1999", "2000"),
        ("Was it in 2011 or in 2013?", "2011", "2014"),
        ("And what about 2014?", "2014", "2015"),
        ("What have you learned since March 2019?", "2019-03", ""),
        ("What did you use before March, 2019?", "", "2019-03"),
        ("What did you use after June of 2015?", "2015-07", ""),
        ("Glue from May 2014 to June 2015?", "2014-05", "2015-07"),
        ("Your posts from 2015?", "2015", "2016"),
        ("What have you built from 2015 on?", "2015", ""),
        ("What did you build in the 2010s?", "2010", "2020"),
        ("What did you build in early 2014?", "2014", "2014-05"),
        ("What did you build in late 2014?", "2014-09", "2015"),
        ("What did you build in the summer of 2014?", "2014", "2015"),
        ("What did you post on 2015-03-12?", "2015-03-12", "2015-03-13"),
        ("What did you post in 2015-12?", "2015-12", "2016"),
        ("What did you post on 2015-02-31?", "2015-02-28", "2015-03"),
    ],
)
def test_the_days_that_a_question_names(question: str, after: str, before: str) -> None:
    assert asked_when(question).span == Filters.of(after, before)


@pytest.mark.parametrize(
    "question",
    [
        "Is the 2015 MacBook any good?",
        "What about 2015 MacBooks?",
        "Can a program fit in 2048 bytes?",
        "Why 350 degrees?",
        "How do I fit 2048 bytes in 1024?",
        "What is new in C++ 2020-style?",
        "What did you do with 2000 screws?",
        "Did you live in 2015-era dormitories?",
        "What came after 2020 and before 2019?",
    ],
)
def test_these_name_no_days(question: str) -> None:
    assert not asked_when(question).span


def test_what_is_asked_about_is_no_matter_of_when() -> None:
    asked = (
        "What do you think of Lisp in 2015?",
        "What do you think of Lisp now?",
        "How has your view of Lisp changed?",
    )
    topics = [asked_when(question).topic for question in asked]
    assert topics == ["What do you think of Lisp ?", "What do you think of Lisp", "How has your of Lisp ?"]


@pytest.mark.parametrize(
    ("question", "now", "changed"),
    [
        ("What do you think of Lisp now?", True, False),
        ("Which editor do you use these days?", True, False),
        ("What is your latest view of C?", True, False),
        ("Do you still use Emacs?", True, False),
        ("How has your view of Lisp changed?", False, True),
        ("Have you changed your mind about glue?", False, True),
        ("How did your thinking evolve?", False, True),
        ("What have you learned about rust over the years?", False, True),
        ("What do you think of Lisp?", False, False),
        ("Now that the clock is oiled, what is next?", False, False),
        ("How do I change a tyre?", False, False),
    ],
)
def test_now_and_change(question: str, now: bool, changed: bool) -> None:
    when = asked_when(question)
    assert (when.now, when.changed) == (now, changed)


@pytest.fixture(scope="module")
def glue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureStore]:
    """Nine posts about glue, one a year from 2012 on, all as near to the question; one about rust in 2016."""
    made = FeatureStore(tmp_path_factory.mktemp("home"), WordEmbedder(8192))
    days = [(dt.date(2012 + year, 3, 1) - dt.date(2024, 1, 1)).days for year in range(9)]
    texts = [
        f"I think of hide glue that it holds well. {' '.join(f'own{n}word{year}' for n in range(5))}"
        for year in range(9)
    ]
    fill(made, [post(n, text, day=day, title="Glue") for n, (text, day) in enumerate(zip(texts, days, strict=True))])
    fill(made, [post(20, "Rust comes off in vinegar.", day=days[4] + 30, title="Rust")])
    yield made
    made.close()


def years(store: FeatureStore, question: str, limit: int = 3) -> list[int]:
    return [passage.date.year for passage in retrieve(store, question, "Ada", limit) if passage.date]


def test_a_year_comes_first_and_shuts_nothing_out(glue: FeatureStore) -> None:
    found = years(glue, "What do you think of hide glue in 2016?")
    assert found[0] == 2016
    assert len(found) == 3
    assert min(years(glue, "What did you think of hide glue since 2019?", 2)) >= 2019


def test_what_does_not_fit_is_not_moved_up_by_its_year(glue: FeatureStore) -> None:
    titles = {p.title for p in retrieve(glue, "What do you think of hide glue in 2016?", "Ada", 3)}
    assert titles == {"Glue"}


def test_one_that_is_nearer_by_far_does_not_shut_out_the_year(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, WordEmbedder(8192))
    texts = {year: f"Hide glue holds wood{year} and leather{year}, clamp{year} or not." for year in range(2013, 2019)}
    texts[2012] = "What do you think of hide glue?"
    days = {year: (dt.date(year, 3, 1) - dt.date(2024, 1, 1)).days for year in texts}
    fill(store, [post(year, text, day=days[year], title="") for year, text in texts.items()])
    assert 2016 in years(store, "What do you think of hide glue in 2016?", 2)
    store.close()


def test_a_year_without_posts_changes_nothing(glue: FeatureStore) -> None:
    assert years(glue, "What do you think of hide glue in 2001?", 1) == years(
        glue, "What do you think of hide glue?", 1
    )


def test_now_prefers_the_newer(glue: FeatureStore) -> None:
    now, ever = (years(glue, f"What do you think of hide glue{end}?") for end in (" now", ""))
    assert sum(now) > sum(ever)


def test_a_change_is_shown_from_the_first_to_the_last(glue: FeatureStore) -> None:
    for limit in (2, 3, 4):
        found = sorted(years(glue, "How has your view of hide glue changed?", limit))
        assert (found[0], found[-1], len(found)) == (2012, 2020, limit)


def test_filters_hold_whatever_the_question_asks(glue: FeatureStore) -> None:
    found = retrieve(glue, "What do you think of hide glue in 2016?", "Ada", 4, Filters.of(after="2018"))
    assert {passage.date.year for passage in found if passage.date} <= {2018, 2019, 2020}


def test_spread_is_even_and_has_both_ends() -> None:
    dated = [Scored(str(n), 1.0, 1.0) for n in range(10)]
    assert [int(chunk.chunk_id) for chunk in spread(dated, 4)] == [0, 3, 6, 9]
    assert spread(dated[:2], 4) == dated[:2]
    assert [chunk.chunk_id for chunk in spread(dated, 1)] == ["0"]
