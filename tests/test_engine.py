"""Engines: merged adapters say what unmerged ones say, nothing is computed for nobody, and servers are asked right."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from langchain_core.language_models import BaseChatModel
from peft import PeftModel

from contracts.base_model import BaseLanguageModel
from contracts.errors import Mismatch, ModelError, UsageError
from contracts.model_registry import ModelRegistry, ModelVersion
from contracts.prompt import PROMPT_HASH, Message, encode, messages
from inference_pipeline.engines.decoders import TorchDecoder
from inference_pipeline.engines.local import LocalChatModel, LocalEngine
from inference_pipeline.engines.remote import RemoteChatModel, RemoteEngine
from tests.browser import free_port
from tests.chat_server import Server
from tests.fakes import card, drawn_adapter, tiny_llama
from ui.settings import Settings
from ui.wiring import App

QUESTIONS = ["What of clocks?", "Tell me about brass.", "Why does the spring bend when rain falls?"]


pytestmark = pytest.mark.usefixtures("single")


@pytest.fixture(scope="module")
def base(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> BaseLanguageModel:
    return BaseLanguageModel(str(tiny_model), tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def adapted(base: BaseLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that changes every answer: its weights are drawn, not trained."""
    return drawn_adapter(base, tmp_path_factory.mktemp("adapter"), std=1.0)


def register(home: Path, base: BaseLanguageModel, adapted: Path, **changes: Any) -> ModelVersion:
    fits = {"base_model_hash": base.hash, "tokenizer_hash": base.tokenizer_hash, "prompt_hash": PROMPT_HASH}
    return ModelRegistry(home).register(card(**{**fits, **changes}), adapted)


def greedy(chat: BaseChatModel, question: str, tokens: int = 40) -> str:
    return "".join(str(piece.content) for piece in chat.stream(asked(question), max_tokens=tokens, temperature=0))


def asked(question: str) -> list[Message]:
    return messages("Ada", question)


def plain(engine: LocalEngine, version: ModelVersion | None) -> LocalChatModel:
    """The engine's model without its guard against loops, which transformers has not."""
    chat = engine.chat_model(version)
    assert isinstance(chat, LocalChatModel)
    return chat.model_copy(update={"loop": 10_000})


def test_the_merged_adapter_says_what_the_unmerged_one_says(
    base: BaseLanguageModel, adapted: Path, tmp_path: Path
) -> None:
    engine, tokenizer = LocalEngine(base, graphs=False), base.tokenizer()
    chat = plain(engine, register(tmp_path, base, adapted))
    unmerged = PeftModel.from_pretrained(base.load(torch.float32), str(adapted)).eval()
    said = []
    for question in QUESTIONS:
        prompt = torch.tensor([encode(tokenizer, asked(question))])
        made = unmerged.generate(
            input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=40, do_sample=False
        )
        said.append(str(tokenizer.decode(made[0, prompt.shape[1] :], skip_special_tokens=True)))
        assert greedy(chat, question) == said[-1]
    assert len(set(said)) == 3
    assert all(len(text) > 10 for text in said)
    assert [greedy(plain(engine, None), question) for question in QUESTIONS] != said


def test_a_seed_decides_what_is_drawn(base: BaseLanguageModel) -> None:
    chat = LocalEngine(base, graphs=False).chat_model(None)

    def said(seed: int | None, temperature: float = 1.0) -> str:
        return str(chat.invoke(asked(QUESTIONS[0]), max_tokens=30, temperature=temperature, seed=seed).content)

    assert said(1) == said(1)
    assert said(1) != said(2)
    assert said(None) != said(None)


def test_no_run_of_tokens_is_said_twice(base: BaseLanguageModel) -> None:
    engine = LocalEngine(base, graphs=False)
    assert all(runs(greedy(plain(engine, None), question, 100)) for question in QUESTIONS)
    guarded = [greedy(engine.chat_model(None), question, 100) for question in QUESTIONS]
    assert all(len(text) > 50 and not runs(text) for text in guarded)


def runs(text: str) -> list[str]:
    """Runs of six characters, which are tokens here, that stand in the text more than once."""
    every = [text[place : place + 6] for place in range(len(text) - 5)]
    return [run for run in set(every) if every.count(run) > 1]


class Counting(torch.nn.Module):
    """A model that counts its forward passes, and says `script`, a token each, if there is one."""

    def __init__(self, model: Any, script: list[int] | None = None) -> None:
        super().__init__()
        self.model, self.device = model, model.device
        self.passes, self.script = 0, script

    def forward(self, **inputs: Any) -> Any:
        output = self.model(**inputs)
        if self.script is not None:
            output.logits[0, -1] = -100.0
            output.logits[0, -1, self.script[self.passes]] = 100.0
        self.passes += 1
        return output


def in_torch(model: Counting, tokenizer: Any) -> LocalChatModel:
    stops = frozenset([int(tokenizer.eos_token_id)])
    return LocalChatModel(decoder=TorchDecoder(model), tokenizer=tokenizer, stops=stops)


def test_closing_the_stream_stops_the_computation(base: BaseLanguageModel) -> None:
    counting = Counting(base.load(torch.float32))
    chat = in_torch(counting, base.tokenizer())
    stream = chat.stream(asked(QUESTIONS[0]), max_tokens=100, temperature=1.0, seed=1)
    said = (piece for piece in stream if piece.content)
    for _ in range(3):
        next(said)
    stream.close()  # type: ignore[attr-defined]
    assert counting.passes == 3
    assert len(list(chat.stream(asked(QUESTIONS[1]), max_tokens=5, temperature=0))) >= 5
    assert counting.passes == 8


def test_the_token_that_ends_a_turn_is_not_said_and_ends_the_answer(base: BaseLanguageModel) -> None:
    tokenizer = base.tokenizer()
    hello = tokenizer("Hello", add_special_tokens=False)["input_ids"]
    script = [*hello, int(tokenizer.eos_token_id), *hello]
    counting = Counting(base.load(torch.float32), script)
    assert greedy(in_torch(counting, tokenizer), QUESTIONS[0]) == "Hello"
    assert counting.passes == 6


def test_a_prompt_that_memory_would_not_bear_is_refused_before_it_is_read(base: BaseLanguageModel) -> None:
    counting = Counting(base.load(torch.float32))
    with pytest.raises(UsageError, match=r"the prompt has 100,\d\d\d tokens; the model reads 8,192"):
        greedy(in_torch(counting, base.tokenizer()), "a" * 100_000)
    assert counting.passes == 0


def test_a_model_may_have_nothing_to_say(base: BaseLanguageModel) -> None:
    tokenizer = base.tokenizer()
    counting = Counting(base.load(torch.float32), [int(tokenizer.eos_token_id)])
    assert greedy(in_torch(counting, tokenizer), QUESTIONS[0]) == ""
    assert counting.passes == 1


@pytest.mark.parametrize("what", ["base_model", "tokenizer", "prompt"])
def test_an_adapter_that_does_not_belong_is_refused_with_both_hashes(
    base: BaseLanguageModel, adapted: Path, tmp_path: Path, what: str
) -> None:
    version = register(tmp_path, base, adapted, **{f"{what}_hash": "0" * 16})
    found = {"base_model": base.hash, "tokenizer": base.tokenizer_hash, "prompt": PROMPT_HASH}[what]
    with pytest.raises(Mismatch, match=what.replace("_", " ")) as caught:
        LocalEngine(base, graphs=False).chat_model(version)
    assert (caught.value.expected, caught.value.found) == ("0" * 16, found)
    assert "0" * 16 in str(caught.value)
    assert found in str(caught.value)


def test_another_base_model_has_another_hash(base: BaseLanguageModel, adapted: Path, tmp_path: Path) -> None:
    version = register(tmp_path, base, adapted)
    other = BaseLanguageModel(str(tiny_llama(tmp_path / "other", seed=1)), tmp_path)
    assert other.tokenizer_hash == base.tokenizer_hash
    with pytest.raises(Mismatch, match="another base model"):
        LocalEngine(other, graphs=False).chat_model(version)


def test_an_adapter_that_has_changed_since_it_was_registered_is_not_loaded(
    base: BaseLanguageModel, adapted: Path, tmp_path: Path
) -> None:
    version = register(tmp_path, base, adapted)
    weights = version.folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(Mismatch, match=r"adapter_model\.safetensors of Ada@v1"):
        LocalEngine(base, graphs=False).chat_model(version)
    weights.unlink()
    torch.save({}, version.folder / "adapter_model.bin")
    with pytest.raises(ModelError, match="pickled"):
        LocalEngine(base, graphs=False).chat_model(version)


def test_three_models_are_kept_and_the_one_used_longest_ago_leaves(
    base: BaseLanguageModel, adapted: Path, tmp_path: Path
) -> None:
    first, second, third = (register(tmp_path, base, adapted, run_id=str(n)) for n in range(3))
    engine = LocalEngine(base, graphs=False)
    one, two = engine.chat_model(first), engine.chat_model(second)
    engine.chat_model(None)
    assert engine.chat_model(first) is one
    engine.chat_model(third)  # second was used longest ago
    assert engine.chat_model(first) is one
    assert engine.chat_model(second) is not two


class Slow(LocalEngine):
    """Loads when it is told to, and counts."""

    def __init__(self, base: BaseLanguageModel) -> None:
        super().__init__(base, graphs=False)
        self.loads, self.go = 0, threading.Event()

    def _load(self, version: ModelVersion | None) -> LocalChatModel:
        self.loads += 1
        if version:
            assert self.go.wait(20)
        return super()._load(version)


def test_a_question_asked_meanwhile_waits_for_the_rest_and_others_do_not(
    base: BaseLanguageModel, adapted: Path, tmp_path: Path
) -> None:
    engine, version = Slow(base), register(tmp_path, base, adapted)
    plain, found = engine.chat_model(None), list[BaseChatModel]()
    threads = [threading.Thread(target=lambda: found.append(engine.chat_model(version))) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert engine.chat_model(None) is plain  # while the version loads
    assert not found
    engine.go.set()
    for thread in threads:
        thread.join(20)
    assert engine.loads == 2
    assert len(found) == 3
    assert len({id(model) for model in found}) == 1


# ---- a server ---------------------------------------------------------------------------------------------------------


def test_a_server_is_asked_for_the_version_and_streams(server: Server, adapted: Path, tmp_path: Path) -> None:
    version = ModelRegistry(tmp_path).register(card("Wren Halloway"), adapted)
    chat = RemoteEngine(server.url, "smol", "a-key").chat_model(version)
    pieces = [str(p.content) for p in chat.stream(asked("What of clocks?"), max_tokens=77, temperature=0.25)]
    assert [piece for piece in pieces if piece] == server.words
    (request,) = server.asked
    assert request["model"] == "Wren Halloway@v1"
    assert request["stream"] is True
    assert (request["max_tokens"], request["temperature"]) == (77, 0.25)
    assert "max_completion_tokens" not in request
    assert request["messages"] == asked("What of clocks?")
    assert server.keys == ["Bearer a-key"]


def test_the_base_model_has_the_servers_own_name(server: Server) -> None:
    chat = RemoteEngine(server.url, "smol", None).chat_model(None)
    assert chat.invoke(asked("What of clocks?"), max_tokens=5).content == "It runs slow."
    assert server.asked[0]["model"] == "smol"
    assert server.keys == ["Bearer none"]


def test_closing_the_stream_hangs_up(server: Server) -> None:
    server.words = ["word "] * 2000
    stream = RemoteEngine(server.url, "smol", None).chat_model(None).stream(asked("What of clocks?"))
    for _ in range(3):
        next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert server.cut.wait(5)


def test_a_server_that_refuses_is_told_as_such(server: Server) -> None:
    server.status = 404
    chat = RemoteEngine(server.url, "smol", None).chat_model(None)
    with pytest.raises(ModelError, match="no such model") as caught:
        list(chat.stream(asked("What of clocks?")))
    assert server.url in caught.value.message
    assert "'smol'" in caught.value.hint


def test_a_server_that_is_not_there_is_told_as_such() -> None:
    chat = RemoteEngine(f"http://127.0.0.1:{free_port()}/v1", "smol", None).chat_model(None)
    with pytest.raises(ModelError, match=r"http://127\.0\.0\.1:\d+/v1 failed: Connection error"):
        list(chat.stream(asked("What of clocks?")))


@pytest.mark.parametrize(
    "url", ["http://localhost:80a/v1", "localhost:8000/v1", "http://", "ftp://a.example/v1", "a b"]
)
def test_an_address_that_is_none_is_told_at_once(url: str) -> None:
    with pytest.raises(UsageError, match="TWIN_REMOTE_URL is no address") as caught:
        RemoteEngine(url, "smol", None)
    assert "http://127.0.0.1:8000/v1" in caught.value.hint


def test_how_long_a_server_may_say_nothing_is_a_setting(server: Server, tmp_path: Path) -> None:
    app = App(Settings(remote_url=server.url, remote_model="smol", remote_timeout=7), tmp_path)
    chat = app.engine.chat_model(None)
    assert isinstance(chat, RemoteChatModel)
    assert chat.server.request_timeout == 7


def test_what_a_server_serves_is_what_it_says_now(server: Server) -> None:
    engine = RemoteEngine(server.url, "smol", None)
    assert engine.served() == frozenset()
    server.serves = ["smol"]
    assert engine.served() == {"smol"}
    server.serves = ["other"]
    engine.served()
    with pytest.raises(ModelError, match="does not serve 'smol'"):
        engine.chat_model(None)
    server.status = 401
    with pytest.raises(ModelError, match="answers with status 401"):
        engine.served()
    with pytest.raises(ModelError, match="does not answer"):
        RemoteEngine(f"http://127.0.0.1:{free_port()}/v1", "smol", None).served()


def test_a_version_of_another_prompt_is_not_asked_for_on_a_server_either(
    server: Server, adapted: Path, tmp_path: Path
) -> None:
    version = ModelRegistry(tmp_path).register(card("Wren Halloway", prompt_hash="older"), adapted)
    with pytest.raises(Mismatch, match="trained with another prompt"):
        RemoteEngine(server.url, "smol", None).chat_model(version)
    assert server.asked == []


def test_a_server_without_a_model_is_refused() -> None:
    with pytest.raises(UsageError, match="no model"):
        RemoteEngine("http://127.0.0.1:1/v1", None, None)
