"""Feature versions: another embedder or chunker builds one beside what is served, which is switched to and back."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from contracts.errors import Mismatch
from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import search
from feature_pipeline import pipeline
from feature_pipeline.chunk import Chunker
from tests.fakes import WordEmbedder
from tests.ingested import ingest, write


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


class StoppedError(Exception):
    """As if the process had been ended there."""


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
