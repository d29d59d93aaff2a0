"""What a run trains and is judged on, read from one snapshot of the feature store."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.errors import TrainingError
from contracts.feature_store import FeatureStore
from contracts.prompt import encode, encode_target, messages
from contracts.records import Example, Post, Snapshot, Split, digest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MASKED = -100  # the label that the loss ignores
SHORTEST_TARGET = 16  # tokens; a shorter rest after truncation teaches an ending, not a voice


@dataclass(frozen=True)
class Evidence:
    """A passage as the prompt shows it."""

    title: str
    date: dt.date | None
    text: str


@dataclass(frozen=True)
class Encoded:
    """Token ids of prompt and target; only the target's are learned. `bytes_` is the target's length in UTF-8."""

    post_id: str
    ids: tuple[int, ...]
    labels: tuple[int, ...]
    bytes_: int


@dataclass(frozen=True)
class Corpus:
    """One author's part of a snapshot, with the reference authors' posts to be compared with."""

    author: str
    snapshot: Snapshot
    posts: dict[str, Post]
    examples: dict[Split, list[Example]]
    reference: list[Example]

    def target(self, example: Example) -> str:
        return example.target(self.posts[example.post_id])

    def conversation(self, example: Example) -> list[dict[str, str]]:
        """The prompt, under the author's own name also for a reference author's post: only the text differs."""
        shown = []
        for span in example.evidence:
            post = self.posts[span.post_id]
            shown.append(Evidence(post.title, post.date, post.shown(span.start, span.end)))
        return messages(self.author, example.instruction, shown)

    @property
    def hash(self) -> str:
        """Over everything that is trained on or measured with: equal hashes make equal versions with equal figures."""
        groups: list[tuple[str, list[Example]]] = [*self.examples.items(), ("reference", self.reference)]
        return digest(*(digest(group, e.model_dump_json(), self.target(e)) for group, made in groups for e in made))


def read(store: FeatureStore, author: str) -> Corpus:
    """The author's labels at this moment; the store keeps the snapshot from now on."""
    store.require_author(author)
    while True:
        snapshot = store.pin()
        corpus = _read(store, author, snapshot)
        if store.snapshot() == snapshot:  # else an ingest wrote in between, and the corpus is of two moments
            return corpus


def _read(store: FeatureStore, author: str, snapshot: Snapshot) -> Corpus:
    references = [other.name for other in store.authors() if other.reference and other.name != author]
    posts = {post.id: post for name in (author, *references) for post in store.posts(name)}
    parts: tuple[Split, ...] = ("train", "validation", "test")
    return Corpus(
        author=author,
        snapshot=snapshot,
        posts=posts,
        examples={part: store.examples(author, part) for part in parts},
        reference=[e for name in references for part in parts for e in store.examples(name, part) if e.kind == "title"],
    )


def encode_example(
    corpus: Corpus, example: Example, tokenizer: PreTrainedTokenizerBase, max_tokens: int
) -> Encoded | None:
    """None where the prompt leaves no room for a target worth learning. A cut target has no end-of-turn token."""
    prompt = encode(tokenizer, corpus.conversation(example))
    text = corpus.target(example)
    target = encode_target(tokenizer, text)
    room = max_tokens - len(prompt)
    if len(target) > room:
        if room < SHORTEST_TARGET:
            return None
        target = target[:room]
        text = str(tokenizer.decode(target))
    return Encoded(
        post_id=example.post_id,
        ids=(*prompt, *target),
        labels=(*[MASKED] * len(prompt), *target),
        bytes_=len(text.encode()),
    )


def encode_all(
    corpus: Corpus, examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, max_tokens: int
) -> list[Encoded]:
    made = (encode_example(corpus, example, tokenizer, max_tokens) for example in examples)
    return [encoded for encoded in made if encoded]


def within_budget(encoded: Sequence[Encoded], tokens: int, seed: int) -> list[Encoded]:
    """A random choice of examples that holds at most `tokens`; all of them where they fit."""
    order = list(encoded)
    random.Random(seed).shuffle(order)
    chosen: list[Encoded] = []
    total = 0
    for example in order:
        if total + len(example.ids) > tokens:
            continue
        chosen.append(example)
        total += len(example.ids)
    return chosen


def check(train: Sequence[Encoded], validation: Sequence[Encoded], examples: int) -> None:
    """Refuse a run that could only pretend to train."""
    if not train:
        raise TrainingError(
            f"none of {examples} training examples is usable",
            "ingest more posts, or raise max_tokens in the recipe",
        )
    if all(label == MASKED for example in train for label in example.labels):
        raise TrainingError(f"all labels of {len(train)} examples are masked", "the prompt leaves no room for targets")
    if not validation:
        raise TrainingError(
            "no post is left for validation", "ingest at least 10 posts: a tenth of them measures the training"
        )
