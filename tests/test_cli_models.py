"""The commands for versions: list, show, diff, promote, challenge, delete, verify, report; and a successor's training."""

from __future__ import annotations

import contextlib
import io
import re
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts.embedder import SentenceEmbedder
from contracts.feature_store import FeatureStore
from contracts.hardware import best_device
from contracts.model_registry import ModelRegistry
from contracts.records import Figure
from feature_pipeline.label import label
from tests.conftest import Twin
from tests.fakes import WORDS, adapter, card, fill, post, recipe, recipe_file, stock, voice

OPEN = {"delta_nll_low": -9.0, "specificity_low": -9.0, "copy_excess_high": 1.0, "forgetting_high": 9.0}
FIRST = {"delta_nll": Figure(value=0.05, low=0.04, high=0.06, n=9, unit="nats/byte")}
SECOND = {
    "delta_nll": Figure(value=0.07, low=0.06, high=0.08, n=9, unit="nats/byte"),
    "gap_closed": Figure(value=0.62, low=0.53, high=0.71, n=9),
}


@pytest.fixture(scope="module")
def settled(embedder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three posts of Ada's and two versions, the first of them champion; the second learned one post more."""
    folder = tmp_path_factory.mktemp("settled")
    store = FeatureStore(folder / "home", SentenceEmbedder(str(embedder)))
    posts = [post(number, voice(number, WORDS), title=f"Title {number}") for number in range(3)]
    fill(store, posts)
    ids, snapshot = [one.id for one in posts], store.snapshot()
    store.close()
    registry = ModelRegistry(folder / "home")
    learned = {"train": (ids[0],), "validation": (), "test": (ids[2],)}
    registry.register(
        card(snapshot=snapshot, posts=learned, evaluation=FIRST, recipe={"name": "quick", "rank": 8}),
        adapter(folder / "adapter"),
    )
    registry.promote("Ada@v1")
    learned = {**learned, "train": (ids[0], ids[1])}
    registry.register(
        card(
            run_id="2", snapshot=snapshot, posts=learned, evaluation=SECOND, parent="Ada@v1",
            recipe={"name": "quick", "rank": 16}, gate=("specificity cannot be measured: no reference authors",),
        ),
        adapter(folder / "adapter"),
    )  # fmt: skip
    return folder / "home"


def test_a_list_shows_champion_challenger_and_what_each_proved(home: Path, twin: Twin) -> None:
    assert twin("models", "challenge", "Ada@v2", "--json").json == {"model": "Ada@v2", "challenger": True}
    rows = twin("models", "list", "--json").json
    assert [(row["model"], row["champion"], row["challenger"]) for row in rows] == [
        ("Ada@v1", True, False),
        ("Ada@v2", False, True),
    ]
    shown = twin("models", "list").out
    for line in (
        "* Ada@v1  2024-06-01",
        "+ Ada@v2  2024-06-01",
        "    gap closed 62 % [53 %, 71 %], n = 9",
        "    ΔNLL 0.05 [0.04, 0.06] nats/byte, n = 9",
        "    not promoted by itself: specificity cannot be measured",
    ):
        assert line in shown
    assert twin("models", "show", "Ada@challenger", "--json").json["model"] == "Ada@v2"
    assert twin("models", "challenge", "Ada@v2", "--withdraw").out == "Ada@v2 is the challenger no more\n"
    assert [row["challenger"] for row in twin("models", "list", "--json").json] == [False, False]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["challenge", "Ada@v1"], 2, "is the champion"),
        (["challenge", "Ada@v2", "--withdraw"], 2, "Ada@v2 is not the challenger"),
        (["challenge", "Ada@v9"], 1, "no model Ada@v9"),
        (["delete", "Ada@v1", "--yes"], 2, "v1 is the champion"),
        (["delete", "Ada@v9", "--yes"], 1, "no model Ada@v9"),
        (["delete", "Ada@v2", "--json"], 2, "--json cannot ask"),
        (["diff", "Ada@v1", "Ada@v9"], 1, "no model Ada@v9"),
        (["diff", "Ada@v1", "v2"], 2, "names no model version"),
        (["report", "Ada@v9"], 1, "no model Ada@v9"),
    ],
)
def test_what_goes_wrong_has_its_exit_code(home: Path, twin: Twin, arguments: list[str], code: int, says: str) -> None:
    said = twin("models", *arguments)
    assert (said.code, said.out) == (code, "")
    assert says in said.err


def test_two_versions_differ_in_settings_posts_and_figures(home: Path, twin: Twin) -> None:
    found = twin("models", "diff", "Ada@v1", "Ada@v2", "--json").json
    assert found["names"] == ["Ada@v1", "Ada@v2"]
    assert found["recipe"] == {"rank": [8, 16]}
    assert [len(found["posts_added"][part]) for part in ("train", "validation", "test")] == [1, 0, 0]
    shown = twin("models", "diff", "Ada@v1", "Ada@v2").out
    for line in (
        "Ada@v1 → Ada@v2\n",
        "  recipe: rank 8 → 16\n",
        "  posts: train +1 −0\n",
        "  ΔNLL        0.05 [0.04, 0.06] nats/byte, n = 9 → 0.07 [0.06, 0.08] nats/byte, n = 9\n",
        "  gap closed  not measured → 62 % [53 %, 71 %], n = 9\n",
    ):
        assert line in shown


def test_a_lineage_goes_from_the_version_to_its_posts(home: Path, twin: Twin) -> None:
    traced = twin("models", "show", "Ada@v2", "--lineage", "--json").json
    assert (traced["name"], [one["name"] for one in traced["ancestors"]]) == ("Ada@v2", ["Ada@v1"])
    assert [(one["part"], one["title"]) for one in traced["posts"]] == [
        ("train", "Title 0"),
        ("train", "Title 1"),
        ("test", "Title 2"),
    ]
    shown = twin("models", "show", "Ada@v2", "--lineage").out
    for line in ("  ← Ada@v1, made 2024-06-01", "  of 3 posts\n", "    train      2024-01-01  Title 0\n"):
        assert line in shown


def test_verifying_finds_a_changed_byte(home: Path, twin: Twin) -> None:
    assert [(row["model"], row["whole"]) for row in twin("models", "verify", "--json").json] == [
        ("Ada@v1", True),
        ("Ada@v2", True),
    ]
    weights = home / "models" / "Ada" / "v2" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes() + b"x")
    said = twin("models", "verify", "--author", "Ada")
    assert said.code == 1
    assert "ok   Ada@v1\n" in said.out
    assert "FAIL Ada@v2\n       adapter_model.safetensors of Ada@v2: expected" in said.out


def test_a_version_is_deleted_with_its_report_once_it_is_sure(
    home: Path, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(twin("models", "report", "Ada@v2", "--json").json["path"])
    assert path == home / "reports" / "Ada@v2.html"
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert twin("models", "delete", "Ada@v2").code == 1
    assert path.is_file()
    assert twin("models", "delete", "Ada@v2", "--yes").out == "Ada@v2 is deleted\n"
    assert not path.exists()
    assert [row["model"] for row in twin("models", "list", "--json").json] == ["Ada@v1"]
    assert "was deleted on" in twin("models", "show", "Ada@v2").err


def test_the_champion_is_deleted_by_force_alone_and_it_is_said_who_answers(
    home: Path, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = twin("models", "delete", "Ada@champion", "--yes")
    assert (said.code, said.out) == (2, "")
    assert "v1 is the champion" in said.err
    assert "with --force deletes the champion, too" in said.err
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    said = twin("models", "delete", "Ada@champion", "--force")
    assert "Delete Ada@v1, the champion? This cannot be undone." in said.err
    assert twin("models", "delete", "Ada@champion", "--yes", "--force").out == (
        "Ada@v1 is deleted, and was the champion: the base model answers; another becomes champion by: "
        "twin models promote 'Ada@v2'\n"
    )
    assert twin("status", "--json").json["authors"][0]["champion"] is None
    assert twin("models", "delete", "Ada@v2", "--yes", "--force").out == "Ada@v2 is deleted\n"


def test_who_forgets_an_author_is_told_how_to_be_rid_of_the_versions(home: Path, twin: Twin) -> None:
    said = twin("forget", "--author", "Ada", "--post", "https://ada.example/0", "--models", "--yes")
    assert said.code == 2
    assert "--models goes with --everything" in said.err
    forget = ("forget", "--author", "Ada", "--everything", "--yes")
    assert twin(*forget).out == (
        "3 posts of Ada are forgotten\n"
        "  Ada@v1 was trained on some of them\n"
        "  Ada@v2 was trained on some of them\n"
        "  to delete them: twin forget --author 'Ada' --everything --models\n"
    )
    assert twin(*forget).code == 1  # nobody of that name
    assert twin(*forget, "--models").out == "0 posts of Ada are forgotten\n  Ada@v1 is deleted\n  Ada@v2 is deleted\n"
    assert twin("models", "list", "--json").json == []
    assert (home / "models" / "Ada" / "aliases.json").is_file()  # who was champion, and until when
    said = twin(*forget, "--models")
    assert said.code == 1
    assert "no posts by 'Ada'" in said.err


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for a folder in which nobody may write")
def test_a_folder_that_cannot_be_written_is_said_and_is_no_traceback(home: Path, twin: Twin) -> None:
    (home / "reports").symlink_to("/sys/kernel")
    said = twin("models", "report", "Ada@v1")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("twin: [Errno ")
    assert "reports/.Ada@v1.html" in said.err
    assert said.err.endswith("\n  → make room, or let it be written\n")


def test_a_report_is_made_anew_and_goes_when_a_post_is_forgotten(home: Path, twin: Twin) -> None:
    assert twin("models", "report", "Ada@champion").out == f"Ada@v1: {home / 'reports' / 'Ada@v1.html'}\n"
    page = (home / "reports" / "Ada@v1.html").read_text(encoding="utf-8")
    assert "It passed its gate, and it is the champion: it was promoted by hand on 2" in page
    said = twin("forget", "--author", "Ada", "--post", "https://ada.example/2", "--yes")
    assert said.out == "1 posts of Ada are forgotten, 1 reports deleted\n"
    assert not list((home / "reports").iterdir())


@pytest.fixture
def stocked(single: None, own_home: Path, embedder: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with posts of Ada's and of reference authors, and no version yet."""
    monkeypatch.setenv("TWIN_EMBEDDER", str(embedder))
    monkeypatch.setenv("TWIN_BASE_MODEL", str(tiny_model))
    store = FeatureStore(own_home, SentenceEmbedder(str(embedder)))
    stock(store)
    store.close()
    return own_home


def ledger(home: Path) -> list[str]:
    """All that it holds."""
    with contextlib.closing(sqlite3.connect(home / "ledger.sqlite3")) as opened:
        return list(opened.iterdump())


def written(path: Path, **changes: Any) -> Path:
    """A recipe whose version writes no more than it must."""
    return recipe_file(path, recipe(conditions=("adapter",), **changes))


def test_a_dry_run_shows_the_data_card_and_stores_nothing(stocked: Path, twin: Twin, tmp_path: Path) -> None:
    train = ("train", "--author", "Ada", "--recipe", written(tmp_path / "tiny.toml"), "--dry-run")
    before = ledger(stocked)
    card_ = twin(*train, "--json").json
    assert (card_["author"], card_["recipe"], card_["posts"], card_["trained_posts"]) == ("Ada", "tiny", 25, 18)
    assert {part: made["posts"] for part, made in card_["splits"].items()} == {"train": 18, "validation": 2, "test": 5}
    assert card_["estimate"]["tokens_per_second"] > 0
    assert card_["estimate"]["folds_minutes"] == 0
    shown = twin(*train).out
    assert shown.startswith("Ada, by the recipe tiny, from snapshot ")
    assert "25 of 700 words, 2024-01-01 to 2024-01-25" in shown
    assert "worth it?" in shown
    assert re.search(r"on this machine +[\d.]+ minutes of training \+ [\d.]+ minutes of measuring; [\d,]+ MiB", shown)
    assert "the recipe tiny has no section [preference]" in twin(*train, "--preference").err
    assert ledger(stocked) == before
    assert not [name for name in ("models", "runs", "reports") if (stocked / name).exists()]


def test_a_new_split_is_made_where_nothing_else_is_refused(
    stocked: Path, twin: Twin, tmp_path: Path, embedder: Path
) -> None:
    store = FeatureStore(stocked, SentenceEmbedder(str(embedder)))
    store.freeze_split("Ada")
    fill(store, [post(number, voice(number, WORDS)) for number in range(25, 50)])
    label("Ada", store, changed=True)
    before = store.splits("Ada")
    train = ("train", "--author", "Ada", "--recipe", written(tmp_path / "tiny.toml", epochs=1), "--new-split")
    for asked, code, why in (
        ("--preference", 2, "has no section [preference]"),
        ("--with-edits", 2, "edits are learned from by preference"),
        ("--folds", 2, "50 posts need no folds: 10 of them are held out"),
        ("--without-forgotten", 1, "has learned from posts that are forgotten"),
    ):
        said = twin(*train, asked)
        assert (said.code, why in said.err) == (code, True)
        assert store.splits("Ada") == before
    with store.writing("an ingest"):
        assert "being written" in twin(*train).err
    if best_device() != "cuda":
        in_four_bits = written(tmp_path / "four.toml", quantise="nf4")
        assert "no CUDA device" in twin("train", "--author", "Ada", "--recipe", in_four_bits, "--new-split").err
    assert store.splits("Ada") == before
    store.close()
    made = twin(*train, "--json").json
    assert {part: len(posts) for part, posts in made["posts"].items()} == {"train": 35, "validation": 5, "test": 10}


def test_preference_training_is_measured_and_said_to_be_kept_or_not(stocked: Path, twin: Twin, tmp_path: Path) -> None:
    chosen = written(tmp_path / "tiny.toml", epochs=1)
    said = twin("train", "--author", "Ada", "--recipe", chosen, "--preference")
    assert (said.code, said.out) == (2, "")
    assert "has no section [preference]" in said.err
    with chosen.open("a", encoding="utf-8") as file:
        file.write("\n[preference]\npairs = 8\nbeta = 0.1\nlearning_rate = 1e-4\nbatch = 4\n")
    made = twin("train", "--author", "Ada", "--recipe", chosen, "--preference", "--json").json
    preference = made["training"]["preference"]
    assert 0 < preference["pairs"] <= 8
    assert made["recipe"]["preference"]["pairs"] == 8
    readme = (stocked / "models" / "Ada" / "v1" / "README.md").read_text(encoding="utf-8")
    kept = "was not kept" if preference["not_kept"] else "was kept"
    assert f"A second training by preference, on {preference['pairs']} pairs of texts, {kept}." in readme


def test_a_successor_of_a_version_that_kept_its_preference_step_has_one_too(
    stocked: Path, twin: Twin, tmp_path: Path
) -> None:
    chosen = written(tmp_path / "tiny.toml", epochs=1, gate=recipe().gate.model_copy(update=OPEN))
    with chosen.open("a", encoding="utf-8") as file:
        file.write("\n[preference]\npairs = 8\nbeta = 0.1\nlearning_rate = 1e-4\nbatch = 4\n")
    first = twin("train", "--author", "Ada", "--recipe", chosen, "--preference", "--json").json
    assert first["training"]["preference"]["not_kept"] == []
    assert first["promoted"]
    forgotten = first["posts"]["train"][0]
    assert twin("forget", "--author", "Ada", "--post", forgotten, "--yes").code == 0
    second = twin("train", "--author", "Ada", "--without-forgotten", "--json").json
    assert (second["model"], second["replaced"]) == ("Ada@v2", "Ada@v1")
    assert second["training"]["preference"]["pairs"] > 0
    assert second["training"]["replaces"] == "Ada@v1"


def test_two_versions_are_compared_on_the_same_posts(stocked: Path, twin: Twin, tmp_path: Path) -> None:
    train = ("train", "--author", "Ada", "--recipe")
    first = twin(*train, written(tmp_path / "short.toml", epochs=1, train_tokens=4000), "--json").json
    second = twin(*train, written(tmp_path / "long.toml"), "--json").json
    gained = [made["evaluation"]["delta_nll"]["value"] for made in (first, second)]
    compared = twin("evaluate", "Ada@v2", "--against", "Ada@v1", "--json").json
    assert (compared["model"], compared["against"]) == ("Ada@v2", "Ada@v1")
    found = compared["comparison"]["delta_nll"]
    assert found["difference"] == pytest.approx(gained[1] - gained[0], abs=1e-4)
    assert found["n"] == 5
    assert 0 < found["p"] <= 1
    assert set(found) == {"difference", "low", "high", "p", "smallest_detectable", "n"}
    (stocked / "models" / "Ada" / "v1" / "evaluation.json").unlink()  # as in a version from before it was kept
    shown = twin("evaluate", "Ada@v2", "--against", "Ada@v1")
    assert shown.code == 1
    assert "evaluation.json of Ada@v1" in shown.err


def test_a_successor_without_forgotten_posts_replaces_the_champion(stocked: Path, twin: Twin, tmp_path: Path) -> None:
    chosen = written(tmp_path / "tiny.toml")
    train = ("train", "--author", "Ada", "--recipe", chosen)
    said = twin(*train, "--without-forgotten")
    assert (said.code, said.out) == (1, "")
    assert "no champion of 'Ada' has learned from posts that are forgotten" in said.err

    first = twin(*train, "--json").json
    assert (first["model"], first["promoted"]) == ("Ada@v1", True)
    report = stocked / "reports" / "Ada@v1.html"
    page = report.read_text(encoding="utf-8")
    assert "Ada@v1: what it proved" in page
    assert "25 of 700 words, 2024-01-01 to 2024-01-25" in page  # of the data card
    assert {"README.md", "evaluation.json", "adapter_model.safetensors"} <= set(first["files"])
    forgotten = first["posts"]["train"][0]
    assert twin("forget", "--author", "Ada", "--post", forgotten, "--yes").code == 0
    assert not report.exists()

    said = twin("train", "--author", "Ada", "--without-forgotten")  # by the champion's recipe
    assert "Ada, by the recipe tiny, from snapshot " in said.err  # before the first step
    assert said.err.index("word for word") < said.err.index("load models")
    assert "Ada@v1, which had learned from posts that are forgotten, is deleted" in said.out
    (row,) = twin("models", "list", "--json").json
    assert (row["model"], row["champion"], row["forgotten"]) == ("Ada@v2", True, 0)
    made = twin("models", "show", "Ada@v2").json
    assert (made["parent"], made["training"]["without_forgotten"]) == ("Ada@v1", 1)
    assert forgotten not in made["posts"]["train"]
    readme = (stocked / "models" / "Ada" / "v2" / "README.md").read_text(encoding="utf-8")
    assert "# Ada@v2: a twin of Ada\n" in readme
    assert "trained anew without the 1 posts that were forgotten" in readme
    assert (stocked / "reports" / "Ada@v2.html").is_file()
    lineage = twin("models", "show", "Ada@v2", "--lineage").out
    assert "← Ada@v1, deleted on" in lineage
