"""Folds: each of a few posts is held out once, from a training of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.base_model import BaseLanguageModel
from contracts.errors import UsageError
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry
from tests.fakes import WordEmbedder, recipe, stock
from training_pipeline import data, folds
from training_pipeline.data_card import worth_it
from training_pipeline.pipeline import Options, Parts, run

pytestmark = pytest.mark.usefixtures("single")


class StoppedError(Exception):
    """As if the process had been ended there."""


def parts(home: Path, model: Path, posts: int) -> Parts:
    store = FeatureStore(home, WordEmbedder())
    stock(store, posts)
    return Parts(store, ModelRegistry(home), BaseLanguageModel(f"{model}/", home), home)


def test_every_post_is_held_out_once_in_a_block_of_time(store: FeatureStore) -> None:
    stock(store, 13)
    corpus = data.read(store, "Ada")
    made = folds.cut(corpus, references=11)
    held = [sorted({e.post_id for e in fold.examples["test"]}, key=lambda id_: corpus.posts[id_].date) for fold in made]
    assert [post_id for block in held for post_id in block] == sorted(
        (post.id for post in corpus.posts.values() if post.author == "Ada"), key=lambda id_: corpus.posts[id_].date
    )
    assert [len(block) for block in held] == [4, 4, 5]
    for fold, block in zip(made, held, strict=True):
        shown = {span.post_id for example in fold.examples["train"] for span in example.evidence}
        validation = {example.post_id for example in fold.examples["validation"]}
        assert not (fold.train_ids | shown | validation) & set(block)
        assert not (fold.train_ids | shown) & validation
        assert len(fold.train_ids) + len(validation) == 13 - len(block)
    others = Counter(example.post_id for fold in made for example in fold.reference)
    assert (len(others), max(others.values())) == (11, 1)


@pytest.mark.parametrize(
    ("posts", "why"),
    [(4, "folds of 4 posts prove nothing: a figure needs 5"), (30, "30 posts need no folds: 6 of them are held out")],
)
def test_folds_are_refused_where_they_prove_nothing_or_are_not_needed(
    tmp_path: Path, tiny_model: Path, posts: int, why: str
) -> None:
    made = parts(tmp_path, tiny_model, posts)
    with pytest.raises(UsageError, match=why):
        run("Ada", made, recipe(), Options(folds=True))
    assert not list((tmp_path / "runs").glob("*/"))
    made.store.close()


def test_the_data_card_advises_them_where_they_are_of_use() -> None:
    for posts in range(80):
        for held_out in range(posts // 3 + 1):
            assert ("A tick at “Few posts”" in worth_it(posts, held_out, 9)) <= folds.are_of_use(posts, held_out)
    assert folds.are_of_use(5, 1)
    assert not folds.are_of_use(30, 5)


def test_twelve_posts_are_all_measured_and_a_stopped_run_trains_no_fold_twice(tmp_path: Path, tiny_model: Path) -> None:
    made, steps = parts(tmp_path, tiny_model, 12), list[str]()

    def stopped(stage: str, done: int, of: int | None) -> None:
        if (stage, done) == ("train, fold 3", 1):
            raise StoppedError

    with pytest.raises(StoppedError):
        run("Ada", made, recipe(), Options(folds=True), stopped)
    outcome = run("Ada", made, recipe(), Options(resume=True, folds=True), lambda stage, done, of: steps.append(stage))
    assert outcome
    figures = outcome.version.card.evaluation
    assert figures["delta_nll"].note == "2 posts, needs 5"
    assert (figures["delta_nll/folds"].n, figures["specificity/folds"].n) == (12, 12)
    assert (figures["delta_nll/folds"].low or 0) > 0
    assert (figures["specificity/folds"].low or 0) > 0
    assert "against only 2 other authors" in figures["specificity/folds"].note
    assert figures["specificity/folds"].note.endswith(folds.NOTE)
    assert Counter(steps)["train, fold 3"] > 2
    assert max(Counter(steps)[f"train, fold {number}"] for number in (1, 2)) == 1  # to say that it is there
    assert (outcome.promoted, outcome.version.card.gate[0]) == (False, "delta_nll cannot be measured: 2 posts, needs 5")
    assert not list((tmp_path / "runs").glob("*/"))
    plain = run("Ada", replace(made, registry=ModelRegistry(tmp_path / "apart")), recipe(), Options(resume=True))
    assert plain
    assert plain.version.card.run_id != outcome.version.card.run_id
    assert (
        plain.version.card.files["adapter_model.safetensors"] == outcome.version.card.files["adapter_model.safetensors"]
    )
    made.store.close()
