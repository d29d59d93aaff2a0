"""Real blogs in the formats that people write: every post, its exact title and date, and its words."""

from __future__ import annotations

import collections
import datetime as dt
import re
from pathlib import Path

import pytest

from contracts.records import Post
from feature_pipeline.clean import clean
from feature_pipeline.sources import Refusal, read
from feature_pipeline.sources.files.front_matter import FENCED, _Strings, _yaml
from tests.blog_server import posts

pytestmark = pytest.mark.real_data

POSTS = (".md", ".markdown", ".html", ".dj")


def words(text: str) -> collections.Counter[str]:
    return collections.Counter(re.findall(r"\w+", text))


def front_matter(path: Path) -> dict[str, str]:
    """Read in another way than the reader does: line by line."""
    block = path.read_text("utf-8").split("---\n")[1]
    pairs = (line.partition(":")[::2] for line in block.splitlines() if re.match(r"\w+:", line))
    return {key: value.strip() for key, value in pairs}


def test_yaml_of_every_real_post_is_the_same_both_ways(real_data: Path) -> None:
    blocks = 0
    for path in sorted((real_data / "blogs").rglob("*")):
        fenced = FENCED.match(path.read_text("utf-8")) if path.suffix in POSTS else None
        if fenced and fenced["fence"] == "---" and isinstance(said := _yaml(fenced["block"]), dict):
            blocks += 1
            assert said == _Strings(fenced["block"]).get_single_data(), path
    assert blocks == 437


def test_every_post_of_skeeto_with_its_title_and_day(real_data: Path) -> None:
    folder = real_data / "blogs" / "skeeto" / "_posts"
    files = sorted(path for path in folder.iterdir() if path.suffix in POSTS)
    found = {item.source_id: item for item in posts(list(read(str(folder))))}
    assert len(files) == len(found) == 437
    for path in files:
        said, post = front_matter(path), found[path.name]
        title = said["title"]
        if title[0] in "\"'":
            title = title[1:-1].replace("''", "'").replace('\\"', '"')
        assert post.title == title
        assert post.date == dt.date.fromisoformat((said.get("date") or path.name)[:10])


def test_no_word_of_skeeto_is_lost(real_data: Path) -> None:
    """Cleaning takes away comments, scripts and tags, and adds nothing but a mark."""
    for raw in posts(list(read(str(real_data / "blogs" / "skeeto" / "_posts")))):
        post = clean(raw, "Chris Wellons")
        assert isinstance(post, Post), raw.source_id
        source = re.sub(r"<!--.*?-->|<script.*?</script>|<style.*?</style>", " ", raw.text, flags=re.DOTALL)
        source = re.sub(r"[\u200b\ufeff]", "", source)
        if raw.markup == "html":
            source = re.sub(r"<video.*?</video>|<object.*?</object>|<form.*?</form>", " ", source, flags=re.DOTALL)
            source = re.sub(r"</?[a-zA-Z][^>]*>|&#?\w+;", " ", source)
        source = re.sub(r"\{%.*?%\}", " ", source)
        lost = words(source) - words(post.text)
        assert lost.total() <= 0.01 * words(source).total() + 3, (raw.source_id, lost)


@pytest.mark.parametrize(
    ("blog", "dated"),
    [("brandur", True), ("eevee", True), ("jessfraz", True), ("matklad", True), ("simonw_til", False)],
)
def test_the_other_blogs(real_data: Path, blog: str, dated: bool) -> None:
    folder = real_data / "blogs" / blog
    files = [path for path in folder.rglob("*") if path.suffix in POSTS]
    items = list(read(str(folder)))
    found = posts(items)
    assert len(found) >= 0.95 * len(files)
    assert {item.reason for item in items if isinstance(item, Refusal)} <= {"draft", "not_a_post"}
    assert all(post.title and "\n" not in post.title for post in found)
    assert all((post.date is not None) == dated for post in found)
    cleaned = [clean(post, blog) for post in found]
    assert all(isinstance(post, Post) for post in cleaned)


def test_a_heading_that_became_the_title_is_gone_from_the_text(real_data: Path) -> None:
    for raw in posts(list(read(str(real_data / "blogs" / "matklad")))):
        assert not raw.text.lstrip().startswith("# ")


def test_drafts_of_jessfraz_are_counted(real_data: Path) -> None:
    refused = [item for item in read(str(real_data / "blogs" / "jessfraz")) if isinstance(item, Refusal)]
    assert [item.reason for item in refused].count("draft") == 3
