"""How long a training will take on this machine, and how much memory: measured by a step of it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from contracts.base_model import BaseLanguageModel
from contracts.records import Record
from training_pipeline.data import Encoded
from training_pipeline.recipe import Recipe

LONGEST_S = 6.0  # a step that would take longer is measured on a part of its batch
FORWARD = 1 / 3  # of a step's products: the backward pass takes twice as many as the forward pass


class Estimate(Record):
    """Of the training alone; measuring the version comes on top."""

    minutes: float
    peak_memory_mib: int
    tokens_per_second: float
    measured_on: int
    """Tokens of the step that it is measured by."""


def measure(
    base: BaseLanguageModel, train: Sequence[Encoded], validation: Sequence[Encoded], recipe: Recipe
) -> Estimate:
    """A forward and a backward pass of the batch that takes most memory, or of as much of it as a few seconds allow.

    The shortest example goes first, to warm up and to tell how much that is. Memory grows with the tokens of a batch.
    """
    import torch

    from training_pipeline.load import load
    from training_pipeline.lora import new_adapter, peak_memory_mib
    from training_pipeline.packing import pack, summed_loss

    model = new_adapter(load(base, recipe), recipe).train()
    if recipe.recompute:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()

    def step(examples: Sequence[Encoded]) -> float:
        batch = pack([{"input_ids": e.ids, "labels": e.labels} for e in examples])
        moved = {name: tensor.to(model.device) for name, tensor in batch.items()}
        began = time.perf_counter()
        with torch.autocast(model.device.type, torch.bfloat16, enabled=model.dtype == torch.bfloat16):
            loss = summed_loss(model, moved)
        loss.backward()
        loss.detach().item()  # waits for a GPU
        model.zero_grad()
        return time.perf_counter() - began

    *longest, shortest = sorted(train, key=lambda example: -len(example.ids))
    batch = longest[: recipe.batch] or [shortest]
    seconds = step([shortest])
    before = peak_memory_mib()
    affordable = LONGEST_S / seconds * _tokens([shortest])
    part = [e for place, e in enumerate(batch) if _tokens(batch[: place + 1]) <= affordable] or [shortest]
    speed = _tokens(part) / step(part)
    grown = peak_memory_mib() - before
    return Estimate(
        minutes=round(_work(train, validation, recipe) / speed / 60, 1),
        peak_memory_mib=before + round(grown * _tokens(batch) / _tokens(part)),
        tokens_per_second=round(speed, 1),
        measured_on=_tokens(part),
    )


def _tokens(examples: Sequence[Encoded]) -> int:
    return sum(len(example.ids) for example in examples)


def _work(train: Sequence[Encoded], validation: Sequence[Encoded], recipe: Recipe) -> float:
    """Tokens, as if all were trained on: a validation, of which one is made before the first step, goes forward alone."""
    return recipe.epochs * _tokens(train) + FORWARD * (recipe.validate_times + 1) * _tokens(validation)
