"""Requests to share and follow, credits, and the paragraphs that recur across a site."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator

import pytest

from feature_pipeline.boilerplate import Recurring, blocks, count, edges, is_request, requests


@pytest.mark.parametrize(
    "sentence",
    [
        "Thanks for reading!",
        "Thank you so much for reading.",
        "If you liked this post, consider sharing it on Twitter.",
        "If you enjoyed this, please [subscribe](/rss).",
        "*Originally published at [Pots](https://example.com).*",
        "This post was originally published on the Pot Blog in 2015.",
        "Photo by [Bob](https://example.com) on [Unsplash](https://example.com)",
        "Image credit: Bob",
        "Follow me on [Mastodon](https://example.com/@ann).",
        "You can follow me on Twitter at @ann.",
        "Share on Facebook",
        "Subscribe to my newsletter",
        "Sign up for my mailing list to hear of soup.",
        "Support me on Patreon",
        "Buy me a coffee",
        "Filed under: soup",
        "Discussion on [/r/soup](https://example.com).",
        "© 2015 Ann Example. All rights reserved.",
        "Abonnieren Sie den Newsletter",
        "Merci d’avoir lu !",
    ],
)
def test_requests(sentence: str) -> None:
    assert is_request(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Share the bread with your neighbour.",
        "I follow Bob on Twitter.",
        "If you like this soup, try the other one.",
        "If you like this approach, there is a second way to do it.",
        "Thanks for reading the manual, said nobody ever to the cook who burnt the pot in the night before.",
        "The photo by Bob shows a pot.",
        "Twitter asks you to follow people.",
        "Subscribing to a topic sends a message to the broker.",
        "Follow the recipe.",
        "The post was published in 2015.",
        "Image: the thing that we see is no thing, and what we hear is none, and so on, as Bob said when he was old and the"
        " pot was cold and the spoon lay in the grass.",
        "[tags]: /tags/",
    ],
)
def test_sentences_of_an_argument(sentence: str) -> None:
    assert not is_request(sentence)


def test_only_the_sentence_is_marked() -> None:
    text = "I ate. Thanks for reading! Good night.\n\nShare this post\nFollow me on Twitter\nand like\nthis."
    found = [text[mark.start : mark.end] for mark in requests(text, blocks(text))]
    assert found == ["Thanks for reading!", "Share this post", "Follow me on Twitter\nand like\nthis."]


def test_blocks_and_edges() -> None:
    text = "\n\na\nb\n \t\nc\n\n\n"
    assert [text[start:end] for start, end in blocks(text)] == ["a\nb", "c"]
    assert blocks("") == blocks(" \n\n") == []
    assert edges([(n, n + 1) for n in range(20)]) == [(n, n + 1) for n in (0, 1, 2, 15, 16, 17, 18, 19)]


def posts(n: int, footer: str = "Ann cooks in Lisbon since 2012.") -> list[str]:
    return [f"Soup number {'one ' * k}.\n\nIt was hot, {'very ' * k}hot.\n\n{footer}" for k in range(1, n + 1)]


def of(texts: list[str]) -> Recurring:
    return count((str(number), text) for number, text in enumerate(texts))


def marked(text: str, texts: list[str]) -> list[str]:
    return [text[mark.start : mark.end] for mark in of(texts).marks(text)]


def test_what_recurs_is_boilerplate_but_for_its_digits_and_line_breaks() -> None:
    texts = [*posts(2), "An end.\n\nAnn cooks in\nLisbon since 2013."]
    assert marked(texts[2], texts) == ["Ann cooks in\nLisbon since 2013."]
    assert [mark.kind for mark in of(texts).marks(texts[0])] == ["boilerplate"]


def test_twice_is_not_enough_nor_is_one_post_in_thirty() -> None:
    assert marked(posts(2)[0], posts(2)) == []
    many = [f"{'la ' * k}\n\n{'lu ' * k}" for k in range(1, 78)]
    assert marked(posts(3)[0], [*posts(3), *many]) == []
    assert marked(posts(3)[0], [*posts(3), *many[:57]]) == ["Ann cooks in Lisbon since 2012."]


def test_a_refrain_within_one_poem_is_none() -> None:
    poem = "\n\n".join(f"{'la ' * k}\n\nAnd the pot goes on." for k in range(1, 6))
    assert marked(poem, [poem]) == []


def test_what_stands_in_the_middle_is_none() -> None:
    texts = [
        "\n\n".join(
            [
                *(f"{'a ' * k}{n}x{'b' * n}" for n in range(1, 7)),
                "Same.",
                *(f"{'c' * n} {'d ' * k}" for n in range(1, 7)),
            ]
        )
        for k in range(1, 9)
    ]
    assert marked(texts[0], texts) == []


def test_a_long_paragraph_is_somebodys_thought() -> None:
    long = "word " * 81
    assert marked(posts(4, long)[0], posts(4, long)) == []


def test_a_note_that_is_said_every_day_stays() -> None:
    assert marked("Good morning!", ["Good morning!"] * 9) == []
    assert marked("Good morning!\n\nCoffee.", ["Good morning!\n\nCoffee."] * 9) == []


def test_a_heading_goes_only_with_what_stands_under_it() -> None:
    ends = [f"Soup {'a' * k}.\n\n## Conclusion\n\nHot {'b' * k}." for k in range(1, 6)]
    assert marked(ends[0], ends) == []
    same = [f"Soup {'a' * k}.\n\n## Elsewhere\n\nThe pot blog." for k in range(1, 6)]
    assert marked(same[0], same) == ["## Elsewhere", "The pot blog."]


def test_a_hundred_thousand_posts_fit_in_fifty_megabytes() -> None:
    def many(n: int) -> Iterator[tuple[str, str]]:
        for k in range(n):
            name = f"{k:o}".translate(LETTERS)
            yield name, "".join(f"{chr(97 + b)}{name}.\n\n" for b in range(9))

    count(many(10))
    tracemalloc.start()
    found = count(many(20_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.hashes == frozenset()
    assert peak < 10_000_000  # a fifth of the posts, a fifth of the memory


LETTERS = str.maketrans("01234567", "klmnopqr")


def test_no_text_takes_long() -> None:
    for piece in ("a\n\n", "\n", "follow me on ", "please ", "thanks for reading "):
        text = piece * (500_000 // len(piece))
        start = time.perf_counter()
        list(requests(text, edges(blocks(text))))
        of([text]).marks(text)
        assert time.perf_counter() - start < 1
