"""Feedback: kept with what tells how an answer came about, and gone with the words that it holds."""

from __future__ import annotations

import datetime as dt
import sqlite3
from pathlib import Path

import pytest

from contracts.errors import NotFound, UsageError
from contracts.feature_store import FeatureStore
from contracts.feature_store.feedback import Feedback, Lesson
from contracts.feature_store.shared_words import Words
from contracts.prompt import PROMPT_HASH
from contracts.records import Answer, Span
from tests.fakes import WordEmbedder, fill, post

CLOCK = "The church clock gains four minutes a week, and I regulate its pendulum on Sundays after the bells."
RUST = "Rust comes off in vinegar if you leave it there for two nights and do not look."
TEA = "I drink my tea black."


@pytest.fixture
def store(store: FeatureStore) -> FeatureStore:
    fill(store, [post(1, CLOCK), post(2, RUST), post(3, TEA)])
    fill(store, [post(4, "My own clock is a quiet clock and it has stood still for nine years.", author="Bea")])
    return store


def given(store: FeatureStore, verdict: str = "better", of: int = 1, **changes: object) -> Feedback:
    """On an answer that was written from post number `of`."""
    shown = store.posts("Ada")[-of]
    values = {
        "author": "Ada",
        "question": "How is the clock?",
        "answer": "Fast.",
        "model": "Ada@v1",
        "snapshot": store.snapshot().id,
        "prompt_hash": PROMPT_HASH,
        "passages": (Span(post_id=shown.id, start=0, end=len(shown.text)),),
        "verdict": verdict,
        "edited": "Too fast." if verdict == "edited" else "",
    }
    return Feedback.model_validate({**values, **changes})


def test_feedback_is_kept_with_all_that_it_is_about(store: FeatureStore) -> None:
    began = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    first = store.feedback.add(given(store, by="carol"))
    second = store.feedback.add(
        given(store, "worse", other="Ada@v2", other_answer="Four minutes fast.", blind=True, model="Ada@v3")
    )
    assert store.feedback.all() == [first, second]
    assert first.id != second.id
    assert first.at is not None
    assert began <= first.at <= second.at  # type: ignore[operator]
    assert first == given(store, by="carol", id=first.id, at=first.at)
    assert [one.id for one in store.feedback.all("Ada", "Ada@v2")] == [second.id]
    assert store.feedback.all("Bea") == []


def test_what_a_person_made_of_answers_that_they_read_alone(store: FeatureStore) -> None:
    first = store.feedback.add(given(store, by="carol"))
    store.feedback.add(given(store, "worse", by="dora"))
    store.feedback.add(given(store, other="Ada@v2", by="carol"))
    store.feedback.add(given(store, "edited", by="carol"))
    store.feedback.add(given(store, sent=True, by="carol"))
    again = store.feedback.add(given(store, "worse", by="carol"))
    assert store.feedback.alone("Ada", "carol") == [first, again]
    assert store.feedback.alone("Bea", "carol") == []


def test_feedback_on_a_drawn_answer_or_sent_says_so_and_no_trace_of_that_is_left(store: FeatureStore) -> None:
    made = [store.feedback.add(given(store, instead="Ada@v2", sent=True, of=of)) for of in (1, 2, 3)]
    assert store.feedback.all() == made
    store.feedback.delete([made[0].id])
    store.forget("Ada", [made[1].passages[0].post_id])
    assert store.feedback.all() == made[2:]
    with sqlite3.connect(store._home / "ledger.sqlite3") as db:
        assert db.execute("select id, instead from feedback_draws").fetchall() == [(made[2].id, "Ada@v2")]
        assert db.execute("select id, author from feedback_sent").fetchall() == [(made[2].id, "Ada")]
    store.forget_author("Ada")
    with sqlite3.connect(store._home / "ledger.sqlite3") as db:
        for table in ("feedback_draws", "feedback_sent"):
            assert db.execute(f"select count(*) from {table}").fetchone() == (0,)


def test_an_answer_just_given_is_enough_to_judge_it(store: FeatureStore) -> None:
    answer = Answer(
        answer="Fast. [1]",
        citations=(),
        passages=tuple(store.newest("Ada", 2)),
        model="Ada@v1",
        snapshot=store.snapshot().id,
        timings={},
    )
    made = store.feedback.add(Feedback.of(answer, "Ada", "How is the clock?", "edited", edited="Slow.", by="carol"))
    assert store.feedback.all() == [made]
    assert (made.answer, made.model, made.prompt_hash, made.edited) == ("Fast. [1]", "Ada@v1", PROMPT_HASH, "Slow.")
    assert [(span.post_id, span.start, span.end) for span in made.passages] == [
        (passage.post_id, passage.start, passage.end) for passage in answer.passages
    ]


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"verdict": "edited", "edited": " \n"}, UsageError, "the edited text is empty"),
        ({"verdict": "edited", "edited": "Fast.\n"}, UsageError, "is the answer as it was"),
        ({"verdict": "same"}, UsageError, "only an answer beside another"),
        ({"blind": True}, UsageError, "only an answer beside another"),
        ({"other": "Ada@v1"}, UsageError, "compared with itself"),
        ({"answer": "a" * 50_001}, UsageError, "longer than 50,000 characters"),
        ({"author": "Nobody"}, NotFound, "no posts by 'Nobody'"),
        ({"author": "Bea"}, NotFound, "are stored no more"),
        ({"passages": (Span(post_id="gone", start=0, end=1),)}, NotFound, "are stored no more"),
    ],
)
def test_what_says_nothing_is_not_kept(
    store: FeatureStore, changes: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        store.feedback.add(given(store, **changes))  # type: ignore[arg-type]
    assert store.feedback.all() == []


def test_deleting_names_what_is_not_there_and_then_deletes_nothing(store: FeatureStore) -> None:
    kept, gone = store.feedback.add(given(store)), store.feedback.add(given(store))
    with pytest.raises(NotFound, match="no feedback nothing"):
        store.feedback.delete([gone.id, "nothing"])
    assert len(store.feedback.all()) == 2
    assert store.feedback.delete([gone.id])
    assert store.feedback.all() == [kept]


# ---- forgetting -----------------------------------------------------------------------------------------------------


def test_forgetting_a_post_takes_what_was_written_from_it_or_holds_its_words(
    store: FeatureStore, own_home: Path
) -> None:
    quoted = "the church clock GAINS four minutes; a week and I"
    for changes in (
        {},
        {"of": 2, "answer": f"So be it: {quoted}!"},
        {"of": 2, "verdict": "edited", "edited": f"No. {quoted}."},
        {"of": 2, "question": f"Is it true that {quoted} regulate?"},
        {"of": 2, "other": "Ada@v2", "other_answer": quoted},
        {"passages": (), "answer": quoted},
    ):
        store.feedback.add(given(store, **changes))  # type: ignore[arg-type]
    kept = [
        store.feedback.add(given(store, of=2, answer=answer))
        for answer in (
            "The clock gains four minutes a week.",
            "Rust comes off in vinegar if you leave it there for two.",
        )
    ]
    store.feedback.label("rules", {kept[1].id: Lesson(chosen="nothing of it")})
    store.forget("Ada", [store.posts("Ada")[-1].id])
    assert store.feedback.all() == kept
    store.close()
    held = b"".join(path.read_bytes() for path in store._home.glob("ledger.sqlite3*"))
    assert b"GAINS four" not in held


def test_what_a_lesson_alone_holds_is_forgotten_too(store: FeatureStore) -> None:
    edit = store.feedback.add(given(store, "edited", of=2))
    store.feedback.label("rules", {edit.id: Lesson(instruction="?", chosen=CLOCK, rejected="Fast.")})
    store.forget("Ada", [store.posts("Ada")[-1].id])
    assert store.feedback.all() == []


def test_a_short_post_is_forgotten_where_all_of_it_stands(store: FeatureStore) -> None:
    store.feedback.add(given(store, answer="As I said: I drink my tea black, no sugar."))
    kept = store.feedback.add(given(store, answer="I drink my tea with milk."))
    store.forget("Ada", [store.posts("Ada")[-3].id])
    assert store.feedback.all() == [kept]


def test_forgetting_a_source_or_an_author_takes_their_feedback_and_what_quotes_them(store: FeatureStore) -> None:
    quoted = store.feedback.add(given(store, passages=(), answer=store.posts("Bea")[0].text))
    store.feedback.add(given(store, author="Bea", passages=()))
    kept = store.feedback.add(given(store))
    store.forget_author("Bea")
    assert store.feedback.all() == [kept]
    with pytest.raises(NotFound, match="no posts by 'Bea'"):
        store.feedback.add(quoted.model_copy(update={"author": "Bea"}))
    store.forget_author("Ada")
    assert store.feedback.all() == []


def test_words_are_held_in_rows_of_eight() -> None:
    held = Words(
        {"a": ["one two three four five six seven eight nine"], "b": ["eight nine", "Two, three; FOUR five six"]}
    )
    assert held.holding("0 1 Two three four, five six seven eight nine 9") == {"a"}
    assert held.holding("one two three four five six seven nine") == set()
    assert held.holding("three four five six") == {"a", "b"}
    assert held.holding("nine two three four") == set()  # a and b are two texts
    assert held.holding("eight nine") == set()
    assert held.holding("") == set()


def test_words_without_spaces_are_held_by_their_signs() -> None:
    held = Words({"a": ["先週、教会の時計は四分進んだ。I saw it."]})
    assert held.holding("教会の時計は四分進んだと書いた") == {"a"}
    assert held.holding("教会の時計は二分遅れたと書いた") == set()


# ---- ledgers from before --------------------------------------------------------------------------------------------


def test_a_ledger_from_before_feedback_opens_and_gets_its_table(store: FeatureStore) -> None:
    home = store._home
    store.close()
    with sqlite3.connect(home / "ledger.sqlite3") as before:
        before.execute("DROP TABLE feedback")
        names = {row[0] for row in before.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    before.close()
    assert "feedback" not in names
    again = FeatureStore(home, WordEmbedder())
    made = again.feedback.add(given(again))
    assert again.feedback.all() == [made]
    assert len(again.posts("Ada")) == 3
    again.close()


def test_feedback_is_no_part_of_what_a_reader_sees(store: FeatureStore) -> None:
    before = store.snapshot()
    store.feedback.add(given(store))
    assert store.snapshot() == before
    assert store.index_size() == before.chunks
