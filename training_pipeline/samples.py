"""What the adapter writes while it learns: one instruction of a validation post, answered a few times a run.

The texts are for whoever looks on. Nothing is drawn for them, so that the run is the same as without; they stand in the
run's folder beside the losses, and are gone with it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from contracts.prompt import encode, encode_target
from training_pipeline.data import FIRST, Corpus
from training_pipeline.load import computed_in, computing
from training_pipeline.packing import attended_as_usual
from training_pipeline.recipe import Recipe
from training_pipeline.run_folder import SAMPLES

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Asked:
    """What samples are written for, as words and as token ids, and how the author's own text begins."""

    instruction: str
    prompt: list[int]
    own: str


def asked(corpus: Corpus, tokenizer: PreTrainedTokenizerBase, recipe: Recipe) -> Asked | None:
    """By the newest validation post that there is room for; None where the recipe wants no samples."""
    examples = sorted(corpus.examples["validation"], key=lambda one: one.kind in FIRST)  # stable: the newest stays last
    for example in reversed(examples if recipe.samples else ()):
        prompt = encode(tokenizer, corpus.conversation(example))
        if len(prompt) <= recipe.max_tokens - recipe.sample_tokens:
            return Asked(example.instruction, prompt, _beginning(tokenizer, corpus.target(example), recipe))
    return None


def _beginning(tokenizer: PreTrainedTokenizerBase, text: str, recipe: Recipe) -> str:
    """As much of it as a sample may have."""
    *ids, _ = encode_target(tokenizer, text)
    if len(ids) <= recipe.sample_tokens:
        return text
    return str(tokenizer.decode(ids[: recipe.sample_tokens], skip_special_tokens=True)) + "…"


class Samples(TrainerCallback):
    """Writes one before the first step, and after `recipe.samples` of the validations, the last of them included."""

    def __init__(self, asked: Asked, recipe: Recipe) -> None:
        self._asked, self._recipe = asked, recipe

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        every = args.eval_steps or 1
        if state.is_world_process_zero and due(state.global_step, state.max_steps, every, self._recipe.samples):
            told = {"instruction": self._asked.instruction, "own": self._asked.own}
            # A device without memory for it, a full disk: it is for whoever looks on, and the training goes on.
            with suppress(OSError, RuntimeError, ValueError):
                text = written(kwargs["model"], kwargs["processing_class"], self._asked.prompt, self._recipe)
                with (Path(str(args.output_dir)) / SAMPLES).open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps({"step": state.global_step, "text": text, **told}) + "\n")


def due(step: int, steps: int, every: float, samples: int) -> bool:
    """Whether the validation after `step` of `steps`, of which there is one `every` so many, has a sample."""
    number, all_ = int(step // every), max(1, int(steps // every))
    return number == 0 or number * samples // all_ > (number - 1) * samples // all_


@torch.no_grad()
def written(model: PeftModel, tokenizer: PreTrainedTokenizerBase, prompt: list[int], recipe: Recipe) -> str:
    """The likeliest token each time: what is written changes as the weights do, and by nothing else.

    The adapter is not merged, as taking it out again would leave the weights a little different.
    """
    training = model.training
    model.eval()
    try:
        with attended_as_usual(model), computing(model.device.type, computed_in(recipe)):
            made = model.generate(
                input_ids=torch.tensor([prompt], device=model.device),
                attention_mask=torch.ones(1, len(prompt), dtype=torch.long, device=model.device),
                max_new_tokens=recipe.sample_tokens,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                use_cache=True,
                pad_token_id=int(tokenizer.pad_token_id),
            )
    finally:
        model.train(training)
    return str(tokenizer.decode(made[0, len(prompt) :], skip_special_tokens=True))
