"""Copies: words in a row that a text shares with posts, case and punctuation aside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

COPIED_WORDS = 12

_WORD = re.compile(r"[^\W_]+")
Hashes = NDArray[np.uint64]


class Posts:
    """The words of posts in one row, with a gap after each that matches nothing."""

    def __init__(self, posts: Mapping[str, str]) -> None:
        self._numbers: dict[str, int] = {}
        self._ids = list(posts)
        rows = [self._row(text, learn=True) for text in posts.values()]
        self._starts = np.cumsum([0, *(len(row) + 1 for row in rows)])
        gaps = [np.array([-1 - n]) for n in range(len(rows))]
        self._words = np.concatenate(
            [part for pair in zip(rows, gaps, strict=True) for part in pair] or [np.zeros(0, int)]
        )

    def share(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text has COPIED_WORDS consecutive words of a post."""
        return [bool(_among(self._copied, _runs(self._row(text), COPIED_WORDS)).any()) for text in texts]

    @cached_property
    def _copied(self) -> Hashes:
        return np.unique(_runs(self._words, COPIED_WORDS))

    def longest(self, texts: Sequence[str]) -> tuple[int, int, str, str] | None:
        """Words, which text, the span as that text has it, and the post's id; None where no word is shared.

        By bisection: a run of n words holds one of n − 1.
        """
        rows = [self._row(text) for text in texts]
        low, high = 0, max(map(len, rows), default=0)
        while low < high:
            middle = (low + high + 1) // 2
            known = np.unique(_runs(self._words, middle))
            shares = _among(known, np.concatenate([_runs(row, middle) for row in rows])).any()
            low, high = (middle, high) if shares else (low, middle - 1)
        return self._found(texts, rows, low) if low else None

    def _found(self, texts: Sequence[str], rows: Sequence[NDArray[np.int64]], words: int) -> tuple[int, int, str, str]:
        known = _runs(self._words, words)
        known_once = np.unique(known)
        for place, (text, row) in enumerate(zip(texts, rows, strict=True)):
            runs = _runs(row, words)
            hits = np.flatnonzero(_among(known_once, runs))
            if len(hits):
                start = int(np.flatnonzero(known == runs[hits[0]])[0])
                post = self._ids[int(np.searchsorted(self._starts, start, side="right")) - 1]
                spans = [match.span() for match in _WORD.finditer(text)]
                return words, place, text[spans[hits[0]][0] : spans[hits[0] + words - 1][1]], post
        raise AssertionError("a run that was found is not there")

    def _row(self, text: str, learn: bool = False) -> NDArray[np.int64]:
        """A number for each word; for one that no post has, a number of no word."""
        found = []
        for word in _WORD.findall(text):
            lower = word.lower()
            found.append(
                self._numbers.setdefault(lower, len(self._numbers)) if learn else self._numbers.get(lower, -(10**9))
            )
        return np.array(found, dtype=np.int64)


def _among(known: Hashes, runs: Hashes) -> NDArray[np.bool_]:
    """Which of `runs` are in the sorted `known`."""
    places = np.searchsorted(known, runs)
    return known[np.minimum(places, len(known) - 1)] == runs if len(known) else np.zeros(len(runs), dtype=bool)


def _runs(words: NDArray[np.int64], length: int) -> Hashes:
    """A hash of 64 bits of every `length` consecutive words: by doubling, so that it takes log2(length) passes."""
    count = len(words) - length + 1
    if count <= 0:
        return np.zeros(0, dtype=np.uint64)
    state = _mixed(words.astype(np.uint64))
    held, done, result = state, 1, None
    taken = 0
    while taken < length:
        if (length >> done.bit_length() - 1) & 1:
            piece = held[taken : taken + count]
            result = piece.copy() if result is None else _mixed(result * np.uint64(0x9E3779B97F4A7C15) + piece)
            taken += done
        if taken < length:
            held = _mixed(held[:-done] * np.uint64(0x9E3779B97F4A7C15) + held[done:])
            done *= 2
    assert result is not None
    return result


def _mixed(state: Hashes) -> Hashes:
    """The finalizer of MurmurHash3."""
    state = (state ^ (state >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    state = (state ^ (state >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    mixed: Hashes = state ^ (state >> np.uint64(33))
    return mixed
