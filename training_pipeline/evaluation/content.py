"""Content: whether a text is still about what it was asked for, or style was bought with nonsense."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.records import Figure
from training_pipeline.evaluation.bootstrap import figure, too_few

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

_ITEM = re.compile(r"\d[\d.,:/-]*\d|\d|[^\W\d_][\w'’.-]*\w[+#]*|[^\W\d_][+#]*")
_SENTENCE = re.compile(r"(?:^|[.!?:\n“\"‘(\[]\s*)$")


def entities(text: str) -> set[str]:
    """Numbers, and words that are capitalised within a sentence or have a capital or a digit within; in lower case."""
    found = set()
    for match in _ITEM.finditer(text):
        item = match.group()
        within = not _SENTENCE.search(text[: match.start()][-3:])
        if item[0].isdigit() or re.search(r"\w[A-Z\d]", item) or (item[0].isupper() and within and item != "I"):
            found.add(item.lower().removesuffix("'s").removesuffix("’s"))
    return found


def entities_kept(instructions: Sequence[str], texts: Sequence[str], each: int = 1) -> Figure:
    """Share of an instruction's names and numbers that the text has too; of instructions that have any."""
    kept = []
    for n, instruction in enumerate(instructions):
        if named := entities(instruction):
            written = [text.lower() for text in texts[n * each : (n + 1) * each]]
            kept.append([sum(_says(text, name) for name in named) / len(named) for text in written])
    if few := too_few([kept], what="instructions with a name or a number"):
        return few
    return figure([np.array(kept)], lambda means: means[0])


def _says(text: str, name: str) -> bool:
    """Whether the name or number stands there as a word, or in its plural: “going” is no Go, and 2015 no 5."""
    return bool(re.search(rf"(?<!\w)(?<!\d[.,:/-]){re.escape(name)}(?:['’]?s)?(?![\w+#]|[.,:/-]\d)", text))


def instruction_similarity(instructions: Sequence[str], texts: Sequence[str], embed: Embed, each: int = 1) -> Figure:
    """Mean cosine of the embeddings of the instruction and of the text."""
    if few := too_few([instructions], what="instructions"):
        return few
    asked = np.repeat(embed(instructions), each, axis=0)
    cosines = (asked * embed(texts)).sum(axis=1)
    return figure([np.reshape(cosines, (-1, each))], lambda means: means[0])
