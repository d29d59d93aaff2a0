"""Traffic: which questions the challenger answers instead of the champion, drawn so that every draw can be repeated.

Knows no model: it turns a key into a number, and compares that with a share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.records import digest

if TYPE_CHECKING:
    from contracts.model_registry import ModelRegistry, ModelVersion

_DIGITS = 13  # of hex: as many as a float holds exactly
_ALL = float(0x1 << 4 * _DIGITS)


def place(author: str, challenger: str, key: str) -> float:
    """Where `key` falls in [0, 1). The challenger's name is in it: another one is tried on other people."""
    return int(digest(author, challenger, key, length=_DIGITS), 16) / _ALL


def drawn(registry: ModelRegistry, author: str, key: str, share: float) -> ModelVersion | None:
    """The champion; the challenger for `share` of all keys. A larger share only ever moves keys to the challenger."""
    challenger = registry.challenger(author) if share > 0 else None
    if challenger and place(author, challenger.name, key) < share:
        return challenger
    return registry.champion(author)
