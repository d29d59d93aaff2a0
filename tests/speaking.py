"""A twin that speaks without a model: what it says is set, and what it was asked is remembered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from contracts.model_registry import ModelRegistry, ModelVersion
from tests.fakes import adapter, card

CLOCK = "Ledger of the week.\n\nThe church clock gains four minutes a week. I regulate the pendulum on Sundays."
SAYS = "I regulate the pendulum of the church clock on Sundays, it gains four minutes. I like cheese."
QUESTION = "How many minutes does the church clock gain?"


class Speaks(FakeListChatModel):
    """Says its responses in turn, a character at a time, and remembers what it was asked, and how."""

    heard: list[list[BaseMessage]]
    options: list[dict[str, Any]]

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        self.heard.append(messages)
        self.options.append(kwargs)
        yield from super()._stream(messages, stop, run_manager, **kwargs)


class Engine:
    """One model for all versions, which says the next of its texts each time; remembers which versions were asked for."""

    def __init__(self, *says: str) -> None:
        self.model = Speaks(responses=list(says) or [SAYS], heard=[], options=[])
        self.asked: list[str | None] = []

    def chat_model(self, version: ModelVersion | None) -> BaseChatModel:
        self.asked.append(version.name if version else None)
        return self.model


def registered(folder: Path, *authors: str) -> ModelRegistry:
    """A version for each name, with adapters that nothing loads."""
    made = ModelRegistry(folder / "home")
    for number, author in enumerate(authors):
        made.register(card(author, str(number)), adapter(folder / "adapter"))
    return made
