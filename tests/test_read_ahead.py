"""What is read ahead comes in order, in bounded batches, and an error comes after everything that was read before it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from contracts.errors import SourceError
from feature_pipeline import read_ahead
from feature_pipeline.read_ahead import batches


def test_everything_comes_once_and_in_order() -> None:
    made = list(batches(iter(range(1000)), 64))
    assert [item for batch in made for item in batch] == list(range(1000))
    assert max(map(len, made)) <= 64
    assert list(batches(iter(()), 64)) == []


def test_the_next_ones_are_read_while_these_are_worked_on() -> None:
    both = threading.Barrier(2, timeout=10)

    def items() -> Iterator[int]:
        yield from range(4)
        both.wait()  # only reached together with the consumer, who holds the first batch by then
        yield 4

    found = batches(items(), 4)
    first = next(found)
    both.wait()
    assert [first, *found] == [[0, 1, 2, 3], [4]]


def test_no_more_is_read_than_there_is_room_for() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            read.append(number)
            yield number

    found = batches(items(), 10)
    next(found)
    time.sleep(0.2)
    assert 10 <= len(read) <= 21  # the batch, as many ahead, and the one that waits to be put there
    found.close()


def test_what_was_read_before_an_error_is_not_lost() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise SourceError("the site is gone", "try again")

    found = batches(items(), 10)
    assert next(found) == [0, 1, 2]
    with pytest.raises(SourceError, match="the site is gone"):
        next(found)


def test_a_slow_source_is_worked_on_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "PATIENCE_S", 0.05)
    more = threading.Event()

    def items() -> Iterator[int]:
        yield from range(read_ahead.AT_LEAST)
        more.wait(10)
        yield 99

    found = batches(items(), 256)
    assert next(found) == list(range(read_ahead.AT_LEAST))  # long before the site says the next one
    more.set()
    assert next(found) == [99]


def test_what_is_better_looked_at_together_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "PATIENCE_S", 0.0)

    def items() -> Iterator[int]:
        for number in range(20):
            time.sleep(0.01)
            yield number

    assert [len(batch) for batch in batches(items(), 16, at_least=16)] == [16, 4]


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()])
def test_what_ends_the_reading_is_never_taken_for_its_end(error: BaseException) -> None:
    def items() -> Iterator[int]:
        yield 0
        raise error

    with pytest.raises(type(error)):
        list(batches(items(), 4))


def test_reading_ends_with_who_reads_it() -> None:
    went_on = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            went_on.set()

    found = batches(items(), 4)
    next(found)
    found.close()
    assert went_on.wait(10)
    time.sleep(0.05)
    assert not [thread for thread in threading.enumerate() if thread.name == "reader"]
