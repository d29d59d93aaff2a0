"""WordPress: exports with what exports have in them."""

from __future__ import annotations

import datetime as dt
import resource
import zipfile
from functools import partial
from pathlib import Path

import pytest

from feature_pipeline.sources import Complete, RawPost
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.files.xml_export import elements
from feature_pipeline.sources.platforms import wordpress
from tests.blog_server import posts, reasons
from tests.export_samples import read_by

read = partial(read_by, wordpress)

HEAD = """<?xml version="1.0" encoding="UTF-8" ?>
<!-- This is a WordPress eXtended RSS file & it has <![CDATA[ in a comment. -->
<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"
 xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:wp="http://wordpress.org/export/1.2/"><channel><title>Ann</title><link>https://www.Ann.example/blog/</link>
<wp:wxr_version>1.2</wp:wxr_version>
<wp:author><wp:author_login><![CDATA[ann]]></wp:author_login><wp:author_email>ann@ann.example</wp:author_email>
<wp:author_display_name><![CDATA[Ann Author]]></wp:author_display_name></wp:author>
"""
TAIL = "</channel></rss>"


def item(number: int, content: str = "<p>Words.</p>", extra: str = "", **values: str) -> str:
    said = {
        "title": f"Post {number}",
        "link": f"https://ann.example/blog/{number}/",
        "wp:post_date": "2020-05-06 23:30:00",
        "wp:post_date_gmt": "2020-05-07 04:30:00",
        "wp:status": "publish",
        "wp:post_type": "post",
        "wp:post_password": "",
        **{name.replace("__", ":"): value for name, value in values.items()},
    }
    fields = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in said.items() if value is not None)
    return (
        f"<item>{fields}<dc:creator><![CDATA[ann]]></dc:creator><wp:post_id>{number}</wp:post_id>"
        f"<content:encoded><![CDATA[{content}]]></content:encoded>{extra}</item>"
    )


def export(path: Path, *items: str, head: str = HEAD) -> Path:
    path.write_text(head + "".join(items) + TAIL, encoding="utf-8")
    return path


def test_a_post_is_told_whole(tmp_path: Path) -> None:
    found = read(
        export(tmp_path / "ann.xml", item(7, "<p>Caf\u00e9 &amp; \u201ctea\u201d \U0001f469\u200d\U0001f680</p>"))
    )
    assert found == [
        RawPost(
            source="wordpress:ann.example/blog",
            source_id="7",
            title="Post 7",
            date=dt.date(2020, 5, 6),
            url="https://ann.example/blog/7/",
            text="<p>Caf\u00e9 &amp; \u201ctea\u201d \U0001f469\u200d\U0001f680</p>",
            markup="html",
            author="Ann Author",
            format="article",
        ),
        Complete(),
    ]


def test_only_what_was_published_is_a_post(tmp_path: Path) -> None:
    secret = "<p>My secret.</p>"
    found = read(
        export(
            tmp_path / "ann.xml",
            item(1, secret, wp__status="draft"),
            item(2, secret, wp__status="pending"),
            item(3, secret, wp__status="auto-draft"),
            item(4, secret, wp__status="future"),
            item(5, secret, wp__status="private"),
            item(6, secret, wp__status="trash"),
            item(7, secret, wp__post_password="hunter2"),
            item(8, secret, wp__post_type="attachment", wp__status="inherit"),
            item(9, secret, wp__post_type="nav_menu_item"),
            item(10, secret, wp__post_type="revision", wp__status="inherit"),
            item(11, secret, wp__post_type="custom_css"),
            item(12, secret, wp__post_type="recipe"),
            item(13, wp__post_type="page"),
            item(14, " &nbsp; <p> </p>"),
        )
    )
    assert reasons(found) == [
        ("1", "draft"),
        ("2", "draft"),
        ("3", "draft"),
        ("4", "draft"),
        ("5", "private"),
        ("6", "deleted"),
        ("7", "private"),
        ("12", "not_a_post"),
        ("14", "empty"),
    ]
    assert [(post.source_id, post.format) for post in posts(found)] == [("13", "article")]
    assert "secret" not in str(found)
    assert "hunter2" not in str(found)


def test_comments_are_other_peoples(tmp_path: Path) -> None:
    comment = (
        "<wp:comment><wp:comment_author>Bob</wp:comment_author><wp:post_id>99</wp:post_id>"
        "<wp:comment_content><![CDATA[You are wrong.]]></wp:comment_content></wp:comment>"
    )
    found = read(export(tmp_path / "ann.xml", item(1, extra=comment * 50)))
    assert [post.source_id for post in posts(found)] == ["1"]
    assert "wrong" not in str(found)
    assert "Bob" not in str(found)


def test_dates_that_are_none(tmp_path: Path) -> None:
    zero = "0000-00-00 00:00:00"
    path = export(
        tmp_path / "ann.xml",
        item(1, wp__post_date=zero, wp__post_date_gmt=zero, pubDate="Wed, 30 Nov -0001 00:00:00 +0000"),
        item(2, wp__post_date=zero),
        item(3, wp__post_date=zero, wp__post_date_gmt=zero, pubDate="Fri, 07 Jun 2013 03:00:44 +0000"),
    )
    assert [post.date for post in posts(read(path))] == [None, dt.date(2020, 5, 7), dt.date(2013, 6, 7)]


def test_titles_and_authors(tmp_path: Path) -> None:
    two = '<category domain="author" nicename="cap-ann"><![CDATA[Ann Author]]></category>' * 2
    path = export(
        tmp_path / "ann.xml",
        item(1, title="Tea &amp; <em>sympathy</em> &#8211; why &lt;T&gt; matters"),
        item(2, extra=two + '<category domain="author" nicename="bob"><![CDATA[Bob]]></category>'),
        item(3, title="", extra='<category domain="post_format" nicename="post-format-aside">Aside</category>'),
    )
    found = posts(read(path))
    assert [(post.title, post.author, post.format) for post in found] == [
        ("Tea & sympathy \u2013 why <T> matters", "Ann Author", "article"),
        ("Post 2", "Ann Author, Bob", "article"),
        ("", "Ann Author", "note"),
    ]


def test_what_the_item_lacks_is_named(tmp_path: Path) -> None:
    found = read(export(tmp_path / "a.xml", "<item><title>x</title><a>y</a></item>", item(1)))
    assert reasons(found) == [("x", "bad_item")]
    assert "only: a, title" in str(found)


def test_a_post_without_a_link_is_where_its_guid_says(tmp_path: Path) -> None:
    path = export(tmp_path / "ann.xml", item(1, link="", guid="https://ann.example/?p=1"))
    assert [post.url for post in posts(read(path))] == ["https://ann.example/?p=1"]


def test_two_items_with_one_number(tmp_path: Path) -> None:
    path = export(tmp_path / "ann.xml", item(1), item(1, link="/other/"), item(1))
    found = read(path)
    assert [post.source_id for post in posts(found)] == ["1", "1 /other/"]
    assert reasons(found) == [("1", "duplicate_id")]


def test_several_files_of_one_export_in_a_zip(tmp_path: Path) -> None:
    one, two = export(tmp_path / "1.xml", item(1)), export(tmp_path / "2.xml", item(1), item(2))
    (tmp_path / "style.xml").write_text("<theme/>")
    with zipfile.ZipFile(tmp_path / "ann.zip", "w") as packed:
        for path in (one, two, tmp_path / "style.xml"):
            packed.write(path, f"site.wordpress.2024/{path.name}")
    found = read(tmp_path / "ann.zip")
    assert [post.source_id for post in posts(found)] == ["1", "2"]
    assert reasons(found) == [("1", "duplicate_id")]
    assert found[-1] == Complete()


def test_an_export_of_the_media_says_nothing_of_the_posts(tmp_path: Path) -> None:
    assert read(export(tmp_path / "a.xml", item(1, wp__post_type="attachment", wp__status="inherit"))) == []


def test_what_programs_forget_to_escape(tmp_path: Path) -> None:
    raw = (
        "<item><title>Salt & vinegar &mdash; &amp; more &#8217;\x08</title><link>/x?a=1&b=2</link>"
        "<content:encoded><![CDATA[<p>a & b &nbsp;</p>]]]]><![CDATA[>]]></content:encoded><wp:post_id>1</wp:post_id>"
        "<wp:status>publish</wp:status><wp:post_type>post</wp:post_type></item>"
    )
    (post,) = posts(read(export(tmp_path / "ann.xml", raw, head="\ufeff\n" + HEAD)))
    assert post.title == "Salt & vinegar \u2014 & more \u2019"
    assert post.url == "https://www.Ann.example/x?a=1&b=2"
    assert post.text == "<p>a & b &nbsp;</p><p>]]></p>"


def test_another_encoding_and_a_byte_that_is_none_of_it(tmp_path: Path) -> None:
    text = (HEAD + item(1, title="Caf\u00e9") + TAIL).replace('"UTF-8"', '"ISO-8859-1"')
    (tmp_path / "ann.xml").write_bytes(text.encode("iso-8859-1"))
    assert [post.title for post in posts(read(tmp_path / "ann.xml"))] == ["Caf\u00e9"]
    (tmp_path / "ann.xml").write_bytes((HEAD + item(1, title="Caf@") + TAIL).encode().replace(b"@", b"\xe9"))
    assert [post.title for post in posts(read(tmp_path / "ann.xml"))] == ["Caf\ufffd"]


def test_what_lies_across_two_blocks_is_whole(tmp_path: Path) -> None:
    raw = "<x>&amp;&mdash;&</x><!-- --><item><title><![CDATA[\u00e9&amp;]]]]><![CDATA[>]]></title></item>"
    for at in range(-len(raw.encode()), 4):
        pad = 65_536 + at - len(HEAD.encode()) - len("<pad></pad>")
        path = export(tmp_path / "ann.xml", f"<pad>{'x' * pad}</pad>", raw)
        (element,) = list(elements(Archive(path), "ann.xml", frozenset(("item",)), frozenset()))
        assert element.text("title") == "\u00e9&amp;]]>"


def test_elements_nested_without_end_are_refused(tmp_path: Path) -> None:
    found = read(export(tmp_path / "ann.xml", item(1), "<a>" * 100_000))
    assert reasons(found) == [("ann.xml", "unsafe_entry")]
    assert [post.source_id for post in posts(found)] == ["1"]


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>',
        '<!DOCTYPE rss [<!ENTITY x SYSTEM "file://SECRET">]>',
        '<!DOCTYPE rss SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<!DOCTYPE rss [<!ENTITY % p SYSTEM "file://SECRET"> %p;]>',
    ],
)
def test_a_document_type_is_refused(tmp_path: Path, doctype: str) -> None:
    (tmp_path / "secret").write_text("TOP-SECRET")
    head = HEAD.replace("<rss ", doctype.replace("SECRET", str(tmp_path / "secret")) + "<rss ")
    found = read(export(tmp_path / "ann.xml", item(1), "<item><title>&c;&x;</title></item>", head=head))
    assert reasons(found) == [("ann.xml", "unsafe_entry")]
    assert posts(found) == []
    assert Complete() not in found
    assert "TOP-SECRET" not in str(found)


def test_a_file_that_breaks_off_gives_what_it_has_and_is_not_complete(tmp_path: Path) -> None:
    path = export(tmp_path / "ann.xml", item(1), item(2))
    path.write_bytes(path.read_bytes()[:-200])
    found = read(path)
    assert [post.source_id for post in posts(found)] == ["1"]
    assert reasons(found) == [("ann.xml", "damaged")]
    assert Complete() not in found


def test_one_endless_post_is_one_refusal_and_a_bomb_is_stopped(tmp_path: Path) -> None:
    long = f"<item><content:encoded>{'a' * 5_100_000}</content:encoded>"
    draft = f"{long}<wp:status>draft</wp:status><wp:post_type>post</wp:post_type><wp:post_id>5</wp:post_id></item>"
    found = read(export(tmp_path / "a.xml", item(1, "a" * 5_100_000), draft, item(2), "<item " + "a" * 100, item(3)))
    assert reasons(found) == [("1", "too_large"), ("5", "draft"), ("a.xml", "damaged")]
    assert [post.source_id for post in posts(found)] == ["2"]
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.xml", HEAD + item(1) + "<x>" + " " * 60_000_000 + "</x>" + TAIL)
    found = read(tmp_path / "bomb.zip")
    assert reasons(found) == [("a.xml", "too_large")]
    assert Complete() not in found


def test_a_large_export_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.xml"
    with path.open("w") as file:
        file.write(HEAD)
        for number in range(60):
            file.write(item(number, "<p>word</p>" * 50_000, wp__status="draft"))
        file.write(item(99) + TAIL)
    assert path.stat().st_size > 30_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    archive = Archive(path)
    assert [post.source_id for post in wordpress.read(archive) if isinstance(post, RawPost)] == ["99"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def test_unsafe_entries_are_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "ann.zip", "w") as packed:
        packed.writestr("../evil.xml", HEAD + TAIL)
        packed.writestr("good.xml", HEAD + item(1) + TAIL)
    found = read(tmp_path / "ann.zip")
    assert reasons(found) == [("../evil.xml", "unsafe_entry")]
    assert [post.source_id for post in posts(found)] == ["1"]
    assert Complete() not in found


@pytest.mark.parametrize("content", [b"", b"\0\1\2", b"<rss><channel/></rss>", b'{"posts": []}', b"\xff\xfe<"])
def test_what_is_not_wordpress_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.xml").write_bytes(content)
    assert not wordpress.recognises(Archive(tmp_path / "x.xml"))


# Real exports


@pytest.mark.real_data
def test_real_exports(real_data: Path) -> None:
    folder = real_data / "export_ghostmigrate/packages/mg-wp-xml/test/fixtures"
    found = read(folder / "sample.xml")
    basic, another, services = posts(found)
    assert [
        (post.source, post.source_id, post.title, post.date, post.author) for post in (basic, another, services)
    ] == [
        ("wordpress:example.com", "4", "Basic Post", dt.date(2013, 6, 7), "Hermione Granger"),
        ("wordpress:example.com", "14", "Another Post", dt.date(2012, 6, 7), "Hermione Granger"),
        ("wordpress:example.com", "135", "Services", dt.date(2017, 5, 27), None),
    ]
    assert basic.url == "https://example.com/blog/basic-post.html"
    assert basic.text.startswith("<h2>My excerpt in content</h2><p>We're not testing HTML output here.")
    assert reasons(found) == [("204", "draft"), ("15", "not_a_post")]
    assert found[-1] == Complete()
    authors = [post.author for post in posts(read(folder / "co-authors-plus.xml"))]
    assert authors == [
        "Alice Smith, Bob Jones",
        "Alice Smith, Bob Jones, Carol White",
        "Bob Jones",
        "Alice Smith, Bob Jones",
    ]
    assert reasons(read(folder / "has-meta.xml")) == [("1234", "not_a_post")]
    assert [post.source_id for post in posts(read(folder / "multiple"))] == ["135", "4", "14"]
    counts = {path.name: len(posts(read(path))) for path in sorted(folder.glob("*.xml"))}
    assert counts == {
        "co-authors-plus.xml": 4,
        "feature-image-captions.xml": 3,
        "has-audio-enclosure-with-libsyn-embed.xml": 1,
        "has-audio-enclosure.xml": 1,
        "has-meta.xml": 0,
        "has-yoast-meta.xml": 2,
        "sample-no-slug.xml": 3,
        "sample-with-alt.xml": 1,
        "sample.xml": 3,
    }


@pytest.mark.real_data
def test_real_answers_of_the_api_in_a_file(real_data: Path) -> None:
    folder = real_data / "export_ghostmigrate/packages/mg-wp-api/test/fixtures"
    (post,) = read(folder / "single-post.json")
    assert isinstance(post, RawPost)
    assert (post.source, post.source_id, post.title) == ("wordpress:mysite.com", "12345", "My Awesome Post")
    assert (post.date, post.author, post.markup) == (dt.date(2019, 11, 7), "Guest Writer", "html")
    assert post.text.startswith("\n<h2><strong>This is my strong headline thing.</strong></h2>")
    (html_title,) = posts(read(folder / "single-post-with-html-in-title.json"))
    assert html_title.title.startswith("Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do")
    assert [post.author for post in posts(read(folder / "co-authors-post.json"))] == ["Alice Smith, Bob Jones"]
    assert reasons(read(folder / "single-cpt-post.json")) == [("12345", "not_a_post")]
    assert not wordpress.recognises(Archive(folder / "single-user.json"))
