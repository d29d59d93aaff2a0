"""Versions of adapters on disk: immutable, complete only with their card, found by number or by alias.

TWIN_HOME/models/<author>/v3/{adapter_config.json, adapter_model.safetensors, README.md, card.json}
TWIN_HOME/models/<author>/aliases.json    {"champion": [1, 3]}, the last one in force, the others its history
TWIN_HOME/models/<author>/forgotten.json  {"3": 2}: version 3 was trained on two posts that are forgotten since
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from filelock import FileLock
from pydantic import ValidationError

from contracts.errors import Mismatch, ModelError, NotFound, UsageError
from contracts.files import read_json, sha256_of, write_atomic, write_json
from contracts.records import AdapterCard

CARD = "card.json"
CHAMPION = "champion"
FORGOTTEN = "forgotten.json"
PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}


@dataclass(frozen=True)
class ModelVersion:
    """One registered version; `name` is what a person types, as in `ada@v3`."""

    author: str
    number: int
    folder: Path
    card: AdapterCard

    @property
    def name(self) -> str:
        return f"{self.author}@v{self.number}"

    def check(self) -> None:
        """Compare every file with the hash that the card holds; pickled weights are refused. Raises ModelError."""
        pickled = sorted(path.name for path in self.folder.iterdir() if path.suffix in PICKLES)
        if pickled:
            raise ModelError(f"{self.name} holds pickled weights ({', '.join(pickled)})", "they are never loaded")
        for name, expected in self.card.files.items():
            path = self.folder / name
            found = sha256_of(path) if path.is_file() else "no such file"
            if found != expected:
                raise Mismatch(
                    f"{name} of {self.name}", expected, found, "the version is damaged: roll back or train again"
                )


def parse(model: str) -> tuple[str, str]:
    """`author@v3` or `author@champion` as (author, version). Raises UsageError for anything else."""
    author, at, version = model.rpartition("@")
    if not at or not author or not re.fullmatch(r"v[1-9]\d*|(?!v[-\d])[a-z][a-z0-9_-]*", version):
        raise UsageError(f"{model!r} names no model version", "write author@v3 or author@champion")
    return author, version


class ModelRegistry:
    def __init__(self, home: Path) -> None:
        self._home = home / "models"

    def authors(self) -> list[str]:
        folders = self._home.iterdir() if self._home.is_dir() else []
        return sorted(unquote(folder.name) for folder in folders if folder.is_dir() and not folder.name.startswith("."))

    def versions(self, author: str) -> list[ModelVersion]:
        """Every complete version, oldest first; a folder without a valid card is not one."""
        read = ((number, path, _card(path)) for number, path in sorted(self._numbered(author).items()))
        return [ModelVersion(author, number, path, card) for number, path, card in read if card]

    def get(self, model: str) -> ModelVersion:
        author, wanted = parse(model)
        number = int(wanted[1:]) if re.fullmatch(r"v[1-9]\d*", wanted) else self._alias(author, wanted)
        versions = self.versions(author)
        for version in versions:
            if version.number == number:
                return version
        names = ", ".join(version.name for version in versions) or "none"
        raise NotFound(f"no model {model} (registered: {names})", f"twin train --author {author!r}")

    def champion(self, author: str) -> ModelVersion | None:
        """The version in force, or None where no version has been promoted."""
        whole = {version.number: version for version in self.versions(author)}
        return next((whole[number] for number in reversed(self._history(author)) if number in whole), None)

    def damaged(self, author: str) -> list[Path]:
        """Folders of versions whose card cannot be read."""
        whole = {version.number for version in self.versions(author)}
        return [path for number, path in sorted(self._numbered(author).items()) if number not in whole]

    def _numbered(self, author: str) -> dict[int, Path]:
        folder = self._folder(author)
        paths = folder.iterdir() if folder.is_dir() else []
        return {int(path.name[1:]): path for path in paths if re.fullmatch(r"v[1-9]\d*", path.name)}

    def checked(self, model: str) -> ModelVersion:
        """The version, after comparing its files with its card."""
        version = self.get(model)
        version.check()
        return version

    def register(self, card: AdapterCard, adapter: Path) -> ModelVersion:
        """Copy the adapter's files beside its card as the author's next version. Two at once get two numbers."""
        folder = self._folder(card.author)
        staging = folder / f".staging-{os.getpid()}-{card.run_id}"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        for name in ("adapter_config.json", "adapter_model.safetensors", "README.md"):
            if (adapter / name).is_file():
                shutil.copyfile(adapter / name, staging / name)
        card = card.model_copy(update={"files": {path.name: sha256_of(path) for path in sorted(staging.iterdir())}})
        write_atomic(staging / CARD, card.model_dump_json(indent=2) + "\n")
        with self._locked(card.author):
            # A number is never used again, not even that of a version whose card cannot be read.
            number = max([*self._numbered(card.author), *self._history(card.author)], default=0) + 1
            target = folder / f"v{number}"
            staging.rename(target)
        return ModelVersion(card.author, number, target, card)

    def promote(self, model: str) -> ModelVersion:
        """Make it the champion. Promoting the champion again changes nothing."""
        version = self.checked(model)
        with self._locked(version.author):
            history = self._history(version.author)
            if not history or history[-1] != version.number:
                self._write_history(version.author, [*history, version.number])
        return version

    def rollback(self, author: str) -> ModelVersion:
        """Make the previous champion the champion again; the one that it replaces stays registered."""
        with self._locked(author):
            history = self._history(author)
            if len(history) < 2:
                raise NotFound(f"{author!r} has no earlier champion", f"twin models list --author {author!r}")
            version = self.checked(f"{author}@v{history[-2]}")
            self._write_history(author, history[:-1])
        return version

    def flag_forgotten(self, post_ids: Collection[str]) -> list[ModelVersion]:
        """Note which versions learned from these posts, as the posts are forgotten; returns those versions."""
        flagged = []
        for author in self.authors():
            for version in self.versions(author):
                learned = {*version.card.posts.get("train", ()), *version.card.posts.get("validation", ())}
                count = len(learned.intersection(post_ids))
                if count:
                    with self._locked(author):
                        path = self._folder(author) / FORGOTTEN
                        flags = read_json(path) or {}
                        write_json(path, {**flags, str(version.number): flags.get(str(version.number), 0) + count})
                    flagged.append(version)
        return flagged

    def forgotten(self, version: ModelVersion) -> int:
        """How many posts that the version was trained on are forgotten since."""
        flags = read_json(self._folder(version.author) / FORGOTTEN)
        return int(flags.get(str(version.number), 0)) if isinstance(flags, dict) else 0

    def _alias(self, author: str, alias: str) -> int:
        champion = self.champion(author) if alias == CHAMPION else None
        if champion is None:
            raise NotFound(f"{author!r} has no {alias}", f"twin models list, then: twin models promote {author}@v1")
        return champion.number

    def _history(self, author: str) -> list[int]:
        stored = read_json(self._folder(author) / "aliases.json")
        history = stored.get(CHAMPION, []) if isinstance(stored, dict) else []
        return [int(number) for number in history]

    def _write_history(self, author: str, history: list[int]) -> None:
        write_json(self._folder(author) / "aliases.json", {CHAMPION: history})

    def _folder(self, author: str) -> Path:
        return self._home / quote(author, safe=" ").replace(".", "%2E")

    @contextmanager
    def _locked(self, author: str) -> Iterator[None]:
        folder = self._folder(author)
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            yield


def _card(folder: Path) -> AdapterCard | None:
    stored = read_json(folder / CARD)
    try:
        return AdapterCard.model_validate(stored) if stored is not None else None
    except ValidationError:
        return None
