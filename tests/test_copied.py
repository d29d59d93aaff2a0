"""The copy meter finds what was planted, in posts that the answer was not written from too, with exact places."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.feature_store import FeatureStore
from inference_pipeline.grounding.copied import copied
from tests.fakes import OTHER_WORDS, WORDS, WordEmbedder, fill, post, voice

SECRET = (
    "Grandmother’s biscuit tin held eleven watch keys, a thimble, and one letter from Lisbon that nobody ever read."
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    made = FeatureStore(tmp_path / "home", WordEmbedder(512))
    fill(made, [post(number, voice(number, WORDS, 60)) for number in range(150)])
    fill(made, [post(200, f"{voice(200, WORDS, 300)}\n\n{SECRET}\n\n{voice(201, WORDS, 300)}")])
    fill(made, [post(1, SECRET, author="Bea")])
    yield made
    made.close()


def test_a_planted_copy_is_found_in_a_post_that_was_not_shown(store: FeatureStore) -> None:
    planted = "eleven WATCH keys; a thimble [2] and one letter from Lisbon"
    answer = f"{voice(7, OTHER_WORDS, 20)} I say {planted}, {voice(8, OTHER_WORDS, 20)}"
    found = copied(store, "Ada", store.snapshot().id, answer)
    assert found
    assert (found.words, answer[found.start : found.end]) == (10, planted)
    whole = store.post(found.post_id, "Ada")
    assert whole.text[found.post_start : found.post_end] == "eleven watch keys, a thimble, and one letter from Lisbon"
    assert (found.title, found.url) == (whole.title, whole.url)


def test_what_shares_no_run_is_no_copy(store: FeatureStore) -> None:
    assert copied(store, "Ada", store.snapshot().id, "Zinc and volt and amp are what a relay has.") is None
    assert copied(store, "Ada", store.snapshot().id, "") is None
    assert copied(store, "Ada", store.snapshot().id, "eleven watch keys") is None


def test_another_authors_words_are_not_compared(store: FeatureStore) -> None:
    found = copied(store, "Bea", store.snapshot().id, SECRET)
    assert found
    assert store.post(found.post_id, "Bea").text == SECRET


def test_a_post_that_has_come_since_is_compared_too(store: FeatureStore) -> None:
    said = "No harbour pilot ever whistles at seven in the morning."
    assert copied(store, "Ada", store.snapshot().id, said) is None
    fill(store, [post(300, f"{said} So I was told.")])
    found = copied(store, "Ada", store.snapshot().id, said)
    assert found
    assert found.words == 10


def test_a_post_that_changed_meanwhile_is_compared_as_it_is(store: FeatureStore) -> None:
    snapshot = store.snapshot().id
    assert copied(store, "Ada", snapshot, SECRET)
    edited = post(200, f"Now shorter. {SECRET}")
    fill(store, [edited])
    found = copied(store, "Ada", snapshot, SECRET)
    assert found
    whole = store.post(found.post_id, "Ada").text
    assert whole[found.post_start : found.post_end] == SECRET.rstrip(".")
