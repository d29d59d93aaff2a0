"""What is asked for at once is done as one, what is asked for alone is not, and nobody waits for ever."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from inference_pipeline.engines.together import PATIENCE, Together


class Work:
    """Doubles numbers, and remembers which came together; 13 cannot be doubled."""

    def __init__(self, seconds: float = 0.01) -> None:
        self.seconds, self.batches = seconds, list[list[int]]()
        self.inside = 0

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.inside += 1
        assert self.inside == 1
        self.batches.append(list(numbers))
        time.sleep(self.seconds)
        self.inside -= 1
        if 13 in numbers:
            raise ArithmeticError("13")
        return [2 * number for number in numbers]


def in_turn(together: Together[int, int], numbers: Sequence[int], alone: bool = False) -> list[int]:
    return [together(number, alone) for number in numbers]


def test_threads_that_go_on_at_the_same_pace_are_served_together() -> None:
    work = Work()
    together = Together(work, 8)
    with ThreadPoolExecutor(4) as threads:
        asked = [range(first, first + 20) for first in (100, 200, 300, 400)]
        made = list(threads.map(lambda numbers: in_turn(together, numbers), asked))
    assert made == [[2 * number for number in numbers] for numbers in asked]
    assert len(work.batches) < 40  # 80 one by one
    assert max(map(len, work.batches)) == 4


def test_large_work_is_not_done_with_other_large_work_and_everybody_has_their_turn() -> None:
    work = Work()
    together = Together(work, 110, lambda number: number)
    with ThreadPoolExecutor(5) as threads:
        made = list(threads.map(lambda number: in_turn(together, [number] * 10), [100, 100, 1, 2, 3]))
    assert [numbers[0] for numbers in made] == [200, 200, 2, 4, 6]
    assert max(batch.count(100) for batch in work.batches) == 1
    assert any(100 in batch and len(batch) > 1 for batch in work.batches)


def test_what_is_asked_for_alone_is_done_alone_and_in_turn() -> None:
    work = Work()
    together = Together(work, 8)
    with ThreadPoolExecutor(4) as threads:
        joined = [threads.submit(in_turn, together, range(n, n + 20)) for n in (100, 200, 300)]
        assert threads.submit(in_turn, together, range(900, 920), True).result(20) == [2 * n for n in range(900, 920)]
        assert [future.result(20)[0] for future in joined] == [200, 400, 600]
    assert [batch for batch in work.batches if any(n >= 900 for n in batch)] == [[n] for n in range(900, 920)]


def test_a_failure_reaches_those_whose_work_it_was_and_nobody_after_them() -> None:
    work, start = Work(0.05), threading.Barrier(4)
    together = Together(work, 8)

    def ask(number: int) -> int | str:
        start.wait(5)
        try:
            return together(number)
        except ArithmeticError as error:
            return str(error)

    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(ask, [1, 2, 13, 4]))
    failed = next(batch for batch in work.batches if 13 in batch)
    assert made == ["13" if number in failed else 2 * number for number in (1, 2, 13, 4)]
    assert together(5) == 10


def test_who_is_gone_is_waited_for_once() -> None:
    together = Together(Work(0), 8)
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda first: in_turn(together, range(first, first + 10)), (100, 200, 300)))
    together(1)
    began = time.perf_counter()
    assert in_turn(together, range(100, 200)) == [2 * number for number in range(100, 200)]
    assert time.perf_counter() - began < 50 * PATIENCE


INTERRUPTED = """
import signal, time
from concurrent.futures import ThreadPoolExecutor
from inference_pipeline.engines.together import Together

def work(numbers):
    time.sleep(0.5)
    return [2 * number for number in numbers]

together = Together(work, 8)
with ThreadPoolExecutor(2) as threads:
    first = threads.submit(together, 1)
    time.sleep(0.1)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        together(2)
    except KeyboardInterrupt:
        print(threads.submit(together, 3).result(9), first.result(9))
"""


def test_nobody_stands_behind_one_who_was_interrupted() -> None:
    program = [sys.executable, "-c", INTERRUPTED]
    assert subprocess.run(program, capture_output=True, text=True, timeout=60, check=True).stdout == "6 2\n"


def test_two_who_came_in_turns_are_served_together_soon() -> None:
    work, made = Work(0.005), list[list[int]]()
    together = Together(work, 8)

    def write(first: int, late: float) -> None:
        time.sleep(late)
        for number in range(first, first + 40):
            made.append([number, together(number)])
            time.sleep(0.001)  # to draw a token

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(write, (100, 200), (0, 0.0025)))
    assert all(double == 2 * number for number, double in made)
    assert len(made) == 80
    assert len(work.batches) < 65  # 80 where each comes while the other is served


def test_other_people_are_told_of_an_interruption_too() -> None:
    def interrupted(numbers: Sequence[int]) -> list[int]:
        raise KeyboardInterrupt

    together = Together(interrupted, 8)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            together(1)
