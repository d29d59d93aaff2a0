"""A WordPress site on loopback that answers as WordPress does."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from feature_pipeline.sources import Complete, Item, RawPost
from feature_pipeline.sources.platforms import wordpress
from feature_pipeline.sources.web.fetch import Fetcher
from feature_pipeline.sources.web.visit import Visit
from tests.blog_server import Blog, Reply, Runs, posts, reasons


def api_post(number: int, **values: object) -> dict[str, object]:
    return {
        "id": number,
        "date": "2021-03-04T23:30:00",
        "date_gmt": "2021-03-05T04:30:00",
        "link": f"https://ann.example/{number}",
        "status": "publish",
        "type": "post",
        "title": {"rendered": f"Post &#8217;{number}&#8217;"},
        "content": {"rendered": f"<p>Words of {number}.</p>\n", "protected": False},
        "author": 1,
        **values,
    }


@pytest.fixture
def site() -> Iterator[Blog]:
    blog = Blog()
    blog["/wp-json/?_fields=home"] = json.dumps({"home": "https://www.ann.example/blog"})
    blog["/wp-json/wp/v2/users?per_page=100&_fields=id,name"] = json.dumps([{"id": 1, "name": "Ann &amp; Co"}])
    put(blog, "pages", 1, [])
    yield blog
    blog.close()


AFTER_THE_LAST = Reply('{"code": "rest_post_invalid_page_number", "data": {"status": 400}}', 400)


def put(blog: Blog, kind: str, page: int, answer: object, size: int = 100, **reply: int) -> None:
    """The page, and after it what WordPress says where there is none."""
    body = answer if isinstance(answer, str) else json.dumps(answer)
    path = f"/wp-json/wp/v2/{kind}?per_page={size}&page={{}}&_fields={wordpress.FIELDS}"
    blog[path.format(page)] = Reply(body, **reply)
    blog.replies.setdefault(path.format(page + 1), [AFTER_THE_LAST])


def visited(blog: Blog, api: str = "/wp-json/") -> list[Item]:
    with Fetcher(allow_private=True) as fetcher:
        return list(wordpress.visit(Visit(fetcher), f"{blog.url}/", f"{blog.url}{api}"))


def test_a_site_is_listed_page_by_page(site: Blog) -> None:
    shared = '<p>Mine.</p><div id="jp-post-flair" class="sharedaddy"><h3>Share this</h3></div>'  # by plugins
    first = [api_post(number) for number in range(300, 201, -1)]
    put(site, "posts", 1, [*first, api_post(201, content={"rendered": shared, "protected": False})])
    put(site, "posts", 2, [api_post(201), api_post(200, content={"rendered": "", "protected": True})])
    put(site, "pages", 1, [api_post(9, type="page", title={"rendered": "About"})])
    found = visited(site)
    assert posts(found)[0] == RawPost(
        source="wordpress:ann.example/blog",
        source_id="300",
        title="Post \u2019300\u2019",
        date=dt.date(2021, 3, 4),
        url="https://ann.example/300",
        text="<p>Words of 300.</p>\n",
        markup="html",
        author="Ann & Co",
        format="article",
    )
    assert [post.source_id for post in posts(found)] == [*map(str, range(300, 200, -1)), "9"]
    assert posts(found)[99].text == "<p>Mine.</p>"
    assert reasons(found) == [("200", "private")]
    assert found[-1] == Complete()


def test_what_the_cap_leaves_is_read_by_the_next_run(site: Blog) -> None:
    for page in range(1, 5):
        put(site, "posts", page, [api_post(number) for number in range(500 - 100 * page, 400 - 100 * page, -1)])
    put(site, "pages", 1, [api_post(999, type="page")])
    runs = Runs(wordpress.visit, f"{site.url}/", f"{site.url}/wp-json/")
    first = runs.again(requests=4)
    assert [post.source_id for post in posts(first)] == [*map(str, range(400, 200, -1))]
    assert [reason for _, reason in reasons(first)] == ["page_cap", "page_cap"]
    second = runs.again(requests=8)
    assert [post.source_id for post in posts(second)] == [*map(str, [*range(200, 0, -1), 999, *range(400, 300, -1)])]
    assert [reason for _, reason in reasons(second)] == ["page_cap"]
    third = runs.again()
    assert (len(posts(third)), third[-1]) == (401, Complete())


def test_a_full_last_page_is_followed_by_a_400(site: Blog) -> None:
    put(site, "posts", 1, [api_post(number) for number in range(1, 101)])
    found = visited(site)
    assert len(posts(found)) == 100
    assert found[-1] == Complete()


def test_a_page_from_which_a_plugin_took_a_post_is_not_the_last(site: Blog) -> None:
    put(site, "posts", 1, [api_post(number) for number in range(1, 100)])
    put(site, "posts", 2, [api_post(number) for number in range(101, 104)])
    found = visited(site)
    assert len(posts(found)) == 102
    assert found[-1] == Complete()


def test_an_empty_page_is_the_end_where_a_site_does_not_say_so(site: Blog) -> None:
    put(site, "posts", 1, [api_post(1)])
    put(site, "posts", 2, [])
    found = visited(site)
    assert [post.source_id for post in posts(found)] == ["1"]
    assert found[-1] == Complete()


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        ("oops", 500, "server_error"),
        ("[{broken", 200, "bad_answer"),
        ({"code": "rest_invalid_param"}, 400, "http_error"),
        ("<h1>Bad request</h1>", 400, "http_error"),
        ({"code": "rest_forbidden"}, 401, "blocked_page"),
        ([api_post(number) for number in range(1, 101)], 200, "bad_answer"),
    ],
)
def test_a_page_that_fails_ends_the_listing_without_complete(
    site: Blog, answer: object, status: int, reason: str
) -> None:
    put(site, "posts", 1, [api_post(number) for number in range(1, 101)])
    put(site, "posts", 2, answer, status=status)
    found = visited(site)
    assert len(posts(found)) == 100
    assert [reason for _, reason in reasons(found)] == [reason]
    assert Complete() not in found


@pytest.mark.parametrize(
    ("answer", "status"), [("[" + " " * 5_100_000 + "]", 200), ({"code": "rest_invalid_param"}, 400)]
)
def test_fewer_are_asked_for_where_a_hundred_are_too_many(site: Blog, answer: object, status: int) -> None:
    put(site, "posts", 1, answer, status=status)
    put(site, "posts", 1, [api_post(number) for number in range(20)], size=20)
    put(site, "posts", 2, [api_post(20)], size=20)
    found = visited(site)
    assert len(posts(found)) == 21
    assert found[-1] == Complete()


def test_without_home_or_names_the_api_says_where_it_is(site: Blog) -> None:
    del site.replies["/wp-json/?_fields=home"], site.replies["/wp-json/wp/v2/users?per_page=100&_fields=id,name"]
    put(
        site, "posts", 1, [api_post(1, author={"name": "Ann"}), api_post(1), {"id": 2}, "x", api_post(3, type=["post"])]
    )
    found = visited(site)
    assert [(post.source, post.author) for post in posts(found)] == [(f"wordpress:127.0.0.1:{site.port}", None)]
    assert reasons(found) == [("2", "bad_item"), ("?", "bad_item"), ("3", "not_a_post")]


def test_plain_permalinks_and_wordpress_com(site: Blog) -> None:
    first, second = (f"per_page=100&page={page}&_fields={wordpress.FIELDS}" for page in (1, 2))
    for root in ("/?rest_route=/wp/v2/posts&", "/wp/v2/sites/77/posts?"):
        site[root + first] = json.dumps([api_post(1)])
        site[root + second] = AFTER_THE_LAST
        site[root.replace("posts", "pages") + first] = "[]"
    for api in ("/?rest_route=/", "/wp/v2/sites/77/"):
        found = visited(site, api)
        assert [post.source for post in posts(found)] == [f"wordpress:127.0.0.1:{site.port}"]
        assert found[-1] == Complete()


def test_pages_are_asked_where_the_site_has_none_to_show(site: Blog) -> None:
    put(site, "posts", 1, [api_post(1)])
    put(site, "pages", 1, {"code": "rest_no_route"}, status=404)
    found = visited(site)
    assert [reason for _, reason in reasons(found)] == ["not_found"]
    assert Complete() not in found


@pytest.mark.parametrize(
    ("page", "api"),
    [
        ('<link rel="https://api.w.org/" href="https://a.example/wp-json/" />', "https://a.example/wp-json/"),
        ("<LINK href='/?rest_route=/&amp;x=1' rel='https://api.w.org/'>", "https://a.example/?rest_route=/&x=1"),
        ('<link rel="alternate" href="https://api.w.org.evil/">', None),
        ('<link rel="https://api.w.org/" href="javascript:alert(1)">', None),
        ('<a href="https://api.w.org/">x</a>', None),
        ("", None),
    ],
)
def test_a_page_names_its_api(page: str, api: str | None) -> None:
    assert wordpress.found_in(f"<html><head>{page}</head></html>", "https://a.example/x") == api


@pytest.mark.real_data
def test_real_answers(real_data: Path, site: Blog) -> None:
    folder = real_data / "export_ghostmigrate/packages/mg-wp-api/test/fixtures"
    put(site, "posts", 1, [json.loads((folder / "single-post.json").read_text())])
    put(site, "pages", 1, [json.loads((folder / "single-page.json").read_text())])
    found = visited(site)
    assert [post.title for post in posts(found)] == ["My Awesome Post", "Sample Page"]
    assert found[-1] == Complete()
