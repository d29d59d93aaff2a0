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

from contracts.embedder import SentenceEmbedder
from contracts.errors import StoreBusy, StoreError, TwinError
from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import search
from feature_pipeline import pipeline
from feature_pipeline.chunk import Chunker
from tests.conftest import Twin
from tests.fakes import WORDS as WORDS_OF_ADA
from tests.fakes import WordEmbedder, fill, post, voice

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


def _search_with_limit(home: Path, room: int, said: Connection) -> None:
    store = FeatureStore(home, WordEmbedder())
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    try:
        said.send(str(len(store.search("subject3", "Ada"))))
    except TwinError as error:
        said.send(f"{type(error).__name__}: {error}")


def test_a_disk_that_is_too_full_for_an_index_is_told_and_the_index_is_made_when_there_is_room(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, WordEmbedder())
    fill(store, [post(n, text(n)) for n in range(50)])
    store.close()
    fork = multiprocessing.get_context("fork")
    for room in (10, 3_000, 100_000):
        ours, theirs = fork.Pipe()
        process = fork.Process(target=_search_with_limit, args=(tmp_path, room, theirs))
        process.start()
        assert ours.poll(60)
        assert ours.recv().startswith("StoreError: the index in")
        process.join(60)
    store = FeatureStore(tmp_path, WordEmbedder())
    assert store.index_size() == 50
    store.close()


def test_a_vector_of_another_size_is_refused(store: FeatureStore, own_home: Path) -> None:
    """As of a model that was exchanged under its name."""
    fill(store, [post(1, text(1))])
    before, other = store.snapshot(), WordEmbedder(32)
    other.fingerprint = store.embedder.fingerprint
    changed = FeatureStore(own_home, other)
    with pytest.raises(StoreError, match="vectors of 32 numbers, and those of its version have 64"):
        fill(changed, [post(2, text(2))])
    with pytest.raises(StoreError):
        changed.search("subject1", "Ada")
    changed.close()
    assert (store.snapshot(), store.index_size()) == (before, 1)


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


def test_the_doctor_makes_an_index_again_that_lacks_a_chunk(
    own_home: Path, embedder: Path, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_EMBEDDER", str(embedder))
    store = FeatureStore(own_home, SentenceEmbedder(str(embedder)))
    fill(store, [post(n, voice(n, WORDS_OF_ADA)) for n in range(6)])
    version = store.active()
    assert version is not None
    index = store._caught_up(version, store._latest_seq())
    index.apply([], [store.search("brass clock", "Ada")[0].chunk_id], index.applied)
    assert store.index_size() == 5
    store.close()
    for repaired in (True, False):
        (check,) = (check for check in twin("doctor", "--json").json if check["what"] == "store")
        assert check["ok"], check
        assert ("the index held 5, and was made again" in check["detail"]) is repaired


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


def test_on_a_vector_server_a_forgotten_post_is_gone_from_every_version_at_once(tmp_path: Path) -> None:
    def server() -> QdrantClient:
        return QdrantClient(path=str(tmp_path / "server"))

    store = FeatureStore(tmp_path / "home", WordEmbedder(), qdrant=server)
    fill(store, [post(n, text(n)) for n in range(3)])
    assert store.index_size() == 3
    pipeline.use_version(store, pipeline.settings_version(store, Chunker(size=500)), lambda *_: None)
    assert store.index_size() == 3
    store.forget("Ada", [post(1, "").id])
    client = server()
    points = [client.scroll(found.name, limit=9)[0] for found in client.get_collections().collections]
    client.close()
    held = [sorted(point.payload["post"] for point in some if "post" in (point.payload or {})) for some in points]
    assert held == [sorted([post(0, "").id, post(2, "").id])] * 2
    assert store.index_size() == 2
    store.close()


def test_nothing_is_forgotten_while_the_vector_server_is_away(tmp_path: Path) -> None:
    """Else it would hold what nobody remembers to delete."""
    store = FeatureStore(
        tmp_path,
        WordEmbedder(),
        qdrant=lambda: QdrantClient(url="http://127.0.0.1:1", timeout=1, check_compatibility=False),
    )
    fill(store, [post(1, text(1))])
    with pytest.raises(StoreError, match="does not answer"):
        store.forget("Ada", [post(1, "").id])
    assert len(store.posts("Ada")) == 1
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
