"""Labels: what a twin learns from each post, and which posts it may never learn from.

Every target is a slice of a post, never a paraphrase, so a twin learns the author's own words and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Literal

from contracts.feature_store import Dated, FeatureStore
from contracts.records import Example, Format, Mark, Post, Span, Split, digest
from feature_pipeline import boilerplate, own_words, private
from feature_pipeline.own_words import spans

TRAIN, VALIDATION = 0.7, 0.1  # the newest fifth is the test: a twin is asked about what comes next
TARGET = 1600  # characters: about 400 tokens, which two cores train on in a second
EVIDENCE = 450  # characters a passage shown in training: two of them and their prompt fit the shortest recipe
SHORTEST = 80  # characters that teach a voice anything
RELABEL = 256  # posts at a time

TITLE = ("Write a post titled “{title}”.", "Write about this: {title}", "Your next post is called “{title}”. Write it.")
NOTE = ("Write a short post.", "Say something.", "What is on your mind?")  # it has no title to ask for
REPLY = ("Answer somebody.", "Write a reply.")
QUESTION = ("What do you think about {title}?", "What have you written about {title}?", "Tell me about {title}.")
CONTINUE = "Go on with this post, “{title}”:\n\n{opening}"

LABELS = digest(
    str((TRAIN, VALIDATION, TARGET, EVIDENCE, SHORTEST)), *TITLE, *NOTE, *REPLY, *QUESTION, CONTINUE, "own words/1"
)
"""Names the rules by which examples and marks are made: stored posts that were labelled by others are labelled anew."""

_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"”’')\]]*\s+")

Slices = tuple[tuple[int, int], ...]


def label(author: str, store: FeatureStore, changed: bool) -> None:
    """Give every post its part of the split; mark what recurs across a site, which no single post can tell.

    `changed`: whether a post came, changed or went; otherwise only posts that other rules have labelled are looked at.
    """
    known, frozen = store.splits(author)
    made = split(store.dates(author), known, frozen)
    store.assign_splits({post_id: part for post_id, part in made.items() if known.get(post_id) != part})
    outdated = store.outdated(author, LABELS)
    for place in store.places(author) if changed or outdated else ():
        recurring = boilerplate.count((post.id, post.text) for post in store.posts_in_turn(author, place))
        anew = (_anew(post, recurring, outdated) for post in store.posts_in_turn(author, place))
        waiting = (one for one in anew if one)
        while batch := list(islice(waiting, RELABEL)):
            store.relabel(LABELS, [(post, post.marks, examples(post)) for post in batch])


def _anew(post: Post, recurring: boilerplate.Recurring, outdated: set[str]) -> Post | None:
    """The post with the marks that it should have now; None where it has them."""
    own = marks(post.text, post.format) if post.id in outdated else [m for m in post.marks if m.kind != "recurring"]
    there = [mark.model_copy(update={"kind": "recurring"}) for mark in recurring.marks(post.text)]
    wanted = combined([*own, *there])
    return post.model_copy(update={"marks": wanted}) if wanted != post.marks or post.id in outdated else None


def marks(text: str, format: Format) -> list[Mark]:
    """What one post tells of itself: whose words are not the author's, and what is private."""
    return [*own_words.marks(text, format), *private.marks(text)]


def combined(found: Sequence[Mark]) -> tuple[Mark, ...]:
    """In order and without overlaps: of two, the one that begins first, and of these the longer one; the other is cut."""
    made: list[Mark] = []
    for mark in sorted(found, key=lambda mark: (mark.start, -mark.end)):
        end = made[-1].end if made else 0
        if mark.end > end:
            made.append(mark if mark.start >= end else mark.model_copy(update={"start": end}))
    return tuple(made)


def examples(post: Post) -> list[Example]:
    """Title → post, opening → rest, question with passages → the passage that answers it; of the author's own words."""
    own = spans(post.text, post.marks)
    whole = _first(post.text, own, TARGET)
    if _length(whole) < SHORTEST:
        return []
    made = [_example(post, "title", _asked(post), whole)]
    if not post.title:
        return made

    opening = _boundary(_PARAGRAPH, post.text, own[0][0], own[0][0] + 500)
    rest = _first(post.text, _after(own, opening), TARGET)
    if opening and _length(rest) >= SHORTEST:
        shown = post.shown(own[0][0], opening).strip()
        made.append(_example(post, "continue", CONTINUE.format(title=post.title, opening=shown), rest))

    question = _choose(QUESTION, post).format(title=post.title.rstrip(".?! "))
    return [*made, *_from_evidence(post, own, question)]


def _asked(post: Post) -> str:
    if post.title:
        return _choose(TITLE, post).format(title=post.title)
    return _choose(REPLY if post.format == "reply" else NOTE, post)


def _from_evidence(post: Post, own: Sequence[tuple[int, int]], question: str) -> list[Example]:
    """The answer to a question stands in one of the passages shown: what is learned is to answer from them.

    A target from outside the passages would teach the opposite, to speak of whatever comes to mind beside them.
    """
    shown: list[tuple[int, int]] = []
    for start, end in own:
        while start < end and len(shown) < 2:
            cut = _cut(post.text, start, end, EVIDENCE)
            if len(post.text[start:cut].strip()) >= SHORTEST:
                shown.append((start, cut))
            start = cut
    if not shown:
        return []
    choice = int(post.id[4:8], 16)
    target = shown[choice % len(shown)]
    evidence = tuple(Span(post_id=post.id, start=a, end=b) for a, b in (shown if choice % 4 < 2 else shown[::-1]))
    return [_example(post, "question", question, (target,), evidence)]


def _first(text: str, own: Sequence[tuple[int, int]], length: int) -> Slices:
    """The first own words, at most `length` characters in all; they end with a paragraph, else with a sentence."""
    taken: list[tuple[int, int]] = []
    for start, end in own:
        cut = _cut(text, start, end, length)
        taken.append((start, cut))
        length -= cut - start
        if cut < end or length < SHORTEST:
            break
    return tuple(taken)


def _after(own: Sequence[tuple[int, int]], place: int) -> list[tuple[int, int]]:
    return [(max(start, place), end) for start, end in own if end > place]


def _length(slices: Slices) -> int:
    return sum(end - start for start, end in slices)


def split(posts: Sequence[Dated], known: dict[str, Split], frozen: bool) -> dict[str, Split]:
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


def _by_frozen_time(posts: Sequence[Dated], known: dict[str, Split]) -> dict[str, Split]:
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


def _by_hash(post: Dated) -> Split:
    place = int(digest(post.id, length=8), 16) / 16**8
    return "train" if place < TRAIN else "validation" if place < TRAIN + VALIDATION else "test"


def _example(
    post: Post,
    kind: Literal["title", "continue", "question"],
    instruction: str,
    slices: Slices,
    evidence: tuple[Span, ...] = (),
) -> Example:
    trimmed = tuple(_trimmed(post.text, start, end) for start, end in slices)
    return Example(
        post_id=post.id, author=post.author, kind=kind, instruction=instruction, slices=trimmed, evidence=evidence
    )


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    words = text[start:end]
    return start + len(words) - len(words.lstrip()), end - len(words) + len(words.rstrip())


def _choose(templates: Sequence[str], post: Post) -> str:
    return templates[int(post.id[:4], 16) % len(templates)]


def _cut(text: str, start: int, end: int, length: int) -> int:
    """The end of a slice of `text[start:end]` of at most `length` characters that ends with a paragraph, else a sentence."""
    if end - start <= length:
        return end
    last = start + length
    return _boundary(_PARAGRAPH, text, start, last) or _boundary(_SENTENCE, text, start, last) or last


def _boundary(pattern: re.Pattern[str], text: str, start: int, end: int) -> int:
    """The last place in `text[start:end]` where `pattern` ends; 0 if there is none."""
    ends = [match.end() for match in pattern.finditer(text, start, end)]
    return ends[-1] if ends else 0
