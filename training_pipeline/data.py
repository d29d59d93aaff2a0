"""What a run trains and is judged on, read from one snapshot of the feature store."""

from __future__ import annotations

import datetime as dt
import random
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice, zip_longest
from typing import TYPE_CHECKING

from contracts.errors import TrainingError
from contracts.feature_store import FeatureStore, retrieve
from contracts.labels import SHORTEST
from contracts.orders import Quoted, harmless
from contracts.private import masked
from contracts.prompt import encode, encode_target, messages
from contracts.records import Example, ExampleKind, Passage, Post, Snapshot, Span, Split, digest
from training_pipeline import evidence
from training_pipeline.recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from training_pipeline.evaluation.content import Embed

MASKED = -100  # the label that the loss ignores
SHORTEST_TARGET = 16  # tokens; a shorter rest after truncation teaches an ending, not a voice
FIRST: tuple[ExampleKind, ...] = ("title", "reply")  # of these each post has one at most: what it is measured by

_END = re.compile(r"(?:[.!?…][\"”’')\]*_]*(?=\s)|[。！？][”’」』）]*|(?=\n))")


@dataclass(frozen=True)
class Edit:
    """What a person made of an answer: the question, the answer as it was, and as it should have been."""

    prompt: str
    rejected: str
    chosen: str
    evidence: tuple[Span, ...] = ()
    """The passages that it was written from."""


@dataclass(frozen=True)
class Encoded:
    """Token ids of prompt and target; only the target's are learned. `bytes_` is the target's length in UTF-8."""

    post_id: str
    ids: tuple[int, ...]
    labels: tuple[int, ...]
    bytes_: int
    kind: str = ""
    cut: bool = False
    """Whether the target is the beginning of a longer one."""
    shown: tuple[str, ...] = ()
    """The post of each passage in the prompt."""

    @property
    def passages(self) -> int:
        return len(self.shown)


@dataclass(frozen=True)
class Corpus:
    """One author's part of a snapshot, with the reference authors' posts to be compared with."""

    author: str
    snapshot: Snapshot
    posts: dict[str, Post]
    examples: dict[Split, list[Example]]
    reference: list[Example]
    other_languages: tuple[str, ...] = ()
    """Reference authors who are left out: from them every post is told by its language alone."""
    frozen: bool = False
    """Whether a champion depends on the split, so that whatever is newer than its border is held out."""
    copies: int = 0
    """Things that the sources show and that are no posts of their own, because another has their text."""
    search: evidence.Search | None = field(default=None, compare=False, repr=False)
    """Finds passages as serving does; without it, an example shows what is stored with it."""
    spans_of: Callable[[str], Sequence[Span]] = field(default=lambda post_id: (), compare=False, repr=False)
    """Where a post is cut into passages."""
    embed: Embed | None = field(default=None, compare=False, repr=False)
    """Without it, nearness to the instruction is not measured."""
    edits: tuple[Edit, ...] = ()
    edits_left_out: dict[str, int] = field(default_factory=dict)
    """How many edits teach nothing, by reason."""

    @cached_property
    def train_ids(self) -> frozenset[str]:
        """The posts that may be retrieved, in training and in measuring: what is held out is never shown."""
        return frozenset(example.post_id for example in self.examples["train"])

    def with_evidence(self, example: Example, share: float) -> Example:
        """The example as it is trained on: a question, and `share` of the others, with the passages that serving finds."""
        if not self.search or not (example.kind == "question" or evidence.drawn(example, share)):
            return example
        found = evidence.shown(example, self.posts[example.post_id], self.train_ids, self.search, self.spans_of)
        return example.model_copy(update={"evidence": found})

    def target(self, example: Example) -> str:
        return example.target(self.posts[example.post_id])

    def conversation(self, example: Example) -> list[dict[str, str]]:
        """The prompt, under the author's own name also for a reference author's post: only the text differs."""
        return self.asked(example.instruction, example.evidence)

    def asked(self, instruction: str, evidence: Sequence[Span]) -> list[dict[str, str]]:
        """As serving builds it, but for what is private, which no model is to learn."""
        shown = []
        for span in evidence:
            post = self.posts[span.post_id]
            shown.append(Quoted(masked(post.title), post.date, post.shown(span.start, span.end)))
        return messages(self.author, instruction, harmless(shown))

    def divided(self, parts: Mapping[str, Split]) -> Corpus:
        """The same examples, each in the part that its post has here."""
        made = [example for part in self.examples.values() for example in part]
        return replace(self, examples={part: [e for e in made if parts[e.post_id] == part] for part in self.examples})

    @cached_property
    def hash(self) -> str:
        """Over everything that is trained on or measured with: equal hashes make equal versions with equal figures."""
        groups: list[tuple[str, list[Example]]] = [*self.examples.items(), ("reference", self.reference)]
        searched = sorted(self.posts[post_id].content_hash for post_id in self.train_ids) if self.search else []
        learned = (digest(group, e.model_dump_json(), self.target(e)) for group, made in groups for e in made)
        edited = (digest("edit", str(edit)) for edit in self.edits)
        return digest(self.snapshot.feature_version, *searched, *learned, *edited)


def read(store: FeatureStore, author: str, keep: bool = True) -> Corpus:
    """The author's labels at this moment; the store keeps the snapshot from now on, unless it is not to `keep` it."""
    store.require_author(author)
    while True:
        snapshot = store.pin() if keep else store.snapshot()
        corpus = _read(store, author, snapshot)
        if store.snapshot() == snapshot:  # else an ingest wrote in between, and the corpus is of two moments
            return corpus


def _read(store: FeatureStore, author: str, snapshot: Snapshot) -> Corpus:
    others = [other.name for other in store.authors() if other.reference and other.name != author]
    by_author = {name: store.posts(name) for name in (author, *others)}
    references = [name for name in others if comparable(by_author[author], by_author[name])]
    posts = {post.id: post for name in (author, *references) for post in by_author[name]}
    parts: tuple[Split, ...] = ("train", "validation", "test")

    def search(query: str, among: Collection[str], limit: int) -> list[Passage]:
        return retrieve.search(store, query, author, limit, among)

    return Corpus(
        author=author,
        snapshot=snapshot,
        posts=posts,
        examples={part: store.examples(author, part) for part in parts},
        reference=[e for name in references for part in parts for e in store.examples(name, part) if e.kind in FIRST],
        other_languages=tuple(name for name in others if name not in references),
        frozen=store.splits(author)[1],
        copies=store.sightings.copies(author),
        search=search,
        spans_of=store.spans_of,
        embed=store.embedder.embed,
    )


def comparable(mine: Collection[Post], theirs: Collection[Post]) -> bool:
    """Whether the other author writes mostly in a language of a tenth of the author's posts; where none is known, yes."""
    own, others = (Counter(post.language for post in posts if post.language) for posts in (mine, theirs))
    return not own or not others or own[others.most_common(1)[0][0]] >= own.total() / 10


def encode_example(
    corpus: Corpus, example: Example, tokenizer: PreTrainedTokenizerBase, max_tokens: int
) -> Encoded | None:
    """None where the prompt leaves no room for a target worth learning.

    Passages that leave no room for the whole target are not shown, the last ones first, but never the one that answers.
    A target that is too long even so ends with a sentence, and has no end-of-turn token.
    """
    text = corpus.target(example)
    target = encode_target(tokenizer, text)
    for shown in _fewer(example):
        prompt = encode(tokenizer, corpus.conversation(example.model_copy(update={"evidence": shown})))
        room = max_tokens - len(prompt)
        if len(target) <= room:
            break
    cut = len(target) > room
    if cut:
        text, target = _beginning(tokenizer, text, room)
    if not target:
        return None
    return Encoded(
        post_id=example.post_id,
        ids=(*prompt, *target),
        labels=(*[MASKED] * len(prompt), *target),
        bytes_=len(text.encode()),
        kind=example.kind,
        cut=cut,
        shown=tuple(span.post_id for span in shown),
    )


def _fewer(example: Example) -> Iterator[tuple[Span, ...]]:
    """The evidence, then one passage fewer each time."""
    shown = example.evidence
    yield shown
    while others := [span for span in shown if not evidence.answers(example, span)]:
        shown = tuple(span for span in shown if span != others[-1])
        yield shown


def _beginning(tokenizer: PreTrainedTokenizerBase, text: str, room: int) -> tuple[str, list[int]]:
    """The most whole sentences that `room` tokens hold, without an end of turn; nothing where they are too few."""
    ends = [match.end() for match in _END.finditer(text)]
    low, high, ids = 0, len(ends), list[int]()
    while low < high:
        middle = (low + high) // 2
        tried = encode_target(tokenizer, text[: ends[middle]])[:-1]
        if len(tried) <= room:
            low, ids = middle + 1, tried
        else:
            high = middle
    return (text[: ends[low - 1]], ids) if len(ids) >= SHORTEST_TARGET else ("", [])


def encode_all(
    corpus: Corpus, examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, max_tokens: int
) -> list[Encoded]:
    made = (encode_example(corpus, example, tokenizer, max_tokens) for example in examples)
    return [encoded for encoded in made if encoded]


@dataclass(frozen=True)
class Selection:
    """What a run trains on and is stopped by, found and encoded once."""

    considered: list[Encoded | None]
    """In turn; None for an example that is of no use."""
    validation: list[Encoded]

    @cached_property
    def train(self) -> list[Encoded]:
        return [encoded for encoded in self.considered if encoded]


def select(corpus: Corpus, tokenizer: PreTrainedTokenizerBase, recipe: Recipe) -> Selection:
    """Raises TrainingError where nothing could be trained."""
    require_generation_prompt(tokenizer)
    made = Selection(list(_considered(corpus, tokenizer, recipe)), _validation(corpus, tokenizer, recipe))
    check(made.train, made.validation, len(corpus.examples["train"]))
    return made


def _considered(corpus: Corpus, tokenizer: PreTrainedTokenizerBase, recipe: Recipe) -> Iterator[Encoded | None]:
    """Examples in turn, until an epoch's share of the recipe's tokens is nearly full."""
    room = recipe.train_tokens // recipe.epochs
    for example in in_turn(newest(corpus, recipe.newest), recipe.seed):
        encoded = _encoded(corpus, example, tokenizer, recipe)
        if encoded is None or len(encoded.ids) <= room:
            room -= len(encoded.ids) if encoded else 0
            yield encoded
        if room < recipe.max_tokens // 4:
            break


def newest(corpus: Corpus, posts: int | None) -> list[Example]:
    """The training examples of so many of the newest posts that have any; a post without a date counts as old."""
    examples = corpus.examples["train"]
    by_date = sorted(
        {example.post_id for example in examples}, key=lambda id_: (corpus.posts[id_].date or dt.date.min, id_)
    )
    kept = set(by_date[-posts:] if posts else by_date)
    return [example for example in examples if example.post_id in kept]


def _validation(corpus: Corpus, tokenizer: PreTrainedTokenizerBase, recipe: Recipe) -> list[Encoded]:
    """What a run is stopped by: as many examples as the recipe says, of as many posts as can be."""
    asked = (
        corpus.with_evidence(e, recipe.evidence_share) for e in in_turn(corpus.examples["validation"], recipe.seed)
    )
    made = (encode_example(corpus, example, tokenizer, recipe.max_tokens) for example in asked)
    return list(islice((encoded for encoded in made if encoded), recipe.validation_examples))


def _encoded(corpus: Corpus, example: Example, tokenizer: PreTrainedTokenizerBase, recipe: Recipe) -> Encoded | None:
    """With the passages that serving finds. Where these leave a question no other one beside its answer, it shows the
    shorter ones that are stored with it: to answer from a single passage is no choice."""
    asked = corpus.with_evidence(example, recipe.evidence_share)
    made = encode_example(corpus, asked, tokenizer, recipe.max_tokens)
    if example.kind == "question" and (made is None or made.cut or made.passages < len(example.evidence)):
        return encode_example(corpus, example, tokenizer, recipe.max_tokens)
    return made


def in_turn(examples: Sequence[Example], seed: int) -> list[Example]:
    """Drawn from the seed: every post has its turn before any has its second, and of a post every kind before that."""
    draw = random.Random(seed)
    posts: dict[str, dict[str, list[Example]]] = {}
    for example in examples:
        posts.setdefault(example.post_id, {}).setdefault(example.kind, []).append(example)
    turns: list[tuple[int, float, Example]] = []
    for kinds in posts.values():
        order = draw.sample(sorted(kinds), len(kinds))
        mixed = zip_longest(*(draw.sample(kinds[kind], len(kinds[kind])) for kind in order))
        turns += [(n, draw.random(), example) for n, example in enumerate(e for row in mixed for e in row if e)]
    return [example for *_, example in sorted(turns, key=lambda turn: turn[:2])]


def check(train: Sequence[Encoded], validation: Sequence[Encoded], examples: int) -> None:
    """Refuse a run that could only pretend to train."""
    if not examples:
        raise TrainingError(
            "no post is left to train on: a fifth is held out, and a tenth tells when to stop",
            f"ingest more posts, of {SHORTEST} characters of your own words each: three are the fewest that can be divided",
        )
    if not train:
        raise TrainingError(
            f"none of {examples} training examples is usable",
            "ingest more posts, or raise max_tokens in the recipe",
        )
    for part, made in (("training", train), ("validation", validation)):
        masked = sum(all(label == MASKED for label in example.labels) for example in made)
        if masked:
            raise TrainingError(
                f"all labels of {masked} of {len(made)} {part} examples are masked",
                "the prompt leaves no room for targets: raise max_tokens in the recipe",
            )
    if not validation:
        raise TrainingError(
            "no post is left for validation", "ingest at least 10 posts: a tenth of them measures the training"
        )


def require_generation_prompt(tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises TrainingError where the chat template does not make the assistant speak: a prompt would be no question."""
    asked = [{"role": "user", "content": "?"}]
    if tokenizer.chat_template and tokenizer.apply_chat_template(
        asked, tokenize=False, add_generation_prompt=True
    ) == tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=False):
        raise TrainingError(
            "the chat template of the base model has no generation prompt, so a target would not follow a question",
            "choose another base model, or add {% if add_generation_prompt %} to its chat_template",
        )
