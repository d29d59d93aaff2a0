"""What this machine has: which device, and the number format it multiplies fastest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "bad_alloc")


def out_of_memory(error: BaseException | None) -> bool:
    """torch says so by a RuntimeError, on a CPU and on a GPU, and so does OpenVINO; the system by an OSError. Also where
    another error was made of it."""
    if error is None:
        return False
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(s in said for s in _NO_MEMORY) or out_of_memory(error.__cause__)


def best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def best_dtype() -> torch.dtype:
    """bf16 where it is native (GPU, AMX or AVX512-BF16): 2.5 to 6 times the matrix products of fp32 on the same CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    # torch offers no public name for these two questions yet.
    native = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32


def describe() -> dict[str, str]:
    """For cards and reports: where a figure was made."""
    import os
    import platform

    import torch

    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else best_device(),
        "dtype": str(best_dtype()).removeprefix("torch."),
    }
