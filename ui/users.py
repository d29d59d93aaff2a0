"""Who may use the page where it is for several people: names, and a salted hash of each password, in TWIN_HOME.

Read once, as settings are: whoever is added or removed while a page runs is known to it when it is started again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from functools import cached_property
from pathlib import Path

from contracts.errors import NotFound, UsageError
from contracts.files import write_atomic

FILE = "users.json"
COST = {"n": 2**14, "r": 8, "p": 1}  # 16 MiB and some 50 ms for each guess
SHORTEST, LONGEST_NAME = 8, 80  # characters of a password, and of a name


class Users:
    def __init__(self, home: Path) -> None:
        self._file = home / FILE

    @cached_property
    def _kept(self) -> dict[str, dict[str, str]]:
        """Name → salt and hash, in hexadecimal. A file that cannot be read must not open the page to everybody."""
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            return {str(name): {"salt": str(one["salt"]), "hash": str(one["hash"])} for name, one in kept.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{self._file} cannot be read: {error}", "delete it, and add everybody again with twin users add NAME"
            ) from error

    @property
    def names(self) -> list[str]:
        return sorted(self._kept)

    def add(self, name: str, password: str) -> str:
        """The name as it is kept. Raises UsageError for a name that is taken or none, and for a short password."""
        name = " ".join(name.split())
        if not name or not name.isprintable() or len(name) > LONGEST_NAME:
            raise UsageError(f"{name!r} cannot be a name", f"use up to {LONGEST_NAME} letters")
        if name in self._kept:
            raise UsageError(f"{name} is there already", f"for another password: twin users passwd {name!r}")
        self._let(name, password)
        return name

    def change(self, name: str, password: str) -> None:
        """Another password for the same name, so that what was kept under it stays theirs."""
        self._known(name)
        self._let(name, password)

    def remove(self, name: str) -> None:
        self._known(name)
        self._write({known: one for known, one in self._kept.items() if known != name})

    def may(self, name: str, password: str) -> bool:
        """Whether it is the name's password; a name that is not there takes as long as one that is."""
        known = self._kept.get(name, {"salt": "", "hash": ""})
        found = _hash(password, bytes.fromhex(known["salt"]))
        return hmac.compare_digest(found.hex(), known["hash"])

    def who(self, name: str | None) -> str:
        """The name under which what is said and written is kept; "" where the page is one person's."""
        return name if name and name in self._kept else ""

    def _known(self, name: str) -> None:
        if name not in self._kept:
            raise NotFound(f"there is no user {name!r}", "twin users list")

    def _let(self, name: str, password: str) -> None:
        if len(password) < SHORTEST:
            raise UsageError(f"a password has at least {SHORTEST} characters", "choose a longer one")
        salt = secrets.token_bytes(16)
        self._write({**self._kept, name: {"salt": salt.hex(), "hash": _hash(password, salt).hex()}})

    def _write(self, kept: dict[str, dict[str, str]]) -> None:
        write_atomic(self._file, json.dumps(kept, indent=2, ensure_ascii=False, sort_keys=True) + "\n", mode=0o600)
        self._kept = kept


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, **COST)
