"""What a training writes on its way: for one instruction, by nothing but the weights, and kept nowhere for long."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import TrainerControl, TrainerState, TrainingArguments

from contracts.base_model import BaseLanguageModel
from contracts.errors import StoreBusy
from contracts.feature_store import FeatureStore
from contracts.files import read_json
from contracts.progress import silent
from tests.fakes import WordEmbedder, recipe, stock
from training_pipeline import data, lora, run_folder, samples
from training_pipeline.data import Corpus
from training_pipeline.recipe import load as shipped
from training_pipeline.stages import Run
from ui import acts
from ui.page import learning
from ui.settings import Settings
from ui.wiring import App

pytestmark = pytest.mark.usefixtures("single")


@pytest.fixture(scope="module")
def app(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    home = tmp_path_factory.mktemp("samples")
    made = App(Settings(base_model=str(tiny_model)), home)
    made.store = FeatureStore(home, WordEmbedder())
    stock(made.store)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def corpus(app: App) -> Corpus:
    return data.read(app.store, "Ada")


@pytest.fixture(scope="module")
def base(app: App) -> BaseLanguageModel:
    return app.base_model


def test_they_are_asked_for_as_a_post_is_that_only_validates(corpus: Corpus, base: BaseLanguageModel) -> None:
    asked = samples.asked(corpus, base.tokenizer(), recipe(samples=1, sample_tokens=20))
    assert asked
    newest = [one for one in corpus.examples["validation"] if one.kind == "title"][-1]
    assert asked.instruction == newest.instruction
    assert base.tokenizer().decode(asked.prompt).count(newest.instruction) == 1
    assert asked.own == corpus.target(newest)[:20] + "…"  # a token of the tiny model is a character
    whole = samples.asked(corpus, base.tokenizer(), recipe(samples=1, sample_tokens=300, max_tokens=2000))
    assert whole
    assert whole.own == corpus.target(newest)
    assert samples.asked(corpus, base.tokenizer(), recipe(samples=0)) is None
    assert samples.asked(corpus, base.tokenizer(), recipe(samples=1, sample_tokens=500)) is None  # no room for a prompt


def test_writing_one_draws_nothing_and_leaves_the_model_as_it_was(base: BaseLanguageModel) -> None:
    model = lora.new_adapter(base.load(), recipe()).train()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    states = torch.get_rng_state(), random.getstate()
    chosen = recipe(samples=1, sample_tokens=12)
    prompt = list(range(3, 60))
    text = samples.written(model, base.tokenizer(), prompt, chosen)
    assert 0 < len(text) <= 12
    assert samples.written(model, base.tokenizer(), prompt, chosen) == text
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()
    assert model.training
    assert model.config._attn_implementation == "apart"
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_one_that_fails_ends_no_training(corpus: Corpus, base: BaseLanguageModel, tmp_path: Path) -> None:
    chosen = recipe(samples=1, sample_tokens=12)
    asked = samples.asked(corpus, base.tokenizer(), chosen)
    assert asked
    model = lora.new_adapter(base.load(), recipe()).train()
    told = {"model": model, "processing_class": base.tokenizer()}
    beginning = TrainingArguments(output_dir=str(tmp_path)), TrainerState(is_world_process_zero=True), TrainerControl()
    impossible = replace(asked, prompt=[])  # generate raises without a token to begin with
    with pytest.raises((RuntimeError, ValueError)):
        samples.written(model, base.tokenizer(), impossible.prompt, chosen)
    assert model.training
    samples.Samples(impossible, chosen).on_evaluate(*beginning, **told)
    assert not (tmp_path / run_folder.SAMPLES).exists()
    samples.Samples(asked, chosen).on_evaluate(*beginning, **told)
    assert (tmp_path / run_folder.SAMPLES).read_text(encoding="utf-8")


@pytest.mark.parametrize(("steps", "every", "count", "written"), [
    (12, 4, 3, [0, 4, 8, 12]),
    (10, 4, 3, [0, 4, 8]),
    (100, 9, 4, [0, 27, 54, 81, 99]),
    (120, 10, 6, [0, 20, 40, 60, 80, 100, 120]),
    (3, 1, 9, [0, 1, 2, 3]),
    (1, 5, 2, [0]),
])  # fmt: skip
def test_they_are_spread_over_the_validations(steps: int, every: int, count: int, written: list[int]) -> None:
    assert [step for step in range(0, steps + 1, every) if samples.due(step, steps, every, count)] == written


def test_a_run_writes_them_beside_its_losses_and_keeps_none(corpus: Corpus, app: App, tmp_path: Path) -> None:
    chosen = recipe(samples=3, sample_tokens=16)
    Run(corpus, app.base_model, chosen, tmp_path, silent).train()
    rows = [json.loads(line) for line in (tmp_path / run_folder.SAMPLES).read_text(encoding="utf-8").splitlines()]
    assert [one._asdict() for one in learning.samples(tmp_path)] == rows  # the page reads what the run writes
    assert all(learning.losses(tmp_path))
    first, *_, last = rows
    assert [row["step"] for row in rows] == [0, *sorted({row["step"] for row in rows[1:]})]
    assert len(rows) == 4
    assert first["text"] != last["text"]
    assert first["own"] == last["own"]
    assert [one.step for one in learning.samples(tmp_path)] == [row["step"] for row in rows]
    kept = (tmp_path / "adapter").rglob("*")
    assert not [path for path in kept if path.is_file() and last["text"].encode() in path.read_bytes()]


def test_how_many_there_are_makes_no_other_run() -> None:
    quick = shipped("quick")
    assert (quick.samples, quick.sample_tokens) == (3, 32)
    assert quick.deciding() == quick.model_copy(update={"samples": 0, "sample_tokens": 99}).deciding()
    assert quick.deciding() != quick.model_copy(update={"seed": 8}).deciding()


def test_forgetting_takes_what_stopped_runs_have_left(app: App) -> None:
    home = app.home
    for name, author in (("one", "Ada"), ("two", "Bea"), ("three", "Ada")):
        with run_folder.held(home / "runs" / name, author, "tiny", resume=True) as folder:
            (folder / run_folder.SAMPLES).write_text('{"text": "The clock"}')
            assert read_json(folder / run_folder.WHOSE) == {"author": author, "base": "tiny"}
    forgotten = app.store.posts("Ada")[0].id
    with run_folder.held(home / "runs" / "three", "Ada", "tiny", resume=True):  # it goes on
        with pytest.raises(StoreBusy, match="a training of 'Ada'"):
            acts.forget(app, "Ada", [forgotten])
        assert sorted(path.name for path in (home / "runs").iterdir() if path.is_dir()) == ["one", "three", "two"]
        assert app.store.post(forgotten, "Ada")
    with run_folder.held(home / "runs" / "two", "Bea", "tiny", resume=True):
        acts.forget(app, "Ada", [forgotten])
    assert [path.name for path in (home / "runs").iterdir() if path.is_dir()] == ["two"]
    assert forgotten not in [one.id for one in app.store.posts("Ada")]


def test_the_page_shows_the_first_and_the_last_two_above_the_real_one(tmp_path: Path) -> None:
    assert learning.written(learning.samples(tmp_path)) == ""
    row = {"instruction": "Write <it>.", "own": "I wind it."}
    lines = [json.dumps({"step": step, "text": f"text {step} <b>", **row}) for step in (0, 4, 8, 4, 12)]
    (tmp_path / run_folder.SAMPLES).write_text("\n".join([*lines, '{"step": 16, "te']), encoding="utf-8")
    shown = learning.written(learning.samples(tmp_path))
    parts = [
        "Write &lt;it&gt;.",
        "Before it learned",
        "text 0",
        "After 8 steps",
        "text 8 &lt;b&gt;",
        "After 12 steps",
        "I wind",
    ]
    assert [shown.count(part) for part in parts] == [1] * len(parts)
    assert sorted(parts, key=shown.index) == parts
    assert "text 4" not in shown


def test_a_training_is_found_by_what_it_wrote_since_it_began(tmp_path: Path) -> None:
    assert learning.running(tmp_path, "Ada", 0.0) is None
    runs = tmp_path / "runs"
    for name, author in (("old", "Ada"), ("new", "Ada"), ("other", "Bea")):
        with run_folder.held(runs / name, author, "tiny", resume=True):
            pass
        (runs / name / run_folder.LOSSES).write_text('{"step": 1, "loss": 2.5}\n{"step": 0, "eval_loss": 3}\n{"st')
    os.utime(runs / "old" / run_folder.LOSSES, (100, 100))
    os.utime(runs / "new" / run_folder.LOSSES, (200, 200))
    os.utime(runs / "other" / run_folder.LOSSES, (300, 300))
    assert learning.running(tmp_path, "Ada", 200.5) == runs / "new"
    assert learning.running(tmp_path, "Ada", 202.0) is None
    assert learning.running(tmp_path, "Bea", 202.0) == runs / "other"
    assert learning.losses(runs / "new") == (((1, 2.5),), ((0, 3.0),))
