"""The language of a post: the author's words decide, not code, addresses or markup."""

from __future__ import annotations

import time

import pytest

from feature_pipeline.language import detect


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "Coffee first, then the garden."),
        ("de", "Schon wieder Montag, ich fasse es nicht."),
        ("fr", "Le train est en retard."),
        ("es", "Otra vez lunes, no me lo creo."),
        ("it", "È di nuovo lunedì, non ci credo."),
        ("pt", "Segunda-feira de novo, não acredito."),
        ("pl", "Najpierw kawa, potem ogród."),
        ("uk", "Знову понеділок, не вірю."),
        ("ja", "まずコーヒー、それから庭。"),
        ("zh", "又是星期一了。"),
        ("ko", "또 월요일이네."),
        ("ar", "القهوة أولا ثم الحديقة."),
        ("tr", "Yine pazartesi, inanamıyorum."),
        ("hi", "पहले कॉफी, फिर बगीचा।"),
    ],
)
def test_a_short_note_is_told(code: str, text: str) -> None:
    assert detect(text) == code


@pytest.mark.parametrize(
    "text", ["", "ok", "lol", "12345 67890", "!!!", "👍👍👍", "Ann Example", "hahaha", "https://a.example/x"]
)
def test_what_is_of_no_language_is_empty(text: str) -> None:
    assert detect(text) == ""


def test_code_and_addresses_do_not_count() -> None:
    code = "```python\nfor letter in words:\n    print(the_letter)\n```\n\n    return the_first_of_all_letters\n"
    link = "[Zug](https://example.com/the/train/is/late/again/and/again)"
    assert detect(f"{code}\nDer {link} kommt heute zu spät, `print_the_timetable()`.\n") == "de"


def test_code_alone_is_of_no_language() -> None:
    assert (
        detect("```c\nint main(void) { return the_answer; }\n```\n\nhttps://example.com/this-is-an-english-address")
        == ""
    )


def test_only_the_beginning_is_read() -> None:
    start = time.perf_counter()
    assert detect("Der Zug kommt heute zu spät. " * 100_000) == "de"
    assert time.perf_counter() - start < 5  # half a second of it is the model's loading


@pytest.mark.parametrize("piece", ["`", "``` ", "[", "](", "<", "@", "a@", " ", "    a\n", "```\n", "://", "漢"])
def test_no_text_takes_long(piece: str) -> None:
    detect("The model is loaded before the clock starts.")
    start = time.perf_counter()
    detect(piece * (1_000_000 // len(piece)))
    assert time.perf_counter() - start < 1
