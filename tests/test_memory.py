"""What was read is not read again; it changes nothing that is said, is bounded, and nobody meets another's text."""

from __future__ import annotations

import threading

import pytest
import torch
from langchain_core.language_models import BaseChatModel

from contracts.base_model import BaseLanguageModel
from contracts.prompt import Message, encode, messages
from contracts.records import Passage
from inference_pipeline.engines.decoders import Decoder, TorchDecoder
from inference_pipeline.engines.graph import GraphDecoder, graph_of
from inference_pipeline.engines.local import LocalChatModel
from inference_pipeline.engines.memory import Memory, shared
from tests.fakes import tiny_llama

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

    def __init__(self, decoder: Decoder) -> None:
        self._decoder, self.slower, self.read = decoder, decoder.slower, 0

    def open(self) -> Session:
        return Session(self)

    def begin(self) -> object:
        return self._decoder.open()


class Session:
    def __init__(self, of: Counting) -> None:
        self._of, self._session = of, of.begin()

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)

    def feed(self, ids: list[int]) -> object:
        self._of.read += len(ids)
        return self._session.feed(ids)  # type: ignore[attr-defined]


def asked(question: str) -> list[Message]:
    place = {"post_id": "p", "source_id": "p", "title": "Clocks", "url": None, "date": None, "start": 0, "end": 9}
    return messages("Ada", question, [Passage(text=TEXT, score=1, **place)])


def chat(base: BaseLanguageModel, decoder: object) -> LocalChatModel:
    return LocalChatModel(decoder=decoder, tokenizer=base.tokenizer(), stops=frozenset([2]))


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
    one = memory.begin(ids)
    memory.end(one)
    assert memory.begin([*ids[:100], *reversed(ids[100:])]).session is not one.session
    assert memory.begin([*ids[:-20], *reversed(ids[-20:])]).session is one.session


def test_a_session_has_one_owner_at_a_time(decoder: Decoder) -> None:
    memory, ids = Memory(decoder), list(range(3, 60))
    memory.end(memory.begin(ids))
    found = []

    def begin() -> None:
        found.append(memory.begin(ids))

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len({id(begun.session) for begun in found}) == 6
    assert len({int(begun.logits.argmax()) for begun in found}) == 1


def test_what_is_kept_is_bounded_and_the_oldest_goes(decoder: Decoder) -> None:
    memory = Memory(decoder, kept=3)
    for first in range(3, 13):
        memory.end(memory.begin([first, *range(3, 60)]))
    each = memory.bytes_ // 3
    assert each > 57 * 2 * 2 * 16
    tight = Memory(decoder, most_bytes=2 * each)
    begun = [tight.begin([first, *range(3, 60)]) for first in range(3, 7)]
    for one in begun:
        tight.end(one)
    assert tight.bytes_ <= 2 * each
    assert tight.begin([6, *range(3, 60)]).session is begun[-1].session
    assert tight.begin([3, *range(3, 60)]).session is not begun[0].session


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
