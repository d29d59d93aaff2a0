"""Between the twin, which computes, and the server, which must never wait: a thread for each answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import closing, suppress
from typing import Any, TypeVar

from fastapi import Request

from contracts.records import Answer
from inference_pipeline.drafting.draft import Draft
from ui.serve.metrics import Metrics

Start = Callable[[threading.Event], Iterator[Any]]
T = TypeVar("T")


class Answering:
    """The answers that are being written or waited for: each with the switch that ends it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._open: dict[threading.Event, threading.Thread] = {}

    async def events(self, start: Start) -> AsyncGenerator[Any]:
        """What `start` yields, in a thread. Whoever leaves early ends the generation at its next token."""
        stop, came = threading.Event(), asyncio.Queue[Any]()
        self._metrics.open.inc()
        arguments = (start, stop, asyncio.get_running_loop(), came)
        self._open[stop] = threading.Thread(target=_run, args=arguments, daemon=True, name="answer")
        self._open[stop].start()
        item: Any = ""
        try:
            while (item := await came.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            stop.set()
            del self._open[stop]
            self._metrics.open.dec()
            if item is not None and not isinstance(item, (Exception, Answer, Draft)):
                self._metrics.stopped.inc()

    def stop(self, patience: float = 0) -> None:
        """End them all, and wait `patience` seconds for each."""
        threads = list(self._open.items())
        for stop, _ in threads:
            stop.set()
        for _, thread in threads:
            thread.join(patience)


def _run(start: Start, stop: threading.Event, loop: asyncio.AbstractEventLoop, came: asyncio.Queue[Any]) -> None:
    def give(item: Any) -> None:
        with suppress(RuntimeError):  # the server's loop has ended
            loop.call_soon_threadsafe(came.put_nowait, item)

    try:
        with closing(start(stop)) as events:  # type: ignore[type-var]  # the twin's iterator is a generator
            for event in events:
                give(event)
        give(None)
    except Exception as error:  # told by whoever waits for it
        give(error)


async def unless_gone(request: Request, work: Awaitable[T]) -> T | None:
    """The outcome of `work`; None where the client went away first, and then `work` is cancelled."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
