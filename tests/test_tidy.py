"""What a newcomer stumbled over in answers: raw headings, echoes of the prompt, half sentences."""

from __future__ import annotations

import pytest

from inference_pipeline.grounding.ground import ground
from inference_pipeline.grounding.tidy import tidy, unrepeated, whole
from tests.test_ground import passage

OIL = passage(1, "Penetrating oil frees a seized seatpost in three days.").model_copy(
    update={"title": "Seized, freed!"}
)


@pytest.mark.parametrize(
    ("raw", "fit"),
    [
        ("# On oil\n\nUse it.", "On oil\n\nUse it."),
        ("### \nUse it.", "Use it."),
        ("I like C# and #1.", "I like C# and #1."),
        ("[2] Anything at all (2024-01-02)\nUse it.", "Use it."),
        ("[1] Seized, freed! (2024-01-02)\nUse it.", "Use it."),
        ("## Seized, freed!\nUse it.", "Use it."),
        ("1. Seized, freed! (2023-11-25)\nUse it.", "Use it."),
        ("2. Seized, freed (2023)\n3. Seized, freed! (21/12/2023)\nUse it.", "Use it."),
        ("1\n\nUse it.", "Use it."),
        ("[1]\nUse it.\n2.", "Use it."),
        ("42", "42"),
        ("1. Use it.\n2. Wait.", "1. Use it.\n2. Wait."),
        ("**Seized, freed** (2024-01-02):\nUse it.", "Use it."),
        ("In “Seized, freed!” I said to use it.", "In “Seized, freed!” I said to use it."),
        ("Use it.\n\nhttps://a.example/oil", "Use it."),
        ("Use it.\n[oil](https://a.example/oil)", "Use it."),
        ("Use it.\n- <http://a.example>", "Use it."),
        ("See https://a.example/oil for more.", "See https://a.example/oil for more."),
        ("Use it [1]. [7] Do.", "Use it. Do."),
        ("```sh\n# a comment\nhttps://a.example\n```", "```sh\n# a comment\nhttps://a.example\n```"),
    ],
)
def test_echoes_and_headings_go_and_prose_stays(raw: str, fit: str) -> None:
    assert tidy(raw, [OIL]) == fit


@pytest.mark.parametrize(
    ("raw", "kept", "cut"),
    [
        ("One. Two? Three and", "One. Two?", True),
        ("One. Two.", "One. Two.", False),
        ("One. “Two.”", "One. “Two.”", False),
        ("One without an end", "One without an end", True),
        ("A list:\n- one\n- tw", "A list:", True),
        ("Do:\n```sh\ncut -f1", "Do:\n```sh\ncut -f1\n```", True),
        ("", "", False),
    ],
)
def test_an_answer_ends_with_a_whole_sentence(raw: str, kept: str, cut: bool) -> None:
    assert whole(raw) == (kept, cut)


HEADED = OIL.model_copy(update={"text": "### Touch Typing\n\nThe other gap is touch typing."})


@pytest.mark.parametrize(
    ("raw", "fit"),
    [
        ("### Touch Typing\n\nIt is a gap.", "It is a gap."),
        ("It is a gap.\n\nAnswer in your own words and your own voice, using only these passages.", "It is a gap."),
        ("It is a gap.\nWhat of typing?\nIt is.", "It is a gap.\nIt is."),
        ("I am asked: what of typing? A lot.", "I am asked: what of typing? A lot."),
    ],
)
def test_what_the_prompt_says_is_no_answer(raw: str, fit: str) -> None:
    assert tidy(raw, [HEADED], "What of typing?") == fit


@pytest.mark.parametrize(
    ("raw", "fit"),
    [
        ("1. Java (9)\n2. Java (1)\n3. Java (3)\n\nSo.", "1. Java (9)\n2. Java (1)\n\nSo."),
        ("It is fast. It is fast. It is fast. It is not fast.  Oil it.", "It is fast. It is fast. It is not fast.  Oil it."),
        ("Oil it. Wait. Oil the clock. Wait.", "Oil it. Wait. Oil the clock. Wait."),
        ("```c\nx  = 1;\nx  = 1;\nx  = 1;\n```", "```c\nx  = 1;\nx  = 1;\nx  = 1;\n```"),
    ],
)  # fmt: skip
def test_what_is_said_over_and_over_is_said_twice(raw: str, fit: str) -> None:
    assert unrepeated(raw) == fit


def test_only_what_ran_into_the_limit_is_cut() -> None:
    said = "Penetrating oil frees a seized seatpost. Then I would"
    assert ground(said, [OIL]).text.endswith("Then I would")
    limited = ground(said, [OIL], limited=True)
    assert (limited.text, limited.cut) == ("Penetrating oil frees a seized seatpost. [1]", True)
