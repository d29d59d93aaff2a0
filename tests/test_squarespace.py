"""Squarespace writes the exports of WordPress, in its own way: relative links, odd numbers, unescaped titles."""

from __future__ import annotations

import datetime as dt
from functools import partial
from pathlib import Path

import pytest

from feature_pipeline.clean import clean
from feature_pipeline.sources import Complete
from feature_pipeline.sources.platforms import wordpress
from tests.blog_server import posts, reasons
from tests.export_samples import read_by

read = partial(read_by, wordpress)

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><rss xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"'
    ' xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:wp="http://wordpress.org/export/1.2/"><channel><title>Ann</title><link>https://ann.squarespace.com</link>'
    "<pubDate>Tue, 02 Apr 2013 05:16:20 +0000</pubDate><description/><wp:wxr_version>1.2</wp:wxr_version><wp:author>"
    "<wp:author_id>-1</wp:author_id><wp:author_login>ann@ann.example</wp:author_login>"
    "<wp:author_display_name><![CDATA[Ann Author]]></wp:author_display_name></wp:author>"
)


def item(link: str, text: str, title: str = "Tea & cake", number: int = 4, kind: str = "post") -> str:
    return (
        f"<item><title>{title}</title><link>{link}</link><content:encoded><![CDATA[{text}]]></content:encoded>"
        f"<excerpt:encoded/><wp:post_name>x</wp:post_name><wp:post_type>{kind}</wp:post_type>"
        f"<wp:post_id>{number}</wp:post_id><wp:status>publish</wp:status>"
        "<pubDate>Sat, 02 Nov 2013 23:02:32 +0000</pubDate><dc:creator>ann@ann.example</dc:creator></item>"
    )


def test_blocks_stay_as_they_are_and_links_become_whole(tmp_path: Path) -> None:
    blocks = '<div class="sqs-block">\n  <p>One\n  two.</p>\n  <ul>\n    <li>Three</li>\n  </ul>\n</div>'
    (tmp_path / "a.xml").write_text(
        HEAD + item("/blog/tea", blocks) + item("/about", "<p>Me.</p>", "", 4, "page") + "</channel></rss>"
    )
    found = read(tmp_path / "a.xml")
    tea, about = posts(found)
    assert (tea.source, tea.source_id, tea.title) == ("wordpress:ann.squarespace.com", "4", "Tea & cake")
    assert (tea.date, tea.author) == (dt.date(2013, 11, 2), "Ann Author")
    assert (tea.url, tea.text) == ("https://ann.squarespace.com/blog/tea", blocks)
    assert (about.source_id, about.title, about.format) == ("4 /about", "", "article")
    assert found[-1] == Complete()


@pytest.mark.real_data
def test_a_real_export(real_data: Path) -> None:
    found = read(real_data / "export_ghostmigrate/packages/mg-squarespace-xml/test/fixtures/sample.xml")
    assert [(post.source_id, post.title, post.date, post.url, post.author) for post in posts(found)] == [
        ("4", "Basic Post", dt.date(2013, 6, 7), "http://example.com/blog/basic-post.html", "Hermione Granger"),
        ("135", "Services", dt.date(2017, 5, 27), "http://example.com/services", None),
        ("135 /no-title", "", dt.date(2017, 5, 27), "http://example.com/no-title", None),
        ("146", "", dt.date(2023, 4, 5), "http://example.com/blog2023/04/05/my-dated-post.html", None),
    ]
    assert {post.source for post in posts(found)} == {"wordpress:example.com"}
    assert reasons(found) == [("204", "draft")]
    assert found[-1] == Complete()
    assert [post.text[:30] for post in posts(found)[1:]] == [
        "<h2>Our Services</h2><p>Sed ut",
        "<h2>Our Services</h2><p>Sed ut",
        "<p>My content.</p>",
    ]
    cleaned = clean(posts(found)[0], "hermione")
    text = getattr(cleaned, "text", "")
    assert text.startswith(
        "Lorem ipsum dolor sit amet, consectetur adipiscing elit. Mauris pellentesque nisi sed neque"
    )
    assert "- Lobortis mauris dapibus in\n- Donec pharetra, orci sit amet fermentum\n" in text
