"""Copies: the longest run is found exactly, wherever it stands, and none goes over the end of a post."""

from __future__ import annotations

import random
import re
import time

from contracts.copies import FEWEST, Copy, Runs, _hashed
from tests.voices import article


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, re.sub(r"\[\d+\]", "", text))).lower()


def longest(text: str, *posts: str) -> tuple[int, str, str] | None:
    """Words, the post's number, and what is shared as the text has it; where it stands in the post is checked."""
    found = Runs((str(n), post) for n, post in enumerate(posts)).longest(text)
    if found is None:
        return None
    start, end = found.span(posts[int(found.post_id)])
    shared = text[found.start : found.end]
    assert letters(posts[int(found.post_id)][start:end]) == letters(shared)
    return found.words, found.post_id, shared


def test_the_longest_run_is_the_longest() -> None:
    posts = ["a b c d e f x", "q a b c d e f g r", "f g a b c d e"]
    assert longest("a b c d e f . A, b c d E f g!", *posts) == (7, "1", "A, b c d E f g")
    assert longest("a a a a a a a", "a a a a a a", "a a a a a a a a") == (7, "1", "a a a a a a a")
    assert longest("a b c d e f", *posts) == (6, "0", "a b c d e f")  # the first of those that are as long


def test_fewer_words_than_people_share_by_chance_are_none() -> None:
    words = [f"w{n}" for n in range(24)]
    posts = (" ".join(words[:12]), " ".join(words[12:]))
    for count in range(13):
        found = longest(" ".join(["x", *words[:count], "y"]), *posts)
        assert (found[0] if found else 0) == (count if count >= FEWEST else 0)
    assert longest(" ".join(words[7:17]), *posts) is None  # five of each: a run does not go on in the next post
    assert longest(" ".join(words)[3:], *posts) == (12, "1", posts[1])
    assert Runs([]).longest(posts[0]) is None
    assert longest("", *posts) is None
    assert longest(posts[0], "", posts[0], "") == (12, "1", posts[0])


def test_case_punctuation_and_markers_are_aside() -> None:
    post = "Old İstanbul’s ferries, with «tea» [123] and a STRASSE or two of it"
    assert longest("old istanbul's FERRIES — with tea", post) is None  # "İ" is another letter than "I"
    shared = "old İSTANBUL's FERRIES [3] (with) tea and: a strasse"
    assert longest(f"İİİ! {shared}, no?", post) == (9, "0", shared)


def test_a_phrase_that_everybody_uses_does_not_hide_a_longer_copy() -> None:
    formula = "as ever this was written on the bench with tea"
    posts = [f"{article('Ada', n)} {formula}" for n in range(300)]
    posts.append(f"A heron stood on the harbour crane, {formula}, until nine.")
    found = longest(f"I saw: a heron stood on the harbour crane, {formula}, until ten.", *posts)
    assert found
    assert found[:2] == (18, "300")


def test_a_text_that_repeats_itself_meets_a_post_that_does_in_few_places() -> None:
    for phrase in (["0"], "all work and no play makes jack a dull boy".split()):
        post, text = (phrase * (count // len(phrase)) for count in (60_000, 3_000))
        runs = Runs([("own", " ".join(post)), ("other", " ".join(["so", *text, "so"]))])
        here, there = runs.begins(_hashed(text))
        assert len(here) == len(there) <= 2 * (len(post) + len(text))
        found = runs.longest(f"And {' '.join(text)}.")
        assert found
        assert (found.words, found.post_id, found.at) == (len(text), "own", 0)


def test_no_run_is_missed_where_few_words_make_many() -> None:
    drawn = random.Random(0)
    for _ in range(300):
        words = "ab"[: drawn.randint(1, 2)]
        posts = ["".join(drawn.choices(words, k=drawn.randint(0, 30))) for _ in range(3)]
        text = "".join(drawn.choices(words, k=drawn.randint(0, 30)))
        shared = [text[a:b] for a in range(len(text)) for b in range(a + FEWEST, len(text) + 1)]
        most = max((len(run) for run in shared if any(run in post for post in posts)), default=0)
        found = longest(" ".join(text), *map(" ".join, posts))
        assert (found[0] if found else 0) == most


def test_half_a_million_words_are_searched_in_seconds() -> None:
    drawn = random.Random(0)
    posts = [(str(n), " ".join(map(str, drawn.choices(range(9999), k=1000)))) for n in range(500)]
    outputs = [" ".join(map(str, drawn.choices(range(9999), k=200))) for _ in range(200)]
    began = time.process_time()
    runs = Runs(posts)
    assert [runs.longest(text) for text in outputs] == [None] * 200
    assert runs.longest(posts[7][1]) == Copy(1000, 0, len(posts[7][1]), "7", 0)
    assert time.process_time() - began < 5
