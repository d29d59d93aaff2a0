"""A page in a process of its own, whose model works in native code:  python -m tests.page_process HOME PORT"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from langchain_core.language_models import BaseChatModel

from contracts.files import write_json
from contracts.prompt import Message
from tests.browser import WREN, Engine, Log, ReadsAloud, small, stock
from ui.page.server import serve

LONG = 6.0  # seconds that a text takes to be measured: longer than the rest of the process needs to end


def native(seconds: float) -> None:
    """As a model's steps are: in C++, without Python's lock."""
    matrix, until = torch.ones(256, 256), time.monotonic() + seconds
    while time.monotonic() < until:
        matrix = (matrix @ matrix).clamp(max=1)


class Works(ReadsAloud):
    def _stream(self, *asked: Any, **named: Any) -> Iterator[Any]:
        for piece in super()._stream(*asked, **named):
            native(0.1)
            yield piece

    def nll(self, messages: Sequence[Message], text: str) -> tuple[float, int]:
        native(LONG)
        return float(len(text)), len(text.encode())


class Workshop(Engine):
    def made(self, log: Log) -> BaseChatModel:
        return Works(log=log, **self.settings)


if __name__ == "__main__":
    torch.set_num_threads(1)
    twin = small(Path(sys.argv[1]))
    twin.app.engine = twin.app.twin._engine = Workshop(pause=0.0)
    stock(twin)
    folder = twin.app.registry.get(f"{WREN}@v2").folder
    write_json(folder / "evaluation.json", {"deltas": {str(n): 0.001 * n for n in range(20)}})
    serve(twin.app, port=int(sys.argv[2]), author=WREN, ready=lambda url: print(url, flush=True))
    print("closed", flush=True)
