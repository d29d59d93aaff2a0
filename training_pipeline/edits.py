"""Edits that a run may learn from: nothing of a held-out post is in them, and their prompt can be made again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from contracts.feature_store import FeatureStore
from contracts.feature_store.feedback import Feedback, Lesson
from contracts.feature_store.shared_words import Words
from training_pipeline.data import Corpus, Edit


def added(corpus: Corpus, store: FeatureStore) -> Corpus:
    """The corpus with the edits that teach something, and why the others do not. Validation and test stay as they are."""
    splits, _ = store.splits(corpus.author)
    held = {post_id for post_id, part in splits.items() if part != "train"}
    last = {
        (given.by, given.sent, given.question, given.answer): (given, lesson)
        for given, lesson in store.feedback.lessons(corpus.author)
    }
    texts = {given.id: (lesson.instruction, lesson.chosen, lesson.rejected) for given, lesson in last.values()}
    words = Words(texts)
    leaked = {name for post_id in held & corpus.posts.keys() for name in words.holding(corpus.posts[post_id].text)}
    usable, left_out = [], Counter[str]()
    for given, lesson in last.values():
        edit = _edit(corpus, given, lesson, held)
        reason = lesson.refused or ("it holds words of a held-out post" if given.id in leaked else "")
        if reason or not edit.evidence:
            left_out[reason or "all that it was written from is held out"] += 1
        else:
            usable.append(edit)
    return replace(corpus, edits=tuple(usable), edits_left_out=dict(left_out))


def _edit(corpus: Corpus, given: Feedback, lesson: Lesson, held: set[str]) -> Edit:
    """With the passages that may be shown: a held-out post is never seen in training."""
    shown = tuple(span for span in given.passages if span.post_id not in held and span.post_id in corpus.posts)
    return Edit(lesson.instruction, lesson.rejected, lesson.chosen, shown)
