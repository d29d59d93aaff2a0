"""The training pipeline, on a model that trains in a second: lineage, masking, refusals, and runs that were killed."""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from peft import PeftModel

from contracts.base_model import BaseLanguageModel
from contracts.errors import Mismatch, StoreBusy, TrainingError
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry
from contracts.prompt import PROMPT_HASH, encode, encode_target
from contracts.records import Figure
from feature_pipeline.pipeline import label
from tests.fakes import WORDS, WordEmbedder, fill, one_thread, post, recipe, stock, tiny_llama, voice
from training_pipeline import compare, data, pipeline, report
from training_pipeline.data import MASKED, Corpus, Encoded
from training_pipeline.evaluation.gate import gate
from training_pipeline.evaluation.records import Evaluation
from training_pipeline.pipeline import Outcome
from training_pipeline.recipe import Recipe


@dataclass
class Trained:
    """A home in which one training has been run to its end, and what it told on its way."""

    home: Path
    store: FeatureStore
    registry: ModelRegistry
    base: BaseLanguageModel
    outcome: Outcome
    steps: list[tuple[str, int, int | None]]

    def run(self, chosen: Recipe, registry: ModelRegistry | None = None, resume: bool = False) -> Outcome:
        return pipeline.run("Ada", self.store, registry or self.registry, self.base, chosen, self.home, resume=resume)

    def corpus(self) -> Corpus:
        return data.read(self.store, "Ada")

    def encoded(self, part: str) -> list[Encoded]:
        corpus = self.corpus()
        return data.encode_all(corpus, corpus.examples[part], self.base.tokenizer(), 512)  # type: ignore[index]

    def loss(self, examples: list[Encoded]) -> tuple[float, float]:
        """Mean loss a target token, in fp32 and by transformers' own count: of the base model, and with the adapter."""
        model = PeftModel.from_pretrained(self.base.load(torch.float32), str(self.outcome.version.folder)).eval()
        with torch.inference_mode(), model.disable_adapter():
            base = _loss(model, examples)
        return base, _loss(model, examples)


@torch.inference_mode()
def _loss(model: PeftModel, examples: list[Encoded]) -> float:
    total = tokens = 0.0
    for example in examples:
        count = sum(label != MASKED for label in example.labels)
        made = model(input_ids=torch.tensor([example.ids]), labels=torch.tensor([example.labels]))
        total, tokens = total + float(made.loss) * count, tokens + count
    return total / tokens


@pytest.fixture(scope="module", autouse=True)
def single() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def trained(single: None, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    home = tmp_path_factory.mktemp("trained")
    store = FeatureStore(home, WordEmbedder())
    stock(store)
    registry, base = ModelRegistry(home), BaseLanguageModel(f"{tiny_model}/", home)
    steps: list[tuple[str, int, int | None]] = []
    outcome = pipeline.run("Ada", store, registry, base, recipe(), home, progress=lambda *step: steps.append(step))
    yield Trained(home, store, registry, base, outcome, steps)
    store.close()


def test_a_run_registers_a_version_whose_card_is_complete(trained: Trained) -> None:
    outcome, corpus = trained.outcome, trained.corpus()
    card = outcome.version.card
    assert (outcome.version.name, outcome.new, outcome.promoted) == ("Ada@v1", True, True)
    assert trained.registry.champion("Ada") == trained.registry.checked("Ada@v1")
    assert card.snapshot == trained.store.snapshot()
    splits, frozen = trained.store.splits("Ada")
    assert frozen
    assert {part: len(ids) for part, ids in card.posts.items()} == {"train": 18, "validation": 2, "test": 5}
    assert {id_: part for part, ids in card.posts.items() for id_ in ids} == splits
    assert 18 <= card.examples == len(trained.encoded("train"))
    assert card.prompt_hash == PROMPT_HASH
    assert (card.base_model, card.base_model_hash) == (trained.base.name, trained.base.hash)
    assert card.tokenizer_hash == trained.base.tokenizer_hash
    assert Recipe.model_validate(card.recipe) == recipe()
    assert (card.seed, card.parent, card.gate) == (7, None, ())
    assert set(card.libraries) == {"torch", "transformers", "peft", "trl", "tokenizers"}
    assert card.environment["dtype"] in ("bfloat16", "float32")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert card.files[name] == hashlib.sha256((outcome.version.folder / name).read_bytes()).hexdigest()
    steps = math.ceil(card.examples * 2 / 4)
    assert (card.training["examples"], card.training["steps"]) == (card.examples, steps)
    assert [step for step, _ in card.training["train_loss"]] == list(range(1, steps + 1))
    assert card.training["validation_loss"][0] == (0, card.training["base_validation_loss"])
    assert card.training["best_validation_loss"] < card.training["base_validation_loss"]
    assert card.evaluation["delta_nll"].n == 5
    assert card.evaluation["delta_nll_reference"].n == 12
    assert (card.evaluation["specificity"].low or 0) > 0
    assert corpus.hash == trained.corpus().hash
    assert {stage for stage, _, _ in trained.steps} >= {"train", "measure", "write"}
    assert ("train", steps, steps) in trained.steps
    assert not (trained.home / "runs" / card.run_id).exists()


def test_no_text_is_kept_in_the_version_and_all_of_it_goes_with_the_reports(trained: Trained, tmp_path: Path) -> None:
    kept = report.proof(trained.outcome.version)
    shown = Evaluation.model_validate_json((trained.home / "reports" / "Ada@v1.json").read_text("utf-8"))
    assert kept
    assert kept == shown.without_texts()
    assert all(text.instruction for text in shown.written)
    assert {(text.text, text.instruction) for text in kept.written} == {("", "")}
    shutil.copytree(trained.home / "reports", tmp_path / "reports")
    assert [path.name for path in report.delete(tmp_path, "Ada", 1)] == ["Ada@v1.html"]
    assert list((tmp_path / "reports").iterdir()) == []


def test_the_adapter_names_its_base_model_and_no_folder_of_this_machine(trained: Trained) -> None:
    folder = trained.outcome.version.folder
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == trained.base.name
    assert not [path.name for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".pth")]


def test_the_adapter_lowers_the_loss_of_what_it_learned_from(trained: Trained) -> None:
    base, adapted = trained.loss(trained.encoded("train"))
    assert adapted < base - 0.1
    curve = trained.outcome.version.card.training["train_loss"]
    assert curve[-1][1] < curve[0][1] - 0.1


def test_the_loss_is_that_of_the_targets_alone(trained: Trained) -> None:
    """What the trainer logged for the adapter that it kept is the loss of the targets, not that of whole sequences."""
    validation = trained.encoded("validation")[:4]
    whole = [Encoded(e.post_id, e.ids, e.ids, e.bytes_) for e in validation]
    logged = trained.outcome.version.card.training["best_validation_loss"]
    assert logged == pytest.approx(trained.loss(validation)[1], abs=0.02)  # bf16 to fp32
    assert abs(logged - trained.loss(whole)[1]) > 0.05


def test_labels_are_masked_exactly_on_the_prompt(trained: Trained) -> None:
    corpus, tokenizer = trained.corpus(), trained.base.tokenizer()
    kinds = set()
    for example in corpus.examples["train"]:
        made = data.encode_example(corpus, example, tokenizer, 2048)
        assert made is not None
        prompt = encode(tokenizer, corpus.conversation(example))
        target = encode_target(tokenizer, corpus.target(example))
        assert made.ids == (*prompt, *target)
        assert made.labels == (*[MASKED] * len(prompt), *target)
        assert target[-1] == tokenizer.eos_token_id
        assert made.bytes_ == len(corpus.target(example).encode())
        kinds.add(example.kind)
    assert "title" in kinds


def test_a_target_that_is_too_long_ends_with_a_sentence_and_has_no_end_of_turn(trained: Trained) -> None:
    corpus, tokenizer = trained.corpus(), trained.base.tokenizer()
    example = corpus.examples["train"][0]
    prompt = len(encode(tokenizer, corpus.conversation(example)))
    text = corpus.target(example)
    first, second = (text.index(".") + 1, text.index(".", text.index(".") + 1) + 1)
    for room in (second, (first + second) // 2 + (second - first) // 2, len(text)):  # a character is a token here
        made = data.encode_example(corpus, example, tokenizer, prompt + room)
        assert made is not None
        assert (made.cut, made.labels[-1] != tokenizer.eos_token_id) == (True, True)
        kept = tokenizer.decode(made.labels[prompt:])
        assert text.startswith(kept)
        assert kept.endswith(".")
        assert (len(made.ids), made.bytes_) == (prompt + len(kept), len(kept))
    whole = data.encode_example(corpus, example, tokenizer, prompt + len(text) + 1)
    assert whole is not None
    assert (whole.cut, whole.labels[-1]) == (False, tokenizer.eos_token_id)
    assert data.encode_example(corpus, example, tokenizer, prompt + first - 1) is None  # no sentence fits
    assert data.encode_example(corpus, example, tokenizer, prompt + 15) is None


def test_what_is_held_out_and_what_others_wrote_is_never_trained_on(trained: Trained) -> None:
    corpus, tokenizer = trained.corpus(), trained.base.tokenizer()
    parts, _ = trained.store.splits("Ada")
    trained_on = {post_id for post_id, part in parts.items() if part == "train"}
    for example in corpus.examples["train"]:
        assert {example.post_id, *(span.post_id for span in example.evidence)} <= trained_on
    shown = "".join(str(tokenizer.decode(example.ids)) for example in trained.encoded("train"))
    others = [post for post in corpus.posts.values() if post.id not in trained_on]
    assert len(others) == 7 + 12
    assert not [post.source_id for post in others if post.text[:60] in shown]
    assert [post.source_id for post in corpus.posts.values() if post.text[:60] in shown]


def test_new_posts_never_turn_what_was_held_out_into_training_posts(trained: Trained, tmp_path: Path) -> None:
    home = tmp_path / "copy"
    shutil.copytree(trained.home, home)
    store = FeatureStore(home, WordEmbedder())
    before, _ = store.splits("Ada")
    fill(store, [post(number, voice(number, WORDS)) for number in range(25, 60)])
    label("Ada", store, changed=True)
    after, _ = store.splits("Ada")
    assert {post_id: after[post_id] for post_id in before} == before
    assert len(after) == 60
    store.close()


def test_a_run_stopped_between_registering_and_promoting_is_promoted_by_the_next(
    trained: Trained, tmp_path: Path
) -> None:
    home = tmp_path / "copy"
    shutil.copytree(trained.home, home)
    store, registry = FeatureStore(home, WordEmbedder()), ModelRegistry(home)
    (home / "models" / "Ada" / "aliases.json").unlink()
    (home / "runs" / trained.outcome.version.card.run_id).mkdir(parents=True)
    assert registry.champion("Ada") is None
    done = pipeline.run("Ada", store, registry, trained.base, recipe(), home, resume=True)
    assert (done.version.name, done.new, done.promoted) == ("Ada@v1", False, True)
    assert registry.get("Ada@champion").name == "Ada@v1"
    assert not (home / "runs" / trained.outcome.version.card.run_id).exists()
    store.close()


def test_a_run_that_ends_is_judged_against_whoever_became_champion_meanwhile(trained: Trained, tmp_path: Path) -> None:
    """v2 is promoted by hand while v3 trains, and is far better; v3 began when v1 was champion, and would beat that."""
    home = tmp_path / "copy"
    shutil.copytree(trained.home, home)
    store, registry = FeatureStore(home, WordEmbedder()), ModelRegistry(home)
    first = registry.get("Ada@v1")
    high = Figure(value=9.0, low=8.0, high=10.0, n=9)
    better = first.card.model_copy(update={"evaluation": {**first.card.evaluation, "verification/adapter": high}})
    second = registry.register(better, first.folder)

    def progress(stage: str, done: int, of: int | None) -> None:
        if (stage, done) == ("train", 1):
            registry.promote(second.name)

    outcome = pipeline.run("Ada", store, registry, trained.base, recipe(seed=9), home, progress=progress)
    store.close()
    assert outcome
    assert (outcome.version.name, outcome.version.card.parent, outcome.promoted) == ("Ada@v3", "Ada@v2", False)
    assert "verification/adapter cannot be measured, and the champion's is +9.0000" in outcome.refused
    assert registry.get("Ada@champion").name == "Ada@v2"


def test_a_run_that_goes_on_after_it_was_registered_takes_no_place_back(trained: Trained, tmp_path: Path) -> None:
    home = tmp_path / "copy"
    shutil.copytree(trained.home, home)
    store, registry = FeatureStore(home, WordEmbedder()), ModelRegistry(home)
    first = registry.get("Ada@v1")
    registry.promote(registry.register(first.card.model_copy(update={"run_id": "later"}), first.folder).name)
    (home / "runs" / first.card.run_id).mkdir(parents=True)  # killed after it was promoted, before its folder was gone
    done = pipeline.run("Ada", store, registry, trained.base, recipe(), home, resume=True)
    assert done
    assert (done.version.name, done.new, done.promoted) == ("Ada@v1", False, False)
    assert registry.get("Ada@champion").name == "Ada@v2"
    store.close()


def test_training_that_fails_leaves_the_split_free(tmp_path: Path, tiny_model: Path) -> None:
    store = FeatureStore(tmp_path, WordEmbedder())
    fill(store, [post(1, "Gm."), post(2, "Gn.")])
    label("Ada", store, changed=True)
    base = BaseLanguageModel(f"{tiny_model}/", tmp_path)
    with pytest.raises(TrainingError):
        pipeline.run("Ada", store, ModelRegistry(tmp_path), base, recipe(), tmp_path)
    assert store.splits("Ada")[1] is False
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
    assert second.version.card.evaluation == trained.outcome.version.card.evaluation
    trained.registry.rollback("Ada")
    shutil.rmtree(second.version.folder)


def test_a_version_is_measured_again_with_the_same_outcome(trained: Trained, tmp_path: Path) -> None:
    version, again = compare.reevaluate("Ada@v1", trained.store, trained.registry, trained.base)
    assert (version.name, again.figures) == ("Ada@v1", trained.outcome.version.card.evaluation)
    other = BaseLanguageModel(str(tiny_llama(tmp_path / "other", seed=1)), tmp_path)
    with pytest.raises(Mismatch, match="another base model") as caught:
        compare.reevaluate("Ada@v1", trained.store, trained.registry, other)
    assert (caught.value.expected, caught.value.found) == (trained.base.hash, other.hash)


def test_versions_whose_recipes_cut_elsewhere_are_compared_on_the_same_text(trained: Trained, tmp_path: Path) -> None:
    """One adapter twice, the second time by a recipe that reads less of each post, and as that had measured it."""
    home = tmp_path / "copy"
    shutil.copytree(trained.home, home)
    registry = ModelRegistry(home)
    first = registry.get("Ada@v1")
    shorter = {**first.card.recipe, "max_tokens": 250}
    proof = report.proof(first)
    assert proof
    made = tmp_path / "made"
    shutil.copytree(first.folder, made)
    other = proof.model_copy(update={"deltas": {post_id: delta + 1 for post_id, delta in proof.deltas.items()}})
    (made / "evaluation.json").write_text(other.model_dump_json(), encoding="utf-8")
    second = registry.register(first.card.model_copy(update={"recipe": shorter, "run_id": "2"}), made)
    *_, compared = compare.compare(second.name, "Ada@v1", trained.store, registry, trained.base, home=home)
    assert (compared["delta_nll"].difference, compared["delta_nll"].n) == (0.0, 5)
    assert (compared["delta_nll_reference"].difference, compared["delta_nll_reference"].n) == (0.0, 12)


def test_the_same_training_does_not_run_twice_at_once(trained: Trained) -> None:
    chosen, caught = recipe(seed=8, epochs=1, generations=1), []

    def progress(stage: str, done: int, of: int | None) -> None:
        if (stage, done) == ("train", 1):
            with pytest.raises(StoreBusy, match="runs already"):
                trained.run(chosen)
            with pytest.raises(StoreBusy, match="runs already"):
                trained.run(chosen, resume=True)
            caught.append(done)

    outcome = pipeline.run(
        "Ada", trained.store, ModelRegistry(trained.home / "apart"), trained.base, chosen, trained.home,
        progress=progress,
    )  # fmt: skip
    assert caught == [1]
    assert outcome.new


def _train_elsewhere(home: Path, model: str, chosen: Recipe, kill_at: int) -> None:
    def progress(stage: str, done: int, of: int | None) -> None:
        if (stage, done) == ("train", kill_at):
            os.kill(os.getpid(), signal.SIGKILL)

    base, store = BaseLanguageModel(model, home), FeatureStore(home, WordEmbedder())
    with one_thread():
        pipeline.run("Ada", store, ModelRegistry(home), base, chosen, home, resume=True, progress=progress)


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
    outcome = pipeline.run(
        "Ada", store, registry, base, chosen, home, resume=True,
        progress=lambda stage, done, of: steps.append(done) if stage == "train" and done else None,
    )  # fmt: skip
    store.close()
    assert steps[0] == every + 1
    made = outcome.version.card.training
    for curve in ("train_loss", "validation_loss"):
        assert [step for step, _ in made[curve]] == [step for step, _ in expected[curve]]
        assert [loss for _, loss in made[curve]] == pytest.approx([loss for _, loss in expected[curve]], abs=1e-4)
    assert outcome.version.name == "Ada@v1"
    assert not folder.exists()


def refused(trained: Trained, chosen: Recipe) -> TrainingError:
    """The error of a training that must not come to its first step."""
    steps: list[int] = []
    with pytest.raises(TrainingError) as caught:
        pipeline.run(
            "Ada", trained.store, trained.registry, trained.base, chosen, trained.home,
            progress=lambda stage, done, of: steps.append(done),
        )  # fmt: skip
    assert not any(steps)
    return caught.value


def test_no_usable_example_is_told_before_the_first_step(trained: Trained) -> None:
    count = len(trained.corpus().examples["train"])
    assert f"none of {count} training examples" in refused(trained, recipe(max_tokens=64)).message
    assert f"none of {count} training examples" in refused(trained, recipe(train_tokens=50)).message


def test_nothing_to_validate_on_is_told_before_the_first_step(trained: Trained, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "home", WordEmbedder())
    fill(store, [post(1, voice(1, WORDS)), post(2, "Too short."), post(3, voice(3, WORDS))])
    label("Ada", store, changed=True)
    with pytest.raises(TrainingError, match="validation"):
        pipeline.run("Ada", store, trained.registry, trained.base, recipe(), tmp_path / "home")
    store.close()


def test_a_loss_that_is_no_number_stops_the_training(trained: Trained) -> None:
    versions = trained.registry.versions("Ada")
    with pytest.raises(TrainingError, match=r"the loss became (nan|inf) at step [23] of \d+"):
        trained.run(recipe(learning_rate=1e30))
    assert trained.registry.versions("Ada") == versions


def test_a_version_of_few_posts_is_registered_and_not_promoted(trained: Trained, tmp_path: Path) -> None:
    store, registry = FeatureStore(tmp_path / "home", WordEmbedder()), ModelRegistry(tmp_path / "home")
    stock(store, posts=12)
    outcome = pipeline.run("Ada", store, registry, trained.base, recipe(epochs=1), tmp_path / "home")
    assert (outcome.version.name, outcome.promoted, registry.champion("Ada")) == ("Ada@v1", False, None)
    assert "delta_nll cannot be measured: 2 posts, needs 5" in outcome.version.card.gate
    store.close()


def figures(low: float = 0.1, high: float = 0.2) -> dict[str, Figure]:
    figure = Figure(value=(low + high) / 2, low=low, high=high, n=9)
    none = Figure(value=0.0, low=0.0, high=0.0, n=9)
    return {"delta_nll": figure, "specificity": figure, "copy_excess": none, "forgetting": none}


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, []),
        ({"delta_nll": Figure(value=0.1, low=0.0, high=0.2, n=9)}, ["delta_nll: .* lower end \\+0.0000 is not above"]),
        ({"specificity": Figure(value=0.1, low=-0.1, high=0.2, n=9)}, ["specificity: .* lower end -0.1000"]),
        ({"copy_excess": Figure(value=0.4, low=0.2, high=0.6, n=9)}, ["copy_excess: .* upper end \\+0.6000 is above 0.5"]),
        ({"copy_excess": Figure(value=0.4, low=0.2, high=0.5, n=9)}, []),
        ({"forgetting": Figure(value=0.1, low=0.05, high=0.15, n=9)}, ["forgetting: .* upper end \\+0.1500 is above 0.1"]),
        ({"specificity": Figure(value=None, n=0, note="no reference authors")}, ["specificity cannot .* no reference"]),
        ({"delta_nll": Figure(value=math.nan, low=math.nan, high=math.nan, n=9)}, ["delta_nll: .* \\+nan is not above"]),
        ({"copy_excess": Figure(value=math.nan, low=math.nan, high=math.nan, n=9)}, ["copy_excess: .* \\+nan is above"]),
        (
            {name: Figure(value=None, n=1, note="1 posts, needs 5") for name in figures()},
            ["delta_nll cannot", "specificity cannot", "copy_excess cannot", "forgetting cannot"],
        ),
    ],
)  # fmt: skip
def test_the_gate_says_every_reason(changes: dict[str, Figure], reasons: list[str]) -> None:
    import re

    told = gate({**figures(), **changes}, recipe())
    assert len(told) == len(reasons)
    for reason, pattern in zip(told, reasons, strict=True):
        assert re.match(pattern, reason), reason
