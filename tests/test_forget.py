"""Forgetting, from the outside in: whatever points at the words goes, or is told, before the words themselves."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import ModelError, NotFound
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry
from feature_pipeline import pipeline
from tests.fakes import WORDS, WordEmbedder, adapter, card, fill, post, voice
from ui import acts
from ui.settings import Settings
from ui.wiring import App


class PoweredDownError(Exception):
    pass


class DyingRegistry(ModelRegistry):
    """Ends when it is to delete its second version."""

    def delete(self, model: str, *given: Any, **named: Any) -> str:
        if model.endswith("@v2"):
            raise PoweredDownError
        return super().delete(model, *given, **named)


class DyingStore(FeatureStore):
    """Ends with the first post that it is to forget, as a process does whose machine is switched off."""

    dying = True
    dying_last = False

    def leave_no_trace(self) -> bool:
        if self.dying_last:
            raise PoweredDownError
        return super().leave_no_trace()

    def forget(self, author: str, post_ids: Sequence[str]) -> bool:
        if self.dying:
            raise PoweredDownError
        return super().forget(author, post_ids)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    made = App(Settings(), tmp_path)
    made.store = DyingStore(tmp_path, WordEmbedder())
    fill(made.store, [post(number, voice(number, WORDS)) for number in range(4)])
    yield made
    made.store.close()


def learned(app: App, *numbers: int, author: str = "Ada") -> str:
    """The name of a version that learned from these posts."""
    posts = {"train": tuple(post(number, "").id for number in numbers), "validation": (), "test": ()}
    return app.registry.register(card(author, str(numbers), posts=posts), adapter(app.home / "adapter")).name


def test_a_version_is_flagged_though_forgetting_was_cut_off_and_once_though_it_is_done_again(app: App) -> None:
    name, gone = learned(app, 0, 1), post(0, "").id
    learned(app, 2)
    with pytest.raises(PoweredDownError):
        acts.forget(app, "Ada", [gone])
    version = app.registry.get(name)
    assert app.registry.forgotten(version) == 1
    assert gone in [one.id for one in app.store.posts("Ada")]
    assert isinstance(app.store, DyingStore)
    app.store.dying = False
    done = acts.forget(app, "Ada", [gone])
    assert (done.posts, done.adapters) == ([gone], [name])
    assert app.registry.forgotten(version) == 1
    assert gone not in [one.id for one in app.store.posts("Ada")]


def test_what_learned_from_a_source_or_from_an_author_is_flagged(app: App) -> None:
    ids = [one.id for one in app.store.posts("Ada")]
    first, second = learned(app, 0, 1), learned(app, 3)
    fill(app.store, [post(0, "Brass sings.", author="Bea")])
    other = app.registry.register(
        card("Bea", posts={"train": (post(0, "", author="Bea").id,), "validation": (), "test": ()}),
        adapter(app.home / "adapter"),
    )
    done = acts.forget(app, "Ada")
    assert (sorted(done.posts), done.adapters) == (sorted(ids), [first, second])
    assert [app.registry.forgotten(app.registry.get(name)) for name in (first, second)] == [2, 1]
    assert app.registry.forgotten(other) == 0
    assert app.store.posts("Ada") == []


def test_what_learned_from_a_post_that_its_source_deleted_is_flagged_with_all_of_the_author(
    app: App, tmp_path: Path
) -> None:
    folder = tmp_path / "posts"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.md").write_text(f"# Number {number}\n\n{voice(number, WORDS)}", encoding="utf-8")
    pipeline.run([str(folder)], "Bea", app.store)
    gone = next(one for one in app.store.posts("Bea") if one.title == "Number 2")
    (folder / "2.md").unlink()
    assert pipeline.run([str(folder)], "Bea", app.store).deleted == 1
    posts = {"train": (gone.id,), "validation": (), "test": ()}
    version = app.registry.register(card("Bea", posts=posts), adapter(app.home / "adapter"))
    assert acts.forget(app, "Bea").adapters == [version.name]
    assert app.registry.forgotten(version) == 1


def test_with_the_author_every_version_goes_and_where_that_was_cut_off_the_rest_with_the_next_try(app: App) -> None:
    names = [learned(app, number) for number in range(3)]
    for name in names[:2]:
        app.registry.promote(name)
    torn = app.registry.get(names[2]).folder / "card.json"
    torn.write_text("{", encoding="utf-8")
    other = app.registry.register(card("Bea"), adapter(app.home / "adapter"))
    whole, app.registry = app.registry, DyingRegistry(app.home)
    with pytest.raises(PoweredDownError):
        acts.forget(app, "Ada", models=True)
    assert app.registry.names("Ada") == names[1:]
    assert len(app.store.posts("Ada")) == 4  # the words last: while they are there, the same command can be given again
    app.registry = whole
    assert isinstance(app.store, DyingStore)
    app.store.dying = False
    done = acts.forget(app, "Ada", models=True)
    assert (done.adapters, done.versions, len(done.posts)) == (names[1:2], names[1:], 4)
    assert app.registry.champion("Ada") is None
    assert [one.did for one in app.registry.aliases("Ada").history] == [
        "promoted", "promoted", "deleted", "retired", "deleted", "deleted",
    ]  # fmt: skip
    assert app.store.posts("Ada") == []
    assert app.registry.names("Bea") == [other.name]


def test_guesses_go_with_their_version_and_stay_where_its_deletion_fails(app: App) -> None:
    name, guesses = learned(app, 0, 1), app.store.guesses
    guesses.add("Ada", name, post(2, "").id, right=True)
    reports = app.home / "reports"
    (reports / f"{name}.html").mkdir(parents=True)  # no file: it cannot be removed as one
    with pytest.raises(ModelError):
        acts.delete_version(app, name)
    assert (guesses.counted(name), app.registry.names("Ada")) == ((1, 1), [name])
    (reports / f"{name}.html").rmdir()
    assert acts.delete_version(app, name) == name
    assert (guesses.counted(name), app.registry.names("Ada")) == ((0, 0), [])


def test_an_author_whose_forgetting_was_stopped_in_its_last_step_leaves_no_trace_after_the_next_try(app: App) -> None:
    store = app.store
    assert isinstance(store, DyingStore)
    store.search("brass", "Ada")
    store.dying_last = True
    with pytest.raises(PoweredDownError):
        acts.forget(app, "Ada")
    store.dying_last = False
    reader = sqlite3.connect(app.home / "ledger.sqlite3")
    assert reader.execute("SELECT count(*) FROM vectors").fetchone()[0]
    reader.close()
    with pytest.raises(NotFound, match="no posts by 'Ada'"):
        acts.require_author(app, "Ada")
    reader = sqlite3.connect(app.home / "ledger.sqlite3")
    assert reader.execute("SELECT count(*) FROM vectors").fetchone() == (0,)
    reader.close()
    words = voice(1, WORDS)[:40].encode()
    assert [path.name for path in app.home.rglob("*") if path.is_file() and words in path.read_bytes()] == []
