"""Preference training after the first: what the author wrote is to become likelier than what the base model writes (DPO).

Of each pair one text is chosen, the author's own or what a person made of an answer, and one is rejected: what the base
model wrote for the same instruction, or the answer before it was edited. The reference is the adapter as it was.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from accelerate import PartialState  # type: ignore[import-untyped]
from datasets import Dataset
from peft import PeftModel
from transformers import TrainerControl, TrainerState, TrainingArguments
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

from contracts.base_model import BaseLanguageModel
from contracts.errors import TrainingError
from contracts.files import read_json, write_json
from contracts.hardware import best_device
from contracts.progress import Progress
from contracts.prompt import encode, encode_target
from training_pipeline.data import SHORTEST_TARGET, Corpus, Edit, newest
from training_pipeline.evaluation.writing import sampled
from training_pipeline.load import computed_in, load
from training_pipeline.lora import Watch, quiet, save, shared
from training_pipeline.recipe import Preference, Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DONE = "preference.json"
IDS = ("prompt_ids", "chosen_ids", "rejected_ids")  # of a pair, as TRL takes it
AT_ONCE = 16  # texts that the base model writes side by side


@dataclass(frozen=True)
class Pair:
    """Token ids. Neither text is longer than the recipe's generation_tokens, so that length says nothing."""

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]
    posts: tuple[str, ...] = ()
    """Whose words it holds: the posts of the chosen text and of the passages."""


def improve(
    base: BaseLanguageModel,
    adapter: Path,
    corpus: Corpus,
    recipe: Recipe,
    folder: Path,
    progress: Progress,
) -> Path:
    """The folder of an adapter that goes on from `adapter`; its pairs and its curve are in `folder`/preference.json.

    Returns at once where it was finished there before. Raises TrainingError where the recipe has no preference section,
    where no pair is usable, and when the loss is not a number.
    """
    made = folder / "preferred"
    if read_json(folder / DONE) is not None:
        return made
    chosen = _section(recipe)
    state = PartialState(cpu=best_device() == "cpu")
    model = PeftModel.from_pretrained(load(base, recipe), str(adapter), is_trainable=True)
    tokenizer = base.tokenizer()
    edits = edited(corpus, tokenizer, recipe)
    pairs = [*edits, *drawn(model, corpus, tokenizer, recipe, progress)]
    if not pairs:
        raise TrainingError("no pair of texts is left to prefer one of", "ingest more posts")
    torch.manual_seed(recipe.seed)
    watch = _Watch(progress)
    trainer = _Trainer(
        model=model,
        args=_arguments(recipe, chosen, folder, len(pairs), state.num_processes),
        train_dataset=Dataset.from_list([{name: vars(pair)[name] for name in IDS} for pair in pairs]),
        processing_class=tokenizer,
        callbacks=[watch],
    )
    quiet(trainer)
    trainer.train()
    save(trainer.model, base, made, state)
    if state.is_main_process:
        posts = sorted({post_id for pair in pairs for post_id in pair.posts})
        told = {"pairs": len(pairs), "edits": len(edits), "posts": posts, "curve": watch.curve}
        write_json(folder / DONE, told)  # written last
    state.wait_for_everyone()
    return made


def edited(corpus: Corpus, tokenizer: PreTrainedTokenizerBase, recipe: Recipe) -> list[Pair]:
    """Pairs of what people changed in answers, and changed early enough to be read."""
    made = []
    for edit in corpus.edits:
        chosen, rejected = (
            encode_target(tokenizer, text)[: recipe.generation_tokens] for text in (edit.chosen, edit.rejected)
        )
        prompt, shown = _asked(corpus, edit, tokenizer, recipe.max_tokens - recipe.generation_tokens)
        if chosen != rejected and prompt:
            made.append(Pair(prompt, chosen, rejected, shown))
    return made


def _asked(
    corpus: Corpus, edit: Edit, tokenizer: PreTrainedTokenizerBase, room: int
) -> tuple[list[int], tuple[str, ...]]:
    """The prompt with as many of its passages as there is room for, and their posts; empty where that is for none."""
    for count in range(len(edit.evidence), 0, -1):
        shown = edit.evidence[:count]
        prompt = encode(tokenizer, corpus.asked(edit.prompt, shown))
        if len(prompt) <= room:
            return prompt, tuple(span.post_id for span in shown)
    return [], ()


def drawn(
    model: PeftModel, corpus: Corpus, tokenizer: PreTrainedTokenizerBase, recipe: Recipe, progress: Progress
) -> list[Pair]:
    """Pairs of training examples, drawn from the seed: the author's text, and what the base model writes instead."""
    examples = newest(corpus, recipe.newest)
    random.Random(recipe.seed).shuffle(examples)
    room = recipe.max_tokens - recipe.generation_tokens
    prompts = [(example, encode(tokenizer, corpus.conversation(example))) for example in examples]
    asked = [(example, prompt) for example, prompt in prompts if len(prompt) <= room][: _section(recipe).pairs]
    torch.manual_seed(recipe.seed)
    pairs = []
    for first in range(0, len(asked), AT_ONCE):
        batch = asked[first : first + AT_ONCE]
        answers = _written(model, [prompt for _, prompt in batch], tokenizer, recipe.generation_tokens)
        for (example, prompt), answer in zip(batch, answers, strict=True):
            target = encode_target(tokenizer, corpus.target(example))[: recipe.generation_tokens]
            if min(len(target), len(answer)) >= SHORTEST_TARGET and target != answer:
                posts = (example.post_id, *(span.post_id for span in example.evidence))
                pairs.append(Pair(prompt, target, answer, posts))
        progress("write pairs", first + len(batch), len(asked))
    return pairs


def _written(
    model: PeftModel, prompts: Sequence[list[int]], tokenizer: PreTrainedTokenizerBase, tokens: int
) -> list[list[int]]:
    """What the base model writes for each prompt, up to and including its end-of-turn token."""
    model.eval()
    with model.disable_adapter():
        rows = sampled(model, tokenizer, prompts, tokens)
    end = int(tokenizer.eos_token_id)
    return [row[: row.index(end) + 1] if end in row else row for row in rows]


def _section(recipe: Recipe) -> Preference:
    if recipe.preference is None:
        raise TrainingError(
            f"the recipe {recipe.name} has no section [preference]", "add one: see recipes/standard.toml"
        )
    return recipe.preference


def _arguments(recipe: Recipe, chosen: Preference, folder: Path, pairs: int, processes: int) -> DPOConfig:
    batch, accumulate = shared(recipe.model_copy(update=chosen.model_dump(include={"batch", "accumulate"})), processes)
    return DPOConfig(
        output_dir=str(folder / "preference"),
        num_train_epochs=chosen.epochs,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulate,
        learning_rate=chosen.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, pairs * chosen.epochs // (batch * accumulate * processes) // 10),
        beta=chosen.beta,
        max_length=None,
        bf16=computed_in(recipe) == torch.bfloat16,
        use_cpu=best_device() == "cpu",
        gradient_checkpointing=recipe.recompute,
        save_strategy="no",
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to=[],
        seed=recipe.seed,
        data_seed=recipe.seed,
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
    )


class _Trainer(DPOTrainer):
    """TRL's trainer on pairs that are encoded already, by our own renderer."""

    def _prepare_dataset(self, dataset: Any, *args: Any) -> Any:
        return dataset


class _Watch(Watch):
    """Keeps the curve, too."""

    stage = "prefer"
    told: ClassVar = {"loss": "the preference loss"}
    setting = "learning_rate in the recipe's [preference]"

    def __init__(self, progress: Progress) -> None:
        super().__init__(progress)
        self.curve: list[dict[str, float]] = []

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().on_log(args, state, control, logs, **kwargs)
        if logs and "loss" in logs:
            margin = float(logs["rewards/margins"])
            self.curve.append({"step": state.global_step, "loss": float(logs["loss"]), "margin": margin})
