"""What was read is not read again; it changes nothing that is said, is bounded, and nobody meets another's text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from langchain_core.language_models import BaseChatModel

from contracts.base_model import BaseLanguageModel
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry, ModelVersion
from contracts.prompt import Message, encode, messages
from contracts.records import Answer, Passage
from inference_pipeline.engines import decoders, graph
from inference_pipeline.engines.decoders import Decoder, TorchDecoder
from inference_pipeline.engines.graph import GraphDecoder, graph_of
from inference_pipeline.engines.local import LocalChatModel
from inference_pipeline.engines.memory import Begun, Memory, shared
from inference_pipeline.twin import Found, Question, Twin
from tests.fakes import WordEmbedder, fill, post, tiny_llama

pytestmark = pytest.mark.usefixtures("single")

TEXT = "The clock runs slow when rain falls. I wind it on Sundays. " * 12


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseLanguageModel:
    folder = tmp_path_factory.mktemp("tiny")
    return BaseLanguageModel(str(tiny_llama(folder / "model")), folder)


@pytest.fixture(scope="module", params=["torch", "graph"])
def decoder(base: BaseLanguageModel, request: pytest.FixtureRequest) -> Decoder:
    if request.param == "torch":
        return TorchDecoder(base.load(torch.float32).eval())
    folder = graph_of(base)
    assert folder
    return GraphDecoder(folder)


class Counting:
    """A decoder that counts the ids that its sessions read."""

    def __init__(self, decoder: Decoder, heard: Callable[[], None] = lambda: None) -> None:
        """`heard` is called after each piece that was read."""
        self._decoder, self.read, self.heard = decoder, 0, heard

    def open(self, alone: bool = False) -> Session:
        return Session(self, self._decoder.open(alone))


class Session:
    def __init__(self, of: Counting, session: Any) -> None:
        self._of, self._session = of, session

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)

    def feed(self, ids: list[int]) -> object:
        *_, logits = self.reading(ids)
        return logits[-1]

    def reading(self, ids: list[int]) -> Iterator[torch.Tensor]:
        before = len(self._session.ids)
        for logits in self._session.reading(ids):
            self._of.read += len(self._session.ids) - before  # type: ignore[attr-defined]
            before = len(self._session.ids)
            self._of.heard()
            yield logits


class One:
    """An engine of one model."""

    def __init__(self, model: BaseChatModel) -> None:
        self._model = model

    def chat_model(self, version: ModelVersion | None) -> BaseChatModel:
        return self._model


def asked(question: str) -> list[Message]:
    place = {"post_id": "p", "source_id": "p", "title": "Clocks", "url": None, "date": None, "start": 0, "end": 9}
    return messages("Ada", question, [Passage(text=TEXT, score=1, **place)])


def chat(base: BaseLanguageModel, decoder: object) -> LocalChatModel:
    return LocalChatModel(decoder=decoder, tokenizer=base.tokenizer(), stops=frozenset([2]))


def begin(memory: Memory, ids: Sequence[int]) -> Begun:
    *_, begun = memory.begin(ids)
    return begun


def said(of: BaseChatModel, question: str, seed: int | None = None) -> str:
    options = {"max_tokens": 30, "temperature": 0, "seed": seed}
    return "".join(str(piece.content) for piece in of.stream(asked(question), **options))


def test_regenerating_reads_nothing_again_and_says_the_same(base: BaseLanguageModel, decoder: Decoder) -> None:
    counting = Counting(decoder)
    made = chat(base, counting)
    first, prompt = said(made, "Why?"), counting.read
    assert prompt > 700
    assert said(made, "Why?") == first
    assert counting.read - prompt <= 30
    assert said(chat(base, decoder), "Why?") == first


def test_another_question_on_the_same_passages_is_read_from_the_question_on(
    base: BaseLanguageModel, decoder: Decoder
) -> None:
    counting = Counting(decoder)
    made = chat(base, counting)
    said(made, "Why?")
    before = counting.read
    again = said(made, "When?")
    tail = len(encode(base.tokenizer(), asked("When?"))) - len(encode(base.tokenizer(), asked("")))
    assert counting.read - before < 30 + 130 + tail
    assert again == said(chat(base, decoder), "When?")


def test_with_a_seed_nothing_is_reused(base: BaseLanguageModel, decoder: Decoder) -> None:
    counting = Counting(decoder)
    made = chat(base, counting)
    first = said(made, "Why?", seed=1)
    before = counting.read
    assert said(made, "Why?", seed=1) == first
    assert counting.read == 2 * before


def test_a_prompt_with_little_in_common_is_read_at_once(base: BaseLanguageModel) -> None:
    folder = graph_of(base)
    assert folder
    memory = Memory(GraphDecoder(folder))
    ids = encode(base.tokenizer(), asked("Why?"))
    one = begin(memory, ids)
    memory.end(one)
    assert begin(memory, [*ids[:100], *reversed(ids[100:])]).session is not one.session
    assert begin(memory, [*ids[:-20], *reversed(ids[-20:])]).session is one.session


def test_a_session_has_one_owner_at_a_time(decoder: Decoder) -> None:
    memory, ids = Memory(decoder), list(range(3, 60))
    memory.end(begin(memory, ids))
    found = []

    def ask() -> None:
        found.append(begin(memory, ids))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len({id(begun.session) for begun in found}) == 6
    assert len({int(begun.logits.argmax()) for begun in found}) == 1


def test_what_is_kept_is_bounded_and_the_oldest_goes(decoder: Decoder) -> None:
    memory = Memory(decoder, kept=3)
    for first in range(3, 13):
        memory.end(begin(memory, [first, *range(3, 60)]))
    each = memory.bytes_ // 3
    assert each > 57 * 2 * 2 * 16
    tight = Memory(decoder, most_bytes=2 * each)
    begun = [begin(tight, [first, *range(3, 60)]) for first in range(3, 7)]
    for one in begun:
        tight.end(one)
    assert tight.bytes_ <= 2 * each
    assert begin(tight, [6, *range(3, 60)]).session is begun[-1].session
    assert begin(tight, [3, *range(3, 60)]).session is not begun[0].session


def test_a_closed_stream_is_kept_and_a_failed_one_is_not(base: BaseLanguageModel, decoder: Decoder) -> None:
    made = chat(base, decoder)
    stream = made.stream(asked("Why?"), max_tokens=30, temperature=0)
    spoken = (piece for piece in stream if piece.content)
    next(spoken)
    assert made.memory.bytes_ == 0
    stream.close()  # type: ignore[attr-defined]
    assert made.memory.bytes_ > 0

    class Broken(LocalChatModel):
        def _choose(self, *_: object) -> int:
            raise ZeroDivisionError

    broken = Broken(decoder=decoder, tokenizer=base.tokenizer(), stops=frozenset([2]))
    with pytest.raises(ZeroDivisionError):
        said(broken, "Why?")
    assert broken.memory.bytes_ == 0


def test_who_leaves_while_the_prompt_is_read_waits_for_one_piece_and_the_next_goes_on_from_there(
    base: BaseLanguageModel, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (decoders, graph):
        monkeypatch.setattr(module, "PIECE", 200)
    counting = Counting(decoder)
    made, prompt = chat(base, counting), len(encode(base.tokenizer(), asked("Why?")))
    assert prompt > 3 * 200
    stream = made.stream(asked("Why?"), max_tokens=30, temperature=0)
    for _ in range(3):  # how long the prompt is, and two pieces
        assert next(stream).content == ""
    stream.close()  # type: ignore[attr-defined]
    assert counting.read == 400
    assert said(made, "Why?") == said(chat(base, decoder), "Why?")
    assert counting.read <= prompt + 30


def test_stop_is_heard_between_two_pieces_of_the_prompt(
    base: BaseLanguageModel, decoder: Decoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module in (decoders, graph):
        monkeypatch.setattr(module, "PIECE", 200)
    stop = threading.Event()
    counting = Counting(decoder, heard=stop.set)
    store = FeatureStore(tmp_path / "home", WordEmbedder(512))
    fill(store, [post(1, TEXT)])
    twin = Twin(store, ModelRegistry(tmp_path / "home"), One(chat(base, counting)))
    found, answer = twin.stream(Question("Why does the clock run slow when rain falls?", "Ada"), stop=stop)
    assert isinstance(found, Found)
    assert isinstance(answer, Answer)
    assert found.passages
    assert counting.read == 200
    assert "first_token" not in answer.timings
    store.close()


@pytest.mark.parametrize(("one", "other", "length"), [([], [1], 0), ([1, 2], [1, 2, 3], 2), ([1, 2], [2, 2], 0)])
def test_what_two_prompts_share(one: list[int], other: list[int], length: int) -> None:
    assert shared(one, other) == length


def test_scoring_gives_the_nats_of_every_token(base: BaseLanguageModel, decoder: Decoder) -> None:
    text = "I wind it on Sundays."
    nats, length = chat(base, decoder).nll(asked("Why?"), text)
    ids = encode(base.tokenizer(), asked("Why?"))
    session, expected = decoder.open(), 0.0
    for token in base.tokenizer()(text, add_special_tokens=False)["input_ids"]:
        expected -= float(session.feed(ids).log_softmax(-1)[token])
        ids = [token]
    assert length == len(text)
    assert nats == pytest.approx(expected, rel=0.01)
    assert chat(base, decoder).nll(asked("Why?"), "") == (0.0, 0)
