"""Which posts train, which choose the checkpoint, and which measure: the oldest, the next, the newest."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.feature_store import Dated
from contracts.labels import TRAIN, VALIDATION
from contracts.records import Split, digest


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
