"""The benchmarks of speed: what is timed in turn, and that both sides of a search find what they are asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from benchmarks import search_speed, speed


def test_ours_and_theirs_take_turns_and_the_ratio_has_its_spread() -> None:
    done: list[str] = []
    took = speed.in_turn({"theirs": lambda: done.append("theirs"), "ours": lambda: done.append("ours")}, times=3)
    assert done == ["theirs", "ours"] * 3
    assert [len(each) for each in took.values()] == [3, 3]
    assert speed.ratio([2.0, 9.0, 4.0], [1.0, 3.0, 2.0]) == "ratio 2.00 [2.00, 3.00]"


def test_a_machine_reads_and_multiplies_at_a_rate_that_it_can_have() -> None:
    assert 1e8 < speed.read(10**7) < 1e13
    assert 1e7 < speed.multiplied(64, 64, torch.float32, rows=64) < 1e15


def test_a_search_is_timed_against_a_client_that_holds_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "chunk_chroma" / "corpora"
    folder.mkdir(parents=True)
    sentences = (f"The church clock number{n} gains four minutes a week in the rain of day{n * 7}." for n in range(400))
    (folder / "clocks.md").write_text(" ".join(sentences), encoding="utf-8")
    search_speed.main(tmp_path, [300])
    said = capsys.readouterr().out
    assert "share of the exact 100 nearest found, 10 questions: 1.000" in said
    for name in ("dense", "dense, one author's"):
        assert re.search(rf"qdrant-client, {name}: median [\d.]+ \[.*\], ratio [\d.]+ \[[\d.]+, [\d.]+\]", said)
    assert re.search(r"floor of the dense scan: [\d.]+ ms, 0 MB at [\d.]+ GB/s", said)
