"""What the API takes and gives: OpenAI's shapes, and `twin` beside them for what OpenAI has no place for."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from contracts.feature_store.filters import Filters
from contracts.formats import Format
from contracts.records import Answer, Passage
from inference_pipeline.drafting.outline import FEWEST_WORDS, LONGEST_POINT, MOST_SECTIONS

MOST_MESSAGES = 200
LONGEST_QUESTION = 4_000  # characters, as on the page
LONGEST_ANSWER = 1_024  # tokens; what is asked beyond it is not written, and `finish_reason` says "length"
MOST_DRAFTED = 2_000  # words: a client waits for all of them
LONGEST_JUDGED = 8_000  # characters of a text that feedback is on: more than the longest answer has
LONGEST_NAME = 300  # characters of a model's id

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

Line = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Day = Annotated[str, StringConstraints(max_length=10)]  # a year, a month or a day: 2015, 2015-03 or 2015-03-12
Place = Annotated[str, StringConstraints(max_length=1000)]  # a folder, site or account, or a part of its name
ModelId = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME)]


class Given(BaseModel):
    """What a client sends. No store keeps U+0000, and nothing can encode half of a surrogate pair."""

    @field_validator("*", mode="after")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        if isinstance(value, str) and _UNSTORABLE.search(value):
            raise ValueError("a text may hold neither U+0000 nor half of a surrogate pair")
        return value


class TextPart(Given):
    type: Literal["text"]
    text: str


class Message(Given):
    """Of a system message only its presence is heard: the twin's instructions are part of each version."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class Plain(Given):
    """Text is the only kind of answer that a twin has."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text"]


class StreamOptions(Given):
    include_usage: bool = False


class Narrowed(Given):
    """Which posts may be found: all that is given must hold. `made` raises UsageError for a date that is none."""

    model_config = ConfigDict(extra="forbid")

    after: Day = ""
    before: Day = ""
    source: Place = ""
    format: Format | None = None

    def made(self) -> Filters:
        return Filters.of(self.after, self.before, self.source, self.format)


class Asked(Given):
    """Parameters that are not named here are left aside, and `twin.ignored` of the answer names them."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    messages: list[Message] = Field(min_length=1, max_length=MOST_MESSAGES)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: Line | Annotated[list[Line], Field(max_length=4)] | None = None
    user: Annotated[str, StringConstraints(max_length=300)] | None = None
    n: Literal[1] | None = None
    tools: Annotated[list[Any], Field(max_length=0)] | None = None
    functions: Annotated[list[Any], Field(max_length=0)] | None = None
    logprobs: Literal[False] | None = None
    response_format: Plain | None = None
    filters: Narrowed = Narrowed()
    """Not OpenAI's."""
    meters: bool = False
    """Nor this: whether `twin.style` is measured, which takes two readings of the answer by a model."""

    @model_validator(mode="after")
    def _a_question_at_the_end(self) -> Asked:
        last = self.messages[-1]
        if last.role != "user" or not last.text.strip():
            raise ValueError("the last message must be the user's question")
        if len(last.text) > LONGEST_QUESTION:
            raise ValueError(f"a question may have {LONGEST_QUESTION:,} characters; this one has {len(last.text):,}")
        return self

    @property
    def longest(self) -> int | None:
        """Tokens of the answer; None: as the twin is set."""
        asked = self.max_completion_tokens or self.max_tokens
        return min(asked, LONGEST_ANSWER) if asked else None

    @property
    def stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def ignored(self) -> list[str]:
        """What was asked and has no effect. Only names that can be one: a client chooses them."""
        extra = [name for name in self.model_extra or {} if name.isascii() and name.isidentifier() and len(name) < 40]
        system = ["system message"] if any(message.role in ("system", "developer") for message in self.messages) else []
        return [*system, *sorted(extra)[:20]]


class ChatRequest(Asked):
    model: ModelId
    stream: bool = False
    stream_options: StreamOptions | None = None


class SideBySideRequest(Asked):
    """Of one author: they answer from the same passages."""

    models: list[ModelId] = Field(min_length=2, max_length=4)


class DraftRequest(Given):
    """A title, points, or both."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: ModelId
    title: Annotated[str, StringConstraints(max_length=LONGEST_POINT)] = ""
    points: list[Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_POINT)]] = Field(
        default=[], max_length=MOST_SECTIONS
    )
    words: int = Field(default=400, ge=FEWEST_WORDS, le=MOST_DRAFTED)
    format: Literal["article", "note"] = "article"
    filters: Narrowed = Narrowed()

    @field_validator("points", mode="after")
    @classmethod
    def _storable_points(cls, points: list[str]) -> list[str]:
        if any(_UNSTORABLE.search(point) for point in points):
            raise ValueError("a text may hold neither U+0000 nor half of a surrogate pair")
        return points


class Shown(Given):
    """Where a passage stands; the rest of it is passed over."""

    post_id: Line
    start: int = Field(ge=0, lt=2**31)
    end: int = Field(ge=0, lt=2**31)


class Said(Given):
    """`twin` of an answer. Of its fields these are kept; the others are passed over, and may be left out."""

    model_config = ConfigDict(protected_namespaces=())

    author: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME)]
    question: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_JUDGED)]
    answer: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_JUDGED)]
    model: ModelId
    snapshot: Line
    prompt_hash: Line
    passages: list[Shown]
    instead: Annotated[str, StringConstraints(max_length=LONGEST_NAME)] = ""


class FeedbackRequest(Given):
    """better, worse: than one had hoped; edited: the text as it should have been, in `edited`."""

    model_config = ConfigDict(extra="forbid")

    answer: Said
    verdict: Literal["better", "worse", "edited"]
    edited: Annotated[str, StringConstraints(max_length=LONGEST_JUDGED)] = ""
    user: Annotated[str, StringConstraints(max_length=300)] = ""

    @model_validator(mode="after")
    def _edited_or_not(self) -> FeedbackRequest:
        if (self.verdict == "edited") != bool(self.edited.strip()):
            raise ValueError(
                "`edited` has the text as it should have been, where the verdict is edited, and only there"
            )
        return self


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Extension(Answer):
    """The whole answer with its evidence. `answer` is the text with its markers, also at the end of a stream."""

    author: str
    prompt_hash: str
    """Of the prompt's wording, by which feedback is kept."""
    ignored: tuple[str, ...] = ()
    """Of the request."""


class SideBySide(BaseModel):
    author: str
    answers: list[Extension]
    """In the order of `models`."""


class Reply(BaseModel):
    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(BaseModel):
    index: Literal[0] = 0
    message: Reply
    finish_reason: Literal["stop", "length"]
    logprobs: None = None


class Completion(BaseModel):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage | None
    """None where the engine counts no tokens."""
    system_fingerprint: str
    """The snapshot of the posts that the answer was written from."""
    twin: Extension


class Model(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    """Unix seconds; 0 for what was not trained."""
    owned_by: str
    """The author."""


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


class SearchRequest(Given):
    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_QUESTION)]
    author: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME)]
    limit: int = Field(default=5, ge=1, le=50)
    filters: Narrowed = Narrowed()


class SearchResult(BaseModel):
    author: str
    passages: list[Passage]


class Problem(BaseModel):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ProblemBody(BaseModel):
    error: Problem
