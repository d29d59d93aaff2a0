"""What a reader gets of what was found: no copies of one thing, and neighbours joined, exact to the character."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import fuse, search
from contracts.records import Passage
from inference_pipeline.retrieval.retrieve import retrieve
from inference_pipeline.retrieval.selection import diverse, joined, select
from tests.fakes import WordEmbedder, fill, post

NOTICE = (
    "The workshop is shut in August, and whoever brings a clock then will find a note on the door and no help at all. "
    "Leave it with the baker, who has a dry shelf, knows me well, asks for nothing but your name, and gives no receipt. "
    "Springs, keys and loose screws belong in an envelope inside its case, because mice carry off whatever glitters."
)
PARAGRAPHS = [
    f"## Part {n}\n\n" + f"The pendulum of clock number{n} wants oil{n} and patience{n}. " * 12 for n in range(6)
]
LONG = "\n\n".join(PARAGRAPHS)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureStore]:
    made = FeatureStore(tmp_path_factory.mktemp("home"), WordEmbedder(2048))
    fill(
        made,
        [post(0, LONG), *(post(n, NOTICE) for n in range(1, 6)), post(7, "The workshop opens again in September.")],
    )
    fill(made, [post(8, NOTICE, author="Bea")])
    yield made
    made.close()


def selected(store: FeatureStore, query: str) -> list[Passage]:
    return select(store, fuse(store.search(query, "Ada")), 2)


def test_four_passages_are_not_four_copies_of_one(store: FeatureStore) -> None:
    ranked = fuse(store.search("When is the workshop shut in August?", "Ada"))
    as_they_come = {passage.text for passage in search(store, "When is the workshop shut in August?", "Ada", 4)}
    assert as_they_come == {NOTICE}
    chosen = diverse(store, ranked, 4)
    assert len(chosen) == 4
    assert chosen[0] == ranked[0]
    found = retrieve(store, "When is the workshop shut in August?", "Ada", 4)
    assert [passage.text for passage in found].count(NOTICE) == 1
    assert "The workshop opens again in September." in [passage.text for passage in found]


def test_neighbours_are_one_passage_which_is_exactly_its_slice(store: FeatureStore) -> None:
    (whole,) = [one for one in store.posts("Ada") if one.text == LONG]
    found = selected(store, "oil2 patience2 number2 oil3 patience3 number3 pendulum")
    assert len(found) == 1
    assert "patience2" in found[0].text
    assert "patience3" in found[0].text
    assert found[0].text == whole.text[found[0].start : found[0].end]
    assert found[0].post_id == whole.id


def test_what_stands_apart_stays_apart(store: FeatureStore) -> None:
    found = selected(store, "oil0 patience0 number0 oil4 patience4 number4 pendulum")
    assert len(found) == 2
    assert found[0].post_id == found[1].post_id
    assert abs(found[0].start - found[1].start) > 1000


def test_a_joined_passage_keeps_the_place_of_its_best_part(store: FeatureStore) -> None:
    parts = search(store, "oil2 patience2 number2 pendulum oil3", "Ada", 6)
    made = joined(store, parts)
    assert made[0].score == parts[0].score
    assert made[0].similarity == max(passage.similarity for passage in parts)
    assert [passage.score for passage in made] == sorted((passage.score for passage in made), reverse=True)
    assert joined(store, []) == []


def test_chunks_that_are_gone_meanwhile_are_left_out(store: FeatureStore) -> None:
    ranked = [chunk._replace(chunk_id="gone") for chunk in fuse(store.search("the workshop", "Ada"))[:1]]
    assert diverse(store, ranked, 4) == []
    assert diverse(store, [], 4) == []
