"""Retrieval: two rankings fused, what is new told from what is asked about, and nothing where nothing fits."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from contracts.errors import NotFound
from contracts.feature_store import FeatureStore, Filters, Hit
from contracts.feature_store.retrieve import fused, search
from contracts.feature_store.store import shares
from contracts.records import Passage
from inference_pipeline.grounding.answerable import nearest
from inference_pipeline.retrieval.follow_up import made_whole
from inference_pipeline.retrieval.retrieve import asked_in, asks_by_date, retrieve
from tests.fakes import WORDS, WordEmbedder, fill, post, voice


class Ranked(FeatureStore):
    """A store whose two searches have ranked already."""

    def __init__(self, hits: list[Hit]) -> None:
        self.hits = hits

    def search(
        self,
        text: str,
        author: str,
        candidates: int = 100,
        among: Collection[str] | None = None,
        filters: Filters | None = None,
    ) -> list[Hit]:
        return self.hits

    def passages(self, scores: dict[str, tuple[float, float]]) -> list[Passage]:
        return [
            Passage(
                post_id=chunk, source_id="", title="", url=None, date=None, text="", start=0, end=0, score=score,
                similarity=similarity,
            )
            for chunk, (score, similarity) in scores.items()
        ]  # fmt: skip


def test_two_rankings_are_fused_by_the_mean_of_their_scores() -> None:
    hits = [
        Hit("f", 0.0, None, 0.3),
        Hit("e", 0.5, 0.3, None),  # as much as f: by id
        Hit("d", 0.6, 0.4, 0.0),
        Hit("c", 0.0, None, 1.0),
        Hit("b", 0.7, 0.5, 0.6),
        Hit("a", 0.9, 1.0, 0.3),
    ]
    found = search(Ranked(hits), "a question", "Ada", 6)
    assert [passage.post_id for passage in found] == ["a", "b", "c", "d", "e", "f"]
    assert [passage.score for passage in found] == pytest.approx([0.65, 0.55, 0.5, 0.2, 0.15, 0.15])
    assert [passage.similarity for passage in found] == [0.9, 0.7, 0.0, 0.6, 0.5, 0.0]
    assert [passage.post_id for passage in search(Ranked(hits), "a question", "Ada", 2)] == ["a", "b"]


@pytest.mark.parametrize(
    ("scores", "candidates", "expected"),
    [
        ([], 4, []),
        ([0.9, 0.5, 0.3], 3, [1.0, 1 / 3, 0.0]),  # others may have been as near as the last
        ([0.9, 0.45], 3, [1.0, 0.5]),  # these are all
        ([7.0], 1, [1.0]),
        ([0.5, 0.5], 2, [1.0, 1.0]),
        ([0.5, -0.2], 3, [1.0, 0.0]),
        ([-0.1, -0.2], 3, [0.0, 0.0]),
    ],
)
def test_scores_of_one_search_are_counted_from_what_it_did_not_find(
    scores: list[float], candidates: int, expected: list[float]
) -> None:
    ranked = [(str(place), score) for place, score in enumerate(scores)]
    found = shares(ranked[::-1], candidates)
    assert list(found) == [chunk for chunk, _ in ranked]
    assert list(found.values()) == pytest.approx(expected)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    made = FeatureStore(tmp_path / "home", WordEmbedder(512))
    texts = ["The church clock gains four minutes.", "Rust comes off in vinegar.", "A letter about mackerel."]
    fill(made, [post(number, text) for number, text in enumerate(texts)])
    fill(made, [post(9, "Nothing but clocks, church clocks, here.", author="Bea")])
    yield made
    made.close()


def texts(found: list[Passage]) -> list[str]:
    return [passage.text for passage in found]


def test_the_best_passages_come_first_and_only_the_authors(store: FeatureStore) -> None:
    found = retrieve(store, "how many minutes does the church clock gain", "Ada", 2)
    assert found[0].text == "The church clock gains four minutes."
    assert len(found) == 2
    assert found[0].similarity > 0.35
    assert found[0].score == pytest.approx(1.0)
    assert found[0].score > found[1].score


def test_among_some_posts_it_finds_what_a_store_of_these_alone_would_find(tmp_path: Path) -> None:
    posts = [post(number, voice(number, WORDS)) for number in range(300)]
    allowed = posts[::6]
    all_of_them = FeatureStore(tmp_path / "all", WordEmbedder(512))
    some = FeatureStore(tmp_path / "some", WordEmbedder(512))
    fill(all_of_them, posts)
    fill(some, allowed)
    query, ids = posts[1].text, {one.id for one in allowed}
    found = search(all_of_them, query, "Ada", 4, among=ids)
    assert len(found) == 4
    assert {passage.post_id for passage in found} <= ids
    assert search(all_of_them, query, "Ada", 1)[0].post_id == posts[1].id  # which is not among them
    nearest = max(search(some, query, "Ada", 50), key=lambda passage: passage.similarity)
    nearest_of_all = max(search(all_of_them, query, "Ada", 50, among=ids), key=lambda passage: passage.similarity)
    assert (nearest_of_all.post_id, nearest_of_all.similarity) == (nearest.post_id, nearest.similarity)
    assert len(search(all_of_them, query, "Ada", 100, among=ids)) == 50
    assert search(all_of_them, query, "Ada", 4, among=set()) == []
    assert search(all_of_them, query, "Ada", 4, among=None) == search(all_of_them, query, "Ada", 4)
    for made in (all_of_them, some):
        made.close()


def test_scores_count_the_allowed_posts_alone(store: FeatureStore) -> None:
    clock, rust, letter = sorted(store.posts("Ada"), key=lambda one: one.source_id)
    (best,) = search(store, "how many minutes does the church clock gain", "Ada", 1, among={letter.id, rust.id})
    assert best.post_id != clock.id
    assert best.score >= fused(Hit("", 0.0, 1.0, None))
    (only,) = search(store, "how many minutes does the church clock gain", "Ada", 4, among={rust.id})
    assert (only.post_id, only.score) in [(rust.id, fused(Hit("", 0.0, 1.0, words))) for words in (1.0, None)]


def test_where_nothing_fits_nothing_is_found(store: FeatureStore) -> None:
    assert retrieve(store, "quantum chromodynamics lectures", "Ada", 4) == []
    assert len(search(store, "quantum chromodynamics lectures", "Ada", 4)) == 3
    for empty in ("", "   ", "?!"):
        assert retrieve(store, empty, "Ada", 4) == []


def test_a_question_that_is_refused_is_searched_for_once(store: FeatureStore) -> None:
    embedder = store.embedder
    assert isinstance(embedder, WordEmbedder)
    question, before = "quantum chromodynamics lectures", embedder.embedded
    assert retrieve(store, question, "Ada", 4) == []
    assert len(nearest(store, question, "Ada")) == 3
    assert embedder.embedded - before == 1
    assert [post.title for post in nearest(store, question, "Bea")] == ["Post 9"]
    store.search(question, "Ada", filters=Filters.of(format="document"))
    assert store.search(question, "Ada", 1) != store.search(question, "Ada", 2)


def test_what_was_found_is_looked_for_anew_once_the_posts_have_changed(store: FeatureStore) -> None:
    question = "mackerel letters from the harbour"
    assert len(store.search(question, "Ada")) == 3
    fill(store, [post(3, "The harbour has mackerel again.")])
    found = store.search(question, "Ada")
    assert len(found) == 4
    found.clear()
    assert len(store.search(question, "Ada")) == 4
    store.forget("Ada", [one.id for one in store.posts("Ada") if one.source_id == "3.md"])
    assert len(store.search(question, "Ada")) == 3


def test_what_is_new_are_the_newest_posts(store: FeatureStore) -> None:
    found = retrieve(store, "What have you written about lately?", "Ada", 2)
    assert texts(found) == ["A letter about mackerel.", "Rust comes off in vinegar."]


def test_a_recent_topic_is_looked_for(store: FeatureStore) -> None:
    assert texts(retrieve(store, "Any recent minutes of the church clock?", "Ada", 1)) == [
        "The church clock gains four minutes."
    ]


@pytest.mark.parametrize("question", ["rust", "What is new?"])
@pytest.mark.parametrize("author", ["Nobody", "", "ada"])
def test_an_author_who_is_not_there_is_an_error(store: FeatureStore, author: str, question: str) -> None:
    with pytest.raises(NotFound, match="Ada, Bea"):
        retrieve(store, question, author, 2)


@pytest.mark.parametrize(
    "question",
    [
        "What have you written about lately?",
        "what's new",
        "What’s new?",
        "WHAT IS NEW?",
        "Anything new on your blog?",
        "Tell me about your latest posts, please.",
        "What did you write last week?",
        "What are you working on these days?",
        "Which is your newest post?",
        "What has been on your mind recently?",
    ],
)
def test_these_ask_for_news(question: str) -> None:
    assert asks_by_date(question) == asks_by_date(question, alone=False) == (Filters(), False)


@pytest.mark.parametrize(
    ("question", "days", "oldest"),
    [
        ("What did you write about in 2012?", Filters.of("2012", "2013"), False),
        ("What is new in 2023?", Filters.of("2023", "2024"), False),
        ("Which posts did you publish between 2008 and 2009?", Filters.of("2008", "2010"), False),
        ("What was your first post about?", Filters(), True),
        ("What was the first thing you wrote in 2012?", Filters.of("2012", "2013"), True),
        ("When did you publish your oldest post?", Filters(), True),
    ],
)
def test_these_ask_for_posts_of_a_time(question: str, days: Filters, oldest: bool) -> None:
    assert asks_by_date(question) == (days, oldest)


def test_a_long_question_is_judged_by_what_it_asks(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, WordEmbedder(512))
    fill(store, [post(1, "The church clock gains four minutes when it rains.")])
    told = "My neighbours painted our kitchen ceiling and never mentioned which colour suited Florence palaces. " * 4
    assert len(retrieve(store, f"{told}How many minutes does the church clock gain?", "Ada", 4)) == 1
    assert retrieve(store, f"{told}Which violin should a child practise?", "Ada", 4) == []
    store.close()


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("Why brass?", None),
        (f"{'I wind it on Sundays. ' * 20}Which oil does a clock need?", "Which oil does a clock need?"),
        (f"Which oil does a clock need? {'I wind it on Sundays. ' * 20}", "Which oil does a clock need?"),
        (f"{'I wind the clock on Sundays. ' * 20}Why is that?", None),
        (
            f"{'I wind it on Sundays. ' * 20}Explain how springs lose their temper.",
            "Explain how springs lose their temper.",
        ),
    ],
)
def test_what_a_long_question_asks(question: str, asked: str | None) -> None:
    assert asked_in(question) == asked


def test_posts_of_a_time_are_found_by_their_date_alone(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, WordEmbedder(512))
    fill(store, [post(n, f"The clock number{n} gains.", day=400 * n) for n in range(4)])  # 2024 to 2027

    def found(question: str, *history: tuple[str, str]) -> list[str]:
        follow = made_whole(question, history)
        return [p.source_id for p in retrieve(store, question, "Ada", 2, follow=follow)]

    assert found("What did you write about in 2025?") == ["1.md"]
    assert found("What did you write about in 1999?") == []
    assert found("What was your first post about?") == ["0.md", "1.md"]
    assert found("What have you written about lately?") == ["3.md", "2.md"]
    assert found("And in 2025?", ("What gains the clock number1?", "Minutes."))[0] == "1.md"  # it leans on the clock
    store.close()


@pytest.mark.parametrize(
    "question",
    [
        "What do you think of lately fashionable clocks?",
        "What is the newest tool on your bench?",
        "What have you written about rust lately?",
        "What have you written lately about музыка?",
        "Have you a new motor?",
        "What have you written?",
        "Who are you?",
        "Is renewal a story?",
        "",
    ],
)
def test_these_do_not(question: str) -> None:
    assert asks_by_date(question) is None
