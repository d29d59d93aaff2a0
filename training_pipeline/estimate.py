"""How long a training will take on this machine, and how much memory: measured by a step of it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from contracts.base_model import BaseLanguageModel
from contracts.records import Record
from training_pipeline.data import Encoded
from training_pipeline.recipe import Recipe

WARM_S = 4.0  # a first step that takes longer is not repeated warm: it is the measurement
FORWARD = 1 / 3  # of a step's products: the backward pass takes twice as many as the forward pass


class Estimate(Record):
    """Of the training alone; measuring the version comes on top."""

    minutes: float
    peak_memory_mib: int
    tokens_per_second: float
    measured_on: int
    """Tokens of the steps that it is measured by."""


def measure(
    base: BaseLanguageModel, train: Sequence[Encoded], validation: Sequence[Encoded], recipe: Recipe
) -> Estimate:
    """One forward and backward pass of the batch that takes most memory, and a second one where the first was quick."""
    import torch

    from training_pipeline.load import load
    from training_pipeline.lora import new_adapter, peak_memory_mib
    from training_pipeline.packing import pack, summed_loss

    model = new_adapter(load(base, recipe), recipe).train()
    if recipe.recompute:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    longest = sorted(train, key=lambda example: -len(example.ids))[: recipe.batch]
    batch = pack([{"input_ids": e.ids, "labels": e.labels} for e in longest])
    moved = {name: tensor.to(model.device) for name, tensor in batch.items()}

    def step() -> float:
        began = time.perf_counter()
        with torch.autocast(model.device.type, torch.bfloat16, enabled=model.dtype == torch.bfloat16):
            loss = summed_loss(model, moved)
        loss.backward()
        loss.detach().item()  # waits for a GPU
        model.zero_grad()
        return time.perf_counter() - began

    seconds, tokens = step(), sum(len(example.ids) for example in longest)
    taken = [seconds] if seconds > WARM_S else [step()]
    speed = tokens / taken[-1]
    return Estimate(
        minutes=round(_work(train, validation, recipe) / speed / 60, 1),
        peak_memory_mib=peak_memory_mib(),
        tokens_per_second=round(speed, 1),
        measured_on=tokens,
    )


def _work(train: Sequence[Encoded], validation: Sequence[Encoded], recipe: Recipe) -> float:
    """Tokens, as if all were trained on: a validation, of which one is made before the first step, goes forward alone."""
    checked = (recipe.validate_times + 1) * sum(len(example.ids) for example in validation)
    return recipe.epochs * sum(len(example.ids) for example in train) + FORWARD * checked
