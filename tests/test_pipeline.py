"""The feature pipeline: counts add up, a second run changes nothing, and what fails costs itself alone."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import StoreBusy, UsageError
from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import search
from feature_pipeline import clean as cleaning
from feature_pipeline import pipeline
from feature_pipeline.chunk import Chunker
from feature_pipeline.sources import Item
from feature_pipeline.sources.files import paths
from tests.fakes import WordEmbedder
from tests.ingested import everything, ingest, write


@pytest.fixture
def embedder(store: FeatureStore) -> WordEmbedder:
    assert isinstance(store.embedder, WordEmbedder)
    return store.embedder


def test_what_is_found_is_counted(store: FeatureStore, embedder: WordEmbedder, folder: Path) -> None:
    write(folder, 90, text="   \n")
    write(folder, 91, front="draft: true\n")
    report = ingest(store, folder)
    assert (report.found, report.added, report.changed, report.unchanged, report.duplicate) == (10, 8, 0, 0, 0)
    assert report.refused == {"empty": 1, "draft": 1}
    assert report.examples_of_refusals["draft"] == ["0091.md: draft: true"]
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


def test_what_nobody_foresaw_in_a_source_stops_no_other_and_deletes_nothing(
    store: FeatureStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Here a bug in what reads folders, which comes to light after five posts of one of them."""
    write(tmp_path / "more", 50, text="A post elsewhere.")
    ingest(store, folder, tmp_path / "more")
    whole = paths.read_path

    def broken(source: str) -> Iterator[Item]:
        yield from islice(whole(source), 5)
        if source == str(folder):
            raise TypeError("unhashable type: 'dict'")

    monkeypatch.setattr(paths, "read_path", broken)
    write(folder, 0, text="Now about copper alone.")
    write(tmp_path / "more", 51, text="Another one.")
    report = ingest(store, folder, tmp_path / "more")
    assert (report.changed, report.added, report.deleted, report.withheld) == (1, 1, 0, 0)
    assert "TypeError: unhashable type: 'dict'" in report.failed[str(folder)]
    assert "in broken" in caplog.text  # where to look for it
    assert len(store.posts("Ada")) == 10


def test_what_nobody_foresaw_in_a_post_costs_that_post(
    store: FeatureStore, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ingest(store, folder)
    detect = cleaning.detect

    def broken(text: str) -> str:
        if "elephant" in text:
            raise KeyError("elephant")
        return detect(text)

    monkeypatch.setattr(cleaning, "detect", broken)
    write(folder, 3, text="An elephant.")
    write(folder, 9, text="A mouse.")
    report = ingest(store, folder)
    assert (report.added, report.deleted, report.refused) == (1, 0, {"quarantined": 1})
    assert "KeyError" in report.examples_of_refusals["quarantined"][0]
    assert "Traceback" in caplog.text
    assert "subject3" in store.post(store.find_post("Ada", "0003.md"), "Ada").text


def test_what_nobody_foresaw_while_a_post_is_cut_costs_that_post(
    store: FeatureStore, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A chunker that cannot be: its pieces overlap by more than they are long, so that it fails on a long post alone."""
    write(folder, 9, text="An elephant never forgets. " * 50)
    impossible = Chunker(size=10, whole=1_000, overlap=20)
    report = ingest(store, folder, chunker=impossible)
    assert (report.found, report.added, report.refused) == (9, 8, {"quarantined": 1})
    assert "ValueError" in report.examples_of_refusals["quarantined"][0]
    assert "Traceback" in caplog.text
    write(folder, 3, text="A mouse is seldom remembered. " * 50)
    report = ingest(store, folder, chunker=impossible)
    assert (report.unchanged, report.deleted, report.refused) == (7, 0, {"quarantined": 2})
    assert "subject3" in store.post(store.find_post("Ada", "0003.md"), "Ada").text


def test_a_mistyped_source_is_not_read_again_by_a_sync(store: FeatureStore, folder: Path, tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    assert list(ingest(store, absent, folder).failed) == [absent]
    assert [source.address for source in store.sightings.sources()] == [str(folder)]
    shutil.move(folder, absent)
    ingest(store, folder)  # one that could be read once stays
    (known,) = store.sightings.sources()
    assert "there is no" in known.outcome


def test_a_second_ingest_is_told_who_holds_the_store(store: FeatureStore, folder: Path, own_home: Path) -> None:
    other = FeatureStore(own_home, WordEmbedder())
    with other.writing("an ingest of 'Bea'"), pytest.raises(StoreBusy, match=f"'Bea' .process {os.getpid()}"):
        ingest(store, folder)
    assert store.authors() == []
    assert ingest(store, folder).added == 8
    other.close()


@pytest.mark.parametrize("name", ["Ada", "Wren Halloway", " Inês Caldeira ", "百合", "Dr. No", ".."])
def test_an_authors_name(name: str) -> None:
    assert pipeline.check_author(name) == name.strip()


@pytest.mark.parametrize("name", ["", "  ", "a@b", "a/b", "a\\b", "a\nb", "a\0b", "x" * 101, "\ud800", "a\u202eb"])
def test_what_cannot_be_an_authors_name(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be an author's name"):
        pipeline.check_author(name)


class FailingEmbedder(WordEmbedder):
    """Has no memory for three texts at once, nor for one about elephants; what it makes of zeros is no number."""

    def embed(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> NDArray[np.float32]:
        if len(texts) > 2 or any("elephant" in text for text in texts):
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        made = super().embed(texts, progress)
        made[[number for number, text in enumerate(texts) if "zero" in text]] = np.nan
        return made


def test_out_of_memory_costs_one_post_not_the_run(tmp_path: Path, folder: Path) -> None:
    write(folder, 80, text="An elephant is too large.")
    write(folder, 81, text="A zero is no number.")
    store = FeatureStore(tmp_path / "small", FailingEmbedder())
    report = ingest(store, folder)
    assert (report.added, report.refused) == (8, {"quarantined": 2})
    assert ingest(store, folder).unchanged == 8
    store.close()


def test_an_edit_that_the_embedder_cannot_take_leaves_the_old_version(tmp_path: Path, folder: Path) -> None:
    store = FeatureStore(tmp_path / "small", FailingEmbedder())
    ingest(store, folder)
    write(folder, 3, text="A zero is no number.")
    for _ in range(2):
        report = ingest(store, folder)
        assert (report.unchanged, report.deleted, report.refused) == (7, 0, {"quarantined": 1})
        assert search(store, "subject3", "Ada", 1)[0].source_id == "0003.md"
    write(folder, 3, text="Now about copper alone.")
    assert ingest(store, folder).changed == 1
    store.close()
