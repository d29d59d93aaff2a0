"""Several versions answer one question from the same passages, one after the other: only who writes differs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contracts.errors import UsageError
from contracts.records import Answer
from inference_pipeline.twin import Found, Question, Twin


@dataclass(frozen=True)
class Piece:
    """Text of one version's answer, as it comes; `place` counts the versions from 0, in the order asked for."""

    place: int
    text: str


def side_by_side(
    twin: Twin, question: Question, models: Sequence[str | None], stop: threading.Event | None = None
) -> Iterator[Found | Piece | Answer]:
    """What was found, once; then each version's pieces and its whole answer, in the order of `models`.

    A version that is not there is told before anything is searched. When `stop` is set, the version that is writing ends
    with what it has, and those after it do not begin. Raises UsageError where two names are one version.
    """
    names = [twin.resolve(question, model) for model in models]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise UsageError(f"{twice[0]} is named twice", "name different versions: twin models list")
    found = twin.find(question)
    yield found
    for place, name in enumerate(names):
        if stop and stop.is_set():
            return
        for event in twin.write(found, name, stop):
            yield Piece(place, event) if isinstance(event, str) else event
