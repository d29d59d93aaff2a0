"""The feature pipeline: counts add up, a second run changes nothing, and a run that was killed is gone on with."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from contracts.errors import Mismatch, StoreBusy, UsageError
from contracts.feature_store import FeatureStore
from feature_pipeline import pipeline
from inference_pipeline.retrieve import search
from tests.fakes import WORDS, WordEmbedder


def write(folder: Path, number: int, text: str = "", title: str = "", front: str = "") -> Path:
    """A post of a day of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    head = (
        f"title: {title or f'Post {number}'}\ndate: {2000 + number // 360}-{number // 30 % 12 + 1}-{number % 28 + 1}\n"
    )
    text = (
        text or f"About subject{number}. {' '.join(random.Random(number).choices(WORDS, k=40))}.\n"
    )  # as good as no ties
    path = folder / f"{number:04}.md"
    path.write_text(f"---\n{head}{front}---\n{text}", encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(8):
        write(tmp_path / "posts", number)
    return tmp_path / "posts"


@pytest.fixture
def embedder(store: FeatureStore) -> WordEmbedder:
    assert isinstance(store.embedder, WordEmbedder)
    return store.embedder


def ingest(store: FeatureStore, *sources: Path | str, author: str = "Ada", limit: int | None = None) -> pipeline.Report:
    return pipeline.run([str(source) for source in sources], author, store, limit=limit)


def everything(store: FeatureStore, author: str = "Ada") -> tuple[object, ...]:
    """All that a reader could see, in an order of its own."""
    posts = sorted((post.id, post.content_hash) for post in store.posts(author))
    parts = ("train", "validation", "test")
    examples = [store.examples(author, part) for part in parts]  # type: ignore[arg-type]
    found = search(store, "subject3 brass", author, 10)
    return store.snapshot(), posts, store.splits(author), examples, found, store.index_size()


def test_what_is_found_is_counted(store: FeatureStore, embedder: WordEmbedder, folder: Path) -> None:
    write(folder, 90, text="   \n")
    write(folder, 91, front="draft: true\n")
    report = ingest(store, folder)
    assert (report.found, report.added, report.changed, report.unchanged, report.duplicate) == (10, 8, 0, 0, 0)
    assert report.refused == {"empty": 1, "draft": 1}
    assert report.examples_of_refusals["draft"].startswith("0091.md")
    assert report.stored + sum(report.refused.values()) == report.found
    assert (report.chunks, report.embedded, embedder.embedded) == (8, 8, 8)
    assert report.snapshot is not None
    assert (report.snapshot.posts, report.snapshot.chunks) == (8, 8)
    parts, frozen = store.splits("Ada")
    assert (Counter(parts.values()), frozen) == ({"train": 6, "validation": 1, "test": 1}, False)
    assert len(store.examples("Ada", "train")) > 0
    assert search(store, "subject3", "Ada", 1)[0].source_id == "0003.md"


def test_the_same_again_embeds_nothing_and_changes_nothing(
    store: FeatureStore, embedder: WordEmbedder, folder: Path
) -> None:
    first = ingest(store, folder)
    before, embedded = everything(store), embedder.embedded
    again = ingest(store, folder)
    assert (again.unchanged, again.stored, again.chunks, again.embedded) == (8, 8, 0, 0)
    assert again.snapshot == first.snapshot
    assert embedder.embedded == embedded
    assert everything(store)[:4] == before[:4]


def test_an_edit_changes_one_post(store: FeatureStore, folder: Path) -> None:
    first = ingest(store, folder)
    ids = {post.id for post in store.posts("Ada")}
    write(folder, 3, text="Now about copper alone.")
    report = ingest(store, folder)
    assert (report.added, report.changed, report.unchanged, report.embedded) == (0, 1, 7, 1)
    assert report.snapshot != first.snapshot
    assert {post.id for post in store.posts("Ada")} == ids
    assert search(store, "copper", "Ada", 1)[0].text == "Now about copper alone."
    assert store.index_size() == 8
    write(folder, 3)
    assert ingest(store, folder).snapshot == first.snapshot


def test_equal_words_in_two_files_are_one_post(store: FeatureStore, folder: Path) -> None:
    write(folder, 20, text="The same words.")
    write(folder, 21, text="The  same\nwords.")
    report = ingest(store, folder)
    assert (report.added, report.duplicate) == (9, 1)
    again = ingest(store, folder)
    assert (again.unchanged, again.duplicate) == (9, 1)
    assert again.snapshot == report.snapshot
    assert len(store.posts("Ada")) == 9


def test_where_one_of_two_equal_posts_is_edited_both_are_kept(store: FeatureStore, folder: Path) -> None:
    write(folder, 20, text="The same words.")
    write(folder, 21, text="The same words.")
    ingest(store, folder)
    write(folder, 20, text="Other words now.")
    report = ingest(store, folder)
    assert (report.added, report.changed, report.duplicate) == (1, 1, 0)
    assert {post.text for post in store.posts("Ada")} >= {"The same words.", "Other words now."}
    assert ingest(store, folder).unchanged == 10


def test_a_limit_takes_the_first(store: FeatureStore, folder: Path) -> None:
    report = ingest(store, folder, limit=3)
    assert (report.found, report.added) == (3, 3)
    assert {post.source_id for post in store.posts("Ada")} == {"0000.md", "0001.md", "0002.md"}


def test_where_all_is_refused_nothing_is_stored(store: FeatureStore, tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / "drafts", number, front="draft: true\n")
    report = ingest(store, tmp_path / "drafts")
    assert (report.found, report.stored, report.refused) == (3, 0, {"draft": 3})
    assert report.snapshot is not None
    assert report.snapshot.posts == 0
    assert store.authors() == []


def test_a_source_that_cannot_be_read_does_not_stop_the_others(
    store: FeatureStore, folder: Path, tmp_path: Path
) -> None:
    write(tmp_path / "more", 50, text="A post elsewhere.")
    absent = str(tmp_path / "absent")
    report = ingest(store, folder, absent, tmp_path / "more")
    assert report.added == 9
    assert list(report.failed) == [absent]
    assert "there is no" in report.failed[absent]


def test_another_embedder_rebuilds_every_authors_posts_and_switches(
    store: FeatureStore, folder: Path, tmp_path: Path, own_home: Path
) -> None:
    ingest(store, folder)
    write(tmp_path / "hers", 60, text="Bea writes of copper.")
    ingest(store, tmp_path / "hers", author="Bea")
    old = store.snapshot()
    other = FeatureStore(own_home, WordEmbedder(32, "other"))
    with pytest.raises(Mismatch):
        other.search("brass", "Ada")
    report = ingest(other, folder)
    assert (report.unchanged, report.chunks, report.embedded) == (8, 9, 9)
    assert report.snapshot is not None
    assert report.snapshot.feature_version != old.feature_version
    assert (report.snapshot.posts, report.snapshot.chunks) == (old.posts, old.chunks)
    assert search(other, "copper", "Bea", 1)[0].text == "Bea writes of copper."
    assert other.index_size() == 9
    assert ingest(other, folder).chunks == 0
    back = ingest(store, folder)  # the old chunks and vectors are still there
    assert (back.chunks, back.embedded, back.snapshot) == (0, 0, old)
    assert search(store, "subject3", "Ada", 1)[0].source_id == "0003.md"
    other.close()


def test_another_chunker_rebuilds_without_embedding_what_stays_the_same(
    store: FeatureStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(store, folder)
    before = store.active()
    monkeypatch.setattr(pipeline, "CHUNKER", "the next chunker")
    report = ingest(store, folder)
    assert (report.unchanged, report.chunks, report.embedded) == (8, 8, 0)
    assert store.active() not in (None, before)
    assert report.snapshot is not None
    assert report.snapshot.chunks == 8
    assert search(store, "subject3", "Ada", 1)[0].source_id == "0003.md"


def test_a_second_ingest_is_told_who_holds_the_store(store: FeatureStore, folder: Path, own_home: Path) -> None:
    other = FeatureStore(own_home, WordEmbedder())
    with other.writing("an ingest of 'Bea'"), pytest.raises(StoreBusy, match=f"'Bea' .process {os.getpid()}"):
        ingest(store, folder)
    assert store.authors() == []
    assert ingest(store, folder).added == 8
    other.close()


def _ingest_elsewhere(home: Path, folder: Path, steps: Connection) -> None:
    pipeline.BATCH = 10  # many transactions, to be killed in and between
    store = FeatureStore(home, WordEmbedder())
    pipeline.run([str(folder)], "Ada", store, progress=lambda stage, done, of: steps.send(stage))
    store.close()


def test_a_run_that_was_killed_is_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "posts"
    for number in range(100):
        write(folder, number)
    undisturbed = FeatureStore(tmp_path / "undisturbed", WordEmbedder())
    ingest(undisturbed, folder)
    expected = everything(undisturbed)
    undisturbed.close()

    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["feature_pipeline.pipeline", "tests.fakes", "langchain_text_splitters"])
    met = []
    for number in range(6):
        home = tmp_path / f"killed-{number}"
        ours, theirs = server.Pipe()
        process = server.Process(target=_ingest_elsewhere, args=(home, folder, theirs))
        process.start()
        theirs.close()
        for _ in range(random.randint(17 * number, 17 * number + 17)):
            ours.recv()
        time.sleep(random.uniform(0, 0.01))
        process.kill()
        process.join(60)
        store = FeatureStore(home, WordEmbedder())
        met.append(store.snapshot().posts)
        report = ingest(store, folder)
        assert (report.unchanged, report.stored) == (met[-1], 100)
        assert everything(store) == expected, f"after a kill with {met[-1]} posts stored"
        store.close()
    assert any(0 < posts < 100 for posts in met), met


@pytest.mark.parametrize("name", ["Ada", "Wren Halloway", " Inês Caldeira ", "百合", "Dr. No", ".."])
def test_an_authors_name(name: str) -> None:
    assert pipeline.check_author(name) == name.strip()


@pytest.mark.parametrize("name", ["", "  ", "a@b", "a/b", "a\\b", "a\nb", "a\0b", "x" * 101, "\ud800", "a\u202eb"])
def test_what_cannot_be_an_authors_name(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be an author's name"):
        pipeline.check_author(name)
