"""The training pipeline: a version's lineage, what it learned from and what not, and how it is measured again."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.base_model import BaseLanguageModel
from contracts.errors import Mismatch
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry
from contracts.prompt import PROMPT_HASH, encode, encode_target
from feature_pipeline.label import divide_anew
from feature_pipeline.pipeline import label
from tests.fakes import WORDS, WordEmbedder, fill, post, recipe, tiny_llama, voice
from tests.trained import Trained
from training_pipeline import compare, data, report
from training_pipeline.data import MASKED, Encoded
from training_pipeline.data_card import build, rows
from training_pipeline.evaluation.records import Evaluation
from training_pipeline.pipeline import Parts, run
from training_pipeline.recipe import Recipe
from ui.commands import show_models

pytestmark = pytest.mark.usefixtures("single")


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


def test_a_new_split_learns_from_what_was_held_out_and_versions_are_compared_on_what_neither_saw(
    trained: Trained, tmp_path: Path
) -> None:
    home = tmp_path / "copy"
    shutil.copytree(trained.home, home)
    store, registry = FeatureStore(home, WordEmbedder()), ModelRegistry(home)
    fill(store, [post(number, voice(number, WORDS)) for number in range(25, 50)])
    label("Ada", store, changed=True)
    chosen, tokenizer = recipe(), trained.base.tokenizer()

    def held_out() -> dict[str, str]:
        corpus = data.read(store, "Ada")
        return dict(rows(build(corpus, data.select(corpus, tokenizer, chosen), chosen)))

    assert held_out()["held out"].startswith("20 posts more than a fifth")
    assert held_out()["split"].startswith("train 18 posts")
    divide_anew("Ada", store)
    assert "held out" not in held_out()
    parts = Parts(store, registry, trained.base, home)
    outcome = run("Ada", parts, chosen)
    assert outcome
    first, second = trained.outcome.version.card.posts, outcome.version.card.posts
    assert (len(second["train"]), len(second["validation"]), len(second["test"])) == (35, 5, 10)
    assert set(first["test"]) <= set(second["train"])
    *_, compared = compare.compare("Ada@v2", "Ada@v1", parts)
    assert compared["delta_nll"].n == 10
    store.close()


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


def test_a_version_is_measured_again_with_the_same_outcome(trained: Trained, tmp_path: Path) -> None:
    version, again = compare.reevaluate("Ada@v1", trained.parts)
    assert (version.name, again.figures) == ("Ada@v1", trained.outcome.version.card.evaluation)
    other = BaseLanguageModel(str(tiny_llama(tmp_path / "other", seed=1)), tmp_path)
    with pytest.raises(Mismatch, match="another base model") as caught:
        compare.reevaluate("Ada@v1", replace(trained.parts, base=other))
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
    *_, compared = compare.compare(second.name, "Ada@v1", replace(trained.parts, registry=registry, home=home))
    assert (compared["delta_nll"].difference, compared["delta_nll"].n) == (0.0, 5)
    assert (compared["delta_nll_reference"].difference, compared["delta_nll_reference"].n) == (0.0, 12)


def test_versions_of_two_base_models_are_not_compared_by_what_each_gained_on_its_own(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "copy"
    shutil.copytree(trained.home, home)
    registry = ModelRegistry(home)
    first = registry.get("Ada@v1")
    registry.register(first.card.model_copy(update={"base_model_hash": "another", "run_id": "2"}), first.folder)
    compared = compare.compare("Ada@v2", "Ada@v1", replace(trained.parts, registry=registry, home=home))
    assert not [name for name in compared[2] if name.startswith("delta_nll")]
    show_models.comparison(*compared, as_json=False)
    assert "cannot compare ΔNLL: it counts from the base model, and these have two" in capsys.readouterr().out
