"""What a training step computes, and a training that was killed, resumed, shared or refused, on a model of two layers."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import TrainerState

from contracts.base_model import BaseLanguageModel
from contracts.errors import TrainingError
from tests.fakes import one_thread, recipe
from training_pipeline import data, load, lora
from training_pipeline.data import MASKED, Encoded
from training_pipeline.packing import pack, summed_loss
from training_pipeline.recipe import Recipe
from training_pipeline.recipe import load as shipped
from training_pipeline.run_folder import SAMPLES
from training_pipeline.samples import Asked

pytestmark = pytest.mark.usefixtures("single")


@pytest.fixture(scope="module")
def base(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> BaseLanguageModel:
    return BaseLanguageModel(f"{tiny_model}/", tmp_path_factory.mktemp("base"))


def made(count: int = 24, seed: int = 0) -> list[Encoded]:
    """Prompts and targets of very unequal lengths, of which something can be learned: each target repeats."""
    drawn = random.Random(seed)
    examples = []
    for number in range(count):
        prompt = [drawn.randrange(3, 100) for _ in range(drawn.randrange(4, 30))]
        target = [3 + (number + place) % 7 for place in range(drawn.choice((3, 10, 90)))]
        labels = (*[MASKED] * len(prompt), *target)
        examples.append(Encoded(str(number), (*prompt, *target), labels, len(target)))
    return examples


def random_tokens() -> list[Encoded]:
    """Six texts of which nothing can be learned."""
    drawn = random.Random(5)
    return [
        Encoded(str(n), ids, (MASKED, MASKED, *ids[2:]), 1)
        for n in range(6)
        for ids in [tuple(drawn.randrange(3, 100) for _ in range(40))]
    ]


def row(examples: list[Encoded]) -> list[dict[str, Any]]:
    return [{"input_ids": example.ids, "labels": example.labels} for example in examples]


@torch.inference_mode()
def own_loss(model: torch.nn.Module, examples: list[Encoded]) -> list[float]:
    """Each text's summed loss, alone and by transformers' own count."""
    made = []
    for example in examples:
        loss = model(input_ids=torch.tensor([example.ids]), labels=torch.tensor([example.labels])).loss
        made.append(float(loss) * targets(example))
    return made


def targets(example: Encoded) -> int:
    return sum(label != MASKED for label in example.labels)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def run(base: BaseLanguageModel, chosen: Recipe, folder: Path, examples: list[Encoded] | None = None) -> dict[str, Any]:
    return lora.train(base, examples or made(), made(6, seed=1), chosen, folder, lambda *_: None)


@torch.no_grad()
def test_a_packed_loss_is_the_sum_of_the_texts_own(base: BaseLanguageModel) -> None:
    """By transformers' own count of each text alone; and a change of one text leaves the others' losses as they are."""
    examples = made(7)
    torch.manual_seed(0)
    packed = lora.new_adapter(base.load(torch.float32), recipe(precision="fp32"))
    each = own_loss(base.load(torch.float32), examples)
    assert summed_loss(packed, pack(row(examples))).item() == pytest.approx(sum(each), rel=1e-6)
    turned = [*examples[3:], *examples[:3]]
    assert summed_loss(packed, pack(row(turned))).item() == pytest.approx(sum(each), rel=1e-6)
    other = Encoded("x", tuple(reversed(examples[0].ids)), examples[0].labels, 1)
    change = summed_loss(packed, pack(row([other]))).item() - each[0]
    both = summed_loss(packed, pack(row([other, *examples[1:]]))).item()
    assert both == pytest.approx(sum(each) + change, rel=1e-6)


def test_a_packed_gradient_is_that_of_the_texts_own(base: BaseLanguageModel) -> None:
    examples = made(5)
    torch.manual_seed(0)
    model = lora.new_adapter(base.load(torch.float32), recipe(precision="fp32"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    packed = torch.autograd.grad(summed_loss(model, pack(row(examples))), learned)
    model.get_base_model().set_attn_implementation("sdpa")
    total = torch.zeros(())
    for example in examples:
        logits = model(input_ids=torch.tensor([example.ids])).logits[0, :-1]
        labels = torch.tensor(example.labels[1:])
        total = total + torch.nn.functional.cross_entropy(logits, labels, ignore_index=MASKED, reduction="sum")
    for one, other in zip(packed, torch.autograd.grad(total, learned), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_loss_of_many_targets_is_counted_a_few_rows_at_a_time(base: BaseLanguageModel) -> None:
    long = [Encoded("0", tuple(3 + n % 90 for n in range(400)), (MASKED, *(3 + n % 90 for n in range(1, 400))), 1)]
    model = lora.new_adapter(base.load(torch.float32), recipe(precision="fp32"))
    assert targets(long[0]) == 399
    expected = own_loss(base.load(torch.float32), long)[0]
    assert summed_loss(model, pack(row(long))).item() == pytest.approx(expected, rel=1e-6)


def test_accumulating_is_the_same_as_a_batch_of_all(base: BaseLanguageModel, tmp_path: Path) -> None:
    """By tokens: a mean of the batches' means would give a target of 3 tokens the weight of one of 90."""
    whole = run(base, recipe(precision="fp32", batch=4, accumulate=1), tmp_path / "whole")
    parts = run(base, recipe(precision="fp32", batch=1, accumulate=4), tmp_path / "parts")
    assert apart(weights(tmp_path / "whole"), weights(tmp_path / "parts")) < 1e-5
    losses = [[loss for _, loss in curve["train_loss"]] for curve in (whole, parts)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert losses[0][-1] < losses[0][0] - 0.1


def test_the_validation_loss_is_a_mean_of_tokens_however_they_are_batched(
    base: BaseLanguageModel, tmp_path: Path
) -> None:
    curves = [run(base, recipe(precision="fp32", batch=b, accumulate=4 // b), tmp_path / str(b)) for b in (1, 4)]
    assert curves[0]["base_validation_loss"] == pytest.approx(curves[1]["base_validation_loss"], rel=1e-6)
    validation = made(6, seed=1)
    mean = sum(own_loss(base.load(torch.float32), validation)) / sum(map(targets, validation))
    assert curves[0]["base_validation_loss"] == pytest.approx(mean, rel=1e-5)


def test_what_a_training_cost_is_told(base: BaseLanguageModel, tmp_path: Path) -> None:
    told = run(base, recipe(), tmp_path)
    assert told["tokens_per_second"] > 0
    assert 100 < told["peak_memory_mib"] < 100_000
    assert (told["processes"], told["process"], told["steps"]) == (1, os.getpid(), 12)


def test_every_linear_layer_but_the_head_learns(base: BaseLanguageModel) -> None:
    model = lora.new_adapter(base.load(), shipped("quick"))
    assert (model.peft_config["default"].r, shipped("standard").rank, shipped("gpu").rank) == (16, 16, 16)
    adapted = {name.split(".")[-4] for name, _ in model.named_parameters() if "lora_A" in name}
    assert adapted == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert all(p.dtype == torch.float32 for p in model.parameters() if p.requires_grad)


ASKED = Asked("Write.", list(range(3, 40)), "The clock")


def _killed(model: str, home: Path, folder: Path, chosen: Recipe, at: int) -> None:
    def progress(stage: str, done: int, of: int | None) -> None:
        if (stage, done) == ("train", at):
            os.kill(os.getpid(), signal.SIGKILL)

    with one_thread():
        lora.train(BaseLanguageModel(model, home), made(), made(6, seed=1), chosen, folder, progress, ASKED)


def test_a_training_killed_three_times_ends_as_the_undisturbed_one_does(
    base: BaseLanguageModel, tmp_path: Path
) -> None:
    """With dropout, whose random state a checkpoint has to hold, and killed at steps drawn anew each time.

    Those that are killed write samples, and the undisturbed one does not: they change nothing.
    """
    chosen = recipe(dropout=0.1, validate_times=4, samples=4, sample_tokens=8)
    expected = run(base, chosen, tmp_path / "undisturbed")
    spawn, moments = multiprocessing.get_context("spawn"), sorted(random.sample(range(1, 13), 3))
    for moment in moments:
        process = spawn.Process(target=_killed, args=(base.name, tmp_path, tmp_path / "killed", chosen, moment))
        process.start()
        process.join(120)
        assert process.exitcode == -signal.SIGKILL, moments
    told = lora.train(base, made(), made(6, seed=1), chosen, tmp_path / "killed", lambda *_: None, ASKED)
    lines = (tmp_path / "killed" / SAMPLES).read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["step"] for line in lines} == {0, 3, 6, 9, 12}, moments
    for curve in ("train_loss", "validation_loss", "steps", "best_validation_loss"):
        assert told[curve] == expected[curve], moments
    assert apart(weights(tmp_path / "killed"), weights(tmp_path / "undisturbed")) == 0.0, moments


def test_the_best_checkpoint_is_kept_and_a_training_that_gets_worse_stops(
    base: BaseLanguageModel, tmp_path: Path
) -> None:
    """What is learned by heart from noise makes other noise less likely."""
    noise = random_tokens()
    chosen = recipe(precision="fp32", epochs=40, validate_times=20, patience=2, learning_rate=5e-2)
    told = lora.train(base, noise[:3], noise[3:], chosen, tmp_path, lambda *_: None)
    losses = dict(told["validation_loss"])
    assert told["steps"] < math.ceil(3 * 40 / 4)
    assert min(losses.values()) < list(losses.values())[-1]
    model = PeftModel.from_pretrained(base.load(torch.float32), str(tmp_path / "adapter"))
    model.get_base_model().set_attn_implementation("sdpa")
    kept = min(loss for step, loss in losses.items() if step)  # a checkpoint is one of a step
    assert sum(own_loss(model, noise[3:])) / sum(map(targets, noise[3:])) == pytest.approx(kept, rel=1e-5)


def test_a_training_that_was_killed_after_it_had_stopped_early_goes_no_further(
    base: BaseLanguageModel, tmp_path: Path
) -> None:
    """Its last checkpoint is whole, and nothing says yet that it is over."""
    noise = random_tokens()
    chosen = recipe(precision="fp32", epochs=40, validate_times=20, patience=2, learning_rate=1.0)
    told = lora.train(base, noise[:3], noise[3:], chosen, tmp_path, lambda *_: None)
    assert told["steps"] < math.ceil(3 * 40 / 4)
    kept = weights(tmp_path)
    (tmp_path / lora.DONE).unlink()
    shutil.rmtree(tmp_path / "adapter")
    again = lora.train(base, noise[:3], noise[3:], chosen, tmp_path, lambda *_: None)
    for name in ("steps", "train_loss", "validation_loss", "best_validation_loss"):
        assert again[name] == told[name]
    assert apart(weights(tmp_path), kept) == 0.0


def test_the_best_loss_is_that_of_a_checkpoint_though_the_base_models_was_better() -> None:
    history = [{"step": 0, "eval_loss": 1.0}, {"step": 3, "loss": 1.5}, {"step": 3, "eval_loss": 2.0}]
    told = lora._curve(TrainerState(log_history=[*history, {"step": 6, "eval_loss": 2.5}], global_step=6))
    assert (told["base_validation_loss"], told["best_validation_loss"]) == (1.0, 2.0)


def test_processes_share_a_step_evenly_or_not_at_all() -> None:
    chosen = recipe(batch=4, accumulate=2)
    assert [lora.shared(chosen, count) for count in (1, 2, 4, 8)] == [(4, 2), (4, 1), (2, 1), (1, 1)]
    assert lora.shared(recipe(batch=2, accumulate=6), 4) == (1, 3)
    for count in (3, 16):
        with pytest.raises(TrainingError, match=f"{count} processes cannot share 8 examples"):
            lora.shared(chosen, count)


def test_a_recipe_of_four_bits_is_refused_without_a_gpu(base: BaseLanguageModel, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(TrainingError, match="gpu trains in 4 bits, and this machine has no CUDA device") as caught:
        run(base, shipped("gpu"), tmp_path)
    assert 'quantise = "none"' in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_four_bits_are_those_of_qlora() -> None:
    made = load.four_bits()
    assert (made.load_in_4bit, made.bnb_4bit_quant_type, made.bnb_4bit_use_double_quant) == (True, "nf4", True)
    assert made.bnb_4bit_compute_dtype == load.computed_in(shipped("gpu")) == torch.bfloat16
    assert load.computed_in(recipe(precision="fp32")) == torch.float32
    assert shipped("gpu").recompute
    assert not shipped("quick").recompute


def test_recomputing_activations_changes_no_loss(base: BaseLanguageModel, tmp_path: Path) -> None:
    plain = run(base, recipe(precision="fp32"), tmp_path / "plain")
    again = run(base, recipe(precision="fp32", recompute=True), tmp_path / "again")
    assert again["train_loss"] == plain["train_loss"]


def test_masked_examples_are_counted_and_refused() -> None:
    masked = [Encoded("x", (1, 2, 3), (MASKED, MASKED, MASKED), 0)]
    with pytest.raises(TrainingError, match="all labels of 1 of 25 training examples are masked"):
        data.check([*made(), *masked], made(2), 25)
    with pytest.raises(TrainingError, match="all labels of 1 of 3 validation examples are masked"):
        data.check(made(), [*made(2), *masked], 24)
    data.check(made(), made(2), 24)


def test_a_template_without_a_generation_prompt_is_told_before_anything_is_loaded(
    base: BaseLanguageModel, tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mute"
    shutil.copytree(tiny_model, folder)
    for file in folder.glob("*.jinja"):
        file.write_text("{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}")
    (folder / "model.safetensors").unlink()
    with pytest.raises(TrainingError, match="no generation prompt"):
        run(BaseLanguageModel(f"{folder}/", tmp_path), recipe(), tmp_path / "run")
    data.require_generation_prompt(base.tokenizer())
