"""Keys and values of all texts that one graph reads and writes, in pages of a few tokens: one step may read many texts.

A page is one text's. What a text gives back is taken again before memory is asked for more.
"""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.compiled import openvino

MORE = 64  # pages at a time: with the default model 2,048 tokens, 47 MB


class Pages:
    """Held and grown only between two steps of the request; given back at any time."""

    def __init__(self, compiled: Any, request: Any) -> None:
        self._request = request
        self._ports = {port.get_any_name(): port for port in compiled.inputs if "_cache." in port.get_any_name()}
        self._shapes = {
            name: [size.get_length() for size in list(port.partial_shape)[1:]] for name, port in self._ports.items()
        }
        self._tensors: dict[str, Any] = {}
        self._count = 0
        self._free: list[int] = []
        self.tokens: int = self._shapes["key_cache.0"][1]
        """Of a page."""
        self.bytes_: int = sum(
            math.prod(shape) * self._ports[name].element_type.size for name, shape in self._shapes.items()
        )
        """Of a page."""

    def open(self, owner: object) -> list[int]:
        """The pages of a new text, none yet; they are free again when nobody knows the owner any more."""
        pages: list[int] = []
        weakref.finalize(owner, self._free.extend, pages)
        return pages

    def hold(self, pages: list[int], length: int) -> NDArray[np.int32]:
        """Those of a text of `length` tokens, which are added to `pages` where they are too few."""
        needed = -(-length // self.tokens)
        while len(pages) < needed:
            if not self._free:
                self._grow()
            pages.append(self._free.pop())
        return np.array(pages[:needed], dtype=np.int32)

    def _grow(self) -> None:
        """All or nothing: where memory fails half way, what is there stays whole."""
        count = self._count + MORE
        grown: dict[str, Any] = {}
        for name, port in self._ports.items():
            grown[name] = openvino().Tensor(port.element_type, openvino().Shape([count, *self._shapes[name]]))
            if self._count:
                grown[name].data[: self._count] = self._tensors[name].data
        for name, tensor in grown.items():
            self._request.set_tensor(name, tensor)
        self._free.extend(reversed(range(self._count, count)))
        self._tensors, self._count = grown, count
