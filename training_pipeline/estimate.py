"""How long a run will take on this machine, and how much memory: measured by a step of it, and by a few tokens written.

The rest follows from the recipe. Left out are fitting the verifier (seconds, docs/decisions/0015) and the search for
passages that prompts are to show.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from contracts.base_model import BaseLanguageModel
from contracts.records import Record
from training_pipeline.data import FIRST, MASKED, Corpus, Encoded, Selection, encode_all
from training_pipeline.recipe import Recipe

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase

LONGEST_S = 15.0  # a step that would take longer is measured on a part of its batch
FORWARD = 1 / 3  # of a step's products: the backward pass takes twice as many as the forward pass
BEGUN, WRITTEN = (
    16,
    8,
)  # tokens of the prompts, and tokens written for them: seconds, also where an answer takes minutes


class Estimate(Record):
    """Of a run: minutes of its training, of what was asked for beside it, and of measuring what came of it."""

    minutes: float
    preference_minutes: float
    folds_minutes: float
    measuring_minutes: float
    peak_memory_mib: int
    tokens_per_second: float
    measured_on: int
    """Tokens of the step that it is measured by."""


def measure(base: BaseLanguageModel, corpus: Corpus, selection: Selection, recipe: Recipe, folds: int = 0) -> Estimate:
    """A forward and a backward pass of the batch that takes most memory, or of as much of it as a few seconds allow; and
    some tokens of a batch of texts.

    The shortest example goes first, to warm up, and again, to tell how much that is: what few tokens take is mostly not for
    the tokens, so it is measured on as many as can be. Memory grows with the tokens of a batch.
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

    train = selection.train
    *longest, shortest = sorted(train, key=lambda example: -len(example.ids))
    batch = longest[: recipe.batch] or [shortest]
    step([shortest])  # a process's first step takes as long as several
    affordable = LONGEST_S / step([shortest]) * _tokens([shortest])
    before = peak_memory_mib()
    part = [e for place, e in enumerate(batch) if _tokens(batch[: place + 1]) <= affordable]
    part = part or [next((e for e in longest if len(e.ids) <= affordable), shortest)]
    speed = _tokens(part) / step(part)
    grown = peak_memory_mib() - before
    tokenizer = base.tokenizer()
    minutes = _minutes(corpus, selection, recipe, tokenizer, speed, *_writing_s(model, tokenizer, train))
    return Estimate(
        minutes=minutes[0],
        measuring_minutes=minutes[1],
        preference_minutes=minutes[2] if recipe.preference else 0.0,
        folds_minutes=round(folds * minutes[0], 1),
        peak_memory_mib=before + round(grown * _tokens(batch) / _tokens(part)),
        tokens_per_second=round(speed, 1),
        measured_on=_tokens(part),
    )


def _writing_s(model: PeftModel, tokenizer: PreTrainedTokenizerBase, train: Sequence[Encoded]) -> tuple[float, float]:
    """Seconds a token of a prompt and a token of a text, of a batch of texts as measuring writes them."""
    from training_pipeline.evaluation.writing import BATCH, sampled
    from training_pipeline.packing import attended_as_usual

    prompts = [list(train[n % len(train)].ids[:BEGUN]) for n in range(BATCH)]
    model.eval()
    with attended_as_usual(model), model.disable_adapter():
        began = time.perf_counter()
        sampled(model, tokenizer, prompts, 1)
        read = time.perf_counter()
        sampled(model, tokenizer, prompts, 1 + WRITTEN)
        written = time.perf_counter()
    token = max(0.0, (written - read) - (read - began)) / WRITTEN
    return (read - began) / BATCH / BEGUN, token / BATCH


def _minutes(
    corpus: Corpus,
    selection: Selection,
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerBase,
    speed: float,
    prompt_s: float,
    token_s: float,
) -> tuple[float, float, float]:
    """Of training, of measuring an adapter, and of the preference step, whose adapter is measured, too."""
    train = selection.train
    text = _prompt(train) * prompt_s + recipe.generation_tokens * token_s
    shown = [example for example in train if example.passages] or train
    with_passages = text + (_prompt(shown) - _prompt(train)) * prompt_s
    asked = min(recipe.generations, _held_out(corpus)) * recipe.seeds
    writing = asked * sum(with_passages if "retrieval" in condition else text for condition in recipe.conditions)
    reread = asked * len(recipe.conditions) * recipe.generation_tokens  # for fluency
    measuring = FORWARD * (_read(corpus, tokenizer, recipe) + reread) / speed + writing
    pairs = min(recipe.preference.pairs, len(corpus.examples["train"])) if recipe.preference else 0
    # A step reads both texts of a pair, also by the adapter that it began with.
    preferring = (
        2 * (pairs + len(corpus.edits)) * (1 + FORWARD) * (_prompt(train) + recipe.generation_tokens) / speed
        + pairs * text
    )
    spent = _work(train, selection.validation, recipe) / speed, measuring, preferring + measuring
    training, measured, preferred = (round(seconds / 60, 1) for seconds in spent)
    return training, measured, preferred


def _read(corpus: Corpus, tokenizer: PreTrainedTokenizerBase, recipe: Recipe) -> int:
    """Tokens of held-out posts and of as many of others, each read by the adapter and by the base model."""
    from training_pipeline.evaluation.evaluate import evenly

    held_out = [example for example in corpus.examples["test"] if example.kind in FIRST][-recipe.eval_posts :]
    both = [*held_out, *evenly(corpus, recipe.eval_posts)]
    return 2 * _tokens(encode_all(corpus, both, tokenizer, recipe.max_tokens))


def _held_out(corpus: Corpus) -> int:
    return len({example.post_id for example in corpus.examples["test"] if example.kind in FIRST})


def _prompt(examples: Sequence[Encoded]) -> float:
    """Tokens of a prompt, on average."""
    return sum(example.labels.count(MASKED) for example in examples) / len(examples)


def _tokens(examples: Sequence[Encoded]) -> int:
    return sum(len(example.ids) for example in examples)


def _work(train: Sequence[Encoded], validation: Sequence[Encoded], recipe: Recipe) -> float:
    """Tokens, as if all were trained on: a validation, of which one is made before the first step, goes forward alone."""
    return recipe.epochs * _tokens(train) + FORWARD * (recipe.validate_times + 1) * _tokens(validation)
