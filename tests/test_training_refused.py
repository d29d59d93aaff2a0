"""What is refused before the first step of a training, what stops it, and what few posts come to."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.base_model import BaseLanguageModel
from contracts.errors import TrainingError
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry
from feature_pipeline.pipeline import label
from tests.fakes import WORDS, WordEmbedder, fill, post, recipe, stock, voice
from tests.trained import Trained
from training_pipeline.pipeline import Parts, run
from training_pipeline.recipe import Recipe

pytestmark = pytest.mark.usefixtures("single")


def refused(trained: Trained, chosen: Recipe) -> TrainingError:
    """The error of a training that must not come to its first step."""
    steps: list[int] = []
    with pytest.raises(TrainingError) as caught:
        run("Ada", trained.parts, chosen, progress=lambda stage, done, of: steps.append(done))
    assert not any(steps)
    return caught.value


def test_no_usable_example_is_told_before_the_first_step(trained: Trained) -> None:
    count = len(trained.corpus().examples["train"])
    assert f"none of {count} training examples" in refused(trained, recipe(max_tokens=64)).message
    assert f"none of {count} training examples" in refused(trained, recipe(train_tokens=50)).message


def test_nothing_to_validate_on_is_told_before_the_first_step(trained: Trained, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "home", WordEmbedder())
    fill(store, [post(1, voice(1, WORDS)), post(2, "Too short."), post(3, voice(3, WORDS))])
    label("Ada", store, changed=True)
    with pytest.raises(TrainingError, match="validation"):
        run("Ada", Parts(store, trained.registry, trained.base, tmp_path / "home"), recipe())
    store.close()


def test_a_loss_that_is_no_number_stops_the_training(trained: Trained) -> None:
    versions = trained.registry.versions("Ada")
    with pytest.raises(TrainingError, match=r"the loss became (nan|inf) at step [23] of \d+"):
        trained.run(recipe(learning_rate=1e30))
    assert trained.registry.versions("Ada") == versions


def test_training_that_fails_leaves_the_split_free(tmp_path: Path, tiny_model: Path) -> None:
    store = FeatureStore(tmp_path, WordEmbedder())
    fill(store, [post(1, "Gm."), post(2, "Gn.")])
    label("Ada", store, changed=True)
    base = BaseLanguageModel(f"{tiny_model}/", tmp_path)
    with pytest.raises(TrainingError, match="three are the fewest that can be divided"):
        run("Ada", Parts(store, ModelRegistry(tmp_path), base, tmp_path), recipe())
    assert store.splits("Ada")[1] is False
    store.close()


def test_a_version_of_few_posts_is_registered_and_not_promoted(trained: Trained, tmp_path: Path) -> None:
    store, registry = FeatureStore(tmp_path / "home", WordEmbedder()), ModelRegistry(tmp_path / "home")
    stock(store, posts=12)
    outcome = run("Ada", Parts(store, registry, trained.base, tmp_path / "home"), recipe(epochs=1))
    assert (outcome.version.name, outcome.promoted, registry.champion("Ada")) == ("Ada@v1", False, None)
    assert "delta_nll cannot be measured: 2 posts, needs 5" in outcome.version.card.gate
    store.close()
