"""Labels: what a twin learns from each post, and which posts it may never learn from.

Every target is a slice of a post, never a paraphrase, so a twin learns the author's own words and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from contracts.records import Example, Post, Span, Split, digest

TRAIN, VALIDATION = 0.7, 0.1  # the newest fifth is the test: a twin is asked about what comes next
TARGET = 1600  # characters: about 400 tokens, which two cores train on in a second
EVIDENCE = 450  # characters a passage shown in training: two of them and their prompt fit the shortest recipe
SHORTEST = 80  # characters that teach a voice anything

TITLE = ("Write a post titled “{title}”.", "Write about this: {title}", "Your next post is called “{title}”. Write it.")
QUESTION = ("What do you think about {title}?", "What have you written about {title}?", "Tell me about {title}.")
CONTINUE = "Go on with this post, “{title}”:\n\n{opening}"

LABELS = digest(
    str((TRAIN, VALIDATION, TARGET, EVIDENCE, SHORTEST)), *TITLE, *QUESTION, CONTINUE, "answers from evidence"
)

_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"”’')\]]*\s+")


def examples(post: Post) -> list[Example]:
    """Title → post, opening → rest, and question with passages → the passage that answers it."""
    text = post.text
    whole = _cut(text, 0, TARGET)
    if len(text[:whole].strip()) < SHORTEST:
        return []
    made = [_example(post, "title", _choose(TITLE, post).format(title=post.title), 0, whole)]

    opening = _boundary(_PARAGRAPH, text, 0, 500)
    rest = _cut(text, opening, TARGET)
    if opening and len(text[opening:rest].strip()) >= SHORTEST:
        instruction = CONTINUE.format(title=post.title, opening=text[:opening].strip())
        made.append(_example(post, "continue", instruction, opening, rest))

    question = _choose(QUESTION, post).format(title=post.title.rstrip(".?! "))
    return [*made, *_from_evidence(post, question)]


def _from_evidence(post: Post, question: str) -> list[Example]:
    """The answer to a question stands in one of the passages shown: what is learned is to answer from them.

    A target from outside the passages would teach the opposite, to speak of whatever comes to mind beside them.
    """
    text = post.text
    borders = [0]
    while len(borders) < 3 and borders[-1] < len(text):
        borders.append(_cut(text, borders[-1], EVIDENCE))
    slices = [(start, end) for start, end in pairwise(borders) if len(text[start:end].strip()) >= SHORTEST]
    if not slices:
        return []
    choice = int(post.id[4:8], 16)
    start, end = slices[choice % len(slices)]
    shown = slices if choice % 4 < 2 else slices[::-1]
    evidence = tuple(Span(post_id=post.id, start=a, end=b) for a, b in shown)
    return [_example(post, "question", question, start, end, evidence)]


def split(posts: Sequence[Post], known: dict[str, Split], frozen: bool) -> dict[str, Split]:
    """Split by post id, by time: oldest to train, newest to test.

    Once a champion depends on it (`frozen`), no post changes its part, and a new one takes the part of its time. A corpus of
    which under half is dated is split by hash of the id; a few undated posts in a dated one are trained on.
    """
    frozen = frozen and {"train", "validation", "test"} <= set(known.values())
    dated = sorted((post for post in posts if post.date), key=lambda post: (post.date, post.id))
    if 2 * len(dated) < len(posts):
        return known | {post.id: _by_hash(post) for post in posts if not (frozen and post.id in known)}
    if frozen:
        return known | _by_frozen_time(posts, known)
    first, second = _borders(len(dated))
    made: dict[str, Split] = {post.id: "train" for post in posts if not post.date}
    for place, post in enumerate(dated):
        made[post.id] = "train" if place < first else "validation" if place < second else "test"
    return made


def _borders(n: int) -> tuple[int, int]:
    """Where validation and test begin among n posts; from three posts on, no part is empty."""
    first = min(round(n * TRAIN), max(n - 2, 0))
    second = max(min(round(n * (TRAIN + VALIDATION)), n - 1), first + (n > 1))
    return first, second


def _by_frozen_time(posts: Sequence[Post], known: dict[str, Split]) -> dict[str, Split]:
    def starts(part: Split) -> str:
        return min((str(post.date) for post in posts if post.date and known.get(post.id) == part), default="9999")

    made: dict[str, Split] = {}
    for post in posts:
        if post.id not in known:
            date = str(post.date or "")
            made[post.id] = (
                "test" if date >= starts("test") else "validation" if date >= starts("validation") else "train"
            )
    return made


def _by_hash(post: Post) -> Split:
    place = int(digest(post.id, length=8), 16) / 16**8
    return "train" if place < TRAIN else "validation" if place < TRAIN + VALIDATION else "test"


def _example(post: Post, kind: str, instruction: str, start: int, end: int, evidence: tuple[Span, ...] = ()) -> Example:
    slice_ = post.text[start:end]
    start += len(slice_) - len(slice_.lstrip())
    end -= len(slice_) - len(slice_.rstrip())
    return Example.model_validate(
        {
            "post_id": post.id,
            "author": post.author,
            "kind": kind,
            "instruction": instruction,
            "start": start,
            "end": end,
            "evidence": evidence,
        }
    )


def _choose(templates: Sequence[str], post: Post) -> str:
    return templates[int(post.id[:4], 16) % len(templates)]


def _cut(text: str, start: int, length: int) -> int:
    """The end of a slice from `start` of at most `length` characters that ends with a paragraph, else with a sentence."""
    if len(text) - start <= length:
        return len(text)
    return _boundary(_PARAGRAPH, text, start, length) or _boundary(_SENTENCE, text, start, length) or start + length


def _boundary(pattern: re.Pattern[str], text: str, start: int, length: int) -> int:
    """The last place within `length` of `start` where `pattern` ends; 0 if there is none."""
    ends = [match.end() for match in pattern.finditer(text, start, start + length)]
    return ends[-1] if ends else 0
