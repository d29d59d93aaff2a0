"""A listing, newest first, that may be longer than a run can ask for: each run goes on where the cap stopped the last one.

Knows nothing of any platform.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from feature_pipeline.sources import Complete, Item, Refusal
from feature_pipeline.sources.memory import Memory
from feature_pipeline.sources.values import age

# Entries that the next run meets again: a thread may be on its way where the cap stops this one, and one may be deleted.
OVERLAP = 200

T = TypeVar("T")


class Resumed:
    """One run through it: first what the last one left, then from the newest on, until what was met."""

    def __init__(self, memory: Memory, listing: str) -> None:
        self.memory, self.listing = memory, listing
        self.cut: set[str] = set()
        """Ids below which it broke off."""
        self.again: set[str] = set()
        """Ids that the last run met together with what came after them, and this one without."""
        self.ends: list[Item] = []
        """To be told last."""

    def entries(self, read: Callable[[str], Iterator[tuple[str, str, T] | Complete | Refusal]]) -> Iterator[T]:
        """`read(place)` tells how the listing ends, and before that each entry from there on: its id, empty where it is no
        post; a place from which on all that is older is listed; and what it is."""
        lowest, _, left = self.memory.left(self.listing).partition(" ")
        told: set[str] = set()
        for start in dict.fromkeys((left, "")):
            before, last = set(told), lowest
            places: list[str] = []
            end: Complete | Refusal | None = None
            for entry in read(start):
                if not isinstance(entry, tuple):
                    end = entry
                    continue
                if entry[0] in before:
                    break
                if entry[0]:
                    last = entry[0]
                    told.add(last)
                places.append(entry[1])
                yield entry[2]
            if not isinstance(end, Complete):
                self.cut |= told - before
            if isinstance(end, Refusal):
                if end.reason == "page_cap" and start == left:
                    self.memory.leave(self.listing, f"{last} {[*places[-OVERLAP:], start][0]}")
                if start != left:
                    self.again = {key for key in before if lowest and age(key) >= age(lowest)}
                if end.reason not in [other.reason for other in self.ends if isinstance(other, Refusal)]:
                    self.ends.append(end)
            elif end and not left:
                self.ends.append(end)
