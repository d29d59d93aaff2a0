"""Newsletters and blogs that are exported as one table or one JSON: Buttondown, Beehiiv, Wix, Letterdrop, Curated."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SourceError
from feature_pipeline.html.parser import markdown
from feature_pipeline.sources import Complete, Item
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.platforms import newsletters
from tests.blog_server import posts, reasons
from tests.export_samples import packed, read_by

read = partial(read_by, newsletters)

FIXTURES = "export_ghostmigrate/packages"


def table(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@pytest.mark.real_data
@pytest.mark.parametrize("table", ["emails.json", "emails.csv"])
def test_the_real_buttondown(real_data: Path, tmp_path: Path, table: str) -> None:
    folder = real_data / FIXTURES / "mg-buttondown/src/test/fixtures"
    texts = {f"emails/{path.name}": path.read_text(encoding="utf-8") for path in (folder / "emails").iterdir()}
    archive = packed(tmp_path / "a.zip", {table: (folder / table).read_text(encoding="utf-8"), **texts})
    items = read(archive)
    assert [(post.source_id[:8], post.title, str(post.date), post.markup) for post in posts(items)] == [
        ("abcd1234", "This is a Plain Post", "2023-01-02", "markdown"),
        ("efab5678", "This is a Fancy Post", "2023-01-05", "html"),
    ]
    assert items[2:] == [Complete()]
    plain, fancy = posts(items)
    assert plain.text.startswith("## Lorem ipsum dolor sit amet.\n\nConsectetur **adipiscing** elit")
    assert plain.text.endswith("[^1]: Footnote 1\n\n[^2]: Footnote 2\n")
    assert markdown(fancy.text).startswith("## Lorem ipsum dolor sit amet.\n\nConsectetur **adipiscing** elit")
    assert "```css\np {\n    color: #bada55;\n}\n```" in plain.text
    assert "```css\np {\n    color: #bada55;\n}\n```" in markdown(fancy.text)
    assert not any("cycle street" in post.text or "editor-mode" in post.text for post in posts(items))


@pytest.mark.real_data
def test_the_real_beehiiv(real_data: Path) -> None:
    items = read(real_data / FIXTURES / "mg-beehiiv/src/test/fixtures/posts.csv")
    assert [(post.source, post.title, str(post.date), post.url, markdown(post.text)) for post in posts(items)] == [
        (
            "beehiiv:example",
            "Sample Post",
            "2023-01-18",
            "https://example.beehiiv.com/p/sample-post",
            "Sample HTML here",
        ),
        (
            "beehiiv:example",
            "Another Post",
            "2023-01-19",
            "https://example.beehiiv.com/p/another-post",
            "More sample HTML here",
        ),
    ]
    assert items[2:] == [Complete()]


@pytest.mark.real_data
def test_the_real_wix(real_data: Path) -> None:
    folder = real_data / FIXTURES / "mg-wix-csv/src/test/fixtures"
    items = read(folder / "posts.csv")
    (found,) = posts(items)
    assert (found.source_id, found.title, str(found.date), found.author) == (
        "post-1",
        "Hello Wix",
        "2025-10-01",
        "Jane Writer",
    )
    assert markdown(found.text) == "Hello **world**"
    assert reasons(items) == [("post-2", "draft")]
    assert items[2:] == [Complete()]
    assert read(folder / "empty.csv") == [Complete()]
    assert [post.source_id for post in posts(read(folder))] == ["post-1"]


@pytest.mark.real_data
def test_the_real_letterdrop(real_data: Path) -> None:
    items = read(real_data / FIXTURES / "mg-letterdrop/test/fixtures")
    (found,) = posts(items)
    assert (found.source, found.source_id) == ("letterdrop:exmaple-site", "1234cb8b4f83360067f27ae0")
    assert (found.title, str(found.date), found.author) == ("Lorem ipsum", "2023-02-03", "John Smith")
    assert "- Praesent vehicula libero nunc" in markdown(found.text)
    assert reasons(items) == [("5678924fc74d180067044008", "empty")]
    assert items[2:] == [Complete()]


@pytest.mark.real_data
def test_the_real_curated(real_data: Path) -> None:
    items = read(real_data / FIXTURES / "mg-curated-export/test/fixtures")
    (found,) = posts(items)
    assert (found.source, found.source_id, found.title) == ("curated:example.com", "12", "Issue 12")
    assert (str(found.date), found.url) == ("2021-02-02", "https://example.com/issues/12")
    assert found.text.count("Lorem ipsum dolor sit amet") == 1
    assert found.text.endswith("Etiam malesuada urna quis porttitor aliquet.")
    assert "Nullam blandit" not in found.text  # the sponsor's
    assert items[1:] == [Complete()]


def email(id: str, **values: str) -> dict[str, str]:
    return {
        "id": id,
        "subject": f"Soup {id}",
        "publish_date": "2024-01-02 23:30:00+00:00",
        "slug": f"soup-{id}",
        **values,
    }


def test_buttondown_gives_what_was_sent_to_all(tmp_path: Path) -> None:
    emails = [
        email("1", status="sent", absolute_url="https://buttondown.com/Ann/archive/soup-1/"),
        email("2", status="draft"),
        email("3", status="scheduled"),
        email("4", status="sent", email_type="private"),
        email("5", status="imported", email_type="premium"),
        email("6", status="sent"),
        email("7", status="sent"),
    ]
    files = {
        "emails.json": json.dumps(emails),
        "emails/soup-1.md": "Hot “soup” 👩🏽‍🍳.\n",
        "emails/soup-2.md": "CANARY",
        "emails/soup-3.md": "CANARY",
        "emails/soup-4.md": "CANARY",
        "emails/soup-5.md": "<p>Dear members, {{ x }}.</p>",
        "emails/soup-7.md": "<!-- buttondown-editor-mode: plaintext -->\n",
        "subscribers.csv": "email\nCANARY@example.com",
    }
    items = read(packed(tmp_path / "a.zip", files))
    assert [(post.source, post.source_id, post.title, post.markup) for post in posts(items)] == [
        ("buttondown:ann", "1", "Soup 1", "markdown"),
        ("buttondown:ann", "5", "Soup 5", "html"),
    ]
    assert (posts(items)[0].url, posts(items)[0].date) == (
        "https://buttondown.com/Ann/archive/soup-1/",
        dt.date(2024, 1, 2),
    )
    assert posts(items)[0].text == "Hot “soup” 👩🏽‍🍳.\n"
    assert markdown(posts(items)[1].text) == "Dear members, {{ x }}."
    assert reasons(items) == [("2", "draft"), ("3", "draft"), ("4", "private"), ("6", "missing"), ("7", "empty")]
    assert items[-1] == Complete()
    assert "CANARY" not in repr(items)


def test_buttondown_with_texts_in_its_table(tmp_path: Path) -> None:
    row = {"extra": "x", **email("1", body="Hot.\n\nSoup, and “more”.")}
    items = read(packed(tmp_path / "a.zip", {"export/emails.csv": "\ufeff" + table([row])}))
    assert [(post.source_id, post.text) for post in posts(items)] == [("1", "Hot.\n\nSoup, and “more”.")]


def test_buttondown_without_what_it_needs_says_so(tmp_path: Path) -> None:
    emails: list[Any] = [email("1"), {"id": "2", "subject": "x", "sent": "y"}]
    archive = packed(tmp_path / "a.zip", {"emails.json": json.dumps(emails), "emails/soup-1.md": "Hot."})
    with pytest.raises(SourceError, match="lacks one of id, subject, publish_date, it has: id, subject, sent"):
        read(archive)


def test_beehiiv_gives_what_is_in_the_newsletter_and_public(tmp_path: Path) -> None:
    whole = (
        "<!DOCTYPE html><html><head><style>p {}</style></head><body><table><tr><td>Read online</td></tr>"
        "<tr id='content-blocks'><td><h2>Hot</h2><p>“Soup” 👩🏽‍🍳 {{ x }}</p>"
        '<blockquote class="twitter-tweet">Theirs</blockquote></td></tr>'
        "<tr><td>Unsubscribe</td></tr></table></body></html>"
    )
    rows = [
        {
            "content_html": whole,
            "status": "Confirmed",
            "id": "1",
            "web_title": "Soup, hot",
            "url": "https://www.soups.example/p/soup",
        },
        {"content_html": "CANARY", "status": "draft", "id": "2", "web_title": "A"},
        {"content_html": "CANARY", "status": "archived", "id": "3", "web_title": "B"},
        {"content_html": "", "status": "confirmed", "id": "4", "web_title": "C"},
    ]
    path = tmp_path / "posts-export.csv"
    path.write_text("\ufeff" + table(rows), encoding="utf-8")
    items = read(path)
    (found,) = posts(items)
    assert (found.source, found.source_id, found.title, found.date) == ("beehiiv:soups.example", "1", "Soup, hot", None)
    assert markdown(found.text) == "## Hot\n\n“Soup” 👩🏽‍🍳 {{ x }}"
    assert reasons(items) == [("2", "draft"), ("3", "private"), ("4", "empty")]
    assert items[-1] == Complete()
    assert "CANARY" not in repr(items)


def test_a_newsletter_longer_than_a_usual_cell_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    long = "<p>" + "Hot soup. " * 20_000 + "The end.</p>"
    path.write_text(
        table([{"id": "1", "web_title": "A", "status": "confirmed", "content_html": long}]), encoding="utf-8"
    )
    (found,) = posts(read(path))
    assert markdown(found.text).endswith("Hot soup. The end.")


def test_a_missing_column_is_named_with_those_found(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text("id,web_title,content_html\n1,A,x\n", encoding="utf-8")
    with pytest.raises(SourceError, match='no column "status", only: id, web_title, content_html'):
        read(path)


def node(kind: str, *nodes: dict[str, Any], **data: Any) -> dict[str, Any]:
    return {"type": kind, "nodes": list(nodes), **data}


def said(text: str, *marks: str) -> dict[str, Any]:
    return node("TEXT", textData={"text": text, "decorations": [{"type": mark} for mark in marks]})


def wix(tmp_path: Path, rich: Any, plain: str = "Plain words.") -> list[Item]:
    row = {"Published Date": "2024-01-02T23:30:00Z", "Plain Content": plain, "ID": "1", "Title": "Soup"}
    rich = rich if isinstance(rich, str) else json.dumps(rich)
    row |= {"Rich Content": rich, "Post Page URL": "https://www.soups.example/post/soup"}
    (tmp_path / "wix.csv").write_text("\ufeff" + table([row]), encoding="utf-8")
    return read(tmp_path / "wix.csv")


def test_wix_rich_text_becomes_what_its_readers_see(tmp_path: Path) -> None:
    item = node("LIST_ITEM", node("PARAGRAPH", said("Salt")))
    rich = {
        "nodes": [
            node("HEADING", said("Hot"), headingData={"level": 3}),
            node("PARAGRAPH", said("“Soup” 👩🏽‍🍳 <b> & {{ x }} "), said("now", "BOLD", "LINK")),
            node("BULLETED_LIST", item, item),
            node("BLOCKQUOTE", node("PARAGRAPH", said("They said."))),
            node("CODE_BLOCK", said("a = 1\nb = 2")),
            node("DIVIDER"),
            node("IMAGE", node("CAPTION", said("A pot"))),
            node("VIDEO"),
        ]
    }
    (found,) = posts(wix(tmp_path, rich))
    assert (found.source, found.source_id, found.url) == (
        "wix:soups.example",
        "1",
        "https://www.soups.example/post/soup",
    )
    assert (found.title, found.date) == ("Soup", dt.date(2024, 1, 2))
    assert markdown(found.text) == (
        "### Hot\n\n“Soup” 👩🏽‍🍳 <b> & {{ x }} **now**\n\n- Salt\n- Salt\n\n"
        "> They said.\n\n```\na = 1\nb = 2\n```\n\n---\n\nA pot"
    )


@pytest.mark.parametrize(
    "rich",
    [
        "",
        "not-json",
        "[1]",
        '{"nodes": 5}',
        '{"nodes": [5, {"type": []}]}',
        '{"nodes": ' + '[{"nodes": ' * 5_000,
        "[" * 99_999,
    ],
)
def test_wix_falls_back_to_plain_text(tmp_path: Path, rich: str) -> None:
    (found,) = posts(wix(tmp_path, rich))
    assert (found.text, found.markup) == ("Plain words.", "plain")


def test_wix_without_any_words_is_refused(tmp_path: Path) -> None:
    assert reasons(wix(tmp_path, {"nodes": [node("IMAGE")]}, plain=" ")) == [("1", "empty")]


def test_tables_in_parts_are_one_export(tmp_path: Path) -> None:
    row = {"id": "1", "web_title": "A", "status": "confirmed", "content_html": "<p>Hot.</p>"}
    files = {"posts-1.csv": table([row]), "posts-2.csv": table([row, {**row, "id": "2"}]), "subscribers.csv": "email\n"}
    items = read(packed(tmp_path / "a.zip", files))
    assert [post.source_id for post in posts(items)] == ["1", "2"]
    assert reasons(items) == [("1", "duplicate_id")]


def test_a_table_without_its_texts_is_no_export_of_buttondown(tmp_path: Path) -> None:
    (tmp_path / "emails.json").write_text(json.dumps([email("1")]), encoding="utf-8")
    assert not newsletters.recognises(Archive(tmp_path / "emails.json"))


def test_letterdrop_is_complete_only_if_it_says_so(tmp_path: Path) -> None:
    post = {
        "id": "1",
        "title": "Soup",
        "body": "<p>Hot.</p>",
        "publishedOn": "2024-01-02T08:00:00Z",
        "publication": "ann",
    }
    found = {"posts": [post, {**post, "id": "2", "publishedOn": None}], "totals": {"posts": 7}}
    items = read(packed(tmp_path / "a.zip", {"api-response.json": json.dumps(found)}))
    assert [(item.source, item.source_id) for item in posts(items)] == [("letterdrop:ann", "1")]
    assert reasons(items) == [("2", "draft")]
    assert Complete() not in items


def test_a_broken_issue_costs_itself_only(tmp_path: Path) -> None:
    item = {"type": "Link", "description_markdown": "Read *this*."}
    issue = {"number": 1, "publication_status": "published", "categories": [{"code": "news", "items": [item, 5]}, None]}
    files = {
        "1.json": json.dumps({**issue, "title": "One", "published_at": "2024-01-02T23:00:00-05:00"}),
        "2.json": "{",
        "3.json": json.dumps({**issue, "number": 3, "publication_status": "draft"}),
        "4.json": json.dumps({**issue, "number": 4, "categories": None}),
    }
    items = read(packed(tmp_path / "a.zip", files))
    assert [(post.source_id, post.title, post.text, post.date) for post in posts(items)] == [
        ("1", "One", "Read *this*.", dt.date(2024, 1, 2))
    ]
    assert reasons(items) == [("2.json", "unreadable"), ("3", "draft"), ("4", "empty")]


def test_other_archives_are_not_newsletters(tmp_path: Path) -> None:
    files = {"posts.csv": "post_id,title\n", "1.json": "{}", "emails.csv": "email\n", "a.json": "[", "b.csv": '"'}
    archive = Archive(packed(tmp_path / "a.zip", files))
    assert not newsletters.recognises(archive)
    with pytest.raises(SourceError, match="no export of a newsletter"):
        list(newsletters.read(archive))
