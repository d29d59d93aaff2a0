"""How posts are best cut:  python -m benchmarks.chunks ../shared/data

Every size, overlap and header over the corpora of chunk_chroma; known items of a fifth of one author's blog for the shipped
way of cutting and those that differ from it in one thing; and how many candidates each search gives to the fusion. No
text is embedded twice. Prints a Markdown table and the machine.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import retrieval
from benchmarks.speed import machine
from contracts.embedder import Embedder, SentenceEmbedder
from contracts.feature_store import FeatureStore
from contracts.records import Post
from feature_pipeline import pipeline
from feature_pipeline.chunk import DEFAULT, Chunker
from feature_pipeline.report import Report

SIZES, OVERLAPS, CANDIDATES = (400, 700, 1000, 1500), (0, 100, 200), (20, 50, 100, 200)
EVERY = 5  # of the blog's posts


class Once:
    """An embedder that keeps what it has made: configurations have most queries and many chunks in common."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder, self.name, self.fingerprint = embedder, embedder.name, embedder.fingerprint
        self.made: dict[str, NDArray[np.float32]] = {}

    def embed(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> NDArray[np.float32]:
        missing = [text for text in dict.fromkeys(texts) if text not in self.made]
        self.made.update(zip(missing, self.embedder.embed(missing, progress), strict=True))
        return np.stack([self.made[text] for text in texts])


def main(data: Path) -> None:
    embedder = Once(SentenceEmbedder())
    read = pipeline.collect([str(data / "blogs" / retrieval.AUTHOR / "_posts")], retrieval.AUTHOR, Report(""))
    posts = [post for post in read if isinstance(post, Post)][::EVERY]
    began = time.monotonic()
    print("| size | overlap | header | candidates | gold recall@5 | precision | titles recall@5 / MRR | rare / MRR |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for size, overlap, header in product(SIZES, OVERLAPS, (True, False)):
        chunker = replace(DEFAULT, size=size, whole=size + DEFAULT.whole - DEFAULT.size, overlap=overlap, header=header)
        changed = (size != DEFAULT.size) + (overlap != DEFAULT.overlap) + (header != DEFAULT.header)
        for candidates, figures in _measure(data, embedder, chunker, posts if changed < 2 else []):
            cells = [size, overlap, "yes" if header else "no", candidates, *figures]
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    print(f"{len(posts)} posts of {retrieval.AUTHOR}, {time.monotonic() - began:.0f} s")
    print(machine())


def _measure(
    data: Path, embedder: Embedder, chunker: Chunker, posts: Sequence[Post]
) -> list[tuple[int, tuple[str, ...]]]:
    """For each number of candidates (the shipped one alone, but for the shipped chunker) the table's figures."""
    questions = list(retrieval.read_questions(data / "chunk_chroma"))
    kinds = (retrieval.titles(posts), retrieval.rare_sentences(posts)) if posts else ()
    rows = []
    # Two stores: the rarity of a word is counted over everything that an index holds.
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        corpora, blog = FeatureStore(Path(one), embedder), FeatureStore(Path(other), embedder)
        retrieval.fill_corpora(corpora, data / "chunk_chroma", chunker)
        retrieval.fill(blog, posts, chunker)
        for candidates in CANDIDATES if chunker == DEFAULT else (retrieval.CANDIDATES,):
            figures = ["{:.3f} | {:.3f}".format(*retrieval.gold_spans(corpora, questions, candidates))]
            figures += ["{:.3f} / {:.3f}".format(*retrieval.known_items(blog, items, candidates)) for items in kinds]
            rows.append((candidates, tuple(figures + [""] * (3 - len(figures)))))
        corpora.close()
        blog.close()
    return rows


if __name__ == "__main__":
    main(Path(sys.argv[1]))
