"""The whole of an evaluation, on a model that writes in a second, and the comparison of two of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from contracts.copies import Runs
from contracts.records import Figure
from tests.fakes import WordEmbedder, one_thread, recipe
from tests.invented import corpus
from tests.voices import article
from training_pipeline.evaluation import evaluate, judge, scoring, style, writing
from training_pipeline.evaluation.against import differences, gained
from training_pipeline.evaluation.gate import GAINED, gate
from training_pipeline.evaluation.records import CONDITIONS, Condition, Evaluation, Written
from training_pipeline.evaluation.texts import pooled, stripped
from training_pipeline.recipe import Recipe

CHOSEN: Recipe = recipe(seeds=2, generations=6, generation_tokens=24, max_tokens=1500)
FOUND = replace(corpus(), embed=WordEmbedder().embed)


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
    return evaluate.evaluate(model, tokenizer, FOUND, CHOSEN, lambda *_: None)


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
    assert figures["longest_copy_words"].n == 24  # what the base model writes is not among them
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
    compared = differences(evaluation, better)["delta_nll"]
    assert (round(compared.difference, 6), compared.n) == (0.1, 12)
    assert compared.p < 0.01
    fewer = evaluation.model_copy(update={"deltas": dict(list(better.deltas.items())[:4])})
    assert "delta_nll" not in differences(evaluation, fewer)


def written(texts: Sequence[str], condition: Condition = "adapter") -> tuple[Written, ...]:
    return tuple(
        Written(condition=condition, post_id=f"p{n}", seed=0, instruction="Write.", text=text)
        for n, text in enumerate(texts)
    )


def test_v_is_compared_in_pools_that_are_the_same_for_both() -> None:
    """By itself, each version would be pooled where its own texts are long enough."""
    verifier = judge.headline(FOUND)
    assert verifier
    words = [article("Ada", 500 + n, 20).split() for n in range(6)]
    even = [" ".join(said[:60]) for said in words]
    uneven = [" ".join(said[:length]) for said, length in zip(words, (40, 40, 40, 40, 80, 80), strict=True)]
    assert scoring._pools([(even, 1)]) == [[0, 1, 2], [3, 4, 5]]
    assert scoring._pools([(uneven, 1)]) == [[0, 1, 2, 3], [4, 5]]
    pairs = scoring.in_same_pools(written(even), written(uneven), verifier)
    for scores, texts in zip(pairs["adapter"], (even, uneven), strict=True):
        assert scores == pytest.approx(verifier.scores(pooled(map(stripped, texts[:4]))[:1]).tolist())
    assert scoring.in_same_pools(written(even), written(even, "base"), verifier) == {}


def test_v_of_two_versions_is_compared_where_their_texts_are_kept(evaluation: Evaluation) -> None:
    verifier = judge.headline(FOUND)
    mine, theirs = (
        evaluation.model_copy(update={"written": written([article(name, 500 + n, 20) for n in range(8)])})
        for name in ("Ada", "Bea")
    )
    found = differences(mine, theirs, verifier)["verification/adapter"]
    assert (found.n, found.high < 0) == (8, True)
    assert differences(mine, mine, verifier)["verification/adapter"].difference == 0
    for other in (theirs.without_texts(), theirs.model_copy(update={"written": theirs.written[1:]})):
        assert "verification/adapter" not in differences(mine, other, verifier)
    assert "verification/adapter" not in differences(mine, theirs)


def test_the_same_pools_are_judged_also_as_written_and_with_their_topics_masked(tiny_model: Path) -> None:
    asked, judges = FOUND.examples["test"], judge.verified(FOUND)
    texts = {
        "base": [article("Bea", 500 + n, 20) for n in range(16)],
        "adapter": [article("Ada", n, 20) for n in range(16)],
    }
    conditions: tuple[Condition, ...] = ("base", "adapter")
    said = [text for condition in conditions for text in written(texts[condition], condition)]
    chosen = CHOSEN.model_copy(update={"conditions": conditions, "seeds": 1, "generation_tokens": 2000})
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    found = scoring.Outputs(FOUND, asked, said, chosen, lambda made: [1.0] * len(made), tokenizer).verified(judges)
    for name, change in (("", stripped), ("_raw", str.strip), ("_masked", judges.of["_masked"].change)):
        verifier = judges.of[name].verifier
        for condition in conditions:
            figure = found[f"verification{name}/{condition}"]
            pools = [pooled([change(text)])[0] for text in texts[condition]]
            assert (figure.n, figure.value) == (16, pytest.approx(verifier.scores(pools).mean(), abs=1e-4))
        assert (found[f"verification{name}/others"].value or 0) < (found[f"verification{name}/human"].value or 0)
        gap = found[f"gap_closed{name}"]
        assert gap.low
        assert gap.low > 0.5
    assert "*" in judges.of["_masked"].change("The polished brass lathe of Ada sang.")
    assert len({found[f"verification{name}/adapter"].value for name in ("", "_raw", "_masked")}) == 3


def test_where_nobody_could_tell_the_author_style_is_not_measured(tiny_model: Path) -> None:
    """The reference authors have the author's own habits: the verifier guesses, and nothing that it says is shown."""
    names = {"Bea": 1000, "Cy": 2000}
    sides = judge.Sides(
        author=[article("Ada", n) for n in range(40)],
        held_out=[article("Ada", n) for n in range(40, 56)],
        references={name: [article("Ada", first + n) for n in range(24)] for name, first in names.items()},
        others={name: [article("Ada", first + 24 + n) for n in range(8)] for name, first in names.items()},
    )
    judges = judge.judges(sides)
    figures = judges.figures
    assert figures["verification_auc"].n == 16
    assert (figures["verification_auc"].low or 0) < style.LEAST_AUC
    assert (judges.verifier, dict(judges.of)) == (None, {})
    why = judge.why_not(figures["verification_auc"])
    assert why.startswith("cannot measure style on this corpus: the verifier's AUC is +0.")
    told = judge.judges(replace(sides, references={}, others={})).figures["verification_auc"]
    assert judge.why_not(told) == "0 reference authors with 150 words to learn from, needs 2"
    few = judge.judges(replace(sides, held_out=sides.held_out[:7])).figures["verification_auc"]
    assert judge.why_not(few) == "7 held-out texts of 150 words of yours, needs 10"
    fewer = judge.judges(replace(sides, others={name: texts[:4] for name, texts in sides.others.items()})).figures
    assert judge.why_not(fewer["verification_auc"]) == "8 held-out texts of 150 words by other authors, needs 10"
    asked = FOUND.examples["test"]
    outputs = scoring.Outputs(FOUND, asked, [], CHOSEN, lambda texts: [], AutoTokenizer.from_pretrained(tiny_model))
    shown = outputs.verified(judges)
    assert {"gap_closed", "verification/adapter", "verification/human", "verification_masked/human"} <= shown.keys()
    assert {figure.value for figure in shown.values()} == {None}
    assert {shown[name].note for name in ("gap_closed", "verification/adapter", "verification/human")} == {why}


def test_few_other_authors_are_told_beside_what_was_compared_with_them(evaluation: Evaluation) -> None:
    note = "against only 3 other authors, where 5 are asked for"
    assert evaluation.figures["specificity"].note == evaluation.figures["verification_auc"].note == note
    assert note not in evaluation.figures["delta_nll"].note
    found = {"specificity": Figure(value=0.1, low=0.0, high=0.2, n=9)}
    assert judge.compared_with(found, {"a", "b", "c", "d", "e"}) == found
    assert "only 1 other author," in judge.compared_with(found, {"a"})["specificity"].note


@pytest.mark.parametrize(
    ("copied", "texts", "passes"),
    [(0, 24, True), (1, 24, False), (24, 24, False), (0, 400, True), (1, 400, True), (9, 400, False)],
)
def test_few_texts_may_not_copy_at_all_and_many_prove_the_bound(copied: int, texts: int, passes: bool) -> None:
    """24 texts without a copy could be those of an adapter that copies one time in eight: the figure says so."""
    post = article("Ada", 1)
    outputs = [*[post] * copied, *[article("Bea", n, 4) for n in range(texts - copied)]]
    figure = style.copy_excess(outputs, [article("Bea", 1000 + n, 4) for n in range(texts)], Runs([("p", post)]))
    assert figure.value == pytest.approx(copied / texts, abs=1e-4)
    strict = recipe(gate={"delta_nll_low": 0.0, "specificity_low": 0.0, "copy_excess_high": 0.02})
    proven = Figure(value=0.2, low=0.1, high=0.3, n=9)
    others = {"delta_nll": proven, "specificity": proven, "forgetting": Figure(value=0.0, low=0.0, high=0.0, n=9)}
    assert (gate({**others, "copy_excess": figure}, strict) == ()) is passes
    if not copied:
        assert figure.high == pytest.approx(3.8415 / (texts + 3.8415), abs=1e-4)
        assert figure.note == f"none of {texts} outputs copies; for {texts} posts that proves under {figure.high:.1%}"


def test_texts_are_written_without_loops_as_in_serving() -> None:
    """No run of six tokens twice; what stands in the prompt may be quoted."""
    prompt, said = [7, 8, 9, 1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5]
    rows = torch.tensor([[*prompt, *said], [*prompt, *said[:-1], 9], [*prompt, *range(12)]])
    scores = writing._NoLoops(len(prompt))(rows, torch.zeros(3, 12))
    assert torch.isinf(scores).nonzero().tolist() == [[0, 6]]
    quoting = torch.tensor([[1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5]])
    assert not torch.isinf(writing._NoLoops(6)(quoting, torch.zeros(1, 12))).any()


def said_by(evaluation: Evaluation, name: str, *conditions: Condition, posts: int = 8) -> Evaluation:
    texts = [article(name, 500 + n, 20) for n in range(posts)]
    said = tuple(text for condition in conditions for text in written(texts, condition))
    return evaluation.model_copy(update={"written": said})


def passes(now: Evaluation, champion: Evaluation | None) -> bool:
    proven = Figure(value=0.2, low=0.1, high=0.3, n=9)
    none = Figure(value=0.0, low=0.0, high=0.0, n=9)
    figures = {"delta_nll": proven, "specificity": proven, "copy_excess": none, "forgetting": none}
    assert gate(figures, CHOSEN) == ()
    reasons = gate({**figures, **gained(now, champion, "Ada@v1", FOUND)}, CHOSEN)
    assert all(reason.startswith(GAINED) and reason.endswith(" is under 0") for reason in reasons)
    return not reasons


def test_a_version_is_judged_against_the_champion_by_one_verifier_on_the_same_posts(evaluation: Evaluation) -> None:
    """Whatever V stands in their cards, which other verifiers gave: here the champion's is far out of reach."""
    far = {f"verification/{name}": Figure(value=99.0, low=98.0, high=99.9, n=9) for name in CONDITIONS}
    mine, theirs = (said_by(evaluation, name, "adapter") for name in ("Ada", "Bea"))
    (told,) = gained(theirs, mine, "Ada@v1", FOUND).values()
    assert (told.n, told.note, (told.high or 0) < 0) == (8, "against Ada@v1", True)
    assert not passes(theirs, mine)
    assert passes(mine.model_copy(update={"verifier": "one"}), theirs.model_copy(update={"figures": far}))
    assert passes(mine, mine)


def test_a_quick_version_can_follow_one_that_was_measured_with_passages_and_wrote_more(evaluation: Evaluation) -> None:
    """By what both wrote: in the condition that both have, for the instructions of both."""
    champion = said_by(evaluation, "Ada", "adapter", "adapter+retrieval", posts=12)
    quick = said_by(evaluation, "Ada", "adapter")
    (name,) = gained(quick, champion, "Ada@v1", FOUND)
    assert name == f"{GAINED}/adapter"
    assert passes(quick, champion)
    assert not passes(said_by(evaluation, "Bea", "adapter"), champion)
    assert list(gained(champion, champion, "Ada@v1", FOUND)) == [f"{GAINED}/adapter+retrieval"]
    brief = quick.model_copy(
        update={"written": tuple(t.model_copy(update={"text": " ".join(t.text.split()[:75])}) for t in quick.written)}
    )  # its recipe cuts shorter: then so are the champion's, and two of them make a pool
    assert gained(brief, champion, "Ada@v1", FOUND)[GAINED].note.startswith("in too few pools of the same posts")


def test_without_texts_v_is_compared_where_one_verifier_gave_both(evaluation: Evaluation) -> None:
    name = "verification/adapter"

    def scored(low: float, high: float, verifier: str = "one") -> Evaluation:
        made = {name: Figure(value=(low + high) / 2, low=low, high=high, n=9)}
        return evaluation.without_texts().model_copy(update={"figures": made, "verifier": verifier})

    champion = scored(0.9, 1.1)
    verifier = judge.headline(FOUND)
    assert verifier
    assert evaluation.verifier == verifier.fingerprint
    assert passes(scored(0.8, 1.2), champion)
    assert not passes(scored(0.3, 0.9), champion)
    (told,) = gained(scored(0.3, 0.9), champion, "Ada@v1", FOUND).values()
    assert (told.value, told.high, told.n) == (pytest.approx(-0.4), pytest.approx(-0.1), 9)
    unmeasured = champion.model_copy(update={"figures": {name: Figure(value=None, n=2, note="2 posts, needs 5")}})
    first = champion.written[0].post_id
    fewer = tuple(text for text in champion.written if text.post_id != first)
    other_posts = champion.model_copy(update={"written": fewer})
    for before in (scored(0.9, 1.1, "another"), scored(0.9, 1.1, ""), unmeasured, other_posts, None):
        for now in (scored(0.3, 0.9), scored(0.3, 0.9, "")):
            (left_out,) = gained(now, before, "Ada@v1", FOUND).values()
            assert left_out.value is None
            assert left_out.note.endswith(", so V is not compared with the champion's")
            assert passes(now, before)
