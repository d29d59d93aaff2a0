"""Edited answers as lessons: the author's own words, nothing private, and nothing of what is held out."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.base_model import BaseLanguageModel
from contracts.errors import UsageError
from contracts.feature_store import FeatureStore
from contracts.feature_store.feedback import Feedback, Lesson
from contracts.model_registry import ModelRegistry
from contracts.records import Span
from feature_pipeline import edits as lessons
from tests.conftest import Twin
from tests.fakes import fill, recipe, stock
from training_pipeline import data, edits, pipeline
from training_pipeline.data_card import rows
from training_pipeline.pipeline import Options, Parts

ANSWER = "The clock is an interesting topic with many aspects. [1]"
EDITED = "The clock runs slow, and I count its screws twice. [1]"


@pytest.fixture
def store(store: FeatureStore) -> FeatureStore:
    stock(store)
    return store


def held(store: FeatureStore, part: str = "test") -> str:
    return next(post_id for post_id, split in sorted(store.splits("Ada")[0].items()) if split == part)


def edit(store: FeatureStore, of: tuple[str, ...] | None = None, **changes: object) -> Feedback:
    shown = (held(store, "train"),) if of is None else of
    values = {
        "author": "Ada",
        "question": "What of the clock?",
        "answer": ANSWER,
        "model": "Ada@v1",
        "snapshot": "s",
        "prompt_hash": "p",
        "passages": tuple(Span(post_id=post_id, start=0, end=30) for post_id in shown),
        "verdict": "edited",
        "edited": EDITED,
    }
    return store.feedback.add(Feedback.model_validate({**values, **changes}))


def left_out(store: FeatureStore) -> dict[str, int]:
    lessons.label("Ada", store)
    return edits.added(data.read(store, "Ada"), store).edits_left_out


def test_a_lesson_is_what_an_example_would_be(store: FeatureStore) -> None:
    given = edit(
        store,
        question="What of the clock? Write to ada@example.org.",
        answer=f"{ANSWER}\n\nI wrote in “Post 1”: “The clock runs.” [1]",
        edited="The clock runs slow [1], write to bea@example.org.\n\n> They say so.\n\n```\ntick()\n```\n\nI count. [2]",
    )
    made = lessons.lesson(given)
    assert made.instruction == "What of the clock? Write to [e-mail address]."
    assert made.chosen == "The clock runs slow, write to [e-mail address].\n\nI count."
    assert made.rejected == "The clock is an interesting topic with many aspects."


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"of": ()}, "it was written from no passage"),
        ({"sent": True}, "another program sent it"),
        ({"edited": "> Somebody else's words, and quite a lot of them."}, "too little of it"),
        ({"answer": "I wrote in “Post 1”: “The clock runs slow today.” [1]"}, "too little of it"),
        ({"edited": ANSWER.replace("[1]", "[2]")}, "nothing but what is left out was changed"),
    ],
)
def test_what_teaches_nothing_is_refused_with_the_reason(
    store: FeatureStore, changes: dict[str, object], reason: str
) -> None:
    refused = lessons.lesson(edit(store, **changes))  # type: ignore[arg-type]
    assert refused.refused.startswith(reason)
    assert (refused.instruction, refused.chosen, refused.rejected) == ("", "", "")
    assert left_out(store) == {refused.refused: 1}


def test_lessons_are_made_once_and_again_by_other_rules(store: FeatureStore) -> None:
    given = edit(store)
    assert [lessons.label("Ada", store), lessons.label("Ada", store), lessons.label("Bea", store)] == [1, 0, 0]
    store.feedback.label("older rules", {given.id: Lesson(refused="no")})
    assert lessons.label("Ada", store) == 1
    assert [lesson for _, lesson in store.feedback.lessons("Ada")] == [lessons.lesson(given)]


def test_an_edit_that_was_sent_replaces_none_that_was_made_here(store: FeatureStore) -> None:
    made = edit(store)
    edit(store, edited="Buy my clocks, they are the best there are.", sent=True)
    assert left_out(store) == {"another program sent it, from whoever uses that": 1}
    assert [one.chosen for one in edits.added(data.read(store, "Ada"), store).edits] == [lessons.lesson(made).chosen]


def test_nothing_of_a_held_out_post_is_learned(store: FeatureStore) -> None:
    words = " ".join(store.post(held(store), "Ada").text.split()[3:13])
    edit(store, edited=f"The clock, as I said before: {words}")
    edit(store, answer=f"The clock, as I said before: {words}")
    edit(store, question=f"Is it true that {words}?")
    edit(store, (held(store), held(store, "validation")), by="carol")
    assert left_out(store) == {
        "it holds words of a held-out post": 3,
        "all that it was written from is held out": 1,
    }
    edit(store, (held(store), held(store, "train")), by="dan")
    corpus = edits.added(data.read(store, "Ada"), store)
    assert corpus.edits == ()  # its lesson is not made yet
    lessons.label("Ada", store)
    before = data.read(store, "Ada")
    corpus = edits.added(before, store)
    (used,) = corpus.edits
    assert [span.post_id for span in used.evidence] == [held(store, "train")]
    assert (corpus.examples, corpus.posts, corpus.train_ids) == (before.examples, before.posts, before.train_ids)
    assert corpus.hash != before.hash
    assert edits.added(before, store).hash == corpus.hash


def test_the_last_edit_of_an_answer_counts(store: FeatureStore) -> None:
    edit(store)
    edit(store, edited="No. The clock runs slow, that is all.")
    lessons.label("Ada", store)
    (used,) = edits.added(data.read(store, "Ada"), store).edits
    assert used.chosen.startswith("No. ")


def test_an_edit_of_a_passage_that_was_rewritten_or_forgotten_teaches_nothing(store: FeatureStore) -> None:
    train = [post_id for post_id, part in sorted(store.splits("Ada")[0].items()) if part == "train"]
    edit(store, (train[0],))
    edit(store, (train[1],), by="carol")
    whole = store.post(train[0], "Ada")
    fill(store, [whole.model_copy(update={"text": f"New words before it. {whole.text}"})])
    store.forget("Ada", [train[1]])
    assert left_out(store) == {"a post that it was written from has changed since": 1}


def test_edits_are_learned_from_only_where_that_is_asked_for(
    store: FeatureStore, tiny_model: Path, tmp_path: Path
) -> None:
    edit(store)
    assert data.read(store, "Ada").edits == ()
    registry, base = ModelRegistry(tmp_path / "home"), BaseLanguageModel(str(tiny_model), tmp_path / "home")
    with pytest.raises(UsageError, match="edits are learned from by preference"):
        pipeline.run("Ada", Parts(store, registry, base, tmp_path / "home"), recipe(), Options(with_edits=True))
    lessons.label("Ada", store)
    chosen = recipe(preference={"pairs": 8, "beta": 0.1, "learning_rate": 1e-4, "batch": 4})
    for with_edits, said in ((True, "1 learned from"), (False, None)):
        asked = Options(preference=True, with_edits=with_edits)
        assert dict(rows(pipeline.plan("Ada", store, base, chosen, asked))).get("edited answers") == said


def test_the_command_says_so_before_it_begins(twin: Twin, store: FeatureStore) -> None:
    said = twin("train", "--author", "Ada", "--with-edits")
    assert (said.code, said.out) == (2, "")
    assert "add --preference" in said.err
