"""Substack: the export of a publication, and its public API."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SourceError
from feature_pipeline.html.parser import markdown
from feature_pipeline.sources import Complete, Item, RawPost, Refusal, Unchanged
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.memory import Memory
from feature_pipeline.sources.platforms import substack
from feature_pipeline.sources.web.fetch import Fetcher
from feature_pipeline.sources.web.visit import Visit
from tests.blog_server import Blog, Reply, Runs, posts, reasons, unchanged
from tests.export_samples import packed

COLUMNS = "post_id post_date is_published email_sent_at inbox_sent_at type audience title subtitle podcast_url".split()
WIDGET = (
    '<div class="subscription-widget-wrap-editor" data-component-name="SubscribeWidgetToDOM" '
    'data-attrs="{&quot;url&quot;:&quot;https://ann.substack.com/subscribe?&quot;}">'
    '<div class="subscription-widget show-subscribe"><div class="preamble">'
    '<p class="cta-caption">Thanks for reading!</p></div>'
    "<form><input></form></div></div>"
)
SHARE = (
    '<div class="captioned-button-wrap"><div class="preamble"><p class="cta-caption">Feel free to share it.</p></div>'
    '<p class="button-wrapper"><a class="button primary" href="https://ann.substack.com/p/soup?action=share">Share</a></p></div>'
)
NOTES = (
    '<p>Hot<a class="footnote-anchor" id="footnote-anchor-1" href="#footnote-1">1</a> soup.</p>'
    '<div class="footnote"><a id="footnote-1" href="#footnote-anchor-1" class="footnote-number">1</a>'
    '<div class="footnote-content"><p>Very.</p></div></div>'
)


def row(post_id: str, **values: str) -> dict[str, str]:
    usual = {"post_date": "2024-01-02T23:30:00.000Z", "is_published": "true", "type": "newsletter", "title": "Soup"}
    return {"post_id": post_id, "audience": "everyone", **usual, **values}


def table(rows: list[dict[str, str]], columns: list[str] = COLUMNS) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@pytest.mark.real_data
def test_the_real_fixture(real_data: Path) -> None:
    archive = Archive(real_data / "export_ghostmigrate/packages/mg-substack/test/fixtures")
    assert substack.recognises(archive)
    items = list(substack.read(archive))
    assert [(post.source_id, post.title, str(post.date), post.url) for post in posts(items)] == [
        ("123401", "Plain Text", "2019-07-26", "https://example.substack.com/p/plain-text"),
        ("123402", "Comment Buttons", "2022-08-12", "https://example.substack.com/p/podcast"),
        ("123403", "Talk to Us", "2022-08-12", "https://example.substack.com/p/thread"),
        ("123405", "About Us", "2022-08-13", "https://example.substack.com/p/about-us"),
    ]
    assert {post.source for post in posts(items)} == {"substack:example"}
    assert reasons(items) == [("123404", "draft")]
    assert items[-1] == Complete()
    texts = [markdown(post.text) for post in posts(items)]
    assert texts[0].startswith("## Lorem Ipsum\n\nLorem ipsum dolor sit amet, consectetur")
    assert texts[1] == "## Podcast Episode\n\nDolore magna aliqua.\n\nDolor sit amet."
    assert not any(word in text for word in ("Sign up", "Leave a comment") for text in texts)


def test_an_export_gives_what_was_published(tmp_path: Path) -> None:
    rows = [
        row("11.soup", title="Soup &#x201C;hot&#x201D; &amp; more"),
        row("12.paid", audience="only_paid", title="For members"),
        row("13.draft", is_published="false", title="CANARY"),
        row("14.lost", title="Lost"),
        row("15.episode", type="podcast", podcast_url="https://a.example/a.mp3"),
        row("11.soup", title="Twice"),
    ]
    files = {
        "posts.csv": table(rows),
        "posts/11.soup.html": f"{WIDGET}{NOTES}{SHARE}<p>“Yes” 👩🏽‍🍳 {{{{ x }}}}</p>",
        "posts/12.paid.html": "<p>Dear members.</p>",
        "posts/13.draft.html": "<p>CANARY</p>",
        "posts/15.episode.html": f"{SHARE}",
        "posts/11.delivers.csv": "CANARY",
        "posts/11.opens.csv": "CANARY",
        "email_list.ann.csv": "email\nCANARY@example.com",
        "../evil.html": "CANARY",
    }
    archive = Archive(packed(tmp_path / "export.zip", files))
    assert substack.recognises(archive)
    items = list(substack.read(archive))
    soup, paid = posts(items)
    assert (soup.source, soup.source_id, soup.title) == ("substack:ann", "11", "Soup “hot” & more")
    assert (soup.date, soup.url) == (dt.date(2024, 1, 2), "https://ann.substack.com/p/soup")
    assert markdown(soup.text) == "Hot[1] soup.\n\n[1] Very.\n\n“Yes” 👩🏽‍🍳 {{ x }}"
    assert (paid.source_id, markdown(paid.text)) == ("12", "Dear members.")
    assert reasons(items) == [
        ("../evil.html", "unsafe_entry"),
        ("13", "draft"),
        ("14", "missing"),
        ("15", "empty"),
        ("11", "duplicate_id"),
    ]
    assert items[-1] == Complete()
    assert "CANARY" not in repr(items)


def test_other_columns_another_order_and_a_mark_of_the_byte_order(tmp_path: Path) -> None:
    columns = ["Title", "extra", "is_published", "post_date", "post_id"]
    line = {
        "Title": "Soup, hot",
        "extra": "a\nb",
        "is_published": "TRUE",
        "post_date": "2024-01-02",
        "post_id": "11.soup",
    }
    (tmp_path / "wrapped/posts").mkdir(parents=True)
    (tmp_path / "wrapped/posts.csv").write_text("\ufeff" + table([line], columns), encoding="utf-8")
    (tmp_path / "wrapped/posts/11.soup.html").write_text("<p>Hot.</p>", encoding="utf-8")
    archive = Archive(tmp_path)
    assert substack.recognises(archive)
    (found,) = posts(list(substack.read(archive)))
    assert (found.source, found.source_id, found.title) == (str(tmp_path), "11", "Soup, hot")
    assert (found.date, found.url) == (dt.date(2024, 1, 2), None)


def test_a_missing_column_is_named_with_those_found(tmp_path: Path) -> None:
    archive = Archive(packed(tmp_path / "a.zip", {"posts.csv": "post_id,is_published,name\n1.a,true,A\n"}))
    assert substack.recognises(archive)
    with pytest.raises(SourceError, match=r'no column "post_date" or "title", only: post_id, is_published, name'):
        list(substack.read(archive))


def test_other_archives_are_not_substacks(tmp_path: Path) -> None:
    assert not substack.recognises(Archive(packed(tmp_path / "a.zip", {"posts.csv": "id,web_title\n"})))
    assert not substack.recognises(Archive(packed(tmp_path / "b.zip", {"posts/1.a.html": "<p>x"})))
    assert not substack.recognises(Archive(packed(tmp_path / "c.zip", {"posts.csv": ""})))


def test_a_publication_on_its_own_host_names_it(tmp_path: Path) -> None:
    page = WIDGET.replace("https://ann.substack.com", "https://www.soups.example") + "<p>Hot.</p>"
    archive = Archive(packed(tmp_path / "a.zip", {"posts.csv": table([row("11.soup")]), "posts/11.soup.html": page}))
    (found,) = posts(list(substack.read(archive)))
    assert (found.source, found.url) == ("substack:soups.example", "https://soups.example/p/soup")


@pytest.mark.parametrize(
    "url",
    [
        "https://ann.substack.com",
        "https://ann.substack.com/archive",
        "https://ann.substack.com/feed",
        "http://a-b.substack.com/",
    ],
)
def test_addresses_of_publications(url: str) -> None:
    assert substack.claims(url)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://substack.com/@ann",
            "https://www.substack.com",
            "https://open.substack.com/pub/ann",
            "https://ann.substack.com/p/soup",
        ),
        *(
            "https://ann.substack.com.evil.example",
            "https://evilsubstack.com",
            "https://x@ann.substack.com",
            "https://a.b.substack.com",
        ),
        *("ftp://ann.substack.com", "https://evil.example/?ann.substack.com", "https://[ann.substack.com", ""),
    ],
)
def test_other_addresses_are_not_claimed(url: str) -> None:
    assert not substack.claims(url)


def test_a_page_on_a_host_of_its_own_says_that_it_is_substack() -> None:
    html = '<link href="https://substackcdn.com"><script>window._preloads        = JSON.parse("{}")</script>'
    assert substack.found_in(html, "https://www.soups.example/archive?sort=new") == "https://www.soups.example"
    assert substack.found_in(html, "https://www.soups.example/p/soup") is None
    assert substack.found_in('<img src="https://substackcdn.com/a.png">', "https://ann.example") is None


def listed(number: int, **values: Any) -> dict[str, Any]:
    return {
        "id": number,
        "slug": f"soup-{number}",
        "title": f"Soup {number}",
        "post_date": "2024-01-02T08:00:00.000Z",
        "audience": "everyone",
        "type": "newsletter",
        "wordcount": 9,
        "canonical_url": f"https://ann.substack.com/p/soup-{number}",
        "publishedBylines": [{"id": 1, "name": "Ann Lee", "handle": "ann"}],
        **values,
    }


class Publication(Blog):
    """A publication of so many posts on a page of the archive, as it lists them and gives them."""

    def publish(self, *pages: list[dict[str, Any]], html: str = "<p>Hot.</p>") -> None:
        offset = 0
        for page in (*pages, []):
            self[archive_page(offset)] = json.dumps(page)
            offset += len(page)
            for post in page:
                self[f"/api/v1/posts/{post['slug']}"] = json.dumps({**post, "body_html": html})


def archive_page(offset: int) -> str:
    return f"/api/v1/archive?sort=new&offset={offset}&limit=12"


@pytest.fixture
def blog() -> Iterator[Publication]:
    made = Publication()
    yield made
    made.close()


def asked(blog: Blog, memory: Memory | None = None, url: str = "https://ann.substack.com") -> list[Item]:
    with Fetcher(allow_private=True, deadline_s=5) as fetcher:
        return list(substack.visit(Visit(fetcher, memory), url, api=blog.url))


def test_every_post_of_the_archive_is_read(blog: Publication) -> None:
    blog.publish([listed(3), listed(2)], [listed(1)], html=f"<p>Hot.</p>{WIDGET}")
    items = asked(blog)
    assert [post.source_id for post in posts(items)] == ["3", "2", "1"]
    assert items[-1] == Complete()
    found = posts(items)[0]
    assert (found.source, found.title, found.author) == ("substack:ann", "Soup 3", "Ann Lee")
    assert (found.url, found.date) == ("https://ann.substack.com/p/soup-3", dt.date(2024, 1, 2))
    assert markdown(found.text) == "Hot."


def test_the_api_and_an_export_name_a_post_the_same(blog: Publication, tmp_path: Path) -> None:
    blog.publish([listed(11)])
    archive = Archive(
        packed(
            tmp_path / "a.zip",
            {"posts.csv": table([row("11.soup-11")]), "posts/11.soup-11.html": WIDGET + "<p>Hot.</p>"},
        )
    )
    (live,), (exported,) = posts(asked(blog)), posts(list(substack.read(archive)))
    assert (live.source, live.source_id, live.url) == (exported.source, exported.source_id, exported.url)


def test_the_publications_own_host_names_it(blog: Publication) -> None:
    blog.publish([listed(1, canonical_url="https://www.soups.example/p/soup-1")])
    assert [post.source for post in posts(asked(blog))] == ["substack:soups.example"]


def test_what_is_paid_for_is_refused_without_a_request(blog: Publication) -> None:
    blog.publish([listed(2, audience="only_paid"), listed(1, truncated=True)])
    items = asked(blog)
    assert reasons(items) == [("2", "paywall"), ("1", "paywall")]
    assert items[-1] == Complete()
    assert "/api/v1/posts/soup-2" not in blog.asked


def test_what_did_not_change_is_not_asked_for_again(blog: Publication) -> None:
    blog.publish([listed(2), listed(1)])
    memory = Memory()
    asked(blog, memory)
    blog.asked.clear()
    blog.publish([listed(3), listed(2, wordcount=12), listed(1)])
    again = Memory(before=memory.now)
    items = asked(blog, again)
    assert [post.source_id for post in posts(items)] == ["3", "2"]
    assert [item for item in items if isinstance(item, Unchanged)] == [Unchanged("substack:ann", "1")]
    assert items[-1] == Complete()
    assert [path for path in blog.pages if "posts" in path] == ["/api/v1/posts/soup-3", "/api/v1/posts/soup-2"]
    assert len(again.now) == 3


def test_a_page_of_the_archive_that_fails_ends_it_unfinished(blog: Publication) -> None:
    blog.publish([listed(2)], [listed(1)])
    blog[archive_page(1)] = Reply("broken", 500)
    items = asked(blog)
    assert [post.source_id for post in posts(items)] == ["2"]
    assert reasons(items) == [(f"{blog.url}{archive_page(1)}", "server_error")]
    assert Complete() not in items


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("busy", 429, {"Retry-After": "600"}), "deferred"),
        (Reply("<html>Just a moment…"), "bad_answer"),
        (Reply('{"error": "x"}'), "bad_answer"),
        (Reply("[" * 100_000), "bad_answer"),
    ],
)
def test_an_archive_that_is_none_is_one_refusal(blog: Publication, reply: Reply, reason: str) -> None:
    blog[archive_page(0)] = reply
    items = asked(blog)
    assert reasons(items) == [(f"{blog.url}{archive_page(0)}", reason)]
    assert len(items) == 1


def test_a_busy_server_is_asked_again(blog: Publication) -> None:
    blog.publish([listed(1)])
    blog[archive_page(0)] = [Reply("busy", 429, {"Retry-After": "0"}), Reply(json.dumps([listed(1)]))]
    items = asked(blog)
    assert [post.source_id for post in posts(items)] == ["1"]
    assert items[-1] == Complete()


def test_a_post_that_fails_costs_itself_only(blog: Publication) -> None:
    blog.publish([listed(number) for number in range(5, 0, -1)])
    blog["/api/v1/posts/soup-5"] = Reply("gone", 404)
    blog["/api/v1/posts/soup-4"] = "{"
    blog["/api/v1/posts/soup-3"] = json.dumps(listed(9, body_html="<p>Another.</p>"))
    blog["/api/v1/posts/soup-2"] = json.dumps(listed(2, body_html=None))
    items = asked(blog)
    assert [post.source_id for post in posts(items)] == ["1"]
    assert reasons(items) == [("5", "not_found"), ("4", "bad_answer"), ("3", "bad_answer"), ("2", "empty")]
    assert items[-1] == Complete()


def test_a_name_that_leads_elsewhere_is_quoted(blog: Publication) -> None:
    blog[archive_page(0)] = json.dumps([listed(1, slug="../../evil?x#y"), {**listed(2), "slug": None}])
    blog[archive_page(2)] = "[]"
    assert reasons(asked(blog)) == [("1", "not_found"), ("2", "bad_answer")]
    assert "/api/v1/posts/..%2F..%2Fevil%3Fx%23y" in blog.asked


def test_an_empty_publication_is_complete(blog: Publication) -> None:
    blog.publish()
    assert asked(blog) == [Complete()]


def test_the_caps_leave_the_rest_for_another_run(blog: Publication) -> None:
    blog.publish([listed(2), listed(1)])
    with Fetcher(allow_private=True) as fetcher:
        visit = Visit(fetcher)
        visit.fetched = 498
        items = list(substack.visit(visit, "https://ann.substack.com", api=blog.url))
    assert [post.source_id for post in posts(items)] == ["2"]
    assert isinstance(items[-1], Refusal)
    assert items[-1].reason == "page_cap"


def test_an_archive_longer_than_a_run_is_told_to_its_end_by_the_next_ones(blog: Publication) -> None:
    """All of it unchanged, so that requests are for the list alone."""
    every = [listed(number, title="Soup") for number in range(600, 0, -1)]
    blog.publish([every[-1]])
    runs = Runs(substack.visit, "https://ann.substack.com", blog.url)
    runs.again()
    (seen,) = [seen for seen in runs.memory.now.values() if seen.posts]
    for post in every:
        names = (("substack:ann", str(post["id"])),)
        runs.memory.now[f"{blog.url}/api/v1/posts/{post['slug']}"] = replace(seen, posts=names)
    for offset in range(601):
        blog[archive_page(offset)] = json.dumps(every[offset : offset + 12])
    told = [runs.again(requests=30) for _ in range(3)]
    assert [(len(unchanged(items)), [why for _, why in reasons(items)]) for items in told] == [
        (360, ["page_cap"]),
        (360 + 12, ["page_cap"]),
        (280 + 60, ["page_cap"]),
    ]
    assert len({name for items in told for name in unchanged(items)}) == 600


def test_a_hundred_thousand_open_elements_cost_one_post(tmp_path: Path) -> None:
    files = {
        "posts.csv": table([row("1.a"), row("2.b")]),
        "posts/1.a.html": "<div>" * 100_000,
        "posts/2.b.html": "<p>Hot.</p>",
    }
    items = list(substack.read(Archive(packed(tmp_path / "a.zip", files))))
    assert [item.source_id for item in items if isinstance(item, (RawPost, Refusal))] == ["1", "2"]
    assert items[-1] == Complete()
