"""What the page knows as its tabs are looked at again: who is there now, and what a person had chosen."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from contracts.errors import StoreError
from feature_pipeline import pipeline
from feature_pipeline.label import label
from tests import fakes
from tests.browser import ADA, ON_THE_PAGE, WREN, Small, small, stock, written
from tests.fakes import adapter, card, fill
from ui import acts
from ui.page.jobs import Job
from ui.page.shell import Shell
from ui.page.tabs.me import Me
from ui.page.tabs.posts import Posts, _kept
from ui.page.temporary import own, temporary, uploads
from ui.settings import Settings
from ui.wiring import App

pytestmark = ON_THE_PAGE

HERE = gr.Request(session_hash="one tab")
FAY = "Fay"


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Small]:
    made = small(tmp_path, pause=0.0)
    stock(made)
    yield made
    made.app.store.close()


@pytest.fixture
def shell(twin: Small) -> Shell:
    return Shell(twin.app, WREN)


@pytest.fixture
def posts(shell: Shell) -> Posts:
    tab = shell.tabs["posts"]
    assert isinstance(tab, Posts)
    return tab


def opened(shell: Shell, tab: str, author: str | None = WREN, **stands: Any) -> Any:
    """The tab, selected, where these of its parts stand so."""
    return shell._opener(shell.tabs[tab])(HERE, author, *standing(shell, tab, **stands))


def standing(shell: Shell, tab: str, **stands: Any) -> list[Any]:
    made, values = shell.tabs[tab], {getattr(shell.tabs[tab], name): value for name, value in stands.items()}
    return [values.get(part) for part in made.standing()]


def ticked(shell: Shell, tab: str, **stands: Any) -> Any:
    """What the clock draws on the tab."""
    every = [value for other in shell.tabs for value in standing(shell, other, **(stands if other == tab else {}))]
    return shell._ticked(HERE, WREN, tab, *every)


def ended(shell: Shell, kind: str, author: str, **result: Any) -> Job:
    job = shell._jobs._jobs[kind] = Job(kind, "What was done", author, frozenset({author}), state="done", result=result)
    return job


# ---- who is there ---------------------------------------------------------------------------------------------------


def test_whoever_a_terminal_takes_in_or_forgets_is_known_at_the_next_tab(shell: Shell, twin: Small) -> None:
    fill(twin.app.store, [written("Bea", "Rain", "Rain falls on brass when the spring bends.")])
    for drawn in (opened(shell, "train"), shell._chat_opened(WREN, [], "", HERE)):
        assert drawn[shell.author]["choices"] == [ADA, "Bea", WREN]
        assert "value" not in drawn[shell.author]
    acts.forget(twin.app, WREN)
    for drawn in (opened(shell, "train"), shell._chat_opened(WREN, [], "", HERE)):
        assert (drawn[shell.author]["choices"], drawn[shell.author]["value"]) == ([ADA, "Bea"], ADA)
        assert drawn[shell.chat.question]["placeholder"] == f"Ask {ADA}"


def test_with_an_authors_last_post_the_page_goes_over_to_another(shell: Shell, posts: Posts, twin: Small) -> None:
    (engines,) = twin.app.store.posts(ADA)
    assert shell._gone(ADA, HERE) == gr.skip()
    posts.forgotten(ADA, engines.id, "", "")
    drawn = shell._gone(ADA, HERE)
    assert drawn[shell.author]["value"] == WREN
    assert f"Stored of {WREN}" in drawn[posts.summary]


class Broken:
    """A store whose ledger was torn while the page ran."""

    def __getattr__(self, name: str) -> None:
        raise StoreError("the ledger is torn", "move it away")


def test_a_store_that_cannot_be_read_is_told_with_its_way_out(tmp_path: Path) -> None:
    twin: Any = small(tmp_path)
    shell = Shell(twin.app)
    twin.app.store.close()
    twin.app.store = Broken()
    drawn = opened(shell, "settings", None)
    assert "The ledger is torn.</div>" in drawn[shell.tabs["settings"].memory]  # type: ignore[attr-defined]
    assert "Move it away" in drawn[shell.tabs["settings"].memory]  # type: ignore[attr-defined]
    assert "TWIN_TEMPERATURE" in drawn[shell.tabs["settings"].values]  # type: ignore[attr-defined]


def test_a_store_that_fails_in_the_middle_is_told_on_every_tab(shell: Shell, twin: Small) -> None:
    stands = {"of": WREN, "words": "", "format": "", "first": 0, "model": f"{WREN}@v2"}
    store, twin.app.store = twin.app.store, Broken()  # type: ignore[assignment]
    for tab in shell.tabs:
        chosen = shell._chosen(WREN, tab, HERE)
        here = {name: value for name, value in stands.items() if hasattr(shell.tabs[tab], name)}
        seen = shell._chat_opened(WREN, [], "", HERE) if tab == "chat" else opened(shell, tab, WREN, **here)
        for drawn in (seen, ticked(shell, tab, **here)):
            assert "The ledger is torn.</div>" in drawn[shell.wrong]["value"]
            assert drawn[shell.where] == tab if drawn is seen else not drawn[shell.timer].active
        assert "The ledger is torn" in str(list(chosen.values()))
    twin.app.store = store
    assert not opened(shell, "me", model=f"{WREN}@v2")[shell.wrong]["visible"]


def test_a_first_reading_that_fails_is_told_where_it_was_begun(tmp_path: Path) -> None:
    shell = Shell(App(Settings(embedder=str(tmp_path / "absent")), tmp_path / "home"))
    first = shell.chat.first
    begun = first.sampled()
    assert (begun[first.sample]["interactive"], "Reading" in begun[first.progress]) == (False, True)
    limit = time.monotonic() + 60
    while shell._jobs.running():
        assert time.monotonic() < limit, "it is not finished"
        time.sleep(0.05)
    drawn = shell._ticked(HERE, None, "chat")
    assert drawn[first.sample]["interactive"]
    assert "absent" in drawn[first.progress]
    shell._app.store.close()


# ---- what was chosen ------------------------------------------------------------------------------------------------


def test_an_export_ends_with_its_download_whichever_version_it_is_of(shell: Shell, tmp_path: Path) -> None:
    versions: Any = shell.tabs["versions"]
    (tmp_path / "v1.zip").touch()
    ended(shell, "export", WREN, file=str(tmp_path / "v1.zip"), model=f"{WREN}@v1")
    drawn = ticked(shell, "versions", version=f"{WREN}@v1")
    assert drawn[versions.version] == f"{WREN}@v1"
    assert drawn[versions.download]["visible"]
    assert versions.more not in drawn
    assert opened(shell, "versions", version=f"{WREN}@v1")[versions.version] == f"{WREN}@v1"
    for gone in (f"{WREN}@v7", f"{ADA}@v1", ""):
        assert opened(shell, "versions", version=gone)[versions.version] == f"{WREN}@v2"


def test_the_version_that_was_trained_is_the_one_that_is_opened(shell: Shell) -> None:
    train: Any = shell.tabs["train"]
    ended(shell, "training", WREN, model=f"{WREN}@v1")
    assert train.looked()[1] == f"{WREN}@v1"


def test_what_is_looked_for_and_read_among_the_posts_stays(shell: Shell, posts: Posts, twin: Small) -> None:
    clock = next(post for post in twin.app.store.posts(WREN) if "clock" in post.title)
    stands = {"whose": "", "of": WREN, "words": "pendulum", "format": "", "first": 0, "read": clock.id}
    for drawn in (opened(shell, "posts", **stands), ticked(shell, "posts", **stands)):
        assert "1 post</p>" in drawn[posts.list]
        assert not {posts.post, posts.words, posts.read} & set(drawn)
    drawn = opened(shell, "posts", **{**stands, "read": "gone"})
    assert drawn[posts.post] == ""
    drawn = opened(shell, "posts", **{**stands, "of": ADA})
    assert (drawn[posts.post], drawn[posts.words], drawn[posts.of]) == ("", "", WREN)


# ---- taking in ------------------------------------------------------------------------------------------------------


def test_what_would_be_taken_in_is_shown_where_its_author_is_named_and_goes_with_them(
    shell: Shell, posts: Posts, twin: Small
) -> None:
    report = {"author": "Gil", "found": 1, "refused": {}, "examples_of_refusals": {}, "failed": {}}
    looked = [{"title": "", "date": "", "words": 2, "text": "Brass rain"}]
    stands = {"of": WREN, "words": "", "format": "", "first": 0, "read": ""}
    fill(twin.app.store, [written("Gil", "Rain", "Rain falls on brass when the spring bends.")])
    with temporary(twin.app.home):
        for forgotten in (False, True):
            ended(shell, "posts", "Gil", posts=looked, kept=1, report=report)
            if forgotten:
                acts.forget(twin.app, "Gil")  # as a terminal does, which does not know of this page
            for whose, shown in (("", False), ("Bea", False), (" Gil ", not forgotten)):
                for drawn in (
                    opened(shell, "posts", whose=whose, **stands),
                    posts.ticked(WREN, *standing(shell, "posts", whose=whose)),
                ):
                    assert ("Brass rain" in drawn[posts.report]) is shown


def test_uploads_that_are_refused_do_not_stay(
    posts: Posts, twin: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with temporary(twin.app.home) as folder:
        (folder / "a.md").write_text("Rain falls on brass.")
        (folder / "b.md").write_text("Rain falls on brass.")
        files = [str(folder / "a.md"), str(folder / "b.md")]
        with pytest.raises(gr.Error, match="no web address"):
            posts.taken("Gil", files, "/etc", False, WREN)
        assert not uploads(twin.app.home).exists()
        (folder / "b.md").unlink()
        with pytest.raises(gr.Error, match="not here any more"):
            posts.taken("Gil", files, "", False, WREN)
        assert not (uploads(twin.app.home) / "Gil").exists()
        monkeypatch.setattr(sys, "executable", "/absent")
        with pytest.raises(gr.Error, match="Something failed"):
            posts.looked("Gil", files[:1], "", False, WREN)
        assert not (uploads(twin.app.home) / "Gil").exists()
        assert (folder / "a.md").is_file()  # to be taken in yet
        (uploads(twin.app.home) / "Gil").mkdir(parents=True)
    with temporary(twin.app.home):
        assert not uploads(twin.app.home).exists()  # what a page that was killed has left


def test_files_of_one_name_are_all_read(tmp_path: Path) -> None:
    files = []
    for number, text in enumerate(["One.", "Two.", "One.", "Three."]):
        file = tmp_path / "page" / str(number) / ("posts.csv" if number < 3 else "notes.csv")
        file.parent.mkdir(parents=True)
        file.write_text(text)
        files.append(str(file))
    kept = [Path(file) for file in _kept(tmp_path, tmp_path / "kept", files)]
    assert [(file.name, file.read_text()) for file in kept] == [
        ("posts.csv", "One."),
        ("posts.csv", "Two."),
        ("notes.csv", "Three."),
    ]
    assert kept[2].parent == tmp_path / "kept"
    assert [Path(file) for file in _kept(tmp_path, tmp_path / "kept", files)] == kept


def test_a_place_is_read_again_and_forgotten(shell: Shell, posts: Posts, twin: Small, tmp_path: Path) -> None:
    dropped = uploads(twin.app.home) / "Gil" / "b"
    places = [tmp_path / "a", dropped]
    for place in places:
        place.mkdir(parents=True)
        (place / f"{place.name}.md").write_text(f"# {place.name}\n\nRain falls on brass at {place.name}, once a day.")
    pipeline.run(list(map(str, places)), "Gil", twin.app.store)
    drawn = posts.sources.drawn("Gil")
    first, second = re.findall(r'data-id="(\w+)"', drawn[posts.sources.list])
    assert str(tmp_path) not in drawn[posts.sources.list]
    shows = [posts.sources.drawn("Gil", id)[posts.sources.again]["visible"] for id in (first, second)]
    assert shows == [True, False]
    begun = posts.sources.read("Gil", first, "")
    assert begun[posts.stop]["visible"]
    job = shell._jobs.get("posts")
    assert job
    assert (job.author, job.what) == ("Gil", "Reading a again")
    shell._jobs.close()
    assert "everything from a (1)?" in posts.sources.asked("Gil", first)[posts.sources.sure.words]
    posts.sources.forgotten("Gil", first)
    assert [post.title for post in twin.app.store.posts("Gil")] == ["b"]
    with pytest.raises(gr.Error, match="not there any more"):
        posts.sources.forgotten(WREN, second)


def test_forgetting_takes_copies_of_reports_and_uploads_with_it(twin: Small) -> None:
    home = twin.app.home
    report = home / "reports" / f"{WREN}@v1.html"
    copy, other = own(home) / "0f" / report.name, own(home) / f"{ADA}@v1.html"
    left = uploads(home) / WREN / "posts.csv"
    exports = [
        own(home) / "1e" / f"{name}@v1 {format}.zip" for name in (WREN, ADA) for format in ("peft", "merged", "gguf")
    ]
    for file in (report, copy, other, left, *exports):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    twin.app.registry.register(card(WREN), adapter(home / "wren"))
    acts.forget(twin.app, WREN, models=True)
    assert [file.exists() for file in (report, copy, other, left)] == [False, False, True, False]
    assert [file.exists() for file in exports] == [False] * 3 + [True] * 3


# ---- the game -------------------------------------------------------------------------------------------------------


@pytest.fixture
def me(shell: Shell, twin: Small) -> Me:
    """Fay has a version, and held-out posts that can be told from it."""
    text = "I wind the church clock on Sundays, and count every turn. " * 6
    fill(twin.app.store, [fakes.post(number, f"{number} {text}", author=FAY) for number in range(12)])
    label(FAY, twin.app.store, changed=True)
    held_out = tuple(sorted({example.post_id for example in twin.app.store.examples(FAY, "test")}))
    made = card(FAY, posts={"train": (), "validation": (), "test": held_out})
    twin.app.registry.register(made, adapter(twin.app.home / "fay"))
    tab = shell.tabs["me"]
    assert isinstance(tab, Me)
    return tab


def test_a_pair_is_guessed_about_once(me: Me, shell: Shell, twin: Small) -> None:
    me.begun(f"{FAY}@v1", HERE)
    dealt = me.dealt(FAY, f"{FAY}@v1", HERE)
    round_ = dealt[me.round]
    assert not dealt[me.stop]["visible"]
    kept = opened(shell, "me", FAY, model=f"{FAY}@v1", round=round_)
    assert me.table not in kept
    assert opened(shell, "me", WREN, model=f"{FAY}@v1", round=round_)[me.round] is None
    guessed = me._guess(round_.mine)(round_, HERE)
    assert guessed[me.round] is None
    with pytest.raises(gr.Error, match="guessed already"):
        me._guess(0)(guessed[me.round], HERE)
    assert twin.app.store.guesses.known(FAY, "") == {round_.post_id}
    assert twin.app.store.guesses.counted(f"{FAY}@v1") == (1, 1)


def test_a_pair_is_stopped_and_never_dealt_to_another_author(me: Me, twin: Small) -> None:
    model = f"{FAY}@v1"
    begun = me.begun(model, HERE)
    assert begun[me.stop]["visible"]
    with pytest.raises(gr.Error, match="being written"):
        me.begun(model, HERE)
    assert me.stopped(HERE)[me.stop]["value"] == "Stopping…"
    stopped = me.dealt(FAY, model, HERE)
    assert "Stopped" in stopped[me.asked]
    assert stopped[me.deal]["visible"]
    assert me.stopped(HERE)[me.deal]["visible"]  # nothing is written any more
    me.begun(model, HERE)
    assert me.left_behind(HERE)[me.round] is None
    assert me.dealt(FAY, model, HERE) == gr.skip()
    me.begun(model, HERE)
    assert "no version of" in me.dealt(WREN, model, HERE)[me.asked]
