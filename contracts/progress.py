"""How a pipeline says how far it is: through a callback of whoever waits. It draws nothing itself."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""(stage, done, of how many; None where that is not known)"""


def silent(stage: str, done: int, of: int | None) -> None:
    """For a run that nobody waits for."""
