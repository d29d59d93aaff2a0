"""How far a blog is followed: older pages of a feed, traps, two names for one page, and when everything was listed."""

from __future__ import annotations

import gzip

import pytest

from feature_pipeline.sources import Complete
from feature_pipeline.sources.web.fetch import Fetcher
from feature_pipeline.sources.web.sitemaps import Sitemaps
from feature_pipeline.sources.web.visit import Visit
from tests.blog_server import Blog, Reply, article, full, posts, reasons, rss, sitemap, visit

# Older pages of a feed


def link(rel: str, href: str) -> str:
    return f'<atom:link rel="{rel}" href="{href}"/>'


@pytest.mark.parametrize("rel", ["next", "prev-archive"])
def test_a_feed_names_its_older_pages(blog: Blog, rel: str) -> None:
    blog["/feed"] = rss(full(3), channel=link(rel, "/feed/2"))
    blog["/feed/2"] = rss(full(2), full(3), channel=link(rel, "/feed/3") + link("next-archive", "/feed"))
    blog["/feed/3"] = rss(full(1))
    items = visit(f"{blog.url}/feed")
    assert ([post.source_id for post in posts(items)], reasons(items)) == (["g3", "g2", "g1"], [])
    assert blog.pages == ["/feed", "/feed/2", "/feed/3"]


def test_a_json_feed_names_its_older_pages(blog: Blog) -> None:
    page = '{"version": "https://jsonfeed.org/version/1.1", "items": [{"id": "%s", "content_text": "T"}]%s}'
    blog["/feed"] = page % ("2", ', "next_url": "URL/older"')
    blog["/older"] = page % ("1", ', "next_url": 5')
    assert [post.source_id for post in posts(visit(f"{blog.url}/feed"))] == ["2", "1"]


def test_feeds_of_wordpress_have_pages_and_do_not_say_so(blog: Blog) -> None:
    generator = "<generator>https://wordpress.org/?v=6.5</generator>"
    for number, path in enumerate(("/feed/?feed=rss2", "/feed/?feed=rss2&paged=2", "/feed/?feed=rss2&paged=3")):
        blog[path] = rss(full(number), channel=generator)
    items = visit(f"{blog.url}/feed/?feed=rss2")
    assert ([post.source_id for post in posts(items)], reasons(items)) == (["g0", "g1", "g2"], [])
    assert blog.pages[-1] == "/feed/?feed=rss2&paged=4"


def test_a_feed_that_leads_in_a_circle(blog: Blog) -> None:
    blog["/feed"] = rss(full(1), channel=link("next", "/feed?page=2"))
    blog["/feed?page=2"] = rss(full(2), channel=link("next", "/feed"))
    assert len(posts(visit(f"{blog.url}/feed"))) == 2
    blog["/same"] = rss(full(1), channel=link("next", "/same?page=2"))
    blog["/same?page=2"] = rss(full(1), channel=link("next", "/same?page=3"))
    assert len(posts(visit(f"{blog.url}/same"))) == 1
    assert blog.pages == ["/feed", "/feed?page=2", "/same", "/same?page=2"]


def test_a_feed_without_end_stops_at_the_cap(blog: Blog) -> None:
    for number in range(5):
        blog[f"/feed?page={number}"] = rss(full(number), channel=link("next", f"/feed?page={number + 1}"))
    items = visit(f"{blog.url}/feed?page=0", max_pages=2)
    assert [post.source_id for post in posts(items)] == ["g0", "g1", "g2"]
    assert reasons(items) == [(f"{blog.url}/feed?page=2", "page_cap")]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [(Reply("", 404), "not_found"), (Reply("", 410), "gone"), (Reply(article("Oh")), "bad_feed")],
)
def test_an_older_page_that_is_missing_is_told(blog: Blog, reply: Reply, reason: str) -> None:
    blog["/feed"] = rss(full(1), channel=link("next", "/older"))
    blog["/older"] = reply
    items = visit(f"{blog.url}/feed")
    assert (len(posts(items)), reasons(items)) == (1, [(f"{blog.url}/feed", reason)])


# Traps, and two names for one page


def test_two_addresses_of_one_page_are_one_post(blog: Blog) -> None:
    blog["/"] = "<html><body>Hi</body></html>"
    blog["/sitemap.xml"] = sitemap("/a?view=print", "/a", "/b?page=1", "/c", "/d")
    for path, title in (("/a?view=print", "A"), ("/a", "A"), ("/b?page=1", "A of B"), ("/c", "C"), ("/d", "D")):
        # The last three say what the pages of some themes say by mistake.
        canonical = "/a" if title.startswith("A") else "/"
        blog[path] = article(title, head=f'<link rel="canonical" href="{canonical}">')
    items = visit(blog.url)
    assert [post.title for post in posts(items)] == ["A", "A of B", "C", "D"]
    assert reasons(items) == [(f"{blog.url}/a", "duplicate")]
    assert items[-1] == Complete()


def test_an_address_with_a_session_in_it_is_the_address_without(blog: Blog) -> None:
    sessions = [f"/a?{name}={'0123456789abcdef' * 2}" for name in ("PHPSESSID", "sid", "session_id")]
    sessions.append(f"/a;jsessionid={'0123456789ABCDEF' * 2}")
    blog["/"] = "<html><body>Hi</body></html>"
    blog["/sitemap.xml"] = sitemap(*sessions, "/a?sid=17", "/a#top", "/a?utm_source=x")
    blog[sessions[0]] = article("A")
    blog["/a?sid=17"] = article("Story 17")
    found = posts(visit(blog.url))
    assert [(post.source_id, post.title) for post in found] == [
        (f"{blog.url}/a", "A"),
        (f"{blog.url}/a?sid=17", "Story 17"),
    ]
    assert blog.pages == ["/", sessions[0], "/a?sid=17"]


def test_a_calendar_without_end_stops_at_the_cap(blog: Blog) -> None:
    days = [f"/calendar/{2030 + number}/02/" for number in range(9)]
    blog["/"] = "<html><body>Hi</body></html>"
    blog["/sitemap.xml"] = sitemap("/a", *days)
    blog["/a"] = article("A")
    for day in days:
        blog[day] = "<html><body>" + f"<a href='{day}1'>to the next month of it</a> " * 20 + "</body></html>"
    items = visit(blog.url, max_pages=3)
    assert [post.title for post in posts(items)] == ["A"]
    assert [reason for _, reason in reasons(items)] == ["not_an_article", "not_an_article", "page_cap"]
    assert items[-1].detail == "7 addresses are left: the next run goes on with them"  # type: ignore[union-attr]
    assert blog.pages == ["/", "/a", *days[:2]]


def test_an_index_of_indexes_is_not_followed(blog: Blog) -> None:
    blog["/map.xml"] = sitemap("/2.xml", kind="sitemapindex", inner="sitemap")
    blog["/2.xml"] = sitemap("/3.xml", kind="sitemapindex", inner="sitemap")
    assert reasons(visit(f"{blog.url}/map.xml")) == [(f"{blog.url}/2.xml", "bad_sitemap")]
    assert blog.pages == ["/map.xml", "/2.xml"]


def test_a_sitemap_that_unpacks_without_end(blog: Blog) -> None:
    blog["/map.xml"] = sitemap("/map.xml.gz", kind="sitemapindex", inner="sitemap")
    blog["/map.xml.gz"] = Reply(gzip.compress(b"<urlset>" + b" " * 50_000_000, 1))
    assert reasons(visit(f"{blog.url}/map.xml")) == [(f"{blog.url}/map.xml.gz", "bad_sitemap")]


# When everything was listed


def site(blog: Blog, feed: Reply | None, *paths: str) -> None:
    head = '<link rel="alternate" type="application/rss+xml" href="/feed">' if feed else ""
    blog["/"] = f"<html><head>{head}</head><body>Hi</body></html>"
    blog["/sitemap.xml"] = sitemap(*paths)
    for path in paths:
        blog[path] = article(path)
    if feed:
        blog["/feed"] = feed


def is_complete(blog: Blog, path: str = "/", max_pages: int = 500) -> bool:
    items = visit(f"{blog.url}{path}", max_pages=max_pages)
    assert Complete() not in items[:-1]
    return items[-1:] == [Complete()]


def test_a_sitemap_lists_everything(blog: Blog) -> None:
    site(blog, None, "/a", "/b")
    assert is_complete(blog)
    assert is_complete(blog, "/sitemap.xml")
    assert is_complete(blog, max_pages=2)
    assert not is_complete(blog, max_pages=1)


def test_a_feed_or_a_page_alone_lists_nothing(blog: Blog) -> None:
    site(blog, rss(full(1)), "/a")
    assert not is_complete(blog, "/feed")
    assert not is_complete(blog, "/a")


def test_a_sitemap_that_lacks_what_a_feed_has_does_not_list_everything(blog: Blog) -> None:
    site(blog, rss(full(1)), "/posts/1/", "/about")
    assert is_complete(blog)
    blog["/feed"] = rss(full(1), full(2))
    assert not is_complete(blog)


@pytest.mark.parametrize("feed", [rss(), Reply(article("Sorry")), Reply("", 500, {"Retry-After": "0"}), Reply("", 404)])
def test_a_feed_that_says_nothing_deletes_nothing(blog: Blog, feed: Reply) -> None:
    """It is empty, is HTML, or is not there: that the sitemap has all that it had is not known."""
    site(blog, feed, "/about")
    assert not is_complete(blog)


@pytest.mark.parametrize(
    ("reply", "complete"),
    [
        (Reply("", 404), True),
        (Reply("", 410), True),
        (Reply("", 500, {"Retry-After": "0"}), False),
        (Reply("", 403), True),
        (Reply(article("A", "word " * 1_100_000)), True),
        (Reply(article("A"), cut=5), False),
        (Reply("<title>Just a moment...</title>"), True),
        (Reply("", 302, {"Location": "https://login.example.invalid/"}), False),
    ],
)
def test_a_page_that_fails_leaves_the_list_open_and_a_wall_does_not(blog: Blog, reply: Reply, complete: bool) -> None:
    site(blog, None, "/a", "/b")
    blog["/b"] = reply
    assert is_complete(blog) == complete


@pytest.mark.parametrize("reply", [Reply("", 404), Reply("", 503, {"Retry-After": "0"}), Reply("<urlset><url>")])
def test_a_sitemap_that_cannot_be_read_leaves_the_list_open(blog: Blog, reply: Reply) -> None:
    site(blog, None, "/a")
    blog["/robots.txt"] = "Sitemap: URL/sitemap.xml\nSitemap: URL/more.xml"
    blog["/more.xml"] = reply
    assert not is_complete(blog)


def test_more_sitemaps_than_are_read(blog: Blog) -> None:
    site(blog, None, "/a")
    with Fetcher(allow_private=True) as fetcher:
        sitemaps = Sitemaps(Visit(fetcher), left=1)
        blog["/robots.txt"] = "Sitemap: URL/sitemap.xml\nSitemap: URL/more.xml\nSitemap: URL/more2.xml"
        sitemaps.of_site(f"{blog.url}/")
    assert (list(sitemaps.places), sitemaps.whole) == ([f"{blog.url}/a"], False)
    assert [trouble[:2] for trouble in sitemaps.troubles] == [(f"{blog.url}/more.xml", "page_cap")]
