from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.records import Passage
from inference_pipeline.grounding.ground import ground
from inference_pipeline.grounding.sentences import sentences

POST = "Preamble.\n\nA seized seatpost wants penetrating oil and three days of patience. Then twist, never pull. Tea helps."


def passage(number: int, text: str, start: int = 0) -> Passage:
    return Passage(
        post_id=f"post{number}",
        source_id=f"{number}.md",
        title=f"Post {number}",
        url=None,
        date=None,
        text=text,
        start=start,
        end=start + len(text),
        score=1.0,
    )


def test_a_supported_sentence_is_marked_with_the_exact_span() -> None:
    cut = POST.index("A seized")
    found = [passage(1, "Nothing about it here."), passage(2, POST[cut:], cut)]
    made = ground("Use penetrating oil on a seized seatpost, with patience. I like cheese.", found)
    assert made.text == "Use penetrating oil on a seized seatpost, with patience. [2] I like cheese."
    (citation,) = made.citations
    assert citation.marker == 2
    assert citation.text == "A seized seatpost wants penetrating oil and three days of patience."
    assert POST[citation.start : citation.end] == citation.text


def test_the_models_own_markers_are_not_trusted() -> None:
    made = ground("Cheese is a fine thing to have in a house [1]. [7] Indeed it is.", [passage(1, POST)], "seatpost?")
    assert "[7]" not in made.text
    assert made.text.startswith("Cheese is a fine thing to have in a house. Indeed it is.")


def test_where_nothing_is_supported_the_author_is_quoted() -> None:
    made = ground("Cheese.", [passage(1, POST)], "How long for a seized seatpost?")
    quote = POST[POST.index("A seized") :]  # the sentence that fits the question best, and what follows it
    assert made.text == f"Cheese.\n\nI wrote in “Post 1”: “{quote}” [1]"
    assert [citation.text for citation in made.citations] == [quote]


def test_an_empty_answer_is_a_quotation() -> None:
    assert ground("", [passage(1, POST)], "tea").citations[0].text == "Tea helps."


def test_each_supported_sentence_has_its_own_span() -> None:
    post = "A seized seatpost wants penetrating oil and patience. Nobody listens. Tea helps against an impatient mind."
    made = ground("A seized seatpost wants oil and patience. An impatient mind is helped by tea.", [passage(1, post)])
    assert made.text == "A seized seatpost wants oil and patience. [1] An impatient mind is helped by tea. [1]"
    assert [citation.marker for citation in made.citations] == [1, 1]
    assert [citation.text for citation in made.citations] == [post[:53], post[70:]]
    assert [sentence.evidence for sentence in made.sentences] == list(made.citations)
    assert [made.text[s.start : s.end] for s in made.sentences] == [
        "A seized seatpost wants oil and patience.",
        "An impatient mind is helped by tea.",
    ]


def test_two_sentences_on_one_span_are_one_citation() -> None:
    said = "A seized seatpost wants penetrating oil. Penetrating oil is what a seized seatpost wants."
    made = ground(said, [passage(1, POST)])
    assert made.text.count("[1]") == 2
    assert len(made.citations) == 1


@pytest.mark.parametrize(
    ("said", "support"),
    [
        ("A seized seatpost wants penetrating oil and patience.", "supported"),
        ("A seized seatpost never wants penetrating oil and patience.", "inferred"),
        ("A seized seatpost wants penetrating oil and nine days of patience.", "inferred"),
        ("A seized seatpost wants penetrating oil and 3 days of patience.", "supported"),
        ("My seatpost was always seized.", "inferred"),
        ("I sold my bakery in Lisbon.", "unsupported"),
    ],
)
def test_a_lost_not_and_another_number_are_no_support(said: str, support: str) -> None:
    (sentence, *_) = ground(said, [passage(1, POST)]).sentences
    assert sentence.support == support
    assert (sentence.evidence is None) == (support == "unsupported")


@pytest.mark.parametrize(
    ("said", "support"),
    [
        ("It is a good one.", "supported"),
        ("“It is a good one”!", "supported"),
        ("Right.", "supported"),
        ("It is not a good one.", "unsupported"),
        ("Is it a good one?", "unsupported"),
        ("A good one.", "unsupported"),
    ],
)
def test_a_sentence_of_common_words_is_supported_where_the_author_has_it_word_for_word(said: str, support: str) -> None:
    text = "I bought a clock. It is a good one. Right."
    (sentence, *_) = ground(
        said, [passage(1, text, start=40)], "", lambda texts: np.eye(len(texts), dtype="f4")
    ).sentences
    assert sentence.support == support
    if sentence.evidence:
        assert text[sentence.evidence.start - 40 : sentence.evidence.end - 40] == sentence.evidence.text
        assert sentence.evidence.text in {"It is a good one.", "Right."}


def test_a_sentence_that_says_nothing_does_not_stand_for_a_quotation_and_is_none() -> None:
    made = ground("Right.", [passage(1, "Right. I bought a clock. It is a good one.")], "What of cheese?")
    assert made.text == "Right. [1]\n\nI wrote in “Post 1”: “I bought a clock. It is a good one.” [1]"


def test_the_overlap_with_the_post_is_a_share_of_the_words() -> None:
    whole, half, none = ground(
        "Penetrating oil wants patience. Penetrating oil, seized seatpost, cheese, wine, music, art. Wool.",
        [passage(1, POST)],
    ).sentences[:3]
    assert (whole.shared, half.shared, none.shared) == (1.0, 0.5, 0.0)


def test_meaning_supports_where_the_words_differ() -> None:
    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        """Two directions: on oil, and on anything else."""
        rows = [[1.0, 0.0] if {"oil", "lubricant"} & set(text.split()) else [0.0, 1.0] for text in texts]
        return np.array(rows, dtype=np.float32)

    said = "Give the stuck tube some lubricant first. Cheese melts."
    first, second, *_ = ground(said, [passage(1, POST[: POST.index(" Then")])], "", embed).sentences
    assert (first.support, second.support) == ("supported", "supported")  # "Preamble." is as near to cheese
    assert first.evidence
    assert first.evidence.text.startswith("A seized seatpost")
    assert ground(said, [passage(1, POST)], "").sentences[0].support == "unsupported"


def test_first_person_claims_are_told_apart() -> None:
    made = ground('I was born in Madrid. Rust is red. He said "I am late".', [passage(1, POST)], "oil")
    assert [s.first_person for s in made.sentences] == [True, False, False, True]
    assert made.sentences[-1].support == "supported"  # the closing quotation


def test_offsets_always_slice_the_post() -> None:
    cut = POST.index("Then")
    made = ground("Twist, then never pull at it. Tea helps. Cheese.", [passage(1, POST[cut:], cut)], "tea")
    evidence = [sentence.evidence for sentence in made.sentences if sentence.evidence]
    assert evidence
    assert all(POST[found.start : found.end] == found.text for found in evidence)


def test_code_is_left_alone() -> None:
    text = "Do this:\n\n```sh\ncut -f1 seized seatpost penetrating oil\n```\n"
    made = ground(text, [passage(1, POST)], "oil")
    assert "cut -f1 seized seatpost penetrating oil\n```" in made.text


def test_array_subscripts_stay() -> None:
    assert ground("Take argv[1] first.", [], "x").text == "Take argv[1] first."


def test_sentences_have_exact_offsets() -> None:
    text = " One. Two!  “Three?” four\nfive "
    assert [text[a:b] for a, b in sentences(text)] == ["One.", "Two!", "“Three?”", "four", "five"]


WRAPPED = """\
The other major gap is touch typing. None of my students have been
touch typists, and it slows them all down far more than they realize.
I've seen the costs of this:

- a pecked line that is longer than anybody would have liked
- another
A short line
ends there"""


def test_a_paragraph_that_is_wrapped_by_hand_has_whole_sentences() -> None:
    assert [" ".join(WRAPPED[a:b].split()) for a, b in sentences(WRAPPED)] == [
        "The other major gap is touch typing.",
        "None of my students have been touch typists, and it slows them all down far more than they realize.",
        "I've seen the costs of this:",
        "- a pecked line that is longer than anybody would have liked",
        "- another",
        "A short line",
        "ends there",
    ]
    said = "None of my students have been touch typists, and it slows them all down far more than they realize."
    made = ground(said, [passage(1, WRAPPED)], "Who types?")
    assert made.text == f"{said} [1]"
    assert made.citations[0].text == WRAPPED[37 : 37 + len(said)]


def test_a_title_and_a_lists_number_end_no_sentence() -> None:
    text = "Mrs. Penhale was right. It is 8 vs. 9, e.g. today.\n1. Oil it.\n2. Wait. I met Dr."
    assert [text[a:b] for a, b in sentences(text)] == [
        "Mrs. Penhale was right.", "It is 8 vs. 9, e.g. today.", "1. Oil it.", "2. Wait.", "I met Dr."
    ]  # fmt: skip


def test_a_note_is_quoted_without_the_title_that_it_has_not() -> None:
    note = passage(1, POST).model_copy(update={"title": ""})
    made = ground("Cheese is a fine thing to have in a house.", [note], "How is a seized seatpost freed?")
    assert "\n\nI wrote: “" in made.text
