"""Character n-grams, counted by the million: each is a number, its hash, and a text is an array of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BITS = 20
BUCKETS = 1 << BITS  # 3,400 texts of 150 words hold some 400,000 different 5-grams; with 2^22 no figure changes by .002

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Grams:
    """The n-grams of some texts, of orders 1 to `order`, which end at the same characters.

    `ids[n]` and `histories[n]` are the buckets of each n-gram and of its first n − 1 characters; `row` says whose it is.
    """

    ids: list[Ids]
    histories: list[Ids]
    row: Ids
    texts: int

    @classmethod
    def of(cls, texts: Sequence[str], order: int) -> Grams:
        codes = np.frombuffer("\0".join(text.replace("\0", "") for text in texts).encode("utf-32-le"), np.uint32)
        row = np.cumsum(codes == 0)
        count = max(len(codes) - order + 1, 0)
        whole = (row[:count] == row[order - 1 : order - 1 + count]) & (codes[:count] != 0)
        ids, histories = [], []
        for n in range(1, order + 1):
            ids.append(_hashed(codes, order - n, n, count)[whole])
            histories.append(_hashed(codes, order - n, n - 1, count)[whole])
        return cls(ids, histories, row[:count][whole], len(texts))

    def counts(self) -> csr_array:
        """How often each text has each n-gram of the highest order; shape (texts, BUCKETS)."""
        from scipy.sparse import csr_array

        ones = np.ones(len(self.row), dtype=np.float32)
        return csr_array((ones, (self.row, self.ids[-1])), shape=(self.texts, BUCKETS))

    def tables(self, rows: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
        """How often the texts where `rows` is true have each n-gram, one table an order; shape (BUCKETS,)."""
        chosen = rows[self.row]
        return [np.bincount(ids[chosen], minlength=BUCKETS).astype(np.float32) for ids in self.ids]


def _hashed(codes: NDArray[np.uint32], first: int, length: int, count: int) -> Ids:
    """Buckets of the `length` characters that start `first` after each of `count` places."""
    state = np.full(count, length, dtype=np.uint64)
    for k in range(first, first + length):
        state = (state ^ codes[k : k + count]) * np.uint64(0x9E3779B97F4A7C15)
        state ^= state >> np.uint64(29)
    return ((state * np.uint64(0xD6E8FEB86659FD93)) >> np.uint64(64 - BITS)).astype(np.int64)
