"""Everything that is found out about a text once the model has said it, before a reader sees it whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from contracts.records import Citation, Copied, NearestPost, Sentence
from inference_pipeline.grounding.answerable import fitted, nearest
from inference_pipeline.grounding.copied import copied
from inference_pipeline.grounding.ground import ground

if TYPE_CHECKING:
    from contracts.feature_store import FeatureStore
    from inference_pipeline.twin import Found

NOTHING_FOUND = "I have not written about that."
LIMIT = 0.9  # of the tokens that a model may say: a piece of a stream may hold more than one


class Checked(TypedDict):
    """The fields of an Answer that come from its text."""

    answer: str
    citations: tuple[Citation, ...]
    sentences: tuple[Sentence, ...]
    unsupported_claims: int
    cut: bool
    copied: Copied | None
    nearest: tuple[NearestPost, ...]


def check(store: FeatureStore, found: Found, text: str, limited: bool) -> Checked:
    """What the model said, traced to the passages that it was shown; the refusal, or a fixed reply, where there were none.

    `limited`: the model ended because it may say no more.
    """
    author = found.question.author
    if not found.passages:
        return Checked(
            answer=found.reply or NOTHING_FOUND,
            citations=(),
            sentences=(),
            unsupported_claims=0,
            cut=False,
            copied=None,
            nearest=() if found.reply else nearest(store, found.asked, author, found.question.filters),
        )
    version = store.active()
    embed = store.embedder_of(version).embed if version and fitted(store) else None
    grounded = ground(text, found.passages, found.asked, embed, limited)
    claims = sum(s.first_person and s.support == "unsupported" for s in grounded.sentences)
    return Checked(
        answer=grounded.text or NOTHING_FOUND,
        citations=grounded.citations,
        sentences=grounded.sentences,
        unsupported_claims=claims,
        cut=grounded.cut,
        copied=copied(store, author, found.snapshot, grounded.text[: grounded.said]),
        nearest=(),
    )
