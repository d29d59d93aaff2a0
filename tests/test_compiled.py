from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from contracts import compiled
from contracts.embedder import SentenceEmbedder, TorchEncoder
from tests.fakes import tiny_embedder, tiny_encoder

TEXTS = ["Brass clock.", "rain", "tea and rain and tea " * 40, "ÖL 日本 🧵"]

PROGRAM = """
import sys
from pathlib import Path
from contracts.embedder import SentenceEmbedder
embedder = SentenceEmbedder(sys.argv[1], Path(sys.argv[2]))
print(embedder.embed(["rain"]).shape, "torch" in sys.modules, "openvino_telemetry" in sys.modules)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_encoder(tmp_path / "model")


def kept(cache: Path) -> Path:
    (folder,) = cache.iterdir()
    return folder


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_compiled_model_makes_what_sentence_transformers_makes(tmp_path: Path, pooling: str) -> None:
    from sentence_transformers import SentenceTransformer

    model = tiny_encoder(tmp_path / "model", pooling)
    embedder = SentenceEmbedder(str(model), tmp_path / "cache")
    own = SentenceTransformer(str(model), device="cpu").encode(TEXTS, normalize_embeddings=True)
    made = embedder.embed(TEXTS)
    assert isinstance(embedder._encoder, compiled.CompiledEncoder)
    assert made.dtype == np.float32
    assert (made * own).sum(axis=1).min() > 0.999


def test_the_models_own_prompt_stands_before_each_text(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = tiny_encoder(tmp_path / "model", prompt="tea: ")
    own = SentenceTransformer(str(model), device="cpu").encode(TEXTS, normalize_embeddings=True)
    embedder = SentenceEmbedder(str(model))
    assert (embedder.embed(TEXTS) * own).sum(axis=1).min() > 0.999
    assert isinstance(embedder._encoder, compiled.CompiledEncoder)


def test_it_is_compiled_once_and_then_needs_no_torch_and_reports_to_nobody(model: Path, tmp_path: Path) -> None:
    cache, home = tmp_path / "cache", tmp_path / "person"
    home.mkdir()
    said = []
    for _ in range(2):
        program = [sys.executable, "-c", PROGRAM, str(model), str(cache)]
        environment = {**os.environ, "HOME": str(home)}
        said.append(subprocess.run(program, capture_output=True, text=True, check=True, env=environment).stdout)
    # None stands where the reporting package would be.
    assert said == ["(1, 32) True True\n", "(1, 32) False True\n"]
    assert not (home / "intel").exists()


@pytest.mark.parametrize("damage", ["model.json", "model.bin", "tokenizer.json"])
def test_a_damaged_one_is_made_anew(model: Path, tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    first = SentenceEmbedder(str(model), cache).embed(TEXTS)
    (kept(cache) / damage).write_bytes(b"{")
    again = SentenceEmbedder(str(model), cache)
    assert np.array_equal(again.embed(TEXTS), first)
    assert compiled.load(kept(cache)) is not None
    assert [path.name for path in cache.iterdir()] == [kept(cache).name]


def test_a_model_of_another_kind_stays_with_torch_and_leaves_nothing(tmp_path: Path) -> None:
    embedder = SentenceEmbedder(str(tiny_embedder(tmp_path / "model", ["rain"])), tmp_path / "cache")
    assert embedder.embed(["rain"]).shape == (1, 128)
    assert isinstance(embedder._encoder, TorchEncoder)
    assert not (tmp_path / "cache").exists()


def test_where_nothing_can_be_kept_it_is_compiled_in_memory(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    embedder = SentenceEmbedder(str(model), tmp_path / "file" / "cache")
    assert embedder.embed(TEXTS).shape == (4, 32)
