"""Versions of adapters on disk: immutable, complete only with their card, found by number or by alias.

TWIN_HOME/models/<author>/v3/{adapter_config.json, adapter_model.safetensors, README.md, evaluation.json, card.json}
TWIN_HOME/models/<author>/v2/deleted.json  version 2 was deleted; its number is never used again
TWIN_HOME/models/<author>/aliases.json     champion, challenger, and every decision about them (aliases.py)
TWIN_HOME/models/<author>/forgotten.json   {"3": [ids]}: posts that version 3 was trained on and that are forgotten since

Who writes holds the author's lock and is alone: every half-made folder that it finds is a dead process's, and goes.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from filelock import FileLock

from contracts import aliases
from contracts.aliases import CHALLENGER, CHAMPION, Aliases
from contracts.errors import Mismatch, ModelError, NotFound, UsageError
from contracts.files import file_name, read_json, sha256_of, write_atomic, write_json
from contracts.prompt import PROMPT_HASH
from contracts.records import AdapterCard, Record
from contracts.version_folder import CARD, STOPPED, bury, deleted_at, empty, is_deleted, read_card, tombstone

if TYPE_CHECKING:
    from contracts.base_model import BaseLanguageModel

ALIASES = "aliases.json"
FORGOTTEN = "forgotten.json"
KEPT = ("adapter_config.json", "adapter_model.safetensors", "README.md", "evaluation.json")
PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}
ASKED = "asked for"
NUMBER = r"v[1-9]\d*"


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

    def damage(self) -> Iterator[ModelError]:
        """A card of somebody else's, pickled weights, and every file that is not as the card says."""
        if self.card.author != self.author:
            yield Mismatch(f"the author of {self.name}", self.author, self.card.author, "train a version of their own")
        pickled = sorted(path.name for path in self.folder.iterdir() if path.suffix in PICKLES)
        if pickled:
            yield ModelError(f"{self.name} holds pickled weights ({', '.join(pickled)})", "they are never loaded")
        for name, expected in {**dict.fromkeys(KEPT[:2], "a hash in its card"), **self.card.files}.items():
            path = self.folder / name
            found = sha256_of(path) if path.is_file() else "no such file"
            if found != expected:
                hint = "the version is damaged: roll back or train again"
                yield Mismatch(f"{name} of {self.name}", expected, found, hint)

    def misfits(self, base: BaseLanguageModel | None) -> Iterator[Mismatch]:
        """Everything that is not as it was in training. A card from before template hashes has none to compare.

        None: the base model is a server's, and cannot be looked at.
        """
        card = self.card
        pairs = [("prompt", card.prompt_hash, PROMPT_HASH)]
        if base:
            pairs += [
                ("base model", card.base_model_hash, base.hash),
                ("tokenizer", card.tokenizer_hash, base.tokenizer_hash),
                ("chat template", card.template_hash, base.template_hash if card.template_hash else ""),
            ]
        for what, expected, found in pairs:
            if expected != found:
                way = "" if what == "prompt" else f", or set TWIN_BASE_MODEL={card.base_model}"
                problem = f"{self.name} was trained with another {what} ({card.base_model})"
                yield Mismatch(problem, expected, found, f"train again{way}")

    def check(self, base: BaseLanguageModel | None = None) -> None:
        """Raise the first thing for which it cannot be served: today's prompt, `base` as its base model, or its files."""
        for problem in [*self.misfits(base), *self.damage()]:
            raise problem


class Verified(Record):
    """What `verify` found wrong with one version, or with an author's aliases; nothing where it is whole."""

    name: str
    damage: tuple[str, ...]
    misfits: tuple[str, ...]
    """It is whole, and belongs to another base model, tokenizer, template or prompt than today's."""


def require_adapter(folder: Path) -> Path:
    """The folder, if an adapter could be loaded from it. Raises ModelError, where PEFT would only miss a key."""
    configuration = read_json(folder / KEPT[0])
    if not isinstance(configuration, dict) or "peft_type" not in configuration or not (folder / KEPT[1]).is_file():
        raise ModelError(
            f"{folder} holds no adapter: {KEPT[0]} with a peft_type and {KEPT[1]} make one",
            "the version is damaged: roll back or train again",
        )
    return folder


def parse(model: str) -> tuple[str, str]:
    """`author@v3` or `author@champion` as (author, version). Raises UsageError for anything else."""
    author, at, version = model.rpartition("@")
    if not at or not author or not re.fullmatch(rf"{NUMBER}|(?!v[-\d])[a-z][a-z0-9_-]*", version):
        raise UsageError(f"{model!r} names no model version", "write author@v3 or author@champion")
    return author, version


Judge = Callable[[ModelVersion | None], Collection[str]]
"""The champion, or None → why another version may not take its place."""


class ModelRegistry:
    def __init__(self, home: Path) -> None:
        self._home = home / "models"

    def authors(self) -> list[str]:
        folders = self._home.iterdir() if self._home.is_dir() else []
        return sorted(unquote(folder.name) for folder in folders if folder.is_dir() and not folder.name.startswith("."))

    def versions(self, author: str) -> list[ModelVersion]:
        """Every complete version, oldest first; a folder without a valid card is not one."""
        read = ((number, path, read_card(path)) for number, path in sorted(self._numbered(author).items()))
        return [ModelVersion(author, number, path, card) for number, path, card in read if card]

    def get(self, model: str) -> ModelVersion:
        author, number = self._named(model)
        versions = self.versions(author)
        for version in versions:
            if version.number == number:
                return version
        deleted = self.deleted(author).get(number)
        gone = f"{author}@v{number} was deleted on {deleted:%Y-%m-%d}" if deleted else f"no model {model}"
        names = ", ".join(version.name for version in versions)
        raise NotFound(
            f"{gone} (registered: {names or 'none'})",
            "choose one of these" if names else f"twin train --author {author!r}",
        )

    def checked(self, model: str) -> ModelVersion:
        """The version, after comparing its files with its card."""
        version = self.get(model)
        for problem in version.damage():
            raise problem
        return version

    def champion(self, author: str) -> ModelVersion | None:
        """The version in force, or None where none has been promoted; while its card is torn, the one before it."""
        whole = {version.number: version for version in self.versions(author)}
        return next((whole[number] for number in reversed(self.aliases(author).champion) if number in whole), None)

    def challenger(self, author: str) -> ModelVersion | None:
        """The version that is tried beside the champion, or None where there is none."""
        number = self.aliases(author).challenger
        return next((version for version in self.versions(author) if version.number == number), None)

    def aliases(self, author: str) -> Aliases:
        """The champions, the challenger, and the history of decisions about them."""
        return _settled(self._folder(author), aliases.read(self._folder(author) / ALIASES))

    def deleted(self, author: str) -> dict[int, dt.datetime]:
        """When each deleted version was deleted, by number."""
        folders = sorted(self._numbered(author).items())
        return {number: deleted_at(folder) for number, folder in folders if is_deleted(folder)}

    def names(self, author: str) -> list[str]:
        """Of every version that is not deleted, also where its card cannot be read."""
        there = sorted(self._numbered(author).keys() - self.deleted(author).keys())
        return [f"{author}@v{number}" for number in there]

    def damaged(self, author: str) -> list[Path]:
        """Folders of versions whose card cannot be read."""
        known = {version.number for version in self.versions(author)} | set(self.deleted(author))
        return [path for number, path in sorted(self._numbered(author).items()) if number not in known]

    def register(self, card: AdapterCard, adapter: Path, readme: Callable[[str], str] | None = None) -> ModelVersion:
        """Copy the adapter's files beside its card as the author's next version; two at once get two numbers.

        `readme`, given the version's name, writes its README.md in place of the adapter's. Raises ModelError.
        """
        with self._writing(card.author) as folder:
            # A number is never used again, not even that of a version whose card cannot be read.
            number = max([*self._numbered(card.author), *self._promised(card.author)], default=0) + 1
            version = ModelVersion(card.author, number, folder / f"v{number}", card)
            staging = folder / f".staging-{number}"
            staging.mkdir()
            for name in KEPT:
                if (adapter / name).is_file():
                    _copy(adapter / name, staging / name)
            if readme:
                write_atomic(staging / "README.md", readme(version.name))
            hashes = {path.name: sha256_of(path) for path in sorted(staging.iterdir())}
            card = card.model_copy(update={"files": hashes})
            write_atomic(staging / CARD, card.model_dump_json(indent=2) + "\n")
            staging.rename(version.folder)
        return ModelVersion(card.author, number, version.folder, card)

    def decide(self, model: str, judge: Judge | None = None, base: BaseLanguageModel | None = None) -> bool:
        """Promote the version where nothing speaks against it, else note what does. Whether it is the champion now.

        `judge` says what does, given the champion of this very moment; without it, the card's gate. What was decided once is
        not decided again: another champion since then was meant.
        """
        version = self.get(model)

        def decided(now: Aliases) -> Aliases:
            version.check(base)
            if now.decided(version.number):
                return now
            reasons = judge(self.champion(version.author)) if judge else version.card.gate
            if reasons:
                return now.refuse(version.number, "; ".join(reasons))
            return now.promote(version.number, "gate", "it passed its gate")

        return self._change(version.author, decided).in_force == version.number

    def promote(self, model: str, base: BaseLanguageModel | None = None) -> ModelVersion:
        """Make it the champion. Promoting the champion again changes nothing. Mismatch where it cannot be served."""
        version = self.get(model)
        failed = "; ".join(version.card.gate)
        why = f"although {failed}" if failed else ASKED
        return self._alias_to(version, lambda now: now.promote(version.number, "hand", why), base)

    def challenge(self, model: str) -> ModelVersion:
        """Make it the challenger, in place of the one before. Raises UsageError for the champion."""
        version = self.get(model)
        return self._alias_to(version, lambda now: now.challenge(version.number, ASKED))

    def withdraw(self, author: str) -> None:
        """Nothing challenges the author's champion any more."""
        self._change(author, lambda now: now.withdraw(ASKED))

    def rollback(self, author: str, base: BaseLanguageModel | None = None) -> ModelVersion:
        """Make the previous champion the champion again; the one that it replaces stays registered."""
        registered = {version.number: version for version in self.versions(author)}

        def back(now: Aliases) -> Aliases:
            changed = now.roll_back(set(registered), ASKED)
            registered[changed.champion[-1]].check(base)
            return changed

        return registered[self._change(author, back).champion[-1]]

    def delete(
        self,
        model: str,
        why: str = ASKED,
        force: bool = False,
        first: Callable[[str], object] = lambda name: None,
    ) -> str:
        """Remove a version's files for good, and return its name.

        While an alias stands for it refused, with UsageError; by `force` the alias goes with it. `first`, given the name,
        removes what could not be asked for again once the version is gone; where it fails, the version stays as it was.
        """
        name = self.meant(model)
        author, wanted = parse(name)
        with self._writing(author) as folder:
            self._require(name)  # another may have deleted it meanwhile
            now, number = self.aliases(author), int(wanted[1:])
            changed = (now.release(number, why) if force else now).delete(number, why)
            stone = tombstone(folder / wanted, why)
            first(name)
            bury(folder / wanted, stone)  # the rest is also done by whoever writes next
            empty(folder / wanted, why)
            aliases.write(folder / ALIASES, changed)
        return name

    def meant(self, model: str) -> str:
        """The name of the version that a deletion is to be of, whole or not, once one that was stopped is brought to its
        end. Raises NotFound."""
        author, wanted = parse(model)
        if author in self.authors():
            with self._writing(author):
                pass
        held = {alias: number for number, alias in self.aliases(author).of.items()}
        # Not the version that stands in for a champion whose card is torn.
        return self._require(f"{author}@v{held[wanted] if wanted in held else self._named(model)[1]}")

    def verify(self, author: str, base: BaseLanguageModel | None = None) -> list[Verified]:
        """Every version's files against its card, and against `base` where it is at hand; torn cards and aliases too."""
        whole = {version.number: version for version in self.versions(author)}
        found = [
            Verified(
                name=version.name,
                damage=(*(e.message for e in version.damage()), *_unknown(version)),
                misfits=tuple(e.message for e in version.misfits(base)),
            )
            for version in whole.values()
        ]
        for path in self.damaged(author):
            torn = ("its card cannot be read",)
            found.append(Verified(name=f"{author}@{path.name}", damage=torn, misfits=()))
        for number, alias in self.aliases(author).of.items():
            if number not in whole:
                lost = (f"v{number}, which it stands for, cannot be read",)
                found.append(Verified(name=f"{author}@{alias}", damage=lost, misfits=()))
        return found

    def flag_forgotten(self, post_ids: Collection[str]) -> list[ModelVersion]:
        """Note which versions learned from these posts, before the posts are forgotten; returns those versions.

        By their ids, so that a post counts once, however often it is forgotten.
        """
        flagged = []
        for author in self.authors():
            with self._writing(author) as folder:
                flags = _flags(folder)
                for version in self.versions(author):
                    learned = {*version.card.posts.get("train", ()), *version.card.posts.get("validation", ())}
                    if gone := learned.intersection(post_ids):
                        known = flags.get(str(version.number), ())
                        flags[str(version.number)] = sorted(gone.union(known))
                        flagged.append(version)
                if flags:
                    write_json(folder / FORGOTTEN, flags)
        return flagged

    def forgotten(self, version: ModelVersion) -> int:
        """How many posts that the version was trained on are forgotten since."""
        return len(_flags(self._folder(version.author)).get(str(version.number), ()))

    def _require(self, name: str) -> str:
        if name not in self.names(parse(name)[0]):
            self.get(name)  # says which there are
        return name

    def _named(self, model: str) -> tuple[str, int]:
        """Author and number, whether or not there is such a version; an alias has to stand for one."""
        author, wanted = parse(model)
        return author, int(wanted[1:]) if re.fullmatch(NUMBER, wanted) else self._alias(author, wanted)

    def _alias(self, author: str, alias: str) -> int:
        held = {CHAMPION: self.champion, CHALLENGER: self.challenger}.get(alias, lambda _: None)(author)
        if held is None:
            raise NotFound(f"{author!r} has no {alias}", f"twin models list, then: twin models promote {author}@v1")
        return held.number

    def _alias_to(
        self, version: ModelVersion, change: Callable[[Aliases], Aliases], base: BaseLanguageModel | None = None
    ) -> ModelVersion:
        """An alias is only ever set to a version that is whole, and can be served, at that moment."""

        def checked(now: Aliases) -> Aliases:
            self.get(version.name).check(base)
            return change(now)

        self._change(version.author, checked)
        return version

    def _change(self, author: str, change: Callable[[Aliases], Aliases]) -> Aliases:
        with self._writing(author) as folder:
            before = self.aliases(author)
            after = change(before)
            if after is not before:
                aliases.write(folder / ALIASES, after)
        return after

    def _promised(self, author: str) -> set[int]:
        """Numbers that aliases and their history name, though a folder may be gone."""
        known = self.aliases(author)
        return {*known.champion, *known.of, *(decision.version for decision in known.history)}

    def _numbered(self, author: str) -> dict[int, Path]:
        folder = self._folder(author)
        paths = folder.iterdir() if folder.is_dir() else []
        return {int(path.name[1:]): path for path in paths if re.fullmatch(NUMBER, path.name)}

    def _folder(self, author: str) -> Path:
        return self._home / file_name(author)

    @contextmanager
    def _writing(self, author: str) -> Iterator[Path]:
        """The author's folder, held by this process alone, and rid of what dead ones left. Raises ModelError."""
        folder = self._folder(author)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock"):
                _clean(folder)
                try:
                    yield folder
                finally:  # of a write that failed; a full disk has need of the room
                    for staging in folder.glob(".staging-*"):
                        shutil.rmtree(staging, ignore_errors=True)
        except OSError as error:
            raise ModelError(
                f"the model registry cannot be written: {error}", f"make room, or let it be written, in {self._home}"
            ) from error


def _clean(folder: Path) -> None:
    """What is not whole can only be a dead process's; a folder that never had its card is no version."""
    for torn in (*folder.glob(".*.json.*"), *folder.glob("v*/.*.json.*")):
        torn.unlink()
    for staging in folder.glob(".staging-*"):
        shutil.rmtree(staging)
    stored = aliases.read(folder / ALIASES)
    named = {*stored.champion, *stored.of}  # these had a card: a program that copies folders may bring it back
    for path in folder.iterdir():
        if re.fullmatch(NUMBER, path.name) and path.is_dir():
            if not (is_deleted(path) or (path / CARD).exists() or int(path.name[1:]) in named):
                bury(path, tombstone(path, "it never had a card"))
            if is_deleted(path):
                empty(path)
    if (settled := _settled(folder, stored)) is not stored:
        aliases.write(folder / ALIASES, settled)


def _settled(folder: Path, known: Aliases) -> Aliases:
    """Without versions that are deleted, though the deletion was stopped before it could say so there."""
    for number in {*known.champion, *known.of}:
        if is_deleted(folder / f"v{number}"):
            known = known.release(number, STOPPED).delete(number, STOPPED)
    return known


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())  # before the card that vouches for it


def _unknown(version: ModelVersion) -> list[str]:
    names = sorted(path.name for path in version.folder.iterdir())
    return [f"{name} is not in the card of {version.name}" for name in names if name not in (CARD, *version.card.files)]


def _flags(folder: Path) -> dict[str, list[str]]:
    """Ids of forgotten posts by number; where they were only counted once, as many names of no post."""
    stored = read_json(folder / FORGOTTEN)
    flags = stored if isinstance(stored, dict) else {}
    lists = {number: [*range(ids)] if isinstance(ids, int) else ids for number, ids in flags.items()}
    return {number: [str(id_) for id_ in ids] for number, ids in lists.items() if isinstance(ids, list)}
