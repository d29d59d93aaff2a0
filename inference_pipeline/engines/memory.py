"""What a model has read stays read: a prompt that begins as one before it is computed from where they part.

It holds finished sessions, not copies of their keys and values: who begins takes one out, so no two texts ever share one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch

from inference_pipeline.engines.decoders import Decoder, Session

KEPT, MOST_BYTES = 8, 192 * 2**20  # of one version: with the default model 8,700 tokens
WORTH = 0.5  # of a prompt: a session that shares less with it, and has read more, keeps that for who began like it


@dataclass(frozen=True)
class Begun:
    """A session that has read a prompt, or a part of it, and what it says follows."""

    session: Session
    prompt: tuple[int, ...]
    logits: torch.Tensor


class Memory:
    """`alone`: for sessions whose steps are joined with nobody's."""

    def __init__(self, decoder: Decoder, kept: int = KEPT, most_bytes: int = MOST_BYTES, alone: bool = False) -> None:
        self._decoder, self._kept, self._most_bytes, self._alone = decoder, kept, most_bytes, alone
        self._idle: list[Begun] = []  # used longest ago first
        self._lock = threading.RLock()  # an answer that ends as garbage, while it is held, takes it in the same thread

    def begin(self, prompt: Sequence[int]) -> Iterator[Begun]:
        """Read the prompt, or of it only what follows that which an idle session has read already.

        After each piece comes what has been read so far, the whole prompt last: who waits for it may leave between two.
        """
        known = self._take(prompt)
        if known and known.prompt == tuple(prompt) and known.session.rewind(len(prompt)):
            yield known
            return
        same = min(shared(known.session.ids, prompt), len(prompt) - 1) if known else 0
        session = known.session if known and known.session.rewind(same) else self._decoder.open(self._alone)
        for logits in session.reading(prompt[len(session.ids) :]):
            yield Begun(session, tuple(session.ids), logits[-1])

    def end(self, begun: Begun) -> None:
        """Keep it for who begins in the same way; what was used longest ago goes where there is too much."""
        with self._lock:
            self._idle.append(begun)
            while len(self._idle) > self._kept or self.bytes_ > self._most_bytes:
                del self._idle[0]

    @property
    def bytes_(self) -> int:
        return sum(begun.session.bytes_ for begun in self._idle)

    def _take(self, prompt: Sequence[int]) -> Begun | None:
        """The idle session that has read most of the prompt, where that is enough to go on with it."""
        with self._lock:
            if not self._idle:
                return None
            read = [shared(begun.session.ids, prompt) for begun in self._idle]
            same = max(read)
            best = self._idle[read.index(same)]
            if same < min(WORTH * len(prompt), len(best.session.ids)):
                return None
            self._idle = [begun for begun in self._idle if begun is not best]
            return best


def shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
