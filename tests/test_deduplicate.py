"""Near-duplicates: planted copies are found, and what only looks alike stays two posts."""

from __future__ import annotations

import random

import pytest

from feature_pipeline.deduplicate import NearDuplicates, alike, sketch

VOCABULARY = [f"{a}{b}{c}" for a in ("ka", "lo", "mi", "re", "tu", "sha", "bro") for b in "aeiou" for c in "nrstlmp"]


def text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(VOCABULARY, k=words))


def copied(rng: random.Random, original: str, share: float) -> str:
    """As another platform would show it: some words corrected, links of its own, a line in front."""
    words = original.split()
    for _ in range(max(1, round(len(words) * share))):
        words[rng.randrange(len(words))] = rng.choice(VOCABULARY)
    return f"Read it at https://short.example/{rng.random()}\n\n{' '.join(words).capitalize()}"


@pytest.mark.parametrize(("words", "share"), [(30, 0.03), (55, 0.03), (62, 0.03), (300, 0.04), (1500, 0.04)])
def test_planted_copies_are_found_and_nothing_else(words: int, share: float) -> None:
    rng = random.Random(words)
    originals = {f"post-{number}": text(rng, words) for number in range(400)}
    near = NearDuplicates((post_id, sketch(one)) for post_id, one in originals.items())
    found = wrong = 0
    for post_id, original in originals.items():
        copy = copied(rng, original, share)
        found += near.find("copy", copy, sketch(copy), originals.get) == post_id
        other = text(rng, words)
        wrong += near.find("other", other, sketch(other), originals.get) is not None
    assert found >= 0.99 * len(originals)
    assert wrong == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Day 12 of 100: wrote a parser.", "Day 13 of 100: wrote a parser.", False),
        ("Good morning! Coffee time.", "Good morning! Tea time.", False),
        ("Gm.", "gm", True),
        ("A post about clocks. https://t.example/a", "A post about clocks! https://b.example/z", True),
        ("昨日は雨でした。時計を直しました。", "昨日は雨でした。時計を直しました!", True),
        ("昨日は雨でした。時計を直しました。", "明日は晴れます。自転車に乗ります。", False),
        ("", "", False),
        ("Photo of the day: a cat on the roof", "Photo of the day: a dog on the roof", False),
        ("TIL: git stash takes a message, and shows it", "TIL: git branch takes a message, and shows it", False),
        ("New post: how I learned to love soup https://a.example/x", "New post: how I learned to hate soup", False),
        ("Song of the day: Blue Pots, as sung by Ann", "Song of the day: Old Spoons, as sung by Ann", False),
        ("Happy Tuesday, and a good soup to you all", "Happy Thursday, and a good soup to you all", False),
        ("I live in soup and it is good to me", "I love in soup and it is good to me", False),
        ("I can recommend this soup to all of you here", "I can not recommend this soup to all of you here", False),
        ("昨日は雨でした、時計を直しました。", "昨日は雪でした、時計を直しました。", False),
        ("The soup was hot and I ate it", "The soup was hot and I ate it #soup", True),
        ("The soup was hot and all of us ate it", "The soup was hot and all of us ate it (via @bob)", True),
        ("Teh soup was hot and I ate it", "The soup was hot and I ate it", True),
        ("The soup was wonderfull and I ate it", "The soup was wonderful and I ate it", True),
        ("I recieved a soup today and was happy", "I received a soup today and was happy", True),
        ("The soup was hot: https://a.example/1", "The soup was hot: https://b.example/2?x=3", True),
    ],
)
def test_short_texts(one: str, other: str, same: bool) -> None:
    near = NearDuplicates([("one", sketch(one))])
    assert (near.find("other", other, sketch(other), {"one": one}.get) == "one") is same


def test_a_sketch_is_small_and_the_same_every_time() -> None:
    one = text(random.Random(1), 500)
    assert len(sketch(one)) == 128
    assert sketch(one) == sketch(f"  {one.upper()}\n") == bytes.fromhex(sketch(one).hex())
    assert sketch("🧵 …") == b""


def test_a_post_is_no_copy_of_itself_and_what_has_gone_is_none() -> None:
    one = text(random.Random(2), 100)
    near = NearDuplicates([("one", sketch(one))])
    assert near.find("one", one, sketch(one), {"one": one}.get) is None
    assert near.find("two", one, sketch(one), {}.get) is None


def test_many_posts_are_searched_as_few_are() -> None:
    rng = random.Random(3)
    originals = {str(number): text(rng, 40) for number in range(9000)}  # past the point where the waiting are merged
    near = NearDuplicates((post_id, sketch(one)) for post_id, one in originals.items())
    for number in (0, 4500, 8999):
        one = originals[str(number)]
        assert near.find("copy", one, sketch(one), originals.get) == str(number)


def test_alike_is_symmetric() -> None:
    rng = random.Random(4)
    for words in (20, 59, 61, 200):
        one = text(rng, words)
        other = copied(rng, one, 0.05)
        assert alike(one, other) == alike(other, one)


def test_the_next_of_a_series_is_another_post_however_long_it_is() -> None:
    body = text(random.Random(5), 150)
    assert not alike(f"Report 41\n\n{body}", f"Report 42\n\n{body}")
    assert alike(body, f"First published on 3 May 2024.\n\n{body}")
