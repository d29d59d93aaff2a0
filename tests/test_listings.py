"""In step with a source: what a complete listing lacks is deleted, and a copy is no post of its own."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import search
from tests.ingested import ingest, write


def test_what_a_complete_listing_lacks_is_deleted_and_comes_back(store: FeatureStore, folder: Path) -> None:
    first = ingest(store, folder)
    kept = (folder / "0003.md").read_text("utf-8")
    (folder / "0003.md").unlink()
    report = ingest(store, folder)
    assert (report.deleted, report.unchanged, report.withheld) == (1, 7, 0)
    assert store.index_size() == 7
    assert "0003.md" not in {passage.source_id for passage in search(store, "subject3", "Ada", 10)}
    (folder / "0003.md").write_text(kept, encoding="utf-8")
    assert ingest(store, folder).added == 1
    assert store.snapshot() == first.snapshot


def test_a_listing_that_lost_most_of_it_deletes_nothing_unless_told_to(store: FeatureStore, folder: Path) -> None:
    ingest(store, folder)
    for number in range(5):
        (folder / f"{number:04}.md").unlink()
    report = ingest(store, folder)
    assert (report.deleted, report.withheld, len(store.posts("Ada"))) == (0, 5, 8)
    assert ingest(store, folder, allow_delete=True).deleted == 5
    assert len(store.posts("Ada")) == 3


def test_what_is_new_in_a_listing_does_not_vouch_for_what_it_lacks(store: FeatureStore, folder: Path) -> None:
    """Somebody else's posts stand at the address now: not today, and not at the next sync either."""
    ingest(store, folder)
    for number in range(8):
        (folder / f"{number:04}.md").unlink()
        write(folder, 20 + number)
    for added in (8, 0, 0):
        report = ingest(store, folder)
        assert (report.added, report.deleted, report.withheld) == (added, 0, 8)
    assert ingest(store, folder, allow_delete=True).deleted == 8
    (folder / "0020.md").unlink()  # what was doubted is believed again
    assert ingest(store, folder).deleted == 1


def test_a_run_with_a_limit_or_an_error_deletes_nothing(store: FeatureStore, folder: Path, tmp_path: Path) -> None:
    ingest(store, folder)
    (folder / "0000.md").unlink()
    assert ingest(store, folder, limit=7).deleted == 0
    shutil.move(folder, tmp_path / "moved")
    report = ingest(store, folder)
    assert (report.deleted, list(report.failed)) == (0, [str(folder)])
    assert len(store.posts("Ada")) == 8


def test_a_post_that_becomes_a_draft_is_taken_back(store: FeatureStore, folder: Path) -> None:
    ingest(store, folder)
    write(folder, 2, front="draft: true\n")
    report = ingest(store, folder)
    assert (report.deleted, report.refused, report.unchanged) == (1, {"draft": 1}, 7)


def test_a_cross_post_is_one_post_with_two_addresses(store: FeatureStore, folder: Path, tmp_path: Path) -> None:
    text = " ".join(random.Random(7).choices([f"word{n}" for n in range(400)], k=300))
    write(folder, 50, text=text, front="url: https://ada.example/one\n")
    edited = "Originally published elsewhere.\n\n" + text.replace("word7 ", "ward7 ", 3)
    write(tmp_path / "other", 1, text=edited, front="url: https://copy.example/1\n")
    ingest(store, folder)
    report = ingest(store, tmp_path / "other")
    assert (report.added, report.duplicate) == (0, 1)
    one = store.find_post("Ada", "https://copy.example/1")
    assert store.post(one, "Ada").source_id == "0050.md"
    assert store.sightings.addresses(one) == ["https://ada.example/one", "https://copy.example/1"]
    (folder / "0050.md").unlink()
    assert ingest(store, folder).deleted == 0  # the copy still shows it
    assert store.find_post("Ada", "0050.md") == one
    assert ingest(store, tmp_path / "other").duplicate == 1


def test_a_post_whose_own_source_is_gone_follows_its_copy(store: FeatureStore, folder: Path, tmp_path: Path) -> None:
    text = " ".join(random.Random(7).choices([f"word{n}" for n in range(400)], k=300))
    write(folder, 50, text=text)
    for place, edge in (("medium", "First."), ("letter", "Second.")):
        write(tmp_path / place, 1, text=f"{edge} {text}")
    ingest(store, folder, tmp_path / "medium", tmp_path / "letter")
    (one,) = (post.id for post in store.posts("Ada") if post.source_id == "0050.md")
    (folder / "0050.md").unlink()
    ingest(store, folder)
    write(tmp_path / "letter", 1, text=f"First. {text} And a line that is new.")
    report = ingest(store, tmp_path / "letter")
    assert (report.found, report.changed, report.duplicate) == (1, 1, 0)
    assert store.post(one, "Ada").text.endswith("And a line that is new.")
    for _ in range(2):  # the other copy, which lacks it, does not take turns with it
        ingest(store, tmp_path / "medium", tmp_path / "letter")
        assert store.post(one, "Ada").text.endswith("And a line that is new.")
    assert len(store.posts("Ada")) == 9
    write(folder, 50, text=text)  # it is back, and speaks for itself
    assert ingest(store, folder).changed == 1
    assert store.post(one, "Ada").text == text


def test_a_copy_beside_a_post_that_only_looks_changed_is_found(store: FeatureStore, folder: Path) -> None:
    text = " ".join(random.Random(7).choices([f"word{n}" for n in range(400)], k=300))
    write(folder, 50, text=f"{text}\n\nThe end.")
    ingest(store, folder)
    write(folder, 50, text=f"{text}  \n\n\n\n\nThe end.")
    write(folder, 51, text=f"Published elsewhere, too. {text}\n\nThe end.")
    report = ingest(store, folder)
    assert (report.unchanged, report.changed, report.added, report.duplicate) == (9, 0, 0, 1)


def test_a_copy_that_is_edited_becomes_a_post_of_its_own(store: FeatureStore, folder: Path) -> None:
    write(folder, 20, text="The same words.")
    write(folder, 21, text="The same words.")
    assert ingest(store, folder).duplicate == 1
    write(folder, 21, text="Quite another thing.")
    report = ingest(store, folder)
    assert (report.added, report.unchanged, report.deleted) == (1, 9, 0)


def test_a_post_that_becomes_a_copy_is_no_post_any_more(store: FeatureStore, folder: Path) -> None:
    write(folder, 20, text="The same words.")
    write(folder, 21, text="Other words.")
    ingest(store, folder)
    write(folder, 21, text="The same words.")
    report = ingest(store, folder)
    assert (report.duplicate, len(store.posts("Ada"))) == (1, 9)
    assert store.index_size() == 9


def test_posts_of_a_folder_that_is_a_theme_from_now_on_are_deleted(store: FeatureStore, tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / "content", number)
    write(tmp_path / "themes" / "plain", 9)
    assert ingest(store, tmp_path).added == 5
    (tmp_path / "hugo.toml").touch()
    (tmp_path / "themes" / "plain" / "theme.toml").touch()
    report = ingest(store, tmp_path)
    assert (report.unchanged, report.deleted, report.withheld, report.failed) == (4, 1, 0, {})
    assert report.refused == {"not_a_post": 1}
