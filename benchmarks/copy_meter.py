"""Does the copy meter find a copy among 10,000 posts, and how fast?  python -m benchmarks.copy_meter ../shared/data [HOME]

The posts are pieces of real blogs. A span of one is planted in an answer of other words, which shares no run with any post;
the meter is not told where it comes from.
"""

from __future__ import annotations

import random
import re
import statistics
import time
from pathlib import Path

from benchmarks import in_home
from benchmarks.retrieval import fill
from benchmarks.speed import machine
from contracts.feature_store import FeatureStore
from contracts.records import Post
from inference_pipeline.grounding.copied import copied
from tests.fakes import WordEmbedder

POSTS, WORDS, PLANTED = 10_000, 150, 500
LENGTHS = (8, 12, 20)
ANSWER = 80  # words around what is planted


def main(data: Path, home: Path) -> None:
    pieces = read(data / "blogs", POSTS)
    with_id = {"author": "A", "source": "blogs", "date": None, "url": None}
    posts = [Post(source_id=str(n), title=f"Piece {n}", text=text, **with_id) for n, text in enumerate(pieces)]
    store = FeatureStore(home, WordEmbedder())
    fill(store, posts)
    snapshot, began = store.snapshot().id, time.perf_counter()
    copied(store, "A", snapshot, "One two three four five six seven.")
    words = sum(len(text.split()) for text in pieces)
    print(f"{len(posts):,} posts, {words:,} words; read once in {time.perf_counter() - began:.1f} s")
    drawn = random.Random(0)
    others = [word for text in drawn.sample(pieces, 200) for word in re.findall(r"[^\W_]+", text)]
    for length in LENGTHS:
        measure(store, snapshot, posts, others, length, drawn)
    print(machine())
    store.close()


def read(blogs: Path, count: int) -> list[str]:
    """The first `count` pieces of WORDS words of all blogs' posts."""
    pieces = []
    for path in sorted(blogs.rglob("*")):
        if path.suffix in (".md", ".markdown", ".html"):
            words = path.read_text(encoding="utf-8").split()
            pieces += [" ".join(words[at : at + WORDS]) for at in range(0, len(words) - WORDS, WORDS)]
    return random.Random(1).sample(pieces, min(count, len(pieces)))


def measure(
    store: FeatureStore, snapshot: str, posts: list[Post], words: list[str], length: int, drawn: random.Random
) -> None:
    took, found = [], 0
    for _ in range(PLANTED):
        tokens = list(re.finditer(r"[^\W_]+", drawn.choice(posts).text))
        at = drawn.randrange(len(tokens) - length)
        span = tokens[at].string[tokens[at].start() : tokens[at + length - 1].end()]
        around = drawn.choices(words, k=ANSWER)
        answer = f"{' '.join(around[: ANSWER // 2])} {span} {' '.join(around[ANSWER // 2 :])}"
        began = time.perf_counter()
        copy = copied(store, "A", snapshot, answer)
        took.append(1000 * (time.perf_counter() - began))
        found += copy is not None and copy.words >= length
    print(
        f"{length} words planted in {ANSWER}: found {found / PLANTED:.3f} (n={PLANTED}); "
        f"{statistics.median(took):.1f} ms in the median, {sorted(took)[int(0.95 * PLANTED)]:.1f} ms at the 95th percentile"
    )


if __name__ == "__main__":
    in_home(main)
