"""The folder of one version of an adapter: its card makes it one, a tombstone in its place ends it.

Either is there whole or not at all, by a rename. The folder stays, and with it the number.
"""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

from pydantic import ValidationError

from contracts.files import FULL, read_json, write_json
from contracts.records import AdapterCard

CARD = "card.json"
DELETED = "deleted.json"
STOPPED = "its deletion was stopped, and brought to its end"


def read_card(folder: Path) -> AdapterCard | None:
    """What was registered; None where the version is deleted, or its card cannot be read."""
    stored = None if is_deleted(folder) else read_json(folder / CARD)
    try:
        return AdapterCard.model_validate(stored) if stored is not None else None
    except ValidationError:
        return None


def is_deleted(folder: Path) -> bool:
    return (folder / DELETED).exists()


def deleted_at(folder: Path) -> dt.datetime:
    """As the tombstone says; as its file does where it is torn, or the disk was too full to write it."""
    try:
        return dt.datetime.fromisoformat(read_json(folder / DELETED)["at"])
    except (TypeError, KeyError, ValueError):
        return dt.datetime.fromtimestamp((folder / DELETED).stat().st_ctime, dt.UTC)


def tombstone(folder: Path, why: str) -> Path:
    """A file for `bury`. Burying needs no room: where none is left for the file, it is the card itself."""
    stone = folder.with_name(f".{DELETED}.stone")
    try:
        write_json(stone, {"at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), "why": why})
    except OSError as error:
        if error.errno not in FULL or not (folder / CARD).exists():
            raise
        return folder / CARD
    return stone


def bury(folder: Path, stone: Path) -> None:
    """From here on it is no version."""
    stone.replace(folder / DELETED)


def empty(folder: Path, why: str = STOPPED) -> None:
    """All that a deleted version had goes."""
    for left in folder.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left.name != DELETED:
            left.unlink()
    if "why" not in (read_json(folder / DELETED) or ()):  # it was a card; by now there is room
        bury(folder, tombstone(folder, why))
