"""An answer of the twin in the shape of a chat completion, whole or as a stream of chunks."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal

from contracts.prompt import PROMPT_HASH
from contracts.records import MARKER, Answer
from inference_pipeline.grounding.check import NOTHING_FOUND
from inference_pipeline.sampling import Sampling
from inference_pipeline.twin import Event, Exchange, Found, Question
from ui.serve.catalogue import Served
from ui.serve.keys import Caller
from ui.serve.problems import problem, told
from ui.serve.schema import Asked, ChatRequest, Choice, Completion, Extension, Reply, Usage

_SKIPPED = re.compile(rf"\s+|{MARKER.pattern}")  # what an answer is given beside what the model said


def question(body: Asked, author: str, caller: Caller) -> Question:
    """The last user message, with the exchanges before it; what stands before the first question answers nothing."""
    history: list[Exchange] = []
    for message in body.messages[:-1]:
        if message.role == "user":
            history.append(Exchange(message.text, ""))
        elif message.role == "assistant" and history:
            asked, said = history[-1]
            history[-1] = Exchange(asked, f"{said}\n{message.text}".strip())
    return Question(
        body.messages[-1].text,
        author,
        tuple(history),
        user=caller.name,
        key=caller.person(body.user),
        sampling=Sampling(body.longest, body.temperature, body.seed, body.stops),
        filters=body.filters.made(),
    )


@dataclass(frozen=True)
class Shape:
    """What all parts of one response have in common."""

    body: ChatRequest
    served: Served
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, answer: Answer) -> Completion:
        return Completion(
            id=self.id,
            created=self.created,
            model=self.body.model,
            choices=[Choice(message=Reply(content=answer.answer), finish_reason=finish(answer))],
            usage=usage(answer),
            system_fingerprint=answer.snapshot,
            twin=self._extension(answer),
        )

    async def stream(self, first: list[Event], events: AsyncGenerator[Event]) -> AsyncIterator[str]:
        """Server-sent events: the role with the passages, the text as it comes, how it ended with the whole answer.

        What fails once the stream has begun is told by an event, too.
        """
        said = ""
        try:
            async with aclosing(events):
                async for event in _after(first, events):
                    if isinstance(event, Found):
                        passages = [passage.model_dump(mode="json") for passage in event.passages]
                        yield self._chunk({"role": "assistant", "content": ""}, twin={"passages": passages})
                    elif isinstance(event, str):
                        said += event
                        yield self._chunk({"content": event})
                    else:
                        for line in self._end(event, said):
                            yield line
        except Exception as error:  # whatever it is, the log has it, and the client must hear that this was not all
            yield _line(problem(*told(error)))
        yield "data: [DONE]\n\n"

    def _end(self, answer: Answer, said: str) -> list[str]:
        rest = unsaid(said, answer.answer)
        extension = self._extension(answer).model_dump(mode="json")
        ended = self._chunk({}, finish(answer), twin=extension, system_fingerprint=answer.snapshot)
        lines = [self._chunk({"content": rest}), ended] if rest else [ended]
        if self.body.stream_options and self.body.stream_options.include_usage:
            counted = usage(answer)
            lines.append(self._chunk(None, usage=counted.model_dump() if counted else None))
        return lines

    def _chunk(self, delta: dict[str, str] | None, finish_reason: str | None = None, **more: Any) -> str:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}]
        return _line(
            {
                "id": self.id,
                "object": "chat.completion.chunk",
                "created": self.created,
                "model": self.body.model,
                "choices": [] if delta is None else choices,
                **more,
            }
        )

    def _extension(self, answer: Answer) -> Extension:
        return extension(answer, self.body, self.served.author)


def extension(answer: Answer, body: Asked, author: str) -> Extension:
    return Extension(author=author, prompt_hash=PROMPT_HASH, ignored=tuple(body.ignored), **answer.model_dump())


def finish(answer: Answer) -> Literal["stop", "length"]:
    return "length" if answer.cut else "stop"


def covered(answer: Answer) -> bool:
    """Whether the posts had anything to answer from, or did not need to: a greeting is returned, and no refusal."""
    return bool(answer.passages) or answer.answer != NOTHING_FOUND


def usage(answer: Answer) -> Usage | None:
    """None where the engine counts no tokens; nothing was generated where nothing was found."""
    said = int(answer.timings["tokens"])
    prompt = answer.timings.get("prompt_tokens", None if answer.passages else 0)
    if prompt is None:
        return None
    return Usage(prompt_tokens=int(prompt), completion_tokens=said, total_tokens=int(prompt) + said)


def unsaid(said: str, answer: str) -> str:
    """What the whole answer has behind all that was streamed, such as its last marker or a closing quotation.

    Empty where the answer left out some of what was streamed: then only `twin.answer` has it whole.
    """
    place = 0
    for character in _SKIPPED.sub("", said):
        while skipped := _SKIPPED.match(answer, place):
            place = skipped.end()
        if answer[place : place + 1] != character:
            return ""
        place += 1
    return answer[place:].rstrip()


async def _after(first: list[Event], events: AsyncGenerator[Event]) -> AsyncIterator[Event]:
    for event in first:
        yield event
    async for event in events:
        yield event


def _line(value: dict[str, Any]) -> str:
    text = json.dumps(value, separators=(",", ":"))
    return f"data: {text}\n\n"
