"""Posts at web addresses: what is read of a page, a feed and a blog, and what is refused."""

from __future__ import annotations

import datetime as dt
import gzip
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.errors import SourceError
from feature_pipeline.clean import clean
from feature_pipeline.html.parser import facts
from feature_pipeline.sources import Complete, Refusal, read
from feature_pipeline.sources.web import feeds
from feature_pipeline.sources.web.fetch import Fetcher, FetchError
from feature_pipeline.sources.web.robots import Robots
from feature_pipeline.sources.web.sitemaps import Sitemaps
from feature_pipeline.sources.web.visit import Visit
from feature_pipeline.sources.web.walls import blocked
from tests.blog_server import PROSE, Blog, Reply, article, full, posts, reasons, rss, sitemap, summary, visit


@pytest.fixture
def blog() -> Iterator[Blog]:
    made = Blog()
    yield made
    made.close()


@pytest.fixture
def other() -> Iterator[Blog]:
    made = Blog()
    yield made
    made.close()


# What is read


def test_one_page(blog: Blog) -> None:
    head = '<meta property="article:published_time" content="2020-05-06"><link rel="canonical" href="/p/soup/">'
    blog["/p/soup"] = article("Soup", head=head)
    (post,) = posts(visit(f"{blog.url}/p/soup"))
    assert (post.source, post.source_id, post.url) == (
        f"{blog.url}/p/soup",
        f"{blog.url}/p/soup/",
        f"{blog.url}/p/soup/",
    )
    assert (post.title, post.date, post.markup) == ("Soup", dt.date(2020, 5, 6), "article")
    assert clean(post, "Ann").text == PROSE.strip()  # type: ignore[union-attr]
    assert blog.pages == ["/p/soup"]


def test_a_page_whose_surroundings_change_is_as_it_was(blog: Blog) -> None:
    """What a nonce, a date in the footer or a list of newer posts says is no part of the post that is handed on."""
    found = []
    for day in ("1 May 2030", "2 May 2030"):
        head = f'<meta property="article:published_time" content="2020-05-06"><script nonce="{day}">let x</script>'
        blog["/p"] = article("Soup", head=head).replace(
            "</body>", f"<footer><a href=/q>New on {day}</a></footer></body>"
        )
        found += posts(visit(f"{blog.url}/p"))
    assert len(found) == 2
    assert found[0] == found[1]
    assert found[0].text == PROSE.strip()


def test_a_feed_with_whole_posts(blog: Blog) -> None:
    blog["/feed"] = rss(full(1), full(2))
    found = posts(visit(f"{blog.url}/feed"))
    assert [(post.source_id, post.title, post.date) for post in found] == [
        ("g1", "Post 1", dt.date(2013, 3, 24)),  # the author's day, though it was the 25th in UTC
        ("g2", "Post 2", dt.date(2013, 3, 24)),
    ]
    assert clean(found[0], "Ann").text == "Text 1."  # type: ignore[union-attr]
    assert blog.pages == ["/feed"]


def test_a_feed_of_summaries_is_completed_from_its_pages_but_not_from_others(blog: Blog, other: Blog) -> None:
    blog["/feed"] = rss(
        summary("URL/a"), summary(f"{other.url}/b", "Look at this by someone else."), summary("URL/gone")
    )
    blog["/a"] = article("A")
    other["/b"] = article("B")
    items = visit(f"{blog.url}/feed")
    whole, linked = posts(items)
    assert PROSE.strip() in clean(whole, "Ann").text  # type: ignore[union-attr]
    assert (whole.source_id, whole.title) == (f"s-{blog.url}/a", "Sum")
    assert (linked.text, linked.url) == ("Look at this by someone else.", None)
    assert reasons(items) == [(f"s-{blog.url}/gone", "not_found")]
    assert other.asked == []


def test_atom(blog: Blog) -> None:
    blog["/atom"] = (
        '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Ann</title><id>u</id>'
        '<entry><title type="html">A &amp;lt;b&gt; &lt;em&gt;c&lt;/em&gt;</title><id>tag:1</id><link href="/1"/>'
        "<published>2020-01-02T23:59:59-08:00</published><updated>2021-01-01T00:00:00Z</updated>"
        '<author><name>Ann</name></author><content type="html">&lt;p&gt;One.&lt;/p&gt;</content></entry></feed>'
    )
    (post,) = posts(visit(f"{blog.url}/atom"))
    assert (post.source_id, post.title, post.date, post.author) == ("tag:1", "A <b> c", dt.date(2020, 1, 2), "Ann")
    assert (post.url, post.text) == (f"{blog.url}/1", "<p>One.</p>")


def test_json_feed(blog: Blog) -> None:
    blog["/feed.json"] = (
        '{"version": "https://jsonfeed.org/version/1.1", "title": "Ann", "items": ['
        '{"id": "1", "url": "URL/1", "title": "A", "content_html": "<p>One.</p>", "date_published": "2020-01-02"},'
        '{"id": 2, "content_text": "Two.\\nLines."}, {"id": "3"}, "junk"]}'
    )
    items = visit(f"{blog.url}/feed.json")
    assert [(post.source_id, post.text, post.markup) for post in posts(items)] == [
        ("1", "<p>One.</p>", "html"),
        ("2", "Two.\nLines.", "plain"),
    ]
    assert reasons(items) == [("3", "empty")]


def test_a_blog_is_its_feed_and_its_sitemaps_each_post_once(blog: Blog) -> None:
    blog["/"] = (
        '<html><head><link rel="alternate" type="application/rss+xml" href="/feed"></head><body>Hi</body></html>'
    )
    blog["/feed"] = rss(full(1))
    blog["/robots.txt"] = "User-agent: *\nDisallow: /private\nSitemap: URL/maps.xml\n"
    blog["/maps.xml"] = sitemap("/map.xml.gz", kind="sitemapindex", inner="sitemap")
    places = sitemap("/", "/posts/1", "/posts/2/#top", "/tag/x/", "/private", "/list", "/gone").replace("URL", blog.url)
    places = places.replace("</urlset>", "<url><loc>http://elsewhere.example/x</loc></url></urlset>")
    # As programs write it that append: two gzips, one after the other.
    blog["/map.xml.gz"] = Reply(gzip.compress(places[:200].encode()) + gzip.compress(places[200:].encode()))
    blog["/posts/2/"] = article("Two")
    blog["/list"] = "<html><body><h1>All</h1>" + "<a href='/x'>a post with a long name</a> " * 20 + "</body></html>"
    items = visit(blog.url)
    assert [(post.source_id, post.title) for post in posts(items)] == [
        (f"{blog.url}/posts/1/", "Post 1"),
        (f"{blog.url}/posts/2/", "Two"),
    ]
    assert reasons(items) == [
        (f"{blog.url}/private", "robots_disallowed"),
        (f"{blog.url}/list", "not_an_article"),
        (f"{blog.url}/gone", "not_found"),
    ]
    assert not {"/tag/x/", "/private", "/posts/1"} & set(blog.asked)


@pytest.mark.parametrize(
    ("written", "author"),
    [
        ("ann@a.example (Ann Lee)", "Ann Lee"),
        ("Ann Lee (ann@a.example)", "Ann Lee"),
        ("Ann Lee (she/her)", "Ann Lee (she/her)"),
        ("@ann@a.example", "@ann@a.example"),
        ("ann@a.example", None),
    ],
)
def test_the_author_of_a_feed_is_named_without_an_address(blog: Blog, written: str, author: str | None) -> None:
    signed = full(1).replace("<guid>", f"<author>{written}</author><guid>")
    blog["/feed"] = rss(signed)
    assert [post.author for post in posts(visit(f"{blog.url}/feed"))] == [author]


def test_without_a_sitemap_the_pages_of_older_posts_are_followed(blog: Blog, other: Blog) -> None:
    """As a blog shows them whose feed has the newest alone; that is never taken for all that it has."""
    feed = '<link rel="alternate" type="application/rss+xml" href="/feed">'

    def listed(*numbers: int, older: str = "", newer: str = "") -> str:
        shown = "".join(f"<h2><a href='/posts/{n}'>Post {n}</a></h2><p>{PROSE}</p>" for n in numbers)
        rows = (f"<a rel='{rel}' href='{to}'>more</a>" for rel, to in (("next", older), ("prev", newer)) if to)
        friend = f"<a href='{other.url}/posts/9'>a friend</a>"
        return f"<html><head>{feed}</head><body>{shown}{friend}{''.join(rows)}</body></html>"

    blog["/feed"] = rss(full(6), full(5))
    blog["/"] = listed(6, 5, older="/page/2/")
    blog["/page/2/"] = listed(4, 3, older="/page/3/", newer="/")
    blog["/page/3/"] = listed(2, older="/", newer="/page/2/")  # it leads in a circle
    for number in range(1, 5):
        blog[f"/posts/{number}"] = article(f"Post {number}", f"About subject {number}. {PROSE}")
    items = visit(blog.url)
    assert [post.title for post in posts(items)] == [f"Post {number}" for number in (6, 5, 4, 3, 2)]
    assert reasons(items) == []
    assert Complete() not in items
    assert (blog.asked.count("/page/2/"), other.asked) == (1, [])
    assert reasons(visit(blog.url, max_pages=2)) == [(f"{blog.url}/posts/4", "page_cap")]
    blog["/page/3/"] = Reply("busy", 500, {"Retry-After": "0"})
    items = visit(blog.url)
    assert reasons(items) == [(f"{blog.url}/page/3/", "server_error")]
    assert [post.title for post in posts(items)] == [f"Post {number}" for number in (6, 5, 4, 3)]


def test_a_blog_in_a_folder_does_not_own_the_host(blog: Blog) -> None:
    blog["/~ann/"] = "<html><body><a href='/~ann/a'>A</a></body></html>"
    blog["/sitemap.xml"] = sitemap("/~ann/a", "/~bob/b")
    blog["/~ann/a"] = article("A")
    assert [post.title for post in posts(visit(f"{blog.url}/~ann/"))] == ["A"]


def test_a_lone_page_at_the_root_is_read_and_an_empty_one_is_an_error(blog: Blog) -> None:
    blog["/"] = f"<html><head><title>Ann</title></head><body><p>{PROSE}</p></body></html>"
    assert [post.title for post in posts(visit(blog.url))] == ["Ann"]
    blog["/"] = "<html><body><a href='/a'>a</a> <a href='/b'>b</a></body></html>"
    with pytest.raises(SourceError, match="no feed, no sitemap and no article"):
        visit(blog.url)


def test_a_feed_stops_at_the_cap(blog: Blog) -> None:
    items = ",".join(f'{{"id": "{number}", "content_text": "Text."}}' for number in range(5002))
    blog["/feed"] = f'{{"version": "https://jsonfeed.org/version/1", "items": [{items}], "next_url": "URL/more"}}'
    found = visit(f"{blog.url}/feed")
    assert len(posts(found)) == 5000
    assert found[-1] == Refusal(
        f"{blog.url}/feed", f"{blog.url}/feed", "page_cap", "2 entries come after the first 5,000"
    )
    assert blog.pages == ["/feed"]


@pytest.mark.parametrize("body", [rss(), Reply('{"version": "https://jsonfeed.org/version/1", "items": []}')])
def test_an_empty_feed_says_so(blog: Blog, body: Reply) -> None:
    blog["/feed"] = body
    assert reasons(visit(f"{blog.url}/feed")) == [(f"{blog.url}/feed", "empty")]


@pytest.mark.usefixtures("loopback")
def test_read_takes_addresses_too(blog: Blog) -> None:
    blog["/p"] = article("P")
    assert [post.title for post in posts(list(read(f"{blog.url}/p")))] == ["P"]


def test_a_feed_kept_on_another_host_than_its_blog(blog: Blog, other: Blog) -> None:
    other["/feed"] = rss(summary(f"{blog.url}/a"), summary(f"{blog.url}/b"))
    blog["/a"], blog["/b"] = Reply(article("A")), Reply(article("B"))
    assert [post.url for post in posts(visit(f"{other.url}/feed"))] == [f"{blog.url}/a", f"{blog.url}/b"]


def test_a_sitemap_that_breaks_is_counted(blog: Blog) -> None:
    blog["/"] = (
        '<html><head><link rel="alternate" type="application/rss+xml" href="/feed"></head><body>Hi</body></html>'
    )
    blog["/feed"] = rss(full(1))
    blog["/robots.txt"] = "Sitemap: URL/broken.xml\nSitemap: URL/down.xml\nSitemap: URL/none.xml"
    blog["/broken.xml"] = '<?xml version="1.0"?><urlset><url>'
    blog["/down.xml"] = Reply("", 500)
    items = visit(blog.url)
    assert [post.title for post in posts(items)] == ["Post 1"]
    assert reasons(items) == [(f"{blog.url}/broken.xml", "bad_sitemap"), (f"{blog.url}/down.xml", "server_error")]


def test_a_page_called_a_feed(blog: Blog) -> None:
    blog["/"] = '<html><head><link rel="alternate" type="application/atom+xml" href="/f"></head><body>Hi</body></html>'
    blog["/f"] = article("Not found")
    blog["/sitemap.xml"] = sitemap("/a")
    blog["/a"] = article("A")
    items = visit(blog.url)
    assert ([post.title for post in posts(items)], reasons(items)) == (["A"], [(f"{blog.url}/f", "bad_feed")])


def test_a_text_file_at_an_address(blog: Blog) -> None:
    text = "---\ntitle: Soup\ndate: 2020-01-02\n---\nHot\n\n    code\n"
    blog["/raw/soup.md"] = Reply(text, headers={"Content-Type": "text/plain; charset=utf-8"})
    (post,) = posts(visit(f"{blog.url}/raw/soup.md"))
    assert (post.title, post.date, post.markup) == ("Soup", dt.date(2020, 1, 2), "markdown")
    assert (post.text, post.url) == ("Hot\n\n    code\n", f"{blog.url}/raw/soup.md")


def test_a_page_of_the_blog_that_leads_elsewhere_is_not_the_blogs(blog: Blog, other: Blog) -> None:
    blog["/sitemap.xml"] = sitemap("/a", "/b")
    blog["/"] = "<html><body>Hi</body></html>"
    blog["/a"] = Reply(status=301, headers={"Location": f"{other.url}/a"})
    other["/a"] = article("A")
    blog["/b"] = article("B")
    items = visit(blog.url)
    assert [post.title for post in posts(items)] == ["B"]
    assert reasons(items) == [(f"{blog.url}/a", "off_site")]


def test_a_site_that_asks_to_be_left_alone_is(blog: Blog) -> None:
    blog["/"] = "<html><body>Hi</body></html>"
    blog["/sitemap.xml"] = sitemap("/a", "/b", "/c", "/d")
    blog["/a"] = article("A")
    blog["/b"] = Reply("", 429, {"Retry-After": "0"})
    items = visit(blog.url)
    assert [post.title for post in posts(items)] == ["A"]
    assert reasons(items) == [(f"{blog.url}/b", "deferred"), (f"{blog.url}/c", "deferred")]
    assert "/c" not in blog.asked


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


# What is refused by its content


@pytest.mark.parametrize(
    "body",
    [
        "<title>Just a moment...</title><h1>ann.example</h1><p>Verifying you are not a bot.</p>",
        "<title>ann.example</title><p>Verify you are human by completing the action below.</p>",
        "<title>Attention Required! | Cloudflare</title><p>Sorry, you have been blocked</p>",
        "<title>Access denied</title>",
        "<title>Sign in</title><form><input type=password><button>Log in</button></form><p>Log in to go on",
        "<title>Before you continue to Ann</title><p>We use cookies",
    ],
)
def test_a_wall_is_no_post(blog: Blog, body: str) -> None:
    blog["/p"] = f"<html><body>{body}</body></html>"
    assert [reason for _, reason in reasons(visit(f"{blog.url}/p"))] == ["blocked_page"]
    blog["/p"] = Reply(body, 403)
    assert [reason for _, reason in reasons(visit(f"{blog.url}/p"))] == ["blocked_page"]


def test_a_post_about_walls_is_a_post() -> None:
    assert not blocked(facts(article("Just a moment... and other walls", "Verify you are human. " + PROSE * 6)))
    assert not blocked(facts(article("Soup", "A short one.") + "<form>Log in<input type=password></form>"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"%PDF-1.4 soup", "not_text"),
        (b"\x89PNG\r\n\x1a\n", "not_text"),
        (
            b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "lol"><!ENTITY b "&a;&a;">]><rss>&b;</rss>',
            "",
        ),
        (b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><feed><entry><title>&x;</title></entry></feed>', ""),
        (b'{"version": "https://jsonfeed.org/version/1", "items": [', "bad_feed"),
    ],
)
def test_what_is_no_page(blog: Blog, body: bytes, reason: str) -> None:
    blog["/p"] = Reply(body)
    items = visit(f"{blog.url}/p")
    assert [found for _, found in reasons(items)] == [reason or "bad_feed"]
    assert not posts(items)


def test_a_post_about_entities_is_a_post(blog: Blog) -> None:
    blog["/feed"] = rss(full(1).replace("Text 1.", "Beware of <!ENTITY x SYSTEM>."))
    assert len(posts(visit(f"{blog.url}/feed"))) == 1


def test_feedparser_never_gets_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = b"<rss>"
    Path(name.decode()).write_text(rss(full(1)).body)  # type: ignore[arg-type]
    assert feeds.kind(name) == "feed"
    assert list(feeds.entries(name, "", "http://a.example")) == []


# What robots.txt says


@pytest.mark.parametrize("status", [500, 503, 429])
def test_without_knowing_the_rules_nothing_is_read(blog: Blog, status: int) -> None:
    blog["/robots.txt"] = Reply("", status, {"Retry-After": "0"})
    blog["/p"] = article("P")
    assert reasons(visit(f"{blog.url}/p", deadline_s=5)) == [(f"{blog.url}/p", "robots_unavailable")]
    assert blog.pages == []


def test_rules_that_take_too_long(blog: Blog) -> None:
    blog["/robots.txt"] = Reply("User-agent: *", drip=0.3)
    assert reasons(visit(f"{blog.url}/p", deadline_s=0.5)) == [(f"{blog.url}/p", "robots_unavailable")]


@pytest.mark.parametrize("agent", ["*", "llm-twin"])
def test_what_the_rules_forbid_is_not_asked_for(blog: Blog, agent: str) -> None:
    blog["/robots.txt"] = f"User-agent: {agent}\nDisallow: /p"
    assert reasons(visit(f"{blog.url}/p")) == [(f"{blog.url}/p", "robots_disallowed")]
    assert blog.pages == []


def test_rules_are_read_up_to_500_kib(blog: Blog) -> None:
    blog["/robots.txt"] = "User-agent: *\nCrawl-delay: 7\n" + "# x\n" * 150_000 + "Disallow: /\n"
    with Fetcher(allow_private=True) as fetcher:
        robots = Robots(fetcher)
        assert robots.check(f"{blog.url}/p") == 7
        robots.check(f"{blog.url}/q")
    assert blog.asked == ["/robots.txt"]


def test_rules_are_kept_for_a_day_at_most(blog: Blog) -> None:
    blog["/robots.txt"] = [Reply("User-agent: *\nAllow: /"), Reply("User-agent: *\nDisallow: /p")]
    with Fetcher(allow_private=True) as fetcher:
        assert Robots(fetcher)._max_age_s == 24 * 3600
        robots = Robots(fetcher, max_age_s=0.2)
        assert robots.check(f"{blog.url}/p") == robots.check(f"{blog.url}/p") == 0.2
        time.sleep(0.25)
        with pytest.raises(FetchError, match="robots_disallowed"):
            robots.check(f"{blog.url}/p")
    assert blog.asked == ["/robots.txt"] * 2


def test_a_host_that_wants_a_pause_gets_it(blog: Blog) -> None:
    blog["/robots.txt"] = "User-agent: *\nCrawl-delay: 1"
    blog["/"] = "<html><body>Hi</body></html>"
    blog["/sitemap.xml"] = sitemap("/a")
    blog["/a"] = article("A")
    started = time.monotonic()
    assert [post.title for post in posts(visit(blog.url))] == ["A"]
    assert 2 <= time.monotonic() - started < 4


def test_a_host_that_wants_a_long_pause_is_asked_once_a_run(blog: Blog) -> None:
    blog["/robots.txt"] = "User-agent: *\nCrawl-delay: 600"
    blog["/"] = "<html><body>Hi</body></html>"
    blog["/sitemap.xml"] = sitemap("/a")
    assert reasons(visit(blog.url)) == [(f"{blog.url}/sitemap.xml", "deferred")]
    assert blog.asked == ["/robots.txt", "/"]
