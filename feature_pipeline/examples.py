"""Examples of several kinds from one post: what it could have been asked for, and the slices of it that answer.

Every target is a slice of a post, never a paraphrase, so a twin learns the author's own words and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts.labels import FORMATS, SHORTEST
from contracts.records import Example, ExampleKind, Post, Span, digest
from feature_pipeline import instructions as ask
from feature_pipeline.own_words import spans
from feature_pipeline.pieces import TARGET, Piece, Slices, beginning, last_end, length, pieces, within

EVIDENCE = 450  # characters of a passage that answers a question
SHORT_POST = 700  # characters of a post that its topic alone is asked for

RULES = digest(str((TARGET, SHORTEST, EVIDENCE, SHORT_POST)), ask.TEMPLATES, "examples/2")
"""Changes with anything that an example is made by. The number is raised with the code that cuts and asks."""


def examples(post: Post) -> list[Example]:
    """All examples of a post, the one that its title, or what it replies to, asks for first; none of a few words."""
    own = spans(post.text, post.marks)
    cut = [piece for piece in pieces(post.text, own) if length(piece.slices) >= SHORTEST]
    if length(own) < SHORTEST or not cut:
        return []
    first, *later = cut
    kind: ExampleKind = "reply" if post.format == "reply" else "title"
    made = [_example(post, kind, ask.asked_for(post), first.slices)]
    if post.format != "reply":
        made += [*_outlined(post, first.slices), *_by_topic(post, own), *_continued(post, own)]
    return [*made, *_later(post, first, later), *_questions(post, cut)]


def _outlined(post: Post, slices: Slices) -> Iterator[Example]:
    if post.title and (points := ask.outline(post, slices)):
        asked = ask.choose(ask.OUTLINE, post).format(title=ask.title(post), outline=points)
        yield _example(post, "outline", asked, slices)


def _by_topic(post: Post, own: Sequence[tuple[int, int]]) -> Iterator[Example]:
    """A short post, whole."""
    if length(own) <= SHORT_POST and (topic := ask.topic(post, own)):
        asked = ask.choose(ask.ABOUT, post).format(format=FORMATS[post.format], topic=topic)
        yield _example(post, "topic", asked, tuple(own))


def _continued(post: Post, own: Sequence[tuple[int, int]]) -> Iterator[Example]:
    """From the first paragraphs on, at most from the middle."""
    opening = beginning(post.text, own, min(ask.OPENING, length(own) // 2))
    rest = within(post.text, own, opening[-1][1], len(post.text)) if opening else []
    target = beginning(post.text, rest, TARGET)
    if length(target) >= SHORTEST:
        yield _example(post, "continue", _go_on(post, opening), target)


def _later(post: Post, before: Piece, later: Sequence[Piece]) -> Iterator[Example]:
    """Each further piece of a long post: asked for by its heading, else by the words that it goes on from."""
    for piece in later:
        if piece.heading and post.title:
            template = ask.choose(ask.SECTION, post, piece.slices[0][0])
            asked = template.format(heading=ask.heading(post, piece.heading), title=ask.title(post))
            yield _example(post, "section", asked, piece.slices)
        else:
            yield _example(post, "continue", _go_on(post, _ending(post, before.slices)), piece.slices)
        before = piece


def _ending(post: Post, slices: Slices) -> Slices:
    """The last words of a piece, whole paragraphs or sentences of about OPENING characters."""
    start, end = slices[-1]
    while end - start > ask.OPENING:
        cut = last_end(post.text, start, end, end - start - ask.OPENING)
        if cut == start:
            break
        start = cut
    return ((max(start, end - 2 * ask.OPENING), end),)


def _go_on(post: Post, opening: Slices) -> str:
    words = ask.shown_slices(post, opening)
    if not post.title:
        return ask.choose(ask.CONTINUE_UNTITLED, post, opening[-1][1]).format(opening=words)
    return ask.choose(ask.CONTINUE, post, opening[-1][1]).format(title=ask.title(post), opening=words)


def _questions(post: Post, cut: Sequence[Piece]) -> Iterator[Example]:
    """One about the post and one about each section with a heading, answered by a passage that is shown.

    A target from outside the passages would teach the opposite, to speak of whatever comes to mind beside them.
    """
    for piece in cut if post.title else ():
        if piece is cut[0] or piece.heading:
            yield from _from_evidence(post, piece)


def _from_evidence(post: Post, piece: Piece) -> Iterator[Example]:
    shown: list[tuple[int, int]] = []
    left: Sequence[tuple[int, int]] = piece.slices
    while left and len(shown) < 2 and (taken := beginning(post.text, left[:1], EVIDENCE)):
        shown += [slice_ for slice_ in taken if length([slice_]) >= SHORTEST]
        left = within(post.text, left, taken[-1][1], len(post.text))
    if shown:
        start = piece.slices[0][0]
        asked = ask.choose(ask.QUESTION_IN if piece.heading else ask.QUESTION, post, start).format(
            title=ask.title(post).rstrip(".?! "), heading=ask.heading(post, piece.heading)
        )
        choice = int(digest(post.id, str(start), length=8), 16)
        evidence = tuple(Span(post_id=post.id, start=a, end=b) for a, b in (shown if choice % 4 < 2 else shown[::-1]))
        yield _example(post, "question", asked, (shown[choice % len(shown)],), evidence)


def _example(
    post: Post, kind: ExampleKind, instruction: str, slices: Slices, evidence: tuple[Span, ...] = ()
) -> Example:
    return Example(
        post_id=post.id, author=post.author, kind=kind, instruction=instruction, slices=slices, evidence=evidence
    )
