"""Of a text the embedder reads each content word once."""

from __future__ import annotations

import pytest

from feature_pipeline.chunk import Chunker, chunk
from feature_pipeline.content import distinct_words
from tests.fakes import post


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("The clock runs slow, and the clock's hand is late.", "clock runs slow hand late"),
        ("I do not like it", "not like"),
        ("IT at the WHO told us", "IT WHO told"),
        ("[a link](https://ada.example/on_springs)", "link https ada example springs"),
        ("while (*p++ != '\\0') count++;", "p 0 count"),
        ("हिन्दी में लिखा। हिन्दी", "हिन्दी में लिखा"),
        ("時計は遅い。時計は遅い。", "時計は遅い"),
    ],
)
def test_function_words_marks_and_repetitions_are_left_out(text: str, read: str) -> None:
    assert distinct_words(text) == read


@pytest.mark.parametrize("text", ["What is this?", "…", ""])
def test_a_text_without_content_words_is_read_as_it_stands(text: str) -> None:
    assert distinct_words(text) == text


def test_which_of_both_the_embedder_reads_is_in_the_name_of_the_chunker() -> None:
    one, text = Chunker(header=False), "A clock is a clock."
    whole = Chunker.of("markdown/1000/1200/0/bare")
    assert whole is not None
    assert Chunker.of(str(one)) == one
    assert str(one) == f"{whole}/distinct"
    piece = chunk(post(1, text), one)[0]
    assert (one.embedded(piece, text), whole.embedded(piece, text)) == ("clock", text)
