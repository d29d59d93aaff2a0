"""Pages of older posts: found as a reader finds them, and no calendar followed for ever."""

from __future__ import annotations

import pytest

from feature_pipeline.html.parser import facts
from feature_pipeline.sources import Complete
from tests.blog_server import PROSE, Blog, Reply, article, full, posts, reasons, rss, visit

FEED = '<link rel="alternate" type="application/rss+xml" href="/feed">'


def page(*numbers: int, row: str = "", head: str = "") -> str:
    shown = "".join(f"<h2><a href='/posts/{n}'>Post {n}</a></h2><p>{PROSE}</p>" for n in numbers)
    return f"<html><head>{head}</head><body>{shown}{row}</body></html>"


@pytest.mark.parametrize(
    ("row", "at", "leads"),
    [
        ("<a href='/page/2/'>Older posts</a>", "/", "/page/2/"),
        ("<a href='/page/2/'>← Older Entries</a><a href='/archive'>Archive</a>", "/", "/page/2/"),
        ("<a href='/?before=7'>Ältere Beiträge »</a>", "/", "/?before=7"),
        ("<a href='/x?m=1' aria-label='Older posts'>→</a>", "/", "/x?m=1"),
        (
            "<a class='blog-pager-older-link' href='/search?updated-max=2020'>پست‌های قدیمی</a>",
            "/",
            "/search?updated-max=2020",
        ),
        (
            "<a href='/'>1</a> <a href='/page/2/'>2</a> <a href='/page/3/'>3</a> <a href='/page/9/'>9</a>",
            "/",
            "/page/2/",
        ),
        ("<a href='/'>1</a> <a href='/page/2/'>2</a> <a href='/page/3/'>3</a>", "/page/2/", "/page/3/"),
        ("<a href='?page=1'>Previous page</a> <a href='?page=3'>Next page</a>", "/blog?page=2", "/blog?page=3"),
        ("<a href='/index.html'>&lt;</a> <a href='/index3.html'>&gt;</a>", "/index2.html", "/index3.html"),
        ("<a href='/tag/soup/page/2/'>2</a> <a href='/blog/page/2/'>2</a>", "/blog/", "/blog/page/2/"),
        ("<a href='/page/1/'>Newer posts</a>", "/page/2/", ""),
        ("<a href='/page/2/'>a friend on page two</a> <a href='/posts/2'>2</a>", "/posts/", ""),
        ("<a href='/calendar/2030/02/'>Earlier</a>", "/", ""),
        ("<div class='event-calendar'><a href='/2030/02/'>Older</a></div>", "/", ""),
        (f"<table><tr>{'<td>1</td>' * 28}<td><a href='/2030/02/'>earlier</a></td></tr></table>", "/", ""),
        ("<a href='http://[::1'>Older posts</a>", "/", ""),
        ("<a href='#'>Older posts</a>", "/", ""),
    ],
)
def test_the_link_that_a_reader_would_take(row: str, at: str, leads: str) -> None:
    found = facts(page(1, row=row), f"https://ann.example{at}").older
    assert found == (leads and f"https://ann.example{leads}")


@pytest.mark.parametrize("head", [FEED, ""])
@pytest.mark.parametrize(
    ("first", "second", "last"),
    [
        (
            "<a href='/page/2/'>Older posts</a>",
            "<a href='/page/3/'>Older posts</a>",
            "<a href='/page/2/'>Newer posts</a>",
        ),
        (
            "<a href='/page/2/'>2</a><a href='/page/3/'>3</a>",
            "<a href='/'>1</a><a href='/page/3/'>3</a>",
            "<a href='/'>1</a>",
        ),
    ],
)
def test_they_are_followed_to_the_last(blog: Blog, head: str, first: str, second: str, last: str) -> None:
    blog["/feed"] = rss(full(6))
    blog["/"] = page(6, 5, row=first, head=head)
    blog["/page/2/"], blog["/page/3/"] = page(4, 3, row=second), page(2, 1, row=last)
    for number in range(1, 7):
        blog[f"/posts/{number}"] = article(f"Post {number}", f"About subject {number}. {PROSE}")
    items = visit(blog.url)
    assert sorted(post.title for post in posts(items)) == [f"Post {number}" for number in range(1, 7)]
    assert Complete() not in items
    assert [blog.asked.count(path) for path in ("/page/2/", "/page/3/")] == [1, 1]


def test_many_links_in_one_table_do_not_take_a_run() -> None:
    cells = "".join(f"<td><a href='/days/{n}/'>older</a></td>" for n in range(20_000))
    assert facts(page(1, row=f"<table><tr>{cells}</tr></table>"), "https://ann.example/").older == ""


def test_robots_and_other_hosts_are_respected(blog: Blog) -> None:
    blog["/robots.txt"] = "User-agent: *\nDisallow: /page/"
    blog["/feed"] = rss(full(6))
    blog["/"] = page(6, row="<a href='/page/2/'>Older posts</a>", head=FEED)
    items = visit(blog.url)
    assert ("/page/2/" in blog.asked, reasons(items)) == (False, [(f"{blog.url}/page/2/", "robots_disallowed")])
    blog["/"] = page(6, row="<a href='https://other.example/page/2/'>Older posts</a>", head=FEED)
    assert reasons(visit(blog.url)) == []


def test_a_calendar_that_calls_its_months_older_posts_is_left_after_a_few(blog: Blog) -> None:
    blog["/feed"] = rss(full(1))
    blog["/"] = page(1, row="<a href='/days/1/'>Older posts</a>", head=FEED)
    for month in range(1, 40):
        blog[f"/days/{month}/"] = page(row=f"<p>Nothing.</p><a href='/days/{month + 1}/'>Older posts</a>")
    items = visit(blog.url)
    assert [post.title for post in posts(items)] == ["Post 1"]
    assert len([path for path in blog.asked if path.startswith("/days/")]) == 3


def test_a_calendar_of_new_days_without_end_takes_half_of_a_run(blog: Blog) -> None:
    blog["/feed"] = rss(full(1))
    blog["/"] = page(1, row="<a href='/days/1/'>Older posts</a>", head=FEED)
    for month in range(1, 40):
        days = "".join(f"<a href='/days/{month}/{day}'>{day}</a> " for day in range(1, 3))
        blog[f"/days/{month}/"] = page(row=f"{days}<a href='/days/{month + 1}/'>Older posts</a>")
    items = visit(blog.url, max_pages=12)
    assert [post.title for post in posts(items)] == ["Post 1"]
    assert 3 < len([path for path in blog.asked if path.startswith("/days/")]) <= 12
    assert "page_cap" in [reason for _, reason in reasons(items)]


def test_one_answer_to_every_number_is_read_a_few_times(blog: Blog) -> None:
    blog["/feed"] = rss(full(1))
    for number in range(1, 40):
        path = "/" if number == 1 else f"/page/{number}/"
        blog[path] = page(1, row=f"<a href='/page/{number + 1}/'>Next page</a>", head=FEED)
    visit(blog.url)
    assert len([path for path in blog.asked if path.startswith("/page/")]) <= 3


def test_a_page_of_the_row_that_is_busy_is_told(blog: Blog) -> None:
    blog["/feed"] = rss(full(2))
    blog["/"] = page(2, row="<a href='/page/2/'>Older posts</a>", head=FEED)
    blog["/page/2/"] = Reply("busy", 500, {"Retry-After": "0"})
    assert reasons(visit(blog.url)) == [(f"{blog.url}/page/2/", "server_error")]


def essay(number: int, nav: str) -> str:
    menu = "<p><a href='/'>Home</a> <a href='/about.html'>About</a></p>"
    return f"<html><body><h1>Essay {number}</h1><p>About subject {number}. {PROSE}</p><p>{nav}</p>{menu}</body></html>"


@pytest.mark.parametrize(
    "nav",
    [
        "<a href='e{next}.html'>Next page</a>",
        "<a href='e{next}.html' rel='next'>On</a>",
        "<a href='e{next}.html'>Next post</a> <a href='e{before}.html'>Previous post</a>",
    ],
)
def test_one_essay_of_a_row_is_itself_however_it_leads_to_the_next(blog: Blog, nav: str) -> None:
    for number in range(1, 6):
        blog[f"/essays/e{number}.html"] = essay(number, nav.format(next=number + 1, before=number - 1))
    blog["/about.html"] = essay(90, "")
    items = visit(f"{blog.url}/essays/e2.html")
    assert ([post.title for post in posts(items)], reasons(items)) == (["Essay 2"], [])
    assert blog.pages == ["/essays/e2.html"]


def test_the_first_part_of_an_essay_is_itself(blog: Blog) -> None:
    blog["/essay/"] = essay(1, "<a href='/essay/2/'>Next page</a>")
    blog["/about.html"] = essay(90, "")
    assert [post.title for post in posts(visit(f"{blog.url}/essay/"))] == ["Essay 1"]


def test_of_a_shared_host_only_what_lies_under_the_address_is_the_writers(blog: Blog) -> None:
    others = "<h2><a href='/p/900'>Bob's trip to the sea</a></h2>"
    shown = [f"<h2><a href='/u/ann/{n}'>Story {n} of the year</a></h2><p>{PROSE}</p>" for n in range(1, 7)]
    blog["/u/ann"] = f"<html><body>{''.join(shown[:3])}<a href='/u/ann?page=2'>2</a>{others}</body></html>"
    blog["/u/ann?page=2"] = f"<html><body>{''.join(shown[3:])}{others}</body></html>"
    blog["/p/900"] = article("Bob's trip to the sea")
    for number in range(1, 7):
        blog[f"/u/ann/{number}"] = article(f"Story {number}", f"About subject {number}. {PROSE}")
    assert [post.title for post in posts(visit(f"{blog.url}/u/ann"))] == [f"Story {number}" for number in range(1, 7)]
    assert "/p/900" not in blog.asked


def test_nothing_of_a_shared_host_is_taken_where_nothing_lies_under_the_address(blog: Blog) -> None:
    shown = "".join(f"<h2><a href='/p/{n}'>Story {n} of the year</a></h2><p>{PROSE}</p>" for n in range(1, 4))
    blog["/u/ann"] = f"<html><body>{shown}<a href='/u/ann?page=2'>2</a></body></html>"
    items = visit(f"{blog.url}/u/ann")
    assert ([path for path in blog.asked if path.startswith("/p/")], posts(items)) == ([], [])
    assert reasons(items) == [(f"{blog.url}/u/ann", "not_an_article")]


@pytest.mark.parametrize(
    ("at", "base", "at_once"), [("/blog/", "/posts", 3), ("/archive/", "/posts", 3), ("/blog/", "/blog", 2)]
)
def test_a_list_of_posts_has_them_under_its_address_or_elsewhere(blog: Blog, at: str, base: str, at_once: int) -> None:
    menu = f"<nav><a href='/'>Home</a> <a href='{at}'>Blog</a></nav>"
    for newest, path in ((6, at), (6 - at_once, f"{at}page/2/"), (6 - 2 * at_once, f"{at}page/3/")):
        shown = range(newest, max(0, newest - at_once), -1)
        older = f"<a href='{at}page/{2 if path == at else 3}/'>Older posts</a>" if newest > at_once else ""
        main = page(*shown, row=f"</main>{older}{menu}", head="<title>Ann</title>").replace("<body>", "<body><main>")
        blog[path] = main.replace("'/posts/", f"'{base}/")
    for number in range(1, 7):
        blog[f"{base}/{number}"] = article(f"Post {number}", f"About subject {number}. {PROSE}")
    assert [post.title for post in posts(visit(f"{blog.url}{at}"))] == [f"Post {number}" for number in range(6, 0, -1)]


@pytest.mark.parametrize("after", ["<a href='/posts/{after}/'>Next post</a>", ""])
def test_a_row_of_posts_that_lead_to_each_other_is_told_whole(blog: Blog, after: str) -> None:
    blog["/feed"] = rss(full(12))
    for number in range(1, 13):
        before = f"<a href='/posts/{number - 1}/'>Previous post</a>" if number > 1 else ""
        leads = f"{before} {after.format(after=number + 1)}</body>"
        blog[f"/posts/{number}/"] = article(f"Post {number}", f"About subject {number}. {PROSE}").replace(
            "</body>", leads
        )
    front = "<p><a href='/posts/12/'>permalink</a> <a href='/posts/11/'>Previous post</a></p></body>"
    blog["/"] = article("Post 12", head=FEED).replace("</body>", front)
    items = visit(blog.url)
    assert sorted(post.title for post in posts(items)) == sorted(f"Post {number}" for number in range(1, 13))
    assert reasons(items) == []


@pytest.mark.parametrize("row", ["/page{}/", "/?page={}"])
def test_a_page_of_one_post_is_no_post(blog: Blog, row: str) -> None:
    blog["/feed"] = rss(full(3))
    for number, path in ((3, "/"), (2, row.format(2)), (1, row.format(3))):
        older = f"<a href='{row.format(5 - number)}'>Older posts</a>" if number > 1 else ""
        shown = f"<article><h1><a href='/posts/{number}/'>Post {number}</a></h1><p>{PROSE}</p></article>"
        blog[path] = f"<html><head><title>Ann</title>{FEED}</head><body>{shown}{older}</body></html>"
        blog[f"/posts/{number}/"] = article(f"Post {number}", f"About subject {number}. {PROSE}")
    assert [post.title for post in posts(visit(blog.url))] == ["Post 3", "Post 2", "Post 1"]
