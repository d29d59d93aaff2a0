"""What the benchmarks of speed share: ours and theirs in turn, their ratio with its spread, and what the machine can do.

A floor is what nothing can go under: the bytes that must be read over the rate at which this machine reads so many, or the
operations of the matrices over the rate at which it multiplies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

from contracts import hardware

if TYPE_CHECKING:
    import torch

TIMES = 5
TRIES = 20  # of which the fastest counts: a floor is what the machine can do, not what it mostly does
ROWS = 2048  # of the matrix product that is timed

Took = dict[str, list[float]]


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turn(works: Mapping[str, Callable[[], object]], times: int = TIMES) -> Took:
    """Seconds of each, one after the other, `times` over: what disturbs one disturbs all."""
    took: Took = {name: [] for name in works}
    for _ in range(times):
        for name, work in works.items():
            took[name].append(seconds(work))
    return took


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> str:
    """How many times as long theirs took, of each turn; the median, and the least and the most."""
    each = sorted(a / b for a, b in zip(theirs, ours, strict=True))
    return f"ratio {median(each):.2f} [{each[0]:.2f}, {each[-1]:.2f}]"


def rounded(values: Sequence[float], digits: int = 2) -> list[float]:
    return [round(value, digits) for value in values]


def multiplied(inner: int, outer: int, dtype: torch.dtype, rows: int = ROWS) -> float:
    """Operations a second of a product of `rows` rows with an inner × outer matrix."""
    import torch

    left, layer = torch.randn(rows, inner).to(dtype), torch.nn.Linear(inner, outer, bias=False, dtype=dtype)
    with torch.inference_mode():
        layer(left)
        best = min(seconds(lambda: layer(left)) for _ in range(TRIES))
    return 2 * rows * inner * outer / best


def read(size: int) -> float:
    """Bytes a second at which `size` bytes are read from memory, or from a cache that holds them."""
    import torch

    numbers = torch.zeros(max(1, size // 4))
    numbers.sum()
    return 4 * len(numbers) / min(seconds(numbers.sum) for _ in range(TRIES))


def machine() -> str:
    return "machine: " + ", ".join(f"{key} {value}" for key, value in hardware.describe().items())
