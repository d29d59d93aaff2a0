from __future__ import annotations

from contracts.records import Passage
from inference_pipeline.ground import ground, sentences

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


def test_two_sentences_of_one_passage_are_one_citation_that_spans_both() -> None:
    made = ground(
        "A seized seatpost wants penetrating oil, three days. Tea helps, patience and oil help a seized seatpost.",
        [passage(1, POST)],
    )
    assert len(made.citations) == 1
    assert POST[made.citations[0].start : made.citations[0].end] == made.citations[0].text


def test_code_is_left_alone() -> None:
    text = "Do this:\n\n```sh\ncut -f1 seized seatpost penetrating oil\n```\n"
    made = ground(text, [passage(1, POST)], "oil")
    assert "cut -f1 seized seatpost penetrating oil\n```" in made.text


def test_array_subscripts_stay() -> None:
    assert ground("Take argv[1] first.", [], "x").text == "Take argv[1] first."


def test_sentences_have_exact_offsets() -> None:
    text = " One. Two!  “Three?” four\nfive "
    assert [text[a:b] for a, b in sentences(text)] == ["One.", "Two!", "“Three?”", "four", "five"]


def test_a_note_is_quoted_without_the_title_that_it_has_not() -> None:
    note = passage(1, POST).model_copy(update={"title": ""})
    made = ground("Cheese is a fine thing to have in a house.", [note], "How is a seized seatpost freed?")
    assert "\n\nI wrote: “" in made.text
