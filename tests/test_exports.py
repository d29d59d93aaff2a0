"""Exports of every platform through the one door: known by their content, read as themselves wherever they lie."""

from __future__ import annotations

import json
import os
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

from contracts.errors import SourceError
from feature_pipeline.report import named
from feature_pipeline.sources import Complete, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.files.exports import READERS, WITH_PAGES, recognised
from feature_pipeline.sources.files.post_file import MARKDOWN, ORG, RST
from feature_pipeline.sources.files.tables import MAX_TABLE
from tests.blog_server import posts, reasons
from tests.export_samples import EXPORTS, WXR, Export, folder, items, packed


def claims(path: Path) -> list[str]:
    archive = Archive(path)
    found = [
        name for name in READERS if import_module(f"feature_pipeline.sources.platforms.{name}").recognises(archive)
    ]
    archive.close()
    return [name for name in found if name != "newsletters" or found == [name]]  # it hands on to two of the others


def check(found: list[Item], export: Export, path: Path) -> None:
    where = str(path)
    expected = [(where if export.by_archive else source, source_id) for source, source_id in export.found]
    assert [(post.source, post.source_id) for post in posts(found)] == expected
    assert (found[-1] == Complete()) is export.complete
    assert "THEIRS" not in repr(found)
    assert "203.0.113.7" not in repr(found)


def test_there_is_a_fixture_for_every_reader() -> None:
    assert list(EXPORTS) == list(READERS)


@pytest.mark.parametrize("name", READERS)
def test_an_export_is_read_as_a_zip_as_a_folder_and_wrapped_in_another(tmp_path: Path, name: str) -> None:
    export = EXPORTS[name]
    zipped, unpacked = packed(tmp_path / "a.zip", export.files), folder(tmp_path / "a", export.files)
    wrapped = packed(tmp_path / "b.zip", export.files, within="export of ann/")
    for path in (zipped, unpacked, wrapped):
        assert claims(path) == [name]
        check(items(path, export.me), export, path)


@pytest.mark.parametrize("name", [name for name in READERS if EXPORTS[name].alone[0]])
def test_one_file_of_it_is_read_alone(tmp_path: Path, name: str) -> None:
    export = EXPORTS[name]
    entry, called = export.alone
    path = folder(tmp_path, {called: export.files[entry]}) / called
    assert claims(path) == [name]
    first = items(path, export.me)[0]
    assert isinstance(first, RawPost)
    assert first.source_id == export.found[0][1]


@pytest.mark.parametrize("name", ["linkedin", "substack", "wix", "buttondown", "newsletters"])
def test_a_table_whose_rows_are_held_has_a_limit(tmp_path: Path, name: str) -> None:
    root = folder(tmp_path, EXPORTS[name].files)
    table = root / next(iter(EXPORTS[name].files))
    table.write_text(table.read_text() + "\n" * 10_000)  # what an export is recognised by is text
    os.truncate(table, MAX_TABLE + 1)
    with pytest.raises(SourceError, match="is over 100,000,000 bytes"):
        items(root)


@pytest.mark.parametrize("name", READERS)
def test_an_export_beside_posts_is_read_as_itself(tmp_path: Path, name: str) -> None:
    """As a zip, and unpacked in a folder of its own; the posts are those of the folder."""
    export = EXPORTS[name]
    blog: dict[str, str | bytes] = {"one.md": "One sentence.", "2020/two.md": "Two.", "notes.txt": "No post."}
    for place in ("zipped", "unpacked"):
        root = folder(tmp_path / place, blog)
        inner = packed(root / "old.zip", export.files) if place == "zipped" else folder(root / "old", export.files)
        found = items(root, export.me)
        own = [post for post in posts(found) if post.source == str(root)]
        check([item for item in found if item not in own], export, inner)
        assert [post.source_id for post in own] == ["2020/two.md", "one.md"]
        assert dict(reasons(found)) == {"notes.txt": "not_a_post"}


@pytest.mark.parametrize("name", ["wix", "newsletters", "wordpress", "ghost", "bluesky"])
def test_an_export_of_one_file_beside_posts(tmp_path: Path, name: str) -> None:
    export = EXPORTS[name]
    entry, called = export.alone
    found = items(folder(tmp_path, {called: export.files[entry], "one.md": "One."}))
    assert [(post.source, post.source_id) for post in posts(found)] == [*export.found, (str(tmp_path), "one.md")]


@pytest.mark.parametrize("within", ["", "old/"])
@pytest.mark.parametrize("name", READERS)
def test_texts_beside_the_files_of_an_export_are_posts(tmp_path: Path, name: str, within: str) -> None:
    export = EXPORTS[name]
    for essay in (f"essay{ending}" for ending in sorted(MARKDOWN | ORG | RST)):
        files = export.files | {essay: "Essay\n=====\n\nMine."}
        found = items(folder(tmp_path / essay, {within + file: files[file] for file in files}), export.me)
        ids = [source_id for _, source_id in export.found]
        assert sorted(post.source_id for post in posts(found)) == sorted([*ids, within + essay])


@pytest.mark.parametrize("within", ["", "old/"])
@pytest.mark.parametrize("name", READERS)
def test_pages_and_lines_beside_the_files_of_an_export_are_posts(tmp_path: Path, name: str, within: str) -> None:
    export = EXPORTS[name]
    for essay, text in {"essay.html": "<p>Mine.", "essay.jsonl": '{"id": "mine", "text": "Mine."}'}.items():
        files = export.files | {essay: text}
        found = posts(items(folder(tmp_path / essay, {within + file: files[file] for file in files}), export.me))
        pages = essay == "essay.html" and name in WITH_PAGES  # it may be one of these
        assert len(found) == len(export.found) + (not pages)
        assert ("Mine." in repr([post.text for post in found])) is not pages


@pytest.mark.parametrize("within", ["", "old/"])
@pytest.mark.parametrize("name", sorted(WITH_PAGES))
def test_pages_of_messages_are_no_posts_where_a_note_lies_beside_them(tmp_path: Path, name: str, within: str) -> None:
    export = EXPORTS[name]
    beside = next(iter(export.files)).rpartition("/")[0]
    files = export.files | {f"{beside}/messages.html".lstrip("/"): "<p>Bob said so.", "note.md": "Mine."}
    found = posts(items(folder(tmp_path, {within + file: files[file] for file in files}), export.me))
    assert len(found) == len(export.found) + 1
    assert "Bob said" not in repr([post.text for post in found])


def test_pages_in_other_folders_beside_an_export_of_medium_are_posts(tmp_path: Path) -> None:
    account: dict[str, str | bytes] = {"README.html": "<p>THEIRS", "ips/ips-0001.html": "<p>203.0.113.7"}
    mine: dict[str, str | bytes] = {"essays/mine.html": "<p>My own page.", "README.md": "Mine."}
    for files in (mine, dict(list(mine.items())[:1])):
        found = posts(items(folder(tmp_path / str(len(files)), EXPORTS["medium"].files | account | files)))
        assert [post.source_id for post in found] == ["0a1b2c3d4e5f", *sorted(files)]


def test_a_text_that_is_no_chat_is_told_beside_one(tmp_path: Path) -> None:
    files = EXPORTS["whatsapp"].files | {"essays/tea.txt": "Tea.", "one.md": "One."}
    found = items(folder(tmp_path, files), "Ann")
    assert [post.source_id for post in posts(found)] == ["2023-12-30T23:59", "one.md"]
    assert dict(reasons(found)) == {"essays/tea.txt": "not_a_post"}


@pytest.mark.parametrize("within", ["", "old/"])
@pytest.mark.parametrize(
    ("name", "draft"),
    [
        ("linkedin", {"Articles/Articles/tea.html": "<h1>Tea</h1><p>DRAFT</p>"}),
        ("substack", {"posts/2.tea.html": "<p>DRAFT</p>"}),
        ("buttondown", {"emails/tea.md": "DRAFT"}),
    ],
)
def test_drafts_in_an_export_are_none_beside_posts_either(
    tmp_path: Path, name: str, draft: dict[str, str | bytes], within: str
) -> None:
    """Its tables, or its own reader, know them. What lies among them and is none of it is a post."""
    files = EXPORTS[name].files | draft | {"README.md": "Mine.", "posts/own.html": "<p>My own page."}
    found = posts(items(folder(tmp_path, {within + file: files[file] for file in files})))
    ids = [source_id for _, source_id in EXPORTS[name].found]
    assert sorted(post.source_id for post in found) == sorted([*ids, f"{within}README.md", f"{within}posts/own.html"])
    assert "DRAFT" not in repr([post.text for post in found])


def test_what_medium_exports_lies_beside_another_export(tmp_path: Path) -> None:
    packed(tmp_path / "twitter.zip", EXPORTS["x"].files)
    draft: dict[str, str | bytes] = {"posts/draft_Tea-1a1b2c3d4e5f.html": "<p>DRAFT</p>"}
    found = items(folder(tmp_path, EXPORTS["medium"].files | draft))
    assert [post.source for post in posts(found)] == ["x:@ann_k", "medium:@annlee"]


def test_texts_that_are_part_of_an_export_are_no_posts_beside_it(tmp_path: Path) -> None:
    email = {"id": "b1", "subject": "Soup", "publish_date": "2024-01-02", "slug": "soup", "body": "Hot."}
    folder(tmp_path, {"emails.json": json.dumps([email]), "emails/soup.md": "Hot soup.\n"})
    assert [(post.source_id, post.text) for post in posts(items(tmp_path))] == [("b1", "Hot.")]


def test_two_exports_in_a_folder_of_downloads(tmp_path: Path) -> None:
    packed(tmp_path / "medium-export.zip", EXPORTS["medium"].files)
    packed(tmp_path / "twitter.zip", EXPORTS["x"].files)
    folder(tmp_path, {"blog.xml": WXR})
    (tmp_path / "pictures.zip").write_bytes(packed(tmp_path / "p.zip", {"a.jpg": b"\xff\xd8\xff"}).read_bytes())
    found = items(tmp_path)
    assert [post.source for post in posts(found)] == ["wordpress:ann.example", "medium:@annlee", "x:@ann_k"]
    assert found[-1] == Complete()


def test_a_damaged_zip_among_posts_is_said_and_nothing_is_taken_for_deleted(tmp_path: Path) -> None:
    whole = packed(tmp_path / "old.zip", EXPORTS["x"].files).read_bytes()
    folder(tmp_path, {"old.zip": whole[:-40], "one.md": "One."})
    found = items(tmp_path)
    assert [(type(item), item.source_id) for item in found if isinstance(item, (RawPost, Refusal))] == [
        (Refusal, "old.zip"),
        (RawPost, "one.md"),
    ]
    assert dict(reasons(found)) == {"old.zip": "unreadable"}
    assert Complete() not in found


def test_an_export_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    packed(tmp_path / "chat.zip", EXPORTS["whatsapp"].files)  # nobody said who of the two the author is
    folder(tmp_path, {"one.md": "One."})
    found = items(tmp_path)
    assert dict(reasons(found)) == {"chat.zip": "unreadable"}
    assert [post.source_id for post in posts(found)] == ["one.md"]
    assert Complete() not in found


def test_an_export_that_is_not_whole_withholds_that_the_folder_is(tmp_path: Path) -> None:
    packed(tmp_path / "facebook.zip", EXPORTS["facebook"].files)
    folder(tmp_path, {"one.md": "One."})
    found = items(tmp_path)
    assert len(posts(found)) == 2
    assert Complete() not in found


def test_a_zip_of_posts_is_read_like_its_folder(tmp_path: Path) -> None:
    blog: dict[str, str | bytes] = {
        "b.md": "---\ntitle: B\n---\nWords.",
        "a/z.md": "# Z\n\nWords.",
        "a-b.md": "Words.",
        "_drafts/d.md": "Draft.",
        "x.html": b"%PDF-1.7",
        "lines.jsonl": '{"text": "A line."}\n',
        "notes.txt": "No post.",
        ".git/x.md": "No.",
        "_site/b.html": "No.",
        "pic.png": b"\x89PNG",
    }
    as_zip, as_folder = items(packed(tmp_path / "z.zip", blog)), items(folder(tmp_path / "f", blog))

    def told(found: list[Item], root: Path) -> list[str]:
        return [repr(item).replace(str(root), "ROOT") for item in found]

    assert told(as_zip, tmp_path / "z.zip") == told(as_folder, tmp_path / "f")
    assert [post.source_id for post in posts(as_zip)] == ["a/z.md", "a-b.md", "b.md", "1"]
    assert dict(reasons(as_zip)) == {"_drafts/d.md": "draft", "x.html": "not_text", "notes.txt": "not_a_post"}
    assert as_zip[-1] == Complete()


def test_what_a_zip_hides_is_said(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", {"../up.md": "1", "a.md": "A."})
    found = items(path)
    assert dict(reasons(found)) == {"../up.md": "unsafe_entry"}
    assert [post.source_id for post in posts(found)] == ["a.md"]


@pytest.mark.parametrize("name", ["telegram", "whatsapp"])
def test_who_of_a_chat_the_author_is_must_be_said(tmp_path: Path, name: str) -> None:
    export = EXPORTS[name]
    entry, called = export.alone
    path = folder(tmp_path, {called: export.files[entry]}) / called
    with pytest.raises(SourceError, match="does not say which of its writers you are: Ann, Bob"):
        items(path)
    with pytest.raises(SourceError, match=r"nobody in .* 'Cid'.*: .*Ann, Bob"):
        items(path, "Cid")
    assert [post.text for post in posts(items(path, "Bob"))] == ["THEIRS"]


@pytest.mark.parametrize("name", ["telegram", "whatsapp"])
def test_a_path_may_have_a_number_sign_itself(tmp_path: Path, name: str) -> None:
    export = EXPORTS[name]
    entry, called = export.alone
    path = folder(tmp_path / "C# notes", {f"#1 {called}": export.files[entry]}) / f"#1 {called}"
    with pytest.raises(SourceError, match="does not say which of its writers you are"):
        items(path)
    assert len(posts(items(path, "Ann"))) == 1
    folder(tmp_path / "C# notes" / "only", {"a.md": "A."})
    assert [post.source_id for post in posts(items(tmp_path / "C# notes" / "only"))] == ["a.md"]


@pytest.mark.parametrize("name", ["x", "a.md", "posts", "posts.zip", "nothing"])
def test_a_name_that_nothing_asks_for_is_an_error(tmp_path: Path, name: str) -> None:
    folder(tmp_path / "x", EXPORTS["x"].files)
    folder(tmp_path, {"a.md": "A.", "posts/b.md": "B."})
    packed(tmp_path / "posts.zip", {"b.md": "B."})
    with pytest.raises(SourceError, match=f"there is no .*{name}#Ann"):
        items(tmp_path / name, "Ann")


@pytest.mark.parametrize(
    ("files", "what"),
    [
        (
            {"a.json": "{}", "b.xml": "<x/>", "c.csv": "a,b\n1,2\n", "LICENSE": "x"},
            "only .csv .json .xml files without",
        ),
        ({}, "nothing"),
        ({"tables/a.sqlite": b"SQLite format 3\0"}, "only .sqlite"),
    ],
)
def test_what_nothing_recognises_is_told_with_what_is_read(
    tmp_path: Path, files: dict[str, str | bytes], what: str
) -> None:
    (tmp_path / "f").mkdir()
    for path in (folder(tmp_path / "f", files), packed(tmp_path / "f.zip", files)):
        with pytest.raises(SourceError, match=f"has no posts, {what}") as error:
            items(path)
        assert all(word in error.value.hint for word in (".md", ".pdf", "LinkedIn", "Telegram", "Curated"))


@pytest.mark.parametrize("name", ["a.json", "b.xml", "c.csv", "d.car", "no ending", "e.rtf"])
def test_a_file_that_nothing_recognises_too(tmp_path: Path, name: str) -> None:
    folder(tmp_path, {name: "a,b\n1,2\n"})
    with pytest.raises(SourceError, match=r"is no file of posts, and no export that is known") as error:
        items(tmp_path / name)
    assert "LinkedIn" in error.value.hint


def test_an_export_with_more_files_than_are_listed_is_not_read_in_part(tmp_path: Path) -> None:
    folder(tmp_path, {**EXPORTS["x"].files, "data/tweets_media/1.jpg": b"\xff\xd8\xff"})
    with pytest.raises(SourceError, match="is an export of x, and has over") as error:
        recognised(Archive(tmp_path, most=2))
    assert "pictures" in error.value.hint
    folder(tmp_path / "blog", {f"{n}.md": "A." for n in range(3)})
    assert recognised(Archive(tmp_path / "blog", most=2)) is None


def test_no_reader_trips_over_names_and_heads_that_are_anything(tmp_path: Path) -> None:
    names = "Shares.csv data/tweets.js posts/your_posts_1.json posts.csv outbox.json a.car result.json _chat.txt a.xml"
    names += " a.json feed.atom posts/a.html emails.json emails.csv 12.json Articles/a.html account.js"
    for number, content in enumerate((b"", b"\0" * 50, b"\xff\xfe", b"{" * 5_000, b'"' * 5_000, b"\xef\xbb\xbf[")):
        for path in (
            folder(tmp_path / f"{number}", dict.fromkeys(names.split(), content)),
            packed(tmp_path / f"{number}.zip", dict.fromkeys(names.split(), content)),
        ):
            assert claims(path) == []


# Each package's fixtures: what they are, how many posts they have, what is refused, and whether that is all there is.
REAL: dict[str, tuple[str, int, dict[str, int], bool]] = {
    "mg-beehiiv": ("newsletters", 2, {}, True),
    "mg-blogger": ("blogger", 3, {}, False),
    "mg-buttondown": ("buttondown", 2, {}, True),
    "mg-curated-export": ("newsletters", 1, {}, True),
    "mg-ghost-api": ("ghost", 1, {}, False),
    "mg-jekyll-export": ("", 12, {"draft": 1}, True),
    "mg-json": ("ghost", 3, {"duplicate_id": 8}, False),
    "mg-letterdrop": ("newsletters", 1, {"empty": 1}, True),
    "mg-medium-export": ("medium", 7, {"draft": 2}, True),
    "mg-squarespace-xml": ("wordpress", 4, {"draft": 1}, True),
    "mg-substack": ("substack", 4, {"draft": 1}, True),
    "mg-wix-csv": ("wix", 1, {"draft": 1}, True),
    "mg-wp-api": ("wordpress", 5, {"duplicate_id": 4, "bad_item": 3, "not_a_post": 1}, False),
    "mg-wp-xml": ("wordpress", 14, {"duplicate_id": 7, "not_a_post": 4, "draft": 3}, True),
}
# A podcast's list of episodes, and two newsrooms' databases, which are no person's export.
NOT_READ = ("mg-chorus", "mg-libsyn", "mg-tinynews")


@pytest.mark.real_data
def test_every_real_export_is_what_it_is(real_data: Path) -> None:
    packages = real_data / "export_ghostmigrate" / "packages"
    assert {path.name for path in packages.iterdir()} == {*REAL, *NOT_READ}
    for package, (reader, count, refused, complete) in REAL.items():
        path = next((packages / package).rglob("fixtures"))
        assert claims(path) == ([reader] if reader else []), package
        found = items(path)
        told = Counter(item.reason for item in found if isinstance(item, Refusal))
        assert (len(posts(found)), dict(told), found[-1] == Complete()) == (count, refused, complete), package


@pytest.mark.real_data
@pytest.mark.parametrize("package", NOT_READ)
def test_what_no_person_exports_is_an_error(real_data: Path, package: str) -> None:
    path = next((real_data / "export_ghostmigrate" / "packages" / package).rglob("fixtures"))
    with pytest.raises(SourceError, match=r"has no posts, only \.json"):
        items(path)


@pytest.mark.parametrize("name", [name for name in READERS if EXPORTS[name].complete])
def test_an_export_with_an_entry_that_is_refused_is_not_complete(tmp_path: Path, name: str) -> None:
    """Nobody knows what it hides, so that nothing is taken for deleted."""
    export = EXPORTS[name]
    zipped = packed(tmp_path / "a.zip", {**export.files, "../outside.txt": "Out."})
    found = items(zipped, export.me)
    assert dict(reasons(found))["../outside.txt"] == "unsafe_entry"
    assert len(posts(found)) == len(export.found)
    assert Complete() not in found


def test_an_export_with_a_row_that_is_refused_is_not_complete(tmp_path: Path) -> None:
    entry, called = EXPORTS["newsletters"].alone
    path = folder(tmp_path, {called: EXPORTS["newsletters"].files[entry]}) / called
    assert items(path)[-1] == Complete()
    columns = path.read_text(encoding="utf-8").splitlines()[0].count(",") + 2
    with path.open("a", encoding="utf-8") as file:
        file.write(",".join("x" * columns) + "\n")
    found = items(path)
    assert "bad_row" in dict(reasons(found)).values()
    assert Complete() not in found


def test_an_error_names_a_path_once(tmp_path: Path) -> None:
    """A file that is given alone is its own archive; an export in a folder is named by the report."""
    folder(tmp_path, {"result.json": '{"name": "x", "type": "public_channel", "id": 7,', "one.md": "One."})
    with pytest.raises(SourceError) as error:
        items(tmp_path / "result.json")
    assert str(error.value).count("result.json") == 1
    told = next(item for item in items(tmp_path) if isinstance(item, Refusal))
    assert (told.source_id, told.reason) == ("result.json", "unreadable")
    assert told.detail.startswith("it is no JSON: ")
    assert told.detail.endswith("; export it again, to its end")


@pytest.mark.parametrize(
    ("what", "said", "shown"),
    [
        ("https://a.example/x", "https://a.example/x answered 404", "https://a.example/x answered 404"),
        ("posts/a.md", "", "posts/a.md"),
        ("posts/a.md", "over 5,000,000 bytes", "posts/a.md: over 5,000,000 bytes"),
        ("1", "1,000 pages; 1 too many", "1: 1,000 pages; 1 too many"),
        ("/x/chat.txt", "nobody in /x/chat.txt is called Cid", "nobody in /x/chat.txt is called Cid"),
    ],
)
def test_a_report_names_what_it_speaks_of_once(what: str, said: str, shown: str) -> None:
    assert named(what, said) == shown
