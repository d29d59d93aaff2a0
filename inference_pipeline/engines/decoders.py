"""One step of a language model after another: in torch, which is the reference.

A decoder knows nothing about text, sampling or adapters: token ids go in, the next token's logits come out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch

PIECE = 512  # tokens of a prompt at a time on a CPU, so that who waits may leave; a GPU reads it at once


class Session(Protocol):
    """One text being read and written."""

    ids: list[int]
    """All that it has read, in order."""

    def reading(self, ids: Sequence[int], last: int = 1) -> Iterator[torch.Tensor]:
        """Read them piece by piece: at least one row of logits for each, of which the `last` in all are those of `read`."""

    def read(self, ids: Sequence[int], last: int = 1) -> torch.Tensor:
        """Logits of what follows each of the `last` of these ids, shape (last, vocabulary), float32."""
        return torch.cat(list(self.reading(ids, last)))[-last:]

    def feed(self, ids: Sequence[int]) -> torch.Tensor:
        """Logits of the token that follows all the ids read so far, shape (vocabulary,), float32."""
        return self.read(ids)[-1]

    def rewind(self, length: int) -> bool:
        """Forget what was read after the first `length` ids; False where the model's kind of memory cannot."""

    @property
    def bytes_(self) -> int:
        """What it keeps of what it has read."""


class Decoder(Protocol):
    """The weights; several sessions use them at once."""

    def open(self, alone: bool = False) -> Session:
        """`alone`: what others read and write meanwhile changes not one digit."""


class TorchDecoder:
    def __init__(self, model: Any) -> None:
        self._model = model

    def open(self, alone: bool = False) -> TorchSession:
        return TorchSession(self._model)


class TorchSession(Session):
    def __init__(self, model: Any) -> None:
        self._model: Any = model
        self._cache: Any = None
        self.ids: list[int] = []

    def reading(self, ids: Sequence[int], last: int = 1) -> Iterator[torch.Tensor]:
        size = PIECE if self._model.device.type == "cpu" else len(ids)
        yield from (self._step(piece, keep) for piece, keep in pieces(ids, last, size))

    def rewind(self, length: int) -> bool:
        from transformers.cache_utils import DynamicLayer

        if any(type(layer) is not DynamicLayer for layer in self._layers):
            return False  # a sliding window has lost what it would have to see again
        if length < len(self.ids):
            self._cache.crop(length - len(self.ids))
        del self.ids[length:]
        return True

    @property
    def bytes_(self) -> int:
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in self._layers)

    @property
    def _layers(self) -> list[Any]:
        return self._cache.layers if self._cache is not None else []

    def _step(self, ids: Sequence[int], keep: int) -> torch.Tensor:
        inputs = torch.tensor([ids], device=self._model.device)
        with torch.inference_mode():
            output = self._model(input_ids=inputs, past_key_values=self._cache, use_cache=True, logits_to_keep=keep)
        self._cache = output.past_key_values
        self.ids += ids
        logits: torch.Tensor = output.logits[0, -keep:].float().clone()  # outside inference mode: it may be written on
        return logits


def pieces(ids: Sequence[int], last: int, size: int) -> Iterator[tuple[Sequence[int], int]]:
    """The ids in pieces of `size`, each with how many of its own logits are wanted: at least one, as none is no shape."""
    for first in range(0, len(ids), size):
        piece = ids[first : first + size]
        yield piece, max(1, min(len(piece), first + len(piece) - (len(ids) - last)))
