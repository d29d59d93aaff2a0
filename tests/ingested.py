"""A folder of posts, the run that takes it in, and all that a reader then sees."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import search
from feature_pipeline import pipeline
from feature_pipeline.report import Report
from tests.fakes import WORDS


def write(folder: Path, number: int, text: str = "", title: str = "", front: str = "") -> Path:
    """A post of a day of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    head = (
        f"title: {title or f'Post {number}'}\ndate: {2000 + number // 360}-{number // 30 % 12 + 1}-{number % 28 + 1}\n"
    )
    text = (
        text or f"About subject{number}. {' '.join(random.Random(number).choices(WORDS, k=40))}.\n"
    )  # as good as no ties
    path = folder / f"{number:04}.md"
    path.write_text(f"---\n{head}{front}---\n{text}", encoding="utf-8")
    return path


def ingest(
    store: FeatureStore, *sources: Path | str, author: str = "Ada", limit: int | None = None, **more: Any
) -> Report:
    return pipeline.run([str(source) for source in sources], author, store, limit=limit, **more)


def everything(store: FeatureStore, author: str = "Ada") -> tuple[object, ...]:
    """All that a reader could see, in an order of its own."""
    posts = sorted((post.id, post.content_hash) for post in store.posts(author))
    parts = ("train", "validation", "test")
    examples = [store.examples(author, part) for part in parts]  # type: ignore[arg-type]
    found = search(store, "subject3 brass", author, 10)
    return store.snapshot(), posts, store.splits(author), examples, found, store.index_size()
