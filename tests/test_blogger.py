"""Blogger: Takeout, the backup of a blog, and saved answers of the API, with what they have in them."""

from __future__ import annotations

import datetime as dt
import html
import json
import zipfile
from functools import partial
from pathlib import Path

import pytest

from feature_pipeline.sources import Complete, RawPost
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.platforms import blogger
from tests.blog_server import posts, reasons
from tests.export_samples import read_by

read = partial(read_by, blogger)

TAKEOUT = (
    "<?xml version='1.0' encoding='utf-8'?>\n<feed xmlns='http://www.w3.org/2005/Atom'"
    " xmlns:blogger='http://schemas.google.com/blogger/2018'>\n<id>tag:blogger.com,1999:blog-77</id>\n<title>Ann</title>\n"
)
KIND = "http://schemas.google.com/blogger/2008/kind#"
BACKUP = (
    "<?xml version='1.0' encoding='UTF-8'?><?xml-stylesheet href='http://www.blogger.com/styles/atom.css'"
    " type='text/css'?><feed xmlns='http://www.w3.org/2005/Atom' xmlns:openSearch='http://a9.com/-/spec/opensearchrss/1.0/'"
    " xmlns:thr='http://purl.org/syndication/thread/1.0'><id>tag:blogger.com,1999:blog-77.archive</id>"
    "<link rel='alternate' type='text/html' href='https://ann.blogspot.com/'/><author><name>Ann</name></author>"
)


def entry(number: int, text: str = "<p>Words.</p>", kind: str = "POST", status: str = "LIVE", extra: str = "") -> str:
    return (
        f"<entry><id>tag:blogger.com,1999:blog-77.post-{number}</id><blogger:type>{kind}</blogger:type>"
        f"<blogger:status>{status}</blogger:status><author><name>Ann &amp;amp; Co</name><uri/>"
        "<blogger:type>BLOGGER</blogger:type></author>"
        f"<title>Post {number} &amp;#39;x&amp;#39;</title><content type='html'>{html.escape(text)}</content>"
        "<blogger:created>2019-01-01T00:00:00Z</blogger:created><published>2020-05-06T23:30:00.001Z</published>"
        f"<updated>2021-01-01T00:00:00Z</updated><category scheme='tag:blogger.com,1999:blog-77' term='tea'/>"
        f"<blogger:filename>/2020/05/post-{number}.html</blogger:filename><link/><enclosure/>{extra}</entry>"
    )


def old(number: int, kind: str = "post", extra: str = "", text: str = "Hello.<br />There.") -> str:
    return (
        f"<entry><id>tag:blogger.com,1999:blog-77.{'page' if kind == 'page' else 'post'}-{number}</id>"
        "<published>2010-05-06T23:30:00.000-05:00</published>"
        f"<category scheme='http://schemas.google.com/g/2005#kind' term='{KIND}{kind}'/>"
        f"<title type='text'>Old {number}</title><content type='html'>{html.escape(text)}</content>"
        f"<link rel='replies' href='https://ann.blogspot.com/feeds/{number}'/>"
        f"<link rel='alternate' type='text/html' href='https://ann.blogspot.com/2010/05/{number}.html'/>"
        f"<author><name>Ann</name></author>{extra}</entry>"
    )


def write(path: Path, *parts: str) -> Path:
    path.write_text("".join(parts) + "</feed>", encoding="utf-8")
    return path


def test_takeout_tells_a_post_whole(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "takeout.zip", "w") as packed:
        folder = "Takeout/Blogger/Blogs/Ann’s tea"
        packed.writestr(f"{folder}/feed.atom", TAKEOUT + entry(1, "<p>Café 👩‍🚀 &amp; “tea”</p>") + "</feed>")
        packed.writestr(f"{folder}/settings.csv", "blog_name,address\nTea,Ann-Tea.blogspot.com\n")
        packed.writestr(f"{folder}/theme-classic.html", "<html></html>")
        comments = TAKEOUT + entry(9, "Not Ann’s", kind="COMMENT") + "</feed>"
        packed.writestr("Takeout/Blogger/Comments/Ann’s tea/feed.atom", comments)
        packed.writestr("Takeout/Mail/x.json", "{}")
    assert read(tmp_path / "takeout.zip") == [
        RawPost(
            source="blogger:77",
            source_id="1",
            title="Post 1 'x'",
            date=dt.date(2020, 5, 6),
            url="https://ann-tea.blogspot.com/2020/05/post-1.html",
            text="<p>Café 👩‍🚀 &amp; “tea”</p>",
            markup="html",
            author="Ann & Co",
            format="article",
        ),
        Complete(),
    ]


def test_only_what_is_live_is_a_post(tmp_path: Path) -> None:
    found = read(
        write(
            tmp_path / "feed.atom",
            TAKEOUT,
            entry(1, "secret", status="DRAFT"),
            entry(2, "secret", status="SCHEDULED"),
            entry(3, "secret", status="SOFT_TRASHED"),
            entry(4, "secret", extra="<blogger:trashed>2020-01-01T00:00:00Z</blogger:trashed>"),
            entry(5, "secret", kind="COMMENT", extra="<blogger:inReplyTo>tag:x</blogger:inReplyTo>"),
            entry(6, kind="PAGE"),
            entry(7, "<p>&nbsp;</p>"),
            entry(8, extra="<blogger:trashed/>"),
            entry(8),
        )
    )
    assert reasons(found) == [
        ("1", "draft"),
        ("2", "draft"),
        ("3", "deleted"),
        ("4", "deleted"),
        ("7", "empty"),
        ("8", "duplicate_id"),
    ]
    assert [(post.source_id, post.url) for post in posts(found)] == [("6", None), ("8", None)]
    assert "secret" not in str(found)


def test_the_backup_of_a_blog(tmp_path: Path) -> None:
    draft = "<app:control xmlns:app='http://purl.org/atom/app#'><app:draft>yes</app:draft></app:control>"
    reply = "<thr:in-reply-to href='https://ann.blogspot.com/1' ref='tag:x'/>"
    path = write(
        tmp_path / "blog-05-06-2010.xml",
        BACKUP,
        old(1, "template", text="secret"),
        old(2, "settings", text="secret"),
        old(3),
        old(4, extra=draft, text="secret"),
        old(5, "page"),
        old(6, "comment", extra=reply, text="secret"),
        old(7, extra=draft.replace("yes", "no")),
    )
    found = read(path)
    assert posts(found)[0] == RawPost(
        source="blogger:77",
        source_id="3",
        title="Old 3",
        date=dt.date(2010, 5, 6),
        url="https://ann.blogspot.com/2010/05/3.html",
        text="Hello.<br />There.",
        markup="html",
        author="Ann",
        format="article",
    )
    assert [post.source_id for post in posts(found)] == ["3", "5", "7"]
    assert reasons(found) == [("4", "draft")]
    assert found[-1] == Complete()
    assert "secret" not in str(found)


def test_a_feed_that_was_saved_has_the_newest_posts_only(tmp_path: Path) -> None:
    path = write(tmp_path / "atom.xml", BACKUP.replace(".archive", ""), old(3).replace(f"{KIND}post", "tea"))
    found = read(path)
    assert [(post.source, post.source_id) for post in posts(found)] == [("blogger:77", "3")]
    assert Complete() not in found


def test_two_blogs_in_one_export(tmp_path: Path) -> None:
    for name, blog in (("One", "77"), ("Two", "88")):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "feed.atom", (TAKEOUT + entry(1)).replace("blog-77", f"blog-{blog}"))
    found = read(tmp_path)
    assert [post.source for post in posts(found)] == ["blogger:77", "blogger:88"]
    assert found[-1] == Complete()


def test_what_is_hostile_or_broken_is_said(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("TOP-SECRET")
    doctype = f'<!DOCTYPE feed [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]>'
    path = write(
        tmp_path / "feed.atom", TAKEOUT.replace("<feed", f"{doctype}<feed"), "<entry><title>&x;</title></entry>"
    )
    found = read(path)
    assert [reason for _, reason in reasons(found)] == ["unsafe_entry"]
    assert Complete() not in found
    path.write_text(TAKEOUT + entry(1) + entry(2)[:-50])
    found = read(path)
    assert [post.source_id for post in posts(found)] == ["1"]
    assert reasons(found) == [("feed.atom", "damaged")]
    assert Complete() not in found


def test_answers_of_the_api(tmp_path: Path) -> None:
    row = {"kind": "blogger#post", "id": "5", "blog": {"id": "77"}, "published": "2017-06-20T00:32:00-04:00"}
    rows = [
        {
            **row,
            "title": "A &amp; B",
            "content": "<p>x</p>",
            "author": {"displayName": "Ann"},
            "url": "https://a.example/5",
        },
        {**row, "id": "6", "status": "DRAFT", "content": "secret"},
        {**row, "id": "7"},
        {**row, "id": "8", "kind": "blogger#comment", "content": "secret"},
        {**row, "id": "9", "content": ["x"]},
        "x",
    ]
    (tmp_path / "posts.json").write_text(json.dumps({"kind": "blogger#postList", "items": rows}))
    found = read(tmp_path / "posts.json")
    assert [(post.source, post.source_id, post.title, post.author) for post in posts(found)] == [
        ("blogger:77", "5", "A & B", "Ann")
    ]
    assert reasons(found) == [
        ("6", "draft"),
        ("7", "empty"),
        ("8", "not_a_post"),
        ("9", "bad_item"),
        ("?", "bad_item"),
    ]
    assert Complete() not in found
    (tmp_path / "posts.json").write_text('{"kind": "blogger#postList", "items": [')
    assert reasons(read(tmp_path / "posts.json")) == [("posts.json", "damaged")]


@pytest.mark.parametrize("text", ["", "<feed>", "<rss>tag:blogger.com,1999:blog-1</rss>", '{"kind": "other"}', "\0"])
def test_what_is_not_bloggers_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.xml").write_text(text)
    (tmp_path / "x.json").write_text(text)
    assert not blogger.recognises(Archive(tmp_path))


@pytest.mark.real_data
def test_a_real_answer(real_data: Path) -> None:
    found = read(real_data / "export_ghostmigrate/packages/mg-blogger/test/fixtures/response.json")
    assert [(post.source, post.source_id, post.title, post.date, post.author) for post in posts(found)] == [
        ("blogger:12345678", "1234563682306064159", "Lorem", dt.date(2017, 6, 20), "Important Author & Co."),
        ("blogger:12345678", "2345676562043355500", "Ipsum", dt.date(2017, 6, 5), "Important Author"),
        ("blogger:12345678", "3456784740969377563", "Dolor", dt.date(2017, 5, 21), "Important Author"),
    ]
    assert [post.text[:20] for post in posts(found)] == ["Lorem content", "Ipsum content", '<div class="separato']
    assert posts(found)[0].url == "http://example.blogspot.com/2017/06/lorem.html"
    assert reasons(found) == []
