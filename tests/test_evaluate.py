"""The whole of an evaluation, on a model that writes in a second, and the comparison of two of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from contracts.records import Figure
from tests.fakes import WordEmbedder, one_thread, recipe
from tests.invented import corpus
from training_pipeline import evaluate
from training_pipeline.evaluation import CONDITIONS, Evaluation
from training_pipeline.recipe import Recipe

CHOSEN: Recipe = recipe(seeds=2, generations=6, generation_tokens=24, max_tokens=1500)
FOUND = corpus()


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Iterator[PeftModel]:
    with one_thread():
        torch.manual_seed(0)
        made = get_peft_model(
            AutoModelForCausalLM.from_pretrained(tiny_model),
            LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False),
        )
        yield made  # type: ignore[misc]


@pytest.fixture(scope="module")
def evaluation(model: PeftModel, tiny_model: Path) -> Evaluation:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    return evaluate.evaluate(model, tokenizer, FOUND, CHOSEN, lambda *_: None, WordEmbedder().embed)


def test_every_condition_writes_for_the_same_held_out_instructions(evaluation: Evaluation) -> None:
    asked = [text.post_id for text in evaluation.written if text.condition == "base"]
    assert len(asked) == 12
    assert set(asked) <= {example.post_id for example in FOUND.examples["test"]}
    for condition in CONDITIONS:
        texts = [text for text in evaluation.written if text.condition == condition]
        assert [text.post_id for text in texts] == asked
        assert [text.seed for text in texts] == [0, 1] * 6
    assert len({text.text for text in evaluation.written}) > 24


def test_only_training_posts_are_retrieved(evaluation: Evaluation) -> None:
    for text in evaluation.written:
        assert bool(text.evidence) == ("retrieval" in text.condition)
        assert {span.post_id for span in text.evidence} <= FOUND.train_ids


def test_every_figure_is_a_number_or_says_why_not(evaluation: Evaluation) -> None:
    figures = evaluation.figures
    assert figures["verification_auc"].value == 1.0
    assert figures["delta_nll"].n == len(evaluation.deltas) == 12
    assert figures["specificity"].value is not None
    assert figures["forgetting"].n == 12
    assert figures["gap_closed"].note == "0 posts, needs 5"  # 24 characters each are no 150 words
    assert figures["copy_excess"].value == 0.0
    assert 0 <= (figures["distinct_3"].value or 0) <= 1
    assert figures["instruction_similarity"].n == 6
    for name, figure in figures.items():
        assert figure.value is not None or figure.note, name
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


def test_the_base_model_is_what_it_was_after_the_evaluation(
    model: PeftModel, evaluation: Evaluation, tiny_model: Path
) -> None:
    before = AutoModelForCausalLM.from_pretrained(tiny_model).state_dict()
    name = "model.layers.0.self_attn.q_proj"
    after = model.state_dict()[f"base_model.model.{name}.base_layer.weight"]
    assert torch.allclose(before[f"{name}.weight"], after, atol=1e-6)


def test_versions_are_compared_on_the_posts_that_both_have(evaluation: Evaluation) -> None:
    better = evaluation.model_copy(update={"deltas": {id_: delta + 0.1 for id_, delta in evaluation.deltas.items()}})
    compared = evaluate.compare(evaluation, better)["delta_nll"]
    assert (round(compared.difference, 6), compared.n) == (0.1, 12)
    assert compared.p < 0.01
    fewer = evaluation.model_copy(update={"deltas": dict(list(better.deltas.items())[:4])})
    assert "delta_nll" not in evaluate.compare(evaluation, fewer)
    scored = evaluation.model_copy(update={"verification": {"adapter": [float(n) for n in range(12)]}})
    worse = evaluation.model_copy(update={"verification": {"adapter": [n - 1.0 for n in range(12)]}})
    found = evaluate.compare(scored, worse)["verification/adapter"]
    assert (found.difference, found.n) == (-1.0, 6)  # two seeds a pool


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (Figure(value=1.0, low=0.8, high=1.2, n=9), None),
        (Figure(value=0.5, low=0.3, high=0.9, n=9), "upper end \\+0.9000 is under the champion's \\+1.0000"),
        (Figure(value=None, n=2, note="2 posts, needs 5"), "cannot be measured, and the champion's is \\+1.0000"),
    ],
)
def test_a_version_that_sounds_less_like_the_author_does_not_replace_the_champion(
    now: Figure, reason: str | None
) -> None:
    import re

    proven = Figure(value=0.2, low=0.1, high=0.3, n=9)
    none = Figure(value=0.0, low=0.0, high=0.0, n=9)
    figures = {"delta_nll": proven, "specificity": proven, "copy_excess": none, "forgetting": none}
    name = "verification/adapter+retrieval"
    champion = {name: Figure(value=1.0, low=0.9, high=1.1, n=9)}
    told = evaluate.gate({**figures, name: now}, CHOSEN, champion)
    assert evaluate.gate({**figures, name: now}, CHOSEN) == ()
    assert (told == ()) if reason is None else re.search(reason, told[0])
