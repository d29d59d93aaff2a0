"""What people made of answers becomes lessons, by the rules of examples: the author's own words, without what is private.

The answer and what it became pass through the same sieve, so that a lesson never tells of markers or of a quotation that the
twin adds by itself.
"""

from __future__ import annotations

import re

from contracts.feature_store import FeatureStore
from contracts.feature_store.feedback import Feedback, Lesson
from contracts.private import masked
from contracts.records import Example, Post, digest
from feature_pipeline.label import LABELS, combined, marks
from feature_pipeline.own_words import spans

SHORTEST = 20  # characters; an answer may be shorter than a post

RULES = digest(LABELS, str(SHORTEST), "edits/2")
"""Changes with anything that a lesson is made by."""

_MARKER = re.compile(r"\s?\[\d{1,2}\]")
_ADDED = re.compile(r"(?:^|\n\n)I wrote(?: in “[^”\n]*”)?: “[^\n]*”\s*\Z")


def label(author: str, store: FeatureStore) -> int:
    """Make the lessons that are missing, or that other rules have made; how many these were."""
    waiting = store.feedback.unlabelled(author, RULES)
    store.feedback.label(RULES, {given.id: lesson(given) for given in waiting})
    return len(waiting)


def lesson(given: Feedback) -> Lesson:
    """Refused where there is nothing to learn."""
    chosen, rejected = _own(given.author, given.edited), _own(given.author, given.answer)
    wrong = (
        (given.sent, "another program sent it, from whoever uses that"),
        (not given.passages, "it was written from no passage"),
        (min(len(chosen), len(rejected)) < SHORTEST, "too little of it is the twin's, or the author's, own words"),
        (chosen == rejected, "nothing but what is left out was changed"),
    )
    for found, reason in wrong:
        if found:
            return Lesson(refused=reason)
    return Lesson(instruction=masked(given.question), chosen=chosen, rejected=rejected)


def _own(author: str, text: str) -> str:
    """As the target of an example would be."""
    plain = _ADDED.sub("", _MARKER.sub("", text)).strip()
    post = _post(author, plain)
    own = spans(post.text, post.marks)
    return Example(post_id="", author=author, kind="question", instruction="", slices=tuple(own)).target(post)


def _post(author: str, text: str) -> Post:
    found = combined(marks(text, "article")) if text else ()
    return Post(author=author, source="", source_id="", title="", date=None, url=None, text=text, marks=found)
