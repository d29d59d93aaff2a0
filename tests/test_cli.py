"""The command line: what it prints where, what it ends with, and a twin's whole life by its commands."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.base_model import BaseLanguageModel
from contracts.embedder import SentenceEmbedder
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry
from feature_pipeline import pipeline
from tests.chat_server import Server
from tests.conftest import Said, Twin
from tests.fakes import (
    OTHER_WORDS,
    WORDS,
    adapter,
    card,
    hashes,
    hear_ctrl_c,
    recipe,
    recipe_file,
    tiny_llama,
    voice,
)

KEYS = {"source", "id", "title", "date", "author", "text", "status", "reason"}
PASSAGE = {"post_id", "source_id", "title", "url", "date", "text", "start", "end", "score"}
LISTED = {
    "model",
    "champion",
    "challenger",
    "created",
    "recipe",
    "base_model",
    "snapshot",
    "evaluation",
    "gate",
    "forgotten",
}
STATUS = {"home", "authors", "snapshot", "feature_version", "posts", "chunks", "base_model", "embedder"}


def write(folder: Path, posts: int, words: list[str]) -> Path:
    folder.mkdir(parents=True)
    for number in range(posts):
        front = f"title: Post {number}\ndate: 2024-{number // 28 + 1:02}-{number % 28 + 1:02}"
        text = voice(number, words)
        (folder / f"{number:02}.md").write_text(f"---\n{front}\n---\n{text}\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def settled(embedder: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with posts of Ada's and two versions, the first of them champion."""
    folder = tmp_path_factory.mktemp("settled")
    store = FeatureStore(folder / "home", SentenceEmbedder(str(embedder)))
    pipeline.run([str(write(folder / "posts", 6, WORDS))], "Ada", store)
    store.close()
    registry, fitting = ModelRegistry(folder / "home"), hashes(BaseLanguageModel(str(tiny_model), folder / "home"))
    for number in range(2):
        registry.register(card(run_id=str(number), **fitting), adapter(folder / "adapter"))
    registry.promote("Ada@v1")
    return folder / "home"


def shell(*arguments: str) -> Said:
    done = subprocess.run([sys.executable, "-m", "ui.cli", *arguments], capture_output=True, text=True, env=os.environ)
    return Said(done.returncode, done.stdout, done.stderr)


def test_help_names_every_command() -> None:
    said = shell("--help")
    assert (said.code, said.err) == (0, "")
    for command in ("ingest", "search", "train", "evaluate", "models", "ask", "chat", "status", "doctor"):
        assert f" {command} " in said.out


def test_an_error_is_two_lines_on_stderr_and_no_traceback(home: Path) -> None:
    said = shell("search", "brass", "--author", "Nobody", "--json")
    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines() == [
        "twin: no posts by 'Nobody' are stored (authors: Ada)",
        "  → twin ingest SOURCE --author 'Nobody'",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["search", "brass", "--author", "Nobody"], 1, "no posts by 'Nobody' are stored (authors: Ada)"),
        (["ask", "brass?", "--author", "Nobody"], 1, "no posts by 'Nobody'"),
        (["ask", "brass?", "--author", "Ada", "--model", "Ada@v9"], 1, "no model Ada@v9"),
        (["ask", "brass?", "--author", "Ada", "--model", "v1"], 2, "names no model version"),
        (["ask", "  ", "--author", "Ada"], 2, "the question is empty"),
        (["train", "--author", "Nobody"], 1, "no posts by 'Nobody'"),
        (["train", "--author", "Ada", "--recipe", "slow"], 2, "no recipe 'slow'"),
        (["evaluate", "Ada@v9"], 1, "no model Ada@v9"),
        (["models", "show", "Ada"], 2, "names no model version"),
        (["models", "show", "Ada@v0"], 2, "names no model version"),
        (["models", "promote", "Bea@v1"], 1, "no model Bea@v1"),
        (["models", "rollback", "Ada"], 1, "no earlier champion"),
        (["ingest", "/absent", "--author", "a@b"], 2, "cannot be an author's name"),
        (["ingest", "/absent", "--author", "Ada"], 1, ""),
        (["search", "--author", "Ada"], 2, "give a QUERY or --queries"),
        (["search", "brass", "--queries", "x.jsonl", "--author", "Ada"], 2, "give a QUERY or --queries"),
        (["search", "--queries", "/absent.jsonl", "--author", "Ada"], 2, "is not JSON Lines"),
        (["search", "brass"], 2, "--author"),
        (["search", "brass", "--author", "Ada", "--limit", "0"], 2, "--limit"),
        (["search", "brass", "--author", "Ada", "--best"], 2, "--best"),
        (["chat", "--author", "Nobody"], 1, "no posts by 'Nobody'"),
        (["fly"], 2, "fly"),
    ],
)
def test_what_goes_wrong_has_its_exit_code(home: Path, twin: Twin, arguments: list[str], code: int, says: str) -> None:
    said = twin(*arguments)
    assert said.code == code
    assert says in said.err
    assert "Traceback" not in said.err
    if arguments != ["ingest", "/absent", "--author", "Ada"]:
        assert said.out == ""


def test_stopping_a_command_is_said_and_is_no_traceback(home: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "queries")
    command = [sys.executable, "-m", "ui.cli", "search", "--queries", str(tmp_path / "queries"), "--author", "Ada"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear_ctrl_c
    ) as process:
        with (tmp_path / "queries").open("w"):  # opens when the command has come to read it, and waits
            process.send_signal(signal.SIGINT)
        # Closed only now: Python cannot notice a signal that comes just before it blocks in read(2) until that returns.
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.startswith("\ntwin: stopped; ")
    assert err.count("\n") == 2


def test_a_ctrl_c_in_a_destructor_is_not_lost() -> None:
    program = """
import os, signal, sys, time
from ui.cli import heard_again

class Interrupted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)

sys.unraisablehook = heard_again
try:
    Interrupted()
    time.sleep(20)
except KeyboardInterrupt:
    print("heard")
"""
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=15, preexec_fn=hear_ctrl_c
    )
    assert (process.stdout, process.stderr) == ("heard\n", "")


@pytest.mark.parametrize("how", ["heard", "dropped"])
@pytest.mark.parametrize("module", ["typer", "ui.commands.show", "sqlalchemy", "encodings.utf_8_sig"])
def test_a_ctrl_c_while_something_is_loaded_is_said_and_is_no_traceback(
    home: Path, tmp_path: Path, how: str, module: str
) -> None:
    """Dropped, it comes again a moment later, if need be after the last line of a command that had nothing left to do."""
    program = f"""
import os, signal, sys

class Interrupted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            Interrupted() if {how == "dropped"} else os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from ui.cli import main
main()
"""
    (tmp_path / "none").write_text("", encoding="utf-8")
    command = [sys.executable, "-c", program, "search", "--queries", str(tmp_path / "none"), "--author", "Ada"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, preexec_fn=hear_ctrl_c)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.startswith("\ntwin: stopped; ")
    assert done.stderr.count("\n") == 2


def test_a_ctrl_c_when_the_command_has_ended_costs_no_line_of_it() -> None:
    program = """
import atexit, os, signal, sys
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
from ui.cli import main
main()
"""
    command = [sys.executable, "-c", program, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, preexec_fn=hear_ctrl_c)
    assert (done.returncode, done.stderr) == (130, "")
    assert "mcp" in done.stdout


def test_a_wrong_setting_ends_with_two(home: Path, twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_TEMPERATURE", "hot")
    said = twin("status")
    assert (said.code, said.out) == (2, "")
    assert "a setting is wrong: temperature" in said.err


def test_a_dry_run_prints_what_would_be_stored_and_stores_nothing(twin: Twin, tmp_path: Path, own_home: Path) -> None:
    folder = write(tmp_path / "posts", 2, WORDS)
    (folder / "02.md").write_text("---\ndraft: true\n---\nNot yet.", encoding="utf-8")
    said = twin("ingest", folder, "--author", "Ada", "--dry-run", "--json")
    assert said.code == 0
    assert all(set(row) == KEYS for row in said.lines)
    first, _, draft = said.lines
    assert first == {
        "source": str(folder), "id": "00.md", "title": "Post 0", "date": "2024-01-01", "author": "Ada",
        "text": voice(0, WORDS), "status": "ok", "reason": None,
    }  # fmt: skip
    assert (draft["id"], draft["status"], draft["text"]) == ("02.md", "refused", None)
    assert draft["reason"].startswith("draft")
    assert len(twin("ingest", folder, "--author", "Ada", "--dry-run", "--json", "--limit", "1").lines) == 1
    assert twin("ingest", folder / "02.md", "--author", "Ada", "--dry-run", "--json").code == 1
    assert "Post 0" in twin("ingest", folder, "--author", "Ada", "--dry-run").out
    assert not own_home.exists()


def test_status(home: Path, twin: Twin, embedder: Path) -> None:
    state = twin("status", "--json").json
    assert set(state) == STATUS
    assert state["authors"] == [{"name": "Ada", "reference": False, "posts": 6, "chunks": 6, "champion": "Ada@v1"}]
    assert (state["home"], state["posts"], state["chunks"]) == (str(home), 6, 6)
    assert state["embedder"] == str(embedder)
    shown = twin("status").out
    assert state["snapshot"] in shown
    assert "Ada: 6 posts, 6 chunks, Ada@v1" in shown


def test_status_of_an_empty_home(twin: Twin) -> None:
    state = twin("status", "--json").json
    assert (state["authors"], state["posts"], state["chunks"]) == ([], 0, 0)
    assert "twin ingest" in twin("status").out


def test_search(home: Path, twin: Twin, tmp_path: Path, embedder: Path) -> None:
    queries = tmp_path / "queries.jsonl"
    asked = [{"id": "a", "query": "tea"}, {"id": 2, "query": "brass spring"}]
    queries.write_text("\n\n".join(map(json.dumps, asked)), encoding="utf-8")
    said = twin("search", "--queries", queries, "--author", "Ada", "--limit", "3")
    assert said.code == 0
    assert [{"id": row["id"], "query": row["query"]} for row in said.lines] == asked
    store = FeatureStore(home, SentenceEmbedder(str(embedder)))
    for row in said.lines:
        assert len(row["passages"]) == 3
        assert [p["score"] for p in row["passages"]] == sorted((p["score"] for p in row["passages"]), reverse=True)
        for passage in row["passages"]:
            assert set(passage) == PASSAGE
            whole = store.post(passage["post_id"], "Ada")
            assert passage["text"] == whole.text[passage["start"] : passage["end"]]
            assert passage["source_id"] == whole.source_id
    store.close()
    (one,) = twin("search", "tea", "--author", "Ada", "--limit", "3", "--json").lines
    assert one == {"id": None, "query": "tea", "passages": said.lines[0]["passages"]}
    assert said.lines[0]["passages"][0]["title"] in twin("search", "tea", "--author", "Ada").out


@pytest.mark.parametrize("text", ["{", '{"id": 1}', "[1]", '"brass"'])
def test_queries_that_are_none_are_a_wrong_request(home: Path, twin: Twin, tmp_path: Path, text: str) -> None:
    (tmp_path / "queries.jsonl").write_text(text, encoding="utf-8")
    said = twin("search", "--queries", tmp_path / "queries.jsonl", "--author", "Ada")
    assert (said.code, said.out) == (2, "")
    assert "is not JSON Lines of {id, query}" in said.err


def test_models(home: Path, twin: Twin) -> None:
    listed = twin("models", "list", "--json").json
    assert [(row["model"], row["champion"]) for row in listed] == [("Ada@v1", True), ("Ada@v2", False)]
    assert set(listed[0]) == LISTED
    assert twin("models", "list", "--author", "Bea", "--json").json == []
    assert "* Ada@v1" in twin("models", "list").out
    shown = twin("models", "show", "Ada@v2", "--json").json
    assert (shown["model"], shown["author"], shown["run_id"]) == ("Ada@v2", "Ada", "1")
    assert set(shown["files"]) == {"adapter_config.json", "adapter_model.safetensors"}
    assert twin("models", "promote", "Ada@v2", "--json").json == {"model": "Ada@v2", "champion": True}
    assert twin("models", "show", "Ada@champion", "--json").json["model"] == "Ada@v2"
    assert twin("models", "rollback", "Ada@champion", "--json").json == {"model": "Ada@v1", "champion": True}
    assert twin("models", "promote", "Ada@v2").out == "Ada@v2 is the champion\n"
    assert twin("models", "rollback", "Ada").out == "Ada@v1 is the champion\n"


def test_a_version_of_another_base_model_is_not_promoted(
    home: Path, twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_BASE_MODEL", str(tiny_llama(tmp_path / "other", seed=1)))
    said = twin("models", "promote", "Ada@v2")
    assert (said.code, said.out) == (1, "")
    assert "Ada@v2 was trained with another base model" in said.err
    assert twin("models", "show", "Ada@champion", "--json").json["model"] == "Ada@v1"
    monkeypatch.setenv("TWIN_REMOTE_URL", "http://127.0.0.1:9/v1")  # a server has a base model of its own
    assert twin("models", "promote", "Ada@v2").code == 0
    monkeypatch.delenv("TWIN_REMOTE_URL")
    assert "another base model" in twin("models", "rollback", "Ada").err
    assert twin("models", "show", "Ada@champion", "--json").json["model"] == "Ada@v2"


def test_a_damaged_version_is_neither_shown_nor_promoted(home: Path, twin: Twin) -> None:
    (home / "models" / "Ada" / "v2" / "adapter_model.safetensors").write_bytes(b"")
    for command in ("show", "promote"):
        said = twin("models", command, "Ada@v2")
        assert (said.code, said.out) == (1, "")
        assert "adapter_model.safetensors of Ada@v2: expected" in said.err
    checks = {check["what"]: check for check in twin("doctor", "--json").json}
    assert twin("doctor").code == 1
    assert not checks["registry"]["ok"]
    assert [what for what, check in checks.items() if not check["ok"]] == ["registry"]


def test_the_doctor_looks_at_the_remote_server(
    home: Path, twin: Twin, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> dict[str, str]:
        return {check["what"]: check["detail"] for check in twin("doctor", "--json").json if not check["ok"]}

    monkeypatch.setenv("TWIN_REMOTE_URL", server.url)
    monkeypatch.setenv("TWIN_REMOTE_MODEL", "smol")
    assert said() == {}
    server.status = 503
    server.serves = ["smol"]
    assert "answers with status 503" in said()["remote server"]
    monkeypatch.setenv("TWIN_REMOTE_URL", "http://localhost:80a/v1")
    assert "is no address of a server" in said()["remote server"]
    asked = twin("ask", "Why brass?", "--author", "Ada")
    assert (asked.code, asked.out, "TWIN_REMOTE_URL is no address" in asked.err) == (2, "", True)


def test_a_twins_life(
    single: None, twin: Twin, tmp_path: Path, own_home: Path, embedder: Path, tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("TWIN_EMBEDDER", str(embedder))
    monkeypatch.setenv("TWIN_BASE_MODEL", str(tiny_model))
    monkeypatch.setenv("TWIN_TEMPERATURE", "0")
    posts, others = write(tmp_path / "posts", 25, WORDS), write(tmp_path / "others", 8, OTHER_WORDS)
    report = twin("ingest", posts, "--author", "Ada", "--json").json
    assert (report["found"], report["added"], report["chunks"]) == (25, 25, 25)
    again = twin("ingest", posts, "--author", "Ada", "--json").json
    assert (again["unchanged"], again["embedded"], again["snapshot"]) == (25, 0, report["snapshot"])
    said = twin("ingest", others, "--author", "Bea", "--reference").out
    assert "Bea: 8 found" in said
    assert "8 new, 0 changed, 0 unchanged" in said

    chosen = recipe_file(tmp_path / "tiny.toml", recipe(epochs=1))
    made = twin("train", "--author", "Ada", "--recipe", chosen, "--json").json
    assert (made["model"], made["new"], made["recipe"]["name"]) == ("Ada@v1", True, "tiny")
    assert made["promoted"] is not bool(made["gate"])
    assert "nothing to do" in twin("train", "--author", "Ada", "--recipe", chosen, "--resume").out
    measured = twin("evaluate", "Ada@v1", "--json").json
    assert measured == {"model": "Ada@v1", "evaluation": made["evaluation"]}
    assert twin("models", "show", "Ada@v1", "--json").json["run_id"] == made["run_id"]

    question = "How slow does the brass clock run when rain falls?"
    answer = twin("ask", question, "--author", "Ada", "--model", "Ada@v1", "--json").json
    assert set(answer) >= {"answer", "citations", "model", "snapshot", "timings"}
    assert answer["model"] == "Ada@v1"
    assert answer["snapshot"] == twin("status", "--json").json["snapshot"]
    store = FeatureStore(own_home, SentenceEmbedder(str(embedder)))
    assert answer["citations"]
    for citation in answer["citations"]:
        assert set(citation) == {"marker", "post_id", "title", "url", "start", "end", "text"}
        assert store.post(citation["post_id"], "Ada").text[citation["start"] : citation["end"]] == citation["text"]
        assert f"[{citation['marker']}]" in answer["answer"]
    store.close()
    both = twin("ask", question, "--author", "Ada", "--model", "Ada@v1", "--model", "base", "--json").json
    assert [one["model"] for one in both] == ["Ada@v1", "base"]
    assert both[0]["passages"] == both[1]["passages"] == answer["passages"]
    (tmp_path / "both.json").write_text(json.dumps(both), encoding="utf-8")
    voted = twin("feedback", "--answer", tmp_path / "both.json", "--of", "base", "--worse", "--blind", "--json").json
    assert [(vote["model"], vote["other"], vote["verdict"]) for vote in voted] == [("base", "Ada@v1", "worse")]
    shown = twin("ask", question, "--author", "Ada", "--model", "base", "--meters")
    assert "\nStyle: not measured." in shown.out
    assert len(re.findall(r"^Copied: nothing|words in a row stand in “", shown.out, re.MULTILINE)) == 1
    marker = re.findall(r"^\[\d\]", shown.out, re.MULTILINE)[0]  # a citation of its own line …
    assert f" {marker}\n" in shown.out  # … for one in the text
    assert "base, snapshot" in shown.err
    assert all(check["ok"] for check in twin("doctor", "--json").json)
