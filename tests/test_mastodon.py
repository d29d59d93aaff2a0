"""Mastodon: an archive as a server writes it, and a server on loopback that answers as one does."""

from __future__ import annotations

import datetime as dt
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SourceError
from feature_pipeline.html.parser import markdown
from feature_pipeline.sources import Complete, Item
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.platforms import mastodon
from feature_pipeline.sources.web.fetch import Fetcher, FetchError
from feature_pipeline.sources.web.visit import Visit
from tests.blog_server import Blog, Reply, Runs, posts, reasons

ME = "https://social.example/users/ann"
PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
SOURCE = "mastodon:@ann@social.example"
LISTING = "/api/v1/accounts/7/statuses?limit=40&exclude_reblogs=true"
LOOKUP = "/api/v1/accounts/lookup?acct=ann"
ACCOUNT = {"id": "7", "username": "ann", "acct": "ann", "display_name": "Ann", "url": "https://social.example/@ann"}
TO_BOB = (
    '<span class="h-card" translate="no"><a href="https://b.example/@bob" class="u-url mention">'
    "@<span>bob</span></a></span>"
)
LINK = (
    '<a href="https://soup.example/long-recipe" rel="nofollow"><span class="invisible">https://</span>'
    '<span class="ellipsis">soup.example/long</span><span class="invisible">-recipe</span></a>'
)
TAG = '<a href="https://social.example/tags/soup" class="mention hashtag">#<span>soup</span></a>'


def note(number: int, content: str, **more: Any) -> dict[str, Any]:
    made = {
        "id": f"{ME}/statuses/{number}",
        "type": "Note",
        "summary": None,
        "inReplyTo": None,
        "published": "2023-03-04T23:30:00Z",
        "url": f"https://social.example/@ann/{number}",
        "attributedTo": ME,
        "to": [PUBLIC],
        "cc": [f"{ME}/followers"],
        "content": content,
        **more,
    }
    return {"id": f"{made['id']}/activity", "type": "Create", "actor": ME, "object": made}


def status(number: int, content: str, **more: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "uri": f"{ME}/statuses/{number}",
        "url": f"https://social.example/@ann/{number}",
        "created_at": "2023-03-04T23:30:00.000Z",
        "in_reply_to_id": None,
        "in_reply_to_account_id": None,
        "visibility": "public",
        "spoiler_text": "",
        "content": content,
        "reblog": None,
        "account": {"id": "7"},
        "poll": None,
        **more,
    }


def archive(folder: Path, *activities: Any, actor: bool = True) -> Archive:
    outbox = {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": "outbox.json",
        "type": "OrderedCollection",
        "totalItems": len(activities),
        "orderedItems": activities,
    }
    path = folder / "archive-20230304.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("outbox.json", json.dumps(outbox))
        if actor:
            me = {
                "id": ME,
                "type": "Person",
                "preferredUsername": "ann",
                "name": "Ann",
                "url": "https://social.example/@ann",
            }
            made.writestr("actor.json", json.dumps(me))
        made.writestr("likes.json", '{"type": "OrderedCollection", "orderedItems": ["https://b.example/1"]}')
        made.writestr("../../evil.json", "{}")
    return Archive(path)


def exported(folder: Path, *activities: Any, **more: bool) -> list[Item]:
    made = archive(folder, *activities, **more)
    assert mastodon.recognises(made)
    return [item for item in mastodon.read(made) if item not in list(made.refusals(SOURCE))]


@pytest.fixture
def server() -> Iterator[Blog]:
    made = Blog()
    made[LOOKUP] = json.dumps(ACCOUNT)
    yield made
    made.close()


def visited(server: Blog) -> list[Item]:
    with Fetcher(allow_private=True) as fetcher:
        return list(mastodon.visit(Visit(fetcher), "https://social.example/@ann", api=server.url))


def test_an_archive_and_the_api_give_the_same_post(tmp_path: Path, server: Blog) -> None:
    words = f"<p>Soup again {TAG} :ladle:<br />see {LINK}</p><p>👩‍🍳 “hot”</p>"
    (post,) = posts(exported(tmp_path, note(11, words)))
    server[LISTING] = json.dumps([status(11, words)])
    server[f"{LISTING}&max_id=11"] = "[]"
    items = visited(server)
    assert items == [post, Complete()]
    assert (post.source, post.source_id, post.title) == (SOURCE, "11", "")
    assert (post.date, post.format, post.author) == (dt.date(2023, 3, 4), "note", "Ann")
    assert post.url == "https://social.example/@ann/11"
    text = "Soup again #soup :ladle:\nsee https://soup.example/long-recipe\n\n👩‍🍳 “hot”"
    assert markdown(post.text).replace("\\\n", "\n").replace("  \n", "\n") == text


def test_what_is_not_the_authors_or_not_for_everyone_is_refused(tmp_path: Path) -> None:
    followers = {"to": [f"{ME}/followers"], "cc": ["https://b.example/users/bob"]}
    items = exported(
        tmp_path,
        note(1, "<p>For all.</p>"),
        note(2, "<p>Unlisted.</p>", to=[f"{ME}/followers"], cc=[PUBLIC]),
        note(3, "<p>SECRET</p>", **followers),
        note(4, "<p>SECRET</p>", to=["https://b.example/users/bob"], cc=[]),
        {"id": f"{ME}/statuses/5/activity", "type": "Announce", "actor": ME, "object": "https://b.example/notes/9"},
        note(6, "<p>Not hers.</p>", attributedTo="https://b.example/users/bob"),
        note(7, ""),
        {"id": "x", "type": "Delete", "object": "y"},
        "junk",
    )
    assert [post.source_id for post in posts(items)] == ["1", "2"]
    assert sorted(reasons(items)) == [
        ("3", "private"),
        ("4", "private"),
        ("5", "reshare"),
        ("6", "other_author"),
        ("7", "empty"),
        ("8", "bad_entry"),
        ("x", "not_a_post"),
    ]
    assert "SECRET" not in repr(items)
    assert items[-1] == Complete()


def test_threads_replies_warnings_and_quotes(tmp_path: Path) -> None:
    items = exported(
        tmp_path,
        note(30, "<p>third</p>", inReplyTo=f"{ME}/statuses/20", summary="food"),
        note(10, "<p>first</p>", summary="food & drink"),
        note(20, f"<p>{TO_BOB} second</p>", inReplyTo=f"{ME}/statuses/10", summary="food & drink"),
        note(20, f"<p>{TO_BOB} second</p>", inReplyTo=f"{ME}/statuses/10", summary="food & drink"),
        note(40, f"<p>{TO_BOB} {TO_BOB} yes, {TO_BOB}!</p>", inReplyTo="https://b.example/notes/1"),
        note(50, "<p>and more</p>", inReplyTo=f"{ME}/statuses/40"),
        note(60, f'<p class="quote-inline">RE: {LINK}</p><p>So true.</p>', quote="https://b.example/notes/2"),
        note(70, "<p>my start is deleted</p>", inReplyTo=f"{ME}/statuses/1"),
        note(80, "<p>Tea?</p>", type="Question", oneOf=[{"type": "Note", "name": "Coffee"}]),
        note(90, f"<p>{TO_BOB} hello</p>"),
    )
    found = {post.source_id: (post.format, markdown(post.text)) for post in posts(items)}
    assert found == {
        "10": ("note", "food & drink\n\nfirst\n\nsecond\n\nfood\n\nthird"),
        "40": ("reply", "yes, @bob!\n\nand more"),
        "60": ("note", "So true."),
        "70": ("note", "my start is deleted"),
        "80": ("note", "Tea?"),
        "90": ("note", "@bob hello"),
    }


def test_an_archive_without_its_actor_says_whose_it_is(tmp_path: Path) -> None:
    (post,) = posts(exported(tmp_path, note(1, "<p>Hello.</p>"), actor=False))
    assert (post.source, post.author) == (SOURCE, "ann")


def test_numbered_addresses_of_newer_servers(tmp_path: Path) -> None:
    me = "https://social.example/ap/users/115"
    again = note(9, "<p>Hello.</p>", id=f"{me}/statuses/9", attributedTo=me)
    (post,) = posts(exported(tmp_path, again, actor=False))
    assert (post.source, post.source_id) == (SOURCE, "9")


@pytest.mark.parametrize("rest", ["", "}", ', "orderedItems": {}}', ', "x": ' + "[" * 99_999])
def test_a_broken_outbox_is_said(tmp_path: Path, rest: str) -> None:
    (tmp_path / "outbox.json").write_text('{"type": "OrderedCollection"' + rest)
    made = Archive(tmp_path)
    assert mastodon.recognises(made)
    with pytest.raises(SourceError) as error:
        list(mastodon.read(made))
    assert error.value.hint


def test_a_status_of_a_size_that_no_server_takes_is_refused(tmp_path: Path) -> None:
    items = exported(tmp_path, note(1, "<p>" + TO_BOB * 5_000), note(2, "<p>Fine.</p>"))
    assert [post.source_id for post in posts(items)] == ["2"]
    assert reasons(items) == [("1", "too_large")]


def test_an_unsafe_entry_is_said(tmp_path: Path) -> None:
    items = list(mastodon.read(archive(tmp_path)))
    assert reasons(items) == [("../../evil.json", "unsafe_entry")]


def test_pages_are_followed_to_the_end(server: Blog) -> None:
    server[LISTING] = json.dumps([status(9, "<p>nine</p>"), status(8, "<p>eight</p>")])
    server[f"{LISTING}&max_id=8"] = [
        Reply("slow down", 429, {"Retry-After": "0"}),
        Reply(
            json.dumps(
                [
                    status(7, "<p>seven</p>", visibility="unlisted"),
                    status(6, "<p>SECRET</p>", visibility="private"),
                    status(5, "<p>theirs</p>", reblog={"id": "1"}),
                    status(4, "<p>theirs</p>", account={"id": "8"}),
                ]
            )
        ),
    ]
    server[f"{LISTING}&max_id=4"] = "[]"
    items = visited(server)
    assert [post.source_id for post in posts(items)] == ["7", "8", "9"]
    assert reasons(items) == [("6", "private"), ("5", "reshare"), ("4", "other_author")]
    assert items[-1] == Complete()
    assert server.asked == [
        "/robots.txt",
        LOOKUP,
        LISTING,
        f"{LISTING}&max_id=8",
        f"{LISTING}&max_id=8",
        f"{LISTING}&max_id=4",
    ]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [(Reply("oh", 500), "server_error"), (Reply("<p>hi"), "bad_answer"), (Reply('{"error": "x"}'), "bad_answer")],
)
def test_a_listing_that_breaks_off_keeps_what_it_gave(server: Blog, reply: Reply, reason: str) -> None:
    answer = {"in_reply_to_id": "3", "in_reply_to_account_id": "7"}
    server[LISTING] = json.dumps([status(9, "<p>nine</p>"), status(8, "<p>its start is not listed</p>", **answer)])
    server[f"{LISTING}&max_id=8"] = reply
    items = visited(server)
    assert [post.source_id for post in posts(items)] == ["9"]
    assert reasons(items) == [("8", "thread_cut"), (f"{server.url}{LISTING}&max_id=8", reason)]
    assert Complete() not in items


def test_threads_and_replies_of_the_api(server: Blog) -> None:
    own = {"in_reply_to_account_id": "7"}
    server[LISTING] = json.dumps(
        [
            status(13, f"<p>{TO_BOB} no</p>", in_reply_to_id="1", in_reply_to_account_id="8"),
            status(12, "<p>three</p>", in_reply_to_id="11", **own),
            status(11, "<p>two</p>", in_reply_to_id="10", **own),
            status(10, "<p>one</p>", spoiler_text="counting"),
        ]
    )
    server[f"{LISTING}&max_id=10"] = "[]"
    items = visited(server)
    assert [(post.source_id, post.format, markdown(post.text)) for post in posts(items)] == [
        ("10", "note", "counting\n\none\n\ntwo\n\nthree"),
        ("13", "reply", "no"),
    ]


def test_what_the_cap_leaves_is_read_by_the_next_run_with_the_threads_that_it_cut(server: Blog) -> None:
    to_self = {20: "0", 22: "20", 24: "22", 230: "100"}  # the first one answers what was deleted
    all_of_it = [
        status(number, f"<p>{number}</p>", in_reply_to_id=to_self[number], in_reply_to_account_id="7")
        if number in to_self
        else status(number, f"<p>{number}</p>")
        for number in range(300, 0, -1)
    ]
    for last in range(300):
        server[f"{LISTING}&max_id={last + 1}"] = json.dumps([one for one in all_of_it if int(one["id"]) <= last][:40])
    server[LISTING] = json.dumps(all_of_it[:40])
    runs = Runs(mastodon.visit, "https://social.example/@ann", server.url)
    first = runs.again(requests=8)
    assert {int(post.source_id) for post in posts(first)} == {*range(21, 301)} - {22, 24, 230}
    assert [reason for _, reason in reasons(first)] == ["thread_cut", "thread_cut", "page_cap"]
    server.asked.clear()
    second = runs.again(requests=8)
    texts = {int(post.source_id): post.text for post in posts(second)}
    # What both runs met is told once: of the thread of 100, the second one has only the beginning.
    assert texts.keys() == {*range(1, 21), *range(261, 301)}
    assert texts[20] == "<p>20</p>\n<p>22</p>\n<p>24</p>"
    assert ([reason for _, reason in reasons(second)], Complete() in second) == (["page_cap"], False)
    assert len(server.asked) == 10
    third = runs.again()  # begins anew, as nothing was left
    assert (len(posts(third)), third[-1]) == (297, Complete())


def test_what_two_runs_meet_is_told_by_both_where_the_second_comes_to_all_that_is_above_it(server: Blog) -> None:
    every = [status(number, f"<p>{number}</p>") for number in range(300, 0, -1)]
    every[60] |= {"in_reply_to_id": "100", "in_reply_to_account_id": "7"}
    for last in range(301):
        server[f"{LISTING}&max_id={last + 1}" if last < 300 else LISTING] = json.dumps(every[300 - last :][:40])
    runs = Runs(mastodon.visit, "https://social.example/@ann", server.url)
    runs.again(requests=8)
    second = {post.source_id: post.text for post in posts(runs.again())}
    assert (len(second), second["100"]) == (299, "<p>100</p>\n<p>240</p>")


def test_where_the_rest_cannot_be_read_what_is_new_comes_all_the_same(server: Blog) -> None:
    server[LISTING] = json.dumps([status(9, "<p>nine</p>")])
    server[f"{LISTING}&max_id=9"] = [Reply(json.dumps([status(8, "<p>eight</p>")])), Reply("oh", 500)]
    runs = Runs(mastodon.visit, "https://social.example/@ann", server.url)
    runs.again(requests=3)
    server[LISTING] = json.dumps([status(10, "<p>ten</p>")])
    server[f"{LISTING}&max_id=10"] = "[]"
    items = runs.again()
    assert [post.source_id for post in posts(items)] == ["10"]
    assert [reason for _, reason in reasons(items)] == ["server_error"]


def test_a_page_listed_again_ends_the_listing(server: Blog) -> None:
    server[LISTING] = server[f"{LISTING}&max_id=9"] = json.dumps([status(9, "<p>nine</p>")])
    items = visited(server)
    assert [post.source_id for post in posts(items)] == ["9"]
    assert reasons(items)[0][1] == "bad_answer"
    assert Complete() not in items


def test_robots_are_obeyed(server: Blog) -> None:
    server["/robots.txt"] = "User-agent: *\nDisallow: /api/"
    with pytest.raises(FetchError) as error:
        visited(server)
    assert error.value.reason == "robots_disallowed"


@pytest.mark.parametrize(
    "reply", [Reply("no", 404), Reply("<html>"), Reply("[]"), Reply('{"id": 7, "username": "ann"}')]
)
def test_what_is_no_mastodon_says_so(server: Blog, reply: Reply) -> None:
    server[LOOKUP] = reply
    with pytest.raises(FetchError):
        visited(server)


def test_a_profile_is_recognised_by_its_address() -> None:
    for path in ("@ann", "@ann/", "users/ann", "@ann_b.c"):
        assert mastodon.claims(f"https://social.example/{path}")
    for path in ("", "ann", "@ann/123", "users/ann/statuses/1", "@ann@b.example", "users/"):
        assert not mastodon.claims(f"https://social.example/{path}")
    assert not mastodon.claims("https://[broken/@ann")
