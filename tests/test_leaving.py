"""Whoever is told to stop leaves at once, whatever goes on: a server's silence, a model that is being loaded."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from inference_pipeline.leaving import LOOK, unless_stopped


class Slow:
    """Gives numbers, each when it may; remembers that it was closed."""

    def __init__(self) -> None:
        self.may, self.closed, self.given = threading.Semaphore(0), threading.Event(), 0

    def __iter__(self) -> Iterator[int]:
        try:
            while True:
                self.may.acquire()
                self.given += 1
                yield self.given
        finally:
            self.closed.set()


def test_one_who_stops_does_not_wait_for_the_next_item_and_it_is_closed_there() -> None:
    slow, stop = Slow(), threading.Event()
    slow.may.release()
    items = unless_stopped(iter(slow), stop)
    assert next(items) == 1
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    assert list(items) == []
    assert time.monotonic() - began < 0.1 + 4 * LOOK
    assert not slow.closed.is_set()
    slow.may.release()
    assert slow.closed.wait(5)
    assert slow.given == 2


def test_closing_it_closes_what_it_takes_from() -> None:
    slow, stop = Slow(), threading.Event()
    slow.may.release()
    items = unless_stopped(iter(slow), stop)
    assert next(items) == 1
    items.close()
    slow.may.release()
    assert slow.closed.wait(5)


@pytest.mark.parametrize("stop", [None, threading.Event()])
def test_all_items_come_in_order_and_then_what_failed(stop: threading.Event | None) -> None:
    def some() -> Iterator[int]:
        yield from range(1000)
        raise ArithmeticError("13")

    items, came = unless_stopped(some(), stop), list[int]()
    for _ in range(1000):
        came.append(next(items))
    with pytest.raises(ArithmeticError, match="13"):
        next(items)
    assert came == list(range(1000))
    assert list(unless_stopped(iter("abc"), stop)) == ["a", "b", "c"]


LONG_STEP = """
import threading, time, torch
from inference_pipeline import leaving

def step():
    matrix, until = torch.ones(400, 400), time.monotonic() + 4.5
    while time.monotonic() < until:
        matrix = (matrix @ matrix).clamp(max=1)
    yield "said"

{patience}
torch.set_num_threads(1)
stop = threading.Event()
threading.Timer(0.3, stop.set).start()
{work}
print("left", flush=True)
"""
STOPPED = "list(leaving.unless_stopped(step(), stop))"
ASIDE = "leaving.aside(lambda: list(step()), 'a model is loaded'); stop.wait()"


@pytest.mark.parametrize("work", [STOPPED, ASIDE], ids=["stopped", "aside"])
@pytest.mark.parametrize(("patience", "code"), [("", 0), ("leaving.PATIENCE = 0.1", 1)], ids=["waits", "gives up"])
def test_a_process_ends_after_a_step_in_native_code_or_without_aborting(patience: str, code: int, work: str) -> None:
    command = [sys.executable, "-c", LONG_STEP.format(patience=patience, work=work)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("left\n", "", code)
