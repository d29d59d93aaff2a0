"""Does a base model write more like the author when shown how they write?  python -m benchmarks.voice_examples DATA [HOME]

The base model answers the same questions about one author's blog from the same passages, with none, one and two voice
examples in the prompt. Texts are judged by the verifier of training_pipeline.verify against other authors' blogs, pooled in
threes; the share that copies 12 words in a row of an example is what the likeness may have been bought with.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import in_home
from benchmarks.style_verifier import BLOGS, cleaned
from contracts import hardware
from contracts.base_model import DEFAULT, BaseLanguageModel
from contracts.embedder import SentenceEmbedder
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry
from contracts.prompt import encode, messages
from feature_pipeline import pipeline
from inference_pipeline.engines.local import LocalEngine
from inference_pipeline.retrieval.voice import voice
from inference_pipeline.twin import Found, Question, Twin
from training_pipeline.copies import Posts
from training_pipeline.texts import own_words, pooled, stripped, thinned
from training_pipeline.verify import Verifier
from training_pipeline.writing import sampled

AUTHOR = "skeeto"
QUESTIONS = Path(__file__).parent / "questions_skeeto.tsv"
COUNTS, ASKED, TOKENS, TOGETHER, POOLED = (0, 1, 2), 24, 128, 8, 3


def main(data: Path, home: Path) -> None:
    import torch

    store = FeatureStore(home, SentenceEmbedder(cache=home / "embedders"))
    pipeline.run([str(data / "blogs" / AUTHOR / "_posts")], AUTHOR, store)
    blogs = {
        name: [own_words(post) for post in cleaned(data / "blogs" / folder, name)] for name, folder in BLOGS.items()
    }
    texts = {name: pooled(stripped(text) for text in written) for name, written in blogs.items()}
    verifier = Verifier(texts.pop(AUTHOR), texts)
    base = BaseLanguageModel(DEFAULT, home)
    model, tokenizer = base.load().eval(), base.tokenizer()
    asked = _questions(store, home)
    scores = {}
    for count in COUNTS:
        torch.manual_seed(7)
        shown = [voice(store, found, count) for found in asked]
        prompts = [
            encode(tokenizer, messages(AUTHOR, found.asked, found.passages, examples))
            for found, examples in zip(asked, shown, strict=True)
        ]
        made = [
            tokenizer.decode(ids, skip_special_tokens=True)
            for first in range(0, len(prompts), TOGETHER)
            for ids in sampled(model, tokenizer, prompts[first : first + TOGETHER], TOKENS)  # type: ignore[arg-type]
        ]
        scores[count] = verifier.scores(["\n".join(made[n : n + POOLED]) for n in range(0, len(made), POOLED)])
        pairs = [(text, "\n".join(examples)) for text, examples in zip(made, shown, strict=True) if examples]
        copied = sum(Posts({"": examples}).share([text])[0] for text, examples in pairs)
        tokens = np.mean([len(ids) for ids in prompts])
        print(
            f"{count} examples: V {_mean(scores[count])}, {copied} of {len(made)} copy one; {tokens:.0f} tokens a prompt",
            flush=True,
        )
    for count in COUNTS[1:]:
        print(f"{count} against none, paired: {_mean(scores[count] - scores[0])}")
    print(f"the author's own texts: V {verifier.own.mean():.2f}, other authors': {verifier.others.mean():.2f}")
    print("machine:", ", ".join(f"{key} {value}" for key, value in hardware.describe().items()))
    store.close()


def _questions(store: FeatureStore, home: Path) -> list[Found]:
    """Evenly over the years, with the passages that the twin would answer from."""
    with QUESTIONS.open(encoding="utf-8", newline="") as file:
        rows = [row["question"] for row in csv.DictReader(file, delimiter="\t") if row["label"] == "answerable"]
    twin = Twin(store, ModelRegistry(home), LocalEngine(BaseLanguageModel(DEFAULT, home)))
    found = (twin.find(Question(question, AUTHOR)) for question in thinned(rows, 2 * ASKED))
    return [one for one in found if one.passages][:ASKED]


def _mean(values: NDArray[np.float64]) -> str:
    """With the 95 % interval of a bootstrap over the pooled texts."""
    drawn = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{values.mean():+.2f} [{low:+.2f}, {high:+.2f}]"


if __name__ == "__main__":
    in_home(main)
