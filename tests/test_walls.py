"""What stands at an address and is no post: walls, other kinds of file, and what hurts a parser."""

from __future__ import annotations

from pathlib import Path

import pytest

from feature_pipeline.html.parser import facts
from feature_pipeline.sources.web import feeds
from feature_pipeline.sources.web.walls import blocked
from tests.blog_server import PROSE, Blog, Reply, article, full, posts, reasons, rss, visit


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
