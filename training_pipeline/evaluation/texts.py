"""Texts as they are judged: the author's own words, without what tells an author by something else than style.

Headers, links, names, greetings and signatures are taken out for the headline score. Masked, every word but the frequent
ones of all authors becomes an asterisk (text distortion, Stamatatos 2017, https://aclanthology.org/E17-1107). Pooled, a text
is long enough: a verifier that sees 14 words knows nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from contracts.records import Post

POOLED = 150  # words
KEPT = 300  # frequent words that masking leaves; 150 and 500 gave the same figures

Item = TypeVar("Item")
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_HEADER = re.compile(r"^#{1,6} .*$", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)|<?\b(?:https?://|www\.)[^\s>]+>?|\S+@\S+\.\w+|(?<!\w)@\w+")
_NAME = re.compile(r"(?<=[\w,;] )(?!I\b)[A-Z][\w’'-]*")  # capitalised, and not after the end of a sentence
_GREETING = re.compile(r"\A\s*[^\n.?]{1,40}[,!]\n\s*")
_SIGNATURE = re.compile(r"\n\s*(?:[-–—~]+\s*[^\n]{0,40}|[^\n.?!:]{1,30},\n+[^\n.?!:]{1,40}|[^\n.?!:,]{1,25})\s*\Z")


def own_words(post: Post) -> str:
    """The text without what is marked as another's, as no prose or as private."""
    parts, at = [], 0
    for mark in post.marks:
        if mark.end > at:
            parts.append(post.text[at : max(at, mark.start)])
            at = mark.end
    return "\n".join([*parts, post.text[at:]]).strip()


def stripped(text: str) -> str:
    """Without greeting, signature, headers and links; a name within a sentence becomes N."""
    text = _SIGNATURE.sub("", _GREETING.sub("", text.strip()))
    return _NAME.sub("N", without_links(_HEADER.sub("", text))).strip()


def without_links(text: str) -> str:
    """Of a link its words are left; of an address nothing."""
    return _LINK.sub(lambda link: link.group(1) or "", text)


def frequent(texts: Mapping[str, Sequence[str]], count: int) -> list[str]:
    """The most frequent words that most authors use, by their mean frequency over authors: words of no topic."""
    share: Counter[str] = Counter()
    users: Counter[str] = Counter()
    for written in texts.values():
        words = Counter(word.lower() for text in written for word in WORD.findall(text))
        share.update({word: n / words.total() for word, n in words.items()})
        users.update(words.keys())
    return [word for word, _ in share.most_common() if users[word] >= 0.6 * len(texts)][:count]


def masking(kept: Collection[str]) -> Callable[[str], str]:
    """A function that writes * for every word that is not among `kept`; punctuation stays."""
    frequent_words = frozenset(kept)

    def mask(text: str) -> str:
        return WORD.sub(lambda word: word.group() if word.group().lower() in frequent_words else "*", text)

    return mask


def pooled(texts: Iterable[str], words: int = POOLED, each: int | None = None) -> list[str]:
    """Texts of exactly `words` words, in order: a long one is cut, short ones are joined, what is left over is dropped.

    With `each`, at most so many that end in one text; so that with 1 every post counts once.
    """
    made: list[str] = []
    gathered: list[str] = []
    for text in texts:
        ended = 0
        for word in re.findall(r"\S+\s*", text.strip() + "\n"):
            gathered.append(word)
            if len(gathered) == words:
                made.append("".join(gathered))
                gathered, ended = [], ended + 1
                if ended == each:
                    break
    return made


def thinned(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count`, evenly from first to last."""
    return [items[n * len(items) // count] for n in range(count)] if len(items) > count else list(items)
