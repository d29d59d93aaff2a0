"""What the page says of a training that is over and of posts that are looked at, and that its clock makes no error."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import gradio as gr
import pytest

from contracts.feature_store.conversations import LISTED, Said
from contracts.model_registry import ModelRegistry
from contracts.progress import silent
from feature_pipeline import pipeline
from inference_pipeline.twin import Question
from tests.browser import ON_THE_PAGE, WREN, small, stock
from tests.fakes import adapter, card
from ui.page import made, show_posts, show_versions, work
from ui.page.shell import Shell
from ui.page.tabs.posts import Posts
from ui.page.tabs.shared import in_sentences

pytestmark = ON_THE_PAGE

OVER = {"new": True, "promoted": False, "replaced": "", "refused": "", "outdated": ""}
NO_OTHERS = "specificity cannot be measured: no reference authors: ingest other people's posts with --reference"


def result(home: Path, told: dict[str, object], gate: tuple[str, ...] = (), recipe: str = "quick") -> str:
    one = card(gate=gate, recipe={"name": recipe}, posts={"train": ("a", "b"), "validation": (), "test": ()})
    return made.result(ModelRegistry(home).register(one, adapter(home / "adapter")), {**OVER, **told}, 60)


def test_a_version_that_is_kept_back_says_why_and_what_one_can_do(tmp_path: Path) -> None:
    said = result(tmp_path, {}, ("delta_nll: the interval's lower end -0.0100 is not above 0.0", NO_OTHERS))
    assert "registered, and was not made the champion" in said
    assert "ΔNLL (how much less your held-out posts surprise the adapter than its base model): the interval" in said
    for way in ("press Promote", "“Standard”", "it has learned from 2", "“Another person, only to compare with”"):
        assert way in said


def test_only_what_would_help_is_advised(tmp_path: Path) -> None:
    said = result(tmp_path, {"refused": "another became champion meanwhile"}, recipe="standard")
    assert "another became champion meanwhile" in said
    assert "press Promote" in said
    assert "“Standard”" not in said
    assert "“Another person" not in said
    assert "What you can do" not in result(tmp_path / "promoted", {"promoted": True})


def test_a_look_says_what_would_be_refused_also_what_is_forgotten(tmp_path: Path) -> None:
    files = tmp_path / "posts"
    files.mkdir()
    (files / "rain.md").write_text("# Rain\n\n" + "Rain falls on brass when the spring bends. " * 8)
    (files / "empty.md").write_text("")
    app = small(tmp_path / "home").app
    pipeline.run([str(files)], "Gil", app.store, chunker=app.chunker, progress=silent)
    (post,) = app.store.posts("Gil")
    app.store.forget("Gil", [post.id])
    found = work.preview(app, {"parts": [{"sources": [str(files)], "author": "Gil"}]}, silent)
    app.store.close()
    assert found["report"]["refused"] == {"forgotten": 1, "empty": 1}
    said = show_posts.outcome(found)
    assert "0 posts would be taken in, 2 refused" in said
    assert "rain.md: you said to forget it" in said


def test_the_clock_goes_on_while_a_job_runs_and_the_chat_is_looked_at(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    twin = small(tmp_path)
    stock(twin)
    shell = Shell(twin.app)
    request.addfinalizer(shell._jobs.close)
    part = {"sources": [str(tmp_path)], "author": WREN}
    shell._jobs.start("posts", "Looking", WREN, {"do": "preview", "parts": [part]})
    assert shell._jobs.running()
    ticked = shell._ticked(gr.Request(), WREN, "chat")  # of an empty dict, Gradio would make an error a second
    assert list(ticked) == [shell.wrong]
    twin.app.store.close()


def test_after_a_restart_the_last_reading_is_still_told(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    (tmp_path / "rain.md").write_text("# Rain\n\n" + "Rain falls on brass when the spring bends. " * 8)
    app = small(tmp_path / "home").app
    pipeline.run([str(tmp_path / "rain.md")], "Gil", app.store, chunker=app.chunker, progress=silent)
    shell = Shell(app)
    request.addfinalizer(shell._jobs.close)
    posts = shell.tabs["posts"]
    assert isinstance(posts, Posts)
    told = posts.opened("Gil")[posts.report]
    assert "The last reading, of 20" in told
    assert "1 new, 0 changed" in told
    assert posts.opened(None)[posts.report] == ""
    app.store.close()


def test_a_list_that_is_full_says_so_and_a_search_without_hits_too(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    twin = small(tmp_path)
    stock(twin)
    conversations, answer = twin.app.store.conversations, twin.app.twin.ask(Question("What of the church clock?", WREN))
    for number in range(LISTED + 1):
        conversations.keep("", WREN, [Said(question=f"Question {number}?", answer=answer)])
    shell = Shell(twin.app)
    request.addfinalizer(shell._jobs.close)
    kept, asked = shell.chat.kept, gr.Request(username=None)
    assert "The latest 50: words find older ones." in kept.found(WREN, "", "", asked)
    assert "The latest" not in kept.found(WREN, "Question 7?", "", asked)
    assert "No conversation has these words." in kept.found(WREN, "zygomorphic", "", asked)
    twin.app.store.close()


def test_a_search_that_fails_is_told_on_the_page(tmp_path: Path) -> None:
    twin = small(tmp_path)
    stock(twin)
    posts = Shell(twin.app).tabs["posts"]
    assert isinstance(posts, Posts)
    assert "data-id" in posts.searched(WREN, "", "")[posts.list]
    with contextlib.closing(sqlite3.connect(twin.app.home / "ledger.sqlite3")) as ledger:
        ledger.execute("DROP TABLE posts")
    for search in (lambda: posts.searched(WREN, "", ""), lambda: posts.turned(WREN, "", "", 0)):
        with pytest.raises(gr.Error, match="failed"):
            search()
    twin.app.store.close()


def test_a_map_that_cannot_be_drawn_says_so_in_its_place(tmp_path: Path) -> None:
    twin = small(tmp_path)
    stock(twin)
    posts = Shell(twin.app).tabs["posts"]
    assert isinstance(posts, Posts)
    with contextlib.closing(sqlite3.connect(twin.app.home / "ledger.sqlite3")) as ledger:
        ledger.execute("DROP TABLE posts")
    *_, said = posts.mapped(WREN)
    assert 'class="problem"' in said
    assert "The ledger failed: no such table: posts" in said
    twin.app.store.close()


def test_a_way_out_that_is_a_command_says_so() -> None:
    assert in_sentences("no post x", "twin search y") == "No post x. In a terminal: twin search y"
    assert in_sentences("this is gone", "begin a new one") == "This is gone. Begin a new one"
    assert in_sentences("write a question first.", "") == "Write a question first."


def test_the_versions_tab_says_what_the_reasons_mean_too(tmp_path: Path) -> None:
    one = card(gate=(NO_OTHERS,), posts={"train": (), "validation": (), "test": ()})
    version = ModelRegistry(tmp_path).register(one, adapter(tmp_path / "adapter"))
    assert "it learned you, not the genre) cannot be measured" in show_versions.version(version, "", 0, "")
