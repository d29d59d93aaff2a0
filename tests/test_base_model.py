"""A base model that brings code of its own is read without running it, or refused (FAULTS 57)."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from contracts.base_model import BaseLanguageModel
from contracts.errors import ModelError

CODE = """\
import pathlib
pathlib.Path({marker!r}).touch()
from transformers import LlamaConfig as Config, LlamaForCausalLM as Model
"""


def with_code(folder: Path, tiny_model: Path, model_type: str, marker: Path) -> BaseLanguageModel:
    """The tiny model, whose configuration names classes in a file beside it; the file leaves `marker` where it is run."""
    shutil.copytree(tiny_model, folder)
    (folder / "remote.py").write_text(CODE.format(marker=str(marker)), encoding="utf-8")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    code = {"AutoConfig": "remote.Config", "AutoModelForCausalLM": "remote.Model"}
    (folder / "config.json").write_text(json.dumps({**config, "model_type": model_type, "auto_map": code}))
    return BaseLanguageModel(str(folder), folder.parent / "home")


def test_a_model_that_needs_its_own_code_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    base = with_code(tmp_path / "model", tiny_model, "nobody_knows", tmp_path / "was-run")
    with pytest.raises(ModelError, match="cannot be loaded"):
        base.load()
    base.tokenizer()
    assert not (tmp_path / "was-run").exists()
    assert not [name for name in sys.modules if name.startswith("transformers_modules")]


def test_code_that_is_not_needed_is_not_run(tmp_path: Path, tiny_model: Path) -> None:
    base = with_code(tmp_path / "model", tiny_model, "llama", tmp_path / "was-run")
    assert type(base.load()).__module__.startswith("transformers.models.llama")
    assert not (tmp_path / "was-run").exists()


def test_a_home_that_cannot_be_written_costs_the_memory_of_a_hash_alone(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    hashes = [BaseLanguageModel(str(tiny_model), tmp_path / home).hash for home in ("file", "home")]
    assert hashes[0] == hashes[1]


def test_pickled_weights_are_refused(tmp_path: Path, tiny_model: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").rename(tmp_path / "model" / "pytorch_model.bin")
    base = BaseLanguageModel(str(tmp_path / "model"), tmp_path / "home")
    with pytest.raises(ModelError, match="holds no safetensors"):
        _ = base.hash
    with pytest.raises(ModelError, match="cannot be loaded"):
        base.load()
