"""What a model has read stays read: a prompt that begins as one before it is computed from where they part.

It holds finished sessions, not copies of their keys and values: who begins takes one out, so no two texts ever share one.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch

from inference_pipeline.engines.decoders import Decoder, Session

KEPT, MOST_BYTES = 8, 192 * 2**20  # of one version: with the default model 8,700 tokens


@dataclass(frozen=True)
class Begun:
    """A session that has read a whole prompt, and what it says follows."""

    session: Session
    prompt: tuple[int, ...]
    logits: torch.Tensor


class Memory:
    def __init__(self, decoder: Decoder, kept: int = KEPT, most_bytes: int = MOST_BYTES) -> None:
        self._decoder, self._kept, self._most_bytes = decoder, kept, most_bytes
        self._idle: list[Begun] = []  # used longest ago first
        self._lock = threading.Lock()

    def begin(self, prompt: Sequence[int]) -> Begun:
        """Read the prompt, or of it only what follows that which an idle session has read already."""
        known = self._take(prompt)
        if known is None:
            return self._anew(prompt)
        whole = known.prompt == tuple(prompt)
        same = len(prompt) if whole else min(shared(known.session.ids, prompt), len(prompt) - 1)
        if not known.session.rewind(same):
            return self._anew(prompt)
        return known if whole else Begun(known.session, tuple(prompt), known.session.feed(prompt[same:]))

    def end(self, begun: Begun) -> None:
        """Keep it for who begins in the same way; what was used longest ago goes where there is too much."""
        with self._lock:
            self._idle.append(begun)
            while len(self._idle) > self._kept or self.bytes_ > self._most_bytes:
                del self._idle[0]

    @property
    def bytes_(self) -> int:
        return sum(begun.session.bytes_ for begun in self._idle)

    def _anew(self, prompt: Sequence[int]) -> Begun:
        session = self._decoder.open()
        return Begun(session, tuple(prompt), session.feed(prompt))

    def _take(self, prompt: Sequence[int]) -> Begun | None:
        """The idle session that has read most of the prompt, where going on with it is quicker than to begin anew."""
        with self._lock:
            best = max(self._idle, key=lambda begun: shared(begun.session.ids, prompt), default=None)
            if best is None or self._slow(len(prompt) - shared(best.session.ids, prompt), len(prompt)):
                return None
            self._idle = [begun for begun in self._idle if begun is not best]
            return best

    def _slow(self, rest: int, whole: int) -> bool:
        return rest * self._decoder.slower >= whole


def shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
