"""Near-duplicates: one text on three platforms is one post, whatever each platform did to its edges.

MinHash (Broder, 1997) with locality-sensitive hashing finds the candidates; each is then compared word by word, so that a
collision never costs a post. A sketch is 128 bytes and is kept with the post: nothing is read again to compare the next one.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contracts.records import Post

if TYPE_CHECKING:
    from rensa import RMinHash

Hashes = NDArray[np.uint32]

# 16 bands of 4 rows find a pair whose shingles have a Jaccard similarity J with 1 − (1 − J⁴)¹⁶: .9998 at .8, .988 at .7.
BANDS, ROWS = 16, 4
ALIKE = 0.7  # of the shingles; three shingles go with each word that is changed
ALIKE_SHORT = 0.85  # of the words, in their order: what is added at an end may be a seventh of a text
WORDS_PER_OTHER = 25  # words of a short text, to each word of it that may be another
SHORT = 60  # words; a shorter text has too few three-word shingles, and is sketched by runs of five characters
EITHER = (45, 80)  # a text of about that length is sketched both ways, as an edit may take it across the border
SEED = 42
WAITING = 100_000  # hashes outside the sorted arrays
SORTED = 400_000  # hashes in one of them: sorting it anew takes 10 MB

_WORD = re.compile(r"[^\W_]+")
_LINK = re.compile(r"https?://\S+|\bwww\.\S+")


def compared(post: Post) -> str:
    """The text without what each platform adds to it: "Originally published at …", share lines, a signature."""
    parts, at = [], 0
    for mark in post.marks:
        if mark.kind in ("boilerplate", "recurring", "signature"):
            parts.append(post.text[at : mark.start])
            at = mark.end
    return "\n".join([*parts, post.text[at:]])


def sketch(text: str) -> bytes:
    """The hashes of its bands, 8 bytes each; empty for a text without a word."""
    words = _words(text)
    hashes = [_bands(shingles, kind) for kind, shingles in _shinglings(words)]
    return np.concatenate(hashes).tobytes() if hashes else b""


def alike(one: str, other: str) -> bool:
    """Whether the two are one text: most of their shingles in common; short ones, all numbers and nearly all words in order.

    "Day 12 of 100" and "Day 13 of 100" differ by one character, and are two posts.
    """
    a, b = sorted((_words(one), _words(other)))
    if len(a) < SHORT or len(b) < SHORT:
        return a == b != [] or (_numbers(a) == _numbers(b) and _alike_short(a, b))
    numbers = Counter(_numbers(a)), Counter(_numbers(b))
    # A number may be added in one place; where each has one that the other lacks, it is the next of a series.
    if not (numbers[0] <= numbers[1] or numbers[1] <= numbers[0]):
        return False
    mine, theirs = (set(zip(words, words[1:], words[2:], strict=False)) for words in (a, b))
    return len(mine & theirs) >= ALIKE * len(mine | theirs)


def _alike_short(a: list[str], b: list[str]) -> bool:
    """A platform adds words at an end, and an author corrects a word; another word in the middle is another day's post."""
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    if matcher.ratio() < ALIKE_SHORT:
        return False
    other = 0
    for kind, a1, a2, b1, b2 in matcher.get_opcodes():
        at_an_end = (a1 == b1 == 0) or (a2 == len(a) and b2 == len(b))
        corrected = a2 - a1 == b2 - b1 and all(map(_is_corrected, a[a1:a2], b[b1:b2]))
        if kind != "equal" and not corrected:
            other += (min if at_an_end else max)(a2 - a1, b2 - b1)
    return WORDS_PER_OTHER * other <= min(len(a), len(b))


def _is_corrected(one: str, other: str) -> bool:
    """Whether two words differ by one letter as a slip of the pen does: "wonderfull", "teh"; not as "love" and "live" do."""
    if one.upper() == one or other.upper() == other:  # a script without capitals: a sign may be a word
        return False
    short, long = sorted((one, other), key=len)
    at = next((n for n, (x, y) in enumerate(zip(short, long, strict=False)) if x != y), len(short))
    if len(short) < len(long):
        return len(long) >= 5 and short[at:] == long[at + 1 :]
    swapped = short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
    return swapped or (len(long) >= 7 and at > 0 and short[at + 1 :] == long[at + 1 :])


class NearDuplicates:
    """Posts by the hashes of their bands: 210 to 340 bytes a post. Half of each hash is kept: among 100,000 posts, six in
    a thousand meet a stranger's by chance, and are compared with it."""

    def __init__(self, known: Iterable[tuple[str, bytes]] = ()) -> None:
        self._ids: list[str] = []
        self._sorted: list[tuple[Hashes, NDArray[np.int32]]] = []
        self._waiting: dict[int, int] = {}
        for post_id, sketched in known:
            self.add(post_id, sketched)

    def add(self, post_id: str, sketched: bytes) -> None:
        """From now on the post is found. What is added twice is found by either sketch."""
        self._ids.append(post_id)
        for value in _hashes(sketched).tolist():
            self._waiting.setdefault(value, len(self._ids) - 1)
        if len(self._waiting) >= WAITING:
            self._sort()

    def find(self, post_id: str, text: str, sketched: bytes, text_of: Callable[[str], str | None]) -> str | None:
        """The earliest other post that is the same text, if there is one."""
        for candidate in self.candidates(sketched):
            found = text_of(candidate) if candidate != post_id else None
            if found is not None and alike(text, found):
                return candidate
        return None

    def candidates(self, sketched: bytes) -> Iterator[str]:
        """Posts that may be the same text, in the order in which they were added."""
        hashes = _hashes(sketched)
        found = {self._waiting[value] for value in hashes.tolist() if value in self._waiting}
        for values, owners in self._sorted:
            first, last = np.searchsorted(values, hashes, "left"), np.searchsorted(values, hashes, "right")
            for place in np.flatnonzero(first < last):
                found.update(owners[first[place] : last[place]].tolist())
        return (self._ids[owner] for owner in sorted(found))

    def _sort(self) -> None:
        values = np.fromiter(self._waiting, np.uint32, len(self._waiting))
        owners = np.fromiter(self._waiting.values(), np.int32, len(self._waiting))
        if self._sorted and len(self._sorted[-1][0]) < SORTED:
            before = self._sorted.pop()
            values, owners = np.concatenate([before[0], values]), np.concatenate([before[1], owners])
        order = np.argsort(values, kind="stable")
        self._sorted.append((values[order], owners[order]))
        self._waiting = {}


def shared(sketches: Callable[[], Iterable[tuple[str, bytes]]]) -> dict[str, bytes]:
    """By id, the sketches of the posts that share a band with another: few, so that only they are kept. Reads all twice."""
    seen = array("I")
    for _, one in sketches():
        seen.frombytes(_hashes(one).tobytes())
    values = np.frombuffer(seen, np.uint32)
    values.sort()
    several = np.unique(values[1:][values[1:] == values[:-1]])
    return {post_id: one for post_id, one in sketches() if np.isin(_hashes(one), several).any()}


def _hashes(sketched: bytes) -> Hashes:
    """Of each, the half that was mixed."""
    return np.frombuffer(sketched, np.uint64).astype(np.uint32)


def _words(text: str) -> list[str]:
    """Links go: each platform shortens them in its own way."""
    return _WORD.findall(_LINK.sub(" ", text.casefold()))


def _numbers(words: list[str]) -> list[str]:
    return [word for word in words if word.isdecimal()]


def _shinglings(words: list[str]) -> Iterator[tuple[int, list[str]]]:
    if words and (len(words) < SHORT or len(words) <= EITHER[1]):
        yield 1, _characters(words)
    if len(words) >= SHORT or len(words) >= EITHER[0]:
        yield 2, _triples(words)


def _triples(words: list[str]) -> list[str]:
    return list(map(" ".join, zip(words, words[1:], words[2:], strict=False)))


def _characters(words: list[str]) -> list[str]:
    joined = " ".join(words)
    return [joined[at : at + 5] for at in range(max(1, len(joined) - 4))]


def _bands(shingles: list[str], kind: int) -> NDArray[np.uint64]:
    from rensa import RMinHash

    minhash: RMinHash = RMinHash(num_perm=BANDS * ROWS, seed=SEED)
    minhash.update(shingles)
    rows = np.array(minhash.digest(), np.uint64).reshape(BANDS, ROWS)
    # A polynomial of the four rows, with the band's number in it, so that equal rows of two bands do not meet.
    mixed = np.arange(BANDS, dtype=np.uint64) * np.uint64(4) + np.uint64(kind)
    for row in rows.T:
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + row
    return mixed ^ (mixed >> np.uint64(31))
