"""One JSON line for each request: how it went, never what was asked or answered."""

from __future__ import annotations

import datetime as dt
import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

Log = Callable[[dict[str, Any]], None]


def to(stream: TextIO) -> Log:
    """Lines for `stream`; None fields are left out."""

    def write(fields: dict[str, Any]) -> None:
        line = {"time": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"), **fields}
        print(json.dumps({key: value for key, value in line.items() if value is not None}), file=stream, flush=True)

    return write


def where(error: BaseException) -> str:
    """The innermost places of an error, as file:line. Its message is left out: it may quote what was asked."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
