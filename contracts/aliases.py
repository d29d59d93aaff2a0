"""What `champion` and `challenger` stand for, and every decision that made it so. Pure: the registry reads and writes it.

TWIN_HOME/models/<author>/aliases.json: {"champion": [1, 3], "challenger": 4, "history": [decisions, oldest first]}.
A file from before there were challengers, {"champion": [1, 3]}, reads the same.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.errors import NotFound, UsageError
from contracts.files import read_json, write_json
from contracts.records import Record

CHAMPION, CHALLENGER = "champion", "challenger"
By = Literal["gate", "hand"]


class Decision(Record):
    """Who became what, when, in whose place, and why."""

    did: Literal["promoted", "not promoted", "rolled back", "challenges", "withdrawn", "retired", "deleted"]
    version: int
    before: int | None
    """The number that the alias stood for until then; None where it stood for none."""
    at: dt.datetime
    by: By
    why: str


class Aliases(BaseModel):
    """Changed by making a new one; a method that has nothing to change returns the same one."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # a later version's file must not lose the champion

    champion: tuple[int, ...] = ()
    """Every champion since the last rollback, the last one in force: the way back."""
    challenger: int | None = None
    history: tuple[Decision, ...] = ()

    @property
    def in_force(self) -> int | None:
        return self.champion[-1] if self.champion else None

    @property
    def of(self) -> dict[int, str]:
        """Number → alias."""
        held = {self.challenger: CHALLENGER, self.in_force: CHAMPION}
        return {number: alias for number, alias in held.items() if number is not None}

    def decided(self, number: int) -> bool:
        """Whether it was promoted or refused before, whatever became of that."""
        return any(one.version == number and one.did in ("promoted", "not promoted") for one in self.history)

    def promote(self, number: int, by: By, why: str) -> Aliases:
        """The champion before it stays on the way back. A challenger that is promoted challenges no more."""
        if number == self.in_force:
            return self
        return self._decide(
            Decision(did="promoted", version=number, before=self.in_force, at=_now(), by=by, why=why),
            champion=(*self.champion, number),
            challenger=None if self.challenger == number else self.challenger,
        )

    def refuse(self, number: int, why: str) -> Aliases:
        return self._decide(
            Decision(did="not promoted", version=number, before=self.in_force, at=_now(), by="gate", why=why)
        )

    def challenge(self, number: int, why: str) -> Aliases:
        """In place of the challenger before it. Raises UsageError for the champion."""
        if number == self.challenger:
            return self
        if number == self.in_force:
            raise UsageError(f"v{number} is the champion and cannot challenge itself", "name another version")
        made = Decision(did="challenges", version=number, before=self.challenger, at=_now(), by="hand", why=why)
        return self._decide(made, challenger=number)

    def withdraw(self, why: str) -> Aliases:
        """Nothing challenges the champion any more."""
        if self.challenger is None:
            return self
        made = Decision(did="withdrawn", version=self.challenger, before=self.challenger, at=_now(), by="hand", why=why)
        return self._decide(made, challenger=None)

    def roll_back(self, registered: set[int], why: str) -> Aliases:
        """To the last champion before this one that is still registered. Raises NotFound."""
        earlier = self.champion[:-1]
        while earlier and earlier[-1] not in registered:
            earlier = earlier[:-1]
        if not earlier:
            raise NotFound(
                "there is no earlier champion",
                "twin models list shows which versions there are, and twin models promote makes one the champion",
            )
        number = earlier[-1]
        made = Decision(did="rolled back", version=number, before=self.in_force, at=_now(), by="hand", why=why)
        challenger = None if self.challenger == number else self.challenger
        return self._decide(made, champion=earlier, challenger=challenger)

    def release(self, number: int, why: str) -> Aliases:
        """No alias stands for the version. Without a champion the base model answers, until another is promoted by hand: an
        earlier one does not come back unasked, as what speaks against this one may speak against it, too."""
        if number == self.challenger:
            return self.withdraw(why)
        if number != self.in_force:
            return self
        made = Decision(did="retired", version=number, before=number, at=_now(), by="hand", why=why)
        return self._decide(made, champion=())

    def delete(self, number: int, why: str) -> Aliases:
        """The version leaves the way back, too. Raises UsageError while an alias stands for it."""
        if number in self.of:
            way = "promote another" if self.of[number] == CHAMPION else "withdraw it"
            though = f"`twin models delete` with --force deletes the {self.of[number]}, too"
            raise UsageError(f"v{number} is the {self.of[number]}", f"{way} before you delete this one; {though}")
        champion = tuple(other for other in self.champion if other != number)
        made = Decision(did="deleted", version=number, before=None, at=_now(), by="hand", why=why)
        return self._decide(made, champion=champion)

    def _decide(self, decision: Decision, **changes: object) -> Aliases:
        return self.model_copy(update={**changes, "history": (*self.history, decision)})


def read(path: Path) -> Aliases:
    """What stands there; none at all where the file is absent or torn. A history that cannot be read costs no champion."""
    stored = read_json(path)
    for names in (("champion", "challenger", "history"), ("champion", "challenger"), ("champion",)):
        try:
            return Aliases.model_validate({name: stored[name] for name in names if name in stored})
        except (ValidationError, TypeError):
            continue
    return Aliases()


def write(path: Path, aliases: Aliases) -> None:
    write_json(path, aliases.model_dump(mode="json"))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
