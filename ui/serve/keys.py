"""API keys: who calls, and whose twin they may ask."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

from contracts.errors import UsageError

SHORTEST = 16  # characters: no key that can be guessed
HINT = "make one: python -c 'import secrets; print(secrets.token_urlsafe(24))'"


@dataclass(frozen=True)
class Caller:
    """`name` stands in logs and shares the queue fairly; `author` is the one whose twin may be asked, None for any."""

    name: str
    author: str | None = None
    keyed: bool = True
    """Else `name` is an address, which is kept nowhere."""

    def person(self, user: str | None) -> str:
        """Who asks through this caller; empty where it does not say."""
        return f"{self.name}/{user}" if user and self.keyed else user or ""

    def may(self, author: str) -> bool:
        return self.author in (None, author)


class Keys:
    """`setting` is a list such as "key, Wren Halloway:key": with an author, a key opens that twin alone."""

    def __init__(self, setting: str | None) -> None:
        self._known: list[tuple[bytes, Caller]] = []
        for number, part in enumerate(filter(None, map(str.strip, (setting or "").split(","))), start=1):
            author, _, key = part.rpartition(":")
            if len(key.strip()) < SHORTEST:
                raise UsageError(f"key {number} of TWIN_API_KEYS is shorter than {SHORTEST} characters", HINT)
            self._known.append((_hash(key.strip()), Caller(f"key-{number}", author.strip() or None)))

    def __bool__(self) -> bool:
        return bool(self._known)

    def caller(self, authorization: str, client: str) -> Caller | None:
        """Who sent this header; None for nobody known. Without keys, whoever reaches this machine's own address may ask.

        Every key is compared, and as a hash: how long it takes says nothing about them.
        """
        if not self._known:
            return Caller(client, keyed=False)
        scheme, _, given = authorization.partition(" ")
        hashed = _hash(given.strip() if scheme.lower() == "bearer" else "")
        found = [caller for known, caller in self._known if compare_digest(known, hashed)]
        return found[0] if found else None


def _hash(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()
