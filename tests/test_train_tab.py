"""Trainings as the page begins them: by which recipe, what they replace, and what the page then says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from filelock import FileLock

from contracts.embedder import SentenceEmbedder
from contracts.errors import TrainingError, UsageError
from contracts.feature_store import FeatureStore
from contracts.feature_store.feedback import Feedback
from contracts.progress import silent
from contracts.records import Span
from feature_pipeline.edits import RULES
from feature_pipeline.label import label
from tests.browser import ON_THE_PAGE
from tests.fakes import WORDS, adapter, card, fill, post, recipe, recipe_file, stock, voice
from training_pipeline import run_folder
from training_pipeline.data_card import worth_it
from ui import acts
from ui.page import made, show_versions, temporary, work
from ui.page.shell import Shell
from ui.page.tabs.train import FOLDS, NOBODY, Train
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
    beside = [temporary.own(app.home) / name for name in ("Ada@v1.html", "Ada@v1 merged.zip")]
    for file in beside:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    app.store.guesses.add("Ada", "Ada@v1", app.store.posts("Ada")[0].id, right=True)
    told = trained(app, "")
    assert (told["model"], told["promoted"], told["replaced"], told["outdated"]) == ("Ada@v2", True, "Ada@v1", "")
    assert app.store.guesses.counted("Ada@v1") == (0, 0)
    assert not any(file.exists() for file in beside)
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


def test_a_challenger_that_learned_what_is_forgotten_is_to_be_deleted(app: App) -> None:
    gone = app.store.posts("Ada")[0].id
    for run in ("1", "2"):
        learned = {"train": (gone,), "validation": (), "test": ()}
        app.registry.register(card(run_id=run, posts=learned), adapter(app.home / run))
    app.registry.promote("Ada@v1")
    app.registry.challenge("Ada@v2")
    acts.forget(app, "Ada", [gone])
    assert "It was trained on a post that is forgotten since" in one(app, "Ada@v2")
    assert "whose words may be in its weights: delete it." in one(app, "Ada@v2")
    said = show_versions.learned(["Ada@v1", "Ada@v2", "Ada@v3", "Ada@v4"], app.registry.aliases("Ada"))
    assert " Ada@v1 learned from what is forgotten: train again, under Train." in said
    assert said.endswith(" Ada@v2, Ada@v3, Ada@v4 learned from what is forgotten: delete them, under Versions.")
    assert show_versions.learned([], app.registry.aliases("Ada")) == ""
    train = tab(app)
    assert train.opened("Ada")[train.recipe]["value"] == ""
    with pytest.raises(UsageError, match="the recipe of Ada@champion cannot be read"):  # it has but a name here
        work.plan(app, {"author": "Ada", "recipe": ""}, silent)


class Stopped(BaseException):
    """As a process that is ended: nobody catches it."""


def stopped_training(app: App, by: str, folds: bool = False) -> None:
    def progress(stage: str, done: int, of: int | None) -> None:
        if stage == "train" and of and done > of / 2:  # after its first checkpoint
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
    chosen = train.chosen("Ada", "standard", False, drawn[train.unfinished])
    assert chosen[train.train]["value"] == "Train"
    assert "choose “Your own: tiny”" in chosen[train.note]
    assert train.revisited("Ada", "standard", False)[train.recipe]["value"] == "standard"
    for chosen_by_hand, offered in ((drawn[train.by_hand], by), (chosen[train.by_hand], "quick")):
        standing = ("quick", False, {}, False, NOBODY, chosen_by_hand)  # as a training that has ended leaves them
        assert train.revisited("Ada", *standing)[train.recipe]["value"] == offered
    assert "stopped" not in train.opened("Bea")[train.note]
    told = trained(app, by)
    assert (told["model"], told["new"]) == ("Ada@v1", True)
    drawn = train.opened("Ada")
    assert (drawn[train.train]["value"], drawn[train.note]) == ("Train", chosen[train.note].partition(">")[0] + "></p>")


def test_a_training_that_failed_before_its_first_checkpoint_was_not_stopped(app: App) -> None:
    for name, changes in (("narrow", {"max_tokens": 64}), ("short", {"train_tokens": 50})):
        with pytest.raises(TrainingError):
            trained(app, own(app, name, **changes))
    assert len(run_folder.of(app.home, "Ada")) == 2
    train = tab(app)
    drawn = train.opened("Ada")
    assert (drawn[train.recipe]["value"], drawn[train.train]["value"]) == ("quick", "Train")
    assert "stopped" not in drawn[train.note]


def test_a_training_that_goes_on_in_a_terminal_was_not_stopped(app: App) -> None:
    by = own(app, "tiny")
    stopped_training(app, by)
    (folder,) = run_folder.of(app.home, "Ada")
    train = tab(app)
    with FileLock(folder.with_suffix(".lock")):
        drawn = train.opened("Ada")
        assert (drawn[train.train]["value"], drawn[train.unfinished]) == ("Train", {})
        assert "stopped" not in drawn[train.note]
    assert train.opened("Ada")[train.unfinished] == {by: folder}


def test_a_tick_and_another_recipe_read_no_post(app: App) -> None:
    by = own(app, "tiny")
    stopped_training(app, by)
    train = tab(app)
    drawn = train.opened("Ada")
    given: Any = app
    store, given.store = app.store, None
    try:
        ticked = train.ticked("Ada", by, False, drawn[train.unfinished])
        chosen = train.chosen("Ada", "standard", False, drawn[train.unfinished])
    finally:
        given.store = store
    assert {key: ticked[key] for key in (train.train, train.note, train.plot)} == {
        key: drawn[key] for key in (train.train, train.note, train.plot)
    }
    assert "choose “Your own: tiny”" in chosen[train.note]


def test_of_a_base_model_that_is_chosen_anew_nothing_is_fetched_to_draw_the_page(app: App) -> None:
    stopped_training(app, own(app, "tiny"))
    other = App(Settings(embedder=app.settings.embedder, base_model="nobody/has-this"), app.home)
    other.store = app.store
    train = tab(other)
    assert train.opened("Ada")[train.unfinished] == {}


def test_a_training_whose_posts_have_changed_since_is_begun_anew(app: App) -> None:
    by = own(app, "tiny")
    stopped_training(app, by)
    fill(app.store, [post(99, voice(99, WORDS))])
    label("Ada", app.store, changed=True)
    train = tab(app)
    drawn = train.revisited("Ada", by, False)
    assert (drawn[train.train]["value"], drawn[train.plot]) == ("Train", "")
    assert "stopped" not in drawn[train.note]


def test_edited_answers_are_read_before_a_stopped_training_is_looked_for(app: App) -> None:
    """The training would read them first, too, and so be another."""
    gone = app.store.posts("Ada")[0].id
    preference = {"pairs": 8, "beta": 0.1, "learning_rate": 1e-4, "batch": 4}
    told = {"preference": {"not_kept": [], "edits": 2}}
    posts = {"train": (gone,), "validation": (), "test": ()}
    of = {"posts": posts, "training": told, "recipe": recipe(preference=preference).model_dump()}
    app.registry.register(card(**of), adapter(app.home / "a"))
    app.registry.promote("Ada@v1")
    acts.forget(app, "Ada", [gone])
    left = app.store.posts("Ada")[0].id
    edited = {"question": "What?", "answer": "As it was, in many words.", "edited": "As it should be, in many words."}
    app.store.feedback.add(
        Feedback(
            author="Ada", model="Ada@v1", snapshot="s", prompt_hash="p", verdict="edited",
            passages=(Span(post_id=left, start=0, end=30),), **edited,
        )
    )  # fmt: skip
    assert app.store.feedback.unlabelled("Ada", RULES)
    train = tab(app)
    assert train.opened("Ada")[train.recipe]["value"] == ""
    assert not app.store.feedback.unlabelled("Ada", RULES)


def test_of_few_posts_the_recipe_is_measured_on_each(app: App) -> None:
    by, train = own(app, "tiny"), tab(app)
    fill(app.store, [post(number, "Gm.", day=0) for number in range(50, 60)])  # nothing is learned from these
    label("Ada", app.store, changed=True)
    boxes = {name: train.opened(name)[train.folds] for name in ("Ada", "Bea", None)}
    assert "A tick at “Few posts”" in worth_it(12, 2, 9)
    assert FOLDS.startswith("Few posts")
    assert [(box["value"], box["visible"]) for box in boxes.values()] == [(False, True), (False, True), (False, False)]
    stopped_training(app, by, folds=True)
    drawn = train.opened("Ada")
    assert (drawn[train.folds]["value"], drawn[train.recipe]["value"]) == (True, by)
    assert drawn[train.train]["value"] == "Go on with the training"
    assert train.folded("Ada", by, False)[train.train]["value"] == "Train"
    told = work.train(app, {"author": "Ada", "recipe": by, "folds": True}, silent)
    assert app.registry.get(told["model"]).card.evaluation["delta_nll/folds"].n == 25
    fill(app.store, [post(number, voice(number, WORDS)) for number in range(25, 30)])
    label("Ada", app.store, changed=True)
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


def test_newer_posts_are_learned_from_where_that_is_ticked(app: App) -> None:
    by, train = own(app, "tiny"), tab(app)
    assert not train.opened("Ada")[train.new_split]["visible"]  # nothing is settled: the borders move by themselves
    trained(app, by)
    newer = [post(number, voice(number, WORDS), day=number) for number in range(25, 31)]
    fill(app.store, newer)
    label("Ada", app.store, changed=True)
    held_out = {id_ for id_, part in app.store.splits("Ada")[0].items() if part == "test"}
    assert {one.id for one in newer} < held_out
    with pytest.raises(gr.Error, match="Untick them first"):
        train.planned("Ada", by, False, True)
    told_ = work.train(app, {"author": "Ada", "recipe": by, "new_split": True}, silent)
    learned = app.registry.get(told_["model"]).card.posts
    assert held_out & set(learned["train"])
    assert set(learned["test"]) <= {one.id for one in newer}


def test_a_tick_for_a_new_split_begins_anew_and_stands_until_the_borders_are_moved(app: App) -> None:
    by = own(app, "tiny")
    stopped_training(app, by)
    for author in ("Ada", "Bea"):
        app.store.freeze_split(author)
    shell = Shell(app, "Ada")
    train: Any = shell.tabs["train"]
    assert train.opened("Ada")[train.train]["value"] == "Go on with the training"
    drawn = train.parted("Ada", by, False, True)
    assert (drawn[train.train]["value"], drawn[train.unfinished]) == (
        "Train",
        {},
    )  # the old split's is not gone on with
    assert "stopped" not in drawn[train.note]
    asked = drawn[train.asked]

    def stands(author: str) -> dict[str, Any]:
        changed: dict[str, Any] = train.revisited(author, by, False, {}, True, asked)
        return changed

    assert stands("Ada")[train.new_split] == gr.update(value=True, visible=True)
    assert stands("Ada")[train.train]["value"] == "Train"
    assert train.parted("Ada", by, False, False)[train.train]["value"] == "Go on with the training"
    assert stands("Bea")[train.new_split] == gr.update(value=False, visible=True)  # it was not ticked for her
    assert not train._to_part("Bea", True, asked)
    for _ in range(2):  # whatever hinders it, it is asked for again
        with app.store.writing("an ingest"):
            train.begun("Ada", by, False, True, asked)
            job = ended(shell)
        assert "an ingest" in job.problem[0]
        assert acts.NEW_SPLIT not in job.stages
        assert stands("Ada")[train.new_split]["value"]
    train.begun("Ada", by, False, True, asked)
    job = ended(shell, lambda job: acts.NEW_SPLIT in job.stages)
    drawn = train.stopped("Ada", by, False, {}, True, asked, False)
    assert not drawn[train.new_split]["value"]
    assert train.revisited("Ada", by, False, {}, True, ("Ada", time.time()))[train.new_split]["value"]  # ticked again


def ended(shell: Shell, soon: Any = lambda job: False) -> Any:
    """The training, at its end or once it is as far as that."""
    job = shell._jobs.get("training")
    assert job
    limit = time.monotonic() + 120
    while job.ended is None and not soon(job):
        assert time.monotonic() < limit, "it is not finished"
        time.sleep(0.05)
    return job
