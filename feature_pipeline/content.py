"""What of a text the embedder is given: each content word once (docs/decisions/0019-distinct-words.md).

A model's time grows with what it reads. Function words, punctuation and repetitions are three fifths of that and say little
about what a passage is about; how often a word stands there is counted by the search for words.
"""

from __future__ import annotations

import re

# English, as the default embedder is. "Not", "no" and "never" stay: they turn what is said.
_FUNCTION_WORDS = frozenset(
    "a an the this that these those such some any each both all more most other same own "
    "i me my mine myself you your yours yourself he him his himself she her hers herself it its itself "
    "we us our ours ourselves they them their theirs themselves who whom whose which what when where why how "
    "and or but if so as than then though although because while also just very too only even here there "
    "of in on at by for from to into with about over under after before between through during upon onto "
    "am is are was were be been being have has had having do does did will would shall should can could may might must "
    "s t d m ll re ve".split()
)
# Not all that is no letter: the vowel signs of many scripts are marks inside a word.
_APART = re.compile(
    r"[\s!-/:-@\[-`{-~\u00a1-\u00a9\u00ab-\u00b1\u00b6-\u00b8\u00bb\u00bf\u060c\u061b\u061f\u0964\u0965\u2010-\u206f\u3000-\u303f\uff00-\uff0f\uff1a-\uff20]+"
)


def distinct_words(text: str) -> str:
    """The text's content words in the order in which each comes first; the text itself where it has none."""
    first: dict[str, str] = {}
    for word in _APART.split(text):
        acronym = word.isupper() and len(word) > 1  # US, IT, WHO
        if word and (acronym or word.lower() not in _FUNCTION_WORDS):
            first.setdefault(word.lower(), word)
    return " ".join(first.values()) or text
