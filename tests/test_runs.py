"""Runs of the training pipeline that are killed, stopped, done again or done at once, and who is champion then."""

from __future__ import annotations

import errno
import math
import multiprocessing
import os
import re
import resource
import shutil
import signal
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from contracts.base_model import BaseLanguageModel
from contracts.errors import StoreBusy, TrainingError
from contracts.feature_store import FeatureStore
from contracts.files import write_json
from contracts.model_registry import ModelRegistry, ModelVersion
from contracts.records import Figure
from feature_pipeline.label import label
from tests.fakes import WordEmbedder, adapter, card, fill, hashes, one_thread, post, recipe, stock
from tests.trained import RESUME, Trained
from tests.voices import HABITS, article
from training_pipeline import data, report
from training_pipeline.evaluation.gate import without_gain
from training_pipeline.evaluation.records import Evaluation, Written
from training_pipeline.pipeline import Parts, _decide, run
from training_pipeline.recipe import Recipe
from training_pipeline.run_folder import held

PROVEN, NONE = Figure(value=0.2, low=0.1, high=0.3, n=9), Figure(value=0.0, low=0.0, high=0.0, n=9)
PASSING = {"delta_nll": PROVEN, "specificity": PROVEN, "copy_excess": NONE, "forgetting": NONE}

pytestmark = pytest.mark.usefixtures("single")


def test_a_run_stopped_between_registering_and_promoting_is_promoted_by_the_next(
    trained: Trained, tmp_path: Path
) -> None:
    home = tmp_path / "copy"
    shutil.copytree(trained.home, home)
    store, registry = FeatureStore(home, WordEmbedder()), ModelRegistry(home)
    (home / "models" / "Ada" / "aliases.json").unlink()
    (home / "runs" / trained.outcome.version.card.run_id).mkdir(parents=True)
    assert registry.champion("Ada") is None
    done = run("Ada", Parts(store, registry, trained.base, home), recipe(), RESUME)
    assert (done.version.name, done.new, done.promoted) == ("Ada@v1", False, True)
    assert registry.get("Ada@champion").name == "Ada@v1"
    assert not (home / "runs" / trained.outcome.version.card.run_id).exists()
    store.close()


def test_a_run_that_ends_is_judged_against_whoever_became_champion_meanwhile(tiny_model: Path, tmp_path: Path) -> None:
    """v3 sounds more like Ada than v1, which was champion when it began; less than v2, which was promoted by hand since."""
    store, registry = FeatureStore(tmp_path, WordEmbedder()), ModelRegistry(tmp_path)
    base = BaseLanguageModel(f"{tiny_model}/", tmp_path)
    for author in HABITS:
        fill(store, [post(n, article(author, n), author=author) for n in range(60)], reference=author != "Ada")
        label(author, store, changed=True)
    asked = [example for example in data.read(store, "Ada").examples["test"] if example.kind == "title"]

    def made(writes: str, parent: str | None) -> ModelVersion:
        written = tuple(
            Written(condition="adapter", post_id=e.post_id, seed=0, instruction=e.instruction, text=article(writes, 900 + n))
            for n, e in enumerate(asked)
        )  # fmt: skip
        proof = Evaluation(
            figures=PASSING, deltas={}, reference_deltas={}, written=written, verification={}, longest_copy=None
        )
        of = {"recipe": recipe().model_dump(), "evaluation": PASSING, "parent": parent, **hashes(base)}
        version = registry.register(card("Ada", **of), adapter(tmp_path / "adapter"))
        write_json(tmp_path / "proof.json", proof.model_dump(mode="json"))
        report.keep(tmp_path, version, tmp_path / "proof.json")
        return version

    parts = Parts(store, registry, base, tmp_path)
    registry.promote(made("Bea", None).name)
    assert _decide(made("Ada", "Ada@v1"), parts) == (True, "")
    promoted, refused = _decide(made("Cy", "Ada@v1"), parts)
    assert not promoted
    assert re.fullmatch(r"verification_gained/adapter: the interval's upper end -\d+\.\d+ is under 0", refused)
    assert registry.get("Ada@champion").name == "Ada@v2"
    store.close()


def test_a_run_that_goes_on_after_it_was_registered_takes_no_place_back(trained: Trained, tmp_path: Path) -> None:
    home = tmp_path / "copy"
    shutil.copytree(trained.home, home)
    store, registry = FeatureStore(home, WordEmbedder()), ModelRegistry(home)
    first = registry.get("Ada@v1")
    registry.promote(registry.register(first.card.model_copy(update={"run_id": "later"}), first.folder).name)
    (home / "runs" / first.card.run_id).mkdir(parents=True)  # killed after it was promoted, before its folder was gone
    done = run("Ada", Parts(store, registry, trained.base, home), recipe(), RESUME)
    assert done
    assert (done.version.name, done.new, done.promoted) == ("Ada@v1", False, False)
    assert registry.get("Ada@champion").name == "Ada@v2"
    store.close()


def test_what_is_registered_is_not_trained_again_but_where_it_is_asked_for(trained: Trained) -> None:
    again = trained.run(recipe(), resume=True)
    assert (again.version.folder, again.new, again.promoted) == (trained.outcome.version.folder, False, True)
    assert len(trained.registry.versions("Ada")) == 1
    second = trained.run(recipe())
    assert (second.version.name, second.new, second.version.card.parent) == ("Ada@v2", True, "Ada@v1")
    assert second.version.card.run_id == trained.outcome.version.card.run_id
    weights = "adapter_model.safetensors"  # the same seed on the same machine: the same bytes
    assert second.version.card.files[weights] == trained.outcome.version.card.files[weights]
    assert without_gain(second.version.card.evaluation) == trained.outcome.version.card.evaluation
    gained = second.version.card.evaluation["verification_gained"]
    assert gained.note.startswith("in too few pools of the same posts to be compared with Ada@v1")
    trained.registry.rollback("Ada")
    shutil.rmtree(second.version.folder)


def test_the_same_training_does_not_run_twice_at_once(trained: Trained) -> None:
    chosen, caught = recipe(seed=8, epochs=1, generations=1), []

    def progress(stage: str, done: int, of: int | None) -> None:
        if (stage, done) == ("train", 1):
            with pytest.raises(StoreBusy, match="runs already"):
                trained.run(chosen)
            with pytest.raises(StoreBusy, match="runs already"):
                trained.run(chosen, resume=True)
            caught.append(done)

    apart = replace(trained.parts, registry=ModelRegistry(trained.home / "apart"))
    outcome = run("Ada", apart, chosen, progress=progress)
    assert caught == [1]
    assert outcome.new


def _train_elsewhere(home: Path, model: str, chosen: Recipe, kill_at: int) -> None:
    def progress(stage: str, done: int, of: int | None) -> None:
        if (stage, done) == ("train", kill_at):
            os.kill(os.getpid(), signal.SIGKILL)

    base, store = BaseLanguageModel(model, home), FeatureStore(home, WordEmbedder())
    with one_thread():
        run("Ada", Parts(store, ModelRegistry(home), base, home), chosen, RESUME, progress)


def test_a_run_that_was_killed_goes_on_from_its_last_whole_checkpoint(trained: Trained, tmp_path: Path) -> None:
    """With dropout, so that the random state counts; and with no patience to lose, as a resumed run once lost it."""
    chosen = recipe(dropout=0.1, patience=2, validate_times=6)
    expected = trained.run(chosen, ModelRegistry(tmp_path / "apart")).version.card.training
    home = tmp_path / "home"
    store = FeatureStore(home, WordEmbedder())
    stock(store)
    spawn = multiprocessing.get_context("spawn")
    every = math.ceil(expected["steps"] / 6)
    process = spawn.Process(target=_train_elsewhere, args=(home, trained.base.name, chosen, 2 * every + 1))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    (folder,) = (path for path in (home / "runs").iterdir() if path.is_dir())
    last, before = folder / f"checkpoint-{2 * every}", folder / f"checkpoint-{every}"
    assert last.is_dir()
    assert before.is_dir()
    (last / "trainer_state.json").unlink()  # as if it had been killed while it wrote this one

    registry, steps = ModelRegistry(home), []
    base = BaseLanguageModel(trained.base.name, home)
    outcome = run(
        "Ada",
        Parts(store, registry, base, home),
        chosen,
        RESUME,
        lambda stage, done, of: steps.append(done) if stage == "train" and done else None,
    )
    store.close()
    assert steps[0] == every + 1
    made = outcome.version.card.training
    for curve in ("train_loss", "validation_loss"):
        assert [step for step, _ in made[curve]] == [step for step, _ in expected[curve]]
        assert [loss for _, loss in made[curve]] == pytest.approx([loss for _, loss in expected[curve]], abs=1e-4)
    assert outcome.version.name == "Ada@v1"
    assert not folder.exists()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), TrainingError),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 31936 vs 31824"), TrainingError),
        (RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"), TrainingError),
        (OSError(errno.EACCES, "Permission denied"), OSError),
        (RuntimeError("PytorchStreamReader failed reading zip archive"), RuntimeError),
    ],
)  # as torch 2.13 said on a full tmpfs
def test_a_full_disk_is_known_by_what_is_said_of_it(tmp_path: Path, error: Exception, told: type[Exception]) -> None:
    with pytest.raises(told) as caught, held(tmp_path / "runs" / "run", "Ada", "tiny", False):
        raise error
    assert type(caught.value) is told or isinstance(error, OSError)


def _with_little_room(home: Path, model: str, room: int, said: Connection) -> None:
    """From the first step on no file may grow beyond `room` bytes, as on a disk that is nearly full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def progress(stage: str, done: int, of: int | None) -> None:
        if (stage, done) == ("train", 1):
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    parts = Parts(FeatureStore(home, WordEmbedder()), ModelRegistry(home), BaseLanguageModel(model, home), home)
    try:
        run("Ada", parts, recipe(), progress=progress)
    except TrainingError as error:
        said.send(str(error))


@pytest.mark.parametrize("room", [0, 50_000])
def test_a_disk_that_is_full_is_told_and_the_run_goes_on_when_there_is_room(
    tiny_model: Path, tmp_path: Path, room: int
) -> None:
    store = FeatureStore(tmp_path, WordEmbedder())
    stock(store)
    spawn = multiprocessing.get_context("spawn")
    heard, said = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_with_little_room, args=(tmp_path, f"{tiny_model}/", room, said))
    process.start()
    process.join(120)
    assert heard.poll()
    told = heard.recv()
    assert told.startswith("the disk has no room for the run: ")
    assert told.endswith(f"make room in {tmp_path / 'runs'}; the same command with --resume goes on")
    parts = Parts(store, ModelRegistry(tmp_path), BaseLanguageModel(f"{tiny_model}/", tmp_path), tmp_path)
    outcome = run("Ada", parts, recipe(), RESUME)
    assert outcome
    assert (outcome.version.name, outcome.new) == ("Ada@v1", True)
    store.close()
