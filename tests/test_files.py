"""Folders and files: what each format says, and what becomes of each that is broken."""

from __future__ import annotations

import datetime as dt
import json
import os
import tempfile
import tracemalloc
from pathlib import Path

import pytest

from contracts.errors import SourceError
from contracts.feature_store import FeatureStore
from feature_pipeline import pipeline
from feature_pipeline.report import Report
from feature_pipeline.sources import Complete, Found, RawPost, Refusal, Unchanged, read
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.files.folder import posts
from feature_pipeline.sources.text import decode, to_date


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def items_of(path: Path | str) -> list[Found]:
    return [item for item in read(str(path)) if not isinstance(item, (Complete, Unchanged))]


def post(path: Path) -> RawPost:
    (item,) = items_of(path)
    assert isinstance(item, RawPost), item
    return item


def refusal(path: Path) -> Refusal:
    (item,) = items_of(path)
    assert isinstance(item, Refusal), item
    return item


def test_yaml_front_matter_says_title_date_address_and_author(tmp_path: Path) -> None:
    front = "title: 'Soup: a love'\ndate: 2019-03-02 10:15:00 +0100\nurl: https://a.example/soup\nauthor: Ann"
    found = post(write(tmp_path, "x.md", f"---\n{front}\n---\nHot.\n"))
    assert (found.title, found.date, found.url) == ("Soup: a love", dt.date(2019, 3, 2), "https://a.example/soup")
    assert (found.text, found.markup, found.author) == ("Hot.\n", "markdown", "Ann")
    assert (found.source, found.source_id) == (str(tmp_path / "x.md"), "x.md")


def test_toml_front_matter(tmp_path: Path) -> None:
    found = post(write(tmp_path, "x.md", '+++\ntitle = "A"\npublished_at = 2018-07-20T23:41:22Z\n+++\n\nB'))
    assert (found.title, found.date, found.text) == ("A", dt.date(2018, 7, 20), "\nB")


def test_pelican_lines_without_fences(tmp_path: Path) -> None:
    found = post(
        write(tmp_path, "x.markdown", "Title: Status: fine\nDate: 2013-03-24 20:02\nTags: a,\n  b\n\nText: here\n")
    )
    assert (found.title, found.date, found.text) == ("Status: fine", dt.date(2013, 3, 24), "\nText: here\n")


@pytest.mark.parametrize("title", ["2012", "Yes", "0x10", "1_000", "2013-01-01", "null program", "a # b"])
def test_a_title_is_what_was_typed(tmp_path: Path, title: str) -> None:
    typed = f'"{title}"' if "#" in title else title
    assert post(write(tmp_path, "x.md", f"---\ntitle: {typed}\n---\nB")).title == title


def test_a_heading_becomes_the_title_and_leaves_the_text(tmp_path: Path) -> None:
    found = post(write(tmp_path, "x.dj", "# Study of std\\::io {#id}\n\nText.\n\n## Part\n"))
    assert (found.title, found.text) == ("Study of std::io", "\nText.\n\n## Part\n")


def test_a_setext_heading_too(tmp_path: Path) -> None:
    found = post(write(tmp_path, "x.md", "Soup\n====\n\nText.\n"))
    assert (found.title, found.text) == ("Soup", "\nText.\n")


def test_a_heading_equal_to_the_front_matter_title_is_not_doubled(tmp_path: Path) -> None:
    found = post(write(tmp_path, "x.md", "---\ntitle: Soup!\n---\n# Soup\n\nText.\n"))
    assert (found.title, found.text) == ("Soup!", "\nText.\n")


def test_headings_that_are_sections_stay(tmp_path: Path) -> None:
    text = "Intro.\n\n# One\n\na\n\n# Two\n\n```sh\n# no heading\n```\n"
    found = post(write(tmp_path, "my_first-post.md", text))
    assert (found.title, found.text) == ("my first post", text)


def test_the_file_name_says_the_date_and_the_title(tmp_path: Path) -> None:
    found = post(write(tmp_path, "2020-02-29-leap-day.md", "Text."))
    assert (found.title, found.date) == ("leap day", dt.date(2020, 2, 29))
    bundle = post(write(tmp_path, "2021-01-02-in-a-folder/index.md", "Text."))
    assert (bundle.title, bundle.date) == ("in a folder", dt.date(2021, 1, 2))
    for name in ("2022/03/04/a-post.md", "2022/03/04-a-post.md", "2022/03/04/a-post/index.md"):
        assert post(write(tmp_path, name, "Text.")).date == dt.date(2022, 3, 4)
    assert post(write(tmp_path, "2022/03/04/notes/of/a-post.md", "Text.")).date is None


def test_without_a_date_there_is_none(tmp_path: Path) -> None:
    assert post(write(tmp_path, "x.md", "---\ntitle: A\ndate: soon\nurl: /a/b\n---\nB")).date is None
    assert post(tmp_path / "x.md").url is None


@pytest.mark.parametrize(
    "written",
    [
        *("2013-03-24", "2013-03-24 20:02", "2013-03-24T20:02:11-07:00", "2013-03-24 20:02:11 -0700", "2013/3/24"),
        *("Sun, 24 Mar 2013 20:02:11 GMT", "March 24, 2013", "24 Mar 2013", "2013-03-24T23:59:59Z", "20130324"),
        dt.date(2013, 3, 24),
        dt.datetime(2013, 3, 24, 23, tzinfo=dt.timezone(dt.timedelta(hours=-7))),
    ],
)
def test_dates_people_write(written: object) -> None:
    assert to_date(written) == dt.date(2013, 3, 24)


@pytest.mark.parametrize("written", ["", "soon", "2013-13-45", "42", None, 5, ["2013-03-24"]])
def test_what_is_no_date(written: object) -> None:
    assert to_date(written) is None


@pytest.mark.parametrize(
    "front",
    ["draft: true", "published: false", "Draft: True", "status: draft", "password: hunter2", "visibility: private"],
)
def test_what_is_not_public_is_refused(tmp_path: Path, front: str) -> None:
    assert refusal(write(tmp_path, "x.md", f"---\ntitle: A\n{front}\n---\nB")).reason == "draft"


def test_drafts_by_folder_and_in_toml(tmp_path: Path) -> None:
    write(tmp_path, "_drafts/x.md", "B")
    write(tmp_path, "y.md", "+++\ndraft = true\n+++\nB")
    assert [(item.source_id, item.reason) for item in read(str(tmp_path)) if isinstance(item, Refusal)] == [
        ("_drafts/x.md", "draft"),
        ("y.md", "draft"),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"%PDF-1.7 ...", "not_text"),
        (b"\x89PNG\r\n\x1a\n", "not_text"),
        (b"<p>a\0b</p>", "not_text"),
        (b"", "empty"),
        (b" \n\t\n", "empty"),
        (b"---\ntitle: A\n---\n\n", "empty"),
        (b"a" * 5_000_001, "too_large"),
    ],
)
def test_what_cannot_be_a_post(tmp_path: Path, content: bytes, reason: str) -> None:
    assert refusal(write(tmp_path, "x.html", content)).reason == reason


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(encoding: str) -> None:
    text = "Café – “naïve”, déjà vu, and then a good deal of plain text."
    assert decode(text.encode(encoding)) == text


def test_other_scripts_are_guessed_or_declared() -> None:
    russian = "Это обычный русский текст, довольно длинный, чтобы его можно было узнать по буквам. " * 3
    assert decode(russian.encode("cp1251")) == russian
    page = '<meta charset="iso-8859-7"><p>αβγ'
    assert decode(page.encode("iso-8859-7")) == page


@pytest.mark.parametrize(
    "charset", ["unicode_escape", "raw_unicode_escape", "utf-7", "idna", "hex", "no-such", "utf-16", ""]
)
def test_a_declared_charset_that_is_wrong_or_none_changes_nothing(charset: str) -> None:
    page = f'<meta charset="{charset}"><p>Caf\xe9, na\xefve: \\ud800 \\x41'
    assert decode(page.encode("cp1252")) == page
    assert decode("<p>Café".encode("cp1252"), charset) == "<p>Café"


def test_halves_of_characters_that_a_program_wrote() -> None:
    assert decode("Café ".encode() + b"\xed\xa0\xbd\xed\xb1\xa9 \xed\xa0\xbd hot") == "Café 👩 \ufffd hot"
    assert decode("í é, and plain words".encode("cp1252")) == "í é, and plain words"


ONE = "Soup is hot."
SHORT: dict[str, tuple[str | bytes, str]] = {
    "a.md": (ONE, ONE),
    "b.mdx": (ONE, ONE),
    "c.qmd": (f"---\ntitle: A\n---\n{ONE}\n", f"{ONE}\n"),
    "d.dj": (f"# A\n\n{ONE}\n", f"\n{ONE}\n"),
    "e.markdown": (f"Title: A\n\n{ONE}", f"\n{ONE}"),
    "f.org": (f"#+TITLE: A\n{ONE}", ONE),
    "g.html": (f"<p>{ONE}</p>", ONE),
    "h.htm": (f"---\ntitle: A\n---\n<p>{ONE}</p>", f"<p>{ONE}</p>"),
    "i.txt": (ONE, ONE),
    "j.jsonl": (f'{{"text": "{ONE}"}}', ONE),
}


@pytest.mark.parametrize("name", SHORT)
def test_one_sentence_is_a_post_in_every_format(tmp_path: Path, name: str) -> None:
    content, text = SHORT[name]
    assert post(write(tmp_path, name, content)).text == text


def test_a_folder_is_read_in_order_without_what_is_no_post(tmp_path: Path) -> None:
    root = tmp_path / "blog"
    for name in ("b.md", "a/z.md", ".hidden.md", ".git/x.md", "_site/b.html", "_layouts/l.html", "LICENSE", "pic.png"):
        write(root, name, "Text.")
    write(root, "SOURCE.txt", "commit: 1")
    write(tmp_path, "secret.md", "Secret.")
    (root / "link.md").symlink_to(tmp_path / "secret.md")
    (root / "loop").symlink_to(root)
    (root / "inside.md").symlink_to(root / "b.md")
    items = items_of(root)
    assert [(item.source_id, isinstance(item, RawPost)) for item in items] == [
        ("SOURCE.txt", False),
        ("a/z.md", True),
        ("b.md", True),
        ("inside.md", True),
        ("link.md", False),
    ]
    assert all(item.source == str(root) for item in items)


def test_text_files_are_posts_where_nothing_else_is(tmp_path: Path) -> None:
    write(tmp_path, "one.txt", "First.\n")
    write(tmp_path, "two.txt", "Second.\n")
    found = [item for item in read(str(tmp_path)) if isinstance(item, RawPost)]
    assert [(item.source_id, item.title, item.markup) for item in found] == [
        ("one.txt", "one", "plain"),
        ("two.txt", "two", "plain"),
    ]


def test_an_html_page_speaks_for_itself(tmp_path: Path) -> None:
    page = (
        '<!doctype html><html><head><title>Soup | Ann</title><meta property="og:title" content="Soup">'
        '<meta property="article:published_time" content="2020-05-06T23:00:00+02:00">'
        '<link rel="canonical" href="https://ann.example/soup"></head><body><article><p>Hot.</p></article></body></html>'
    )
    found = post(write(tmp_path, "x.html", page))
    assert (found.title, found.date, found.url) == ("Soup", dt.date(2020, 5, 6), "https://ann.example/soup")
    assert (found.text, found.markup) == ("Hot.", "article")


def test_a_jekyll_post_in_html(tmp_path: Path) -> None:
    found = post(write(tmp_path, "2009-04-08-garden.html", "---\ntitle: Garden\n---\n<p>Green.\n"))
    assert (found.title, found.date) == ("Garden", dt.date(2009, 4, 8))
    assert (found.text, found.markup) == ("<p>Green.\n", "html")


def test_json_lines(tmp_path: Path) -> None:
    lines = [
        json.dumps(
            {"id": "a", "title": "A", "text": "One.\n\nTwo 👩‍🚀", "date": "2020-01-02", "url": "https://a.example/1"}
        ),
        "",
        "{broken",
        json.dumps({"id": 7, "text": "Three."}),
        json.dumps({"txet": "x"}),
        json.dumps({"text": "Four."}),
        json.dumps({"id": "a", "text": "Again."}),
        json.dumps({"id": "e", "text": " "}),
        json.dumps(["text"]),
        '{"id": "nul", "text": "a\0b"}',
        "[" * 100_000,
    ]
    items = items_of(write(tmp_path, "posts.jsonl", "\ufeff" + "\n".join(lines)))
    first = items[0]
    assert isinstance(first, RawPost)
    assert (first.title, first.text, first.date, first.url) == (
        "A",
        "One.\n\nTwo 👩‍🚀",
        dt.date(2020, 1, 2),
        "https://a.example/1",
    )
    assert [(item.source_id, item.reason if isinstance(item, Refusal) else "") for item in items] == [
        ("a", ""),
        ("3", "bad_line"),
        ("7", ""),
        ("5", "bad_line"),
        ("6", ""),
        ("a", "duplicate_id"),
        ("e", "empty"),
        ("9", "bad_line"),
        ("10", "bad_line"),
        ("11", "bad_line"),
    ]
    assert isinstance(items[3], Refusal)
    assert "txet" in items[3].detail


def test_json_lines_in_a_folder_keep_their_own_ids_and_have_their_file_as_source(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", '{"text": "One."}\n')
    write(tmp_path, "b.jsonl", '{"text": "Two."}\n')
    write(tmp_path, "questions.jsonl", '{"question": "?"}\n')
    assert [(Path(item.source).name, item.source_id, isinstance(item, RawPost)) for item in items_of(tmp_path)] == [
        ("a.jsonl", "1", True),
        ("b.jsonl", "1", True),
        (tmp_path.name, "questions.jsonl", False),
    ]


def test_one_endless_line_is_one_refusal(tmp_path: Path) -> None:
    path = write(tmp_path, "x.jsonl", b'{"text": "' + b"a" * 11_000_000 + b'"}\n{"text": "ok"}\n')
    assert [type(item) for item in items_of(path)] == [Refusal, RawPost]


def test_an_unreadable_file_does_not_stop_the_others() -> None:
    me = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        write(folder, "a.md", "A").chmod(0)
        write(folder, "b.md", "B")
        try:
            if me == 0:
                os.seteuid(65534)  # root reads everything
            kinds = [type(item) for item in items_of(name)]
        finally:
            os.seteuid(me)
    assert kinds == [Refusal, RawPost]


@pytest.mark.parametrize("name", ["missing", "empty", "picture.png"])
def test_nothing_to_read_is_an_error_with_a_hint(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path, "picture.png", b"\x89PNG")
    with pytest.raises(SourceError) as error:
        list(read(str(tmp_path / name)))
    assert error.value.hint


def test_a_folder_that_may_not_be_listed_withholds_that_all_was_read() -> None:
    me = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        write(folder, "a.md", "A.")
        write(folder, "closed/b.md", "B.")
        (folder / "closed").chmod(0)
        try:
            if me == 0:
                os.seteuid(65534)  # root reads everything
            items = list(read(name))
        finally:
            os.seteuid(me)
            (folder / "closed").chmod(0o755)
    assert [(type(item), getattr(item, "reason", "")) for item in items] == [(RawPost, ""), (Refusal, "unreadable")]


def test_a_folder_of_any_size_is_read_in_the_memory_of_one_post(tmp_path: Path) -> None:
    for number in range(1_500):
        write(tmp_path, f"{number % 30:02}/{number:04}.md", "Soup is hot. " * 1_500)
    archive = Archive(tmp_path, most=10)
    assert archive.cut
    tracemalloc.start()
    found = sum(isinstance(item, RawPost) for item in posts(archive, str(tmp_path)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == 1_500
    assert peak < 3_000_000  # of 29 MB


def test_a_fifo_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    write(tmp_path, "b.md", "B")
    assert [item.source_id for item in items_of(tmp_path)] == ["b.md"]


def test_a_post_in_a_format_that_is_not_read_is_told(tmp_path: Path) -> None:
    for name in ("a.md", "b.textile", "c.adoc", "static/d.odt", "e.css"):
        write(tmp_path, name, "Text.")
    assert [(item.source_id, getattr(item, "reason", "")) for item in items_of(tmp_path)] == [
        ("a.md", ""),
        ("b.textile", "unread_format"),
        ("c.adoc", "unread_format"),
    ]


def test_names_that_are_no_text_cost_nothing_and_such_a_folder_is_told(tmp_path: Path, store: FeatureStore) -> None:
    (tmp_path / "posts").mkdir()
    for name in (b"posts/a\xff.md", b"posts/b\xed\xa0\x80.md", b"posts/c\xff"):
        place = os.fsencode(tmp_path) + b"/" + name
        if name.endswith(b".md"):
            Path(os.fsdecode(place)).write_text(f"# {name!r}\n\nThe kettle of {len(name)} was mended.")
        else:
            Path(os.fsdecode(place)).mkdir()
            Path(os.fsdecode(place), "d.md").write_text("# D\n\nThe wireless was listened to.")
    for added in (3, 0):
        report = pipeline.run([str(tmp_path / "posts")], "Ada", store)
        assert (report.added, report.kept, report.failed) == (added, 3, {})
    inner = os.fsdecode(os.fsencode(tmp_path) + b"/posts/c\xff")
    report = pipeline.run([inner], "Ada", store)
    shown = f"{tmp_path}/posts/c\\udcff"
    assert report.failed == {shown: "its name is no text in UTF-8: rename it, and give it again"}
    assert list(pipeline.collect([inner], "Ada", dry := Report("Ada"))) == []
    assert list(dry.failed) == [shown]


def test_halves_of_characters_in_an_export_are_stored_as_what_they_are(tmp_path: Path, store: FeatureStore) -> None:
    half = {
        "id": "\ud800",
        "title": "Soup \udfff",
        "html": "<p>Hot \ud83d soup.</p>",
        "primary_author": {"name": "A\ud800"},
    }
    posts = [
        {"slug": "a", **half, "url": "https://a.example/\ud800"},
        {"id": "2\ud800", "slug": "b", "status": "x\ud800", "html": ""},
    ]
    settings = [{"key": "title", "value": "Ann\ud800"}]
    data = {"meta": {"exported_on": 1}, "data": {"posts": posts, "settings": settings}}
    (tmp_path / "g.json").write_text(json.dumps({"db": [data]}))
    for added in (1, 0):
        report = pipeline.run([str(tmp_path / "g.json")], "Ada", store)
        assert (report.added, report.kept, report.refused, report.failed) == (added, 1, {"draft": 1}, {})
