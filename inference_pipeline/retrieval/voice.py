"""How the author writes: short passages of their own words about other things, for a model that has no adapter.

A second retrieval beside the evidence: from other posts than the passages, of the kind nearest to an answer that the author
has enough of. They are shown apart from the passages, and never cited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import search
from contracts.formats import Format
from contracts.records import Post

if TYPE_CHECKING:
    from inference_pipeline.twin import Found

KINDS: tuple[Format, ...] = ("reply", "note", "article", "document")
ENOUGH = 5  # posts of a kind
LOOKED_AT = 20  # chunks
SHORTEST, LONGEST = 150, 400  # characters
_NO_PROSE = re.compile(r"\s*(?:[#>|`~*+-]|\d+[.)]\s|!?\[|<)")
_SENTENCE_END = re.compile(r"[.!?…][\"”’')]*(?=\s|$)")


def voice(store: FeatureStore, found: Found, count: int) -> tuple[str, ...]:
    """Up to `count` texts, nearest to the question first, from posts that no passage is of and the filters let through.

    They are of the kind that is asked for, where the author has written enough of it, else of the one nearest to an answer.
    """
    if not count:
        return ()
    author, filters = found.question.author, found.question.filters
    written = store.corpus(author)["formats"]
    asked = found.question.format
    wanted = (asked, *KINDS) if asked else KINDS
    kind = filters.format or next((kind for kind in wanted if written.get(kind, 0) >= ENOUGH), None)
    hits = search(store, found.asked, author, LOOKED_AT, filters=replace(filters, format=kind))
    shown = {passage.post_id for passage in found.passages}
    ids = [post_id for post_id in dict.fromkeys(passage.post_id for passage in hits) if post_id not in shown]
    posts = {post.id: post for post in store.posts_by_id(ids)}
    texts = (next(own_words(posts[post_id]), None) for post_id in ids if post_id in posts)
    return tuple(text for text in texts if text)[:count]


def own_words(post: Post) -> Iterator[str]:
    """Paragraphs of the author's own prose, cut at a sentence's end, with what is private masked."""
    at = 0
    for paragraph in post.text.split("\n\n"):
        start, end = at, at + len(paragraph)
        at = end + 2
        if _NO_PROSE.match(paragraph) or any(
            m.start < end and m.end > start and m.kind != "private" for m in post.marks
        ):
            continue
        ends = [found.end() for found in _SENTENCE_END.finditer(paragraph) if found.end() <= LONGEST]
        if ends and ends[-1] >= SHORTEST:
            yield post.shown(start, start + ends[-1])
