"""The copy meter: the longest run of words that an answer shares with any post of the author's, case and punctuation aside.

The runs of the posts are read when the first answer from a snapshot is checked, and kept for the next ones.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from contracts.copies import Copy, Runs
from contracts.records import Copied, Post

if TYPE_CHECKING:
    from contracts.feature_store import FeatureStore

AUTHORS = 2  # whose runs are kept: 24 bytes a word


def copied(store: FeatureStore, author: str, snapshot: str, text: str) -> Copied | None:
    """What of `text` is copied from a post of the author's; None where fewer words in a row are shared than FEWEST."""
    known = _runs_of(store, author, snapshot).longest(text)
    for post in store.posts_by_id([known.post_id]) if known else ():
        if found := Runs([(post.id, post.text)]).longest(text):  # as it reads now
            return _told(found, post)
    return None


def _told(found: Copy, post: Post) -> Copied:
    start, end = found.span(post.text)
    return Copied(
        words=found.words,
        start=found.start,
        end=found.end,
        post_id=post.id,
        title=post.title,
        url=post.url,
        post_start=start,
        post_end=end,
    )


@lru_cache(maxsize=AUTHORS)
def _runs_of(store: FeatureStore, author: str, snapshot: str) -> Runs:
    """The posts of `snapshot`, which names what the answer was written from: another one, and the runs are made again."""
    return Runs((post.id, post.text) for post in store.posts(author))
