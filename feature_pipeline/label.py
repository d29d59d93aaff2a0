"""Labels: which posts a twin may never learn from, whose words are not the author's, and examples kept up to date."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from contracts import private
from contracts.feature_store import FeatureStore
from contracts.formats import Format
from contracts.labels import TRAIN, VALIDATION
from contracts.records import Example, Mark, Post, Split, digest
from feature_pipeline import boilerplate, own_words
from feature_pipeline.deduplicate import NearDuplicates, alike, compared, shared
from feature_pipeline.examples import RULES, examples
from feature_pipeline.split import split

log = logging.getLogger(__name__)

RELABEL = 256  # posts at a time

LABELS = digest(str((TRAIN, VALIDATION)), RULES, "own words/1")
"""Names the rules by which examples and marks are made: stored posts that were labelled by others are labelled anew."""
COPY = f"{LABELS}/copy"


def label(author: str, store: FeatureStore, changed: bool) -> None:
    """Give every post its part of the split; mark what recurs across a site, which no single post can tell.

    `changed`: whether a post came, changed or went; otherwise only posts that other rules have labelled are looked at.
    Nothing is learned from a copy: it is labelled anew each time, for it is none once the other post has gone.
    """
    _assign_splits(author, store)
    outdated = store.outdated(author, LABELS)
    copies = _copies(author, store) if changed or outdated else set()
    for place in store.places(author) if changed or outdated else ():
        recurring = boilerplate.count((post.id, post.text) for post in store.posts_in_turn(author, place))
        anew = (_anew(post, recurring, outdated | copies) for post in store.posts_in_turn(author, place))
        waiting = (one for one in anew if one)
        while batch := list(islice(waiting, RELABEL)):
            store.relabel(LABELS, [(post, post.marks, _examples(post)) for post in batch if post.id not in copies])
            store.relabel(COPY, [(post, post.marks, []) for post in batch if post.id in copies])


def _assign_splits(author: str, store: FeatureStore) -> None:
    known, frozen = store.splits(author)
    _assign(store, known, split(store.dates(author), known, frozen))


def _assign(store: FeatureStore, known: Mapping[str, Split], made: Mapping[str, Split]) -> None:
    """What stays as it is is not written again."""
    store.assign_splits({post_id: part for post_id, part in made.items() if known.get(post_id) != part})


def divide_anew(
    author: str, store: FeatureStore, check: Callable[[Mapping[str, Split]], None] = lambda made: None
) -> None:
    """Move the borders forward, also where a champion depends on them: the split is made as if it was the first, and stays
    from now on. A version tells by its card which posts it has seen, so nothing that was measured before is lost.

    Nothing moves them back, so `check` is shown the split first: what it raises leaves them. Raises StoreBusy.
    """
    with store.writing(f"a new split of {author}"):
        known, _ = store.splits(author)
        made = split(store.dates(author), {}, frozen=False)
        check(made)
        _assign(store, known, made)


def _examples(post: Post) -> list[Example]:
    """What nobody foresaw in a post costs its examples, until other rules make them."""
    try:
        return examples(post)
    except Exception:
        log.exception("no examples could be made of %s of %s", post.source_id, post.source)
        return []


def _copies(author: str, store: FeatureStore) -> set[str]:
    """Posts that have become the text of an older post since they were stored; a new one that is a copy is never stored."""
    sketches, near, copies = shared(lambda: store.sketches(author)), NearDuplicates(), set()
    posts = (post for post in store.dates(author) if post.id in sketches)
    for post in sorted(posts, key=lambda post: (post.date is None, post.date, post.id)):
        same = [*near.candidates(sketches[post.id])]
        if same:
            mine, *others = (compared(store.post(post_id, author)) for post_id in (post.id, *same))
            if any(alike(mine, other) for other in others):
                copies.add(post.id)
                continue
        near.add(post.id, sketches[post.id])
    return copies


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
