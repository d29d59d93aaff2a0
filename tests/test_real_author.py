"""A real blog of nineteen years, whole: every post taken, every chunk an exact slice, every title findable."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import search
from feature_pipeline import pipeline


@pytest.mark.real_data
def test_all_posts_are_stored_none_lost_and_the_second_run_changes_nothing(
    store: FeatureStore, real_data: Path
) -> None:
    folder = real_data / "blogs" / "skeeto" / "_posts"
    files = sorted(path.name for path in folder.iterdir())
    report = pipeline.run([str(folder)], "skeeto", store)
    assert (report.found, report.added, report.duplicate, report.refused, report.failed) == (
        len(files),
        len(files),
        0,
        {},
        {},
    )
    posts = {post.id: post for post in store.posts("skeeto")}
    assert sorted(post.source_id for post in posts.values()) == files
    assert all(str(post.date) <= "2026-12-31" and post.text for post in posts.values())
    assert store.authors()[0].chunks == report.chunks == store.index_size()

    for title in ("Concurrent, atomic MSI hash tables", "null program is Alive"):
        found = search(store, title, "skeeto", 5)
        assert title in {passage.title for passage in found}
        assert all(posts[p.post_id].text[p.start : p.end] == p.text for p in found)

    snapshot, embedded = store.snapshot(), store.embedder.embedded  # type: ignore[attr-defined]
    again = pipeline.run([str(folder)], "skeeto", store)
    assert (again.unchanged, again.embedded, store.snapshot()) == (len(files), 0, snapshot)
    assert store.embedder.embedded <= embedded + 2  # type: ignore[attr-defined]  # the two searches above

    parts = list(store.splits("skeeto")[0].values())
    assert [parts.count(part) for part in ("train", "validation", "test")] == [306, 44, 87]
