"""The command under `accelerate launch`: two real processes on this processor train one version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts.embedder import SentenceEmbedder
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry
from feature_pipeline import pipeline
from tests.fakes import WORDS, recipe, recipe_file, voice

ALONE = [sys.executable]
# --cpu would start one process, as accelerate leaves more of them to MPI; what starts one a GPU does so without any, too.
TOGETHER = [
    *(sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"),
    *("--num_machines", "1", "--main_process_port", "0", "--mixed_precision", "no", "--dynamo_backend", "no"),
]


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("posts")
    for number in range(20):
        front = f"title: Post {number}\ndate: 2024-01-{number + 1:02}"
        (folder / f"{number:02}.md").write_text(f"---\n{front}\n---\n{voice(number, WORDS)}\n", encoding="utf-8")
    return folder


def trained(launch: list[str], home: Path, posts: Path, models: dict[str, str], *more: str) -> tuple[Any, str]:
    """What the command prints, and what it tells beside; in a home of its own."""
    if not home.exists():
        store = FeatureStore(home, SentenceEmbedder(models["TWIN_EMBEDDER"]))
        pipeline.run([str(posts)], "Ada", store)
        store.close()
    chosen = recipe_file(home.parent / "shared.toml", recipe(precision="fp32", batch=2, accumulate=2, generations=2))
    done = subprocess.run(
        [*launch, "-m", "ui.cli", "train", "--author", "Ada", "--recipe", str(chosen), "--json", *more],
        capture_output=True,
        text=True,
        env={**os.environ, **models, "TWIN_HOME": str(home), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_two_processes_train_what_one_does(tmp_path: Path, posts: Path, embedder: Path, tiny_model: Path) -> None:
    models = {"TWIN_EMBEDDER": str(embedder), "TWIN_BASE_MODEL": str(tiny_model)}
    alone, _ = trained(ALONE, tmp_path / "alone", posts, models)
    made, _ = trained(TOGETHER, tmp_path / "together", posts, models)  # one JSON object: only the first prints
    assert (alone["training"]["processes"], made["training"]["processes"]) == (1, 2)
    assert made["training"]["steps"] == alone["training"]["steps"]
    for curve in ("train_loss", "validation_loss"):
        one, two = ([loss for _, loss in each["training"][curve]] for each in (alone, made))
        assert two[:-1] == pytest.approx(one[:-1], abs=2e-3), curve
        assert two[-1] == pytest.approx(one[-1], abs=2e-2), curve  # the last step's batch is filled up to share it
    registry = ModelRegistry(tmp_path / "together")
    assert [version.name for version in registry.versions("Ada")] == ["Ada@v1"]
    assert not [path for path in (tmp_path / "together" / "runs").iterdir() if path.is_dir()]
