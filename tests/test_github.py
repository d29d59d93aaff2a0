"""GitHub: the texts of a repository, from its zip."""

from __future__ import annotations

import io
import zipfile

import pytest

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Item, Refusal
from feature_pipeline.sources.platforms import github
from feature_pipeline.sources.web.fetch import Fetcher
from feature_pipeline.sources.web.visit import Visit
from tests.blog_server import Blog, Reply, posts, reasons

ROOT = "soups-0123456789abcdef"


def zipped(files: dict[str, str | bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{ROOT}/", "")
        for name, content in files.items():
            file.writestr(f"{ROOT}/{name}", content)
    return data.getvalue()


def asked(blog: Blog, url: str = "https://github.com/Ann/soups") -> list[Item]:
    with Fetcher(allow_private=True, deadline_s=5) as fetcher:
        return list(github.visit(Visit(fetcher), url, api=blog.url))


def test_the_texts_of_a_repository(blog: Blog) -> None:
    files: dict[str, str | bytes] = {
        "README.md": "# Soups\n\nHot “ones” 👩🏽‍🍳.\n",
        "docs/a b.md": "---\ntitle: Salt\ndate: 2024-01-02\nauthor: Ann\n---\nMore.\n",
        "docs/README": "All of it.\n",
        "posts/2024-02-29-leap.markdown": "Leap.\n",
        "posts/draft.md": "---\ndraft: true\n---\nCANARY",
        "src/soup.py": "print('CANARY')",
        "data/words.txt": "CANARY",
    }
    blog["/Ann/soups/zip/HEAD"] = Reply(zipped(files), headers={"Content-Type": "application/zip"})
    items = asked(blog)
    assert [(post.source_id, post.title, str(post.date), post.url) for post in posts(items)] == [
        ("README.md", "Soups", "None", "https://github.com/Ann/soups/blob/HEAD/README.md"),
        ("docs/README", "docs", "None", "https://github.com/Ann/soups/blob/HEAD/docs/README"),
        ("docs/a b.md", "Salt", "2024-01-02", "https://github.com/Ann/soups/blob/HEAD/docs/a%20b.md"),
        ("posts/2024-02-29-leap.markdown", "leap", "2024-02-29", posts(items)[3].url),
    ]
    assert posts(items)[0].text.strip() == "Hot “ones” 👩🏽‍🍳."
    assert {post.source for post in posts(items)} == {"github:ann/soups"}
    assert [post.author for post in posts(items)] == [None, None, "Ann", None]
    assert reasons(items) == [("posts/draft.md", "draft")]
    assert items[-1] == Complete()
    assert "CANARY" not in repr(items)
    assert blog.asked == ["/robots.txt", "/Ann/soups/zip/HEAD"]


def test_what_is_nobodys_post_is_left_out(blog: Blog) -> None:
    papers = [
        *(
            "LICENSE.md",
            "LICENSE-MIT.md",
            "CHANGELOG.md",
            "HISTORY.md",
            "CODE_OF_CONDUCT.md",
            "node_modules/a/README.md",
        ),
        *("web/vendor/b.md", "third_party/c/d.md", "docs/PULL_REQUEST_TEMPLATE.md", "docs/ISSUE_TEMPLATE/bug.md"),
    ]
    kept = ["CONTRIBUTING.md", "docs/history.md", "docs/license-to-soup.md", "docs/vendoring.md"]
    files: dict[str, str | bytes] = dict.fromkeys(papers + kept, "Words of it.\n")
    blog["/Ann/soups/zip/HEAD"] = Reply(zipped({**files, ".github/ISSUE_TEMPLATE/bug.md": "x"}))
    items = asked(blog)
    assert [post.source_id for post in posts(items)] == kept
    assert sorted(reasons(items)) == sorted((name, "not_a_post") for name in papers)


def test_a_folder_of_a_branch(blog: Blog) -> None:
    files: dict[str, str | bytes] = {
        "README.md": "# A\n\nNo.\n",
        "docs/b.md": "# B\n\nYes.\n",
        "docs2/c.md": "# C\n\nNo.\n",
    }
    blog["/Ann/soups/zip/next"] = Reply(zipped(files))
    items = asked(blog, "https://github.com/Ann/soups/tree/next/docs")
    assert [(post.source, post.source_id, post.url) for post in posts(items)] == [
        ("github:ann/soups/tree/next/docs", "docs/b.md", "https://github.com/Ann/soups/blob/next/docs/b.md")
    ]
    assert items[-1] == Complete()


def test_a_bomb_costs_its_entry(blog: Blog) -> None:
    files: dict[str, str | bytes] = {
        "a.md": b"a" * 50_000_000,
        "b.md": "Words.\n",
        "c.md": b"\x89PNG\r\n",
        "../../d.md": "Out.",
    }
    blog["/Ann/soups/zip/HEAD"] = Reply(zipped(files))
    items = asked(blog)
    assert [post.source_id for post in posts(items)] == ["b.md"]
    assert reasons(items) == [(f"{ROOT}/../../d.md", "unsafe_entry"), ("a.md", "unreadable"), ("c.md", "unreadable")]
    assert "/tmp" not in repr(items)


def test_a_zip_without_texts_is_complete(blog: Blog) -> None:
    blog["/Ann/soups/zip/HEAD"] = Reply(zipped({"a.c": "int a;"}))
    assert asked(blog) == [Complete()]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("404: Not Found", 404), "not_found"),
        (Reply("broken", 500), "server_error"),
        (Reply("busy", 429, {"Retry-After": "600"}), "deferred"),
        (Reply("<html>Just a moment…"), "bad_answer"),
        (Reply(zipped({"a.md": "Words.\n"})[:60]), "bad_answer"),
        (Reply(b"a" * 2000, cut=1000), "truncated"),
        (Reply("", headers={"Content-Encoding": "br"}), "bad_encoding"),
    ],
)
def test_a_zip_that_fails_is_one_refusal(blog: Blog, reply: Reply, reason: str) -> None:
    blog["/Ann/soups/zip/HEAD"] = reply
    items = asked(blog)
    assert reasons(items) == [("https://github.com/Ann/soups", reason)]
    assert "/tmp" not in repr(items)
    assert Complete() not in items


def test_a_host_that_forbids_programs_is_not_read(blog: Blog) -> None:
    blog["/robots.txt"] = "User-agent: *\nDisallow: /\n"
    blog["/Ann/soups/zip/HEAD"] = Reply(zipped({"a.md": "Words.\n"}))
    (item,) = asked(blog)
    assert isinstance(item, Refusal)
    assert item.reason == "robots_disallowed"
    assert "Download ZIP" in item.detail
    assert blog.pages == []


def test_many_texts_end_at_a_cap(blog: Blog) -> None:
    blog["/Ann/soups/zip/HEAD"] = Reply(zipped({f"{number:04}.md": "Words.\n" for number in range(5_001)}))
    items = asked(blog)
    assert len(posts(items)) == 5_000
    assert reasons(items) == [("5000.md", "page_cap")]
    assert Complete() not in items


@pytest.mark.parametrize(
    "url",
    [
        *("https://github.com/ann/soups", "http://www.github.com/ann/soups/", "https://github.com/ann/soups.git"),
        *(
            "https://github.com/ann/soups/tree/main",
            "https://github.com/ann/soups/tree/main/docs/a%20b",
            "https://github.com/a/.x",
        ),
    ],
)
def test_addresses_of_repositories(url: str) -> None:
    assert github.claims(url)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://github.com",
            "https://github.com/ann",
            "https://github.com/topics/soup",
            "https://github.com/ann/soups/issues",
        ),
        *(
            "https://github.com/ann/soups/blob/main/a.md",
            "https://github.com/ann/soups/tree",
            "https://github.com/ann/..",
        ),
        *(
            "https://github.com.evil.example/ann/soups",
            "https://evilgithub.com/ann/soups",
            "https://x@github.com/ann/soups",
        ),
        *("https://github.com:8080/ann/soups", "ftp://github.com/ann/soups", "https://gist.github.com/ann/soups", ""),
        *(
            "https://github.com/ann/soups/tree/%2e%2e/x",
            "https://github.com/-ann/soups",
            "https://[github.com/ann/soups",
        ),
        *(
            "https://ann.github.io/soups/a",
            "https://evil.example/github.com/ann/soups",
            "https://github.com/ann/so%2Fups",
        ),
    ],
)
def test_other_addresses_are_not_claimed(url: str) -> None:
    assert not github.claims(url)


def test_another_address_is_an_error_that_says_what_to_give(blog: Blog) -> None:
    with pytest.raises(SourceError, match="no repository on GitHub"):
        asked(blog, "https://github.com/ann")
