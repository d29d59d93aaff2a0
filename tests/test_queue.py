"""The queue: never more at once than it says, users take turns, and who leaves frees a place at once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from langchain_core.language_models import FakeListChatModel

from contracts.errors import Busy
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry, ModelVersion
from contracts.records import Answer
from inference_pipeline.queue import Queue
from inference_pipeline.twin import Question, Twin
from tests.fakes import fill, post

CLOCK = "The church clock gains four minutes a week. I regulate the pendulum on Sundays."
QUESTION = "How many minutes does the church clock gain?"


def until(what: Callable[[], bool], seconds: float = 5) -> None:
    """Wait for it; fail where it does not come."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.002)


class Guests:
    """Threads that ask for places; each holds its own until `go` lets it leave."""

    def __init__(self, queue: Queue) -> None:
        self.queue, self.served, self.refused = queue, list[str](), list[str]()
        self.inside = self.most = 0
        self.go = threading.Semaphore(0)
        self._lock, self.threads = threading.Lock(), list[threading.Thread]()

    def send(self, user: str, stop: threading.Event | None = None) -> None:
        self.threads.append(threading.Thread(target=self._ask, args=(user, stop)))
        self.threads[-1].start()

    def end(self) -> None:
        for _ in self.threads:
            self.go.release()
        for thread in self.threads:
            thread.join(5)
            assert not thread.is_alive()

    def _ask(self, user: str, stop: threading.Event | None) -> None:
        try:
            with self.queue.place(user, stop) as mine:
                if mine:
                    self._stay(user)
        except Busy:
            self.refused.append(user)

    def _stay(self, user: str) -> None:
        with self._lock:
            self.served.append(user)
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.go.acquire()
        with self._lock:
            self.inside -= 1


def test_fifty_at_once_are_never_more_than_the_bounds() -> None:
    guests = Guests(Queue(at_once=2, waiting=20))
    for number in range(50):
        guests.send(f"user {number}")
    until(lambda: len(guests.refused) == 28)  # before anybody has left
    assert (guests.inside, guests.queue.length()) == (2, 20)
    guests.end()
    assert (guests.most, len(guests.served), guests.queue.length()) == (2, 22, 0)


def test_one_who_sends_twenty_does_not_starve_another() -> None:
    guests = Guests(Queue(at_once=1))
    for number in range(20):
        guests.send("greedy")
        until(lambda number=number: len(guests.served) + guests.queue.length() == number + 1)  # type: ignore[misc]
    for number, user in enumerate(("modest", "modest", "late")):
        guests.send(user)
        until(lambda number=number: guests.queue.length() == 20 + number)  # type: ignore[misc]
    for number in range(1, 7):
        guests.go.release()
        until(lambda number=number: len(guests.served) == number + 1)  # type: ignore[misc]
    guests.end()
    assert guests.served[:7] == ["greedy", "greedy", "modest", "late", "greedy", "modest", "greedy"]
    assert Counter(guests.served) == {"greedy": 20, "modest": 2, "late": 1}


def test_one_who_stops_while_waiting_leaves_at_once_and_frees_the_place() -> None:
    guests, stop = Guests(Queue(at_once=1, waiting=1)), threading.Event()
    guests.send("first")
    until(lambda: guests.inside == 1)
    guests.send("second", stop)
    until(lambda: guests.queue.length() == 1)
    stop.set()
    until(lambda: guests.queue.length() == 0, 0.25)
    guests.send("third")
    until(lambda: guests.queue.length() == 1)
    assert guests.refused == []
    guests.end()
    assert guests.served == ["first", "third"]


def test_one_who_fails_frees_the_place() -> None:
    queue = Queue(at_once=1, waiting=0)
    with pytest.raises(ZeroDivisionError), queue.place("a"):
        raise ZeroDivisionError
    with queue.place("b") as mine:
        assert mine
        with pytest.raises(Busy, match="0 requests are waiting already"), queue.place("c"):
            pass


# ---- the twin stands in it ----------------------------------------------------------------------------------------


class Engine:
    def chat_model(self, version: ModelVersion | None) -> FakeListChatModel:
        return FakeListChatModel(responses=["I regulate the pendulum on Sundays."])


@pytest.fixture
def twin(store: FeatureStore, tmp_path: Path) -> Twin:
    fill(store, [post(1, CLOCK)])
    return Twin(store, ModelRegistry(tmp_path), Engine(), queue=Queue(at_once=1, waiting=1))


def test_an_answer_holds_a_place_until_it_ends_or_is_closed(twin: Twin) -> None:
    found = twin.find(Question(QUESTION, "Ada", user="a"))
    stream, others = twin.write(found), twin.write(found)
    assert next(stream) == "I"
    refused: list[Busy] = []

    def ask() -> None:
        try:
            list(twin.write(found))
        except Busy as error:
            refused.append(error)

    waiting = threading.Thread(target=ask)
    waiting.start()
    until(lambda: twin.queue.length() == 1)
    with pytest.raises(Busy):
        next(others)
    stream.close()  # type: ignore[attr-defined]
    waiting.join(5)
    assert not waiting.is_alive()
    assert not refused
    assert isinstance(list(twin.write(found))[-1], Answer)


def test_one_who_stops_in_the_queue_has_a_quotation(twin: Twin) -> None:
    found, stop = twin.find(Question(QUESTION, "Ada")), threading.Event()
    first = twin.write(found)
    next(first)
    stop.set()
    (answer,) = twin.write(found, stop=stop)
    assert isinstance(answer, Answer)
    assert answer.citations[0].text in answer.answer
    first.close()  # type: ignore[attr-defined]


def test_where_nothing_was_found_nobody_waits(twin: Twin) -> None:
    first = twin.write(twin.find(Question(QUESTION, "Ada")))
    next(first)
    (answer,) = twin.write(twin.find(Question("What of quantum chromodynamics?", "Ada")))
    assert isinstance(answer, Answer)
    assert answer.passages == ()
    first.close()  # type: ignore[attr-defined]
