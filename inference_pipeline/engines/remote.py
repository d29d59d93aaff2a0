"""Generation on any OpenAI-compatible server: vLLM with LoRA adapters, llama.cpp, Ollama."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from contracts.errors import ModelError, UsageError
from contracts.model_registry import ModelVersion


class RemoteEngine:
    """An adapter is asked for by its immutable name, `author@v3`, under which the server must have loaded it."""

    def __init__(self, url: str, base: str | None, api_key: str | None) -> None:
        if not base:
            raise UsageError("TWIN_REMOTE_URL is set, but no model", "set TWIN_REMOTE_MODEL to the server's model name")
        self._url, self._base, self._api_key = url, base, api_key

    def chat_model(self, version: ModelVersion | None) -> BaseChatModel:
        name = version.name if version else self._base
        server: BaseChatModel = init_chat_model(
            name,
            model_provider="openai",
            base_url=self._url,
            api_key=self._api_key or "none",
            timeout=60,
            max_retries=2,
        )
        return RemoteChatModel(server=server, url=self._url, served=name)


class RemoteChatModel(BaseChatModel):
    """The server's model `served`. Whatever fails on the way to it or there is a ModelError."""

    server: Any
    url: str
    served: str

    @property
    def _llm_type(self) -> str:
        return "remote"

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
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        # LangChain would call the limit max_completion_tokens, as OpenAI does; max_tokens is what every server knows.
        limit = {"max_tokens": max_tokens}
        try:
            for piece in self.server.stream(messages, stop=stop, extra_body=limit, **kwargs):
                yield ChatGenerationChunk(message=piece)
        except Exception as error:
            raise ModelError(
                f"the server at {self.url} failed: {(str(error).splitlines() or [type(error).__name__])[0]}",
                f"check that it runs and serves {self.served!r}, or unset TWIN_REMOTE_URL",
            ) from error
