"""Copies: the longest run of words that a text shares with posts, case and punctuation aside.

Every run of FEWEST words of every post is a hash in one sorted array, with the place where it stands. A copy is looked at
only where it begins, where the words before differ: else a text that repeats itself would meet such a post in as many places
as the product of the two lengths. How far it goes is told by hashes of whole stretches. The longest is found exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST = 6  # words in a row; fewer are how people talk

_WORD = re.compile(r"\[\d{1,3}\]|[^\W_]+")  # a marker is no word
_FACTOR = 0x9E3779B97F4A7C15
_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")


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
    """The runs of FEWEST words of some posts, each given as its id and its text: 24 bytes a word."""

    def __init__(self, posts: Iterable[tuple[str, str]]) -> None:
        import numpy as np

        self._ids = list[str]()
        rows = list["NDArray[np.uint64]"]()
        for post_id, text in posts:
            self._ids.append(post_id)
            rows.append(_hashed(_words(text)))
        self._ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
        words = np.concatenate([np.zeros(0, dtype=np.uint64), *rows])
        runs, before = _runs(words), _before(words)
        before[self._ends[self._ends < len(words)]] = 0
        self._sums = _sums(words)
        places = np.arange(len(runs), dtype=np.int32)
        # A run that would go on in the next post is none.
        whole = places + FEWEST <= self._ends[np.searchsorted(self._ends, places, "right")] if len(runs) else places > 0
        runs, places = runs[whole], places[whole]
        order = np.lexsort((before[places], runs))
        self._hashes, self._places = runs[order], places[order]
        self._before = before[self._places]

    def longest(self, text: str) -> Copy | None:
        """None where fewer words in a row than FEWEST are shared; of several that are as long, the first in the text."""
        import numpy as np

        words = _hashed(_words(text))
        here, there = self.begins(words)
        if not len(here):
            return None
        sums, lengths = _sums(words), np.full(len(here), FEWEST)
        room = np.minimum(len(words) - here, self._ends[np.searchsorted(self._ends, there, "right")] - there)
        for step in (1 << bit for bit in reversed(range(int(room.max()).bit_length()))):
            at = np.flatnonzero(lengths + step <= room)
            mine, its = here[at] + lengths[at], there[at] + lengths[at]
            lengths[at[_stretch(sums, mine, step) == _stretch(self._sums, its, step)]] += step
        longest = np.flatnonzero(lengths == lengths.max())
        best = longest[np.lexsort((there[longest], here[longest]))[0]]
        return self._copy(text, int(here[best]), int(there[best]), int(lengths[best]))

    def begins(self, words: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where runs that are shared begin: the word's number here, and its place in the posts."""
        import numpy as np

        wanted, before = _runs(words), _before(words)
        firsts, lasts = np.searchsorted(self._hashes, wanted, "left"), np.searchsorted(self._hashes, wanted, "right")
        here, there = list[int](), [np.zeros(0, dtype=np.int32)]
        for at in np.flatnonzero(lasts > firsts).tolist():
            first, last = firsts[at], lasts[at]
            # A copy's further runs have the same word before them in both; a beginning has none before it.
            group = self._before[first:last]
            low, high = (np.searchsorted(group, before[at], side) if at else 0 for side in _SIDES)
            here.append(at)
            there += [self._places[first : first + low], self._places[first + high : last]]
        counts = [len(low) + len(high) for low, high in zip(there[1::2], there[2::2], strict=True)]
        return np.repeat(np.array(here, dtype=np.int64), counts), np.concatenate(there).astype(np.int64)

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


def _before(words: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Of each word, half the hash of the word before it."""
    import numpy as np

    before = np.zeros(len(words), dtype=np.uint32)
    before[1:] = words[:-1] >> np.uint64(32)
    return before


def _sums(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Of each place, a hash of all the words before it: the last one's, and the factor times the sum before that."""
    import numpy as np

    sums, powers = np.zeros(len(words) + 1, dtype=np.uint64), np.full(len(words), _FACTOR, dtype=np.uint64)
    inverse = np.full(len(words), pow(_FACTOR, -1, 1 << 64), dtype=np.uint64)
    sums[1:] = np.cumsum(words * np.cumprod(inverse)) * np.cumprod(powers)
    return sums


def _stretch(sums: NDArray[np.uint64], first: NDArray[np.int64], count: int) -> NDArray[np.uint64]:
    """A hash of the `count` words from each of these places on."""
    import numpy as np

    return sums[first + count] - sums[first] * np.uint64(pow(_FACTOR, count, 1 << 64))
