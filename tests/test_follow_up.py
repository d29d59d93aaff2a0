"""Follow-ups: told from questions that stand alone, searched for behind what they follow; else no history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.feature_store import FeatureStore, Filters
from contracts.model_registry import ModelRegistry
from inference_pipeline.retrieval.follow_up import leans, made_whole
from inference_pipeline.twin import Exchange, Found, Question, Twin
from tests.fakes import WordEmbedder, fill, post
from tests.speaking import Engine

CLOCK = "How many minutes does the church clock gain?"


@pytest.mark.parametrize(
    "question",
    [
        "And why?",
        "Why not?",
        "How so?",
        "Tell me more.",
        "What else?",
        "Can you explain that?",
        "Did you ever try it again?",
        "What about the second one?",
        "And what about the others?",
        "How did you fix that?",
        "When did you buy it?",
        "Was it worth it?",
        "How long did it take?",
        "What happened then?",
        "Which one would you recommend?",
        "What do you think of that glue?",
        "How do they compare?",
        "And in winter?",
        "But isn’t that dangerous?",
        "What did she say?",
        "What was the hardest part of it?",
        "How about aluminium?",
        "Does it run on Windows?",
        "Have you changed your mind since?",
        "Who told you that?",
        "In 2012?",
        "What about 2012?",
    ],
)
def test_these_lean_on_what_was_said(question: str) -> None:
    assert leans(question)


@pytest.mark.parametrize(
    "question",
    [
        CLOCK,
        "Is it worth buying a cheap multimeter?",
        "How do you know when a chisel is sharp and how often do you hone it?",
        "Is it safe to run Emacs as root?",
        "What is it about clocks that you like?",
        "Do you like Emacs because it is fast?",
        "Is there a way to hide files in a PNG?",
        "What do you think that Lisp gets right?",
        "What do you use these days for backups?",
        "And how do you sharpen a plane iron?",
        "What do you think of C?",
        "What is the 3n + 1 problem?",
        "What is the one tool that you would keep?",
        "What have you written about lately?",
        "How does it feel to lose a library's catalogue?",
    ],
)
def test_these_stand_alone(question: str) -> None:
    assert not leans(question)
    assert made_whole(question, [("What of rust?", "Vinegar takes it off.")]) is None


def test_a_follow_up_is_asked_behind_the_question_that_it_follows() -> None:
    made = made_whole("And why?", [("Who is Finch?", "Nobody."), (CLOCK, "Four, says Mr Penhale. Since 1998 it has.")])
    assert made is not None
    assert made.asked == f"{CLOCK} And why?"
    assert made.searched == f"{CLOCK} And why? Penhale 1998"
    assert not made.moves_on


def test_a_chain_of_follow_ups_leads_to_what_the_talk_is_about() -> None:
    made = made_whole("Was it worth it?", [(CLOCK, "Four."), ("Why?", "Rain."), ("And then?", "More rain.")])
    assert made is not None
    assert made.asked == f"{CLOCK} Was it worth it?"


def test_an_ordinal_means_an_item_of_the_last_answers_list() -> None:
    history = [("Which tools do you keep?", "Three:\n1. A plane.\n2. A brass hammer.\n3. Tea.")]
    made = [made_whole(question, history) for question in ("What about the second one?", "And the last one?")]
    assert [one.searched.split("? ")[-1] for one in made if one] == ["A brass hammer.", "Tea."]
    beyond = made_whole("What about the fifth one?", history)
    assert beyond is not None
    assert beyond.searched == beyond.asked


def test_a_long_question_says_itself_what_it_is_about() -> None:
    assert not leans("And " + "what about it? " * 10_000)


def test_nothing_was_said_before_the_first_question() -> None:
    assert made_whole("And why?", []) is None


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Twin]:
    store = FeatureStore(tmp_path / "home", WordEmbedder(512))
    texts = [
        "The church clock gains four minutes.",
        "Rust comes off in vinegar.",
        "A letter about mackerel.",
    ]
    fill(store, [post(number, text) for number, text in enumerate(texts)])
    fill(store, [post(9, "My church clock gains four minutes too, and why.", author="Bea")])
    yield Twin(store, ModelRegistry(tmp_path / "home"), Engine(), passages=1)
    store.close()


def found(twin: Twin, question: str, *history: tuple[str, str], **more: Filters) -> Found:
    return twin.find(Question(question, "Ada", tuple(Exchange(*said) for said in history), **more))


def test_a_follow_up_is_answered_from_what_the_talk_is_about(twin: Twin) -> None:
    after = found(twin, "Why?", (CLOCK, "Four."))
    assert [passage.text for passage in after.passages] == ["The church clock gains four minutes."]
    assert after.asked == f"{CLOCK} Why?"


def test_the_model_is_asked_the_whole_question(twin: Twin) -> None:
    engine = Engine()
    twin._engine = engine
    twin.ask(Question("Why?", "Ada", (Exchange(CLOCK, "Four."),)))
    assert f"\n{CLOCK} Why?\n" in str(engine.model.heard[0][-1].content)


def test_a_question_that_stands_alone_finds_the_same_with_any_history(twin: Twin) -> None:
    asked = "Does rust come off in vinegar?"
    alone, after = found(twin, asked), found(twin, asked, (CLOCK, "Four."), ("Why?", "Rain."))
    assert alone.passages
    assert after.passages == alone.passages
    assert after.asked == asked


def test_a_new_topic_that_was_never_written_about_is_refused_after_any_history(twin: Twin) -> None:
    assert found(twin, "What about quantum chromodynamics?", (CLOCK, "Four.")).passages == ()
    moved = found(twin, "What about rust and vinegar?", (CLOCK, "Four."))
    assert [passage.text for passage in moved.passages] == ["Rust comes off in vinegar."]


def test_a_follow_up_obeys_the_filters_and_the_author(twin: Twin) -> None:
    assert found(twin, "Why?", (CLOCK, "Four."), filters=Filters.of(after="2024-01-02")).passages == ()
    everything = twin.find(
        Question("And why?", "Ada", (Exchange("Bea's church clock gains four minutes", "Why not."),))
    )
    assert {passage.source_id for passage in everything.passages} <= {"0.md", "1.md", "2.md"}
