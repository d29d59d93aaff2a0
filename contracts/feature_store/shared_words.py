"""Which texts hold words of another: eight in a row, or all of a shorter one. Case and signs count for nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

RUN = 8  # words in a row that two texts seldom share by chance
LEAST = 4  # words: what is shorter is anybody's

_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # Chinese and Japanese put no space between words
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


class Words:
    """The words of some texts by name, to be asked which of them hold those of another."""

    def __init__(self, texts: Mapping[str, Iterable[str]]) -> None:
        self._runs: dict[tuple[str, ...], set[str]] = {}
        self._lines: list[tuple[str, str]] = []
        for name, some in texts.items():
            for text in some:
                words = _words(text)
                self._lines.append((name, f" {' '.join(words)} "))
                for run in _runs(words):
                    self._runs.setdefault(run, set()).add(name)

    def holding(self, text: str) -> set[str]:
        """The names under which RUN words in a row of `text` stand, or all of them where they are LEAST to RUN - 1."""
        wanted = _words(text)
        if len(wanted) >= RUN:
            return set().union(*(self._runs[run] for run in _runs(wanted) if run in self._runs))
        whole = f" {' '.join(wanted)} "
        return {name for name, line in self._lines if whole in line} if len(wanted) >= LEAST else set()


def share_a_run(one: str, other: str) -> bool:
    """Whether RUN words in a row of one text stand in the other."""
    return not _runs(_words(one)).isdisjoint(_runs(_words(other)))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _runs(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[start : start + RUN]) for start in range(len(words) - RUN + 1)}
