"""Generation on any OpenAI-compatible server: vLLM with LoRA adapters, llama.cpp, Ollama."""

from __future__ import annotations

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel

from contracts.errors import UsageError
from contracts.model_registry import ModelVersion


class RemoteEngine:
    """An adapter is asked for by its immutable name, `author@v3`, under which the server must have loaded it."""

    def __init__(self, url: str, base: str | None, api_key: str | None) -> None:
        if not base:
            raise UsageError("TWIN_REMOTE_URL is set, but no model", "set TWIN_REMOTE_MODEL to the server's model name")
        self._url, self._base, self._api_key = url, base, api_key

    def chat_model(self, version: ModelVersion | None) -> BaseChatModel:
        model: BaseChatModel = init_chat_model(
            version.name if version else self._base,
            model_provider="openai",
            base_url=self._url,
            api_key=self._api_key or "none",
            timeout=60,
            max_retries=2,
        )
        return model
