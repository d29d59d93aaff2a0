"""Work in the background: one job of a kind at a time, each in a process of its own (ui/page/work.py).

A process can be stopped at any moment, takes no time from the page, and gives all its memory back. It goes on when the
browser is closed, and every tab that is opened later finds it here; it ends with the page.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from contracts.errors import UsageError
from ui.page.temporary import found_anew, is_forgotten
from ui.wiring import App

PATIENCE_S = 3.0  # from the request to end until the end is not asked for any more

log = logging.getLogger(__name__)


@dataclass
class Job:
    """What is being done for whom, how far it is, and what came of it. Written by one thread, read by many."""

    kind: str
    what: str
    author: str
    authors: frozenset[str] = frozenset()
    """All whose posts are read."""
    began: float = field(default_factory=time.time)
    stages: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    """Stage → done, of how many; None where nobody knows."""
    state: Literal["running", "done", "failed", "stopped"] = "running"
    result: dict[str, Any] = field(default_factory=dict)
    problem: tuple[str, str] = ("", "")
    """Message and hint, where it failed."""
    ended: float | None = None

    @property
    def seconds(self) -> float:
        return (self.ended or time.time()) - self.began


class Jobs:
    def __init__(self, app: App) -> None:
        self._home = app.home
        self._environment = {**os.environ, **_settings(app), "TWIN_HOME": str(app.home)}
        self._jobs: dict[str, Job] = {}
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._lock = threading.Lock()

    def get(self, kind: str) -> Job | None:
        """The job of this kind that runs, or the last one that did.

        What one has found in posts holds their words: it goes once anything of their author is forgotten, also by a command.
        """
        job = self._jobs.get(kind)
        if kind == "posts" and job and job.state != "running" and any(is_forgotten(self._home, a) for a in job.authors):
            self._jobs.pop(kind, None)
            return None
        return job

    def running(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.state == "running"]

    def start(
        self, kind: str, what: str, author: str, request: dict[str, Any], after: Callable[[], None] = lambda: None
    ) -> Job:
        """Begin `request`, as work.py reads it; `after` is called at its end, whatever that is. Raises UsageError."""
        with self._lock:
            now = self._jobs.get(kind)
            if now and now.state == "running":
                raise UsageError(f"{now.what} is not finished", "wait for its end, or stop it")
            process = subprocess.Popen(
                [sys.executable, "-P", "-W", "ignore", "-m", "ui.page.work"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env=self._environment,
                start_new_session=True,  # a Ctrl-C in the page's terminal ends it through `close`, and its children with it
            )
            authors = {author, *(part["author"] for part in request.get("parts", ()))}
            for one in authors:
                found_anew(self._home, one)
            job = self._jobs[kind] = Job(kind, what, author, frozenset(authors))
            self._processes[kind] = process
        assert process.stdin
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        threading.Thread(target=self._follow, args=(job, process, after), daemon=True, name=f"job {kind}").start()
        return job

    def stop(self, kind: str) -> None:
        """End the job; what it has stored is kept. Returns once its process is gone."""
        with self._lock:
            job, process = self._jobs.get(kind), self._processes.get(kind)
            if job is None or process is None or job.state != "running":
                return
            job.state = "stopped"
        _end(process)

    def close(self) -> None:
        for kind in list(self._jobs):
            self.stop(kind)

    def _follow(self, job: Job, process: subprocess.Popen[str], after: Callable[[], None]) -> None:
        """Until the process ends; its last word is a result or a problem."""
        assert process.stdout
        assert process.stdin
        with process.stdout as lines:
            for line in lines:
                with suppress(ValueError, KeyError, TypeError):
                    _heard(job, json.loads(line))
        process.wait()
        process.stdin.close()
        with suppress(Exception):
            after()
        with self._lock:
            job.ended = time.time()
            if job.state == "running":
                if not job.result and not job.problem[0]:
                    log.error("a job ended with code %s: %s", process.returncode, job.what)
                    job.problem = ("It ended before it was done", "the terminal that runs this page says why")
                job.state = "failed" if job.problem[0] else "done"


def _heard(job: Job, said: dict[str, Any]) -> None:
    if "stage" in said:
        job.stages[said["stage"]] = (said["done"], said["of"])
    elif "problem" in said:
        job.problem = (said["problem"][0], said["problem"][1])
    else:
        job.result = said["result"]


def _end(process: subprocess.Popen[str]) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)
            return


def _settings(app: App) -> dict[str, str]:
    """The page's settings, however it came by them, as variables."""
    chosen = app.settings.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    return {f"TWIN_{name.upper()}": str(value) for name, value in chosen.items()}
