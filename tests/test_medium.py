"""Medium: the archive that a member downloads, and the feed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from contracts.errors import SourceError
from feature_pipeline.html.parser import markdown
from feature_pipeline.sources import Complete, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.platforms import medium
from feature_pipeline.sources.web.fetch import Fetcher
from feature_pipeline.sources.web.visit import Visit
from tests.blog_server import Blog, Reply, posts, reasons
from tests.export_samples import packed

FOOTER = (
    '<footer><p>By <a href="https://medium.com/@AnnLee" class="p-author h-card">Ann Lee</a> on '
    '<a href="https://medium.com/p/{id}"><time class="dt-published" datetime="{date}">A day</time></a>.</p>'
    '<p><a href="{url}" class="p-canonical">Canonical link</a></p>'
    '<p>Exported from <a href="https://medium.com">Medium</a> on May 1, 2024.</p></footer>'
)
FEED = (
    '<?xml version="1.0"?><rss xmlns:dc="http://purl.org/dc/elements/1.1/" version="2.0" '
    'xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>Stories by Ann Lee</title>{}</channel></rss>'
)
ITEM = (
    "<item><title><![CDATA[{title}]]></title><link>https://medium.com/@annlee/{slug}?source=rss-1------2</link>"
    '<guid isPermaLink="false">https://medium.com/p/{id}</guid><dc:creator><![CDATA[Ann Lee]]></dc:creator>'
    "<pubDate>Tue, 02 Jan 2024 08:00:00 GMT</pubDate><{tag}><![CDATA[{html}]]></{tag}></item>"
)
STAT = '<img src="https://medium.com/_/stat?event=post.clientViewed" width="1" height="1" alt="">'


def page(
    title: str,
    body: str,
    id: str = "0a1b2c3d4e5f",
    subtitle: str = "",
    url: str = "",
    date: str = "2024-01-02T23:30:00.000Z",
) -> str:
    url = url or f"https://medium.com/@AnnLee/soup-{id}"
    summary = f'<section data-field="subtitle" class="p-summary">{subtitle}</section>' if subtitle else ""
    footer = (
        FOOTER.format(id=id, date=date, url=url)
        if date
        else f'<footer><a href="https://medium.com/p/{id}">x</a></footer>'
    )
    return (
        f'<!DOCTYPE html><html><head><title>{title}</title></head><body><article class="h-entry"><header>'
        f'<h1 class="p-name">{title}</h1></header>{summary}<section data-field="body" class="e-content">'
        '<section name="1" class="section section--body section--first"><div class="section-divider"><hr></div>'
        f'<div class="section-content">{body}</div></section></section>{footer}</article></body></html>'
    )


def only(tmp_path: Path, html: str, name: str = "posts/2024-01-02_Soup-0a1b2c3d4e5f.html") -> RawPost:
    item, complete = medium.read(Archive(packed(tmp_path / "medium.zip", {name: html})))
    assert isinstance(item, RawPost), item
    assert complete == Complete()
    return item


def asked(blog: Blog, url: str = "https://medium.com/@AnnLee") -> list[Item]:
    with Fetcher(allow_private=True, deadline_s=5) as fetcher:
        return list(medium.visit(Visit(fetcher), url, api=blog.url))


@pytest.mark.real_data
def test_the_real_fixture(real_data: Path) -> None:
    archive = Archive(real_data / "export_ghostmigrate/packages/mg-medium-export/test/fixtures/export")
    assert medium.recognises(archive)
    items = list(medium.read(archive))
    assert items[-1] == Complete()
    assert {item.source for item in items[:-1] if isinstance(item, (RawPost, Refusal))} == {"medium:@joebloggs"}
    assert reasons(items) == [("ababab12121212", "draft"), ("efefef121212", "draft")]
    assert [(post.source_id, post.title, str(post.date), post.format) for post in posts(items)] == [
        ("efefef12121212", "Advanced Post Title", "2018-08-11", "article"),
        ("basic-post", "Basic Post Title", "2018-08-11", "article"),  # the fixture has one address for five posts
        ("code-post", "Code Post Title", "2018-08-11", "article"),
        ("a1b2c3d4e5f6", "", "2024-06-03", "reply"),
        ("1234567890", "No Slug Post", "2018-08-11", "article"),
        ("quote-post", "Quote Post Title", "2018-08-11", "article"),
        ("short-post", "Short Post Title", "2018-08-11", "article"),
    ]
    texts = [markdown(post.text) for post in posts(items)]
    assert texts[1] == "This is a paragraph of text and stuff.\n\nThis is a another paragraph of text and stuff."
    assert (
        "sudo apt-get update\nsudo apt-get install \\\n    apt-transport-https \\\n    ca-certificates \\" in texts[2]
    )
    assert texts[3] == "This is a comment"
    assert texts[5].endswith("> “Lorem Ipsum”\xa0Example\n\nDolor Simet\n\n> Lorem Ipsum")
    assert texts[0].count("This is a subtitle of some sort") == 1
    assert not any(word in text for word in ("Exported", "Canonical", "Tagged", "Post Title") for text in texts)


def test_a_post_is_its_body_without_what_the_header_says(tmp_path: Path) -> None:
    body = (
        '<h3 class="graf graf--h3 graf--title">Soup</h3><h4 class="graf graf--h4 graf--subtitle">Hot</h4>'
        '<p class="graf">I said “hi” 👩🏽‍🍳 &amp; left.</p>'
        '<div class="graf graf--mixtapeEmbed"><a><strong>Their page</strong><br><em>of others</em></a></div>'
        '<pre data-code-block-lang="python" class="graf graf--preV2"><span class="pre--content">'
        "a = 1<br>if a:<br />    b</span></pre>"
        "<script>alert(1)</script>"
    )
    found = only(tmp_path, page("Soup", body, subtitle="Hot"))
    assert (found.source, found.source_id) == ("medium:@annlee", "0a1b2c3d4e5f")
    assert (found.title, found.date, found.author) == ("Soup", dt.date(2024, 1, 2), "Ann Lee")
    assert (found.url, found.format) == ("https://medium.com/@AnnLee/soup-0a1b2c3d4e5f", "article")
    assert markdown(found.text) == "I said “hi” 👩🏽‍🍳 & left.\n\n```python\na = 1\nif a:\n    b\n```"


def test_braces_are_text_and_no_template(tmp_path: Path) -> None:
    found = only(tmp_path, page("Soup", "<h3 class='graf--title'>Soup</h3><p>Write {{ name }} and {% if %}.</p>"))
    assert markdown(found.text) == "Write {{ name }} and {% if %}."


@pytest.mark.parametrize("title", ["I disagree, and…", "Their words."])
def test_a_response_is_a_reply_without_the_words_it_answers(tmp_path: Path, title: str) -> None:
    body = "<blockquote class='graf--blockquote'>Their words.</blockquote><p>I disagree, and at length.</p>"
    found = only(tmp_path, page(title, body))
    assert (found.title, found.format, markdown(found.text)) == ("", "reply", "I disagree, and at length.")


def test_an_address_of_ones_own_still_leaves_mediums_number(tmp_path: Path) -> None:
    found = only(tmp_path, page("Soup", "<p>Hot.</p>", subtitle="x", url="https://ann.example/2020/soup"))
    assert (found.source_id, found.url) == ("0a1b2c3d4e5f", "https://ann.example/2020/soup")


def test_drafts_and_other_people_stay_out(tmp_path: Path) -> None:
    files = {
        "posts/2024-01-02_Soup-0a1b2c3d4e5f.html": page("Soup", "<p>Hot.</p>", subtitle="x"),
        "posts/draft_Secret-aaaaaaaaaaaa.html": page("Secret", "<p>CANARY</p>", id="aaaaaaaaaaaa", date=""),
        "posts/draft_Dated-bbbbbbbbbbbb.html": page("Dated", "<p>CANARY</p>", id="bbbbbbbbbbbb"),
        "posts/2024-01-03_Empty-cccccccccccc.html": page("Empty", "", id="cccccccccccc"),
        "posts/2024-01-04_Torn-dddddddddddd.html": "%PDF-1.4 CANARY",
        "profile/profile.html": "CANARY",
        "claps/claps-0001.html": "CANARY",
        "bookmarks/bookmarks-0001.html": "CANARY",
        "ips/ips-0001.html": "CANARY",
        "../evil.html": "CANARY",
    }
    archive = Archive(packed(tmp_path / "medium.zip", files))
    assert medium.recognises(archive)
    items = list(medium.read(archive))
    assert [post.source_id for post in posts(items)] == ["0a1b2c3d4e5f"]
    assert sorted(reasons(items)) == [
        ("../evil.html", "unsafe_entry"),
        ("aaaaaaaaaaaa", "draft"),
        ("bbbbbbbbbbbb", "draft"),
        ("cccccccccccc", "empty"),
        ("dddddddddddd", "unreadable"),
    ]
    assert items[-1] == Complete()
    assert "CANARY" not in repr(items)


def test_a_wrapped_folder_and_a_changed_attribute_order(tmp_path: Path) -> None:
    html = page("Soup", "<p>Hot.</p>", subtitle="x").replace(
        '<a href="https://medium.com/@AnnLee" class="p-author h-card">',
        '<a class="p-author h-card" href="https://annlee.medium.com">',
    )
    (tmp_path / "export/posts").mkdir(parents=True)
    (tmp_path / "export/posts/2024-01-02_Soup-0a1b2c3d4e5f.html").write_text("\ufeff" + html, encoding="utf-8")
    archive = Archive(tmp_path)
    assert medium.recognises(archive)
    (found,) = posts(list(medium.read(archive)))
    assert (found.source, found.source_id) == ("medium:@annlee", "0a1b2c3d4e5f")


def test_other_archives_are_not_mediums(tmp_path: Path) -> None:
    assert not medium.recognises(Archive(packed(tmp_path / "a.zip", {"posts/a.html": "<p>Hot.</p>", "posts.csv": "a"})))
    assert not medium.recognises(Archive(packed(tmp_path / "b.zip", {"README.md": "Hot."})))


def test_a_hundred_thousand_open_elements_cost_one_post(tmp_path: Path) -> None:
    deep = page("Soup", "<div>" * 100_000 + "Hot.", subtitle="x")
    items = list(
        medium.read(Archive(packed(tmp_path / "medium.zip", {"posts/2024-01-02_Soup-0a1b2c3d4e5f.html": deep})))
    )
    assert len(items) == 2
    assert items[-1] == Complete()


@pytest.mark.parametrize(
    "url",
    [
        *("https://medium.com/@ann", "http://www.medium.com/@ann.lee/", "https://medium.com/@ann/about"),
        *(
            "https://medium.com/feed/@ann",
            "https://ann.medium.com",
            "https://ann.medium.com/feed",
            "https://medium.com/kitchen",
        ),
    ],
)
def test_addresses_of_members_and_publications(url: str) -> None:
    assert medium.claims(url)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://medium.com",
            "https://medium.com/tag/soup",
            "https://medium.com/me",
            "https://medium.com/@ann/soup-0a1b2c3d4e5f",
        ),
        *(
            "https://ann.medium.com/soup-0a1b2c3d4e5f",
            "https://help.medium.com",
            "https://medium.com.evil.example/@ann",
        ),
        *(
            "https://evilmedium.com/@ann",
            "https://medium.com@evil.example/@ann",
            "https://medium.com:8080/@ann",
            "ftp://medium.com/@a",
        ),
        *("https://evil.example/https://medium.com/@ann", "https://[medium.com/@ann", "", "https://medium.com:x/@ann"),
    ],
)
def test_other_addresses_are_not_claimed(url: str) -> None:
    assert not medium.claims(url)


def test_the_feed_gives_the_newest_and_says_that_there_is_more(blog: Blog) -> None:
    html = (
        "<h4>The subtitle</h4><p>Hot.</p>"
        + STAT
        + "<hr><p><a>Soup</a> was originally published in <a>Kitchen</a> on Medium, "
        "where people are continuing the conversation by highlighting and responding to this story.</p>"
    )
    teaser = '<div class="medium-feed-item"><p class="medium-feed-snippet">It…</p></div>'
    blog["/feed/@AnnLee"] = FEED.format(
        ITEM.format(title="Soup", slug="soup-0a1b2c3d4e5f", id="0a1b2c3d4e5f", html=html, tag="content:encoded")
        + ITEM.format(
            title="I agree",
            slug="i-agree-aaaaaaaaaaaa",
            id="aaaaaaaaaaaa",
            html="<p>I agree.</p>",
            tag="content:encoded",
        )
        + ITEM.format(title="Paid", slug="paid-bbbbbbbbbbbb", id="bbbbbbbbbbbb", html=teaser, tag="description")
    )
    items = asked(blog)
    soup, reply = posts(items)
    assert (soup.source, soup.source_id, soup.title) == ("medium:@annlee", "0a1b2c3d4e5f", "Soup")
    assert (soup.url, soup.date, soup.author) == (
        "https://medium.com/@annlee/soup-0a1b2c3d4e5f",
        dt.date(2024, 1, 2),
        "Ann Lee",
    )
    assert markdown(soup.text) == "Hot."
    assert (reply.title, reply.format, reply.source_id) == ("", "reply", "aaaaaaaaaaaa")
    assert reasons(items) == [("bbbbbbbbbbbb", "paywall"), ("https://medium.com/@AnnLee", "last_10_only")]
    assert Complete() not in items


def test_the_archive_and_the_feed_name_a_post_the_same(blog: Blog, tmp_path: Path) -> None:
    blog["/feed/@AnnLee"] = FEED.format(
        ITEM.format(
            title="Soup", slug="soup-0a1b2c3d4e5f", id="0a1b2c3d4e5f", html="<p>Hot.</p>", tag="content:encoded"
        )
    )
    (live,) = posts(asked(blog))
    exported = only(tmp_path, page("Soup", "<h3 class='graf--title'>Soup</h3><p>Hot.</p>"))
    assert (live.source, live.source_id) == (exported.source, exported.source_id)
    assert markdown(live.text) == markdown(exported.text)


def test_a_publication_with_a_host_of_its_own_under_medium(blog: Blog) -> None:
    item = ITEM.format(
        title="Soup", slug="soup-0a1b2c3d4e5f", id="0a1b2c3d4e5f", html="<p>Hot.</p>", tag="content:encoded"
    )
    blog["/feed/kitchen"] = FEED.format(item)
    assert [post.source_id for post in posts(asked(blog, "https://kitchen.medium.com/"))] == ["0a1b2c3d4e5f"]
    assert blog.pages == ["/feed/@kitchen", "/feed/kitchen"]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("no", 404), "not_found"),
        (Reply("no", 403), "blocked_page"),
        (Reply("busy", 429, {"Retry-After": "600"}), "deferred"),
        (Reply("<html>Just a moment…</html>"), "bad_feed"),
        (Reply('<!DOCTYPE a [<!ENTITY x "y">]><rss version="2.0">&x;</rss>'), "bad_feed"),
    ],
)
def test_a_feed_that_fails_is_one_refusal(blog: Blog, reply: Reply, reason: str) -> None:
    blog["/feed/@AnnLee"] = reply
    assert reasons(asked(blog)) == [("https://medium.com/@AnnLee", reason)]


def test_another_address_is_an_error_that_says_what_to_give(blog: Blog) -> None:
    with pytest.raises(SourceError, match="no member or publication on Medium"):
        asked(blog, "https://medium.com/tag/soup")
