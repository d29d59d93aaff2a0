"""Judging answers from a terminal: from what `twin ask --json` prints to which version is preferred."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from contracts.embedder import SentenceEmbedder
from contracts.feature_store import FeatureStore
from contracts.feature_store.feedback import Feedback
from contracts.model_registry import ModelRegistry
from contracts.prompt import PROMPT_HASH
from tests.conftest import Twin
from tests.fakes import WORDS, adapter, card, fill, post, voice

KEYS = set(Feedback.model_fields)


@pytest.fixture(scope="module")
def settled(embedder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three posts of Ada's and two versions of hers."""
    folder = tmp_path_factory.mktemp("settled")
    store = FeatureStore(folder / "home", SentenceEmbedder(str(embedder)))
    fill(store, [post(number, voice(number, WORDS)) for number in range(3)])
    store.close()
    registry = ModelRegistry(folder / "home")
    for number in range(2):
        registry.register(card(run_id=str(number)), adapter(folder / "adapter"))
    return folder / "home"


@pytest.fixture
def said(home: Path, embedder: Path) -> dict[str, Any]:
    """An answer as `twin ask --json` prints it."""
    store = FeatureStore(home, SentenceEmbedder(str(embedder)))
    (passage,) = store.newest("Ada", 1)
    store.close()
    shown = {"post_id": passage.post_id, "start": passage.start, "end": passage.end}
    return {
        "author": "Ada",
        "question": "How slow is the clock?",
        "answer": "Slow. [1]",
        "citations": [],
        "passages": [shown],
        "model": "Ada@v1",
        "snapshot": "s",
        "timings": {"total": 1.0},
        "prompt_hash": PROMPT_HASH,
    }


@pytest.fixture
def one(said: dict[str, Any], tmp_path: Path) -> Path:
    return write(tmp_path / "one.json", said)


@pytest.fixture
def two(said: dict[str, Any], tmp_path: Path) -> Path:
    return write(tmp_path / "two.json", [said, {**said, "model": "Ada@v2", "answer": "Very slow. [1]"}])


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_an_answer_is_rated_and_the_list_shows_it(said: dict[str, Any], one: Path, twin: Twin) -> None:
    (made,) = twin("feedback", "--answer", one, "--better", "--by", "carol", "--json").json
    assert set(made) == KEYS
    kept = {key: value for key, value in said.items() if key not in ("citations", "timings")}
    assert made == {**made, **kept, "verdict": "better", "other": "", "blind": False, "by": "carol"}
    assert twin("feedback", "list", "--json").json == [made]
    shown = twin("feedback", "list", "--author", "Ada", "--model", "Ada@v1").out
    assert f"{made['id']}  " in shown
    assert "Ada@v1 better, by carol" in shown
    assert twin("feedback", "list", "--model", "Ada@v2").out.startswith("no feedback yet")


def test_an_answer_comes_through_a_pipe(
    said: dict[str, Any], twin: Twin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(said)))
    (tmp_path / "better.md").write_text("Slow, and it always was.\n", encoding="utf-8")
    (made,) = twin("feedback", "--answer", "-", "--edited", tmp_path / "better.md", "--json").json
    assert (made["verdict"], made["answer"], made["edited"]) == ("edited", "Slow. [1]", "Slow, and it always was.")


def test_what_the_api_sent_is_judged_as_it_was_saved(said: dict[str, Any], tmp_path: Path, twin: Twin) -> None:
    shown = {**said, "passages": [{**said["passages"][0], "title": "Post 1", "score": 0.5}], "ignored": []}
    reply = write(tmp_path / "reply.json", {"id": "chatcmpl-1", "choices": [], "twin": shown})
    (rated,) = twin("feedback", "--answer", reply, "--worse", "--json").json
    assert (rated["answer"], rated["passages"]) == (said["answer"], said["passages"])
    both = write(tmp_path / "both.json", {"author": "Ada", "answers": [shown, {**shown, "model": "Ada@v2"}]})
    (voted,) = twin("feedback", "--answer", both, "--of", "Ada@v2", "--better", "--json").json
    assert (voted["model"], voted["other"]) == ("Ada@v2", "Ada@v1")


def test_of_two_answers_one_is_judged_against_the_other(two: Path, twin: Twin) -> None:
    said = twin("feedback", "--answer", two, "--of", "Ada@v2", "--better", "--blind")
    assert said.out.endswith(": Ada@v2 better than Ada@v1, blind\n")
    assert twin("feedback", "--answer", two, "--of", "Ada@v1", "--same").out.endswith(": Ada@v1 as good as Ada@v2\n")
    won, tied = twin("feedback", "list", "--json").json
    assert (won["model"], won["other"], won["other_answer"], won["blind"]) == ("Ada@v2", "Ada@v1", "Slow. [1]", True)
    assert (tied["model"], tied["other_answer"]) == ("Ada@v1", "Very slow. [1]")


def test_of_three_the_judged_one_stands_against_each(said: dict[str, Any], tmp_path: Path, twin: Twin) -> None:
    three = [{**said, "model": name, "answer": f"{name}."} for name in ("Ada@v1", "Ada@v2", "base")]
    made = twin("feedback", "--answer", write(tmp_path / "x", three), "--of", "base", "--worse", "--json").json
    assert [(row["model"], row["other"]) for row in made] == [("base", "Ada@v1"), ("base", "Ada@v2")]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--better"], 2, "say which answer"),
        (["--answer", "ONE"], 2, "say which answer"),
        (["--answer", "ONE", "--better", "--worse"], 2, "say which answer"),
        (["--answer", "/absent", "--better"], 2, "/absent cannot be read"),
        (["--answer", "ONE", "--edited", "/absent"], 2, "/absent cannot be read"),
        (["--answer", "ONE", "--edited", "EMPTY"], 2, "the edited text is empty"),
        (["--answer", "EMPTY", "--better"], 2, "is not what twin ask --json prints: it is not JSON"),
        (["--answer", "DEEP", "--better"], 2, "it is not JSON of that shape"),
        (["--answer", "OTHER", "--better"], 2, "no author, question, answer"),
        (["--answer", "ONE", "--same"], 2, "only an answer beside another"),
        (["--answer", "TWO", "--better"], 2, "several versions answered: Ada@v1, Ada@v2"),
        (["--answer", "TWO", "--of", "Ada@v9", "--better"], 2, "Ada@v9 did not answer"),
        (["delete", "nothing"], 1, "no feedback nothing"),
        (["export", "ONE"], 2, "name a file that is not there yet"),
    ],
)
def test_what_is_no_feedback_is_told(
    one: Path, two: Path, tmp_path: Path, twin: Twin, arguments: list[str], code: int, says: str
) -> None:
    (tmp_path / "empty").write_text("", encoding="utf-8")
    (tmp_path / "deep").write_text("[" * 100_000, encoding="utf-8")
    files = {
        "ONE": one,
        "TWO": two,
        "EMPTY": tmp_path / "empty",
        "DEEP": tmp_path / "deep",
        "OTHER": write(tmp_path / "other.json", {"a": 1}),
    }
    said = twin("feedback", *(files.get(argument, argument) for argument in arguments))
    assert (said.code, said.out) == (code, "")
    assert says in said.err
    assert twin("feedback", "list", "--json").json == []


def test_feedback_is_exported_deleted_and_forgotten_with_its_posts(one: Path, tmp_path: Path, twin: Twin) -> None:
    for verdict in ("--better", "--worse"):
        assert twin("feedback", "--answer", one, verdict).code == 0
    assert twin("feedback", "export", tmp_path / "all.jsonl").out.startswith("2 in ")
    rows = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text("utf-8").splitlines()]
    assert [row["verdict"] for row in rows] == ["better", "worse"]
    assert twin("feedback", "delete", rows[0]["id"], "--json").json == {"deleted": [rows[0]["id"]]}
    assert twin("feedback", "list", "--json").json == rows[1:]
    post_id = rows[0]["passages"][0]["post_id"]
    assert twin("forget", "--author", "Ada", "--post", post_id, "--yes").code == 0
    assert twin("feedback", "list", "--json").json == []
    said = twin("feedback", "--answer", one, "--better")  # the file is still there, the post is not
    assert (said.code, said.out) == (1, "")
    assert "are stored no more" in said.err


def test_votes_say_which_version_is_preferred(said: dict[str, Any], tmp_path: Path, twin: Twin) -> None:
    for number in range(7):
        asked = [{**said, "question": f"{number}?", "model": f"Ada@v{v}", "answer": f"{v} {number}"} for v in (1, 2)]
        pair = write(tmp_path / f"{number}.json", asked)
        assert twin("feedback", "--answer", pair, "--of", "Ada@v2", "--better", "--blind").code == 0
    shown = twin("models", "compare", "Ada@v2", "Ada@v1").out
    assert "blind votes: 7 won, 0 lost, 0 tied, by 1 person\n    won of those decided: 100% [65%, 100%] (n=7)" in shown
    assert "sign test p = 0.016" in shown
    assert "open votes: 0 won" in shown
    assert "cannot measure: 0 comparisons that one of them won, needs 6" in shown
    found = twin("models", "compare", "Ada@v1", "Ada@v2", "--json").json
    assert (found["blind"]["losses"], found["blind"]["share"]["value"], found["open"]["p"]) == (7, 0.0, None)
    assert "cannot measure: 0 ratings of drawn answers of one of them, needs 6 of each" in shown
    for number in range(12):
        drew = {
            **said,
            "question": f"{number}!",
            "model": f"Ada@v{1 + number % 2}",
            "instead": f"Ada@v{2 - number % 2}",
        }
        verdict = "--better" if number % 2 else "--worse"
        assert twin("feedback", "--answer", write(tmp_path / "drew.json", drew), verdict).code == 0
    shown = twin("models", "compare", "Ada@v2", "Ada@v1").out
    assert "ratings of answers that traffic drew: 6 of Ada@v2, 6 of Ada@v1\n" in shown
    assert "rated better, Ada@v2 − Ada@v1: +100% [+45%, +100%] (n=12)" in shown
    assert [rating["model"] for rating in found["ratings"]] == ["Ada@v1", "Ada@v2"]
    assert "are not two versions of one author" in twin("models", "compare", "Ada@v1", "Ada@v1").err
    assert "no model Ada@v9" in twin("models", "compare", "Ada@v1", "Ada@v9").err
    assert "Ada@v1 against base" in twin("models", "compare", "Ada@v1", "base").out


# ---- drafts ---------------------------------------------------------------------------------------------------------

CLOCK = " ".join(voice(1, WORDS).split()[:12]).replace(".", "")  # words of a post


def test_an_outline_shows_the_evidence_and_loads_no_model(home: Path, twin: Twin) -> None:
    arguments = ("draft", "--author", "Ada", "--point", CLOCK, "--point", "Zinc relay coil", "--outline")
    shown = twin(*arguments)
    assert shown.code == 0
    first, *evidence, last, nothing = shown.out.splitlines()
    assert (first, last, nothing) == (f"- {CLOCK}", "- Zinc relay coil", "    Nothing of yours on this.")
    assert all(line.startswith("    Post ") for line in evidence)
    made = twin(*arguments, "--json").json
    assert set(made) == {"author", "title", "sections"}
    assert [len(section["evidence"]) > 0 for section in made["sections"]] == [True, False]


def test_an_outline_rests_on_posts_of_a_time_source_and_kind_where_these_are_named(home: Path, twin: Twin) -> None:
    def evidence(*filters: str) -> int:
        (section,) = twin("draft", "--author", "Ada", "--point", CLOCK, "--outline", *filters, "--json").json[
            "sections"
        ]
        return len(section["evidence"])

    assert evidence() == evidence("--source", "/posts", "--from-format", "article") > 0
    assert evidence("--before", "2020") == evidence("--after", "2025") == evidence("--from-format", "note") == 0
    said = twin("draft", "--author", "Ada", "--point", CLOCK, "--after", "yesterday")
    assert (said.code, "is no date" in said.err) == (2, True)


def test_a_draft_is_json_that_can_be_checked(
    home: Path, embedder: Path, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_ENGINE", "torch")
    asked = ("draft", "Of brass", "--author", "Ada", "--point", CLOCK, "--point", "Zinc relay coil", "--words", "20")
    made = twin(*asked, "--model", "base", "--json").json
    assert (made["author"], made["title"], made["model"], made["asked_words"]) == ("Ada", "Of brass", "base", 20)
    assert [section["status"] for section in made["sections"]] == ["written", "nothing"]
    assert made["text"].startswith(f"# Of brass\n\n## {CLOCK[0].upper()}{CLOCK[1:]}\n\n")
    assert made["citations"]
    store = FeatureStore(home, SentenceEmbedder(str(embedder)))
    for citation in made["citations"]:
        assert store.post(citation["post_id"], "Ada").text[citation["start"] : citation["end"]] == citation["text"]
        assert f"[{citation['marker']}]" in made["text"]
    store.close()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "neither a title nor a point"),
        (["Old", "--words", "5"], 2, "20 to 5,000 words"),
        (["Old", "--format", "poem"], 2, "--format"),
        (["Old", "--model", "Ada@v9"], 1, "no model Ada@v9"),
    ],
)
def test_what_is_no_brief_is_told(home: Path, twin: Twin, arguments: list[str], code: int, says: str) -> None:
    said = twin("draft", *arguments, "--author", "Ada")
    assert (said.code, said.out) == (code, "")
    assert says in said.err


def test_a_title_without_anything_behind_it_asks_for_points(home: Path, twin: Twin) -> None:
    for option in ((), ("--outline",)):
        said = twin("draft", "Zinc relay coil", "--author", "Ada", *option)
        assert (said.code, said.out) == (0, "Nothing of yours on this. Say with --point what it is to be about.\n")
