"""Work that nobody has to wait for: done in a thread of its own, so that whoever is told to stop leaves at once.

A server that says nothing, a model that is being loaded, a step that reads other people's prompts: none of them can be
interrupted. They go on to their next item, which nobody takes any more, and are closed there.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar
from weakref import WeakSet

LOOK = 0.05  # seconds between two looks at the switch
PATIENCE = 3  # seconds that a process which ends gives to what goes on: native code must not be cut off in its midst

T = TypeVar("T")

_going_on: WeakSet[threading.Thread] = WeakSet()


def unless_stopped(items: Iterator[T], stop: threading.Event | None) -> Generator[T]:
    """What `items` gives, until LOOK after `stop` is set; without a switch in this thread. Raises what it raises."""
    if stop is None:
        yield from items
        return
    came, left = SimpleQueue[tuple[T] | BaseException | None](), threading.Event()
    thread = threading.Thread(
        target=_hand_over,
        args=(items, came, lambda: left.is_set() or stop.is_set()),
        daemon=True,
        name="unless stopped",
    )
    _going_on.add(thread)
    thread.start()
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
        left.set()


def _hand_over(
    items: Iterator[T], came: SimpleQueue[tuple[T] | BaseException | None], left: Callable[[], bool]
) -> None:
    end: BaseException | None = None
    try:
        for item in items:
            if left():
                break
            came.put((item,))
    except BaseException as error:  # it is raised where somebody waits for it
        end = error
    with suppress(BaseException):  # nobody is left to hear of what fails as it is closed
        if close := getattr(items, "close", None):
            close()
    came.put(end)


@atexit.register
def _wait() -> None:
    for thread in list(_going_on):
        thread.join(PATIENCE)
