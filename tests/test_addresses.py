"""What a person is told of an address that gives nothing: what was found there, and what to give instead."""

from __future__ import annotations

import pytest

from feature_pipeline import pipeline
from feature_pipeline.report import Report
from feature_pipeline.sources import Refusal
from tests.blog_server import Blog, Reply, article, rss, sitemap

LOGIN = "<html><title>Sign in</title><form><input type=password></form>Sign in to continue</html>"
APP = "<html><title>App</title><div id=root></div><script src=a.js></script></html>"


pytestmark = pytest.mark.usefixtures("loopback")


def told(source: str) -> str:
    """All that is said; no post is found."""
    report, said = Report("Ada"), []
    for item in pipeline.collect([source], "Ada", report):
        assert isinstance(item, Refusal), item
        said.append(f"{item.reason}: {item.detail}")
    return "\n".join([*said, *report.failed.values()])


@pytest.mark.parametrize(
    ("source", "found", "instead"),
    [
        ("htp://ann.invalid", "there is no htp://ann.invalid", "begins with https://"),
        ("ann.invalid", "there is no ", "begins with https://"),
        ("https://", "'https://' is not a web address", "such as https://example.com"),
        ("HTTPS://ann.invalid/", "no such host: ann.invalid", "check the address"),
        ("https://u:p@ann.invalid/", "has a user name or password in it", "without a user name"),
        ("http://127.0.0.1:9/", "127.0.0.1 cannot be reached: Connection refused", "check the address"),
    ],
)
def test_an_address_with_a_typo(source: str, found: str, instead: str) -> None:
    said = told(source)
    assert found in said
    assert instead in said
    assert "Errno" not in said


def test_a_password_is_shown_nowhere() -> None:
    report = Report("Ada")
    assert list(pipeline.collect(["http://me:s3cret@127.0.0.1:9/feed"], "Ada", report)) == []
    assert list(report.failed) == ["http://…@127.0.0.1:9/feed"]
    assert "s3cret" not in repr(report.failed)


@pytest.mark.parametrize(
    ("reply", "found", "instead"),
    [
        (Reply("", 404), "answered 404", "open it in your browser"),
        (Reply("", 410), "answered 410", "open it in your browser"),
        (Reply("", 500, {"Retry-After": "0"}), "answered 500", "try again later"),
        (Reply("", 401), "answered 401", "export your posts"),
        (Reply(LOGIN), "shows a wall", "export your posts"),
        (Reply("", 302, {"Location": "/login"}), "/login shows a wall", "export your posts"),
        (rss(), "the feed has no entries", "give the address of the blog"),
        (Reply("", headers={"Content-Type": "application/rss+xml"}), "answers with an empty page", "its feed"),
        (Reply(sitemap()), "the sitemap lists no page of its site", "the blog's own address"),
        (Reply(APP), "no feed, no sitemap and no article", "JavaScript is not seen"),
        (Reply(b"\x89PNG\r\n\0", headers={"Content-Type": "image/png"}), "is no text (image/png)", "given as a file"),
        (Reply(b"%PDF-1.4\n", headers={"Content-Type": "application/pdf"}), "(application/pdf)", "given as a file"),
        (Reply('{"a": 1}', headers={"Content-Type": "application/json"}), "(application/json)", "address of a page"),
        (Reply(article("A", "word " * 1_100_000)), "is over 5,000,000 bytes", "address of one post"),
    ],
)
def test_an_address_that_gives_nothing(blog: Blog, reply: Reply, found: str, instead: str) -> None:
    blog["/there"], blog["/login"] = reply, LOGIN
    said = told(f"{blog.url}/there")
    assert found in said
    assert instead in said


def test_a_site_that_wants_no_programs(blog: Blog) -> None:
    blog["/robots.txt"], blog["/"] = "User-agent: *\nDisallow: /", article("A")
    said = told(f"{blog.url}/")
    assert said.startswith("robots_disallowed: robots.txt forbids ")
    assert "export your posts" in said


def test_an_address_of_ones_own_network(blog: Blog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWIN_ALLOW_PRIVATE_ADDRESSES")
    assert told(blog.url).startswith("127.0.0.1: no public address")
    assert "TWIN_ALLOW_PRIVATE_ADDRESSES=1" in told(blog.url)
