"""An answer does nothing, whole or as a stream: what a Markdown renderer makes of it loads nothing and leads nowhere."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from inference_pipeline.grounding.ground import ground
from inference_pipeline.grounding.inert import Inert, closed, inert
from tests.attacks import ACTS
from tests.test_ground import passage

MINE = "https://ada.example/b"
KNOWN = [passage(1, f"I put it at https://ada.example/a, see [b]({MINE}).")]
RENDERER = MarkdownIt("commonmark", {"html": True})
RENDERER.validateLink = lambda url: True  # type: ignore[method-assign]  # not every program refuses javascript:
MARKUP = (
    "<img src=//evil/p>¦<im¦g src=//evil>¦<¦<b>¦<b¦</b>¦![a](//evil/p)¦![¦!¦[¦a¦]¦(¦)¦//evil/p¦[a](¦\n¦\n\n¦```¦~~~¦```\n¦"
    "~~~\n¦````¦`¦  ¦    ¦> ¦- ¦1. ¦<!--¦-->¦<pre>¦<script>¦</script>¦]: //evil\n¦[c]: //evil/c\n¦![c]¦[c]¦<x onfocus=a>¦"
    "=¦\\¦\t¦im¦text ¦&#115;¦<iframe\n¦<div>\n¦<?php¦<![CDATA[¦[1]¦\"¦'¦ [2]¦<textarea>¦<a href=//evil>¦https://evil/x ¦"
    "http¦s://evil ¦<https://evil/>¦<|¦|>"
)
PIECES = [*MARKUP.split("¦"), f"[k]({MINE})"]


class Acting(HTMLParser):
    """What of a page loads, runs or leads elsewhere than to MINE."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found = list[str]()
        self.feed(RENDERER.render(text))
        self.close()

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        ours = ("class", "start", "title")
        self.found += [
            f"{tag} {k}={v}" for k, v in attrs if v is not None and k not in ours and (k, v) != ("href", MINE)
        ]
        self.found += [tag] if tag in ("img", "script", "style", "iframe", "textarea") else []

    handle_startendtag = handle_starttag


def streamed(text: str, sizes: random.Random | int) -> str:
    stream, said, at = Inert(KNOWN), list[str](), 0
    while at < len(text):
        size = sizes if isinstance(sizes, int) else sizes.randint(1, 6)
        said.append(stream.add(text[at : at + size]))
        at += size
    return "".join([*said, stream.end()])


@pytest.mark.parametrize("size", [1, 3, 10_000])
@pytest.mark.parametrize("name", ACTS)
def test_nothing_that_acts_is_left_of_an_attack(name: str, size: int) -> None:
    text = f"The clock gains.\n\n{ACTS[name]}\n\nOak."
    assert Acting(text).found
    assert Acting(inert(text, KNOWN)).found == []
    assert Acting(streamed(text, size)).found == []
    assert Acting(ground(text, KNOWN).text).found == []


def test_nothing_acts_however_it_is_put_together() -> None:
    drawn = random.Random(7)
    acted = 0
    for _ in range(400):
        text = "".join(drawn.choices(PIECES, k=drawn.randint(2, 14)))
        acted += bool(Acting(text).found)
        whole = inert(text, KNOWN)
        assert Acting(whole).found == [], text
        assert inert(whole, KNOWN) == whole, text
        assert Acting(f"{closed(whole)}\n\n```\n<img src=x>\n```").found == [], (
            text
        )  # the next section's code stays code
        assert Acting(streamed(text, drawn)).found == [], text
    assert acted > 150


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("<i<img>mg src=//evil/p>Oak.", "Oak."),
        ("![a [b] c](//evil/p.png)", "a [b] c"),
        (r"![a\]b](//evil/p.png)", r"a\]b"),
        ("[a [b]](java&#115;cript:alert(1))", "a [b]"),
        ("```\n~~~\n```\n<img src=//evil/p>", "```\n~~~\n```\n"),
        ("``` a`b\n<img src=//evil/p>", "``` a`b\n"),
        ("<tel:1>", "< tel:1>"),
        ("a<b\nand c>d", "a< b\nand c>d"),
        ("_https://evil/x_", "_"),
        ("x[1]](//evil)", "x[1]]"),
        ("[c\nd]: //evil", "[c\nd] : //evil"),
        (f"[k]( {MINE} 'so' )", f"[k]( {MINE} 'so' )"),
        ("use std::vector<std::string> and argv[1], a < b. Yes![2] It is", None),
        ("~~~~ c\n```\n[a](//evil)\n~~~~", None),
    ],
)
def test_what_is_cut_and_what_stays(said: str, left: str | None) -> None:
    assert inert(said, KNOWN) == (said if left is None else left)
    for size in (1, 2, 5):
        assert streamed(said, size) == (said if left is None else left)


def test_a_plain_text_streams_as_it_comes_and_only_what_is_begun_waits() -> None:
    words = "I regulate the pendulum on Sundays, it gains four minutes [1]; files and data too.\n\n- one".split(" ")
    stream = Inert(KNOWN)
    assert [stream.add(f"{word} ") for word in words] == [f"{word} " for word in words]
    waiting = [stream.add(piece) for piece in ("See [", "this", "](", MINE, ")", " then", " a <", " b!", " So")]
    assert waiting == ["See ", "", "", "", "", f"[this]({MINE}) then", " a ", "< b", "! So"]


@pytest.mark.parametrize("begun", ["[", "<|", "[a](", "![a](", "<a ", "```\n", "<!--", "("])
def test_a_model_that_repeats_itself_costs_little(begun: str) -> None:
    began = time.process_time()
    inert(begun * 500, KNOWN)
    streamed(begun * 300, len(begun))
    assert time.process_time() - began < 5


def test_a_code_block_that_was_begun_is_ended_with_its_own_fence() -> None:
    assert closed("Oak.\n````\nx") == "Oak.\n````\nx\n````"
    assert closed("Oak.\n~~~\nx\n~~~") == "Oak.\n~~~\nx\n~~~"
    assert ground("Oak.\n~~~~\nx", KNOWN).text.startswith("Oak.\n~~~~\nx\n~~~~")


def test_a_quotation_does_nothing_either() -> None:
    post = "<img src=//evil/p> shows the clock. The clock gains ![a](//evil/q) four minutes. The clock is of oak."
    made = ground(
        "Cheese.", [passage(1, post).model_copy(update={"title": "<img src=//evil/t>"})], "What of the clock?"
    )
    assert made.text == "Cheese.\n\nI wrote: “The clock is of oak.” [1]"
    assert made.citations[0].text == "The clock is of oak."
    assert ground("", [passage(1, "<img src=//evil/p>")], "clock").text == ""
