"""What of real blogs is marked, and how fast posts are cleaned:  python -m benchmarks.own_words ../shared/data

Shares of words by mark, and the marks of private matter by what stands in their place; each post is cleaned in one process.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

from benchmarks.speed import machine
from contracts.records import Post
from feature_pipeline.clean import clean
from feature_pipeline.sources import RawPost, read


def main(data: Path) -> None:
    private: Counter[str] = Counter()
    for blog in sorted((data / "blogs").iterdir()):
        raws = [item for item in read(str(blog)) if isinstance(item, RawPost)]
        began = time.process_time()
        cleaned = [clean(raw, blog.name) for raw in raws]
        took = time.process_time() - began
        posts = [post for post in cleaned if isinstance(post, Post)]
        private.update(mark.instead for post in posts for mark in post.marks if mark.kind == "private")
        print(f"{blog.name}: {len(posts)} posts of {len(raws)}, {len(raws) / took:.0f} a second; {shares(posts)}")
    print("private:", dict(private))
    print(machine())


def shares(posts: list[Post]) -> str:
    """Of words, by kind of mark."""
    words: Counter[str] = Counter()
    for post in posts:
        words[""] += len(post.text.split())
        for mark in post.marks:
            words[mark.kind] += len(post.text[mark.start : mark.end].split())
    total = words.pop("")
    return ", ".join(f"{kind} {100 * count / total:.1f} %" for kind, count in words.most_common())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
