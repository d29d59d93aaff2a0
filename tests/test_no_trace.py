"""Forgetting: no file of the home folder holds a forgotten post's words, and no source brings it back."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from contracts.errors import NotFound
from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import search
from tests.ingested import ingest, write


def traces(home: Path, words: str) -> list[str]:
    """Files of the home folder that hold these words anywhere."""
    return [path.name for path in home.rglob("*") if path.is_file() and words.encode() in path.read_bytes()]


def test_a_forgotten_post_leaves_no_trace_and_does_not_come_back(
    store: FeatureStore, folder: Path, own_home: Path
) -> None:
    write(folder, 30, text="The xylophone canary sang at noon.", title="Canary title")
    ingest(store, folder)
    write(folder, 30, text="The xylophone canary sang at midnight.", title="Canary title")
    ingest(store, folder)
    assert search(store, "xylophone", "Ada", 1)[0].source_id == "0030.md"
    assert traces(own_home, "xylophone")
    store.forget("Ada", [store.find_post("Ada", "0030.md")])
    assert traces(own_home, "xylophone") == []
    assert traces(own_home, "Canary title") == []
    assert store.index_size() == 8
    report = ingest(store, folder)
    assert report.refused == {"forgotten": 1}
    write(folder, 31, text="The xylophone canary sang at midnight.")  # the same words elsewhere
    assert ingest(store, folder).refused == {"forgotten": 2}


def test_it_is_known_where_somebody_reading_the_ledger_keeps_words_in_its_log(
    store: FeatureStore, folder: Path, own_home: Path
) -> None:
    write(folder, 30, text="The xylophone canary sang at noon.")
    ingest(store, folder)
    search(store, "xylophone", "Ada", 1)
    reader = sqlite3.connect(own_home / "ledger.sqlite3", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM posts").fetchone()
    assert not store.forget("Ada", [store.find_post("Ada", "0030.md")])
    assert set(traces(own_home, "xylophone")) <= {"ledger.sqlite3", "ledger.sqlite3-wal"}  # no index has them
    reader.close()
    store.close()
    assert traces(own_home, "xylophone") == []


def test_a_forgotten_post_does_not_come_back_by_a_copy_with_other_words(
    store: FeatureStore, folder: Path, tmp_path: Path, own_home: Path
) -> None:
    text = "xylophone " + " ".join(random.Random(7).choices([f"word{n}" for n in range(400)], k=300))
    write(folder, 50, text=text)
    write(tmp_path / "medium", 1, text=f"This one stood in my garden first. {text}")
    assert ingest(store, folder, tmp_path / "medium").duplicate == 1
    store.forget("Ada", [store.find_post("Ada", "0050.md")])
    report = ingest(store, folder, tmp_path / "medium")
    assert (report.added, report.refused) == (0, {"forgotten": 2})
    assert traces(own_home, "xylophone") == []


def test_a_post_that_its_source_has_deleted_can_be_forgotten(store: FeatureStore, folder: Path, own_home: Path) -> None:
    for number in (30, 31):
        write(
            folder,
            number,
            text=f"The xylophone canary sang {number} times.",
            front=f"url: https://a.example/{number}\n",
        )
    ingest(store, folder)
    names = ["0030.md", "https://a.example/30", store.find_post("Ada", "0030.md")]
    for number in (30, 31):
        (folder / f"{number:04}.md").unlink()
    assert ingest(store, folder).deleted == 2
    assert traces(own_home, "xylophone")  # their last words are kept as revisions
    with pytest.raises(NotFound):
        store.find_post("Ada", "0030.md")
    assert {store.find_post("Ada", name, deleted=True) for name in names} == {names[-1]}
    store.forget("Ada", [names[-1], store.find_post("Ada", "0031.md", deleted=True)])
    assert traces(own_home, "xylophone") == []
    assert traces(own_home, "a.example") == []
    with pytest.raises(NotFound):
        store.find_post("Ada", "0030.md", deleted=True)
    write(folder, 30, text="Other words under the old name.")
    write(folder, 32, text="The xylophone canary sang 31 times.")
    assert ingest(store, folder).refused == {"forgotten": 2}


def test_a_forgotten_source_takes_along_what_it_has_deleted(
    store: FeatureStore, folder: Path, tmp_path: Path, own_home: Path
) -> None:
    write(folder, 30, text="The xylophone canary sang at noon.")
    write(tmp_path / "other", 40, text="Another folder.")
    ingest(store, folder, tmp_path / "other")
    gone = store.find_post("Ada", "0030.md")
    (folder / "0030.md").unlink()
    assert ingest(store, folder).deleted == 1
    assert gone in store.sightings.posts("Ada", str(folder))
    assert store.forget_source("Ada", str(folder))
    assert traces(own_home, "xylophone") == []
    write(folder, 30, text="The xylophone canary sang at noon.")
    assert ingest(store, folder).added == 9  # asked for anew
    (folder / "0030.md").unlink()
    ingest(store, folder)
    store.forget_author("Ada")
    assert traces(own_home, "0030.md") == []


def test_a_forgotten_source_takes_its_posts_and_another_brings_its_own_back(
    store: FeatureStore, folder: Path, tmp_path: Path, own_home: Path
) -> None:
    write(tmp_path / "other", 40, text="The xylophone stands in another folder.")
    write(tmp_path / "other", 2, text=(folder / "0002.md").read_text("utf-8").split("---\n")[2], title="A copy")
    ingest(store, folder, tmp_path / "other")
    assert store.forget_source("Ada", str(folder))
    assert {post.source_id for post in store.posts("Ada")} == {"0040.md"}
    assert [source.address for source in store.sightings.sources()] == [str(tmp_path / "other")]
    assert ingest(store, tmp_path / "other").added == 1  # what was a copy stands for itself now
    with pytest.raises(NotFound, match="has no source"):
        store.forget_source("Ada", str(folder))


def test_a_forgotten_author_leaves_the_others_alone(
    store: FeatureStore, folder: Path, tmp_path: Path, own_home: Path
) -> None:
    ingest(store, folder)
    write(tmp_path / "hers", 60, text="Bea writes of a xylophone.")
    ingest(store, tmp_path / "hers", author="Bea")
    assert len(store.ever("Bea")) == 1
    assert store.forget_author("Bea")
    assert traces(own_home, "xylophone") == []
    assert [author.name for author in store.authors()] == ["Ada"]
    assert store.index_size() == 8
