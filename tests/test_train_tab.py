"""Trainings as the page begins them: by which recipe, what they replace, and what the page then says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from contracts.embedder import SentenceEmbedder
from contracts.errors import UsageError
from contracts.feature_store import FeatureStore
from contracts.progress import silent
from feature_pipeline.label import label
from tests.browser import ON_THE_PAGE
from tests.fakes import WORDS, adapter, card, fill, post, recipe, recipe_file, stock, voice
from training_pipeline.data_card import worth_it
from ui import acts
from ui.page import made, work
from ui.page.shell import Shell
from ui.page.tabs.train import FOLDS, Train
from ui.settings import Settings
from ui.wiring import App

pytestmark = ON_THE_PAGE

HERE = gr.Request(session_hash="one tab")


@pytest.fixture
def app(single: None, tmp_path: Path, embedder: Path, tiny_model: Path) -> Iterator[App]:
    """Ada's posts and those of reference authors, no version yet, and a recipe of her own."""
    made_ = App(Settings(embedder=str(embedder), base_model=str(tiny_model)), tmp_path / "home")
    made_.store = FeatureStore(made_.home, SentenceEmbedder(str(embedder)))
    stock(made_.store)
    own(made_, "tiny")
    yield made_
    made_.store.close()


def own(app: App, name: str, **changes: Any) -> str:
    """A recipe of Ada's own, as the page names it; its version writes no more than it must."""
    (app.home / "recipes").mkdir(exist_ok=True)
    return str(recipe_file(app.home / "recipes" / f"{name}.toml", recipe(conditions=("adapter",), **changes)))


def trained(app: App, by: str) -> dict[str, Any]:
    return work.train(app, {"author": "Ada", "recipe": by}, silent)


def tab(app: App) -> Train:
    shown = Shell(app, "Ada").tabs["train"]
    assert isinstance(shown, Train)
    return shown


def one(app: App, name: str) -> str:
    """What the Versions tab says of the version."""
    versions: Any = Shell(app, "Ada").tabs["versions"]
    drawn = versions._drawn("Ada", name)
    said: str = drawn[versions.one]
    return said


def test_the_champion_that_learned_what_is_forgotten_is_replaced(app: App) -> None:
    by = own(app, "tiny")
    assert trained(app, by) | {"refused": ""} == {
        "model": "Ada@v1", "promoted": True, "new": True, "refused": "", "replaced": "", "outdated": "",
    }  # fmt: skip
    assert "" not in dict(tab(app)._recipes("Ada")).values()
    forgotten = app.registry.get("Ada@v1").card.posts["train"][0]
    acts.forget(app, "Ada", [forgotten])
    assert "train again, under Train" in one(app, "Ada@v1")
    train = tab(app)
    for stands in ("quick", by):
        drawn = train.revisited("Ada", stands, False)[train.recipe]
        assert drawn["value"] == ("" if stands == "quick" else by)
        assert drawn["choices"][0][0].startswith("As Ada@v1 was made")
    assert work.plan(app, {"author": "Ada", "recipe": ""}, silent)["recipe"] == "tiny"
    told = trained(app, "")
    assert (told["model"], told["promoted"], told["replaced"], told["outdated"]) == ("Ada@v2", True, "Ada@v1", "")
    (version,) = app.registry.versions("Ada")
    assert (version.card.recipe["name"], forgotten in version.card.posts["train"]) == ("tiny", False)
    assert "Ada@v1 is deleted" in made.result(version, told, 1.0)
    assert train.revisited("Ada", "", False)[train.recipe]["value"] == "quick"


def test_a_successor_that_does_not_prove_itself_leaves_it_to_a_hand(app: App) -> None:
    trained(app, own(app, "tiny"))
    acts.forget(app, "Ada", [app.registry.get("Ada@v1").card.posts["train"][0]])
    hard = own(app, "hard", gate=recipe().gate.model_copy(update={"delta_nll_low": 9.0}))
    for new in (True, False):  # the second time there is nothing to do
        told = trained(app, hard)
        assert (told["new"], told["promoted"], told["replaced"], told["outdated"]) == (new, False, "", "Ada@v1")
        assert "make Ada@v2 the champion and then delete Ada@v1" in made.result(app.registry.get("Ada@v2"), told, 1.0)
    acts.promote(app, "Ada@v2")
    assert one(app, "Ada@v1").count("whose words may be in its weights: delete it.") == 1
    assert "forgotten" not in one(app, "Ada@v2").split("Where it came from")[0]
    assert acts.outdated(app, "Ada") is None


def test_a_challenger_that_learned_what_is_forgotten_is_first_freed(app: App) -> None:
    gone = app.store.posts("Ada")[0].id
    for run in ("1", "2"):
        learned = {"train": (gone,), "validation": (), "test": ()}
        app.registry.register(card(run_id=run, posts=learned), adapter(app.home / run))
    app.registry.promote("Ada@v1")
    app.registry.challenge("Ada@v2")
    acts.forget(app, "Ada", [gone])
    assert "It was trained on a post that is forgotten since" in one(app, "Ada@v2")
    assert "twin models challenge &#x27;Ada@v2&#x27; --withdraw" in one(app, "Ada@v2")
    train = tab(app)
    assert train.opened("Ada")[train.recipe]["value"] == ""
    with pytest.raises(UsageError, match="the recipe of Ada@champion cannot be read"):  # it has but a name here
        work.plan(app, {"author": "Ada", "recipe": ""}, silent)


class Stopped(BaseException):
    """As a process that is ended: nobody catches it."""


def stopped_training(app: App, by: str, folds: bool = False) -> None:
    def progress(stage: str, done: int, of: int | None) -> None:
        if stage == "train" and done > 4:
            raise Stopped

    with pytest.raises(Stopped):
        work.train(app, {"author": "Ada", "recipe": by, "folds": folds}, progress)


def test_a_training_that_was_stopped_is_found_again(app: App) -> None:
    by = own(app, "tiny")
    stopped_training(app, by)
    train = tab(app)  # of a page that knows of no job
    drawn = train.opened("Ada")
    assert drawn[train.recipe]["value"] == by
    assert drawn[train.train]["value"] == "Go on with the training"
    assert "goes on from its last checkpoint" in drawn[train.note]
    assert "<svg" in drawn[train.plot]
    chosen = train.chosen("Ada", "standard", False)
    assert chosen[train.train]["value"] == "Train"
    assert "choose “Your own: tiny”" in chosen[train.note]
    assert train.revisited("Ada", "standard", False)[train.recipe]["value"] == "standard"
    assert "stopped" not in train.opened("Bea")[train.note]
    told = trained(app, by)
    assert (told["model"], told["new"]) == ("Ada@v1", True)
    drawn = train.opened("Ada")
    assert (drawn[train.train]["value"], drawn[train.note]) == ("Train", chosen[train.note].partition(">")[0] + "></p>")


def test_a_training_whose_posts_have_changed_since_is_begun_anew(app: App) -> None:
    by = own(app, "tiny")
    stopped_training(app, by)
    fill(app.store, [post(99, voice(99, WORDS))])
    label("Ada", app.store, changed=True)
    train = tab(app)
    drawn = train.revisited("Ada", by, False)
    assert (drawn[train.train]["value"], drawn[train.plot]) == ("Train", "")
    assert "stopped" not in drawn[train.note]


def test_of_few_posts_the_recipe_is_measured_on_each(app: App) -> None:
    by, train = own(app, "tiny"), tab(app)
    boxes = {name: train.opened(name)[train.folds] for name in ("Ada", "Bea", None)}
    assert "A tick at “Few posts”" in worth_it(12, 2, 9)
    assert FOLDS.startswith("Few posts")
    assert [(box["value"], box["visible"]) for box in boxes.values()] == [(False, True), (False, True), (False, False)]
    stopped_training(app, by, folds=True)
    drawn = train.opened("Ada")
    assert (drawn[train.folds]["value"], drawn[train.recipe]["value"]) == (True, by)
    assert drawn[train.train]["value"] == "Go on with the training"
    assert train.chosen("Ada", by, False)[train.train]["value"] == "Train"
    told = work.train(app, {"author": "Ada", "recipe": by, "folds": True}, silent)
    assert app.registry.get(told["model"]).card.evaluation["delta_nll/folds"].n == 25
    fill(app.store, [post(number, voice(number, WORDS)) for number in range(25, 30)])
    assert not train.revisited("Ada", by, True)[train.folds]["visible"]


def test_two_versions_are_measured_on_the_same_posts_told_in_words_and_stopped(app: App) -> None:
    trained(app, own(app, "short", epochs=1, train_tokens=4000))
    for name, tokens in (("long", 16), ("other", 12)):  # the last is measured on texts of another length
        trained(app, own(app, name, generation_tokens=tokens))
    shell = Shell(app, "Ada")
    versions: Any = shell.tabs["versions"]
    for other, anew in (("Ada@v1", False), ("Ada@v3", True)):
        begun = versions.begun("Ada@v2", other)
        assert (begun[versions.measure]["visible"], begun[versions.stop]["visible"]) == (False, True)
        assert ("anew" in begun[versions.measured]) is anew
        job = shell._jobs.get("comparison")
        assert job
        limit = time.monotonic() + 300
        while job.ended is None:
            assert time.monotonic() < limit, "it is not finished"
            time.sleep(0.1)
        assert job.problem == ("", "")
        said = versions.revisited("Ada", "Ada@v2", other)[versions.measured]
        assert f"<h2>Ada@v2 and {other}, on the same posts</h2>" in said
        assert "5 of your posts that neither has seen" in said
        assert "ΔNLL" in said
        assert "cannot measure V of both" in said
        assert versions._drawn("Ada", "Ada@v1")[versions.measured] == ""
    versions.begun("Ada@v2", "Ada@v3")
    stopped = versions.stopped("Ada", "Ada@v2")
    assert "stopped after" in stopped[versions.measured]
    assert stopped[versions.measure]["visible"]
    with pytest.raises(gr.Error, match="no other version"):
        versions.begun("Ada@v2", None)
