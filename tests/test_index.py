"""Both indexes keep one contract: Qdrant's engine in process, and a server (in memory, or a real one at QDRANT_URL)."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.feature_store.index import EdgeIndex, Point, Scope, ServerIndex, VectorIndex
from tests.fakes import WordEmbedder

EMBEDDER = WordEmbedder(32)
Make = Callable[[], VectorIndex]


def point(number: int, text: str, author: str = "Ada", post: str = "a post") -> Point:
    return Point(str(uuid.UUID(int=number)), author, post, text, EMBEDDER.embed([text])[0])


def found(index: VectorIndex, text: str, author: str = "Ada") -> tuple[list[int], list[int]]:
    ranked = index.search(text, EMBEDDER.embed([text])[0], Scope(author), 10)
    return [uuid.UUID(i).int for i, _ in ranked.dense], [uuid.UUID(i).int for i, _ in ranked.bm25]


@pytest.fixture(params=["edge", "server"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorIndex]:
    made: VectorIndex
    if request.param == "edge":
        made = EdgeIndex(tmp_path / "index", 32, "test")
    else:
        from qdrant_client import QdrantClient

        url = os.environ.get("QDRANT_URL")
        client = QdrantClient(url=url) if url else QdrantClient(":memory:")
        made = ServerIndex(client, f"test-{uuid.uuid4().hex}", 32)
    yield made
    made.close()


def test_finds_by_meaning_and_by_words(index: VectorIndex) -> None:
    index.apply([point(1, "clocks run slow in winter"), point(2, "sharpen chisels on glass")], [], 1)
    dense, bm25 = found(index, "a slow clock in winter")
    assert dense[0] == 1
    assert bm25 == [1]


def test_an_author_sees_only_their_own(index: VectorIndex) -> None:
    index.apply([point(1, "clocks run slow", "Ada"), point(2, "clocks run slow", "Bob")], [], 1)
    assert found(index, "slow clocks", "Ada") == ([1], [1])
    assert found(index, "slow clocks", "Eve") == ([], [])


def test_a_scope_narrows_what_is_found_and_never_whose(index: VectorIndex) -> None:
    def made(number: int, **more: Any) -> Point:
        return replace(point(number, "clocks run slow", "Bob" if number > 4 else "Ada", f"p{number}"), **more)

    index.apply([
        made(1, day=10, format="note", source="/a"), made(2, day=20, format="article", source="/b"),
        made(3, source="/b"), made(4, day=30, format="note", source="/c"), made(5, day=20, format="note", source="/b"),
    ], [], 1)  # fmt: skip
    scopes = {
        Scope("Ada"): {1, 2, 3, 4},
        Scope("Ada", after=10, before=30): {1, 2},
        Scope("Ada", before=10): set(),
        Scope("Ada", after=0): {1, 2, 4},
        Scope("Ada", format="note"): {1, 4},
        Scope("Ada", sources=("/b",)): {2, 3},
        Scope("Ada", sources=("/b",), also=("p1", "p5")): {1, 2, 3},
        Scope("Ada", among=("p4", "p5")): {4},
        Scope("Ada", format="note", among=("p4", "p2"), after=25): {4},
        Scope("Bob", sources=("/b",)): {5},
        Scope("Eve", among=("p1", "p5")): set(),
    }
    for scope, expected in scopes.items():
        ranked = index.search("slow clocks", EMBEDDER.embed(["slow clocks"])[0], scope, 10)
        for found in (ranked.dense, ranked.bm25):
            assert {uuid.UUID(i).int for i, _ in found} == expected


def test_how_rare_a_word_is_is_counted_over_one_author(index: VectorIndex) -> None:
    """Rust is rare with Ada, however often Bob says it, and with all of hers, however few a search may find."""
    index.apply([point(1, "rust rust", "Ada"), *(point(n, "clock oil", "Ada") for n in range(2, 6))], [], 1)
    vector = EMBEDDER.embed(["rust"])[0]
    alone = index.search("rust", vector, Scope("Ada"), 10).bm25
    index.apply([point(n, "rust again", "Bob") for n in range(10, 40)], [], 2)
    for scope in (Scope("Ada"), Scope("Ada", among=("a post",))):
        assert dict(index.search("rust", vector, scope, 10).bm25) == pytest.approx(dict(alone), abs=1e-5)


def test_upsert_replaces_and_delete_removes(index: VectorIndex) -> None:
    index.apply([point(1, "old words"), point(2, "other words")], [], 1)
    index.apply([point(1, "entirely different")], [str(uuid.UUID(int=2))], 2)
    assert index.count() == 1
    assert found(index, "old words")[1] == []
    assert found(index, "different")[1] == [1]


def test_applying_the_same_changes_again_changes_nothing(index: VectorIndex) -> None:
    changes = [point(1, "one text"), point(2, "two texts")]
    index.apply(changes, [], 1)
    before = found(index, "text")
    index.apply(changes, [], 1)
    assert index.count() == 2
    assert found(index, "text") == before


def test_remembers_what_it_has_applied(index: VectorIndex) -> None:
    assert index.applied == 0
    index.apply([point(1, "text")], [], 41)
    index.apply([], [], 42)
    assert index.applied == 42
    assert index.count() == 1


def test_a_server_filled_under_another_layout_is_filled_anew() -> None:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    ServerIndex(client, "old", 32).apply([point(1, "text")], [], 7)
    assert ServerIndex(client, "old", 32).applied == 7
    marker = models.PointStruct(id=0, vector={}, payload={"kind": "applied", "seq": 7})
    client.upsert("old", [marker])
    assert ServerIndex(client, "old", 32).applied == 0


def test_a_query_of_stop_words_alone_finds_no_words(index: VectorIndex) -> None:
    index.apply([point(1, "the clock")], [], 1)
    dense, bm25 = found(index, "the of and")
    assert dense == [1]
    assert bm25 == []


def test_both_rank_alike(tmp_path: Path) -> None:
    from qdrant_client import QdrantClient

    texts = ["brass clock springs", "a clock in the rain", "rain on brass", "tea and screws", "clock clock clock oil"]
    points = [point(number, text) for number, text in enumerate(texts, 1)]
    edge = EdgeIndex(tmp_path / "index", 32, "test")
    server = ServerIndex(QdrantClient(":memory:"), "test", 32)
    for made in (edge, server):
        made.apply(points, [], 1)
    for query in ("brass clock", "rain", "oil for a clock"):
        vector = EMBEDDER.embed([query])[0]
        one, other = (made.search(query, vector, Scope("Ada"), 10) for made in (edge, server))
        assert dict(one.dense) == pytest.approx(dict(other.dense), abs=1e-5)
        assert dict(one.bm25) == pytest.approx(dict(other.bm25), abs=1e-4)
    edge.close()


def test_edge_goes_on_after_a_restart_and_starts_anew_for_another_ledger(tmp_path: Path) -> None:
    first = EdgeIndex(tmp_path / "index", 32, "ledger-a")
    first.apply([point(1, "kept words")], [], 7)
    first.close()
    again = EdgeIndex(tmp_path / "index", 32, "ledger-a")
    assert (again.applied, again.count(), found(again, "kept")[1]) == (7, 1, [1])
    again.close()
    other = EdgeIndex(tmp_path / "index", 32, "ledger-b")
    assert (other.applied, other.count()) == (0, 0)
    other.close()


def test_a_torn_edge_index_starts_anew(tmp_path: Path) -> None:
    first = EdgeIndex(tmp_path / "index", 32, "a")
    first.apply([point(number, f"word{number}") for number in range(1, 50)], [], 7)
    first.close()
    for file in (tmp_path / "index" / "shard").rglob("*.json"):
        file.write_bytes(file.read_bytes()[:3])
    again = EdgeIndex(tmp_path / "index", 32, "a")
    assert again.applied == 0
    again.apply([point(1, "word1")], [], 1)
    assert found(again, "word1")[1] == [1]
    again.close()


def test_vectors_keep_their_values(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path / "index", 32, "a")
    index.apply([point(1, "some words here")], [], 1)
    ranked = index.search("some words here", EMBEDDER.embed(["some words here"])[0], Scope("Ada"), 1)
    assert np.isclose(ranked.dense[0][1], 1.0, atol=1e-5)
    index.close()


def test_an_index_whose_rebuilding_was_cut_short_does_not_claim_to_be_full(tmp_path: Path) -> None:
    first = EdgeIndex(tmp_path / "index", 32, "a")
    first.apply([point(1, "word1")], [], 7)
    first.close()
    for file in (tmp_path / "index" / "shard").rglob("*.json"):
        file.write_bytes(b"{")
    EdgeIndex(tmp_path / "index", 32, "a").close()  # finds it torn, begins anew, and gets no further
    again = EdgeIndex(tmp_path / "index", 32, "a")
    assert again.applied == 0
    again.close()
