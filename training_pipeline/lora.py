"""Fine-tune a LoRA adapter: PEFT and TRL's trainer on examples that are encoded already.

On one processor or GPU, or on several under `accelerate launch`: the recipe's batch is shared among the processes, so every
step learns from the same examples however many there are.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import torch
from accelerate import PartialState  # type: ignore[import-untyped]
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from peft.helpers import disable_input_dtype_casting
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from contracts.base_model import BaseLanguageModel
from contracts.errors import TrainingError
from contracts.files import read_json, write_json
from contracts.hardware import best_device
from contracts.progress import Progress
from training_pipeline.data import Encoded, require_generation_prompt
from training_pipeline.load import computed_in, computing, load
from training_pipeline.packing import Batch, attend_apart, pack, summed_loss
from training_pipeline.recipe import Recipe
from training_pipeline.run_folder import LOSSES
from training_pipeline.samples import Asked, Samples

DONE = "training.json"


def train(
    base: BaseLanguageModel,
    examples: Sequence[Encoded],
    validation: Sequence[Encoded],
    recipe: Recipe,
    folder: Path,
    progress: Progress,
    asked: Asked | None = None,
) -> dict[str, Any]:
    """Train into `folder`/adapter and return the loss curve, in nats per token, and what it cost.

    `asked` is what samples are written for on the way, where there are to be any.
    Continues from the folder's last checkpoint, and returns at once where training was finished there before.
    Raises TrainingError when the loss is not a number.
    """
    finished: dict[str, Any] | None = read_json(folder / DONE)
    if finished is not None:
        return finished
    tokenizer = base.tokenizer()
    require_generation_prompt(tokenizer)
    state = PartialState(cpu=best_device() == "cpu")
    checkpoint = _last_checkpoint(folder)
    torch.manual_seed(recipe.seed)
    model = new_adapter(load(base, recipe), recipe)
    order = in_order(examples, recipe)
    watch = _Watch(progress, recipe.patience)
    trainer = _Trainer(
        model=model,
        args=_arguments(recipe, folder, len(order), state.num_processes, resumed=checkpoint is not None),
        data_collator=pack,
        train_dataset=_dataset(order),
        eval_dataset=_dataset(validation),
        processing_class=tokenizer,
        callbacks=[watch, *([Samples(asked, recipe)] if asked else [])],
    )
    trainer.dtype = computed_in(recipe)
    quiet(trainer)
    _fit(trainer, checkpoint, recipe.patience)
    save(trainer.model, base, folder / "adapter", state)
    taken = order[watch.began_at * recipe.batch * recipe.accumulate :][: watch.steps * recipe.batch * recipe.accumulate]
    curve = {
        **_curve(trainer.state),
        "tokens_per_second": round(sum(len(example.ids) for example in taken) / max(watch.seconds, 1e-9), 1),
        "peak_memory_mib": peak_memory_mib(),
        "processes": state.num_processes,
        "process": os.getpid(),
    }
    if state.is_main_process:
        write_json(folder / DONE, curve)  # written last: it says that the adapter is whole
    state.wait_for_everyone()
    return curve


def _fit(trainer: _Trainer, checkpoint: str | None, patience: int) -> None:
    """From the checkpoint on, where there is one, to the best weights."""
    before = TrainerState.load_from_json(str(Path(checkpoint) / TRAINER_STATE_NAME)) if checkpoint else None
    if before and _used_up(before, patience):  # it had stopped early; the trainer would take a step more
        trainer.state = before
        trainer._load_best_model()
        return
    assert isinstance(trainer.model, PeftModel)
    with disable_input_dtype_casting(trainer.model):  # autocast casts to bf16 anyway: to fp32 and back is for nothing
        trainer.train(resume_from_checkpoint=checkpoint)


def new_adapter(model: Any, recipe: Recipe) -> PeftModel:
    """LoRA on all linear layers but the head, in fp32; drawn from the global random state."""
    attend_apart(model)
    made = get_peft_model(
        model,
        LoraConfig(
            r=recipe.rank,
            lora_alpha=recipe.alpha,
            lora_dropout=recipe.dropout,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
    )
    assert isinstance(made, PeftModel)
    return made


def save(model: Any, base: BaseLanguageModel, folder: Path, state: PartialState) -> None:
    """The adapter in PEFT's layout, by the first process alone."""
    if not state.is_main_process:
        return
    assert isinstance(model, PeftModel)
    model.peft_config["default"].base_model_name_or_path = base.name  # not this machine's folder
    # PEFT would else ask the hub whether the base model's vocabulary was another.
    model.save_pretrained(str(folder), save_embedding_layers=False, selected_adapters=["default"])


def quiet(trainer: Trainer) -> None:
    """The Trainer prints every log line to stdout, which belongs to --json."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)


def peak_memory_mib() -> int:
    """The most that this process has held so far: of the GPU's memory where it has one, else of the machine's."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated() / 2**20)
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit


class _Trainer(SFTTrainer):
    """TRL's trainer on packed batches, with a loss of the targets alone and a validation loss of each token's own weight."""

    dtype = torch.float32
    loss_is_scaled_for_ga: Any = True

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Mean over the targets of the whole step: of all its batches, and of all processes, over which DDP averages."""
        with computing(self.args.device.type, self.dtype):
            mean: torch.Tensor = summed_loss(model, inputs) / num_items_in_batch
        return mean * int(self.args.world_size)

    @torch.no_grad()
    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Mean loss a target token of the validation examples, each process taking its share of them."""
        model, examples, size = self.model, self.eval_dataset, self.args.per_device_eval_batch_size
        assert isinstance(model, PeftModel)
        assert isinstance(examples, Dataset)
        model.eval()
        mine = list(examples)[self.args.process_index :: self.args.world_size]
        sums = torch.zeros(2, device=self.args.device)
        for first in range(0, len(mine), size):
            batch = self._prepare_inputs(pack(mine[first : first + size]))
            with computing(self.args.device.type, self.dtype):
                sums += torch.stack([summed_loss(model, batch), (batch["labels"] >= 0).sum()])
        loss, tokens = self.accelerator.reduce(sums).tolist()
        metrics = {f"{metric_key_prefix}_loss": loss / tokens}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def _last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that is whole: the trainer writes its own state last."""
    whole = [path for path in folder.glob("checkpoint-*") if read_json(path / TRAINER_STATE_NAME) is not None]
    return str(max(whole, key=lambda path: int(path.name.rpartition("-")[2]))) if whole else None


def shared(recipe: Recipe, processes: int) -> tuple[int, int]:
    """A process's batch and how many of them a step accumulates, so that all together learn from the recipe's batch."""
    each, rest = divmod(recipe.batch * recipe.accumulate, processes)
    if rest or not each:
        raise TrainingError(
            f"{processes} processes cannot share {recipe.batch * recipe.accumulate} examples a step evenly",
            f"choose batch × accumulate in the recipe as a multiple of {processes}",
        )
    batch = math.gcd(recipe.batch, each)
    return batch, each // batch


def _arguments(recipe: Recipe, folder: Path, examples: int, processes: int, resumed: bool) -> SFTConfig:
    steps = math.ceil(examples / (recipe.batch * recipe.accumulate))
    every = math.ceil(steps / recipe.validate_times)
    batch, accumulate = shared(recipe, processes)
    return SFTConfig(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=batch,
        per_device_eval_batch_size=batch,
        gradient_accumulation_steps=accumulate,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, steps // 20),
        max_grad_norm=1.0,
        bf16=False,  # the trainer below casts for itself
        use_cpu=best_device() == "cpu",
        gradient_checkpointing=recipe.recompute,
        train_sampling_strategy="sequential",  # in_order has drawn the order of all epochs
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


def in_order(examples: Sequence[Encoded], recipe: Recipe) -> list[Encoded]:
    """All epochs in a row, each in an order of its own, drawn from the seed.

    The trainer's own sampler draws from the global random state, and goes on in another order when a run is resumed.
    """
    random = torch.Generator().manual_seed(recipe.seed)
    epochs = (torch.randperm(len(examples), generator=random).tolist() for _ in range(recipe.epochs))
    return [examples[place] for epoch in epochs for place in epoch]


def _dataset(examples: Sequence[Encoded]) -> Dataset:
    return Dataset.from_list([{"input_ids": list(e.ids), "labels": list(e.labels)} for e in examples])


def _curve(state: TrainerState) -> dict[str, Any]:
    train = [(int(row["step"]), row["loss"]) for row in state.log_history if "loss" in row]
    validation = [(int(row["step"]), row["eval_loss"]) for row in state.log_history if "eval_loss" in row]
    return {
        "steps": state.global_step,
        "base_validation_loss": validation[0][1],
        "best_validation_loss": min(loss for step, loss in validation if step),  # step 0 is the base model's
        "train_loss": train,
        "validation_loss": validation,
    }


class Watch(TrainerCallback):
    """Reports progress, and stops at a figure that is no number."""

    stage = "train"
    told: ClassVar = {"loss": "the loss", "eval_loss": "the validation loss", "grad_norm": "the gradient's norm"}
    setting = "learning_rate in the recipe"

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            self._progress(self.stage, state.global_step, state.max_steps)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        for name, words in self.told.items():
            value = float((logs or {}).get(name, 0.0))
            if not math.isfinite(value):
                raise TrainingError(
                    f"{words} became {value} at step {state.global_step} of {state.max_steps}", f"lower {self.setting}"
                )


def _write_down(file: Path, state: TrainerState, logs: dict[str, float]) -> None:
    """The losses of this step as a line, for whoever looks on. They are no part of the run: a loss of them costs nothing."""
    told = {name: logs[name] for name in ("loss", "eval_loss") if name in logs}
    if told and state.is_world_process_zero:
        with suppress(OSError), file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"step": state.global_step, **told}) + "\n")


class _Watch(Watch):
    """Counts the steps and their time, and stops early when validation no longer improves."""

    def __init__(self, progress: Progress, patience: int) -> None:
        super().__init__(progress)
        self._patience = patience
        self.began_at, self.steps, self.seconds, self._began = 0, 0, 0.0, 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.began_at = state.global_step

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._began = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.seconds += time.perf_counter() - self._began
        self.steps += 1
        super().on_step_end(args, state, control, **kwargs)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().on_log(args, state, control, logs, **kwargs)
        _write_down(Path(str(args.output_dir)) / LOSSES, state, logs or {})

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        control.should_training_stop |= _used_up(state, self._patience)


def _used_up(state: TrainerState, patience: int) -> bool:
    """Whether so many validations in a row were no better than the best."""
    losses = [row["eval_loss"] for row in state.log_history if "eval_loss" in row]
    best = min(range(len(losses)), key=losses.__getitem__)
    return len(losses) - 1 - best >= patience
