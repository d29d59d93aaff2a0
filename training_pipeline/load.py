"""The base model as a recipe wants it: in the machine's number format, in fp32, or in 4 bits on a GPU (QLoRA)."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch

from contracts.base_model import BaseLanguageModel
from contracts.errors import TrainingError
from contracts.hardware import best_dtype
from training_pipeline.recipe import Recipe

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig, PreTrainedModel


def load(base: BaseLanguageModel, recipe: Recipe) -> PreTrainedModel:
    """The model to train an adapter on. Raises TrainingError where the recipe needs what this machine has not, or where one
    process sees several GPUs, which the trainer cannot use."""
    require_machine(recipe)
    if recipe.quantise == "none":
        return base.load(computed_in(recipe))
    from peft import prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM

    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        base.folder,
        quantization_config=four_bits(),
        dtype=torch.bfloat16,
        device_map={"": torch.cuda.current_device()},  # each of several processes has a card of its own
        use_safetensors=True,
        trust_remote_code=False,
    )
    # The trainer turns recomputing on itself, where the recipe asks for it.
    return prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)  # type: ignore[no-any-return]


def computed_in(recipe: Recipe) -> torch.dtype:
    """The number format of weights that are not quantised, and of all products."""
    if recipe.quantise != "none":
        return torch.bfloat16
    return torch.float32 if recipe.precision == "fp32" else best_dtype()


def computing(device: str, dtype: torch.dtype) -> AbstractContextManager[None]:
    """Products in this number format. Our own, as accelerate's would turn all logits to fp32."""
    return torch.autocast(device, dtype, enabled=dtype != torch.float32)


def four_bits() -> BitsAndBytesConfig:
    """QLoRA's own settings (Dettmers et al. 2023): NF4 with its scales quantised again, products in bf16."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def require_machine(recipe: Recipe) -> None:
    """Raises TrainingError where this machine, or this process of several, cannot follow the recipe."""
    require_own_gpu(torch.cuda.device_count(), int(os.environ.get("WORLD_SIZE", "1")))
    if recipe.quantise != "none":
        require_gpu(recipe)


def require_own_gpu(gpus: int, processes: int) -> None:
    """Raises TrainingError unless there is a process a GPU: one with several would split each batch among them."""
    if gpus > 1 and processes == 1:
        raise TrainingError(
            f"this machine has {gpus} GPUs, and one process trains on one",
            f"accelerate launch --multi_gpu --num_processes {gpus} -m ui.cli train … for all of them, or "
            "CUDA_VISIBLE_DEVICES=0 twin train … for the first",
        )


def require_gpu(recipe: Recipe) -> None:
    """Raises TrainingError unless there are a CUDA device and bitsandbytes."""
    if not torch.cuda.is_available():
        raise TrainingError(
            f"the recipe {recipe.name} trains in 4 bits, and this machine has no CUDA device",
            'choose quick or standard, or set quantise = "none" in a copy of the recipe',
        )
    if find_spec("bitsandbytes") is None:
        raise TrainingError(
            f"the recipe {recipe.name} trains in 4 bits, and bitsandbytes is not installed",
            "pip install -e '.[gpu]'",
        )
