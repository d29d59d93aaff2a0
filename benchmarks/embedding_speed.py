"""Embedding against sentence-transformers as it comes:  python -m benchmarks.embedding_speed ../shared/data [TEXTS]

The same chunks, interleaved, five times; the ratio's median and spread; the floor, which is the operations of the model's
matrices over what this machine multiplies a second; the cosine of the two; and how long one short query takes.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.speed import in_turn, machine, multiplied, ratio, rounded, seconds
from contracts.embedder import SentenceEmbedder
from contracts.records import Post
from feature_pipeline import pipeline
from feature_pipeline.chunk import chunk
from feature_pipeline.report import Report

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def main(data: Path, number: int) -> None:
    from sentence_transformers import SentenceTransformer

    embedder = SentenceEmbedder()
    plain = SentenceTransformer(embedder.folder, device="cpu")
    texts = random.Random(0).sample(_texts(data), number)
    tokens = sum(map(len, plain.tokenizer(texts, truncation=True, max_length=plain.max_seq_length)["input_ids"]))
    both = {"sentence-transformers": lambda: plain.encode(texts), "ours": lambda: embedder.embed(texts)}
    plain.encode(texts[:8])
    embedder.embed(texts[:8])
    took = in_turn(both)
    print(f"{number} chunks, {tokens} tokens")
    for name, each in took.items():
        print(f"  {name}: {number / median(each):.1f} texts/s, seconds {rounded(each)}")
    print(f"  {ratio(took['sentence-transformers'], took['ours'])}")
    cosine = (plain.encode(texts[:200], normalize_embeddings=True) * embedder.embed(texts[:200])).sum(axis=1).min()
    print(f"  least cosine of 200: {cosine:.5f}")
    _floor(plain, tokens)
    query = sorted(seconds(lambda: embedder.embed(["What did you write about clocks?"])) for _ in range(50))
    print(f"  one short query: {1000 * median(query):.1f} ms, slowest of 50 {1000 * query[-1]:.1f} ms")
    print(machine())


def _texts(data: Path) -> list[str]:
    read = pipeline.collect([str(data / "blogs" / "skeeto" / "_posts")], "skeeto", Report(""))
    posts = [post for post in read if isinstance(post, Post)]
    for corpus in sorted((data / "chunk_chroma" / "corpora").glob("*.md")):
        text, place = corpus.read_text(encoding="utf-8"), {"source": "", "source_id": corpus.name, "title": corpus.stem}
        posts.append(Post(author="", date=None, url=None, text=text, **place))
    return [piece.embedded(post.text) for post in posts for piece in chunk(post)]


def _floor(plain: SentenceTransformer, tokens: int) -> None:
    import torch

    linear = [m for m in plain.modules() if isinstance(m, torch.nn.Linear)]
    operations = 2 * tokens * sum(m.weight.numel() for m in linear)
    for dtype in (torch.float32, torch.bfloat16):
        rate = multiplied(384, 1536, dtype)
        print(f"  floor in {dtype}: {operations / rate:.2f} s at {rate / 1e9:.0f} GFLOP/s, attention not counted")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 600)
