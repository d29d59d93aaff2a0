"""JSON of any length: what the standard parser says of it, an item at a time."""

from __future__ import annotations

import io
import json
import random
import re
import tracemalloc
from typing import Any

import pytest

from feature_pipeline.sources.files.json_stream import MAX_ITEM, PIECE, BadJsonError, items, keys


def listed(text: str, *lists: tuple[str, ...], ends: str = "") -> list[Any]:
    return list(items(io.StringIO(text), lists, re.compile(r"x = "), ends))


def test_items_of_lists_at_their_paths_in_the_files_order() -> None:
    text = '{"a": [9, {"b": [8]}], "db": [{"data": {"posts": [1, {"x": [2]}], "tags": [3]}}], "posts": "none"}'
    posts = ("db", "data", "posts")
    assert listed(text, posts, ("posts",)) == [(posts, None), (posts, 1), (posts, {"x": [2]})]
    assert listed("[1, 2]", ()) == [((), None), ((), 1), ((), 2)]
    assert listed("x = [1, 2] ;\n", (), ends=";") == [((), None), ((), 1), ((), 2)]
    assert listed(" {} ", ("posts",)) == listed("5", ()) == []


@pytest.mark.parametrize("seed", range(4))
def test_what_lies_across_the_end_of_a_piece_is_whole(seed: int) -> None:
    chance = random.Random(seed)
    made = [
        chance.choice(
            [
                {"text": '\\ " é 👩🏽‍🍳 \n' * chance.randrange(3_000), "n": chance.random()},
                -chance.randrange(10**15),
                [True, None, {}],
                chance.random() * 1e-9,
                "",
            ]
        )
        for _ in range(300)
    ]
    text = json.dumps({"before": made[:5], "posts": made, "after": 17}, ensure_ascii=seed % 2 == 0, indent=seed or None)
    assert len(text) > 3 * PIECE
    assert [value for _, value in listed(text, ("posts",))][1:] == made


@pytest.mark.parametrize("number", ["-1.5", "1e5", "-12E+3", "1.25e-17", "1234567"])
def test_a_number_may_lie_across_the_end_of_a_piece(number: str) -> None:
    for cut in range(1, len(number) + 1):
        for begin, end in (('{"v": ', ', "posts": [1]}'), ('{"posts": [1], "v": ', "}")):  # it is no part of an item
            text = f"{' ' * (PIECE - len(begin) - cut)}{begin}{number}{end}"
            assert listed(text, ("posts",)) == [(("posts",), None), (("posts",), 1)]
        assert listed(f"{' ' * (PIECE - 1 - cut)}[{number}, 2]", ()) == [((), None), ((), float(number)), ((), 2)]


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "[", "[1", "[1,", "[1,]", "[1 2]", '{"a"}', '{"a": 1,}', "{1: 2}", '{"a": [1}', "[1]]", "[1] 2"),
        *("[tru]", '["\\x"]', "[01]", "x = y", '{"a" 1}', "nul", "[1];"),
        *("[" * 100_000, '[{"a": ' * 50_000, "[" + "9" * 5_000 + "]"),
    ],
)
def test_what_is_no_json_is_said(text: str) -> None:
    for lists in ((), ("a",)):
        with pytest.raises(BadJsonError):
            listed(text, lists)


def test_an_item_without_end_is_not_held() -> None:
    with pytest.raises(BadJsonError, match="an item is over"):
        listed('["' + "a" * (2 * MAX_ITEM + PIECE) + '"]', ())


def test_a_list_of_any_length_is_read_in_the_memory_of_a_few_items() -> None:
    file = io.StringIO(json.dumps({"posts": [{"text": "Soup is hot. " * 100} for _ in range(20_000)]}))
    tracemalloc.start()
    count = sum(1 for _ in items(file, [("posts",)]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_001
    assert peak < 4_000_000  # of 26 MB


def test_the_keys_of_a_place_or_of_the_whole() -> None:
    text = '{"db": [{"data": {"tags": [1], "users": {"a": 1}}}], "b": 2}'
    assert keys(io.StringIO(text), ("db", "data")) == ["tags", "users"]
    assert keys(io.StringIO(text), ("x",)) == keys(io.StringIO(text)) == ["db", "b"]
    assert keys(io.StringIO("[{}]")) == []
