"""Passages in a training prompt: what serving would show for the same instruction, found among the posts trained on.

A question's answer stands in one of them, between others that do not answer it (RAFT, arXiv 2403.10131). Whatever else is
asked for is written beside passages of other posts: a prompt that shows its own target teaches to copy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from contracts.prompt import PASSAGES
from contracts.records import Example, Passage, Post, Span, digest

Search = Callable[[str, Collection[str], int], list[Passage]]
"""(query, ids of the posts to search among, how many) → passages, best first."""


def shown(
    example: Example, post: Post, train: frozenset[str], search: Search, cut: Callable[[str], Sequence[Span]]
) -> tuple[Span, ...]:
    """Best first, as serving shows them; a question's own passage in the place of the last where it was not found.

    `cut`: where a post is cut into passages.
    """
    if example.kind != "question":
        return spans(search(example.instruction, train - {post.id}, PASSAGES))
    found = [*spans(search(example.instruction, train | {post.id}, PASSAGES))]
    answer = _answer(example, cut(post.id))
    there = [place for place, span in enumerate(found) if _overlap(span, answer) == span.end - span.start]
    if there:
        found[there[0]] = answer
    else:
        found = found[: PASSAGES - 1]
        found.insert(int(digest(post.id, example.instruction, length=8), 16) % (len(found) + 1), answer)
    return tuple(found)


def drawn(example: Example, share: float) -> bool:
    """Whether the example is one of the `share` that shows passages: the same ones in every run."""
    return int(digest(example.post_id, example.instruction, length=8), 16) < share * 16**8


def answers(example: Example, span: Span) -> bool:
    """Whether the target stands in the passage."""
    start, end = example.slices[0][0], example.slices[-1][1]
    return span.post_id == example.post_id and span.start <= start and end <= span.end


def _answer(example: Example, passages: Sequence[Span]) -> Span:
    """The post's passage that holds most of the target, with all of the target."""
    target = Span(post_id=example.post_id, start=example.slices[0][0], end=example.slices[-1][1])
    best = max(passages, key=lambda span: _overlap(span, target), default=target)
    return Span(post_id=target.post_id, start=min(best.start, target.start), end=max(best.end, target.end))


def _overlap(one: Span, other: Span) -> int:
    """Characters that both have."""
    return max(0, min(one.end, other.end) - max(one.start, other.start)) if one.post_id == other.post_id else 0


def spans(passages: Collection[Passage]) -> tuple[Span, ...]:
    return tuple(Span(post_id=p.post_id, start=p.start, end=p.end) for p in passages)
