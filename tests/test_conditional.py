"""A second run asks for no more than what is new, and loses nothing by it."""

from __future__ import annotations

import datetime as dt

import pytest

from feature_pipeline.sources import Complete, Item, RawPost, Refusal, Unchanged
from feature_pipeline.sources.memory import Memory, Seen
from feature_pipeline.sources.web import feeds
from tests.blog_server import Blog, Reply, article, full, posts, reasons, rss, sitemap, summary, unchanged, visit

BUSY = {"Retry-After": "0"}


class Runs:
    """One run after the other of one address, each with what the last has learned."""

    def __init__(self, url: str, max_pages: int = 500) -> None:
        self.url, self.max_pages = url, max_pages
        self.memory = Memory()

    def again(self) -> list[Item]:
        self.memory = Memory(before=self.memory.now)
        return visit(self.url, memory=self.memory, max_pages=self.max_pages)


def tagged(body: str | Reply, etag: str) -> Reply:
    return Reply(body.body if isinstance(body, Reply) else body, headers={"ETag": f'"{etag}"'})


# Pages


def test_a_page_that_has_not_changed_is_not_read_again(blog: Blog) -> None:
    blog["/p"] = tagged(article("P", head='<link rel="canonical" href="/p/">'), "1")
    runs = Runs(f"{blog.url}/p")
    (post,) = posts(runs.again())
    key = (post.source, post.source_id)
    assert key == (f"{blog.url}/p", f"{blog.url}/p/")
    assert runs.memory.now == {f"{blog.url}/p": Seen(etag='"1"', posts=(key,))}
    learned = runs.memory.now
    assert unchanged(runs.again()) == [f"{blog.url}/p/"]
    assert runs.memory.now == learned
    assert [headers.get("if-none-match") for headers in blog.headers] == [None, None, None, '"1"']
    blog["/p"] = tagged(article("Q"), "2")
    assert [post.title for post in posts(runs.again())] == ["Q"]
    assert runs.memory.now[f"{blog.url}/p"].etag == '"2"'


def test_a_date_does_as_well(blog: Blog) -> None:
    blog["/p"] = Reply(article("P"), headers={"Last-Modified": "Sun, 24 Mar 2013 23:30:00 GMT"})
    runs = Runs(f"{blog.url}/p")
    assert len(posts(runs.again())) == 1
    assert unchanged(runs.again()) == [f"{blog.url}/p"]
    assert blog.headers[-1]["if-modified-since"] == "Sun, 24 Mar 2013 23:30:00 GMT"


def test_without_a_memory_nothing_is_said_to_be_known(blog: Blog) -> None:
    blog["/p"] = Reply("", 304)
    assert reasons(visit(f"{blog.url}/p")) == [(f"{blog.url}/p", "http_error")]
    assert "if-none-match" not in blog.headers[-1]


@pytest.mark.parametrize("etag", ['"é"', '"' + "x" * 600 + '"'])
def test_a_tag_that_cannot_be_sent_back_is_not_kept(blog: Blog, etag: str) -> None:
    blog["/p"] = Reply(article("P"), headers={"ETag": etag})
    runs = Runs(f"{blog.url}/p")
    runs.again()
    assert runs.memory.now[f"{blog.url}/p"].etag == ""


@pytest.mark.parametrize(
    "reply",
    [
        Reply("", 404),
        Reply("", 500, BUSY),
        Reply("", 429, BUSY),
        Reply("<title>Just a moment...</title>"),
        Reply(article("P"), cut=5),
    ],
)
def test_a_page_that_fails_is_remembered_as_it_was(blog: Blog, reply: Reply) -> None:
    blog["/p"] = tagged(article("P"), "1")
    runs = Runs(f"{blog.url}/p")
    runs.again()
    learned = runs.memory.now
    blog["/p"] = reply
    (item,) = runs.again()
    assert isinstance(item, Refusal)
    assert item.source_id == f"{blog.url}/p"
    assert runs.memory.now == learned
    blog["/p"] = tagged(article("P"), "1")
    assert unchanged(runs.again()) == [f"{blog.url}/p"]


@pytest.mark.parametrize(("status", "reason"), [(404, "not_found"), (410, "gone")])
def test_a_page_that_is_gone_names_the_post_that_is_stored(blog: Blog, status: int, reason: str) -> None:
    blog["/?p=7"] = tagged(article("P", head='<link rel="canonical" href="/soup/">'), "1")
    blog["/soup/"] = article("P")
    runs = Runs(f"{blog.url}/?p=7")
    assert [post.source_id for post in posts(runs.again())] == [f"{blog.url}/soup/"]
    blog["/?p=7"] = Reply("", status)
    assert reasons(runs.again()) == [(f"{blog.url}/?p=7", reason)]  # the post is still where it says that it is
    runs.memory.now[f"{blog.url}/?p=7"] = Seen(posts=((runs.url, f"{blog.url}/soup/"),))
    blog["/soup/"] = Reply("", status)
    assert reasons(runs.again()) == [(f"{blog.url}/soup/", reason)]
    assert (runs.memory.now[f"{blog.url}/?p=7"] == Seen()) == (reason == "gone")


def test_a_post_that_leads_to_the_front_page_is_not_found(blog: Blog) -> None:
    place(blog, {"/a": "", "/b": ""})
    site, page = Runs(blog.url), Runs(f"{blog.url}/a")
    assert (len(posts(site.again())), len(posts(page.again()))) == (2, 1)
    blog["/a"] = Reply(status=302, headers={"Location": "/"})
    items = site.again()
    assert [post.title for post in posts(items)] == ["/b"]
    assert reasons(items) == reasons(page.again()) == [(f"{blog.url}/a", "not_found")]


# Feeds


def test_a_feed_that_has_not_changed_is_not_read_again(blog: Blog) -> None:
    older = '<atom:link rel="next" href="/feed/2"/>'
    blog["/feed"] = tagged(rss(full(2), channel=older), "1")
    blog["/feed/2"] = tagged(rss(full(1)), "1")
    runs = Runs(f"{blog.url}/feed")
    assert [post.source_id for post in posts(runs.again())] == ["g2", "g1"]
    blog.asked.clear()
    assert unchanged(runs.again()) == ["g2", "g1"]
    assert blog.pages == ["/feed"]
    blog["/feed"] = tagged(rss(full(3), channel=older), "2")
    items = runs.again()
    assert [post.source_id for post in posts(items)] == ["g3", "g1"]  # g2 has left the feed, and stays
    assert Complete() not in items


def test_a_feed_of_which_not_all_was_read_is_read_again(blog: Blog) -> None:
    blog["/feed"] = tagged(rss(summary("URL/a"), summary("URL/b")), "1")
    blog["/a"] = tagged(article("A"), "a")
    blog["/b"] = Reply("", 500, BUSY)
    runs = Runs(f"{blog.url}/feed")
    assert len(posts(runs.again())) == 1
    assert f"{blog.url}/feed" not in runs.memory.now
    blog["/b"] = tagged(article("B"), "b")
    items = runs.again()
    assert [post.source_id for post in posts(items)] == [f"s-{blog.url}/b"]
    assert unchanged(items) == [f"s-{blog.url}/a"]
    blog.asked.clear()
    assert sorted(unchanged(runs.again())) == [f"s-{blog.url}/a", f"s-{blog.url}/b"]
    assert blog.pages == ["/feed"]


def test_a_summary_that_says_more_than_its_page_is_compared_each_time(blog: Blog) -> None:
    long = "A summary of twelve words or more that the page does not have."
    blog["/feed"] = rss(summary("URL/a", long))
    blog["/a"] = tagged("<html><body>Press play</body></html>", "a")
    runs = Runs(f"{blog.url}/feed")
    assert [post.text for post in posts(runs.again())] == [long]
    assert [post.text for post in posts(runs.again())] == [long]


# Blogs


def place(blog: Blog, dates: dict[str, str], feed: Reply | None = None) -> None:
    head = '<link rel="alternate" type="application/rss+xml" href="/feed">' if feed else ""
    blog["/"] = f"<html><head>{head}</head><body>Hi</body></html>"
    blog["/sitemap.xml"] = sitemap(*dates, changed=dates)
    for path in dates:
        blog.replies.setdefault(path, [Reply(article(path))])
    if feed:
        blog["/feed"] = feed


def test_a_page_with_the_same_date_in_the_sitemap_is_not_asked_for(blog: Blog) -> None:
    place(blog, {"/a": "2020-01-01", "/b": "2020-01-02T03:04:05Z"})
    runs = Runs(blog.url)
    assert len(posts(runs.again())) == 2
    assert runs.memory.now[f"{blog.url}/a"] == Seen(listed="2020-01-01", posts=((blog.url, f"{blog.url}/a"),))
    blog.asked.clear()
    items = runs.again()
    assert (unchanged(items), items[-1]) == ([f"{blog.url}/a", f"{blog.url}/b"], Complete())
    assert blog.asked == ["/robots.txt", "/", "/sitemap.xml"]
    place(blog, {"/a": "2020-01-01", "/b": "2020-01-03T03:04:05Z"})
    items = runs.again()
    assert (unchanged(items), [post.title for post in posts(items)]) == ([f"{blog.url}/a"], ["/b"])


def test_a_page_with_another_date_may_still_be_as_it_was(blog: Blog) -> None:
    blog["/a"] = tagged(article("A"), "a")
    place(blog, {"/a": "2020-01-01", "/b": "2020-01-02"})
    runs = Runs(blog.url)
    runs.again()
    place(blog, {"/a": "2020-02-01", "/b": "2020-01-02"})
    items = runs.again()
    assert (sorted(unchanged(items)), posts(items)) == ([f"{blog.url}/a", f"{blog.url}/b"], [])
    assert runs.memory.now[f"{blog.url}/a"] == Seen(
        etag='"a"', listed="2020-02-01", posts=((blog.url, f"{blog.url}/a"),)
    )


@pytest.mark.parametrize("day", [0, 2])
def test_the_date_of_a_day_that_is_not_over_says_nothing(day: int) -> None:
    at = dt.datetime.now(dt.UTC) + dt.timedelta(days=day)
    data = sitemap("/a", "/b", changed={"/a": at.date().isoformat(), "/b": "2020-01-02"})
    assert [changed for _, changed in feeds.listing(data.encode(), "http://a.example")] == ["", "2020-01-02"]


@pytest.mark.parametrize("dates", [("2020-01-02", "2020-01-02"), ("soon", "2020-13-40"), ("", "2999-01-01T01:01:01Z")])
def test_a_date_that_cannot_be_meant_says_nothing(dates: tuple[str, str]) -> None:
    """Where all are the same, it is the day on which the site was built."""
    data = sitemap("/a", "/b", changed=dict(zip(("/a", "/b"), dates, strict=True)))
    assert [changed for _, changed in feeds.listing(data.encode(), "http://a.example")] == ["", ""]


def test_a_list_of_posts_that_has_not_changed_is_not_read_again(blog: Blog) -> None:
    blog["/list"] = tagged("<html><body>" + "<a href='/x'>a post with a long name</a> " * 20 + "</body></html>", "1")
    place(blog, {"/a": "2020-01-01", "/list": "2020-01-02"})
    runs = Runs(blog.url)
    assert reasons(runs.again()) == [(f"{blog.url}/list", "not_an_article")]
    blog.asked.clear()
    assert runs.again() == [*items_of(blog, "/a"), Complete()]
    assert blog.pages == ["/"]


def items_of(blog: Blog, *paths: str) -> list[Item]:
    return [Unchanged(blog.url, f"{blog.url}{path}") for path in paths]


def test_a_post_that_leaves_the_feed_is_known_by_the_sitemap(blog: Blog) -> None:
    dates = {"/posts/1/": "2020-01-01", "/posts/2/": "2020-01-02"}
    place(blog, dates, rss(full(1), full(2)))
    runs = Runs(blog.url)
    assert len(posts(runs.again())) == 2
    blog["/feed"] = rss(full(2))
    blog.asked.clear()
    items = runs.again()
    assert [post.source_id for post in posts(items)] == [f"{blog.url}/posts/2/"]
    assert (unchanged(items), items[-1]) == ([f"{blog.url}/posts/1/"], Complete())
    assert blog.pages == ["/", "/feed"]


def test_a_feed_that_has_not_changed_keeps_its_posts_from_being_read_as_pages(blog: Blog) -> None:
    place(blog, {"/posts/1/": "", "/b": ""}, tagged(rss(full(1)), "1"))
    runs = Runs(blog.url)
    runs.again()
    blog.asked.clear()
    items = runs.again()
    assert unchanged(items) == [f"{blog.url}/posts/1/"]
    assert [post.title for post in posts(items)] == ["/b"]
    assert (blog.pages, items[-1]) == (["/", "/feed", "/b"], Complete())


def test_what_a_complete_run_does_not_meet_is_forgotten(blog: Blog) -> None:
    place(blog, {"/a": "2020-01-01", "/b": "2020-01-02"})
    runs = Runs(blog.url)
    runs.again()
    place(blog, {"/b": "2020-01-02", "/c": "2020-01-03"})
    assert runs.again()[-1] == Complete()
    assert runs.memory.now[f"{blog.url}/a"] == Seen()
    place(blog, {"/a": "2020-01-01", "/b": "2020-01-02"})
    assert [post.title for post in posts(runs.again())] == ["/a"]  # though its date is the same again


def test_what_an_incomplete_run_does_not_meet_is_kept(blog: Blog) -> None:
    place(blog, {"/a": "2020-01-01", "/b": "2020-01-02"})
    runs = Runs(blog.url)
    runs.again()
    learned = runs.memory.now
    blog["/sitemap.xml"] = Reply("", 503, BUSY)
    assert reasons(runs.again()) == [(f"{blog.url}/sitemap.xml", "server_error")]
    assert runs.memory.now == learned


@pytest.mark.parametrize(("status", "reason"), [(404, "not_found"), (410, "gone")])
def test_a_listed_page_that_is_gone_names_its_post_in_each_run(blog: Blog, status: int, reason: str) -> None:
    place(blog, {"/a": "", "/b": ""})
    runs = Runs(blog.url)
    runs.again()
    blog["/a"] = Reply("", status)
    for _ in range(2):
        items = runs.again()
        assert (reasons(items), items[-1]) == ([(f"{blog.url}/a", reason)], Complete())


# More pages than a run reads


def test_a_large_blog_is_complete_after_some_runs(blog: Blog) -> None:
    paths = [f"/{number}" for number in range(7)]
    for number, path in enumerate(paths):
        blog[path] = tagged(article(path), f"t{number}")
    place(blog, dict.fromkeys(paths, ""))
    runs = Runs(blog.url, max_pages=3)
    left = "4 addresses are left: the next run goes on with them"
    items = runs.again()
    assert [post.title for post in posts(items)] == paths[:3]
    assert items[-1] == Refusal(blog.url, f"{blog.url}/3", "page_cap", left)
    items = runs.again()
    assert [post.title for post in posts(items)] == paths[3:6]
    assert reasons(items) == [(f"{blog.url}/6", "page_cap")]
    items = runs.again()
    assert ([post.title for post in posts(items)], len(unchanged(items)), items[-1]) == (["/6"], 6, Complete())
    items = runs.again()
    assert (posts(items), len(unchanged(items)), items[-1]) == ([], 7, Complete())


def test_with_dates_what_is_known_costs_nothing(blog: Blog) -> None:
    dates = {f"/{number}": f"2020-01-{number + 1:02}" for number in range(7)}
    place(blog, dates)
    runs = Runs(blog.url, max_pages=3)
    found: list[RawPost] = []
    for known in (0, 3, 6):
        items = runs.again()
        assert len(unchanged(items)) == known
        found += posts(items)
    assert ([post.title for post in found], items[-1]) == (list(dates), Complete())
    assert sorted(blog.pages) == sorted(["/"] * 3 + list(dates))


def test_where_nothing_says_what_has_changed_what_is_new_comes_first(blog: Blog) -> None:
    paths = [f"/{number}" for number in range(7)]
    place(blog, dict.fromkeys(paths, ""))
    runs = Runs(blog.url, max_pages=3)
    found = [post.title for _ in range(3) for post in posts(runs.again())]
    assert (found[:7], set(found)) == (paths, set(paths))
    assert len(found) == 9  # two were looked at again
    blog["/new"] = article("/new")
    place(blog, dict.fromkeys([*paths, "/new"], ""))
    assert posts(runs.again())[0].title == "/new"


def test_the_older_pages_of_a_feed_go_on_too(blog: Blog) -> None:
    for number in range(7):
        further = f'<atom:link rel="next" href="URL/feed?page={number + 1}"/>' if number < 6 else ""
        blog[f"/feed?page={number}"] = rss(full(number), channel=further)
    runs = Runs(f"{blog.url}/feed?page=0", max_pages=4)
    assert [post.source_id for post in posts(runs.again())] == ["g0", "g1", "g2", "g3", "g4"]
    items = runs.again()  # first what was left, then from the newest on
    assert [post.source_id for post in posts(items)] == ["g0", "g4", "g5", "g6", "g1"]
    assert [reason for _, reason in reasons(items)] == ["page_cap"]
    assert [post.source_id for post in posts(runs.again())] == ["g0", "g1", "g2", "g3", "g4"]  # anew
    runs.max_pages = 500
    items = runs.again()
    assert ({post.source_id for post in posts(items)}, reasons(items)) == ({f"g{number}" for number in range(7)}, [])


def test_the_pages_of_older_posts_go_on_too_and_leave_requests_for_the_posts(blog: Blog) -> None:
    blog["/feed"] = rss(full(26), full(25))
    for page in range(1, 13):
        shown = "".join(f"<p><a href='/posts/{number}/'>{number}</a></p>" for number in (28 - 2 * page, 27 - 2 * page))
        further = (
            f"<a rel='next' href='/page/{page + 1}/'>more</a>"
            if page < 12
            else "<a rel='prev' href='/page/11/'>back</a>"
        )
        feed = '<link rel="alternate" type="application/rss+xml" href="/feed">'
        blog["/" if page == 1 else f"/page/{page}/"] = f"<head>{feed}</head><body>{shown}{further}</body>"
    for number in range(3, 25):
        blog[f"/posts/{number}/"] = article(f"Post {number}", f"About subject {number}. {article('', '')}")
    runs = Runs(blog.url, max_pages=8)
    found = [{post.title for post in posts(runs.again())} for _ in range(5)]
    assert all(run - set().union(*found[:number]) for number, run in enumerate(found))
    assert set().union(*found) == {f"Post {number}" for number in range(3, 27)}


def test_a_feed_of_many_summaries_goes_on_too(blog: Blog) -> None:
    blog["/feed"] = rss(*(summary(f"URL/{number}") for number in range(5)))
    for number in range(5):
        blog[f"/{number}"] = tagged(article(str(number)), str(number))
    runs = Runs(f"{blog.url}/feed", max_pages=2)
    items = runs.again()
    assert [post.url for post in posts(items)] == [f"{blog.url}/0", f"{blog.url}/1"]
    assert items[-1] == Refusal(runs.url, runs.url, "page_cap", "3 entries are left: the next run goes on with them")
    assert [post.url for post in posts(runs.again())] == [f"{blog.url}/2", f"{blog.url}/3"]
    items = runs.again()
    assert ([post.url for post in posts(items)], len(unchanged(items)), reasons(items)) == ([f"{blog.url}/4"], 4, [])
