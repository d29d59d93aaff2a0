"""The copy meter: the longest run of words that an answer shares with any post of the author's, case and punctuation aside.

Every run of FEWEST words of every post is a hash in one sorted array, made when the first answer from a snapshot is checked
and kept for the next ones. The posts that share runs with an answer are then compared with it word by word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from contracts.records import Copied, Post

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from contracts.feature_store import FeatureStore

FEWEST = 6  # words in a row; fewer are how people talk
POSTS = 3  # that share most are compared word by word
SAME = 50  # posts that share one run; one that more of them share is no copy of any
AUTHORS = 2  # whose runs are kept: 12 bytes a word

_WORD = re.compile(r"\[\d{1,2}\]|[^\W_]+")
_FACTOR = 0x9E3779B97F4A7C15


class Words(NamedTuple):
    """The words of a text in lower case, and where they stand in it. Markers are none."""

    words: list[str]
    spans: list[tuple[int, int]]

    @classmethod
    def of(cls, text: str) -> Words:
        found = [match for match in _WORD.finditer(text) if match[0][0] != "["]
        return cls([match[0].lower() for match in found], [match.span() for match in found])


class Runs(NamedTuple):
    """Every run of FEWEST words of some posts: `post_ids[owners[n]]` has the run whose hash is `hashes[n]`, in order."""

    hashes: NDArray[np.uint64]
    owners: NDArray[np.int32]
    post_ids: list[str]


def copied(store: FeatureStore, author: str, snapshot: str, text: str) -> Copied | None:
    """What of `text` is copied from a post of the author's; None where fewer words in a row are shared than FEWEST."""
    answer = Words.of(text)
    if len(answer.words) < FEWEST:
        return None
    posts = store.posts_by_id(_sharing(answer.words, _runs_of(store, author, snapshot)))
    found = [one for post in posts if (one := _in_post(answer, post))]
    return max(found, key=lambda one: one.words, default=None)


def longest(ours: Sequence[str], theirs: Sequence[str]) -> tuple[int, int, int]:
    """Length of the longest common run, and where it begins in each; the earliest of theirs where there are several."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(ours):
        places.setdefault(word, []).append(place)
    best, running = (0, 0, 0), dict[int, int]()  # by the place in ours at which a run ends: how long it is
    for there, word in enumerate(theirs):
        running = {here: running.get(here - 1, 0) + 1 for here in places.get(word, ())}
        for here, length in running.items():
            if length > best[0]:
                best = length, here - length + 1, there - length + 1
    return best


@lru_cache(maxsize=AUTHORS)
def _runs_of(store: FeatureStore, author: str, snapshot: str) -> Runs:
    """The posts of `snapshot`, which names what the answer was written from: another one, and the runs are made again."""
    import numpy as np

    posts = store.posts(author)
    hashed = [_hashed([word for word in _WORD.findall(post.text.lower()) if word[0] != "["]) for post in posts]
    hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *hashed])
    order = np.argsort(hashes, kind="stable")
    owners = np.repeat(np.arange(len(posts), dtype=np.int32), [len(some) for some in hashed])
    return Runs(hashes[order], owners[order], [post.id for post in posts])


def _hashed(words: Sequence[str]) -> NDArray[np.uint64]:
    """Of each run of FEWEST words. Python's hash of a word differs between processes, and none of these leaves this one."""
    import numpy as np

    each = np.fromiter(map(hash, words), dtype=np.int64, count=len(words)).view(np.uint64)
    count = max(len(words) - FEWEST + 1, 0)
    runs = np.zeros(count, dtype=np.uint64)
    for first in range(FEWEST):
        runs = runs * np.uint64(_FACTOR) + each[first : first + count]
    return runs


def _sharing(words: Sequence[str], runs: Runs) -> list[str]:
    """The posts that share the longest runs with `words`, by as many runs of FEWEST as follow each other."""
    import numpy as np

    wanted = _hashed(words)
    firsts, lasts = np.searchsorted(runs.hashes, wanted, "left"), np.searchsorted(runs.hashes, wanted, "right")
    running, best = dict[int, int](), dict[int, int]()
    for first, last in zip(firsts, lasts, strict=True):
        owners = {int(owner) for owner in runs.owners[first : min(last, first + SAME)]}
        running = {owner: running.get(owner, 0) + 1 for owner in owners}
        for owner, length in running.items():
            best[owner] = max(length, best.get(owner, 0))
    return [runs.post_ids[owner] for owner in sorted(best, key=lambda owner: (-best[owner], owner))[:POSTS]]


def _in_post(answer: Words, post: Post) -> Copied | None:
    theirs = Words.of(post.text)
    words, here, there = longest(answer.words, theirs.words)
    if words < FEWEST:
        return None
    return Copied(
        words=words,
        start=answer.spans[here][0],
        end=answer.spans[here + words - 1][1],
        post_id=post.id,
        title=post.title,
        url=post.url,
        post_start=theirs.spans[there][0],
        post_end=theirs.spans[there + words - 1][1],
    )
