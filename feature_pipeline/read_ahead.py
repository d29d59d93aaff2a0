"""A source is read by a thread of its own, so that a site's next pages come while the last ones are embedded."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")

AT_LEAST = 8  # posts: some sixty chunks, enough that batches of like length fill
PATIENCE_S = 0.5  # what costs time to read is worked on meanwhile; what does not fills its batches
LONGEST_WAIT_S = 20.0  # a slow site must not lose minutes to a crash


def batches(items: Iterator[Item], size: int, at_least: int = AT_LEAST) -> Iterator[list[Item]]:
    """The items in their order, in lists of at most `size`, while at most `size` more are read.

    A list is shorter than `at_least` only after LONGEST_WAIT_S, and at the end. What reading raises is raised here, after
    everything that was read before it.
    """
    reader = _Reader(items, size)
    try:
        while batch := reader.batch(size, at_least):
            yield batch
    finally:
        reader.stop()
    if reader.error:
        raise reader.error


class _Reader(Generic[Item]):
    def __init__(self, items: Iterator[Item], ahead: int) -> None:
        self.error: BaseException | None = None
        self._read: SimpleQueue[Item | None] = SimpleQueue()  # None is the end
        self._room, self._stopped, self._ended = threading.Semaphore(ahead), threading.Event(), False
        # A daemon: nobody waits for a mute site in order to leave.
        threading.Thread(target=self._run, args=(items,), name="reader", daemon=True).start()

    def batch(self, size: int, at_least: int) -> list[Item]:
        """Empty at the end."""
        made: list[Item] = []
        began = time.monotonic()
        while len(made) < size and not self._ended:
            left = (PATIENCE_S if len(made) >= at_least else LONGEST_WAIT_S) - (time.monotonic() - began)
            try:
                item = self._read.get(timeout=max(left, 0)) if made else self._read.get()
            except Empty:
                break
            self._room.release()
            if item is None:
                self._ended = True
            else:
                made.append(item)
        return made

    def stop(self) -> None:
        self._stopped.set()
        self._room.release()

    def _run(self, items: Iterator[Item]) -> None:
        try:
            for item in items:
                self._room.acquire()
                if self._stopped.is_set():
                    return
                self._read.put(item)
        except BaseException as error:
            self.error = error
        finally:
            self._read.put(None)
