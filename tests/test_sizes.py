"""The benchmark of how many posts an adapter needs: what a size leaves of a corpus, and the table that is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import real_authors
from contracts.feature_store import FeatureStore
from contracts.records import Figure
from tests.fakes import stock
from training_pipeline import data


def test_a_size_keeps_the_newest_training_posts_and_what_they_are_measured_on(store: FeatureStore) -> None:
    stock(store)
    corpus = data.read(store, "Ada")
    part = real_authors.newest(corpus, 6)
    kept = sorted(corpus.posts[post_id].source_id for post_id in part.train_ids)
    whole = sorted((corpus.posts[post_id].date, post_id) for post_id in corpus.train_ids)
    assert kept == sorted(corpus.posts[post_id].source_id for _, post_id in whole[-6:])
    assert {span.post_id for example in part.examples["train"] for span in example.evidence} <= part.train_ids
    assert (part.examples["validation"], part.examples["test"]) == (
        corpus.examples["validation"],
        corpus.examples["test"],
    )
    assert part.reference == corpus.reference
    assert part.hash != corpus.hash
    assert real_authors.newest(corpus, 100).examples == corpus.examples


def test_measured_sizes_are_read_back_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert real_authors.rows(tmp_path / "absent.jsonl") == []
    figures = {"delta_nll": Figure(value=0.05, low=0.04, high=0.06, n=9, unit="nats/byte").model_dump()}
    rows = [
        {"author": "Ada", "size": 20, "examples": 31, "gate": [], "figures": figures},
        {"author": "Ada", "size": 50, "examples": 70, "gate": ["specificity: too low"], "figures": figures},
    ]
    table = tmp_path / "sizes.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert real_authors.rows(table) == rows
    real_authors.print_table(rows)
    head, rule, first, second = capsys.readouterr().out.splitlines()
    assert head.count("|") == rule.count("|") == first.count("|") == 10
    assert first.startswith("| Ada | 20 | 31 | 0.05 [0.04, 0.06] nats/byte, n = 9 | not measured |")
    assert first.endswith("| yes |")
    assert second.endswith("| no: specificity: too low |")
