"""The twin: retrieve → prompt → generate → cite. It knows engines only as LangChain chat models."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

from contracts.errors import Busy, NotFound
from contracts.feature_store.filters import Filters
from contracts.formats import Format
from contracts.model_registry import ModelRegistry, ModelVersion
from contracts.orders import harmless, without_orders
from contracts.prompt import PASSAGES, Message, messages
from contracts.records import Answer, Passage, Style
from contracts.sampling import TEMPERATURE
from inference_pipeline.grounding.check import LIMIT, check
from inference_pipeline.grounding.inert import Inert
from inference_pipeline.grounding.style_meter import SHORTEST, Scorer, measure, own_posts, said
from inference_pipeline.leaving import unless_stopped
from inference_pipeline.queue import Queue
from inference_pipeline.retrieval.follow_up import made_whole
from inference_pipeline.retrieval.retrieve import retrieve
from inference_pipeline.retrieval.voice import voice
from inference_pipeline.sampling import Sampling, until
from inference_pipeline.small_talk import is_talk, reply
from inference_pipeline.traffic import drawn

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from contracts.feature_store import FeatureStore

BASE = "base"


class Exchange(NamedTuple):
    """A question, and what was answered to it."""

    question: str
    answer: str


class Engine(Protocol):
    """Where generation happens: gives the chat model of a version, or of the base model for None."""

    def chat_model(self, version: ModelVersion | None) -> BaseChatModel: ...


@dataclass(frozen=True)
class Question:
    """What is asked, of whom, and what was said before it, oldest first."""

    text: str
    author: str
    history: tuple[Exchange, ...] = ()
    user: str = ""
    """Who asks: where many wait, users take turns."""
    key: str = ""
    """Of the conversation or the person: while a challenger is tried, each stays with one version."""
    sampling: Sampling = field(default_factory=Sampling)
    filters: Filters = field(default_factory=Filters)
    """Which of the author's posts may be found."""
    format: Format | None = None
    """What kind of text is asked for, where that is known: it is the kind that voice examples are of."""

    @property
    def drawn_by(self) -> str:
        """The key, else what the conversation began with."""
        return self.key or (self.history[0].question if self.history else self.text)


@dataclass(frozen=True)
class Found:
    """The first event of an answer: what it will be written from. Several models may write from the same."""

    question: Question
    passages: tuple[Passage, ...]
    snapshot: str
    seconds: float
    """What finding it took."""
    asked: str
    """The question as a reader understands it who has not heard what was said before."""
    reply: str = ""
    """What is said instead, where nothing was asked that posts could answer."""


Event = Found | str | Answer
Measured = TypeVar("Measured")


class Twin:
    def __init__(
        self,
        store: FeatureStore,
        registry: ModelRegistry,
        engine: Engine,
        *,
        passages: int = PASSAGES,
        max_new_tokens: int = 128,
        temperature: float = TEMPERATURE,
        queue: Queue | None = None,
        challenger_share: float = 0.0,
        voice_examples: int = 0,
    ) -> None:
        """`voice_examples`: how many a model without an adapter is shown of how the author writes."""
        self._challenger_share, self._voice_examples = challenger_share, voice_examples
        self._store, self._registry, self._engine = store, registry, engine
        self.queue = queue or Queue()
        self._passages, self._max_new_tokens, self._temperature = passages, max_new_tokens, temperature

    def models(self, author: str) -> list[str]:
        """What `model` may be for this author, the one used by default first."""
        champion = self._registry.champion(author)
        names = [version.name for version in reversed(self._registry.versions(author))]
        if champion:
            names.remove(champion.name)
            return [champion.name, *names, BASE]
        return [BASE, *names]

    def warm(self, author: str) -> None:
        """Load what the first answer needs, so that nobody waits for it."""
        self._store.search(author, author)
        self._engine.chat_model(self._registry.champion(author))
        if self._challenger_share and (challenger := self._registry.challenger(author)):
            self._engine.chat_model(challenger)

    def ask(self, question: Question, model: str | None = None) -> Answer:
        *_, answer = self.stream(question, model)
        assert isinstance(answer, Answer)
        return answer

    def stream(
        self, question: Question, model: str | None = None, stop: threading.Event | None = None
    ) -> Iterator[Event]:
        """What was found, then the answer's text piece by piece, then the whole answer with its citations.

        When `stop` is set, or the iterator is closed, generation ends at the next token; the pieces so far are the answer.
        """
        self._version(question, model)  # what is not there is told before anything is searched
        found = self.find(question)
        yield found
        yield from self.write(found, model, stop)

    def find(self, question: Question) -> Found:
        """The passages that an answer will be written from; none where the author has written nothing that fits."""
        began, author = time.perf_counter(), question.author
        history = list[Exchange]()
        for before in question.history:
            if not is_talk(before.question, author, first=not history):
                history.append(before)
        # A draft may be called “Who are you?”.
        if not question.format and is_talk(question.text, author, first=not history):
            said, snapshot = reply(self._store, author, question.text), self._store.snapshot().id
            return Found(question, (), snapshot, time.perf_counter() - began, question.text, said)
        follow = made_whole(question.text, history)
        passages = retrieve(self._store, question.text, author, self._passages, question.filters, follow)
        asked, took = follow.asked if follow else question.text, time.perf_counter() - began
        return Found(question, tuple(passages), self._store.snapshot().id, took, asked)

    def write(
        self, found: Found, model: str | None = None, stop: threading.Event | None = None
    ) -> Iterator[str | Answer]:
        """The answer's text piece by piece, then the whole answer. Every time counts from the question on.

        The pieces are inert, too: what may be the beginning of markup waits until it is whole.
        """
        began = time.perf_counter() - found.seconds
        version = self._version(found.question, model)
        timings = {"retrieve": found.seconds, "tokens": 0.0}
        pieces, shown = list[str](), Inert(found.passages)
        if found.passages:
            for piece in until(self._generate(found, version, stop, timings), found.question.sampling.stop):
                timings.setdefault("first_token", time.perf_counter() - began)
                timings["tokens"] += 1
                pieces.append(piece)
                if text := shown.add(piece):
                    yield text
            if text := shown.end():
                yield text
        name = version.name if version else BASE
        longest = found.question.sampling.max_tokens or self._max_new_tokens
        limited = not (stop and stop.is_set()) and timings["tokens"] >= LIMIT * longest
        checked = check(self._store, found, "".join(pieces), limited)
        timings["total"] = time.perf_counter() - began
        yield Answer(
            **checked,
            passages=found.passages,
            model=name,
            snapshot=found.snapshot,
            timings={key: round(value, 3) for key, value in timings.items()},
            question=found.asked,
            instead="" if model else self._instead(found.question.author, name),
        )

    def metered(
        self, question: Question, events: Iterator[Measured], stop: threading.Event | None = None
    ) -> Iterator[Measured | Answer]:
        """The events, each whole answer among them with its style. An answer is not taken back because many wait."""
        for event in events:
            if isinstance(event, Answer):
                with suppress(Busy):
                    event = event.model_copy(update={"style": self.meter(question, event, stop)})
            yield event

    def meter(self, question: Question, answer: Answer, stop: threading.Event | None = None) -> Style | None:
        """How much like the author an answer to the question is, by the version that wrote it.

        None for the base model, on a server, where the version has no band of the author's own, for a few words, and where
        `stop` was set before its turn. Raises Busy.
        """
        version, text = self._version(question, answer.model), said(answer)
        own = own_posts(version) if version and answer.passages else []
        if not own or len(text.encode()) < SHORTEST:
            return None
        with self.queue.place(question.user, stop) as placed:
            if not placed or (stop and stop.is_set()):  # nobody waits for it any more
                return None
            models = [self._engine.chat_model(which) for which in (version, None)]
            if not all(hasattr(model, "nll") for model in models):
                return None
            adapted, base = cast("list[Scorer]", models)
            return measure(adapted, base, messages(question.author, question.text), text, own)

    def resolve(self, question: Question, model: str | None = None) -> str:
        """The name of the version that will answer. Raises NotFound where there is no such version of the author's."""
        version = self._version(question, model)
        return version.name if version else BASE

    def _instead(self, author: str, answered: str) -> str:
        """Of champion and challenger the one that was not drawn; empty where there is no draw between them."""
        challenger = self._registry.challenger(author) if 0 < self._challenger_share < 1 else None
        champion = self._registry.champion(author)
        both = [champion.name if champion else BASE, challenger.name] if challenger else []
        return both[both.index(answered) - 1] if answered in both else ""

    def _version(self, question: Question, model: str | None) -> ModelVersion | None:
        if model == BASE:
            return None
        if model is None:
            return drawn(self._registry, question.author, question.drawn_by, self._challenger_share)
        version = self._registry.get(model)
        if version.author != question.author:
            raise NotFound(
                f"{model} is not a version of {question.author!r}", f"twin models list --author {question.author!r}"
            )
        return version

    def _generate(
        self, found: Found, version: ModelVersion | None, stop: threading.Event | None, counts: dict[str, float]
    ) -> Iterator[str]:
        """The model's pieces, from its turn in the queue on. Raises Busy where too many wait."""
        shown = () if version else tuple(map(without_orders, voice(self._store, found, self._voice_examples)))
        asked = messages(found.question.author, found.asked, harmless(found.passages), shown)
        yield from self.say(asked, version, found.question.user, found.question.sampling, stop, counts)

    def say(
        self,
        asked: Sequence[Message],
        version: ModelVersion | None,
        user: str = "",
        sampling: Sampling | None = None,
        stop: threading.Event | None = None,
        counts: dict[str, float] | None = None,
    ) -> Iterator[str]:
        """What a version says to these messages and nothing else, in pieces, in the user's turn. Raises Busy.

        `counts` gets what an engine says of the tokens of the prompt, and of the answer with its last piece.
        """
        counts = {} if counts is None else counts
        with self.queue.place(user, stop) as placed:
            if not placed:
                return
            loaded = unless_stopped(map(self._engine.chat_model, [version]), stop)
            if (chat := next(loaded, None)) is None:
                return
            stream = chat.stream(asked, **self._options(sampling or Sampling()))
            with closing(unless_stopped(stream, stop)) as heard:
                for piece in heard:
                    if used := getattr(piece, "usage_metadata", None):
                        counts["prompt_tokens"] = counts.get("prompt_tokens", 0) + used["input_tokens"]
                        counts["tokens"] = used["output_tokens"] or counts.get("tokens", 0)
                    if text := str(piece.content):
                        yield text

    def _options(self, sampling: Sampling) -> dict[str, Any]:
        """As an engine takes them; a seed only where there is one."""
        seed = {} if sampling.seed is None else {"seed": sampling.seed}
        longest = sampling.max_tokens or self._max_new_tokens
        warmth = self._temperature if sampling.temperature is None else sampling.temperature
        return {"max_tokens": longest, "temperature": warmth, **seed}
