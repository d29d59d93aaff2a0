"""DEV: articles as its API gives them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Item, Unchanged
from feature_pipeline.sources.memory import Memory
from feature_pipeline.sources.platforms import devto
from feature_pipeline.sources.web.fetch import Fetcher
from feature_pipeline.sources.web.visit import Visit
from tests.blog_server import Blog, Reply, posts, reasons

FRONT = "---\ntitle: Soup\npublished: true\ntags: food, hot\ncanonical_url: https://ann.example/soup\n---\n\n"


def article(number: int, **values: Any) -> dict[str, Any]:
    return {
        "type_of": "article",
        "id": number,
        "title": f"Soup {number}",
        "slug": f"soup-{number}",
        "url": f"https://dev.to/ann/soup-{number}",
        "canonical_url": f"https://dev.to/ann/soup-{number}",
        "published_at": "2024-01-02T23:30:00Z",
        "edited_at": None,
        "user": {"name": "Ann Lee", "username": "ann"},
        **values,
    }


def listing(page: int) -> str:
    return f"/articles?username=ann&state=all&per_page=100&page={page}"


class Dev(Blog):
    """A member's articles, so many on a page."""

    def publish(self, *pages: list[dict[str, Any]], markdown: str = "Hot.\n") -> None:
        for number, page in enumerate((*pages, []), start=1):
            self[listing(number)] = json.dumps(page)
            for each in page:
                self[f"/articles/{each['id']}"] = json.dumps({**each, "body_markdown": markdown, "body_html": "<p>x"})


@pytest.fixture
def blog() -> Iterator[Dev]:
    made = Dev()
    yield made
    made.close()


def asked(blog: Blog, memory: Memory | None = None, url: str = "https://dev.to/ann") -> list[Item]:
    with Fetcher(allow_private=True, deadline_s=5) as fetcher:
        return list(devto.visit(Visit(fetcher, memory), url, api=blog.url))


def test_articles_are_as_they_were_typed(blog: Dev) -> None:
    typed = "Hot “soup” 👩🏽‍🍳.\n\n{% embed https://dev.to/x %}\n\n```py\na = 1\n```\n"
    blog.publish([article(2)], [article(1, canonical_url="https://ann.example/soup")], markdown=typed)
    items = asked(blog)
    first, crossposted = posts(items)
    assert (first.source, first.source_id, first.title) == ("devto:ann", "2", "Soup 2")
    assert (first.date, first.url, first.author) == (dt.date(2024, 1, 2), "https://dev.to/ann/soup-2", "Ann Lee")
    assert (first.text, first.markup, first.format) == (typed, "markdown", "article")
    assert (crossposted.source_id, crossposted.url) == ("1", "https://ann.example/soup")
    assert items[-1] == Complete()


def test_front_matter_and_a_repeated_title_are_no_text(blog: Dev) -> None:
    typed = {
        1: (f"{FRONT}Hot.\n", "\nHot.\n"),
        2: (FRONT.replace("\n", "\r\n") + "Hot.\r\n", "\nHot.\n"),
        3: ("# Soup 3\n\nHot.\n", "Hot.\n"),
        4: ("# A part\n\nHot.\n", "# A part\n\nHot.\n"),
        5: ("---\n\nBetween rules.\n\n---\n\nHot.\n", "---\n\nBetween rules.\n\n---\n\nHot.\n"),
    }
    blog.publish([article(number) for number in typed])
    for number, (text, _) in typed.items():
        blog[f"/articles/{number}"] = json.dumps(article(number, body_markdown=text))
    assert [post.text for post in posts(asked(blog))] == [text for _, text in typed.values()]


def test_hostile_front_matter_costs_its_article(blog: Dev) -> None:
    blog.publish([article(1)], markdown="---\na: &a [x]\nb: *a\n---\nHot.")
    assert reasons(asked(blog)) == [("1", "bad_front_matter")]


def test_what_was_not_edited_is_not_asked_for_again(blog: Dev) -> None:
    blog.publish([article(2), article(1)])
    memory = Memory()
    asked(blog, memory)
    blog.asked.clear()
    blog.publish([article(2, edited_at="2024-02-01T08:00:00Z"), article(1)])
    again = Memory(before=memory.now)
    items = asked(blog, again)
    assert [post.source_id for post in posts(items)] == ["2"]
    assert [item for item in items if isinstance(item, Unchanged)] == [Unchanged("devto:ann", "1")]
    assert blog.pages == [listing(1), "/articles/2", listing(2)]
    assert items[-1] == Complete()
    assert len(again.now) == 2


def test_a_page_of_the_list_that_fails_ends_it_unfinished(blog: Dev) -> None:
    blog.publish([article(2)], [article(1)])
    blog[listing(2)] = Reply("broken", 500)
    items = asked(blog)
    assert [post.source_id for post in posts(items)] == ["2"]
    assert reasons(items) == [(f"{blog.url}{listing(2)}", "server_error")]
    assert Complete() not in items


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("busy", 429, {"Retry-After": "600"}), "deferred"),
        (Reply("<html>"), "bad_answer"),
        (Reply('{"error":"not found","status":404}'), "bad_answer"),
        (Reply("[" * 100_000), "bad_answer"),
    ],
)
def test_a_list_that_is_none_is_one_refusal(blog: Dev, reply: Reply, reason: str) -> None:
    blog[listing(1)] = reply
    items = asked(blog)
    assert reasons(items) == [(f"{blog.url}{listing(1)}", reason)]
    assert len(items) == 1


def test_a_list_that_repeats_itself_ends_unfinished(blog: Dev) -> None:
    blog.publish([article(1)])
    blog[listing(2)] = blog.replies[listing(1)]
    items = asked(blog)
    assert [post.source_id for post in posts(items)] == ["1"]
    assert reasons(items) == [(f"{blog.url}{listing(2)}", "bad_answer")]
    assert Complete() not in items


def test_what_has_no_id_costs_the_end_only(blog: Dev) -> None:
    blog.publish([article(2), article(1)])
    blog[listing(1)] = json.dumps([{"title": "no id"}, 5, article(2), article(1)])
    items = asked(blog)
    assert [post.source_id for post in posts(items)] == ["2", "1"]
    assert reasons(items) == [(f"{blog.url}{listing(1)}", "bad_answer")]
    assert Complete() not in items


def test_too_many_requests_once_are_asked_again(blog: Dev) -> None:
    blog.publish([article(1)])
    blog["/articles/1"] = [Reply("busy", 429, {"Retry-After": "0"}), *blog.replies["/articles/1"]]
    items = asked(blog)
    assert [post.source_id for post in posts(items)] == ["1"]
    assert items[-1] == Complete()


def test_too_many_requests_for_good_leave_the_rest_alone(blog: Dev) -> None:
    blog.publish([article(3), article(2), article(1)])
    blog["/articles/2"] = Reply("busy", 429, {"Retry-After": "600"})
    items = asked(blog)
    assert [post.source_id for post in posts(items)] == ["3"]
    assert reasons(items) == [("2", "deferred"), (f"{blog.url}{listing(1)}", "deferred")]
    assert "/articles/1" not in blog.asked
    assert Complete() not in items


def test_an_article_that_fails_costs_itself_only(blog: Dev) -> None:
    blog.publish([article(number) for number in range(6, 0, -1)])
    blog["/articles/6"] = Reply("gone", 404)
    blog["/articles/5"] = "{"
    blog["/articles/4"] = json.dumps(article(4, body_markdown=None))
    blog["/articles/3"] = json.dumps(article(9, body_markdown="Another."))
    blog["/articles/2"] = json.dumps(article(2, body_markdown=FRONT))
    items = asked(blog)
    assert [post.source_id for post in posts(items)] == ["1"]
    assert reasons(items) == [
        *(("6", "not_found"), ("5", "bad_answer"), ("4", "bad_answer"), ("3", "bad_answer"), ("2", "empty")),
    ]
    assert items[-1] == Complete()


def test_an_id_that_leads_elsewhere_is_not_followed(blog: Dev) -> None:
    blog[listing(1)] = json.dumps([article(1, id="../admin")])
    blog[listing(2)] = "[]"
    assert reasons(asked(blog)) == [("../admin", "bad_answer")]
    assert blog.pages == [listing(1), listing(2)]


def test_a_list_of_any_length_is_told_to_its_end(blog: Dev) -> None:
    """All of them unchanged, so that none is asked for."""
    many = [article(number) for number in range(1, 5_002)]
    blog.publish([article(1)])
    memory = Memory()
    asked(blog, memory)
    (seen,) = memory.now.values()
    known = Memory(before={f"{blog.url}/articles/{number}": seen for number in range(1, 5_002)})
    blog[listing(1)] = json.dumps(many)
    items = asked(blog, known)
    assert (len(items), items[-1]) == (5_002, Complete())


@pytest.mark.parametrize(
    "url", ["https://dev.to/ann", "https://dev.to/ann_lee/", "http://www.dev.to/Ann", "https://dev.to/feed/ann"]
)
def test_addresses_of_members(url: str) -> None:
    assert devto.claims(url)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://dev.to",
            "https://dev.to/t/python",
            "https://dev.to/tags",
            "https://dev.to/ann/soup-1",
            "https://dev.to/api",
        ),
        *(
            "https://dev.to.evil.example/ann",
            "https://evildev.to/ann",
            "https://x@dev.to/ann",
            "https://dev.to:8080/ann",
        ),
        *("ftp://dev.to/ann", "https://evil.example/dev.to/ann", "https://[dev.to/ann", ""),
    ],
)
def test_other_addresses_are_not_claimed(url: str) -> None:
    assert not devto.claims(url)


def test_another_address_is_an_error_that_says_what_to_give(blog: Dev) -> None:
    with pytest.raises(SourceError, match="no member of DEV"):
        asked(blog, url="https://dev.to/t/python")
