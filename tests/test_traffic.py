"""Traffic: a challenger's share is kept, conversations stay where they are, and only the challenger ever gains."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry
from inference_pipeline.traffic import drawn, place
from inference_pipeline.twin import BASE, Exchange, Question, Twin
from tests.conftest import Twin as Command
from tests.fakes import WordEmbedder, fill, post
from tests.speaking import CLOCK, Engine, registered
from ui.settings import Settings
from ui.wiring import App

KEYS = [f"conversation {number}" for number in range(4000)]


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    made = registered(tmp_path, "Ada", "Ada", "Ada")
    made.promote("Ada@v1")
    made.challenge("Ada@v2")
    return made


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.25, 0.5, 0.9, 1.0])
def test_the_share_is_kept(share: float) -> None:
    taken = sum(place("Ada", "Ada@v2", key) < share for key in KEYS)
    spread = (share * (1 - share) / len(KEYS)) ** 0.5
    assert abs(taken / len(KEYS) - share) <= 4 * spread  # 4 standard errors; both ends exactly


def test_no_key_leaves_the_challenger_when_its_share_grows(registry: ModelRegistry) -> None:
    before: set[str] = set()
    for share in (0.0, 0.05, 0.2, 0.5, 0.8, 1.0):
        versions = {key: drawn(registry, "Ada", key, share) for key in KEYS[:300]}
        assert {version.name for version in versions.values() if version} <= {"Ada@v1", "Ada@v2"}
        now = {key for key, version in versions.items() if version and version.name == "Ada@v2"}
        assert before <= now
        before = now
    assert len(before) == 300


def test_another_challenger_is_tried_on_other_keys(registry: ModelRegistry) -> None:
    of = {name: {key for key in KEYS if place("Ada", name, key) < 0.5} for name in ("Ada@v2", "Ada@v3")}
    both = len(of["Ada@v2"] & of["Ada@v3"]) / len(KEYS)
    assert 0.21 < both < 0.29  # a quarter: the two draws know nothing of each other
    assert place("Bea", "Ada@v2", KEYS[0]) != place("Ada", "Ada@v2", KEYS[0])


def test_a_conversation_stays_with_one_version_and_the_answer_says_which(
    store: FeatureStore, registry: ModelRegistry
) -> None:
    fill(store, [post(1, CLOCK)])
    twin = Twin(store, registry, Engine(), challenger_share=0.5)
    answered: dict[str, set[str]] = {}
    for key in KEYS[:12]:
        for text in ("How many minutes does the church clock gain?", "And on Sundays, the church clock?"):
            answered.setdefault(key, set()).add(twin.ask(Question(text, "Ada", key=key)).model)
    assert {len(models) for models in answered.values()} == {1}
    assert set.union(*answered.values()) == {"Ada@v1", "Ada@v2"}
    first = Question("How many minutes does the church clock gain?", "Ada")
    later = Question("Why is the church clock fast?", "Ada", (Exchange(first.text, "Four."),))
    assert twin.resolve(first) == twin.resolve(later)  # without a key, what it began with
    assert {twin.resolve(first, name) for name in ("Ada@v3", BASE, "Ada@champion")} == {"Ada@v3", BASE, "Ada@v1"}


def test_an_answer_that_was_left_to_a_draw_says_who_might_have_answered(
    store: FeatureStore, registry: ModelRegistry
) -> None:
    fill(store, [post(1, CLOCK)])

    def asked(share: float, model: str | None = None) -> set[tuple[str, str]]:
        twin = Twin(store, registry, Engine(), challenger_share=share)
        answers = [twin.ask(Question("How many minutes?", "Ada", key=key), model) for key in KEYS[:12]]
        return {(answer.model, answer.instead) for answer in answers}

    assert asked(0.5) == {("Ada@v1", "Ada@v2"), ("Ada@v2", "Ada@v1")}
    assert asked(0.5, "Ada@v2") == asked(1.0) == {("Ada@v2", "")}  # nothing was left to a draw
    assert asked(0.0) == {("Ada@v1", "")}


def test_where_nothing_challenges_the_champion_answers_all(registry: ModelRegistry) -> None:
    registry.withdraw("Ada")
    assert {drawn(registry, "Ada", key, 1.0).name for key in KEYS[:20]} == {"Ada@v1"}  # type: ignore[union-attr]
    assert drawn(registry, "Bea", "any", 1.0) is None
    registry.challenge("Ada@v2")
    assert {drawn(registry, "Ada", key, 0.0).name for key in KEYS[:20]} == {"Ada@v1"}  # type: ignore[union-attr]


def test_the_setting_reaches_the_twin(registry: ModelRegistry, tmp_path: Path) -> None:
    app = App(Settings(challenger_share=1.0, remote_url="http://127.0.0.1:9/v1", remote_model="m"), tmp_path / "home")
    app.store = FeatureStore(tmp_path / "home", WordEmbedder())
    assert app.twin.resolve(Question("What of the clock?", "Ada")) == "Ada@v2"
    app.store.close()


@pytest.mark.parametrize("share", ["-0.1", "1.1", "nan", "half"])
def test_a_share_is_between_nothing_and_all(twin: Command, monkeypatch: pytest.MonkeyPatch, share: str) -> None:
    monkeypatch.setenv("TWIN_CHALLENGER_SHARE", share)
    said = twin("status")
    assert said.code == 2
    assert "challenger_share" in said.err
