"""Places for those who generate: a few at once, a few more who wait, fairly by user, and the rest is told so at once.

It knows nothing about models. What a generation needs of memory is bounded by how many there are, so this bounds both.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from contracts.errors import Busy

LOOK = 0.05  # seconds between two looks at the switch of one who waits


class Queue:
    """At most `at_once` hold a place and at most `waiting` wait for one; users take turns, whoever sent how many."""

    def __init__(self, at_once: int = 4, waiting: int = 32) -> None:
        self._free, self._most = at_once, waiting
        self._lines: OrderedDict[str, deque[threading.Event]] = OrderedDict()
        """By user, the one whose turn is next first; each event is set when its owner has a place."""
        self._lock = threading.RLock()  # an answer that ends as garbage, while it is held, takes it in the same thread

    @contextmanager
    def place(self, user: str = "", stop: threading.Event | None = None) -> Iterator[bool]:
        """A place, free again at the end; False, and none, where `stop` was set before there was one. Raises Busy."""
        turn = self._enter(user)
        try:
            while not turn.wait(LOOK if stop else None):
                if stop and stop.is_set():
                    break
            yield turn.is_set()
        finally:
            self._leave(user, turn)

    def length(self) -> int:
        """How many wait."""
        with self._lock:
            return self._waiting()

    def _enter(self, user: str) -> threading.Event:
        turn = threading.Event()
        with self._lock:
            if self._free:
                self._free -= 1
                turn.set()
            elif self._waiting() >= self._most:
                raise Busy(f"{self._most} requests are waiting already", "ask again in a minute")
            else:
                self._lines.setdefault(user, deque()).append(turn)
        return turn

    def _leave(self, user: str, turn: threading.Event) -> None:
        with self._lock:
            if turn.is_set():
                self._pass_on()
            else:
                self._lines[user].remove(turn)
                if not self._lines[user]:
                    del self._lines[user]

    def _pass_on(self) -> None:
        """The place goes to the user whose turn it is, who then stands last."""
        if not self._lines:
            self._free += 1
            return
        user, line = self._lines.popitem(last=False)
        line.popleft().set()
        if line:
            self._lines[user] = line

    def _waiting(self) -> int:
        return sum(map(len, self._lines.values()))
