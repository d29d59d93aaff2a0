"""One step of a language model after another: in torch, which is the reference.

A decoder knows nothing about text, sampling or adapters: token ids go in, the next token's logits come out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch

PIECE = (
    4096  # tokens of a prompt at a time: a mask grows with its square; but each piece after the first is read slowly
)


class Session(Protocol):
    """One text being written."""

    def feed(self, ids: Sequence[int]) -> torch.Tensor:
        """Logits of the token that follows all the ids fed so far, shape (vocabulary,), float32."""


class Decoder(Protocol):
    """The weights; several sessions use them at once."""

    def open(self) -> Session: ...


class TorchDecoder:
    def __init__(self, model: Any) -> None:
        self._model = model

    def open(self) -> TorchSession:
        return TorchSession(self._model)


class TorchSession:
    def __init__(self, model: Any) -> None:
        self._model, self._cache = model, None

    def feed(self, ids: Sequence[int]) -> torch.Tensor:
        logits = torch.empty(0)
        for first in range(0, len(ids), PIECE):
            inputs = torch.tensor([ids[first : first + PIECE]], device=self._model.device)
            with torch.inference_mode():
                output = self._model(input_ids=inputs, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
            self._cache = output.past_key_values
            logits = output.logits[0, -1].float()
        return logits
