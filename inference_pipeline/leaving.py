"""Work that nobody has to wait for: done in a thread of its own, so that whoever is told to stop leaves at once.

A model that is being loaded, a step that reads other people's prompts: they cannot be interrupted. They go on to their next
item, which nobody takes any more, and are closed there. What waits for somebody else, a server, says how it is woken.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar
from weakref import WeakSet

LOOK = 0.05  # seconds between two looks at the switch
PATIENCE = 20  # seconds that a process which ends gives to what goes on: a step, or a model that is being loaded

T = TypeVar("T")


class Left(BaseException):
    """Nobody waits for this work any more. No Exception, so that nothing tries it again."""


class Waited:
    """Whether somebody waits for the work of a thread, and what wakes it once nobody does."""

    def __init__(self) -> None:
        self._lock, self._left = threading.Lock(), False
        self._wakers: list[Callable[[], None]] = []

    def go_on(self) -> None:
        """Raises Left."""
        if self._left:
            raise Left

    def add(self, wake: Callable[[], None]) -> None:
        with self._lock:
            self._wakers.append(wake)
            left = self._left
        if left:
            wake()

    def remove(self, wake: Callable[[], None]) -> None:
        with self._lock:
            self._wakers.remove(wake)

    def leave(self) -> None:
        with self._lock:
            self._left = True
            wakers = list(self._wakers)
        for wake in wakers:
            wake()


_here = threading.local()


def waited() -> Waited | None:
    """Of the work that this thread does; None where it is not done apart."""
    return getattr(_here, "work", None)


_going_on: WeakSet[threading.Thread] = WeakSet()


def aside(work: Callable[[], object], name: str) -> None:
    """Begin it in a thread that nobody waits for but the process, as it ends."""
    thread = threading.Thread(target=work, daemon=True, name=name)
    _going_on.add(thread)
    thread.start()


def unless_stopped(items: Iterator[T], stop: threading.Event | None) -> Generator[T]:
    """What `items` gives, until LOOK after `stop` is set; without a switch in this thread. Raises what it raises."""
    if stop is None:
        yield from items
        return
    came, work = SimpleQueue[tuple[T] | BaseException | None](), Waited()
    aside(lambda: _hand_over(items, came, work, stop), "unless stopped")
    try:
        while not stop.is_set():
            try:
                item = came.get(timeout=LOOK)
            except Empty:
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item[0]
    finally:
        work.leave()


def _hand_over(
    items: Iterator[T], came: SimpleQueue[tuple[T] | BaseException | None], work: Waited, stop: threading.Event
) -> None:
    end: BaseException | None = None
    _here.work = work
    try:
        for item in items:
            work.go_on()
            came.put((item,))
            if stop.is_set():  # before whoever waits has seen it: another step would be for nobody
                break
    except BaseException as error:  # it is raised where somebody waits for it
        end = error
    with suppress(BaseException):  # nobody is left to hear of what fails as it is closed
        if close := getattr(items, "close", None):
            close()
    came.put(end)


@atexit.register
def _wait() -> None:
    """Native code must not be cut off in its midst: Python would end its thread, and C++ the process, with an abort."""
    until = time.monotonic() + PATIENCE
    for thread in list(_going_on):
        thread.join(max(0, until - time.monotonic()))
    if any(thread.is_alive() for thread in _going_on):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)
