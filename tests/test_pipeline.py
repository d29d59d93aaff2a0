"""The feature pipeline: counts add up, a second run changes nothing, and a run that was killed is gone on with."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import Mismatch, NotFound, StoreBusy, UsageError
from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import search
from contracts.records import Split
from feature_pipeline import clean as cleaning
from feature_pipeline import pipeline
from feature_pipeline.batches import LocalEngine
from feature_pipeline.chunk import Chunker
from feature_pipeline.report import Report
from feature_pipeline.sources import Item
from feature_pipeline.sources.files import paths
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


def ingest(
    store: FeatureStore, *sources: Path | str, author: str = "Ada", limit: int | None = None, **more: Any
) -> Report:
    return pipeline.run([str(source) for source in sources], author, store, limit=limit, **more)


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


def test_another_chunker_rebuilds_without_embedding_what_stays_the_same(store: FeatureStore, folder: Path) -> None:
    ingest(store, folder)
    before = store.active()
    report = ingest(store, folder, chunker=Chunker(size=999))
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


def _ingest_elsewhere(home: Path, folder: Path) -> None:
    engine = LocalEngine()
    engine.batch = 5  # many transactions, to be killed in and between
    store = FeatureStore(home, WordEmbedder())
    pipeline.run([str(folder)], "Ada", store, engine=engine)
    store.close()


def test_a_run_that_was_killed_at_any_moment_is_gone_on_with(tmp_path: Path) -> None:
    """A hundred runs that add, change and delete posts, each killed at a moment of its own, end as one that was let be."""
    folder, before = tmp_path / "posts", tmp_path / "before"
    for number in range(30):
        write(folder, number)
    _ingest_elsewhere(before, folder)
    for number in range(40):  # the first five go, ten are edited, ten are new
        if number < 5:
            (folder / f"{number:04}.md").unlink()
        elif number < 15 or number >= 30:
            write(
                folder,
                number,
                text=f"Now about subject{number}. {' '.join(random.Random(-number).choices(WORDS, k=40))}.",
            )

    def finished(home: Path) -> tuple[object, ...]:
        store = FeatureStore(home, WordEmbedder())
        ingest(store, folder)
        found = (everything(store), store.sightings.sources()[0].posts, ingest(store, folder).unchanged)
        store.close()
        return found

    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["tests.ready"])
    took = []
    for number in range(3):
        shutil.copytree(before, tmp_path / f"undisturbed-{number}")
        process = server.Process(target=_ingest_elsewhere, args=(tmp_path / f"undisturbed-{number}", folder))
        began = time.monotonic()
        process.start()
        process.join(60)
        took.append(time.monotonic() - began)
    expected = finished(tmp_path / "undisturbed-0")
    assert expected[1:] == (35, 35)

    met = Counter[int]()
    for number in range(100):
        home = tmp_path / f"killed-{number}"
        shutil.copytree(before, home)
        process = server.Process(target=_ingest_elsewhere, args=(home, folder))
        process.start()
        time.sleep(random.uniform(0, 1.1 * min(took)))
        process.kill()
        process.join(60)
        store = FeatureStore(home, WordEmbedder())
        met[sum("Now about" in post.text for post in store.posts("Ada"))] += 1
        store.close()
        assert finished(home) == expected, f"after kill {number}, with {met} edited or new posts stored"
        shutil.rmtree(home)
    assert any(0 < stored < 20 for stored in met), met


class StoppedError(Exception):
    """As if the process had been ended there."""


class Stopped(FeatureStore):
    """Is stopped after the last post is written and before anything is labelled."""

    def splits(self, author: str) -> tuple[dict[str, Split], bool]:
        raise StoppedError


def test_what_a_run_wrote_and_did_not_label_is_labelled_by_the_next(tmp_path: Path) -> None:
    """Which finds nothing changed: what recurs in many posts, no single one of them tells."""
    footer = "Written by hand at my kitchen table, from where the garden is seen."
    for number in range(6):
        words = " ".join(random.Random(number).choices(WORDS, k=40))
        write(tmp_path / "posts", number, text=f"About subject{number}. {words}.\n\n{footer}\n")
    marks = []
    for home in ("undisturbed", "stopped"):
        if home == "stopped":
            stopped = Stopped(tmp_path / home, WordEmbedder())
            with pytest.raises(StoppedError):
                ingest(stopped, tmp_path / "posts")
            stopped.close()
        store = FeatureStore(tmp_path / home, WordEmbedder())
        ingest(store, tmp_path / "posts")
        marks.append([[mark.kind for mark in post.marks] for post in store.posts("Ada")])
        store.close()
    assert marks == [[["recurring"]] * 6] * 2


@pytest.mark.parametrize("name", ["Ada", "Wren Halloway", " Inês Caldeira ", "百合", "Dr. No", ".."])
def test_an_authors_name(name: str) -> None:
    assert pipeline.check_author(name) == name.strip()


@pytest.mark.parametrize("name", ["", "  ", "a@b", "a/b", "a\\b", "a\nb", "a\0b", "x" * 101, "\ud800", "a\u202eb"])
def test_what_cannot_be_an_authors_name(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be an author's name"):
        pipeline.check_author(name)


# ---- in step with the source ----------------------------------------------------------------------------------------


def test_what_a_complete_listing_lacks_is_deleted_and_comes_back(store: FeatureStore, folder: Path) -> None:
    first = ingest(store, folder)
    kept = (folder / "0003.md").read_text("utf-8")
    (folder / "0003.md").unlink()
    report = ingest(store, folder)
    assert (report.deleted, report.unchanged, report.withheld) == (1, 7, 0)
    assert store.index_size() == 7
    assert "0003.md" not in {passage.source_id for passage in search(store, "subject3", "Ada", 10)}
    (folder / "0003.md").write_text(kept, encoding="utf-8")
    assert ingest(store, folder).added == 1
    assert store.snapshot() == first.snapshot


def test_a_listing_that_lost_most_of_it_deletes_nothing_unless_told_to(store: FeatureStore, folder: Path) -> None:
    ingest(store, folder)
    for number in range(5):
        (folder / f"{number:04}.md").unlink()
    report = ingest(store, folder)
    assert (report.deleted, report.withheld, len(store.posts("Ada"))) == (0, 5, 8)
    assert ingest(store, folder, allow_delete=True).deleted == 5
    assert len(store.posts("Ada")) == 3


def test_what_is_new_in_a_listing_does_not_vouch_for_what_it_lacks(store: FeatureStore, folder: Path) -> None:
    """Somebody else's posts stand at the address now: not today, and not at the next sync either."""
    ingest(store, folder)
    for number in range(8):
        (folder / f"{number:04}.md").unlink()
        write(folder, 20 + number)
    for added in (8, 0, 0):
        report = ingest(store, folder)
        assert (report.added, report.deleted, report.withheld) == (added, 0, 8)
    assert ingest(store, folder, allow_delete=True).deleted == 8
    (folder / "0020.md").unlink()  # what was doubted is believed again
    assert ingest(store, folder).deleted == 1


def test_a_run_with_a_limit_or_an_error_deletes_nothing(store: FeatureStore, folder: Path, tmp_path: Path) -> None:
    ingest(store, folder)
    (folder / "0000.md").unlink()
    assert ingest(store, folder, limit=7).deleted == 0
    shutil.move(folder, tmp_path / "moved")
    report = ingest(store, folder)
    assert (report.deleted, list(report.failed)) == (0, [str(folder)])
    assert len(store.posts("Ada")) == 8


def test_a_post_that_becomes_a_draft_is_taken_back(store: FeatureStore, folder: Path) -> None:
    ingest(store, folder)
    write(folder, 2, front="draft: true\n")
    report = ingest(store, folder)
    assert (report.deleted, report.refused, report.unchanged) == (1, {"draft": 1}, 7)


def test_a_cross_post_is_one_post_with_two_addresses(store: FeatureStore, folder: Path, tmp_path: Path) -> None:
    text = " ".join(random.Random(7).choices([f"word{n}" for n in range(400)], k=300))
    write(folder, 50, text=text, front="url: https://ada.example/one\n")
    edited = "Originally published elsewhere.\n\n" + text.replace("word7 ", "ward7 ", 3)
    write(tmp_path / "other", 1, text=edited, front="url: https://copy.example/1\n")
    ingest(store, folder)
    report = ingest(store, tmp_path / "other")
    assert (report.added, report.duplicate) == (0, 1)
    one = store.find_post("Ada", "https://copy.example/1")
    assert store.post(one, "Ada").source_id == "0050.md"
    assert store.sightings.addresses(one) == ["https://ada.example/one", "https://copy.example/1"]
    (folder / "0050.md").unlink()
    assert ingest(store, folder).deleted == 0  # the copy still shows it
    assert store.find_post("Ada", "0050.md") == one
    assert ingest(store, tmp_path / "other").duplicate == 1


def test_a_post_whose_own_source_is_gone_follows_its_copy(store: FeatureStore, folder: Path, tmp_path: Path) -> None:
    text = " ".join(random.Random(7).choices([f"word{n}" for n in range(400)], k=300))
    write(folder, 50, text=text)
    for place, edge in (("medium", "First."), ("letter", "Second.")):
        write(tmp_path / place, 1, text=f"{edge} {text}")
    ingest(store, folder, tmp_path / "medium", tmp_path / "letter")
    (one,) = (post.id for post in store.posts("Ada") if post.source_id == "0050.md")
    (folder / "0050.md").unlink()
    ingest(store, folder)
    write(tmp_path / "letter", 1, text=f"First. {text} And a line that is new.")
    report = ingest(store, tmp_path / "letter")
    assert (report.found, report.changed, report.duplicate) == (1, 1, 0)
    assert store.post(one, "Ada").text.endswith("And a line that is new.")
    for _ in range(2):  # the other copy, which lacks it, does not take turns with it
        ingest(store, tmp_path / "medium", tmp_path / "letter")
        assert store.post(one, "Ada").text.endswith("And a line that is new.")
    assert len(store.posts("Ada")) == 9
    write(folder, 50, text=text)  # it is back, and speaks for itself
    assert ingest(store, folder).changed == 1
    assert store.post(one, "Ada").text == text


def test_a_copy_beside_a_post_that_only_looks_changed_is_found(store: FeatureStore, folder: Path) -> None:
    text = " ".join(random.Random(7).choices([f"word{n}" for n in range(400)], k=300))
    write(folder, 50, text=f"{text}\n\nThe end.")
    ingest(store, folder)
    write(folder, 50, text=f"{text}  \n\n\n\n\nThe end.")
    write(folder, 51, text=f"Published elsewhere, too. {text}\n\nThe end.")
    report = ingest(store, folder)
    assert (report.unchanged, report.changed, report.added, report.duplicate) == (9, 0, 0, 1)


def test_a_copy_that_is_edited_becomes_a_post_of_its_own(store: FeatureStore, folder: Path) -> None:
    write(folder, 20, text="The same words.")
    write(folder, 21, text="The same words.")
    assert ingest(store, folder).duplicate == 1
    write(folder, 21, text="Quite another thing.")
    report = ingest(store, folder)
    assert (report.added, report.unchanged, report.deleted) == (1, 9, 0)


def test_a_post_that_becomes_a_copy_is_no_post_any_more(store: FeatureStore, folder: Path) -> None:
    write(folder, 20, text="The same words.")
    write(folder, 21, text="Other words.")
    ingest(store, folder)
    write(folder, 21, text="The same words.")
    report = ingest(store, folder)
    assert (report.duplicate, len(store.posts("Ada"))) == (1, 9)
    assert store.index_size() == 9


# ---- forgetting -----------------------------------------------------------------------------------------------------


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
    assert gone in store.forget_source("Ada", str(folder))
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
    assert len(store.forget_author("Bea")) == 1
    assert traces(own_home, "xylophone") == []
    assert [author.name for author in store.authors()] == ["Ada"]
    assert store.index_size() == 8


# ---- feature versions -----------------------------------------------------------------------------------------------


def test_a_version_is_built_beside_the_served_one_used_and_rolled_back(
    store: FeatureStore, folder: Path, own_home: Path
) -> None:
    ingest(store, folder)
    old = store.snapshot()
    embedders = {"words": WordEmbedder(), "other": WordEmbedder(32, "other")}
    other = FeatureStore(own_home, embedders["other"], load=embedders.__getitem__)
    new = pipeline.build_version(other, pipeline.settings_version(other, Chunker(size=500)), lambda *_: None)
    assert store.snapshot() == old  # nobody notices
    pipeline.use_version(other, new, lambda *_: None)
    assert other.snapshot().feature_version == new.id
    assert search(other, "subject3", "Ada", 1)[0].source_id == "0003.md"
    assert [(row.embedder, row.active, row.posts) for row in other.versions.all()] == [
        ("words", False, 8),
        ("other", True, 8),
    ]
    pipeline.use_version(other, other.versions.previous(), lambda *_: None)
    assert other.snapshot() == old
    write(folder, 70, text="A post after the rollback.")
    assert ingest(other, folder).snapshot.feature_version == old.feature_version  # type: ignore[union-attr]
    assert search(other, "rollback", "Ada", 1)[0].source_id == "0070.md"  # by the embedder of the old version
    other.close()


def test_an_edited_post_is_served_all_the_while_another_version_is_built(
    store: FeatureStore, folder: Path, own_home: Path
) -> None:
    ingest(store, folder)
    edited = store.find_post("Ada", "0003.md")
    write(folder, 3, text="Now about copper alone.")
    other = FeatureStore(own_home, WordEmbedder(32, "other"))
    served: list[bool] = []
    ingest(other, folder, progress=lambda *_: served.append(bool(store.spans_of(edited))))
    assert len(served) > 1
    assert all(served)
    assert search(other, "copper", "Ada", 1)[0].text == "Now about copper alone."
    other.close()


def test_a_build_that_is_stopped_changes_nothing_and_is_gone_on_with(store: FeatureStore, folder: Path) -> None:
    ingest(store, folder)
    old, found = store.snapshot(), search(store, "subject3", "Ada", 3)
    version = pipeline.settings_version(store, Chunker(size=400))

    def stop(stage: str, done: int, of: int | None) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        pipeline.use_version(store, dataclasses.replace(version, chunker=str(Chunker(size=401, header=False))), stop)
    assert (store.snapshot(), search(store, "subject3", "Ada", 3)) == (old, found)
    pipeline.use_version(store, version, lambda *_: None)
    assert store.snapshot().feature_version == version.id
    assert store.index_size() == 8


# ---- an embedder that fails -----------------------------------------------------------------------------------------


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
