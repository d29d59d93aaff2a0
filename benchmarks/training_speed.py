"""Training against TRL's trainer as it comes:  python -m benchmarks.training_speed ../shared/data [TIMES]

Both fit the same LoRA to the same base model, and take the same optimiser steps on the same examples. Each run is a
process of its own, the two in turn; printed are the ratio's median and spread, real tokens a second (padding is not
counted), peak memory, how far the two loss curves are apart, and the floor: the operations of the matrices over what this
machine multiplies a second.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.speed import machine, multiplied, ratio
from contracts import hardware
from contracts.base_model import DEFAULT, BaseLanguageModel
from training_pipeline.data import MASKED, Encoded
from training_pipeline.recipe import Recipe, load

STEPS = 8  # of both, in each run; the first of each is not timed, as it warms up
POSTS = 40


def main(data: Path, times: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        base = BaseLanguageModel(DEFAULT, home)
        examples = _examples(data, home, base)
        (home / "examples.json").write_text(json.dumps([vars(example) for example in examples]), encoding="utf-8")
        runs: dict[str, list[dict[str, Any]]] = {"trl": [], "ours": []}
        for turn in range(times):
            for name, made in runs.items():
                made.append(_in_a_process(name, home, home / f"{name}{turn}"))
        _print(examples, runs)
        _floor(base, examples)
    print(machine())


def _examples(data: Path, home: Path, base: BaseLanguageModel) -> list[Encoded]:
    """As many as the steps take, of a real author's posts, encoded as for a training."""
    from feature_pipeline import pipeline as features
    from training_pipeline.data import encode_all, read
    from ui.wiring import App

    app = App(folder=home)
    features.run([str(data / "blogs" / "skeeto" / "_posts")], "skeeto", app.store, limit=POSTS)
    corpus = read(app.store, "skeeto")
    app.store.close()
    recipe = load("quick")
    made = encode_all(corpus, corpus.examples["train"], base.tokenizer(), recipe.max_tokens)
    return made[: STEPS * recipe.batch]


def _in_a_process(name: str, home: Path, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.training_speed", "--one", name, str(home), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603  # this very module
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    made: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return made


def one(name: str, home: Path, folder: Path) -> None:
    """One run, whose loss curve, seconds of each step and peak memory go to stdout as JSON."""
    base = BaseLanguageModel(DEFAULT, home)
    examples = [Encoded(**example) for example in json.loads((home / "examples.json").read_text(encoding="utf-8"))]
    recipe = load("quick").model_copy(update={"epochs": 1, "validate_times": 1})
    print(json.dumps((_ours if name == "ours" else _trl)(base, examples, recipe, folder)))


def now() -> tuple[float, float]:
    """Seconds on the wall, and seconds of all processors: a busy machine stretches the first more than the second."""
    return time.perf_counter(), time.process_time()


def _ours(base: BaseLanguageModel, examples: list[Encoded], recipe: Recipe, folder: Path) -> dict[str, Any]:
    from training_pipeline import lora

    ends: list[tuple[float, float]] = []
    curve = lora.train(base, examples, examples[:1], recipe, folder, lambda *_: ends.append(now()))
    return {"loss": [loss for _, loss in curve["train_loss"]], "ends": ends, "mib": curve["peak_memory_mib"]}


def _trl(base: BaseLanguageModel, examples: list[Encoded], recipe: Recipe, folder: Path) -> dict[str, Any]:
    """SFTTrainer with its own defaults; the recipe's LoRA, batch, schedule and order, so that the curves compare."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from training_pipeline.lora import in_order, peak_memory_mib, quiet

    ends: list[tuple[float, float]] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            ends.append(now())

    torch.manual_seed(recipe.seed)
    ordered = in_order(examples, recipe)
    trainer = SFTTrainer(
        model=base.load(torch.float32),
        args=SFTConfig(
            output_dir=str(folder),
            max_steps=len(ordered) // recipe.batch,
            per_device_train_batch_size=recipe.batch,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=1,
            train_sampling_strategy="sequential",
            dataset_kwargs={"skip_prepare_dataset": True},
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=hardware.best_device() == "cpu",
            seed=recipe.seed,
        ),
        train_dataset=Dataset.from_list([{"input_ids": list(e.ids), "labels": list(e.labels)} for e in ordered]),
        processing_class=base.tokenizer(),
        peft_config=LoraConfig(
            r=recipe.rank, lora_alpha=recipe.alpha, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
        callbacks=[Clock()],
    )
    quiet(trainer)
    trainer.train()
    loss = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    return {"loss": loss, "ends": ends, "mib": peak_memory_mib()}


def _print(examples: list[Encoded], runs: dict[str, list[dict[str, Any]]]) -> None:
    from training_pipeline.lora import in_order

    recipe = load("quick").model_copy(update={"epochs": 1})
    timed = in_order(examples, recipe)[recipe.batch :]
    tokens = sum(len(example.ids) for example in timed)
    targets = sum(label != MASKED for example in timed for label in example.labels)
    print(
        f"{len(examples)} examples, {len(examples) // recipe.batch} steps; timed are {tokens} tokens, {targets} of targets"
    )
    for name, made in runs.items():
        print(f"  {name}: peak {median(run['mib'] for run in made):.0f} MiB")
    for clock, told in enumerate(("on the wall", "of processors")):
        took = {name: [run["ends"][-1][clock] - run["ends"][0][clock] for run in made] for name, made in runs.items()}
        rates = ", ".join(f"{name} {tokens / median(seconds):.0f}" for name, seconds in took.items())
        print(f"  tokens a second {told}: {rates}; {ratio(took['trl'], took['ours'])}")
    both = list(zip(runs["trl"][0]["loss"], runs["ours"][0]["loss"], strict=True))
    print("  loss, trl and ours:", " ".join(f"{a:.3f}/{b:.3f}" for a, b in both))
    print(f"  farthest apart {max(abs(a - b) for a, b in both):.4f} nats a token")


def _floor(base: BaseLanguageModel, examples: list[Encoded]) -> None:
    """Forward, and backward to the inputs: the base model's weights are frozen and get no gradient."""
    import torch

    model = base.load()
    head = model.get_output_embeddings().weight.numel()
    body = sum(m.weight.numel() for m in model.modules() if isinstance(m, torch.nn.Linear)) - head
    tokens = sum(len(example.ids) for example in examples)
    targets = sum(label != MASKED for example in examples for label in example.labels)
    rate = multiplied(576, 1536, model.dtype)
    seconds = 4 * (tokens * body + targets * head) / rate
    print(
        f"  floor in {model.dtype}: {tokens / seconds:.0f} tokens/s at {rate / 1e9:.0f} GFLOP/s; attention, the adapter and "
        "what is no matrix are not counted"
    )


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        one(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
