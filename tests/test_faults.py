"""What happens when the machine fails: a full disk, a torn file, a server that is away, two at once."""

from __future__ import annotations

import multiprocessing
import random
import resource
import signal
import threading
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from contracts.errors import StoreBusy, StoreError, TwinError
from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import search
from feature_pipeline import pipeline
from tests.fakes import WordEmbedder, fill, post

WORDS = [f"{a}{b}{c}" for a in ("ka", "lo", "mi", "re", "tu", "sha") for b in "aeiou" for c in "nrstlmp"]


def text(n: int, words: int = 20) -> str:
    return f"About subject{n} and {' '.join(random.Random(n).choices(WORDS, k=words))}."


def write(folder: Path, first: int, last: int, words: int = 20) -> Path:
    folder.mkdir(exist_ok=True)
    for n in range(first, last):
        (folder / f"{n:04}.md").write_text(f"# Post {n}\n\n{text(n, words)}", encoding="utf-8")
    return folder


def _ingest_with_limit(home: Path, folder: Path, room: int, said: Connection) -> None:
    """No file may grow beyond `room` bytes, as on a disk that is nearly full."""
    store = FeatureStore(home, WordEmbedder())
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    try:
        pipeline.run([str(folder)], "Ada", store)
        said.send("done")
    except TwinError as error:
        said.send(f"{type(error).__name__}: {error}")


def test_a_full_disk_is_told_and_what_was_stored_still_answers(tmp_path: Path) -> None:
    folder, home = write(tmp_path / "posts", 0, 5), tmp_path / "home"
    store = FeatureStore(home, WordEmbedder())
    pipeline.run([str(folder)], "Ada", store)
    before = store.snapshot()
    store.close()
    write(folder, 5, 400, words=400)
    fork = multiprocessing.get_context("fork")
    size = (home / "ledger.sqlite3").stat().st_size
    for room in (size + 30_000, size + 300_000):
        ours, theirs = fork.Pipe()
        process = fork.Process(target=_ingest_with_limit, args=(home, folder, room, theirs))
        process.start()
        assert ours.poll(60)
        assert ours.recv().startswith("StoreError: the ledger failed")
        process.join(60)
        again = FeatureStore(home, WordEmbedder())
        assert again.snapshot().posts >= before.posts
        assert again.index_size() == again.snapshot().chunks
        assert search(again, "subject3", "Ada", 1)
        again.close()
    store = FeatureStore(home, WordEmbedder())
    pipeline.run([str(folder)], "Ada", store)  # there is room again
    assert store.snapshot().posts == 400
    store.close()


@pytest.mark.parametrize("torn", ["applied.json", "shard"])
def test_a_torn_index_is_made_again(store: FeatureStore, own_home: Path, torn: str) -> None:
    fill(store, [post(n, text(n)) for n in range(10)])
    before = [passage.post_id for passage in search(store, "subject7", "Ada", 3)]
    store.close()
    (slot,) = (own_home / "index").glob("*/slot-0")
    targets = (
        [slot / torn] if (slot / torn).is_file() else [path for path in (slot / torn).rglob("*") if path.is_file()]
    )
    for path in targets:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    again = FeatureStore(own_home, WordEmbedder())
    assert [passage.post_id for passage in search(again, "subject7", "Ada", 3)] == before
    assert again.index_size() == 10
    again.close()


def test_a_vector_server_that_is_away_is_told_and_catches_up_when_it_is_back(tmp_path: Path) -> None:
    away = FeatureStore(
        tmp_path,
        WordEmbedder(),
        qdrant=lambda: QdrantClient(url="http://127.0.0.1:1", timeout=1, check_compatibility=False),
    )
    fill(away, [post(n, text(n)) for n in range(5)])  # the ledger does not need it
    with pytest.raises(StoreError, match="does not answer"):
        away.search("subject3", "Ada")
    away.close()
    back = QdrantClient(":memory:")
    store = FeatureStore(tmp_path, WordEmbedder(), qdrant=lambda: back)
    assert search(store, "subject3", "Ada", 1)[0].text.startswith("About subject3")
    assert store.index_size() == 5
    store.close()


def test_a_question_is_answered_while_an_ingest_writes_and_a_second_ingest_waits(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", write(tmp_path / "posts", 0, 300)
    page = FeatureStore(home, WordEmbedder())
    pipeline.run([str(folder)], "Ada", page)
    write(folder, 300, 600)
    writer, answers, refused = FeatureStore(home, WordEmbedder()), [0], [0]
    going = threading.Event()

    def ingest() -> None:
        pipeline.run([str(folder)], "Ada", writer, progress=lambda *_: going.set())

    thread = threading.Thread(target=ingest)
    thread.start()
    going.wait(30)
    while thread.is_alive():
        answers[0] += len(search(page, "subject123", "Ada", 1))
        try:
            pipeline.run([str(folder)], "Ada", page)
        except StoreBusy:
            refused[0] += 1
    thread.join()
    assert answers[0] > 0
    assert refused[0] > 0
    # It notices the new ones at the next question.
    assert "0555.md" in {passage.source_id for passage in search(page, "subject555", "Ada", 10)}
    assert page.index_size() == 600
    page.close()
    writer.close()
