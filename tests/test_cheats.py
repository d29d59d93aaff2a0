"""Cheats, planted where an adapter's texts would be. A score that one of them passes is a defect."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from contracts.base_model import DEFAULT, BaseLanguageModel
from contracts.records import Figure
from tests import few_shot
from tests.fakes import recipe
from tests.invented import corpus
from tests.voices import HABITS, article, salad
from training_pipeline.evaluation import judge, style
from training_pipeline.evaluation.records import Condition, Written
from training_pipeline.evaluation.scoring import Outputs
from training_pipeline.glossary import headline

FOUND = corpus()
ASKED = FOUND.examples["test"]
NOBODYS = " None of its texts would be taken for yours."
SHORT = 1_000  # characters, which are the tiny model's tokens: over 150 words


class WordPairs:
    """A small language model: which word follows which, over all invented authors."""

    def __init__(self) -> None:
        words = [" ".join(article(name, n) for n in range(300, 400)).split() for name in HABITS]
        self._pairs = Counter(pair for written in words for pair in pairwise(written))
        self._words = Counter(word for written in words for word in written)

    def nats_per_byte(self, texts: Sequence[str]) -> list[float]:
        return [self._nats(text.split()) / len(text) for text in texts]

    def _nats(self, words: Sequence[str]) -> float:
        size = len(self._words)
        return sum(-math.log((self._pairs[a, b] + 0.1) / (self._words[a] + 0.1 * size)) for a, b in pairwise(words))


MODEL = WordPairs()


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> PreTrainedTokenizerBase:
    made: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(tiny_model)
    return made


@pytest.fixture(scope="module")
def judges() -> judge.Judges:
    made = judge.verified(FOUND)
    assert made.figures["verification_auc"].value == 1.0
    assert made.figures["verification_auc_masked"].value == 1.0
    assert made.verifier is not None
    return made


def measured(texts: Sequence[str], judges: judge.Judges, tokenizer: PreTrainedTokenizerBase) -> dict[str, Figure]:
    """The figures of an adapter that wrote these, and whose base model writes as Cy does."""
    kinds: dict[Condition, Sequence[str]] = {"base": [article("Cy", 700 + n) for n in range(len(ASKED))]}
    kinds["adapter"] = texts
    written = [
        Written(condition=kind, post_id=e.post_id, seed=0, instruction=e.instruction, text=text[:SHORT])
        for kind, made in kinds.items()
        for e, text in zip(ASKED, made, strict=True)
    ]
    chosen = recipe(conditions=list(kinds), generation_tokens=SHORT)
    outputs = Outputs(FOUND, ASKED, written, chosen, MODEL.nats_per_byte, tokenizer)
    return style.believed({**outputs.verified(judges), **outputs.copied(), **outputs.guarded(None)})


def value(figures: dict[str, Figure], name: str) -> float:
    found = figures[name].value
    assert found is not None, (name, figures[name].note)
    return found


def test_what_the_author_could_have_written_is_taken_for_the_authors(
    judges: judge.Judges, tokenizer: PreTrainedTokenizerBase
) -> None:
    honest = measured([article("Ada", 500 + n) for n in range(len(ASKED))], judges, tokenizer)
    assert value(honest, "taken_for_the_author/adapter") > 0.6
    assert value(honest, "fluency_in_band") > 0.6
    assert value(honest, "verification/adapter") == pytest.approx(value(honest, "verification/human"), rel=0.1)
    assert value(honest, "verification/others") < 1
    assert value(honest, "distinguishability") < 0.75
    assert value(honest, "length_ratio") == pytest.approx(1, abs=0.1)
    assert value(honest, "strange") < 0.3
    assert value(honest, "gap_closed") == pytest.approx(1, abs=0.1)
    assert headline(honest).startswith("Sounds like you: ")
    assert headline(honest).endswith("].")


def test_copied_training_posts_are_flagged(judges: judge.Judges, tokenizer: PreTrainedTokenizerBase) -> None:
    copies = [FOUND.target(example) for example in FOUND.examples["train"][: len(ASKED)]]
    cheat = measured(copies, judges, tokenizer)
    assert (cheat["copy_excess"].low or 0) > 0.4
    assert value(cheat, "longest_copy_words") > 100
    assert value(cheat, "taken_for_the_author/adapter") == 0
    assert {cheat[name].value for name in ("gap_closed", "gap_closed_raw", "gap_closed_masked")} == {None}
    assert headline(cheat) == (
        f"Cannot measure how much it sounds like you: {value(cheat, 'copy_excess'):.0%} more of its texts than of yours "
        "copy a post, which says nothing of style"
    )


def test_word_salad_is_not_taken_for_the_authors(judges: judge.Judges, tokenizer: PreTrainedTokenizerBase) -> None:
    cheat = measured([salad("Ada", n, 200) for n in range(len(ASKED))], judges, tokenizer)
    assert value(cheat, "fluency_in_band") == 0
    assert value(cheat, "taken_for_the_author/adapter") == 0
    assert value(cheat, "distinguishability") > 0.95
    assert {cheat[name].value for name in ("gap_closed", "gap_closed_raw", "gap_closed_masked")} == {None}
    assert headline(cheat).startswith("Cannot measure how much it sounds like you: 100% of its texts are stranger")


def test_another_authors_posts_are_not_taken_for_the_authors(
    judges: judge.Judges, tokenizer: PreTrainedTokenizerBase
) -> None:
    for name in HABITS:
        if name != "Ada":
            cheat = measured([article(name, 500 + n) for n in range(len(ASKED))], judges, tokenizer)
            assert value(cheat, "verification/adapter") < value(cheat, "verification/human") / 2
            assert value(cheat, "taken_for_the_author/adapter") == 0
            assert value(cheat, "distinguishability") > 0.95
            assert abs(value(cheat, "gap_closed")) < 0.5
            assert headline(cheat).startswith("Does not provably") or headline(cheat).endswith(NOBODYS)


def test_the_base_model_that_is_shown_three_posts_is_not_taken_for_the_author(
    judges: judge.Judges, tokenizer: PreTrainedTokenizerBase
) -> None:
    """What the default model then wrote is kept (few_shot.py). V alone would believe it: it begins with what it was shown,
    and goes on in the author's turns of phrase. Without that beginning it is strange, to MODEL at least, and told apart."""
    texts = few_shot.texts()
    whole = measured(texts, judges, tokenizer)
    assert value(whole, "verification/adapter") > 0.7 * value(whole, "verification/human")
    assert (whole["copy_excess"].low or 0) > 0.2
    assert "copy a post" in headline(whole)
    rest = measured([text.partition(". ")[2] for text in texts], judges, tokenizer)
    for cheat in (whole, rest):
        assert value(cheat, "taken_for_the_author/adapter") == 0
        assert value(cheat, "distinguishability") > 0.95
        assert {cheat[name].value for name in ("gap_closed", "gap_closed_raw", "gap_closed_masked")} == {None}
        assert headline(cheat).startswith("Cannot measure how much it sounds like you: ")


@pytest.mark.slow
@pytest.mark.real_data
def test_a_real_authors_cheats_are_caught_with_the_default_model(real_data: Path, tmp_path: Path) -> None:
    """The base model that is shown three real posts is measured in benchmarks/style_verifier.py: it writes for minutes."""
    from benchmarks import style_verifier as bench

    names = ("skeeto", "matklad", "eevee", "jessfraz")
    posts = {name: bench.cleaned(real_data / "blogs" / bench.BLOGS[name], name)[-150:] for name in names}
    base = BaseLanguageModel(DEFAULT, tmp_path)
    found = bench.cheats(bench.corpus(posts, "skeeto"), base, 16, 200, few_shot=False)
    own, copied, salads, others = found.values()
    assert copied["copies"].value == 1.0
    assert (copied["copies"].low or 0) > 0.7  # 16 of 16, against none of 16: by Newcombe's interval no more is sure
    assert (salads["fluent"].high or 0) < 0.3
    assert (others["V"].high or 0) < (own["V"].low or 0)
    for cheat in (copied, salads, others):
        assert (cheat["taken"].high or 0) < (own["taken"].low or 0)
