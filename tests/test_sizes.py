"""How many posts does an adapter need? What a size leaves of a corpus: the documented figures are wrong where this is."""

from __future__ import annotations

from benchmarks import real_authors
from contracts.feature_store import FeatureStore
from tests.fakes import stock
from training_pipeline import data


def test_a_size_keeps_the_newest_training_posts_and_what_they_are_measured_on(store: FeatureStore) -> None:
    stock(store)
    corpus = data.read(store, "Ada")
    part = real_authors.newest(corpus, 6)
    kept = sorted(corpus.posts[post_id].source_id for post_id in part.train_ids)
    whole = sorted((corpus.posts[post_id].date, post_id) for post_id in corpus.train_ids)
    assert kept == sorted(corpus.posts[post_id].source_id for _, post_id in whole[-6:])
    assert {span.post_id for example in part.examples["train"] for span in example.evidence} <= part.train_ids
    assert (part.examples["validation"], part.examples["test"]) == (
        corpus.examples["validation"],
        corpus.examples["test"],
    )
    assert part.reference == corpus.reference
    assert part.hash != corpus.hash
    assert real_authors.newest(corpus, 100).examples == corpus.examples
