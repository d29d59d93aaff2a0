"""A version as files that other programs serve: PEFT's adapter, merged weights, or one GGUF file.

Each is loaded back and has to say what the adapter in place says, before it appears under the name that was asked for.
Weights are safetensors or GGUF; nothing is pickled.
"""

from __future__ import annotations

import gc
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from safetensors import SafetensorError

from contracts.base_model import BaseLanguageModel
from contracts.errors import ModelError, UsageError
from contracts.files import write_atomic
from contracts.model_registry import KEPT, ModelVersion, require_adapter
from contracts.progress import Progress, silent
from contracts.records import Record
from training_pipeline.export_notes import file_name, modelfile, readme
from training_pipeline.probe import Check
from training_pipeline.run_folder import enough_memory

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from training_pipeline.probe import Said

Format = Literal["peft", "merged", "gguf"]
FORMATS: tuple[Format, ...] = ("peft", "merged", "gguf")


class Exported(Record):
    """What was written, how large it is, how long it took, and what it proved when it was loaded back."""

    version: str
    format: Format
    folder: str
    files: dict[str, int]
    """Bytes of each."""
    seconds: float
    checks: tuple[Check, ...]


def export(
    version: ModelVersion,
    base: BaseLanguageModel,
    format: Format,
    target: Path,
    progress: Progress = silent,
) -> Exported:
    """Write `version` to the new folder `target`, which appears only once it is whole and checked.

    Raises UsageError for a folder that holds something, Mismatch for another base model, ModelError where the export cannot
    be written or does not say what the adapter says, TrainingError where memory is too small.
    """
    began = time.monotonic()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is there already", "name a folder that is not, or is empty")
    version.check(base)
    staging = target.absolute().with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        with enough_memory(f"to export {version.name}", "end other programs; the format peft takes least"):
            checks = _write(version, base, format, staging, progress)
        write_atomic(staging / "README.md", readme(version, base, format, checks))
        staging.replace(target.absolute())
    except (OSError, SafetensorError) as error:  # what a full disk is to safetensors
        raise ModelError(
            f"the export cannot be written: {error}", f"make room in {target.absolute().parent}"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Exported(
        version=version.name,
        format=format,
        folder=str(target),
        files={path.name: path.stat().st_size for path in sorted(target.iterdir())},
        seconds=round(time.monotonic() - began, 1),
        checks=tuple(checks),
    )


def _write(
    version: ModelVersion, base: BaseLanguageModel, format_: Format, folder: Path, progress: Progress
) -> list[Check]:
    import torch
    from peft import PeftModel

    from training_pipeline import probe

    progress("load the adapter", 0, None)
    tokenizer = base.tokenizer()
    adapted: PeftModel = PeftModel.from_pretrained(base.load(torch.float32), str(require_adapter(version.folder)))
    adapted.eval()
    stops = set(tokenizer.all_special_ids)
    progress("ask the adapter", 0, None)
    expected = probe.reference(adapted, probe.prompts(version.author, tokenizer), stops)
    progress(f"write {format_}", 0, None)
    if format_ == "peft":
        _copy(version, folder)
    else:
        # In fp32: bf16 keeps 8 bits of a weight, and an adapter moves nearly half of them by less than the last bit.
        _save(adapted.merge_and_unload().eval(), tokenizer, version, base, format_, folder)
    del adapted
    gc.collect()  # before it is loaded once more
    progress("load it back", 0, None)
    return _checks(version, base, tokenizer, format_, folder, expected, stops)


def _copy(version: ModelVersion, folder: Path) -> None:
    """The adapter's files as they are; the version's model card under a name of its own, as README.md says how to serve."""
    for name in KEPT[:2]:
        shutil.copyfile(version.folder / name, folder / name)
    _copy_card(version, folder)


def _copy_card(version: ModelVersion, folder: Path) -> None:
    if (version.folder / "README.md").is_file():
        shutil.copyfile(version.folder / "README.md", folder / "MODEL_CARD.md")


def _save(
    merged: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    version: ModelVersion,
    base: BaseLanguageModel,
    format_: Format,
    folder: Path,
) -> None:
    if format_ == "merged":
        merged.save_pretrained(folder)  # with the configuration, and that of generation
        tokenizer.save_pretrained(folder)
    else:
        from training_pipeline import gguf_file

        name = file_name(version)
        gguf_file.write(merged, tokenizer, version.name, base.gguf, folder / f"{name}.f16.gguf")
        write_atomic(folder / "Modelfile", modelfile(version.author, tokenizer, f"{name}.f16.gguf"))
    _copy_card(version, folder)


def _checks(
    version: ModelVersion,
    base: BaseLanguageModel,
    tokenizer: PreTrainedTokenizerBase,
    format_: Format,
    folder: Path,
    expected: Sequence[Said],
    stops: set[int],
) -> list[Check]:
    from training_pipeline import probe

    checks = [probe.by_transformers(_load(version, base, format_, folder), expected, stops)]
    if format_ == "gguf":
        gc.collect()
        path = folder / f"{file_name(version)}.f16.gguf"
        check = probe.by_llama_cpp(path, expected, stops, lambda ids: str(tokenizer.decode(list(ids))))
        checks += [check] if check else []
    return checks


def _load(version: ModelVersion, base: BaseLanguageModel, format_: Format, folder: Path) -> Any:
    """What was written, from what was written alone (but PEFT's adapter, which needs its base model), in fp32."""
    import torch
    from transformers import AutoModelForCausalLM

    if format_ == "peft":
        from peft import PeftModel

        return PeftModel.from_pretrained(base.load(torch.float32), str(folder)).eval()
    from contracts.hardware import best_device

    file = {"gguf_file": f"{file_name(version)}.f16.gguf"} if format_ == "gguf" else {"use_safetensors": True}
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False, **file)
    return model.to(best_device()).eval()
