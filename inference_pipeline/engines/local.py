"""Generation in this process, with the adapter merged into a copy of the base model.

Merged, an adapter costs nothing at each token; a copy of a small model costs little memory, and a few are kept. On a CPU the
model runs as a graph (graph.py), which is several times as fast; whatever cannot, and any model on a GPU, runs in torch.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from contracts.base_model import BaseLanguageModel
from contracts.errors import UsageError
from contracts.files import read_json
from contracts.hardware import best_device
from contracts.model_registry import ModelVersion, require_adapter
from contracts.prompt import Message, encode, encode_target
from contracts.sampling import LOOP, NUCLEUS, TEMPERATURE
from inference_pipeline.engines.decoders import Decoder, TorchDecoder
from inference_pipeline.engines.memory import Begun, Memory

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KEPT = 3  # models in memory: two versions side by side, and the base model that their style is measured against
LONGEST_PROMPT = 8192  # tokens
LONGEST = 512  # tokens of a text that is scored: their logits are 100 MB
LIKELIEST = 256  # tokens that are drawn from where they suffice: to sort all of them takes a quarter of a step
ROLES = {"system": "system", "human": "user", "ai": "assistant"}


class LocalEngine:
    """Chat models by version, loaded when first asked for; the least recently used one leaves first."""

    def __init__(self, base: BaseLanguageModel, graphs: bool = True) -> None:
        self._base, self._graphs = base, graphs and best_device() == "cpu"
        self._loaded: OrderedDict[str, LocalChatModel] = OrderedDict()
        self._lock, self._loading = threading.Lock(), threading.Lock()

    def chat_model(self, version: ModelVersion | None) -> BaseChatModel:
        """Raises Mismatch for an adapter that was trained on another base model, tokenizer or prompt, or has changed."""
        name = version.name if version else ""
        if found := self._kept(name):
            return found
        with self._loading:  # one at a time: a base model in fp32 is in memory meanwhile; who has a model does not wait
            return self._kept(name) or self._keep(name, self._load(version))

    def _kept(self, name: str) -> LocalChatModel | None:
        with self._lock:
            if name in self._loaded:
                self._loaded.move_to_end(name)
            return self._loaded.get(name)

    def _keep(self, name: str, model: LocalChatModel) -> LocalChatModel:
        with self._lock:
            self._loaded[name] = model
            while len(self._loaded) > KEPT:
                self._loaded.popitem(last=False)
        return model

    def _load(self, version: ModelVersion | None) -> LocalChatModel:
        if version:
            version.check(self._base)
        tokenizer = self._base.tokenizer()
        return LocalChatModel(
            decoder=self._decoder(version, tokenizer),
            tokenizer=tokenizer,
            stops=_stop_tokens(self._base.folder, tokenizer),
            longest=_longest_prompt(self._base.folder),
            name=version.name if version else "base",
        )

    def _decoder(self, version: ModelVersion | None, tokenizer: PreTrainedTokenizerBase) -> Decoder:
        from inference_pipeline.engines import graph

        folder = graph.graph_of(self._base) if self._graphs else None
        if version is None:
            return graph.GraphDecoder(folder) if folder else TorchDecoder(self._base.load().eval())
        model, weights = merged(self._base, version.folder)
        if folder:
            decoder = graph.GraphDecoder(folder, weights)
            if graph.faithful(decoder, model, tokenizer(graph.TEXT)["input_ids"]):
                return decoder
        return TorchDecoder(model)


def merged(base: BaseLanguageModel, adapter: Path) -> tuple[Any, dict[str, torch.Tensor]]:
    """The model with the adapter in its weights, and those weights that the adapter changed, by name.

    Merged in fp32: bf16 keeps 8 bits of a weight, and an adapter moves nearly half of them by less than the last bit.
    """
    from peft import PeftModel

    adapted: PeftModel = PeftModel.from_pretrained(base.load(torch.float32), str(require_adapter(adapter)))
    changed = [name for name, module in adapted.get_base_model().named_modules() if hasattr(module, "lora_A")]
    model = adapted.merge_and_unload().eval()
    return model, {f"{name}.weight": model.get_submodule(name).weight.detach() for name in changed}


class LocalChatModel(BaseChatModel):
    """Sampling by temperature and nucleus, one token a step, so that closing the stream stops the computation."""

    decoder: Any
    tokenizer: Any
    memory: Any = None
    """Of what it has read; made from the decoder."""
    stops: frozenset[int]
    """Tokens that end a turn."""
    longest: int = LONGEST_PROMPT
    """Tokens of a prompt: what it needs of memory grows with them, so a longer one is refused."""
    top_p: float = NUCLEUS
    loop: int = LOOP

    def model_post_init(self, context: Any, /) -> None:
        self.memory = self.memory or Memory(self.decoder)

    def nll(self, messages: Sequence[Message], text: str) -> tuple[float, int]:
        """How unlikely `text` is as the answer, in nats, and its bytes, as far as its first LONGEST tokens go.

        Without the token that ends a turn: an answer may have been cut off.
        """
        prompt, target = encode(self.tokenizer, messages), encode_target(self.tokenizer, text)[:-1]
        length = len(text.encode()) if len(target) <= LONGEST else len(self.tokenizer.decode(target[:LONGEST]).encode())
        target = target[:LONGEST]
        if not target:
            return 0.0, 0
        logits = self.decoder.open().read([*prompt, *target[:-1]], last=len(target))
        wanted = torch.tensor(target, device=logits.device)
        return float(torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")), length

    @property
    def _llm_type(self) -> str:
        return "local"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        max_tokens: int = 192,
        temperature: float = TEMPERATURE,
        seed: int | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        conversation = [{"role": ROLES[message.type], "content": str(message.content)} for message in messages]
        prompt = encode(self.tokenizer, conversation)
        if len(prompt) > self.longest:
            raise UsageError(
                f"the prompt has {len(prompt):,} tokens; the model reads {self.longest:,}",
                "ask in fewer words, or set TWIN_PASSAGES to fewer passages",
            )
        yield _counted(len(prompt), 0)
        text = ""
        ids: list[int] = []
        for token in self._tokens(prompt, max_tokens, temperature, seed):
            if token is None:
                yield _counted(0, 0)
                continue
            ids.append(token)
            decoded = self.tokenizer.decode(ids, skip_special_tokens=True)
            if decoded.endswith("�"):  # half of a character that the next token completes
                continue
            piece, text = decoded[len(text) :], decoded
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
            if run_manager:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        yield _counted(0, len(ids))

    def _tokens(self, prompt: list[int], max_tokens: int, temperature: float, seed: int | None) -> Iterator[int | None]:
        """One at a time, and None after each piece of the prompt, so that who asked may leave.

        What was read and said is kept for the next. With a seed nothing is reused and nobody's steps are joined: what is
        computed in other company differs in its last digits, and the same seed is to say the same.
        """
        random = torch.Generator()
        if seed is not None:
            random.manual_seed(seed)
        else:
            random.seed()
        memory = self.memory if seed is None else Memory(self.decoder, alone=True)
        begun: Begun | None = None
        try:
            for read in memory.begin(prompt):
                begun = read
                yield None
            assert begun
            yield from self._said(begun, max_tokens, temperature, random)
        except GeneratorExit:
            if begun:
                memory.end(begun)
            raise
        memory.end(begun)

    def _said(self, begun: Begun, max_tokens: int, temperature: float, random: torch.Generator) -> Iterator[int]:
        said: list[int] = []
        for _ in range(max_tokens):
            logits = begun.session.feed(said[-1:]) if said else begun.logits.clone()
            token = self._choose(logits.cpu(), said, temperature, random)
            if token in self.stops:
                return
            yield token
            said.append(token)

    def _choose(self, logits: torch.Tensor, said: list[int], temperature: float, random: torch.Generator) -> int:
        tail = said[1 - self.loop :]
        for place in range(len(said) - self.loop + 1):
            if said[place : place + self.loop - 1] == tail:
                logits[said[place + self.loop - 1]] = float("-inf")
        if temperature <= 0:
            return int(logits.argmax())
        every = torch.softmax(logits / temperature, dim=-1)
        chances, order = every.topk(min(LIKELIEST, len(every)))
        if chances.sum() <= self.top_p:
            chances, order = every.sort(descending=True)
        chances[chances.cumsum(0) - chances > self.top_p] = 0  # the nucleus: always the first token, then up to top_p
        return int(order[torch.multinomial(chances, 1, generator=random)])


def _counted(prompt: int, answer: int) -> ChatGenerationChunk:
    """A piece without text that says how many tokens there are; LangChain adds up what the pieces say."""
    usage = UsageMetadata(input_tokens=prompt, output_tokens=answer, total_tokens=prompt + answer)
    return ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=usage))


def _longest_prompt(folder: Path) -> int:
    """What the model was made for, within what memory bears."""
    made_for = (read_json(folder / "config.json") or {}).get("max_position_embeddings") or 0
    return min(max(made_for, LONGEST_PROMPT), 4 * LONGEST_PROMPT)


def _stop_tokens(folder: Path, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokenizer's own, and those that the model's makers set for generating."""
    configured = (read_json(folder / "generation_config.json") or {}).get("eos_token_id")
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset(int(token) for token in [*listed, tokenizer.eos_token_id] if token is not None)
