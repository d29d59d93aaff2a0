"""A sentence-transformers model compiled for this processor by OpenVINO, and kept on disk so that it is compiled once.

It knows nothing about batches or names: tokens go in, unit vectors come out. Whatever model cannot be traced, or makes other
vectors once it is compiled, stays with torch.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.files import read_json, sha256_of, staged, write_json
from contracts.records import digest

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    Vectors = NDArray[np.float32]

FILES = ("model.xml", "model.bin", "tokenizer.json")
DONE = "model.json"  # written last, with the files' hashes: a folder without it is no model
LEAST_COSINE = 0.999  # to the model's own vectors, of each of SAMPLES
SAMPLES = [
    "Rain.",
    "What did you write about clocks?",
    "Ölkännchen, 日本語の文章です。 🧵",
    "The clock runs slow. " * 60,
]


class CompiledEncoder:
    """Reads a folder that `make` has left. Raises OSError or RuntimeError where it is not whole."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        facts = read_json(folder / DONE)
        if not isinstance(facts, dict) or any(sha256_of(folder / file) != facts[file] for file in FILES):
            raise OSError(f"{folder} holds no whole model")
        self._prompt = str(facts["prompt"])
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        core = openvino().Core()
        self._request = core.compile_model(str(folder / "model.xml"), "CPU", settings(core)).create_infer_request()

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """In tokens, cut to what the model reads."""
        return [len(tokens) for tokens in self._tokens(texts)]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of one batch, shape (len(texts), dimension), float32."""
        import numpy as np

        tokens = self._tokens(texts)
        ids = np.zeros((len(tokens), max(map(len, tokens))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, line in enumerate(tokens):
            ids[row, : len(line)] = line
            mask[row, : len(line)] = 1
        vectors: Vectors = self._request.infer([ids, mask])[0]
        return vectors.copy()  # the request's own memory is written over by the next batch

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        read = self._tokenizer.encode_batch_fast([self._prompt + text for text in texts])
        return [line.ids for line in read]


def name(fingerprint: str) -> str:
    """The folder's, of a model with this fingerprint: another release of OpenVINO compiles anew."""
    from importlib.metadata import version

    return digest(fingerprint, version("openvino"))


def load(folder: Path) -> CompiledEncoder | None:
    """What `make` left there; None where it is not whole."""
    try:
        return CompiledEncoder(folder) if (folder / DONE).exists() else None
    except (OSError, RuntimeError, ValueError, KeyError):
        return None


def make(model: SentenceTransformer, folder: Path) -> CompiledEncoder | None:
    """Trace the whole of `model`, pooling included, into `folder`; None where that cannot be done faithfully."""
    tokenizer = getattr(getattr(model, "tokenizer", None), "backend_tokenizer", None)
    if tokenizer is None or not model.max_seq_length:
        return None
    try:
        (folder / DONE).unlink(missing_ok=True)  # what is there could not be loaded
        with staged(folder, DONE) as made:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # tracing warns of every branch on a shape
                _write(made, model, type(tokenizer).from_str(tokenizer.to_str()))
            encoder = CompiledEncoder(made)
            if not _faithful(encoder, model):
                raise ValueError("the compiled model makes other vectors")
    except (RuntimeError, ValueError, TypeError, OSError):  # what tracing, converting and a full disk raise
        return load(folder)  # where another process was quicker
    return encoder


def _write(folder: Path, model: SentenceTransformer, tokenizer: Any) -> None:
    import torch

    tokens = torch.ones(2, 8, dtype=torch.long)
    graph = openvino().convert_model(_whole(model), example_input={"input_ids": tokens, "attention_mask": tokens})
    openvino().save_model(graph, folder / "model.xml", compress_to_fp16=True)
    tokenizer.enable_truncation(model.max_seq_length)
    tokenizer.no_padding()
    tokenizer.save(str(folder / "tokenizer.json"))
    facts = {"prompt": model.prompts.get(model.default_prompt_name or "", "")}
    write_json(folder / DONE, facts | {file: sha256_of(folder / file) for file in FILES})


def _whole(model: SentenceTransformer) -> torch.nn.Module:
    import torch

    class Whole(torch.nn.Module):
        """Tokens to unit vectors: what `encode` does, as one function of two tensors."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            made: Any = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
            return torch.nn.functional.normalize(made["sentence_embedding"].float(), dim=-1)

    return Whole().eval()


def _faithful(compiled: CompiledEncoder, model: SentenceTransformer) -> bool:
    own = model.encode(SAMPLES, normalize_embeddings=True, show_progress_bar=False)
    found = compiled.encode(SAMPLES)
    return bool(found.shape == own.shape and (found * own).sum(axis=1).min() >= LEAST_COSINE)


def openvino() -> Any:
    """The package, without the one that comes with it and reports each conversion to its makers."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def settings(core: Any) -> dict[str, Any]:
    """For one text at a time, in bf16 where this processor multiplies it natively."""
    native = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return {
        "ENABLE_MMAP": False,  # the folder may be moved and replaced while it is in use
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": "bf16" if native else "f32",
    }
