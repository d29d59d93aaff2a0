"""Exports and zips below the top of a folder: a folder of downloads, a site with somebody else's things in it."""

from __future__ import annotations

from pathlib import Path

from feature_pipeline.sources import Complete
from feature_pipeline.sources.files.downloads import MAX_ZIPS
from tests.blog_server import posts, reasons
from tests.export_samples import EXPORTS, WXR, folder, items, packed


def test_zips_of_posts_and_exports_below_the_top_are_read_as_if_they_had_been_named(tmp_path: Path) -> None:
    """Wherever they lie: what is given alone today and with its folder tomorrow is the same posts."""
    blog: dict[str, str | bytes] = {"a.md": "# A\n\nHot soup.", "b/c.html": "<p>Cold soup.</p>", "d.org": "Soup."}
    folder(tmp_path, {"one.md": "One.", "2020/two.md": "Two.", "2020/old/three.md": "Three."})
    named = [packed(tmp_path / "blog.zip", blog), packed(tmp_path / "2020" / "old" / "blog.zip", blog)]
    named += [packed(tmp_path / "2020" / "x.zip", EXPORTS["x"].files)]
    named += [folder(tmp_path / "2020" / "old" / "linkedin", EXPORTS["linkedin"].files)]
    named += [folder(tmp_path / "2020", {"blog.xml": WXR}) / "blog.xml"]
    found = items(tmp_path)
    own = [post.source_id for post in posts(found) if post.source == str(tmp_path)]
    assert own == ["2020/old/three.md", "2020/two.md", "one.md"]
    alone = [post for path in named for post in posts(items(path))]
    assert sorted(map(repr, alone)) == sorted(repr(post) for post in posts(found) if post.source != str(tmp_path))
    assert len(alone) == 3 + 3 + len(EXPORTS["x"].found) + len(EXPORTS["linkedin"].found) + 1
    assert found[-1] == Complete()


def test_two_exports_in_a_folder_of_the_folder(tmp_path: Path) -> None:
    for name in ("x", "medium", "mastodon"):
        folder(tmp_path / "downloads" / name, EXPORTS[name].files)
    folder(tmp_path, {"one.md": "One.", "downloads/note.md": "A note."})
    own = [(str(tmp_path), "downloads/note.md"), (str(tmp_path), "one.md")]
    expected = [pair for name in ("mastodon", "medium", "x") for pair in EXPORTS[name].found]
    assert [(post.source, post.source_id) for post in posts(items(tmp_path))] == [*expected, *own]


def test_what_is_zipped_twice_or_attached_is_no_post_and_a_broken_zip_below_is_said(tmp_path: Path) -> None:
    inner = packed(tmp_path / "inner.zip", {"a.md": "A."}).read_bytes()
    (tmp_path / "inner.zip").unlink()
    packed(tmp_path / "f" / "outer.zip", {"inner.zip": inner})
    packed(tmp_path / "f" / "assets" / "theme.zip", {"readme.md": "Another's."})
    packed(tmp_path / "f" / "assets" / "x.zip", EXPORTS["x"].files)
    folder(tmp_path / "f", {"one.md": "One.", "a/b/torn.zip": inner[:-30], "a/none.zip": b""})
    found = items(tmp_path / "f")
    assert [post.source_id for post in posts(found)] == [*(id_ for _, id_ in EXPORTS["x"].found), "one.md"]
    assert dict(reasons(found)) == {
        "a/b/torn.zip": "unreadable",
        "a/none.zip": "unreadable",
        "assets/theme.zip": "not_a_post",
    }
    assert Complete() not in found


def test_zips_without_end_are_not_all_opened(tmp_path: Path) -> None:
    for number in range(MAX_ZIPS + 2):
        packed(tmp_path / "all" / f"{number:03}.zip", {"a.md": "A."})
    found = items(tmp_path)
    assert len(posts(found)) == MAX_ZIPS
    assert reasons(found) == [(f"all/{n}.zip", "unreadable") for n in (MAX_ZIPS, MAX_ZIPS + 1)]
    assert Complete() not in found


def test_a_folder_that_becomes_a_zip_in_a_folder_takes_nothing_else_with_it(tmp_path: Path) -> None:
    folder(tmp_path, {"one.md": "One.", "two/2.md": "Two.", "twofold.md": "Twofold."})
    packed(tmp_path / "two" / "3.zip", {"3.md": "Three."})
    assert {post.source_id for post in posts(items(tmp_path))} == {"3.md", "one.md", "two/2.md", "twofold.md"}


def test_what_is_no_part_of_a_site_is_no_export_either(tmp_path: Path) -> None:
    site = {
        "hugo.toml": "",
        "content/soup.md": "# Soup\n\nHot.",
        "public/index.html": "<!doctype html><title>Ann</title>",
    }
    folder(tmp_path / "site", {**site, "themes/plain/theme.toml": ""})
    for within in ("themes/plain/data", "public", "_site"):
        folder(tmp_path / "site" / within / "x", EXPORTS["x"].files)
        packed(tmp_path / "site" / within / "reddit.zip", EXPORTS["reddit"].files)
        packed(tmp_path / "site" / within / "notes.zip", {"a.md": "A."})
    for path, wrap in ((tmp_path, "site/"), (tmp_path / "site", "")):
        found = items(path)
        assert [post.source_id for post in posts(found)] == [f"{wrap}content/soup.md"]
        assert sorted(reasons(found)) == [(f"{wrap}public", "not_a_post"), (f"{wrap}themes/plain", "not_a_post")]
    assert [post.source_id for post in posts(items(tmp_path / "site" / "public" / "x"))]


def test_a_zipped_site_with_an_export_in_its_theme_is_the_site(tmp_path: Path) -> None:
    theme = {f"themes/plain/{name}": content for name, content in EXPORTS["x"].files.items()}
    site = {"hugo.toml": "", "content/soup.md": "# Soup\n\nHot.", "themes/plain/theme.toml": "", **theme}
    found = items(packed(tmp_path / "site.zip", site))
    assert [post.source_id for post in posts(found)] == ["content/soup.md"]
    assert reasons(found) == [("themes/plain", "not_a_post")]
