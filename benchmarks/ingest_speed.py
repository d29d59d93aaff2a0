"""Ingestion end to end, against what a user would write:  python -m benchmarks.ingest_speed ../shared/data [POSTS]

The other is a file read (a page: trafilatura), LangChain's splitter of 1,000 characters with 200 of overlap,
HuggingFaceEmbeddings and QdrantVectorStore(path=), as they come. Each run begins with an empty folder, models loaded.
Then ours alone: a second run over what has not changed, the search for near-duplicates, and the peak of memory. Needs
beside the project:  pip install --no-deps langchain-huggingface langchain-qdrant
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import median

from benchmarks.speed import machine
from contracts.embedder import Embedder, SentenceEmbedder
from contracts.feature_store import FeatureStore
from feature_pipeline import pipeline
from feature_pipeline.deduplicate import NearDuplicates, sketch

TIMES, UNCHANGED, TEXTS, SIZES = 5, 10_000, 5_000, (1_000, 20_000)
SYLLABLES = [a + b + c for a in "bcdfghjklmnprstvwz" for b in "aeiou" for c in "lmnrstkpdgbfx"]
WORDS = ["".join(pair) for pair in random.Random(0).sample([*product(SYLLABLES, repeat=2)], 20_000)]

MEMORY = """
import sys
from pathlib import Path
from contracts.feature_store import FeatureStore
from feature_pipeline import pipeline
from tests.fakes import WordEmbedder
store = FeatureStore(Path(sys.argv[2]), WordEmbedder())
pipeline.run([sys.argv[1]], "Ada", store)
store.close()
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def main(data: Path, number: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _side_by_side(Path(folder), data, number)
    _unchanged()
    _near_duplicates()
    for size in SIZES:
        print(f"peak memory of {size} small posts, model aside: {_memory(size) / 1024:.0f} MiB", flush=True)
    print(machine())


def _side_by_side(folder: Path, data: Path, number: int) -> None:
    from langchain_huggingface import HuggingFaceEmbeddings

    embedder = SentenceEmbedder()
    plain = HuggingFaceEmbeddings(model_name=embedder.folder, model_kwargs={"device": "cpu"})
    embedder.embed(["warm"])
    plain.embed_query("warm")
    for kind, posts in {"Markdown": _markdown(data, folder, number), "HTML": _pages(data, folder, number // 2)}.items():
        took: dict[str, list[float]] = {"ours": [], "theirs": []}
        for turn in range(TIMES):
            home = folder / f"{kind}-{turn}"
            took["ours"].append(_seconds(lambda home=home, posts=posts: _ours(posts, home / "ours", embedder)))
            took["theirs"].append(_seconds(lambda home=home, posts=posts: _theirs(posts, home / "theirs", plain)))
            shutil.rmtree(home)
        ratios = sorted(b / a for a, b in zip(took["ours"], took["theirs"], strict=True))
        count = len(list(posts.iterdir()))
        for name, seconds in took.items():
            print(
                f"{kind}, {count} posts, {name}: {count / median(seconds):.2f} posts/s {[round(s, 1) for s in seconds]}"
            )
        print(f"  ratio {median(ratios):.2f} [{ratios[0]:.2f}, {ratios[-1]:.2f}]", flush=True)


def _ours(posts: Path, home: Path, embedder: Embedder) -> None:
    """With the index made, which an ingest itself leaves to the first search."""
    store = FeatureStore(home, embedder)
    pipeline.run([str(posts)], "author", store)
    store.index_size()
    store.close()


def _theirs(posts: Path, home: Path, embeddings: object) -> None:
    import trafilatura
    from langchain_qdrant import QdrantVectorStore
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    texts = []
    for path in sorted(posts.iterdir()):
        text = path.read_text(encoding="utf-8")
        texts.append(trafilatura.extract(text) or "" if path.suffix == ".html" else text)
    documents = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).create_documents(texts)
    made = QdrantVectorStore.from_documents(documents, embeddings, path=str(home), collection_name="posts")
    made.client.close()


def _markdown(data: Path, folder: Path, number: int) -> Path:
    found = sorted((data / "blogs" / "skeeto" / "_posts").iterdir())
    (folder / "markdown").mkdir()
    for path in random.Random(0).sample(found, number):
        shutil.copy(path, folder / "markdown" / f"{path.stem}.md")
    return folder / "markdown"


def _pages(data: Path, folder: Path, number: int) -> Path:
    pages = folder / "pages"
    pages.mkdir()
    with tarfile.open(data / "extract_readability" / "test-pages.tar.xz") as archive:
        sources = {entry.name: entry for entry in archive.getmembers() if entry.name.endswith("/source.html")}
        for name in random.Random(0).sample(sorted(sources), number):
            content = archive.extractfile(sources[name])
            assert content is not None
            (pages / f"{name.split('/')[-2]}.html").write_bytes(content.read())
    return pages


def _unchanged() -> None:
    from tests.fakes import WordEmbedder

    with tempfile.TemporaryDirectory() as folder:
        posts, store = _small_posts(Path(folder), UNCHANGED), FeatureStore(Path(folder) / "home", WordEmbedder())
        first = _seconds(lambda: pipeline.run([str(posts)], "Ada", store))
        again = _seconds(lambda: pipeline.run([str(posts)], "Ada", store))
        print(
            f"{UNCHANGED} small posts, model aside: {first:.1f} s; unchanged, a second time: {again:.1f} s", flush=True
        )
        store.close()


def _near_duplicates() -> None:
    rng, near = random.Random(1), NearDuplicates()
    texts = [" ".join(rng.choices(WORDS, k=200)) for _ in range(TEXTS)]

    def work() -> None:
        for place, text in enumerate(texts):
            sketched = sketch(text)
            near.find(str(place), text, sketched, lambda found: texts[int(found)])
            near.add(str(place), sketched)

    print(f"near-duplicates: {TEXTS / _seconds(work):.0f} posts/s of 200 words", flush=True)


def _memory(number: int) -> int:
    """In KiB, of a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        posts = _small_posts(Path(folder), number)
        program = [sys.executable, "-c", MEMORY, str(posts), str(Path(folder) / "home")]
        return int(subprocess.run(program, capture_output=True, text=True, check=True).stdout)  # noqa: S603 — our own program


def _small_posts(folder: Path, number: int) -> Path:
    """Markdown with front matter, 60 words each."""
    rng = random.Random(2)
    (folder / "posts").mkdir()
    for place in range(number):
        facts = f"title: Post {place}\ndate: 20{place % 24:02}-{1 + place % 12:02}-{1 + place % 28:02}"
        text = f"---\n{facts}\n---\n\n{' '.join(rng.choices(WORDS, k=60))}.\n"
        (folder / "posts" / f"{place:05}.md").write_text(text, encoding="utf-8")
    return folder / "posts"


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 60)
