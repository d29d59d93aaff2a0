"""Copies: the longest run of words that a text shares with posts, case and punctuation aside.

Every run of FEWEST words of every post is a hash in one sorted array, with the place where it stands. Runs of a text that
stand behind each other in a post, too, are one copy; the longest of them is found exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST = 6  # words in a row; fewer are how people talk

_WORD = re.compile(r"\[\d{1,2}\]|[^\W_]+")  # a marker is no word
_FACTOR = 0x9E3779B97F4A7C15


class Copy(NamedTuple):
    """`text[start:end]` is `words` words in a row that the post has from its word number `at` on."""

    words: int
    start: int
    end: int
    post_id: str
    at: int

    def span(self, post: str) -> tuple[int, int]:
        """Where it stands in the post's text."""
        spans = _spans(post)
        return spans[self.at][0], spans[self.at + self.words - 1][1]


class Runs:
    """The runs of FEWEST words of some posts, each given as its id and its text: 12 bytes a word."""

    def __init__(self, posts: Iterable[tuple[str, str]]) -> None:
        import numpy as np

        self._ids = list[str]()
        rows = list["NDArray[np.uint64]"]()
        for post_id, text in posts:
            self._ids.append(post_id)
            rows.append(_hashed(_words(text)))
        self._ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
        runs = _runs(np.concatenate([np.zeros(0, dtype=np.uint64), *rows]))
        places = np.arange(len(runs), dtype=np.int32)
        # A run that would go on in the next post is none.
        whole = places + FEWEST <= self._ends[np.searchsorted(self._ends, places, "right")] if len(runs) else places > 0
        runs, places = runs[whole], places[whole]
        order = np.argsort(runs, kind="stable")
        self._hashes, self._places = runs[order], places[order]

    def longest(self, text: str) -> Copy | None:
        """None where fewer words in a row than FEWEST are shared; of several that are as long, the first in the text."""
        import numpy as np

        wanted = _runs(_hashed(_words(text)))
        firsts, lasts = np.searchsorted(self._hashes, wanted, "left"), np.searchsorted(self._hashes, wanted, "right")
        counts = lasts - firsts
        if not counts.any():
            return None
        here = np.repeat(np.arange(len(wanted)), counts)
        there = self._places[np.repeat(firsts - np.cumsum(counts) + counts, counts) + np.arange(len(here))]
        # Runs that follow each other in both have the same distance, and are next to each other in this order.
        order = np.lexsort((here, there - here))
        here, there = here[order], there[order]
        breaks = np.flatnonzero((np.diff(here) != 1) | (np.diff(there) != 1)) + 1
        begins, ends = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(here)]])
        lengths = ends - begins
        longest = begins[lengths == lengths.max()]
        best = int(longest[np.lexsort((there[longest], here[longest]))[0]])
        return self._copy(text, int(here[best]), int(there[best]), int(lengths.max()) + FEWEST - 1)

    def _copy(self, text: str, here: int, there: int, words: int) -> Copy:
        import numpy as np

        spans, post = _spans(text), int(np.searchsorted(self._ends, there, "right"))
        at = there - (int(self._ends[post - 1]) if post else 0)
        return Copy(words, spans[here][0], spans[here + words - 1][1], self._ids[post], at)


def _words(text: str) -> list[str]:
    """Each in lower case by itself: a text in lower case may have other words ("İ" is two characters then)."""
    return [word.lower() for word in _WORD.findall(text) if word[0] != "["]


def _spans(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in _WORD.finditer(text) if match[0][0] != "["]


def _hashed(words: Sequence[str]) -> NDArray[np.uint64]:
    """Python's hash of a word differs between processes, and none of these leaves this one."""
    import numpy as np

    return np.fromiter(map(hash, words), dtype=np.int64, count=len(words)).view(np.uint64)


def _runs(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A hash of each run of FEWEST words."""
    import numpy as np

    count = max(len(words) - FEWEST + 1, 0)
    runs = np.zeros(count, dtype=np.uint64)
    for first in range(FEWEST):
        runs = runs * np.uint64(_FACTOR) + words[first : first + count]
    return runs
