"""Retrieval and abstention on real text:  python -m benchmarks.retrieval ../shared/data [HOME]

Prints, for the shipped default: the share of gold spans that the top 5 passages cover (chunk_chroma), and known-item recall
and MRR over one author's blog; and the gold spans of what one would otherwise write, LangChain's splitter of 1,000
characters with 200 of overlap and the nearest vectors. When a question is refused is measured by benchmarks.abstention.
"""

from __future__ import annotations

import csv
import json
import math
import random
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import mean

from benchmarks import in_home
from contracts.embedder import SentenceEmbedder
from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import best
from contracts.feature_store.store import CANDIDATES
from contracts.progress import silent
from contracts.records import Passage, Post
from feature_pipeline import pipeline
from feature_pipeline.batches import LocalEngine
from feature_pipeline.build import Build
from feature_pipeline.chunk import DEFAULT, Chunker
from feature_pipeline.report import Report

TOP = 5
AUTHOR = "skeeto"
Question = tuple[str, str, list[tuple[int, int]]]
"""The words, the corpus, and the spans in it that answer it."""

_WORD = re.compile(r"[^\W_]+")


def main(data: Path, home: Path) -> None:
    store = FeatureStore(home, SentenceEmbedder())
    questions = list(read_questions(data / "chunk_chroma"))
    pipeline.run([str(data / "blogs" / AUTHOR / "_posts")], AUTHOR, store)
    posts = store.posts(AUTHOR)
    for kind, items in {"titles": titles(posts), "rare sentences, 60 % of their words": rare_sentences(posts)}.items():
        recall, mrr = known_items(store, items)
        print(f"known items, {len(items)} {kind} of {AUTHOR}: recall@{TOP} {recall:.3f}, MRR {mrr:.3f}")
    store.close()
    with tempfile.TemporaryDirectory() as other:
        store = FeatureStore(Path(other), SentenceEmbedder())
        fill_corpora(store, data / "chunk_chroma")
        recall, precision = gold_spans(store, questions)
        print(f"gold spans, {len(questions)} questions, {DEFAULT}, top {TOP}: {recall:.3f}, precision {precision:.3f}")
        store.close()
    recall, precision = naive_gold_spans(data / "chunk_chroma", questions)
    print(
        f"gold spans, the nearest chunks of 1,000 characters, 200 of overlap: {recall:.3f}, precision {precision:.3f}"
    )


def fill_corpora(store: FeatureStore, data: Path, chunker: Chunker = DEFAULT) -> None:
    """Each corpus is a post of an author of its own, uncleaned: the gold spans are offsets into the file's text."""
    for corpus in sorted((data / "corpora").glob("*.md")):
        name, text = corpus.stem, corpus.read_text(encoding="utf-8")
        place = {"source": str(data), "source_id": corpus.name, "title": name.replace("_", " ")}
        fill(store, [Post(author=name, date=None, url=None, text=text, **place)], chunker)


def fill(store: FeatureStore, posts: Sequence[Post], chunker: Chunker = DEFAULT) -> None:
    """Cut, embed and store posts of one author as they are."""
    if posts:
        version = pipeline.settings_version(store, chunker)
        build = Build(store, version, chunker, LocalEngine(), Report(posts[0].author), silent)
        features, vectors, _ = build.features(posts)
        store.write(version, features, vectors)


def gold_spans(store: FeatureStore, questions: Sequence[Question], candidates: int = CANDIDATES) -> tuple[float, float]:
    """Means over the questions: the share of their gold spans that the top passages cover, and the reverse."""
    found = (_search(store, question, corpus, candidates)[:TOP] for question, corpus, _ in questions)
    return _covered(questions, ([(passage.start, passage.end) for passage in passages] for passages in found))


def naive_gold_spans(data: Path, questions: Sequence[Question]) -> tuple[float, float]:
    """As `gold_spans`, without a store: the same embedder, chunks as a tutorial cuts them, the nearest by cosine."""
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    embedder = SentenceEmbedder()
    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200, add_start_index=True)
    cut = {
        corpus.stem: splitter.create_documents([corpus.read_text(encoding="utf-8")])
        for corpus in sorted((data / "corpora").glob("*.md"))
    }
    vectors = {corpus: embedder.embed([chunk.page_content for chunk in chunks]) for corpus, chunks in cut.items()}

    def nearest(question: str, corpus: str) -> list[tuple[int, int]]:
        order = (vectors[corpus] @ embedder.embed([question])[0]).argsort()[::-1][:TOP]
        starts = ((cut[corpus][place].metadata["start_index"], len(cut[corpus][place].page_content)) for place in order)
        return [(start, start + length) for start, length in starts]

    return _covered(questions, (nearest(question, corpus) for question, corpus, _ in questions))


def _covered(questions: Sequence[Question], found: Iterable[list[tuple[int, int]]]) -> tuple[float, float]:
    covered, read = [], []
    for (_, _, gold), spans in zip(questions, found, strict=True):
        wanted, shown = set(_places(gold)), set(_places(spans))
        covered.append(len(wanted & shown) / len(wanted))
        read.append(len(wanted & shown) / max(1, len(shown)))
    return mean(covered), mean(read)


def known_items(
    store: FeatureStore, items: Sequence[tuple[str, str]], candidates: int = CANDIDATES
) -> tuple[float, float]:
    """Recall of the post among the top passages, and its mean reciprocal rank among 20; an item is (query, post id)."""
    ranks = []
    for query, post_id in items:
        found = [passage.post_id for passage in _search(store, query, AUTHOR, candidates)]
        ranks.append(found.index(post_id) + 1 if post_id in found else 0)
    return mean(0 < rank <= TOP for rank in ranks), mean(1 / rank if rank else 0 for rank in ranks)


def titles(posts: Sequence[Post]) -> list[tuple[str, str]]:
    return [(post.title, post.id) for post in posts]


def rare_sentences(posts: Sequence[Post]) -> list[tuple[str, str]]:
    """60 % of the words, in another order, of each post's sentence whose words are in the fewest posts."""
    words = [set(_WORD.findall(post.text.lower())) for post in posts]
    posts_with = Counter(word for found in words for word in found)
    items = []
    for post in posts:
        best = max(_sentences(post.text), key=lambda s: mean(-math.log(posts_with[w]) for w in s), default=[])
        if best:
            items.append((" ".join(random.Random(post.id).sample(best, round(0.6 * len(best)))), post.id))
    return items


def _sentences(text: str) -> list[list[str]]:
    """Of 8 to 25 words; neither code nor a list nor a line with a link."""
    prose = [line for line in re.split(r"\n\s*\n", text) if re.match(r"[A-Z]", line) and "](" not in line]
    found = [_WORD.findall(sentence.lower()) for line in prose for sentence in re.split(r"(?<=[.!?])\s+", line)]
    return [sentence for sentence in found if 8 <= len(sentence) <= 25]


def _search(store: FeatureStore, query: str, author: str, candidates: int) -> list[Passage]:
    return best(store, store.search(query, author, candidates), 20)


def read_questions(data: Path) -> Iterator[Question]:
    with (data / "questions_df.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            gold = [(span["start_index"], span["end_index"]) for span in json.loads(row["references"])]
            yield row["question"], row["corpus_id"], gold


def _places(spans: Iterable[tuple[int, int]]) -> Iterator[int]:
    for start, end in spans:
        yield from range(start, end)


if __name__ == "__main__":
    in_home(main)
