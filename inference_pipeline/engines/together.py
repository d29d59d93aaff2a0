"""Work that is asked for by several threads at once is done as one: what is read of memory for it is read once for all.

It knows nothing about models. Whoever has waited longest does the work of all that wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

PATIENCE = 0.005  # seconds that who was there last time is waited for, which is what a sampled token takes

Job = TypeVar("Job")
Made = TypeVar("Made")


class _Asked(Generic[Job, Made]):
    def __init__(self, job: Job, alone: bool) -> None:
        self.job, self.alone = job, alone
        self.made: Made | None = None
        self.error: BaseException | None = None
        self.done = False


class Together(Generic[Job, Made]):
    """At most `most` of `size` are done together, so that nobody waits long for the work of others."""

    def __init__(
        self, work: Callable[[Sequence[Job]], Sequence[Made]], most: int, size: Callable[[Job], int] = lambda job: 1
    ) -> None:
        self._work, self._most, self._size = work, most, size
        self._waiting: list[_Asked[Job, Made]] = []  # longest first
        self._changed = threading.Condition()
        self._busy = False
        self._expected = 1
        """Who was served last, and will ask for more, and who came meanwhile: so two who came in turns meet."""

    def __call__(self, job: Job, alone: bool = False) -> Made:
        """What `work` makes of the job, done with the jobs of others who wait, or `alone`. Raises what it raises."""
        asked = _Asked[Job, Made](job, alone)
        with self._changed:
            self._waiting.append(asked)
            self._changed.notify_all()
            try:
                self._changed.wait_for(lambda: asked.done or (not self._busy and self._waiting[0] is asked))
                some = [] if asked.done else self._gathered(asked)
            except BaseException:  # who is interrupted leaves, so that nobody stands behind them for ever
                self._without([asked])
                raise
        if some:
            self._do(some)
        if asked.error:
            raise asked.error
        assert asked.made is not None
        return asked.made

    def _gathered(self, first: _Asked[Job, Made]) -> list[_Asked[Job, Made]]:
        """Who is served with the first one."""
        some = [first]
        if not first.alone:
            self._changed.wait_for(lambda: self._company() >= self._expected, PATIENCE)
            some = self._joining()
        self._without(some)
        self._busy = True
        return some

    def _without(self, some: list[_Asked[Job, Made]]) -> None:
        self._waiting = [asked for asked in self._waiting if asked not in some]
        self._changed.notify_all()

    def _company(self) -> int:
        return sum(not asked.alone for asked in self._waiting)

    def _joining(self) -> list[_Asked[Job, Made]]:
        """The first, however large, and who else fits."""
        some, room = list[_Asked[Job, Made]](), self._most
        for asked in self._waiting:
            if not asked.alone and (not some or self._size(asked.job) <= room):
                some.append(asked)
                room -= self._size(asked.job)
        return some

    def _do(self, some: list[_Asked[Job, Made]]) -> None:
        try:
            for asked, made in zip(some, self._work([asked.job for asked in some]), strict=True):
                asked.made = made
        except BaseException as error:  # everybody hears of it: nobody else does their work
            for asked in some:
                asked.error = error
        with self._changed:
            self._busy = False
            self._expected = sum(not asked.alone for asked in some) + self._company()
            for asked in some:
                asked.done = True
            self._changed.notify_all()
