"""Generation in this process: transformers, with the adapter merged into a copy of the base model.

Merged, an adapter costs nothing at each token; a copy of a small model costs little memory, and a few are kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from contracts.base_model import BaseLanguageModel
from contracts.model_registry import ModelVersion
from contracts.prompt import encode

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

KEPT = 2  # models in memory: two versions side by side
ROLES = {"system": "system", "human": "user", "ai": "assistant"}


class LocalEngine:
    """Chat models by version, loaded when first asked for; the least recently used one leaves first."""

    def __init__(self, base: BaseLanguageModel) -> None:
        self._base = base
        self._loaded: OrderedDict[str, LocalChatModel] = OrderedDict()
        self._lock = threading.Lock()

    def chat_model(self, version: ModelVersion | None) -> BaseChatModel:
        """Raises Mismatch for an adapter that was trained on another base model, tokenizer or prompt, or has changed."""
        name = version.name if version else ""
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._load(version)
                while len(self._loaded) > KEPT:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(name)
            return self._loaded[name]

    def _load(self, version: ModelVersion | None) -> LocalChatModel:
        tokenizer = self._base.tokenizer()
        if version is None:
            return LocalChatModel(model=self._base.load().eval(), tokenizer=tokenizer, name="base")
        version.check(self._base)
        from peft import PeftModel

        # Merged in fp32: bf16 keeps 8 bits of a weight, and an adapter moves nearly half of them by less than the last bit.
        adapted: PeftModel = PeftModel.from_pretrained(self._base.load(torch.float32), str(version.folder))
        return LocalChatModel(model=adapted.merge_and_unload().eval(), tokenizer=tokenizer, name=version.name)


class LocalChatModel(BaseChatModel):
    """Sampling by temperature and nucleus, one token a step, so that closing the stream stops the computation."""

    model: Any
    tokenizer: Any
    top_p: float = 0.9
    loop: int = 6
    """No run of this many tokens is said twice: a small model falls into loops. A penalty on every repeated token would
    end the loops too, but it also drives the model away from its passages and into words that mean nothing."""

    @property
    def _llm_type(self) -> str:
        return "transformers"

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
        temperature: float = 0.7,
        seed: int | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        conversation = [{"role": ROLES[message.type], "content": str(message.content)} for message in messages]
        prompt = encode(self.tokenizer, conversation)
        text = ""
        ids: list[int] = []
        for token in self._tokens(prompt, max_tokens, temperature, seed):
            ids.append(token)
            decoded = self.tokenizer.decode(ids, skip_special_tokens=True)
            if decoded.endswith("�"):  # half of a character that the next token completes
                continue
            piece, text = decoded[len(text) :], decoded
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
            if run_manager:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        # A model may have nothing to say; to LangChain, a stream without a chunk is an error.
        yield ChatGenerationChunk(message=AIMessageChunk(content=""))

    def _tokens(self, prompt: list[int], max_tokens: int, temperature: float, seed: int | None) -> Iterator[int]:
        model: PreTrainedModel = self.model
        random = torch.Generator(model.device)
        if seed is not None:
            random.manual_seed(seed)
        else:
            random.seed()
        stops = _stop_tokens(model, self.tokenizer)
        inputs = torch.tensor([prompt], device=model.device)
        cache, said = None, list[int]()
        for _ in range(max_tokens):
            with torch.inference_mode():
                output = model(input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
                cache = output.past_key_values
                token = self._choose(output.logits[0, -1].float(), said, temperature, random)
            if token in stops:
                return
            yield token
            said.append(token)
            inputs = torch.tensor([[token]], device=model.device)

    def _choose(self, logits: torch.Tensor, said: list[int], temperature: float, random: torch.Generator) -> int:
        tail = said[1 - self.loop :]
        for place in range(len(said) - self.loop + 1):
            if said[place : place + self.loop - 1] == tail:
                logits[said[place + self.loop - 1]] = float("-inf")
        if temperature <= 0:
            return int(logits.argmax())
        chances, order = torch.softmax(logits / temperature, dim=-1).sort(descending=True)
        chances[chances.cumsum(0) - chances > self.top_p] = 0  # the nucleus: always the first token, then up to top_p
        return int(order[torch.multinomial(chances, 1, generator=random)])


def _stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    configured = model.generation_config.eos_token_id if model.generation_config else None
    listed = configured if isinstance(configured, list) else [configured]
    return {int(token) for token in [*listed, tokenizer.eos_token_id] if token is not None}
