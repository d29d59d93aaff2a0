"""Which platform an address or a page belongs to, and what is read where the platform keeps its API closed."""

from __future__ import annotations

import json

import pytest

from feature_pipeline.sources import Complete
from feature_pipeline.sources.platforms.wordpress import FIELDS
from feature_pipeline.sources.web.known_platforms import claimed_by, found_in
from tests.blog_server import Blog, Reply, article, full, posts, reasons, rss, sitemap, visit

WORDPRESS = '<link rel="https://api.w.org/" href="/wp-json/">'
FEED = '<link rel="alternate" type="application/rss+xml" href="/feed/">'
GENERATOR = "<generator>https://wordpress.org/?v=6.5</generator>"


def wordpress(blog: Blog, *titles: str) -> None:
    """A site with two posts in its feed, and `titles` in its API."""
    blog["/"] = f"<html><head>{WORDPRESS}{FEED}</head><body>Hi</body></html>"
    blog["/feed/"] = rss(full(2), channel=GENERATOR)
    blog["/feed/?paged=2"] = rss(full(1), channel=GENERATOR)
    made = [
        {
            "id": number,
            "date": "2020-01-02T03:04:05",
            "link": f"{blog.url}/{number}/",
            "status": "publish",
            "type": "post",
            "format": "standard",
            "title": {"rendered": title},
            "content": {"rendered": f"<p>The words of {title}.</p>", "protected": False},
            "author": 1,
        }
        for number, title in enumerate(titles, 1)
    ]
    blog["/wp-json/?_fields=home"] = json.dumps({"home": blog.url})
    blog[listed("posts")], blog[listed("pages")] = Reply(json.dumps(made)), Reply("[]")
    blog[listed("posts", page=2)] = Reply('{"code": "rest_post_invalid_page_number"}', 400)


def listed(kind: str, page: int = 1) -> str:
    return f"/wp-json/wp/v2/{kind}?per_page=100&page={page}&_fields={FIELDS}"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/ann/notes", "github"),
        ("https://bsky.app/profile/ann.example", "bluesky"),
        ("https://dev.to/ann", "devto"),
        ("https://medium.com/@ann", "medium"),
        ("https://ann.medium.com/", "medium"),
        ("https://ann.substack.com/", "substack"),
        ("https://social.example/@ann", "mastodon"),
        ("https://ann.example/", ""),
        ("https://ann.example/2020/soup/", ""),
        ("https://github.com/", ""),
        ("https://dev.to/ann/soup-1a2b", ""),
        ("https://medium.com/@ann/soup-0123456789ab", ""),
        ("https://ann.substack.com/p/soup", ""),
        ("https://github.com.evil.example/ann/notes", ""),
        ("http://[::1", ""),
    ],
)
def test_an_address_names_its_platform(url: str, name: str) -> None:
    assert (claimed_by(url) or [""])[0] == name


def test_a_page_names_its_platform() -> None:
    ghost = '<script data-ghost="https://ann.example/" data-key="0123456789abcdef0123456789" src="portal.js"></script>'
    substack = "<script>window._preloads = 1</script><img src='https://substackcdn.com/x.png'>"
    found = [found_in(html, "https://ann.example/") for html in (WORDPRESS, ghost, substack, article("A"))]
    assert [[name for name, _ in names] for names in found] == [["wordpress"], ["ghost"], ["substack"], []]
    assert found[0] == [("wordpress", "https://ann.example/wp-json/")]


def test_a_site_of_a_platform_is_read_from_its_api(blog: Blog) -> None:
    wordpress(blog, "One", "Two")
    items = visit(blog.url)
    assert [(post.source_id, post.title) for post in posts(items)] == [("1", "One"), ("2", "Two")]
    assert items[-1] == Complete()
    assert "/feed/" not in blog.asked


def test_a_post_on_a_platform_is_one_post(blog: Blog) -> None:
    wordpress(blog, "One", "Two")
    blog["/1/"] = article("One", head=WORDPRESS)
    assert [post.title for post in posts(visit(f"{blog.url}/1/"))] == ["One"]
    assert blog.pages == ["/1/"]


@pytest.mark.parametrize(
    "reply",
    [Reply("", 404), Reply('{"code": "rest_disabled"}', 401), Reply("", 403), Reply("[]"), Reply("<p>no JSON"), None],
)
def test_where_the_api_is_closed_it_is_a_blog_as_any_other(blog: Blog, reply: Reply | None) -> None:
    wordpress(blog)
    if reply is None:
        blog["/robots.txt"] = "User-agent: *\nDisallow: /wp-json"
    else:
        blog[listed("posts")] = reply
    blog["/sitemap.xml"] = sitemap("/posts/1/", "/posts/2/", "/posts/3/")
    blog["/posts/3/"] = article("Post 3")
    items = visit(blog.url)
    assert [post.source_id for post in posts(items)] == [f"{blog.url}/posts/{number}/" for number in (2, 1, 3)]
    assert {post.source for post in posts(items)} == {blog.url}
    # Its API names posts in another way: those that it gave before must not be taken for deleted.
    assert Complete() not in items
    assert reply is not None or not any(path.startswith("/wp-json") for path in blog.asked)


def test_an_api_that_breaks_off_after_a_post_keeps_what_it_gave(blog: Blog) -> None:
    wordpress(blog, "One")
    blog[listed("pages")] = Reply("", 500, {"Retry-After": "0"})
    items = visit(blog.url)
    assert [post.title for post in posts(items)] == ["One"]
    assert [reason for _, reason in reasons(items)] == ["server_error"]
    assert "/feed/" not in blog.asked


def test_a_host_that_asks_to_be_left_alone_is_not_read_as_a_blog_instead(blog: Blog) -> None:
    wordpress(blog)
    blog["/wp-json/?_fields=home"] = Reply("", 429, {"Retry-After": "0"})
    items = visit(blog.url)
    assert {reason for _, reason in reasons(items)} == {"deferred"}
    assert (posts(items), blog.pages[-1]) == ([], "/wp-json/?_fields=home")


def test_a_profile_on_a_mastodon_is_read_from_its_api(blog: Blog) -> None:
    account = {"id": "7", "username": "ann", "display_name": "Ann", "url": "https://social.example/@ann"}
    blog["/api/v1/accounts/lookup?acct=ann"] = json.dumps(account)
    (refused,) = visit(f"{blog.url}/@ann")
    assert refused.source == "mastodon:@ann@social.example"  # type: ignore[union-attr]
    assert blog.pages[0] == "/api/v1/accounts/lookup?acct=ann"


@pytest.mark.parametrize("reply", [Reply("", 404), Reply("{}"), Reply(article("No such page"))])
def test_what_looks_like_a_profile_may_be_a_blog(blog: Blog, reply: Reply) -> None:
    blog["/@ann"] = article("A")
    blog["/api/v1/accounts/lookup?acct=ann"] = reply
    assert [post.title for post in posts(visit(f"{blog.url}/@ann"))] == ["A"]
