"""Voice examples: the author's own prose about other things, apart from the evidence, and for models without an adapter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.feature_store import FeatureStore
from contracts.formats import Format
from contracts.model_registry import ModelRegistry
from contracts.prompt import ANSWER, PASSAGE, PROMPT_HASH, SYSTEM, WRITE, messages
from contracts.records import Mark, Post, digest
from inference_pipeline.drafting.draft import draft
from inference_pipeline.drafting.outline import Brief
from inference_pipeline.retrieval.voice import LONGEST, own_words, voice
from inference_pipeline.twin import BASE, Question, Twin
from tests.fakes import WordEmbedder, fill, post
from tests.speaking import Engine, registered
from ui.settings import Settings
from ui.wiring import App

ASKED = "How many minutes does the church clock gain?"
PROSE = "I keep a church clock in my head{n}, and it runs ahead of all the others on the bench. " * 3


def written(number: int, text: str, format: Format = "article", author: str = "Ada") -> Post:
    return post(number, text, author=author).model_copy(update={"format": format})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    made = FeatureStore(tmp_path / "home", WordEmbedder(512))
    notes = [written(n, PROSE.format(n=n), "note") for n in range(1, 7)]
    fill(made, [written(0, "The church clock gains four minutes a week."), *notes, written(7, PROSE.format(n=7))])
    fill(made, [written(8, PROSE.format(n=8), "note", author="Bea")])
    yield made
    made.close()


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def twin(store: FeatureStore, engine: Engine, tmp_path: Path) -> Twin:
    return Twin(store, registered(tmp_path, "Ada"), engine, passages=1, voice_examples=2)


def test_the_examples_are_of_the_kind_nearest_to_an_answer_and_not_of_the_evidence(
    store: FeatureStore, twin: Twin
) -> None:
    found = twin.find(Question(ASKED, "Ada"))
    shown = voice(store, found, 9)
    assert len(shown) == 6
    assert not {"head7", "head8"} & set(" ".join(shown).replace(",", "").split())
    assert all(text not in passage.text for text in shown for passage in found.passages)
    assert voice(store, found, 0) == ()


def test_the_examples_are_of_the_kind_that_is_asked_for_where_there_are_enough(store: FeatureStore, twin: Twin) -> None:
    fill(store, [written(n, PROSE.format(n=n)) for n in range(11, 16)])
    found = twin.find(Question(ASKED, "Ada", format="article"))
    assert set(re.findall(r"head(\d+)", " ".join(voice(store, found, 9)))) == {"7", *"11 12 13 14 15".split()}
    assert (
        len(voice(store, twin.find(Question(ASKED, "Ada", format="document")), 9)) == 6
    )  # notes: there is no document


def test_a_section_is_shown_examples_of_what_is_drafted(store: FeatureStore, twin: Twin, engine: Engine) -> None:
    fill(store, [written(n, PROSE.format(n=n)) for n in range(11, 16)])
    kinds: tuple[tuple[Format, set[str]], ...] = (
        ("article", {"7", *"11 12 13 14 15".split()}),
        ("note", set("123456")),
    )
    for format, numbers in kinds:
        list(draft(twin, Brief("Ada", points=(ASKED,), format=format), BASE))
        shown = re.findall(r"head(\d+)", str(engine.model.heard[-1][0].content))
        assert shown
        assert set(shown) <= numbers


def test_the_setting_turns_them_on(store: FeatureStore, engine: Engine, tmp_path: Path) -> None:
    for examples in (0, 1):
        app = App(Settings(voice_examples=examples), tmp_path / "home")
        app.store, app.engine = store, engine
        app.twin.ask(Question(ASKED, "Ada"))
        assert ("in my head" in str(engine.model.heard[-1][0].content)) == bool(examples)


def test_only_the_authors_own_prose_is_shown() -> None:
    quoted, private, plain = (
        "Somebody else said this here. " * 8,
        "Write to ada@example.com about it. " * 6,
        "Mine. " * 30,
    )
    text = "\n\n".join([f"> {plain}", f"- {plain}", f"# {plain}", "short.", quoted, private])
    at, mail = text.index(quoted), text.index("ada@")
    marks = (
        Mark(start=at, end=at + len(quoted), kind="quote"),
        Mark(start=mail, end=mail + 15, kind="private", instead="[e-mail address]"),
    )
    (only,) = own_words(post(0, text).model_copy(update={"marks": marks}))
    assert only.startswith("Write to [e-mail address] about it.")


def test_an_example_ends_with_a_sentence() -> None:
    (only,) = own_words(post(0, "A sentence of some length stands here. " * 40))
    assert only.endswith("stands here.")
    assert 150 <= len(only) <= LONGEST
    assert list(own_words(post(0, "no end to this one and " * 40))) == []


def test_the_base_model_sees_them_apart_from_the_passages(twin: Twin, engine: Engine) -> None:
    twin.ask(Question(ASKED, "Ada"), BASE)
    system, user = (str(message.content) for message in engine.model.heard[0])
    assert system.count("“I keep a church clock") == 2
    assert "[1]" not in system
    assert "I keep a church clock" not in user


def test_an_adapter_is_asked_as_it_was_trained(twin: Twin, engine: Engine) -> None:
    answer = twin.ask(Question(ASKED, "Ada"), "Ada@v1")
    heard = [{"role": {"human": "user"}.get(m.type, m.type), "content": m.content} for m in engine.model.heard[0]]
    assert heard == messages("Ada", ASKED, answer.passages)


def test_the_prompt_that_adapters_know_is_the_same_without_examples() -> None:
    assert digest(SYSTEM, WRITE, ANSWER, PASSAGE) == PROMPT_HASH
    assert messages("Ada", ASKED)[0]["content"] == SYSTEM.format(author="Ada")
    shown = messages("Ada", ASKED, voice=["I {never} hurry."])
    assert shown[0]["content"].endswith("“I {never} hurry.”")
    assert shown[1] == messages("Ada", ASKED)[1]


def test_none_are_shown_unless_they_are_asked_for(store: FeatureStore, engine: Engine, tmp_path: Path) -> None:
    answer = Twin(store, ModelRegistry(tmp_path / "home"), engine).ask(Question(ASKED, "Ada"))
    assert str(engine.model.heard[0][0].content) == messages("Ada", ASKED, answer.passages)[0]["content"]
