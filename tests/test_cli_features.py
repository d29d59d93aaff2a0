"""The commands that keep posts in step with their sources: sync, sources, report, forget, features."""

from __future__ import annotations

import io
import sqlite3
from html import escape
from pathlib import Path

import pytest

from contracts.model_registry import ModelRegistry
from tests.blog_server import PROSE, Blog, Reply, article
from tests.conftest import Twin
from tests.fakes import adapter, card
from ui.page import show_posts

TEXTS = (
    "The clock runs slow when rain falls on brass, and I count every screw twice.",
    "A spring bends before it breaks. Tea helps; tea always helps.",
    "Zinc is a metal that nobody thanks.",
    "Relay coils hum a little under load, which I like.",
)


@pytest.fixture(autouse=True)
def small_models(embedder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_EMBEDDER", str(embedder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "posts"
    made.mkdir()
    for number, text in enumerate(TEXTS):
        front = f"title: Post {number}\ndate: 2024-01-0{number + 1}\nurl: https://ada.example/{number}"
        (made / f"{number}.md").write_text(f"---\n{front}\n---\n{text}\n", encoding="utf-8")
    return made


@pytest.fixture
def filled(folder: Path, twin: Twin) -> Path:
    assert twin("ingest", folder, "--author", "Ada").code == 0
    return folder


def test_a_report_adds_up_and_is_kept(filled: Path, twin: Twin) -> None:
    (filled / "draft.md").write_text("---\ndraft: true\n---\nNot yet.", encoding="utf-8")
    (filled / "empty.md").write_text("", encoding="utf-8")
    (filled / "0.md").write_text("---\ntitle: Post 0\n---\nThe clock is mended.", encoding="utf-8")
    (filled / "3.md").unlink()
    made = twin("ingest", filled, "--author", "Ada", "--json").json
    assert (made["found"], made["kept"], made["changed"], made["unchanged"], made["deleted"]) == (5, 3, 1, 2, 1)
    assert made["refused"] == {"draft": 1, "empty": 1}
    assert made["found"] == made["kept"] + made["duplicate"] + sum(made["refused"].values())
    assert made["corpus"]["posts"] == 3
    assert (made["corpus"]["first"], made["corpus"]["last"]) == ("2024-01-02", "2024-01-03")
    assert made["sources"] == [{"address": str(filled), "found": 5, "complete": True, "error": ""}]
    kept = twin("report", "--json").json
    assert {name: kept[name] for name in made} == made
    shown = twin("report", "--author", "Ada").out
    for line in (
        "Ada: 5 found",
        "0 new, 1 changed, 2 unchanged",
        "draft × 1: draft.md: draft: true",
        "deleted         1",
    ):
        assert line in shown
    assert twin("report", "--author", "Bea").code == 1


def test_no_name_is_not_the_folder_that_one_is_in(folder: Path, twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a shell makes of a variable that is not set."""
    monkeypatch.chdir(folder)
    said = twin("ingest", "", "--author", "Ada", "--json")
    assert (said.code, said.json["found"]) == (1, 0)
    assert said.json["failed"][""].startswith("there is no ")


def test_a_report_counts_replies(tmp_path: Path, twin: Twin) -> None:
    table = "id,permalink,date,subreddit,body\n" + "".join(f"c{n},,2024-01-0{n + 1},x,{TEXTS[n]!r}\n" for n in (2, 3))
    (tmp_path / "comments.csv").write_text(table.replace("'", '"'), encoding="utf-8")
    said = twin("ingest", tmp_path / "comments.csv", "--author", "Ada")
    assert "; 2 replies; " in said.out


def test_sync_reads_every_source_again_and_one_that_fails_stops_no_other(
    filled: Path, twin: Twin, tmp_path: Path
) -> None:
    other = tmp_path / "other.md"
    other.write_text("# One file\n\nIt speaks of tea and of nothing else.", encoding="utf-8")
    assert twin("ingest", other, "--author", "Ada").code == 0
    assert twin("ingest", other, "--author", "Bea", "--reference").code == 0
    other.unlink()
    (filled / "4.md").write_text("# A new one\n\nBrass again.", encoding="utf-8")
    said = twin("sync", "--json")
    ada, bea = said.json
    assert said.code == 1
    assert (ada["author"], ada["added"], ada["unchanged"], ada["deleted"]) == ("Ada", 1, 4, 0)
    assert list(ada["failed"]) == list(bea["failed"]) == [str(other)]
    rows = {(row["author"], row["address"]): row for row in twin("sources", "--json").json}
    assert rows["Ada", str(filled)]["posts"] == 5
    assert rows["Ada", str(filled)]["outcome"] == "5 found"
    assert "there is no" in rows["Bea", str(other)]["outcome"]
    assert [author["reference"] for author in twin("status", "--json").json["authors"]] == [False, True]
    assert str(filled) in twin("sources", "--author", "Ada").out
    assert twin("sync", "--author", "Bea").code == 1  # nothing of hers could be read
    assert twin("sync", "--author", "Nobody").code == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply("busy", 503, {"Retry-After": "0"}),
        Reply("", 403),
        Reply("<title>Just a moment...</title>"),
        Reply('{"version": "https://jsonfeed.org/version/1", "items": ['),
    ],
)
@pytest.mark.usefixtures("loopback")
def test_a_site_that_cannot_be_read_has_failed_beside_a_folder_that_can(
    folder: Path, twin: Twin, reply: Reply, blog: Blog
) -> None:
    address = f"{blog.url}/ann"
    blog["/ann"] = article("A clock", PROSE)
    assert twin("ingest", address, "--author", "Ada").code == 0
    blog["/ann"] = reply
    for command in (("ingest", folder, address, "--author", "Ada", "--json"), ("sync", "--json")):
        said = twin(*command)
        (found,) = said.json if command[0] == "sync" else [said.json]
        assert (said.code, list(found["failed"]), found["deleted"]) == (1, [address], 0)
        assert found["unchanged"] + found["added"] == 4
        outcomes = {row["address"]: row["outcome"] for row in twin("sources", "--json").json}
        assert outcomes[address] == found["failed"][address]
        assert outcomes[str(folder)].endswith(" found")
        assert escape(outcomes[address][:40]) in show_posts.report(found)
    assert twin("ingest", folder, address, "--author", "Ada", "--dry-run").code == 1


def test_what_is_forgotten_while_somebody_reads_the_ledger_is_told_with_what_is_left(
    filled: Path, twin: Twin, own_home: Path
) -> None:
    (passage,) = twin("search", "zinc metal", "--author", "Ada", "--limit", "1", "--json").lines[0]["passages"]
    learned = card(posts={"train": (passage["post_id"],), "validation": (), "test": ()})
    registry = ModelRegistry(own_home)
    for number in range(3):
        registry.register(learned.model_copy(update={"run_id": str(number)}), adapter(own_home / "adapter"))
    registry.promote("Ada@v2")
    registry.challenge("Ada@v3")
    reader = sqlite3.connect(own_home / "ledger.sqlite3", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM posts").fetchone()
    said = twin("forget", "--author", "Ada", "--post", "https://ada.example/2", "--yes")
    reader.close()
    assert said.code == 0
    assert "1 posts of Ada are forgotten" in said.out
    ways = (
        "twin models delete 'Ada@v1'\n",
        "twin train --author 'Ada' --without-forgotten\n",
        "twin models challenge 'Ada@v3' --withdraw, then: twin models delete 'Ada@v3'\n",
    )
    listed = twin("models", "list").out
    for number, way in enumerate(ways, 1):
        assert f"  Ada@v{number} was trained on some of them: {way}" in said.out
        assert f"are forgotten: {way}" in listed
    assert "may stand in the ledger's log until every program" in said.err


def test_forgetting_asks_first_and_flags_what_was_trained_on_it(
    filled: Path, twin: Twin, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (passage,) = twin("search", "zinc metal", "--author", "Ada", "--limit", "1", "--json").lines[0]["passages"]
    registry = ModelRegistry(own_home)
    learned = card(posts={"train": (passage["post_id"],), "validation": (), "test": ()})
    registry.register(learned, adapter(own_home / "adapter"))
    registry.register(card(run_id="2"), adapter(own_home / "adapter"))
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert twin("forget", "--author", "Ada", "--post", "https://ada.example/2").code == 1
    assert twin("search", "zinc metal", "--author", "Ada", "--json").lines[0]["passages"]
    said = twin("forget", "--author", "Ada", "--post", "https://ada.example/2", "--yes", "--json")
    assert said.json == {"author": "Ada", "posts": [passage["post_id"]], "adapters": ["Ada@v1"], "deleted": []}
    assert "log" not in said.err
    assert [row["forgotten"] for row in twin("models", "list", "--json").json] == [1, 0]
    assert "1 posts that it was trained on are forgotten" in twin("models", "list").out
    assert twin("ingest", filled, "--author", "Ada", "--json").json["refused"] == {"forgotten": 1}
    assert "2.md" not in {
        found["source_id"] for found in twin("search", "zinc metal", "--author", "Ada", "--json").lines[0]["passages"]
    }


def test_a_post_that_its_source_has_deleted_is_forgotten_by_its_name(filled: Path, twin: Twin) -> None:
    (filled / "2.md").unlink()
    assert twin("ingest", filled, "--author", "Ada", "--json").json["deleted"] == 1
    assert len(twin("forget", "--author", "Ada", "--post", "2.md", "--yes", "--json").json["posts"]) == 1
    assert twin("forget", "--author", "Ada", "--post", "2.md", "--yes").code == 1


def test_a_source_and_an_author_are_forgotten_whole(filled: Path, twin: Twin) -> None:
    assert len(twin("forget", "--author", "Ada", "--source", filled, "--yes", "--json").json["posts"]) == 4
    assert twin("sources", "--json").json == []
    assert twin("ingest", filled, "--author", "Ada", "--json").json["added"] == 4  # asked for anew
    assert "4 posts of Ada are forgotten" in twin("forget", "--author", "Ada", "--everything", "--yes").out
    assert twin("status", "--json").json["authors"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "say what to forget"),
        (["--post", "x", "--everything"], 2, "say what to forget"),
        (["--everything", "--json"], 2, "--json cannot ask"),
        (["--post", "nowhere", "--yes"], 1, "0 posts of 'Ada' are called 'nowhere'"),
        (["--source", "/nowhere", "--yes"], 1, "has no source /nowhere"),
    ],
)
def test_what_cannot_be_forgotten(filled: Path, twin: Twin, arguments: list[str], code: int, says: str) -> None:
    said = twin("forget", "--author", "Ada", *arguments)
    assert (said.code, said.out) == (code, "")
    assert says in said.err


def test_feature_versions_are_built_used_and_rolled_back(
    filled: Path, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = twin("features", "list", "--json").json
    assert (first["active"], first["posts"]) == (True, 4)
    monkeypatch.setenv("TWIN_CHUNK_SIZE", "500")
    built = twin("features", "build", "--json").json
    assert (built["active"], built["posts"]) == (False, 4)
    assert twin("status", "--json").json["feature_version"] == first["id"]
    assert twin("features", "use", built["id"][:6], "--json").json["active"]
    assert twin("status", "--json").json["feature_version"] == built["id"]
    assert f"* {built['id']}" in twin("features", "list").out
    assert twin("features", "rollback", "--json").json["id"] == first["id"]
    assert twin("ingest", filled, "--author", "Ada", "--json").json["snapshot"]["feature_version"] == first["id"]
    said = twin("features", "use", "nothing")
    assert (said.code, "0 feature versions begin with 'nothing'" in said.err) == (1, True)


def test_a_password_in_an_address_is_neither_used_nor_kept(filled: Path, twin: Twin, own_home: Path) -> None:
    said = twin("ingest", "https://ada:canary@ada.example/", filled, "--author", "Ada", "--json")
    assert (said.code, said.json["unchanged"]) == (1, 4)
    assert list(said.json["failed"]) == ["https://…@ada.example/"]
    assert not any(b"canary" in path.read_bytes() for path in own_home.rglob("*") if path.is_file())


def test_what_was_forgotten_stays_so_when_all_the_rest_is(filled: Path, twin: Twin) -> None:
    assert twin("forget", "--author", "Ada", "--post", "2.md", "--yes").code == 0
    assert twin("forget", "--author", "Ada", "--everything", "--yes").code == 0
    assert twin("ingest", filled, "--author", "Ada", "--json").json["refused"] == {"forgotten": 1}


def test_a_source_that_fails_is_named_once(tmp_path: Path, twin: Twin) -> None:
    (tmp_path / "a.zip").touch()
    done = twin("ingest", tmp_path / "a.zip", "--author", "Ada")
    assert done.code == 1
    assert done.out.count(f"{tmp_path / 'a.zip'} is empty: it has 0 bytes") == 1
    assert f"a.zip: {tmp_path}" not in done.out
    dry = twin("ingest", tmp_path / "a.zip", "--author", "Ada", "--dry-run")
    assert dry.err.count("a.zip") == 1
