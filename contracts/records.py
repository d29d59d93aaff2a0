"""The records that pass between the pipelines. Frozen; an unknown field is an error."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.formats import Format

Split = Literal["train", "validation", "test"]


def digest(*parts: str, length: int = 16) -> str:
    """Hex of the sha256 over `parts`, each framed by its length so that no two lists of parts collide."""
    h = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        h.update(len(data).to_bytes(8, "big") + data)
    return h.hexdigest()[:length]


def text_hash(text: str) -> str:
    """Equal for the same words published in two places."""
    return digest(" ".join(text.split()))


def replaced(text: str, parts: Iterable[tuple[int, int, str]], start: int = 0, end: int | None = None) -> str:
    """`text[start:end]` with other words for each of its `parts`: start, end and the words, in order."""
    end = len(text) if end is None else end
    pieces, at = list[str](), start
    for first, last, instead in parts:
        if last > at and first < end:
            pieces += [text[at : max(at, first)], instead]
            at = last
    return "".join([*pieces, text[min(at, end) : end]])


@lru_cache(maxsize=4096)  # asked for some forty times while a post is taken in
def _post_id(author: str, source: str, source_id: str) -> str:
    return digest(author, source, source_id)


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Mark(Record):
    """A slice of a post that is not to be learned from: `text[start:end]`. It stays visible, and can be found."""

    start: int
    end: int
    kind: Literal["quote", "code", "signature", "boilerplate", "recurring", "private"]
    """boilerplate: asks to share, follow or subscribe; recurring: stands in many posts of a site; private: an address, a
    number, a key."""
    instead: str = ""
    """What an example shows in its place; only `private` has one, such as “[e-mail address]”. The others are left out."""


class Post(Record):
    """One text by one author, cleaned. `text` is what every character offset in the product points into."""

    author: str
    source: str
    """Where it was read from: a folder, a file or an address."""
    source_id: str
    """The id that the source gave: a file's path in the folder, a feed's guid, the JSON Lines `id`."""
    title: str
    date: dt.date | None
    url: str | None
    text: str
    format: Format = "article"
    byline: str = ""
    """Who the source says wrote it; empty where it says nothing."""
    language: str = ""
    """ISO 639-1, or empty where the text is too short to tell."""
    marks: tuple[Mark, ...] = ()
    """In order, without overlaps."""

    @property
    def id(self) -> str:
        """From author and place, so that a second run finds the same post and an edit keeps its id."""
        return _post_id(self.author, self.source, self.source_id)

    @property
    def content_hash(self) -> str:
        """Changes with anything that a feature is made from."""
        return digest(self.title, self.date.isoformat() if self.date else "", self.url or "", self.format, self.text)

    @property
    def text_hash(self) -> str:
        return text_hash(self.text)

    def shown(self, start: int, end: int) -> str:
        """`text[start:end]` as an example may show it: what is private is replaced by its kind."""
        private = ((mark.start, mark.end, mark.instead) for mark in self.marks if mark.kind == "private")
        return replaced(self.text, private, start, end)


class Chunk(Record):
    """A slice of a post: `post.text[start:end]`. `header` is embedded with it, and never shown as the author's words."""

    post_id: str
    author: str
    ordinal: int
    start: int
    end: int
    section: str
    header: str

    def embedded(self, post_text: str) -> str:
        """What the embedder and BM25 see: the header, then the author's words."""
        return f"{self.header}\n{post_text[self.start : self.end]}" if self.header else post_text[self.start : self.end]


class Span(Record):
    """A slice of a stored post: `post.text[start:end]`."""

    post_id: str
    start: int
    end: int


ExampleKind = Literal["title", "reply", "topic", "outline", "section", "continue", "question", "request"]
"""title: the post that a title asks for; reply: the answer to somebody; topic: a short post on a few words; outline: a post
from bullet points; section: what stands under a heading; continue: what follows an opening; question: the passage that
answers it; request: what a model says could have been asked. Every post has one `title` or `reply` at most."""


class Example(Record):
    """A label: this instruction, with this evidence in the prompt, is answered by these slices of a post."""

    post_id: str
    author: str
    kind: ExampleKind
    instruction: str
    slices: tuple[tuple[int, int], ...]
    """The author's own words, in order; between two of them stands what is somebody else's, or no prose."""
    evidence: tuple[Span, ...] = ()

    def target(self, post: Post) -> str:
        """What is learned: the slices as paragraphs, word for word but for what is private."""
        return "\n\n".join(post.shown(start, end) for start, end in self.slices)


class Snapshot(Record):
    """Names what a reader of the feature store saw: the same posts under the same feature version have the same id."""

    id: str
    feature_version: str
    posts: int
    chunks: int


class AuthorStatus(Record):
    name: str
    reference: bool
    posts: int
    chunks: int


class VersionStatus(Record):
    """A feature version, and how much is built of it."""

    id: str
    chunker: str
    embedder: str
    dimension: int
    built: dt.datetime
    active: bool
    posts: int
    chunks: int


class SourceStatus(Record):
    """An address that a person named, and how its last reading went."""

    author: str
    address: str
    posts: int
    read: dt.datetime | None
    outcome: str


class Passage(Record):
    """A chunk that was found, with what a reader needs to judge and cite it."""

    post_id: str
    source_id: str
    title: str
    url: str | None
    date: dt.date | None
    text: str
    start: int
    end: int
    score: float
    """Of the search by meaning and that by words, from 0 to 1 for each search; comparable within one query only."""
    similarity: float = 0.0
    """Cosine of the question's and the chunk's embeddings; comparable between queries."""


MARKER = re.compile(r"\[(\d{1,3})\]")  # a draft's are numbered through all its sections


class Citation(Record):
    """The exact slice of a stored post that a marker such as [1] stands for: the text of passage number `marker`.

    Two sentences that rest on two sentences of one passage have two citations with the same marker.
    """

    marker: int
    post_id: str
    title: str
    url: str | None
    start: int
    end: int
    text: str


Support = Literal["supported", "inferred", "unsupported"]
"""supported: a passage says it; inferred: a passage is near it, and does not say it; unsupported: none is."""


class Sentence(Record):
    """A sentence of an answer, `answer[start:end]` without its marker, and what the author's posts say to it."""

    start: int
    end: int
    support: Support
    first_person: bool
    """It speaks as the author. Without support, it puts words into their mouth."""
    evidence: Citation | None
    """What supports it, or what an inferred one is near to."""
    shared: float = 0.0
    """Of its content words, the share that the sentence of the post has, too: the rest is the model's."""


def marked(sentences: Iterable[Sentence]) -> tuple[int, ...]:
    """Where in the text each marker begins, behind the sentences that have one. Any other `[1]`, as in `argv[1]`, is part of
    what was said."""
    return tuple(one.end + 1 for one in sentences if one.evidence and one.support == "supported")


class Copied(Record):
    """The longest run of words that an answer, `answer[start:end]`, shares with a post, `post.text[post_start:post_end]`."""

    words: int
    start: int
    end: int
    post_id: str
    title: str
    url: str | None
    post_start: int
    post_end: int


class Style(Record):
    """How much like its author a text is. All but `posts` and `share` in nats per byte: NLL under the base model minus
    NLL under the adapter."""

    delta: float
    low: float
    """Of the author's own held-out posts: a twentieth gain less than this."""
    median: float
    high: float
    posts: int
    share: float
    """Of the author's own posts, those that gain less than this text."""

    @property
    def says(self) -> str:
        """In plain words, to the author."""
        if self.delta > self.high:
            return "more like you than your own posts are: imitation overdone"
        if self.delta >= self.median:
            return "as much like you as your own posts"
        if self.delta >= self.low:
            return f"like you, though {1 - self.share:.0%} of your own posts are more so"
        return "less like you than nearly all of your own posts" if self.delta > 0 else "not like you"


class NearestPost(Record):
    """A post that is offered where none answers; it is no evidence."""

    post_id: str
    title: str
    date: dt.date | None
    url: str | None


class Answer(Record):
    """What the twin said, and everything needed to check it."""

    answer: str
    citations: tuple[Citation, ...]
    """In the order of the posts' text, by marker; each once."""
    passages: tuple[Passage, ...]
    model: str
    snapshot: str
    timings: dict[str, float]
    """Seconds: `retrieve`, `first_token`, `total`; and counts: `tokens`, and `prompt_tokens` where the engine says it."""
    sentences: tuple[Sentence, ...] = ()
    unsupported_claims: int = 0
    """How many sentences speak as the author without support."""
    cut: bool = False
    """The model had more to say than it may: what it had begun of another sentence was left out, unless that is all."""
    copied: Copied | None = None
    """None where fewer words in a row than anybody would notice are shared."""
    style: Style | None = None
    """Where it was asked for and can be told."""
    nearest: tuple[NearestPost, ...] = ()
    """The posts nearest to a question that was not answered."""
    question: str = ""
    """What was asked, as a reader understands it who has not heard what was said before."""
    instead: str = ""
    """The version that might have been drawn to answer instead; empty where it was not left to a draw."""

    @property
    def markers(self) -> tuple[int, ...]:
        return marked(self.sentences)


class Figure(Record):
    """A measured value with its sample size and 95 % bootstrap interval, or the reason why there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    unit: str = ""
    note: str = ""

    def __str__(self) -> str:
        if self.value is None:
            return f"cannot measure: {self.note}"
        interval = f" [{self.low:+.4f}, {self.high:+.4f}]" if self.low is not None else ""
        return f"{self.value:+.4f}{interval} {self.unit} (n={self.n})".replace("  ", " ")


class _Preference(BaseModel):
    not_kept: list[str] | bool
    edits: int = 0


class _Training(BaseModel):
    """Of a card's `training` what is read again after the run; each may be absent."""

    train_loss: list[tuple[int, float]] = []
    validation_loss: list[tuple[int, float]] = []
    base_validation_loss: float = 0.0
    best_validation_loss: float = 0.0
    preference: _Preference = _Preference(not_kept=True)


class AdapterCard(Record):
    """Lineage and proof of one model version; written last, so a folder without it is not a version."""

    # protected_namespaces: pydantic keeps `model_` for itself; these fields are the field's own terms.
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    author: str
    run_id: str
    created: dt.datetime
    snapshot: Snapshot
    posts: dict[Split, tuple[str, ...]]
    """Ids of the posts of each part of the split; `train` is what the adapter was trained on."""
    examples: int
    prompt_hash: str
    template_hash: str = ""
    """Of the tokenizer's chat template; empty in cards from before it was kept, where the tokenizer's hash covers it."""
    base_model: str
    base_model_hash: str
    tokenizer_hash: str
    recipe: dict[str, Any]
    seed: int
    libraries: dict[str, str]
    environment: dict[str, str]
    training: dict[str, Any]
    evaluation: dict[str, Figure]
    gate: tuple[str, ...]
    """Why the version may not become champion; empty when it may."""
    parent: str | None
    files: dict[str, str] = Field(default_factory=dict)
    """sha256 of every file of the version, checked when it is loaded."""

    @model_validator(mode="after")
    def _read_by_everyone(self) -> AdapterCard:
        """What commands, reports and the page read of every card, which a hand may have edited."""
        if missing := [part for part in get_args(Split) if part not in self.posts]:
            raise ValueError(f"posts has no part {missing[0]}")
        if self.parent is not None and not re.fullmatch(r".+@v[1-9][0-9]*", self.parent):
            raise ValueError(f"parent names no version: {self.parent}")
        if ("base_validation_loss" in self.training) != ("best_validation_loss" in self.training):
            raise ValueError("training has one of the two validation losses alone")
        read = {name: self.training[name] for name in _Training.model_fields if name in self.training}
        _Training.model_validate_json(json.dumps(read), strict=True)
        return self
