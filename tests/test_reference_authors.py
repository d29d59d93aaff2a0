"""Who an author is compared with: nobody whose posts their language alone would tell."""

from __future__ import annotations

import pytest

from contracts.feature_store import FeatureStore
from contracts.records import Post
from feature_pipeline.pipeline import label
from tests.fakes import WORDS, fill, post, voice
from training_pipeline import data


@pytest.mark.parametrize(
    ("mine", "theirs", "alike"),
    [
        (["en"] * 9 + ["de"], ["de"], True),
        (["en"] * 19 + ["de"], ["de"], False),  # one post in twenty may as well be a wrong guess
        (["en"] * 9, ["de", "en", "en"], True),
        (["en"] * 9, ["de", "de", "en"], False),
        (["en"] * 9, [""], True),
        ([""], ["de"], True),
        (["en"], [], True),
    ],
)
def test_who_writes_mostly_in_a_language_of_the_authors_is_compared_with(
    mine: list[str], theirs: list[str], alike: bool
) -> None:
    def posts(languages: list[str]) -> list[Post]:
        return [post(n, "Text.").model_copy(update={"language": language}) for n, language in enumerate(languages)]

    assert data.comparable(posts(mine), posts(theirs)) is alike


def test_a_reference_author_of_another_language_is_left_out_and_named(store: FeatureStore) -> None:
    for author, language in (("Ada", "en"), ("Bea", "en"), ("Cy", "de")):
        made = [post(n, voice(n, WORDS), author).model_copy(update={"language": language}) for n in range(6)]
        fill(store, made, reference=author != "Ada")
        label(author, store, changed=True)
    corpus = data.read(store, "Ada")
    assert {example.author for example in corpus.reference} == {"Bea"}
    assert {found.author for found in corpus.posts.values()} == {"Ada", "Bea"}
    assert corpus.other_languages == ("Cy",)
