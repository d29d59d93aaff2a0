from __future__ import annotations

from itertools import pairwise

import pytest

from feature_pipeline.chunk import DEFAULT, Chunker, chunk
from tests.fakes import post

PARAGRAPH = "A sentence of some ten words stands here for you. "


def test_a_short_post_is_one_chunk_however_short() -> None:
    one = post(1, "Gm. 🧵")
    assert [(c.start, c.end) for c in chunk(one)] == [(0, len(one.text))]
    long = post(2, "x" * DEFAULT.whole)
    assert len(chunk(long)) == 1


def test_no_words_no_chunk() -> None:
    assert chunk(post(1, "---\n\n***")) == []


@pytest.mark.parametrize("unit", [PARAGRAPH, "la la la. ", "é🧵 ", "a\n", "word" * 400 + "\n\n", "```\ncode\n```\n\n"])
def test_offsets_are_exact_and_nothing_but_space_is_lost(unit: str) -> None:
    text = "".join(f"{unit * 12}\n\n# Part {n}\n\n" for n in range(6))
    one = post(1, text)
    chunks = chunk(one)
    covered = "".join(one.text[c.start : c.end] for c in chunks)
    assert "".join(covered.split()) == "".join(text.split())
    assert all(a.end <= b.start for a, b in pairwise(chunks))
    assert all(c.end - c.start <= (DEFAULT.size if len(chunks) > 1 else DEFAULT.whole) for c in chunks)
    assert [c.ordinal for c in chunks] == list(range(len(chunks)))


def test_the_header_names_title_date_and_section() -> None:
    text = f"{PARAGRAPH * 30}\n\n## On springs\n\n{PARAGRAPH * 30}"
    chunks = chunk(post(1, text, title="Clocks", day=0))
    assert chunks[0].header == "Clocks (2024-01-01)"
    assert chunks[-1].header == "Clocks (2024-01-01): On springs"
    assert chunks[-1].embedded(text).startswith("Clocks (2024-01-01): On springs\n")


def test_a_hash_in_code_is_no_section() -> None:
    text = f"```sh\n# not a heading\n```\n\n{PARAGRAPH * 40}"
    assert {c.section for c in chunk(post(1, text))} == {""}


def test_another_chunker_cuts_otherwise_and_is_found_by_its_name() -> None:
    one = post(1, PARAGRAPH * 60)
    small = Chunker(size=300, whole=300, overlap=100, header=False)
    chunks = chunk(one, small)
    assert all(c.end - c.start <= 300 and c.header == "" for c in chunks)
    assert all(b.start < a.end for a, b in pairwise(chunks))
    assert Chunker.of(str(small)) == small
    assert Chunker.of("something else") is None
