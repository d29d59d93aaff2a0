"""Preference training on a tiny model: the author's text becomes likelier than what the base model writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel

from contracts.base_model import BaseLanguageModel
from contracts.errors import TrainingError
from contracts.feature_store import FeatureStore
from contracts.feature_store.feedback import Feedback
from contracts.files import read_json
from contracts.model_registry import ModelRegistry
from contracts.prompt import PROMPT_HASH
from contracts.records import Span
from feature_pipeline import edits as lessons
from tests.fakes import WordEmbedder, recipe, stock
from training_pipeline import data, edits, lora, pipeline, preference
from training_pipeline.data import Corpus, Edit
from training_pipeline.pipeline import Options, Parts
from training_pipeline.preference import Pair
from training_pipeline.recipe import Recipe

OPEN = {"delta_nll_low": -9.0, "specificity_low": -9.0, "copy_excess_high": 1.0, "forgetting_high": 9.0}
"""A gate that any figure passes."""
PREFERENCE = {"pairs": 24, "beta": 0.1, "epochs": 4, "learning_rate": 2e-3, "batch": 4}


pytestmark = pytest.mark.usefixtures("single")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    store = FeatureStore(tmp_path_factory.mktemp("home"), WordEmbedder())
    stock(store)
    read = data.read(store, "Ada")
    store.close()
    return read


@pytest.fixture(scope="module")
def base(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> BaseLanguageModel:
    return BaseLanguageModel(f"{tiny_model}/", tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def trained(corpus: Corpus, base: BaseLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    made = data.encode_all(corpus, corpus.examples["train"], base.tokenizer(), 512)
    lora.train(base, made, made[:2], chosen(epochs=1), folder, lambda *_: None)
    return folder / "adapter"


def chosen(**changes: object) -> Recipe:
    return recipe(precision="fp32", generation_tokens=40, preference=PREFERENCE, **changes)


@torch.inference_mode()
def margin(base: BaseLanguageModel, adapter: Path, pairs: list[Pair]) -> float:
    """How much likelier the chosen texts are than the rejected ones, in nats a token, by transformers' own count."""
    model = PeftModel.from_pretrained(base.load(torch.float32), str(adapter)).eval()

    def loss(prompt: list[int], text: list[int]) -> float:
        labels = torch.tensor([[*[-100] * len(prompt), *text]])
        return float(model(input_ids=torch.tensor([[*prompt, *text]]), labels=labels).loss)

    each = [loss(pair.prompt_ids, pair.rejected_ids) - loss(pair.prompt_ids, pair.chosen_ids) for pair in pairs]
    return sum(each) / len(each)


def test_the_authors_text_becomes_likelier_than_the_base_models(
    corpus: Corpus, base: BaseLanguageModel, trained: Path, tmp_path: Path
) -> None:
    steps: list[tuple[str, int, int | None]] = []
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    shown = corpus.examples["train"][0].slices[0]
    edit = Edit(
        "What of the clock?",
        "It is what it is, and no more.",
        "the clock runs slow and I count every screw.",
        (Span(post_id=corpus.examples["train"][0].post_id, start=shown[0], end=shown[1]),),
    )
    corpus = replace(corpus, edits=(edit,))
    made = preference.improve(base, trained, corpus, chosen(), tmp_path, lambda *s: steps.append(s))
    told = read_json(tmp_path / preference.DONE)
    assert 12 <= told["pairs"] <= 25  # an untrained model may end its turn at once, which is no text
    assert told["edits"] == 1
    assert ("prefer", len(told["curve"]), len(told["curve"])) in steps
    assert told["curve"][0]["loss"] == pytest.approx(0.6931, abs=1e-3)  # ln 2: the reference is the adapter as it was
    assert told["curve"][-1]["margin"] > told["curve"][0]["margin"]
    torch.manual_seed(0)
    model = PeftModel.from_pretrained(base.load(torch.float32), str(trained))
    pairs = preference.drawn(model, corpus, base.tokenizer(), chosen(seed=8), lambda *_: None)
    pairs += preference.edited(corpus, base.tokenizer(), chosen())
    assert margin(base, made, pairs) > margin(base, trained, pairs) + 0.05
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before
    assert {path.name for path in made.iterdir()} >= {"adapter_config.json", "adapter_model.safetensors"}
    assert (
        preference.improve(base, trained, corpus, chosen(), tmp_path, lambda *s: steps.append(("again", 0, 0))) == made
    )
    assert ("again", 0, 0) not in steps


def test_a_rejected_text_is_the_base_models_and_no_pair_tells_by_its_length(
    corpus: Corpus, base: BaseLanguageModel, trained: Path
) -> None:
    model = PeftModel.from_pretrained(base.load(torch.float32), str(trained))
    plain = preference.drawn(model, corpus, base.tokenizer(), chosen(), lambda *_: None)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                weights.add_(1.0)  # another adapter altogether
    assert preference.drawn(model, corpus, base.tokenizer(), chosen(), lambda *_: None) == plain
    assert max(len(ids) for pair in plain for ids in (pair.chosen_ids, pair.rejected_ids)) == 40
    targets = {tuple(pair.chosen_ids) for pair in plain}
    shown = {tuple(base.tokenizer()(corpus.target(e))["input_ids"][:40]) for e in corpus.examples["train"]}
    assert targets <= shown


def test_without_the_section_nothing_is_preferred(
    corpus: Corpus, base: BaseLanguageModel, trained: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="has no section"):
        preference.improve(base, trained, corpus, recipe(), tmp_path, lambda *_: None)


def test_where_no_pair_is_usable_nothing_is_trained(
    corpus: Corpus, base: BaseLanguageModel, trained: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="no pair"):
        preference.improve(base, trained, corpus, chosen(max_tokens=41), tmp_path, lambda *_: None)
    assert read_json(tmp_path / preference.DONE) is None


def test_a_preference_loss_that_is_no_number_stops_at_once(
    corpus: Corpus, base: BaseLanguageModel, trained: Path, tmp_path: Path
) -> None:
    wild = chosen().model_copy(
        update={"preference": chosen().preference.model_copy(update={"learning_rate": 1e30})}  # type: ignore[union-attr]
    )
    with pytest.raises(TrainingError, match=r"preference loss became (nan|inf) at step [23] of \d+"):
        preference.improve(base, trained, corpus, wild, tmp_path, lambda *_: None)
    assert read_json(tmp_path / preference.DONE) is None


def test_an_edit_becomes_likelier_than_the_answer_it_was_made_of(
    corpus: Corpus, base: BaseLanguageModel, trained: Path, tmp_path: Path
) -> None:
    """From the answer that a person rewrote, through its lesson, to the adapter that learned from it alone."""
    store = FeatureStore(tmp_path / "home", WordEmbedder())
    stock(store)
    for number, words in enumerate(("I count every screw twice, then tea.", "slow runs the clock when rain falls.")):
        shown = corpus.examples["train"][number].post_id
        given = Feedback(
            author="Ada",
            question=f"What of clock {number}?",
            answer=f"As an assistant I have no clock {number}. [1]",
            model="Ada@v1",
            snapshot=store.snapshot().id,
            prompt_hash=PROMPT_HASH,
            passages=(Span(post_id=shown, start=0, end=40),),
            verdict="edited",
            edited=f"{words} [1]",
        )
        store.feedback.add(given)
    assert lessons.label("Ada", store) == 2
    learned = edits.added(corpus, store)
    store.close()
    assert learned.edits_left_out == {}
    assert learned.examples == corpus.examples
    only = replace(learned, examples={**corpus.examples, "train": []})
    pairs = preference.edited(only, base.tokenizer(), chosen())
    assert [base.tokenizer().decode(pair.chosen_ids[:12]) for pair in pairs] == ["I count ever", "slow runs th"]
    slow = chosen().model_copy(
        update={"preference": chosen().preference.model_copy(update={"epochs": 8})}  # type: ignore[union-attr]
    )
    made = preference.improve(base, trained, only, slow, tmp_path / "run", lambda *_: None)
    told = read_json(tmp_path / "run" / preference.DONE)
    assert (told["pairs"], told["edits"]) == (2, 2)
    assert margin(base, made, pairs) > margin(base, trained, pairs) + 0.05


def test_a_run_with_edits_says_what_it_learned_from_and_what_not(base: BaseLanguageModel, tmp_path: Path) -> None:
    store, registry = FeatureStore(tmp_path, WordEmbedder()), ModelRegistry(tmp_path)
    stock(store)
    splits, _ = store.splits("Ada")
    for part, text in (("train", "It runs slow, the clock, and I count."), ("test", "It is a clock, and it runs.")):
        shown = next(post_id for post_id, split in sorted(splits.items()) if split == part)
        values = {"author": "Ada", "question": f"{part}?", "answer": "As an assistant I cannot say.", "model": "Ada@v1"}
        more = {"snapshot": "s", "prompt_hash": PROMPT_HASH, "verdict": "edited", "edited": text}
        span = Span(post_id=shown, start=0, end=30)
        store.feedback.add(Feedback.model_validate({**values, **more, "passages": (span,)}))
    lessons.label("Ada", store)
    one = chosen(train_tokens=600, epochs=1, gate=OPEN)  # too few tokens for every post
    made = pipeline.run("Ada", Parts(store, registry, base, tmp_path), one, Options(preference=True, with_edits=True))
    corpus = data.read(store, "Ada")
    store.close()
    assert made is not None
    card, told = made.version.card, made.version.card.training["preference"]
    assert (told["edits"], told["edits_left_out"]) == (1, {"all that it was written from is held out": 1})
    assert {part: set(card.posts[part]) for part in ("validation", "test")} == {
        part: {example.post_id for example in corpus.examples[part]} for part in ("validation", "test")
    }
    learned = next(post_id for post_id, split in sorted(splits.items()) if split == "train")
    assert told["not_kept"] == []
    assert learned in card.posts["train"]


def test_a_card_names_every_post_whose_words_were_preferred(base: BaseLanguageModel, tmp_path: Path) -> None:
    """The first training has tokens for a few posts; the preference step draws its pairs from all of them."""
    store, registry = FeatureStore(tmp_path, WordEmbedder()), ModelRegistry(tmp_path)
    stock(store)
    one = chosen(train_tokens=600, epochs=1, gate=OPEN)
    made = pipeline.run("Ada", Parts(store, registry, base, tmp_path), one, Options(preference=True))
    corpus = data.read(store, "Ada")
    store.close()
    assert made is not None
    card = made.version.card
    assert card.training["preference"]["not_kept"] == []
    assert "posts" not in card.training["preference"]  # told once, with the others
    model = PeftModel.from_pretrained(base.load(torch.float32), str(made.version.folder))
    pairs = preference.drawn(model, corpus, base.tokenizer(), one, lambda *_: None)
    first = {post_id for e in data.select(corpus, base.tokenizer(), one).train for post_id in (e.post_id, *e.shown)}
    preferred = {post_id for pair in pairs for post_id in pair.posts}
    assert preferred - first
    assert set(card.posts["train"]) == first | preferred
    assert [one.name for one in registry.flag_forgotten([min(preferred - first)])] == [made.version.name]
