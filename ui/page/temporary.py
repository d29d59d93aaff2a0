"""Where the page keeps what is uploaded to it and downloaded from it: in TWIN_HOME, for as long as the page runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from contracts.files import file_name

LARGEST_UPLOAD = 200 * 1024 * 1024  # bytes of one request, and of one file
NAME = "page"
FORGOTTEN = "forgotten"  # in a page's own folder: an empty file for each author of whom something was forgotten


@contextmanager
def temporary(home: Path) -> Iterator[Path]:
    """This process's own folder, gone when the block ends; what a page that was killed has left goes, too."""
    folder = own(home)
    for left in folder.parent.glob("*"):
        if not _runs(left.name):
            shutil.rmtree(left, ignore_errors=True)
    if not any(folder.parent.glob("*")):  # no other page runs, and no job of one
        shutil.rmtree(uploads(home), ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(folder)  # read by Gradio where a page is made
    try:
        yield folder
    finally:
        os.environ.pop("GRADIO_TEMP_DIR")
        if before is not None:
            os.environ["GRADIO_TEMP_DIR"] = before
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # another page's folder may be there
            folder.parent.rmdir()


def own(home: Path) -> Path:
    """This process's own folder, from which alone the page serves files."""
    return home / NAME / str(os.getpid())


def uploads(home: Path) -> Path:
    """Where posts wait to be read. A file has the same place each time, so that a second upload is known as the same."""
    return home / "uploads"


def export_of(model: str, format: str) -> str:
    """What a download of this version is called, before its ending."""
    return f"{model} {format}"


def forget_uploads(home: Path, author: str) -> None:
    shutil.rmtree(uploads(home) / file_name(author), ignore_errors=True)


def forget_copies(home: Path, names: Collection[str]) -> None:
    """Of these files, as every page that runs has made them for a download."""
    for file in (home / NAME).rglob("*"):
        if file.name in names:
            file.unlink(missing_ok=True)


def forget_found(home: Path, author: str) -> None:
    """Every page that runs is told, also by a command: what a look at the author's posts has found holds their words."""
    for folder in (home / NAME).glob("*"):
        with suppress(FileNotFoundError):  # that page ends
            (folder / FORGOTTEN).mkdir(exist_ok=True)
            (folder / FORGOTTEN / file_name(author)).touch()


def is_forgotten(home: Path, author: str) -> bool:
    """Whether anything of the author was forgotten since `found_anew`."""
    return (own(home) / FORGOTTEN / file_name(author)).exists()


def found_anew(home: Path, author: str) -> None:
    (own(home) / FORGOTTEN / file_name(author)).unlink(missing_ok=True)


def _runs(name: str) -> bool:
    try:
        os.kill(int(name), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
