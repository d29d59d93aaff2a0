"""Values of foreign JSON, as what they should be; ids by their age."""

from __future__ import annotations

from typing import Any


def objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def string(value: object) -> str:
    return value if isinstance(value, str) else ""


def age(id_: str) -> tuple[int, str]:
    """Ids grow with time, and are numbers of one length or another."""
    return len(id_), id_
