"""What is refused before the first step of a training, what stops it, and what few posts come to."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from contracts.base_model import BaseLanguageModel
from contracts.errors import ModelError, TrainingError
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry
from feature_pipeline.pipeline import label
from tests.fakes import WORDS, WordEmbedder, fill, post, recipe, stock, voice
from tests.trained import Trained
from training_pipeline.compare import reevaluate
from training_pipeline.export import export
from training_pipeline.load import require_own_gpu
from training_pipeline.pipeline import Parts, plan, run
from training_pipeline.recipe import Recipe
from training_pipeline.run_folder import within_memory

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


def caused(error: Exception, by: Exception) -> Exception:
    error.__cause__ = by
    return error


NO_MEMORY = (
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee documentation"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"),
    RuntimeError("std::bad_alloc"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),  # of a file that is mapped
    caused(ModelError("the base model cannot be loaded", "choose another"), MemoryError()),
)  # fmt: skip


@pytest.mark.parametrize("error", NO_MEMORY, ids=["python", "gpu", "cpu", "c++", "system", "wrapped"])
def test_memory_that_is_too_small_is_told_with_what_to_lower(error: Exception) -> None:
    with (
        pytest.raises(TrainingError, match="memory is too small for the recipe tiny: ") as caught,
        within_memory(recipe()),
    ):
        raise error
    assert "\n" not in caught.value.message
    assert "lower batch (now 4, and accumulate up as much) or max_tokens (now 512), set recompute" in str(caught.value)
    with pytest.raises(TrainingError) as caught, within_memory(recipe(batch=1, recompute=True)):
        raise error
    assert "lower max_tokens (now 512); or end" in str(caught.value)
    with pytest.raises(RuntimeError, match="no kernel"), within_memory(recipe()):
        raise RuntimeError("no kernel image is available")


class HugeModel(BaseLanguageModel):
    """Wants more than any machine has: torch's own allocator refuses."""

    def load(self, dtype: torch.dtype | None = None) -> PreTrainedModel:
        torch.empty(2**52)
        return super().load(dtype)


def test_a_model_without_room_ends_a_training_and_an_estimate_in_a_sentence(trained: Trained) -> None:
    parts = replace(trained.parts, base=HugeModel(trained.base.name, trained.home))
    with pytest.raises(TrainingError, match="memory is too small for the recipe tiny"):
        run("Ada", parts, recipe(seed=77))
    with pytest.raises(TrainingError, match="memory is too small for the recipe tiny"):
        plan("Ada", parts.store, parts.base, recipe())
    with pytest.raises(TrainingError, match=r"memory is too small to measure Ada@v1: .*\n  → end other programs"):
        reevaluate("Ada@v1", parts)
    with pytest.raises(TrainingError, match=r"memory is too small to export Ada@v1: .*\n  → end other programs"):
        export(trained.registry.get("Ada@v1"), parts.base, "merged", trained.home / "exported")
    assert not list(trained.home.glob("*exported*"))


@pytest.mark.parametrize(("gpus", "processes"), [(0, 1), (1, 1), (4, 4)])
def test_a_process_has_a_gpu_of_its_own(gpus: int, processes: int) -> None:
    require_own_gpu(gpus, processes)


def test_one_process_with_several_gpus_is_told_how_to_train_on_all_or_on_one() -> None:
    with pytest.raises(TrainingError, match="this machine has 4 GPUs") as caught:
        require_own_gpu(4, 1)
    assert "accelerate launch --multi_gpu --num_processes 4 -m ui.cli train" in str(caught.value)
    assert "CUDA_VISIBLE_DEVICES=0" in str(caught.value)


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
