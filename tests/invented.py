"""A corpus of the invented authors in tests/voices.py, as the feature store would give it, without one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from contracts.records import Example, Passage, Post, Snapshot, Split
from tests.voices import HABITS, article
from training_pipeline.data import Corpus

POSTS = 60


def post(author: str, number: int) -> Post:
    return Post(
        author=author,
        source="/posts",
        source_id=f"{number}.md",
        title=f"Part {number}",
        date=dt.date(2024, 1, 1) + dt.timedelta(days=number),
        url=None,
        text=article(author, number),
    )


def example(made: Post) -> Example:
    asked = f'Write a post titled "{made.title}".'
    return Example(post_id=made.id, author=made.author, kind="title", instruction=asked, slices=((0, len(made.text)),))


def corpus() -> Corpus:
    """Ada's 60 posts, split by time as 40, 4 and 16, and 30 of each of the others; a search finds the oldest posts."""
    mine = [post("Ada", number) for number in range(POSTS)]
    theirs = [post(name, number) for name in HABITS if name != "Ada" for number in range(POSTS // 2)]
    posts = {made.id: made for made in (*mine, *theirs)}
    parts: dict[Split, list[Example]] = {
        "train": [example(made) for made in mine[:40]],
        "validation": [example(made) for made in mine[40:44]],
        "test": [example(made) for made in mine[44:]],
    }

    def search(query: str, among: Collection[str], limit: int) -> list[Passage]:
        return [
            Passage(
                post_id=made.id, source_id=made.source_id, title=made.title, url=None, date=made.date,
                text=made.text[:90], start=0, end=90, score=1.0,
            )
            for made in mine if made.id in among
        ][:limit]  # fmt: skip

    return Corpus(
        author="Ada",
        snapshot=Snapshot(id="s", feature_version="f", posts=len(posts), chunks=0),
        posts=posts,
        examples=parts,
        reference=[example(made) for made in theirs],
        search=search,
    )
