"""The feature store: the ledger is the truth, the index follows it, and two processes never wait for each other."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import Mismatch, NotFound, StoreBusy, StoreError
from contracts.feature_store import Features, FeatureStore, FeatureVersion
from contracts.feature_store.retrieve import search
from contracts.records import Chunk
from feature_pipeline.chunk import DEFAULT
from tests.fakes import WordEmbedder, fill, post

LONG = "\n\n".join(f"Paragraph {n} speaks of subject{n} and nothing else. " * 8 for n in range(10))


def texts(store: FeatureStore, query: str, author: str = "Ada") -> list[str]:
    return [passage.text for passage in search(store, query, author, 5)]


def test_a_passage_is_exactly_its_slice_of_the_post(store: FeatureStore) -> None:
    made = post(1, "é🧵 " + LONG)
    fill(store, [made])
    found = search(store, "subject7", "Ada", 5)
    assert "subject7" in found[0].text
    stored = store.post(made.id, "Ada").text
    assert all(stored[passage.start : passage.end] == passage.text for passage in found)


def test_an_edit_from_many_chunks_to_one_leaves_one(store: FeatureStore) -> None:
    fill(store, [post(1, LONG)])
    assert store.index_size() > 3
    fill(store, [post(1, "Short now, about brass.")])
    assert store.index_size() == 1
    assert texts(store, "subject7") == ["Short now, about brass."]
    assert store.authors()[0].chunks == 1


def test_an_edit_keeps_its_revision(store: FeatureStore, own_home: Path) -> None:
    fill(store, [post(1, "the first words")])
    fill(store, [post(1, "the second words")])
    rows = sqlite3.connect(own_home / "ledger.sqlite3").execute("select revision, text from revisions").fetchall()
    assert rows == [(1, "the first words")]


def test_equal_texts_of_two_authors_are_both_kept_and_never_mixed(store: FeatureStore) -> None:
    fill(store, [post(1, "the same words"), post(1, "the same words", author="Bob")])
    assert {passage.post_id for passage in search(store, "same words", "Bob", 5)} == {post(1, "", author="Bob").id}
    assert {author.name: author.chunks for author in store.authors()} == {"Ada": 1, "Bob": 1}


@pytest.mark.parametrize("author", ["", "Nobody", "ada"])
def test_a_query_needs_an_author_who_exists(store: FeatureStore, author: str) -> None:
    fill(store, [post(1, "some words")])
    with pytest.raises(NotFound, match="Ada"):
        store.search("words", author)


def test_another_authors_post_is_not_found(store: FeatureStore) -> None:
    fill(store, [post(1, "some words")])
    with pytest.raises(NotFound):
        store.post(post(1, "").id, "Bob")


def test_a_snapshot_names_the_content(store: FeatureStore, tmp_path: Path) -> None:
    empty = store.snapshot().id
    fill(store, [post(1, "one"), post(2, "two")])
    first = store.snapshot()
    assert (first.posts, first.chunks) == (2, 2)
    assert first.id != empty
    fill(store, [post(2, "two, edited")])
    assert store.snapshot().id != first.id
    fill(store, [post(2, "two")])
    assert store.snapshot().id == first.id
    other = FeatureStore(tmp_path / "elsewhere", WordEmbedder())
    fill(other, [post(2, "two"), post(1, "one")])
    assert other.snapshot().id == first.id
    other.close()


def test_a_second_writer_is_told_who_writes(store: FeatureStore, own_home: Path) -> None:
    other = FeatureStore(own_home, WordEmbedder())
    with store.writing("an ingest of 'Ada'"), pytest.raises(StoreBusy, match="ingest of 'Ada'"), other.writing("x"):
        pass
    with other.writing("x"):
        pass
    other.close()


def test_two_open_stores_see_each_others_posts_at_the_next_question(store: FeatureStore, own_home: Path) -> None:
    fill(store, [post(1, "about brass")])
    other = FeatureStore(own_home, WordEmbedder())
    assert texts(other, "brass") == ["about brass"]
    fill(store, [post(2, "about copper")])
    assert texts(other, "copper")[0] == "about copper"
    assert texts(store, "copper")[0] == "about copper"
    other.close()


def _search_elsewhere(home: Path, results: multiprocessing.Queue[list[str]]) -> None:
    store = FeatureStore(home, WordEmbedder())
    results.put([passage.text for passage in search(store, "brass", "Ada", 5)])
    store.close()


def test_another_process_searches_while_this_one_holds_its_index(store: FeatureStore, own_home: Path) -> None:
    fill(store, [post(1, "about brass")])
    assert texts(store, "brass") == ["about brass"]
    spawn = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[str]] = spawn.Queue()
    process = spawn.Process(target=_search_elsewhere, args=(own_home, results))
    process.start()
    assert results.get(timeout=60) == ["about brass"]
    process.join(10)


def test_a_vector_that_is_no_number_is_refused_and_stores_nothing(store: FeatureStore) -> None:
    one = post(1, "some words")
    version = FeatureVersion("c", store.embedder.fingerprint)
    piece = Chunk(post_id=one.id, author="Ada", ordinal=0, start=0, end=4, section="", header="")
    for bad in (np.full(64, np.nan, np.float32), np.zeros(64, np.float32), np.ones((2, 64), np.float32)):
        with pytest.raises(StoreError, match="unusable vector"):
            store.write(version, [Features(one, [piece], ["k"], [])], {"k": bad}, False)
    assert store.authors() == []


def test_another_embedder_is_refused_until_the_posts_are_ingested_again(store: FeatureStore, own_home: Path) -> None:
    fill(store, [post(1, "about brass")])
    other = FeatureStore(own_home, WordEmbedder(32, "other"))
    with pytest.raises(Mismatch, match="another embedding model"):
        other.search("brass", "Ada")
    fill(other, [post(1, "about brass")])  # built beside the old version …
    assert texts(store, "brass") == ["about brass"]
    other.versions.activate(FeatureVersion(str(DEFAULT), other.embedder.fingerprint))
    assert texts(other, "brass") == ["about brass"]  # … and switched at once
    with pytest.raises(Mismatch):
        store.search("brass", "Ada")
    other.close()


def test_a_ledger_that_is_no_database_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_bytes(b"not a database, " * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        FeatureStore(tmp_path, WordEmbedder())


def test_the_index_is_made_again_from_the_ledger(store: FeatureStore, own_home: Path) -> None:
    import shutil

    fill(store, [post(n, f"about subject{n}") for n in range(20)])
    before = texts(store, "subject7")
    store.close()
    shutil.rmtree(own_home / "index")
    again = FeatureStore(own_home, WordEmbedder())
    assert texts(again, "subject7") == before
    again.close()


def test_newest_posts_come_first(store: FeatureStore) -> None:
    fill(store, [post(n, f"about subject{n}") for n in (3, 1, 2)])
    assert [passage.text for passage in store.newest("Ada", 2)] == ["about subject3", "about subject2"]
