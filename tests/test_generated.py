"""A site's folder: its posts are read, its themes and what its generator made of them are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from feature_pipeline.sources import Refusal, read
from tests.test_files import items_of, write

MADE = "pages that a generator made of the posts beside it; to read these, give the folder itself"
THEME = "a theme; to read it, give the folder itself"


def told(path: Path) -> list[tuple[str, str]]:
    """Each item by its title, or by what was refused and why."""
    return [
        (item.source_id, item.detail) if isinstance(item, Refusal) else ("", getattr(item, "title", "whole"))
        for item in read(str(path))
    ]


@pytest.mark.parametrize("config", ["hugo.toml", "_config.yml", "config/_default/hugo.yaml"])
@pytest.mark.parametrize("mark", ["theme.toml", "layouts/_default/single.html", "layout/post.ejs"])
def test_a_theme_in_a_sites_folder_is_somebody_elses(tmp_path: Path, mark: str, config: str) -> None:
    write(tmp_path, "site/content/themes/colours.md", "# On colours\n\nMine.")
    write(tmp_path, f"site/{config}", "")
    write(tmp_path, f"site/themes/plain/{mark}", "name: Plain")
    write(tmp_path, "site/themes/plain/README.md", "# Plain\n\nA theme.")
    write(tmp_path, "site/themes/plain/exampleSite/hugo.toml", "")
    write(tmp_path, "site/themes/plain/exampleSite/content/posts/lorem.md", "# Lorem\n\nIpsum.")
    write(tmp_path, "site/themes/plain/exampleSite/themes/plain/theme.toml", "")
    for folder, name in ((tmp_path, "site/themes/plain"), (tmp_path / "site", "themes/plain")):
        assert told(folder) == [("", "On colours"), (name, THEME), ("", "whole")]
    assert ("", "Lorem") in told(tmp_path / "site" / "themes" / "plain")


@pytest.mark.parametrize(
    "other", ["themes/love/layout/plan.md", "Themes/love/_config.yml", "themes/theme.toml", "themes/love/layouts.html"]
)
def test_posts_about_themes_are_posts(tmp_path: Path, other: str) -> None:
    write(tmp_path, "_config.yml", "")
    write(tmp_path, other, "<p>Words.")
    write(tmp_path, f"{other.split('/')[0]}/love/first.md", "# First\n\nMine.")
    assert ("", "First") in told(tmp_path)


def test_a_theme_without_a_site_is_read(tmp_path: Path) -> None:
    write(tmp_path, "themes/plain/theme.toml", "")
    write(tmp_path, "themes/plain/README.md", "# Plain\n\nMine.")
    assert told(tmp_path) == [("", "Plain"), ("", "whole")]


@pytest.mark.parametrize("config", ["hugo.toml", "_config.yml"])
def test_what_a_generator_made_of_the_posts_is_read_only_where_they_are_not(tmp_path: Path, config: str) -> None:
    write(tmp_path, "site/content/soup.md", "# Soup\n\nHot.")
    write(tmp_path, "site/public/index.html", "<!doctype html><title>Ann</title><p>Welcome.")
    write(tmp_path, "site/public/soup/index.html", "<!doctype html><title>Soup</title><p>Hot.")
    assert len(items_of(tmp_path)) == 3
    write(tmp_path, f"site/{config}", "")
    for folder, name in ((tmp_path, "site/public"), (tmp_path / "site", "public")):
        assert told(folder) == [("", "Soup"), (name, MADE), ("", "whole")]
    assert len(items_of(tmp_path / "site" / "public")) == 2


@pytest.mark.parametrize(
    "beside", ["README.md", "content/soup.adoc", "content/_index.md", "archetypes/default.md", "layouts/single.html"]
)
def test_what_a_generator_made_is_read_where_it_is_all_that_can_be_read(tmp_path: Path, beside: str) -> None:
    write(tmp_path, "notes/tea.md", "# Tea\n\nMine.")
    write(tmp_path, "site/config.toml", "")
    write(tmp_path, f"site/{beside}", "Words.")
    write(tmp_path, "site/public/index.html", "<!doctype html><title>Ann</title><p>Welcome.")
    write(tmp_path, "site/public/soup/index.html", "<!doctype html><title>Soup</title><p>Hot.")
    for folder in (tmp_path, tmp_path / "site"):
        assert ("", "Soup") in told(folder)


@pytest.mark.parametrize(
    ("config", "said"), [("pelicanconf.py", "SITENAME = 'Ann'"), ("conf.py", "# The configuration of Nikola\n")]
)
def test_what_pelican_and_nikola_make_is_no_second_copy(tmp_path: Path, config: str, said: str) -> None:
    write(tmp_path, "site/content/soup.rst", "Soup\n====\n\nHot.")
    write(tmp_path, "site/output/index.html", "<!doctype html><title>Ann</title><p>Welcome.")
    write(tmp_path, "site/output/soup/index.html", "<!doctype html><title>Soup</title><p>Hot.")
    write(tmp_path, "site/themes/plain/templates/article.html", "<!doctype html><title>{{ title }}</title><p>A.")
    assert len(items_of(tmp_path)) == 4
    write(tmp_path, f"site/{config}", said)
    assert told(tmp_path) == [("", "Soup"), ("site/themes/plain", THEME), ("site/output", MADE), ("", "whole")]
    assert len(items_of(tmp_path / "site" / "output")) == 2


@pytest.mark.parametrize("ending", ["ipynb", "adoc", "textile"])
def test_what_a_generator_made_is_read_where_some_posts_can_be_read_there_alone(tmp_path: Path, ending: str) -> None:
    write(tmp_path, "conf.py", "BLOG_TITLE = 'Ann'\n")
    write(tmp_path, "pages/about.rst", "About\n=====\n\nMe.")
    write(tmp_path, "output/index.html", "<!doctype html><title>Ann</title><p>Welcome.")
    write(tmp_path, "output/soup/index.html", "<!doctype html><title>Soup</title><p>Hot.")
    write(tmp_path, f"files/soup.{ending}", "{}")
    assert ("output", MADE) in told(tmp_path)
    write(tmp_path, f"posts/soup.{ending}", "{}")
    assert {("", "About"), ("", "Soup")} < set(told(tmp_path))


@pytest.mark.parametrize("other", ["notebooks/plot.ipynb", "vendor/thing/guide.adoc"])
def test_what_a_generator_made_is_a_second_copy_beside_what_is_no_post(tmp_path: Path, other: str) -> None:
    write(tmp_path, "hugo.toml", "")
    write(tmp_path, "content/posts/soup.md", "# Soup\n\nHot.")
    write(tmp_path, "public/index.html", "<!doctype html><title>Ann</title><p>Welcome.")
    write(tmp_path, "public/about/index.html", "<!doctype html><title>About</title><p>Me.")
    write(tmp_path, other, "{}")
    assert ("public", MADE) in told(tmp_path)
    write(tmp_path, f"{other.rpartition('/')[0]}/tea.md", "# Tea\n\nGreen.")
    assert ("", "About") in told(tmp_path)


def test_what_another_program_puts_into_output_is_read(tmp_path: Path) -> None:
    write(tmp_path, "conf.py", "project = 'Ann'\nextensions = []\n")
    write(tmp_path, "tea.md", "# Tea\n\nMine.")
    write(tmp_path, "output/index.html", "<!doctype html><title>Ann</title><p>Welcome.")
    write(tmp_path, "output/soup.html", "<!doctype html><title>Soup</title><p>Hot.")
    assert ("", "Soup") in told(tmp_path)


def test_nikolas_posts_on_their_way_are_no_second_copies(tmp_path: Path) -> None:
    write(tmp_path, "conf.py", "BLOG_TITLE = 'Ann'\n")
    write(tmp_path, "posts/soup.rst", "Soup\n====\n\nHot.")
    write(tmp_path, "cache/posts/2020/soup.html", "<p>Hot.")
    assert told(tmp_path) == [("", "Soup"), ("cache", MADE), ("", "whole")]
