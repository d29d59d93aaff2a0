"""The folder of a run, named by everything that decides its outcome, and who among the run's processes may do what.

It holds words of posts, in weights and in texts, so it goes with them: its file WHOSE says with whose.
`accelerate launch` starts one process a device. All of them train; the first alone measures, registers and prints.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from errno import EFBIG, ENOSPC
from pathlib import Path

from filelock import FileLock, Timeout

from contracts.errors import StoreBusy, TrainingError
from contracts.files import FULL, read_json, write_json
from contracts.hardware import best_device, out_of_memory
from training_pipeline.recipe import Recipe

WHOSE = "whose.json"
LOSSES, SAMPLES = "losses.jsonl", "samples.jsonl"  # what whoever looks on reads while it goes on


def is_first() -> bool:
    """Whether this process is the only one of the run, or the first of several."""
    return int(os.environ.get("RANK", "0")) == 0


def wait_for_others() -> None:
    """Until every process of the run has come to this point."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from accelerate import PartialState  # type: ignore[import-untyped]

        PartialState(cpu=best_device() == "cpu").wait_for_everyone()


@contextmanager
def enough_memory(what: str, way: str) -> Iterator[None]:
    """Raises TrainingError, with a way out, where what is done has no room in memory."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        said = str(error).strip().split("\n")[0] or "no more is left"
        raise TrainingError(f"memory is too small {what}: {said}", way) from error


def within_memory(recipe: Recipe) -> AbstractContextManager[None]:
    """For what is done by the recipe: with what could be lowered in it."""
    ways = [f"batch (now {recipe.batch}, and accumulate up as much)"] * (recipe.batch > 1)
    ways.append(f"max_tokens (now {recipe.max_tokens})")
    recompute = "" if recipe.recompute else ", set recompute = true"
    return enough_memory(
        f"for the recipe {recipe.name}",
        f"in a copy of the recipe lower {' or '.join(ways)}{recompute}; or end other programs, or choose a smaller "
        "base model (TWIN_BASE_MODEL)",
    )


@contextmanager
def held(folder: Path, author: str, base: str, resume: bool) -> Iterator[Path]:
    """The folder, held by this run alone, which trains on the base model of that name; emptied first unless it is to be
    resumed.

    Raises StoreBusy, and TrainingError where the disk is full.
    """
    if not is_first():
        wait_for_others()  # for the folder to be there, and empty
        yield folder
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise StoreBusy("this very training runs already in another process", "wait until it has finished") from error
    try:
        if not resume:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        write_json(folder / WHOSE, {"author": author, "base": base})
        wait_for_others()
        yield folder
    except Exception as error:
        if _is_for_want_of_room(error):
            raise TrainingError(
                f"the disk has no room for the run: {str(error).splitlines()[0]}",
                f"make room in {folder.parent}; the same command with --resume goes on",
            ) from error
        raise
    finally:
        lock.release()


def _is_for_want_of_room(error: Exception) -> bool:
    """Told by the number where there is one; safetensors and torch put it into words."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in FULL
    said = (f"(os error {ENOSPC})", f"(os error {EFBIG})", "PytorchStreamWriter", "unexpected pos")
    return any(words in str(error) for words in said)


def of(home: Path, author: str) -> list[Path]:
    """The folders of the author's runs that are not over."""
    return [
        path.parent for path in (home / "runs").glob(f"*/{WHOSE}") if (read_json(path) or {}).get("author") == author
    ]


def stopped(home: Path, author: str, base: str) -> list[Path]:
    """Those of them, on this base model, that have something to go on from."""
    return [
        folder
        for folder in of(home, author)
        if any(folder.glob("checkpoint-*")) and (read_json(folder / WHOSE) or {}).get("base") == base
    ]


def goes_on(folder: Path) -> bool:
    """Whether a process holds it."""
    try:
        with FileLock(folder.with_suffix(".lock"), timeout=0):
            return False
    except Timeout:
        return True


def forget(home: Path, author: str) -> None:
    """Remove the folders of the author's runs that were stopped. Raises StoreBusy, and removes none, while one goes on."""
    found = of(home, author)
    with ExitStack() as locks:
        for folder in found:
            try:
                locks.enter_context(FileLock(folder.with_suffix(".lock"), timeout=0))
            except Timeout as error:
                raise StoreBusy(
                    f"a training of {author!r} is reading these posts", "stop it, or wait for its end"
                ) from error
        for folder in found:
            shutil.rmtree(folder, ignore_errors=True)
