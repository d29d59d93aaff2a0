"""Several versions side by side: one search, the same passages, each with its own citations."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.language_models import BaseChatModel

from contracts.errors import NotFound, UsageError
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry, ModelVersion
from contracts.prompt import PROMPT_HASH
from contracts.records import Answer
from inference_pipeline.side_by_side import Piece, side_by_side
from inference_pipeline.twin import BASE, Found, Question, Twin
from tests.fakes import WordEmbedder, fill, post
from tests.speaking import CLOCK, QUESTION, SAYS, Engine, Speaks, registered
from ui.commands import show

OTHER = "Four minutes a week it gains, the church clock, and nobody minds."


class Two(Engine):
    """The second version says something else."""

    def __init__(self) -> None:
        super().__init__()
        self.second = Speaks(responses=[OTHER], heard=[], options=[])

    def chat_model(self, version: ModelVersion | None) -> BaseChatModel:
        first = super().chat_model(version)
        return self.second if version and version.number == 2 else first


class Counting(WordEmbedder):
    """Remembers every question that it embedded."""

    def embed(self, texts, progress=None):  # type: ignore[no-untyped-def]
        self.asked = [*getattr(self, "asked", []), *texts]
        return super().embed(texts, progress)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    made = FeatureStore(tmp_path / "home", Counting(512))
    fill(made, [post(1, CLOCK), post(2, "Rust comes off in vinegar."), post(3, "A clock is a clock.", author="Ada")])
    yield made
    made.close()


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return registered(tmp_path, "Ada", "Ada", "Bea")


@pytest.fixture
def engine() -> Two:
    return Two()


@pytest.fixture
def twin(store: FeatureStore, registry: ModelRegistry, engine: Two) -> Twin:
    return Twin(store, registry, engine, passages=2)


ASKED = Question(QUESTION, "Ada")


def test_both_answer_from_the_same_passages_found_once(twin: Twin, store: FeatureStore) -> None:
    embedded = len(store.embedder.asked)  # type: ignore[attr-defined]
    events = list(side_by_side(twin, ASKED, ["Ada@v2", "Ada@v1"]))
    assert store.embedder.asked[embedded:].count(QUESTION) == 1  # type: ignore[attr-defined]
    found, *rest = events
    assert isinstance(found, Found)
    second, first = (event for event in rest if isinstance(event, Answer))
    assert (second.model, first.model) == ("Ada@v2", "Ada@v1")
    assert second.passages == first.passages == found.passages
    texts = ["".join(e.text for e in rest if isinstance(e, Piece) and e.place == place) for place in (0, 1)]
    assert texts == [OTHER, SAYS]
    for answer in (first, second):
        assert answer.citations
        assert answer.snapshot == found.snapshot
        for citation in answer.citations:
            whole = store.post(citation.post_id, "Ada")
            assert whole.text[citation.start : citation.end] == citation.text


def test_each_prompt_is_the_same(twin: Twin, engine: Two) -> None:
    list(side_by_side(twin, ASKED, ["Ada@v2", BASE]))
    assert len(engine.model.heard) == 1
    assert engine.model.heard == engine.second.heard


@pytest.mark.parametrize(
    ("models", "error", "says"),
    [
        (["Ada@v1", "Ada@v9"], NotFound, "registered: Ada@v1, Ada@v2"),
        (["Ada@v1", "Bea@v1"], NotFound, "Bea@v1 is not a version of 'Ada'"),
        (["Ada@v1", "Ada@v2", "Ada@v1"], UsageError, "Ada@v1 is named twice"),
        (["Ada@v1", "Ada@champion"], UsageError, "Ada@v1 is named twice"),
    ],
)
def test_what_cannot_answer_is_told_before_anything_is_searched(
    twin: Twin, registry: ModelRegistry, store: FeatureStore, models: list[str], error: type[Exception], says: str
) -> None:
    registry.promote("Ada@v1")
    embedded = len(store.embedder.asked)  # type: ignore[attr-defined]
    with pytest.raises(error, match=says):
        next(side_by_side(twin, ASKED, models))
    assert len(store.embedder.asked) == embedded  # type: ignore[attr-defined]


def test_stopping_ends_the_one_that_writes_and_spares_the_others(twin: Twin) -> None:
    stop, answers = threading.Event(), []
    for event in side_by_side(twin, ASKED, ["Ada@v1", "Ada@v2"], stop):
        if isinstance(event, Piece):
            stop.set()
        elif isinstance(event, Answer):
            answers.append(event)
    assert [answer.model for answer in answers] == ["Ada@v1"]
    assert answers[0].timings["tokens"] == 1


def test_where_nothing_fits_each_says_so(twin: Twin) -> None:
    found, *answers = side_by_side(twin, Question("What of quantum chromodynamics?", "Ada"), ["Ada@v1", "Ada@v2"])
    assert isinstance(found, Found)
    assert [answer.model for answer in answers if isinstance(answer, Answer) and not answer.citations] == [
        "Ada@v1",
        "Ada@v2",
    ]


def test_text_has_a_heading_and_citations_for_each(twin: Twin, capsys: pytest.CaptureFixture[str]) -> None:
    show.answers(side_by_side(twin, ASKED, ["Ada@v1", "Ada@v2"]), as_json=False)
    said = capsys.readouterr()
    first, second = said.out.split("\nAda@v2\n──────\n")
    assert first.startswith("Ada@v1\n──────\nI regulate the pendulum")
    assert second.startswith("Four minutes a week it gains")
    assert (
        first.count("\n[1] Post 1  https://ada.example/1") == second.count("\n[1] Post 1  https://ada.example/1") == 1
    )
    assert "Ada@v1, snapshot" in said.err
    assert "Ada@v2, snapshot" in said.err


def test_json_is_one_object_for_one_and_a_list_of_such_for_several(
    twin: Twin, store: FeatureStore, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    show.answers(twin.stream(ASKED, "Ada@v1"), as_json=True)
    one = json.loads(capsys.readouterr().out)
    show.answers(side_by_side(twin, ASKED, ["Ada@v1", "Ada@v2"]), as_json=True)
    several = json.loads(capsys.readouterr().out)
    assert [set(answer) for answer in several] == [set(one)] * 2
    assert {"answer", "citations", "model", "snapshot", "timings"} <= set(one)
    assert (one["author"], one["question"], one["prompt_hash"]) == ("Ada", QUESTION, PROMPT_HASH)
    assert [answer["model"] for answer in several] == ["Ada@v1", "Ada@v2"]
    assert several[0]["passages"] == several[1]["passages"] == one["passages"]
    assert {**several[0], "timings": {}} == {**one, "timings": {}}
    for passage in one["passages"]:
        assert set(passage) == {"post_id", "start", "end"}
        assert passage["end"] <= len(store.post(passage["post_id"], "Ada").text)
