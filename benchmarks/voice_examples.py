"""Does a base model write more like the author when shown how they write?  python -m benchmarks.voice_examples DATA [HOME]

The base model answers the same questions about one author's blog from the same passages, as serving does, with none, two and
one voice example in the prompt. Texts are judged by training_pipeline.evaluation.verify against other authors' blogs,
pooled in threes; the share that copies 12 words in a row of an example is what the likeness may have been bought with.
"""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks import in_home, interval
from benchmarks.speed import machine
from benchmarks.style_verifier import BLOGS, cleaned
from contracts.base_model import DEFAULT, BaseLanguageModel
from contracts.copies import Runs
from contracts.embedder import SentenceEmbedder
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry
from contracts.records import Answer
from feature_pipeline import pipeline
from inference_pipeline.engines.local import LocalEngine
from inference_pipeline.queue import Queue
from inference_pipeline.retrieval.voice import voice
from inference_pipeline.twin import BASE, Found, Question, Twin
from training_pipeline.evaluation.style import copies
from training_pipeline.evaluation.texts import own_words, pooled, stripped, thinned
from training_pipeline.evaluation.verify import Verifier

AUTHOR = "skeeto"
QUESTIONS = Path(__file__).parent / "questions_skeeto.tsv"
COUNTS, ASKED, TOGETHER, POOLED = (0, 2, 1), 60, 4, 3


def main(data: Path, home: Path) -> None:
    store = FeatureStore(home, SentenceEmbedder(cache=home / "embedders"))
    pipeline.run([str(data / "blogs" / AUTHOR / "_posts")], AUTHOR, store)
    blogs = {
        name: [own_words(post) for post in cleaned(data / "blogs" / folder, name)] for name, folder in BLOGS.items()
    }
    texts = {name: pooled(stripped(text) for text in written) for name, written in blogs.items()}
    verifier = Verifier(texts.pop(AUTHOR), texts)
    engine, registry = LocalEngine(BaseLanguageModel(DEFAULT, home)), ModelRegistry(home)
    twins = [Twin(store, registry, engine, queue=Queue(TOGETHER), voice_examples=count) for count in COUNTS]
    asked = _questions(twins[0])
    scores = {}
    for count, twin in zip(COUNTS, twins, strict=True):
        with ThreadPoolExecutor(TOGETHER) as threads:
            answers = list(threads.map(lambda found, twin=twin: _answered(twin, found), asked))
        made = [text for text, _ in answers]
        scores[count] = verifier.scores(["\n".join(made[n : n + POOLED]) for n in range(0, len(made), POOLED)])
        shown = [voice(store, found, count) for found in asked]
        pairs = [(text, "\n".join(examples)) for text, examples in zip(made, shown, strict=True) if examples]
        copied = sum(copies(text, Runs([("", examples)])) for text, examples in pairs)
        claims = np.mean([answer.unsupported_claims for _, answer in answers])
        tokens = np.mean([answer.timings["prompt_tokens"] for _, answer in answers])
        print(
            f"{count} examples: V {interval(scores[count], '+.2f')}, {copied} of {len(made)} copy one; "
            f"{claims:.2f} claims without support an answer, {tokens:.0f} tokens a prompt",
            flush=True,
        )
        if count:
            print(f"{count} against none, paired: {interval(scores[count] - scores[0], '+.2f')}", flush=True)
    print(f"the author's own texts: V {verifier.own.mean():.2f}, other authors': {verifier.others.mean():.2f}")
    print(machine())
    store.close()


def _questions(twin: Twin) -> list[Found]:
    """Evenly over the years, with the passages that the twin would answer from."""
    with QUESTIONS.open(encoding="utf-8", newline="") as file:
        rows = [row["question"] for row in csv.DictReader(file, delimiter="\t") if row["label"] == "answerable"]
    found = (twin.find(Question(question, AUTHOR)) for question in thinned(rows, 2 * ASKED))
    return [one for one in found if one.passages][:ASKED]


def _answered(twin: Twin, found: Found) -> tuple[str, Answer]:
    """What the model said, and what became of it."""
    *pieces, answer = twin.write(found, BASE)
    assert isinstance(answer, Answer)
    return "".join(map(str, pieces)), answer


if __name__ == "__main__":
    in_home(main)
