"""What robots.txt says is kept, also where it cannot be read."""

from __future__ import annotations

import time

import pytest

from feature_pipeline.sources.web.fetch import Fetcher, FetchError
from feature_pipeline.sources.web.robots import Robots
from tests.blog_server import Blog, Reply, article, posts, reasons, sitemap, visit


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
