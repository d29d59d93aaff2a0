"""Instructions that a model makes from posts: never the target, never giving it away, and asked for once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.errors import ModelError
from contracts.feature_store import FeatureStore
from feature_pipeline.back_translation import instruct, unusable
from feature_pipeline.label import label, marks
from tests.browser import free_port
from tests.chat_server import Server
from tests.conftest import Twin
from tests.fakes import WordEmbedder, fill, post

CLOCK = (
    "The church clock gains four minutes a week, and nobody in the village has ever complained of it to me. "
    "I regulate the pendulum on Sundays, after the bells, with a coin on its tray. Write to ada@lovelace.net of yours."
)


@pytest.fixture
def store(own_home: Path, embedder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FeatureStore]:
    monkeypatch.setenv("TWIN_EMBEDDER", str(embedder))
    made = FeatureStore(own_home, WordEmbedder())
    posts = [post(n, f"{CLOCK} This is week {n} of {n * 7}.") for n in range(1, 11)]
    fill(made, [one.model_copy(update={"marks": tuple(marks(one.text, one.format))}) for one in posts])
    label("Ada", made, changed=True)
    yield made
    made.close()


def nothing(stage: str, done: int, of: int | None) -> None:
    pass


def test_each_piece_that_is_learned_from_is_asked_for_once(store: FeatureStore) -> None:
    heard: list[str] = []

    def model(prompt: str) -> str:
        heard.append(prompt)
        return '"What about the clock in your\n village, Ada?"'

    before = {part: store.examples("Ada", part) for part in ("train", "validation", "test")}
    counts = instruct("Ada", store, model, nothing)
    made = [e for part in ("train", "validation", "test") for e in store.examples("Ada", part) if e.kind == "request"]
    assert counts == {"made": len(made)} == {"made": 8}  # of ten posts, two are held out
    assert {example.instruction for example in made} == {"What about the clock in your village, Ada?"}
    assert store.examples("Ada", "test") == before["test"]
    assert [e for e in store.examples("Ada", "train") if e.kind != "request"] == before["train"]
    targets = {example.target(store.post(example.post_id, "Ada")) for example in made}
    assert targets <= {e.target(store.post(e.post_id, "Ada")) for part in ("train", "validation") for e in before[part]}
    assert len(heard) == 8
    assert not any("ada@lovelace.net" in prompt for prompt in heard)
    assert instruct("Ada", store, model, nothing) == {"made": 0}
    assert len(heard) == 8


def test_what_gives_the_answer_away_is_not_used(store: FeatureStore) -> None:
    said = iter(
        ["I regulate the pendulum on Sundays, after the bells!", "", " … ", "word " * 61, *["And the bells?"] * 9]
    )
    assert instruct("Ada", store, lambda prompt: next(said), nothing) == {
        "made": 4, "quotes the text": 1, "empty": 2, "too long": 1
    }  # fmt: skip
    assert unusable("Why do you regulate the pendulum on Sundays?", CLOCK) == ""


def test_a_run_that_is_stopped_goes_on_with_the_other_posts(store: FeatureStore) -> None:
    asked = 0

    def model(prompt: str) -> str:
        nonlocal asked
        asked += 1
        if asked == 4:
            raise ModelError("the server is gone", "start it")
        return "And the bells?"

    with pytest.raises(ModelError):
        instruct("Ada", store, model, nothing)
    assert instruct("Ada", store, model, nothing) == {"made": 5}


def test_the_command_asks_the_server_that_is_named(
    store: FeatureStore,
    server: Server,
    twin: Twin,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = twin("features", "instruct", "--author", "Ada")
    assert (said.code, said.out) == (2, "")
    assert "no capable model is configured" in said.err
    monkeypatch.setenv("TWIN_REMOTE_URL", server.url)
    monkeypatch.setenv("TWIN_REMOTE_MODEL", "large")
    server.words = ["And ", "the ", "bells?"]
    said = twin("features", "instruct", "--author", "Ada")
    assert (said.code, said.out) == (0, "8 examples were made\n")
    assert {request["model"] for request in server.asked} == {"large"}
    assert twin("features", "instruct", "--author", "Ada", "--json").json == {"author": "Ada", "made": 0}
    monkeypatch.setenv("TWIN_REMOTE_URL", f"http://127.0.0.1:{free_port()}/v1")
    assert twin("features", "instruct", "--author", "Nobody").code == 1
