"""How one answer is drawn: what a request says reaches the engine, and its text ends before a stop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry
from inference_pipeline.sampling import Sampling, until
from inference_pipeline.twin import Question, Twin
from tests.fakes import WordEmbedder, fill, post
from tests.speaking import CLOCK, QUESTION, SAYS, Engine


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[tuple[Twin, Engine]]:
    store, engine = FeatureStore(tmp_path / "home", WordEmbedder(512)), Engine()
    fill(store, [post(1, CLOCK)])
    yield Twin(store, ModelRegistry(tmp_path / "home"), engine, max_new_tokens=500, temperature=0.5), engine
    store.close()


@pytest.mark.parametrize("size", [1, 2, 3, 50])
@pytest.mark.parametrize(
    ("stops", "left"),
    [
        ((), "one two three two"),
        (("two",), "one "),
        (("three", "two"), "one "),
        (("two t",), "one "),
        (("twins", "four"), "one two three two"),
        (("o", "one"), ""),
        (("two!",), "one two three two"),
    ],
)
def test_the_text_ends_before_the_first_stop_however_it_is_cut_into_pieces(
    size: int, stops: tuple[str, ...], left: str
) -> None:
    text = "one two three two"
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert "".join(until(iter(pieces), stops)) == left


def test_what_cannot_begin_a_stop_is_not_held_back() -> None:
    pieces = until(iter(["clock ", "tw", "ice"]), ("two",))
    assert list(pieces) == ["clock ", "twice"]


def test_what_a_request_says_reaches_the_engine_and_the_rest_is_as_the_twin_is_set(
    asked: tuple[Twin, Engine],
) -> None:
    twin, engine = asked
    twin.ask(Question(QUESTION, "Ada", sampling=Sampling(max_tokens=7, temperature=0.0, seed=3)))
    twin.ask(Question(QUESTION, "Ada"))
    assert engine.model.options == [
        {"max_tokens": 7, "temperature": 0.0, "seed": 3},
        {"max_tokens": 500, "temperature": 0.5},
    ]


def test_a_stop_ends_the_answer_and_frees_its_place(asked: tuple[Twin, Engine]) -> None:
    twin, _ = asked
    _, *pieces, answer = twin.stream(Question(QUESTION, "Ada", sampling=Sampling(stop=(" on Sundays",))))
    assert "".join(map(str, pieces)) == SAYS[: SAYS.index(" on Sundays")]
    assert not isinstance(answer, str)
    assert "Sundays" not in answer.answer.split("\n\n")[0]
    assert twin.queue.length() == 0
