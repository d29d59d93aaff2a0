"""A run of the feature pipeline that was killed or stopped is gone on with, and ends as one that was let be."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest

from contracts.feature_store import FeatureStore
from contracts.records import Split
from feature_pipeline import pipeline
from feature_pipeline.batches import LocalEngine
from tests.fakes import WORDS, WordEmbedder
from tests.ingested import everything, ingest, write


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
