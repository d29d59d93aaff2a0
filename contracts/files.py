"""Files that survive a crash: whatever marks completeness is written last, and appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EDQUOT, EFBIG, ENOSPC, EPERM, EROFS
from pathlib import Path
from typing import Any
from urllib.parse import quote

FULL = (ENOSPC, EDQUOT, EFBIG)  # a full disk, a quota, a file that may be no longer
UNWRITABLE = (*FULL, EROFS, EACCES, EPERM)  # or a folder of somebody else's


def write_atomic(path: Path, text: str, mode: int = 0o666) -> None:
    """Replace `path` by `text`: after a crash at any moment it holds the old text or the new one. `mode` is who may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    made = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(made, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, value: Any) -> None:
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """The value, or None where the file is absent or torn."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


@contextmanager
def staged(folder: Path, done: str) -> Iterator[Path]:
    """A new folder that becomes `folder` when the block ends well, and is gone when it does not.

    `done` is a JSON file in it that says that it is whole. Where another process was quicker, its folder stays.
    """
    made = folder.with_name(f".{folder.name}-{os.getpid()}-{threading.get_ident()}")
    try:
        made.mkdir(parents=True)
        yield made
        if read_json(folder / done) is None:
            shutil.rmtree(folder, ignore_errors=True)
            made.replace(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_name(author: str) -> str:
    """A name for the author's files and folders, which `unquote` turns back: no path, and none that is hidden."""
    return quote(author, safe=" ").replace(".", "%2E")
