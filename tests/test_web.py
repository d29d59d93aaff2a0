"""Posts at web addresses: what is read of a page, a feed and a blog."""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Iterator

import pytest

from contracts.errors import SourceError
from feature_pipeline.clean import clean
from feature_pipeline.sources import Complete, read
from tests.blog_server import PROSE, Blog, Reply, article, full, posts, reasons, rss, sitemap, summary, visit


@pytest.fixture
def other() -> Iterator[Blog]:
    made = Blog()
    yield made
    made.close()


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
    capped = [(f"{blog.url}/page/3/", "page_cap"), (f"{blog.url}/posts/3", "page_cap")]
    assert reasons(visit(blog.url, max_pages=2)) == capped
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


def test_a_feed_of_any_length_is_read_to_its_end(blog: Blog) -> None:
    items = ",".join(f'{{"id": "{number}", "content_text": "Text."}}' for number in range(5002))
    blog["/feed"] = f'{{"version": "https://jsonfeed.org/version/1", "items": [{items}], "next_url": "URL/more"}}'
    blog["/more"] = '{"version": "https://jsonfeed.org/version/1", "items": [{"id": "a", "content_text": "Text."}]}'
    assert len(posts(visit(f"{blog.url}/feed"))) == 5003


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
