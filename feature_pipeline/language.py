"""The language of a post, by a model of byte n-grams that comes with its package: nothing is fetched.

It knows nothing of marks: code and addresses are left out here, as they look like English everywhere.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from feature_pipeline.liquid import FENCE

READ = 4000  # characters of the post that are looked at
ENOUGH = 400  # characters of words: more costs time and tells no more
FEWEST = 6  # letters: “lol” and “ok” are of no language
SURE = 0.5  # the model's probability; what it says with less is right too seldom

# Code, definitions of links, targets of links, tags.
NO_WORDS = re.compile(
    rf"{FENCE}|^(?:[ ]{{4}}|\t).*$|^\[[^\]\n]{{1,200}}\]:.*$|`[^`\n]{{1,200}}`|\]\([^()\n]{{1,500}}\)|<[^<>\n]{{1,300}}>",
    re.MULTILINE,
)


def detect(text: str) -> str:
    """The ISO 639-1 code, or empty where the text is too short or the model not sure."""
    words = _words(text)
    if sum(map(str.isalpha, words)) < FEWEST:
        return ""
    code, probability = _model().classify(words)
    return code if len(code) == 2 and probability >= SURE else ""


def _words(text: str) -> str:
    """The first of the post's words, without code and addresses."""
    read, said, at = text[:READ], "", 0
    for other in NO_WORDS.finditer(read):
        said, at = f"{said}{read[at : other.start()]} ", other.end()
        if len(said) >= 4 * ENOUGH:
            break
    typed = (said + read[at:])[: 4 * ENOUGH]
    words = typed.split()
    return " ".join([word for word in words if not _address(word)] if _has_address(typed) else words)[:ENOUGH]


def _has_address(text: str) -> bool:
    return "@" in text or "://" in text or "www." in text


def _address(word: str) -> bool:
    return "@" in word or "://" in word or word.startswith("www.")


@cache
def _model() -> Any:
    """Half a second to load. Of codes of three letters only `zxx`, no language, stays: it takes numbers and gibberish."""
    import numpy as np
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    model.set_languages([code for code in model.labels if len(code) == 2 or code == "zxx"])
    model.nb_ptc = np.ascontiguousarray(model.nb_ptc)  # rows are read, and lie apart after columns were chosen
    return model
