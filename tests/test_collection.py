"""A test collection is read, searched and scored as docs/retrieval.md says: its figures are wrong where this is."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks import collection, retrieval, to_collection
from contracts.feature_store import FeatureStore

DOCUMENTS = {
    "glue": "Hide glue lets go with steam.\n\n" * 60,
    "bread": "Bread rises overnight in a cold kitchen.",
    "clamps": "Clamped overnight, a joint of hide glue holds.",
}


@pytest.fixture
def asked(tmp_path: Path) -> collection.Collection:
    _lines(tmp_path / "corpus.jsonl", [{"_id": name, "title": "", "text": text} for name, text in DOCUMENTS.items()])
    queries = {"q1": "Which joints hold overnight?", "q2": "Nobody judged this", "q3": "Nothing fits"}
    _lines(tmp_path / "queries.jsonl", [{"_id": name, "text": text} for name, text in queries.items()])
    grades = ["query-id\tcorpus-id\tscore", "q1\tclamps\t2", "q1\tglue\t1", "q1\tbread\t0", "q3\tbread\t0"]
    (tmp_path / "qrels.tsv").write_text("\n".join(grades), encoding="utf-8")
    return collection.read(tmp_path)


def test_a_query_counts_that_a_document_is_relevant_for(asked: collection.Collection) -> None:
    assert asked.queries == {"q1": "Which joints hold overnight?"}
    assert asked.relevant == {"q1": {"clamps": 2, "glue": 1}}
    assert {post.source_id: post.text for post in asked.documents} == DOCUMENTS


def test_every_way_ranks_documents_and_each_of_them_once(asked: collection.Collection, store: FeatureStore) -> None:
    retrieval.fill(store, asked.documents)
    rankings = collection.measured(store, store.embedder, asked)
    assert len(store.spans_of(asked.documents[0].id)) > 1
    for ranked in rankings.values():
        assert len(set(ranked["q1"])) == len(ranked["q1"]) >= 2
    assert rankings["BM25"]["q1"] == ["clamps", "bread"]


def test_ndcg_is_of_the_grades_and_the_places() -> None:
    relevant = {"a": 2, "b": 1}
    assert collection.ndcg(["a", "b", "c"], relevant) == 1
    assert collection.ndcg(["b", "a"], relevant) == pytest.approx((1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3)))
    assert collection.ndcg(["c"] * 10 + ["a"], relevant) == 0
    assert collection.recall(["c", "b"], relevant) == 0.5
    assert collection.recall(["b", "a"], relevant, deep=1) == 0.5


def test_reciprocal_ranks_put_first_what_both_found() -> None:
    assert collection.reciprocal(["a", "b"], ["c", "b"]) == ["b", "a", "c"]


def test_conversations_become_turns_and_sessions(tmp_path: Path) -> None:
    turns = [{"id": f"session_{number}::D{number}:1", "text": text} for number, text in enumerate(DOCUMENTS.values())]
    turns.append({"id": "session_1::D1:2", "text": "And slowly."})
    asked = {"id": "q1", "query": "When does bread rise?", "gold_turns": ["session_1::D1:1", "session_1::D1:2"]}
    file = tmp_path / "conversations.json"
    file.write_text(json.dumps({"conversations": [{"conv_id": "c", "docs": turns, "queries": [asked]}]}))
    to_collection.main(file, tmp_path)
    by_turn, by_session = (collection.read(tmp_path / f"locomo_{grain}") for grain in ("turns", "sessions"))
    assert by_turn.relevant == {"q1": {"c/session_1::D1:1": 1, "c/session_1::D1:2": 1}}
    assert by_session.relevant == {"q1": {"c/session_1": 1}}
    texts = {post.source_id: post.text for post in by_session.documents}
    assert texts["c/session_1"] == f"{DOCUMENTS['bread']}\nAnd slowly."
    assert (len(by_turn.documents), len(by_session.documents)) == (4, 3)


def test_of_a_faq_each_answer_is_a_document(tmp_path: Path) -> None:
    _lines(tmp_path / "faq.jsonl", [{"id": "1", "q": "Which glue?", "a": "Hide glue."}])
    to_collection.main(tmp_path / "faq.jsonl", tmp_path)
    read = collection.read(tmp_path / "construction_faq")
    assert [post.text for post in read.documents] == ["Hide glue."]
    assert (read.queries, read.relevant) == ({"1": "Which glue?"}, {"1": {"1": 1}})


def _lines(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
