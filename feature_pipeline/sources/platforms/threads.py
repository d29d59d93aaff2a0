"""Which posts of an export are one thread, told by their ids before their texts are held: exports are in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Threads(Generic[T]):
    """`order` says how old a post is, by its id: what answers a later one, or one that is not there, begins a thread.

    First every id (`add`), then `settle`, then every post (`whole`).
    """

    def __init__(self, order: Callable[[str], tuple[int, str]]) -> None:
        self._order = order
        self.ids: set[str] = set()
        """Of posts that are to come."""
        self._parents: dict[str, str] = {}
        self._first: dict[str, str] = {}
        self._sizes: Counter[str] = Counter()
        self._open: dict[str, dict[str, T]] = {}

    def add(self, id_: str, parent: str) -> None:
        """The first time that an export has an id counts."""
        if parent and id_ not in self.ids:
            self._parents[id_] = parent
        self.ids.add(id_)

    def settle(self) -> None:
        answers = {id_: parent for id_, parent in self._parents.items() if parent in self.ids}
        self._parents.clear()
        for id_ in sorted(answers, key=self._order):
            parent = answers[id_]
            if self._order(parent) < self._order(id_):
                self._first[id_] = self._first.get(parent, parent)
        self._sizes.update(self._first.values())

    def whole(self, id_: str, post: T) -> list[T]:
        """The thread that this post was the last one of to come, oldest first; nothing, as long as some of it is left."""
        if id_ not in self.ids:
            return []
        self.ids.discard(id_)
        first = self._first.get(id_, id_)
        parts = self._open.setdefault(first, {})
        parts[id_] = post
        if len(parts) <= self._sizes[first]:
            return []
        del self._open[first]
        return [parts[part] for part in sorted(parts, key=self._order)]
