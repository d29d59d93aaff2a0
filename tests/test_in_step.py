"""A store in step with a blog on the web: what the site says of its posts is what becomes of them, run after run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.feature_store import FeatureStore
from feature_pipeline import pipeline
from feature_pipeline.report import Report
from tests.blog_server import Blog, Reply, article, sitemap
from tests.fakes import WordEmbedder

TEXTS = {
    "/one": "The carriage clock lost four minutes a day until I saw that its owner kept it beside the stove.",
    "/two": "Nobody had wound the wireless, since a wireless is not wound, but somebody had certainly tried.",
    "/three": "Three screws were left over again, and I have stopped telling people that this is normal.",
}


pytestmark = pytest.mark.usefixtures("loopback")


@pytest.fixture
def blog() -> Iterator[Blog]:
    """Three pages in a sitemap, each with an ETag."""
    made = Blog()
    made["/"] = "<html><body><a href='/one'>One</a></body></html>"
    made["/sitemap.xml"] = Reply(sitemap(*TEXTS), headers={"Content-Type": "application/xml"})
    for path, body in TEXTS.items():
        made[path] = Reply(article(f"Post {path[1:]}", body), headers={"ETag": f'"{path}"'})
    yield made
    made.close()


def ingest(store: FeatureStore, blog: Blog) -> Report:
    blog.asked.clear()
    return pipeline.run([blog.url], "Ada", store)


def titles(store: FeatureStore) -> set[str]:
    return {post.title for post in store.posts("Ada")}


def test_what_has_not_changed_is_neither_sent_parsed_nor_embedded(store: FeatureStore, blog: Blog) -> None:
    assert ingest(store, blog).added == 3
    blog["/two"] = Reply(
        article("Post two", "Now I mended a kettle, which is a thing of ten minutes."), headers={"ETag": '"2"'}
    )
    embedder = store.embedder
    assert isinstance(embedder, WordEmbedder)
    before = embedder.embedded
    report = ingest(store, blog)
    assert (report.unchanged, report.changed, report.embedded, embedder.embedded - before) == (2, 1, 1, 1)
    asked = [headers.get("if-none-match") for headers in blog.headers]
    assert sorted(filter(None, asked)) == sorted(f'"{path}"' for path in TEXTS)


def test_a_page_that_is_gone_is_deleted_and_one_not_found_only_the_second_time(store: FeatureStore, blog: Blog) -> None:
    ingest(store, blog)
    blog["/one"], blog["/two"] = Reply("gone", 410), Reply("no such page", 404)
    report = ingest(store, blog)
    assert (report.deleted, titles(store)) == (1, {"Post two", "Post three"})
    assert report.refused == {"gone": 1, "not_found": 1}
    assert ingest(store, blog).deleted == 1
    assert titles(store) == {"Post three"}


def test_a_site_that_does_not_find_most_of_its_posts_deletes_none_unless_told_to(
    store: FeatureStore, blog: Blog
) -> None:
    ingest(store, blog)
    for path in ("/one", "/two"):
        blog[path] = Reply("no such page", 404)
    for _ in range(3):
        assert ingest(store, blog).deleted == 0
    assert len(titles(store)) == 3
    assert pipeline.run([blog.url], "Ada", store, allow_delete=True).deleted == 2
    assert titles(store) == {"Post three"}


def test_a_page_not_found_in_between_is_kept(store: FeatureStore, blog: Blog) -> None:
    ingest(store, blog)
    page = blog.replies["/two"]
    for _ in range(2):
        blog["/two"] = Reply("no such page", 404)
        assert ingest(store, blog).deleted == 0
        blog["/two"] = page
        assert ingest(store, blog).deleted == 0
    assert len(titles(store)) == 3


@pytest.mark.parametrize(
    "broken",
    [
        Reply("<html><title>Just a moment...</title><body>Verify you are human</body></html>"),
        Reply("busy", 503),
        Reply(article("Post two", "cut"), cut=50),
    ],
)
def test_a_page_that_is_broken_today_keeps_its_old_version(store: FeatureStore, blog: Blog, broken: Reply) -> None:
    ingest(store, blog)
    blog["/two"] = broken
    report = ingest(store, blog)
    assert (report.deleted, report.changed, sum(report.refused.values())) == (0, 0, 1)
    assert len(titles(store)) == 3


WALL = Reply("<html><title>Just a moment...</title><body>Verify you are human</body></html>")
HOME = Reply("", 302, {"Location": "URL/"})


@pytest.mark.parametrize("wall", [WALL, Reply("members only", 403), Reply(article("Huge", "word " * 1_100_000))])
def test_a_page_that_is_a_wall_for_ever_does_not_keep_the_others_from_being_deleted(
    store: FeatureStore, blog: Blog, wall: Reply
) -> None:
    """Be it one that was never read, or one that was."""
    blog["/sitemap.xml"] = sitemap(*TEXTS, "/closed")
    blog["/closed"] = wall
    ingest(store, blog)
    blog["/one"], blog["/two"] = wall, Reply("no such page", 404)
    assert [ingest(store, blog).deleted for _ in range(3)] == [0, 1, 0]
    assert titles(store) == {"Post one", "Post three"}
    blog["/sitemap.xml"] = sitemap("/three", "/closed")
    assert ingest(store, blog).deleted == 1
    assert titles(store) == {"Post three"}


@pytest.mark.parametrize("wall", [WALL, Reply("members only", 403), HOME])
@pytest.mark.parametrize("also", [(), ("/sitemap.xml",), ("/sitemap.xml", "/")])
def test_a_site_that_shows_walls_everywhere_deletes_nothing(
    store: FeatureStore, blog: Blog, wall: Reply, also: tuple[str, ...]
) -> None:
    ingest(store, blog)
    for path in (*TEXTS, *also):
        blog[path] = wall
    assert [ingest(store, blog).deleted for _ in range(3)] == [0, 0, 0]
    assert len(titles(store)) == 3


def test_a_sitemap_that_lost_a_page_loses_the_post_and_one_that_lost_most_loses_none(
    store: FeatureStore, blog: Blog
) -> None:
    ingest(store, blog)
    xml = {"Content-Type": "application/xml"}
    blog["/sitemap.xml"] = Reply(sitemap("/one"), headers=xml)
    report = ingest(store, blog)
    assert (report.deleted, report.withheld, len(titles(store))) == (0, 2, 3)
    blog["/sitemap.xml"] = Reply(sitemap("/one", "/three"), headers=xml)
    assert ingest(store, blog).deleted == 1
    assert titles(store) == {"Post one", "Post three"}


def test_a_site_that_cannot_be_reached_loses_nothing(store: FeatureStore, blog: Blog) -> None:
    ingest(store, blog)
    blog["/robots.txt"] = Reply("busy", 503)
    report = ingest(store, blog)
    assert (report.deleted, report.stored, len(titles(store))) == (0, 0, 3)


def test_a_page_that_is_a_copy_is_read_again_when_its_original_has_other_words(
    store: FeatureStore, blog: Blog, tmp_path: Path
) -> None:
    """Though it says itself that it is as it was."""
    note = tmp_path / "note.md"
    note.write_text(f"# Mine\n\n{TEXTS['/two']}", encoding="utf-8")
    pipeline.run([str(note)], "Ada", store)
    assert ingest(store, blog).duplicate == 1
    note.write_text("# Mine\n\nNow of kettles, which whistle in two keys at once when they are old.", encoding="utf-8")
    pipeline.run([str(note)], "Ada", store)
    report = ingest(store, blog)
    assert (report.added, report.unchanged, report.duplicate) == (1, 2, 0)
    assert titles(store) == {"Mine", "Post one", "Post two", "Post three"}
    assert ingest(store, blog).unchanged == 3


class Moody(WordEmbedder):
    """What it makes of texts about zeros is no number, on some days."""

    moody = True

    def embed(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> NDArray[np.float32]:
        made = super().embed(texts, progress)
        made[[number for number, text in enumerate(texts) if self.moody and "zero" in text]] = np.nan
        return made


def test_a_page_whose_new_words_were_refused_is_not_taken_for_known(tmp_path: Path, blog: Blog) -> None:
    store = FeatureStore(tmp_path / "moody", Moody())
    ingest(store, blog)
    blog["/two"] = Reply(
        article("Post two", "A zero is no number, said the wireless, and nobody in the room could answer it."),
        headers={"ETag": '"new"'},
    )
    for _ in range(2):
        report = ingest(store, blog)
        assert (report.refused, report.deleted, report.unchanged) == ({"quarantined": 1}, 0, 2)
    assert isinstance(store.embedder, Moody)
    store.embedder.moody = False
    assert ingest(store, blog).changed == 1
    store.close()


@pytest.mark.parametrize(("status", "runs"), [(404, 2), (410, 1)])
def test_a_single_page_is_deleted_as_any_other(store: FeatureStore, blog: Blog, status: int, runs: int) -> None:
    page = f"{blog.url}/one"
    there = blog.replies["/one"]
    pipeline.run([page], "Ada", store)
    for run in range(1, runs + 1):
        blog["/one"] = [Reply("no such page", status)]
        report = pipeline.run([page], "Ada", store)
        assert (list(report.failed), list(report.gone)) == (([], [page]) if run == runs else ([page], []))
        assert report.deleted == int(run == runs)
        if run < runs:  # found again in between, it is not on its way out
            blog["/one"] = there
            assert pipeline.run([page], "Ada", store).unchanged == 1
            blog["/one"] = Reply("no such page", status)
            assert pipeline.run([page], "Ada", store).deleted == 0
    assert pipeline.run([page], "Ada", store).deleted == 0
    blog["/one"] = there  # with the tag that it had
    assert pipeline.run([page], "Ada", store).added == 1


def test_a_page_that_is_gone_for_good_fails_no_later_sync_and_says_the_way_out(store: FeatureStore, blog: Blog) -> None:
    page = f"{blog.url}/one"
    pipeline.run([page, f"{blog.url}/two"], "Ada Lovelace", store)
    blog["/one"] = Reply("gone", 410)
    for deleted in (1, 0, 0):
        report = pipeline.run([page, f"{blog.url}/two"], "Ada Lovelace", store)
        assert (report.failed, report.deleted, report.unchanged) == ({}, deleted, 1)
        way = f"twin forget --author 'Ada Lovelace' --source {page}"
        assert report.gone == {
            page: f"{page} is no more, and nothing is stored of it → {way} ends that it is asked for"
        }
    store.forget_source("Ada Lovelace", page)
    assert [source.address for source in store.sightings.sources()] == [f"{blog.url}/two"]


def test_a_feed_that_is_gone_fails_as_long_as_its_posts_are_there(store: FeatureStore, blog: Blog) -> None:
    feed = f"{blog.url}/feed"
    pipeline.run([feed], "Ada", store)
    blog["/feed"] = Reply("gone", 410)
    for _ in range(3):
        report = pipeline.run([feed], "Ada", store)
        assert (list(report.failed), report.gone, report.deleted) == ([feed], {}, 0)


def test_a_mistyped_address_is_not_read_again_by_a_sync(store: FeatureStore, blog: Blog) -> None:
    report = pipeline.run([f"{blog.url}/onee"], "Ada", store)
    assert report.refused == {"not_found": 1}
    assert store.sightings.sources() == []
    ingest(store, blog)
    assert [source.address for source in store.sightings.sources()] == [blog.url]


def test_nor_is_an_account_whose_platform_lists_nothing_of_it(store: FeatureStore, blog: Blog) -> None:
    """What failed there is another address than the one that was given."""
    blog["/api/v1/accounts/lookup?acct=ada"] = json.dumps({"id": "7", "username": "ada"})
    profile, listing = f"{blog.url}/@ada", "/api/v1/accounts/7/statuses?limit=40&exclude_reblogs=true"
    assert list(pipeline.run([profile], "Ada", store).failed) == [profile]
    assert listing in blog.asked
    assert store.sightings.sources() == []
    blog[listing] = "[]"
    assert pipeline.run([profile], "Ada", store).failed == {}
    assert [source.address for source in store.sightings.sources()] == [profile]


def test_a_forgotten_page_is_not_unchanged_but_forgotten(store: FeatureStore, blog: Blog) -> None:
    ingest(store, blog)
    store.forget("Ada", [store.find_post("Ada", f"{blog.url}/two")])
    report = ingest(store, blog)
    assert (report.unchanged, report.refused, report.found) == (2, {"forgotten": 1}, 3)
    assert ingest(store, blog).refused == {"forgotten": 1}
