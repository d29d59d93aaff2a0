"""How one answer is drawn, where a request says so, and where its text ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Sampling:
    """None: as the twin is set."""

    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    """The text ends before the first of these."""


def until(pieces: Iterator[str], stops: tuple[str, ...]) -> Iterator[str]:
    """The pieces up to where one of `stops` begins. What may be the beginning of one waits for what follows it."""
    held = ""
    for piece in pieces:
        held += piece
        if found := [place for place in map(held.find, stops) if place >= 0]:
            if text := held[: min(found)]:
                yield text
            return
        waiting = max((_begun(held, stop) for stop in stops), default=0)
        if text := held[: len(held) - waiting]:
            yield text
        held = held[len(held) - waiting :]
    if held:
        yield held


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of `text` may be the beginning of `stop`."""
    return next((length for length in range(len(stop) - 1, 0, -1) if text.endswith(stop[:length])), 0)
