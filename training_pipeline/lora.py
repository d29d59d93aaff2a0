"""Fine-tune a LoRA adapter: PEFT and TRL's trainer on examples that are encoded already."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_pt_utils import get_length_grouped_indices
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from contracts.base_model import BaseLanguageModel
from contracts.errors import TrainingError
from contracts.files import read_json, write_json
from contracts.hardware import best_device, best_dtype
from training_pipeline.data import Encoded
from training_pipeline.recipe import Recipe

Progress = Callable[[str, int, int | None], None]
DONE = "training.json"


def train(
    base: BaseLanguageModel,
    examples: Sequence[Encoded],
    validation: Sequence[Encoded],
    recipe: Recipe,
    folder: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Train into `folder`/adapter and return the loss curve, in nats per token.

    Continues from the folder's last checkpoint, and returns at once where training was finished there before.
    Raises TrainingError when the loss is not a number.
    """
    finished: dict[str, Any] | None = read_json(folder / DONE)
    if finished is not None:
        return finished
    checkpoint = _last_checkpoint(folder)
    torch.manual_seed(recipe.seed)
    model = get_peft_model(
        base.load(),
        LoraConfig(
            r=recipe.rank,
            lora_alpha=recipe.alpha,
            lora_dropout=recipe.dropout,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
    )
    trainer = SFTTrainer(
        model=model,
        args=_arguments(recipe, folder, len(examples), resumed=checkpoint is not None),
        train_dataset=_dataset(_in_order(examples, recipe)),
        eval_dataset=_dataset(sorted(validation, key=lambda example: len(example.ids))),
        processing_class=base.tokenizer(),
        callbacks=[_Watch(progress, recipe.patience)],
    )
    # The Trainer prints every log line to stdout, which belongs to --json.
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=checkpoint)
    trained = trainer.model
    assert isinstance(trained, PeftModel)
    trained.peft_config["default"].base_model_name_or_path = base.name  # not this machine's folder
    # PEFT would else ask the hub whether the base model's vocabulary was another.
    trained.save_pretrained(str(folder / "adapter"), save_embedding_layers=False)
    curve = _curve(trainer.state)
    write_json(folder / DONE, curve)  # written last: it says that the adapter is whole
    return curve


def _last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that is whole: the trainer writes its own state last."""
    whole = [path for path in folder.glob("checkpoint-*") if read_json(path / TRAINER_STATE_NAME) is not None]
    return str(max(whole, key=lambda path: int(path.name.rpartition("-")[2]))) if whole else None


def _arguments(recipe: Recipe, folder: Path, examples: int, resumed: bool) -> SFTConfig:
    steps = max(1, math.ceil(examples * recipe.epochs / (recipe.batch * recipe.accumulate)))
    every = max(1, math.ceil(steps / recipe.validate_times))
    return SFTConfig(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=recipe.batch,
        per_device_eval_batch_size=recipe.batch,
        gradient_accumulation_steps=recipe.accumulate,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, steps // 20),
        max_grad_norm=1.0,
        bf16=best_dtype() == torch.bfloat16,
        use_cpu=best_device() == "cpu",
        gradient_checkpointing=False,  # a small model's activations fit; recomputing them costs a third of the time
        train_sampling_strategy="sequential",  # _in_order has drawn the order of all epochs
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        eval_strategy="steps",
        eval_steps=every,
        eval_on_start=not resumed,  # the base model's loss, to compare with; once, as each validation uses up patience
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_steps=1,
        logging_nan_inf_filter=False,  # which would log a mean of earlier losses where one is no number
        disable_tqdm=True,
        report_to=[],
        seed=recipe.seed,
        data_seed=recipe.seed,
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
    )


def _in_order(examples: Sequence[Encoded], recipe: Recipe) -> list[Encoded]:
    """All epochs in a row, examples of like length together, which hold little padding, in an order drawn from the seed.

    The trainer's own sampler draws from the global random state, and goes on in another order when a run is resumed.
    """
    random = torch.Generator().manual_seed(recipe.seed)
    lengths, batch = [len(example.ids) for example in examples], recipe.batch * recipe.accumulate
    epochs = (get_length_grouped_indices(lengths, batch, generator=random) for _ in range(recipe.epochs))
    return [examples[place] for epoch in epochs for place in epoch]


def _dataset(examples: Sequence[Encoded]) -> Dataset:
    return Dataset.from_list([{"input_ids": list(e.ids), "labels": list(e.labels)} for e in examples])


def _curve(state: TrainerState) -> dict[str, Any]:
    train = [(int(row["step"]), row["loss"]) for row in state.log_history if "loss" in row]
    validation = [(int(row["step"]), row["eval_loss"]) for row in state.log_history if "eval_loss" in row]
    return {
        "steps": state.global_step,
        "base_validation_loss": validation[0][1],
        "best_validation_loss": min(loss for _, loss in validation),
        "train_loss": train,
        "validation_loss": validation,
        "process": os.getpid(),
    }


class _Watch(TrainerCallback):
    """Reports progress, stops at a loss that is no number, and stops early when validation no longer improves."""

    def __init__(self, progress: Progress, patience: int) -> None:
        self._progress, self._patience = progress, patience

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._progress("train", state.global_step, state.max_steps)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(float(loss)):
            raise TrainingError(
                f"the loss became {loss} at step {state.global_step} of {state.max_steps}",
                "lower learning_rate in the recipe",
            )

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        losses = [row["eval_loss"] for row in state.log_history if "eval_loss" in row]
        best = min(range(len(losses)), key=losses.__getitem__)
        if len(losses) - 1 - best >= self._patience:
            control.should_training_stop = True
