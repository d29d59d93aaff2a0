"""The routes: what each takes from the request, which part of the application it asks, and what it gives back."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST

from contracts.errors import UsageError
from contracts.feature_store.feedback import Feedback
from contracts.records import Answer
from inference_pipeline.drafting.draft import Draft, Section, draft
from inference_pipeline.drafting.outline import Brief
from inference_pipeline.side_by_side import side_by_side
from inference_pipeline.twin import Question
from ui.serve.answering import Start, unless_gone
from ui.serve.catalogue import Served
from ui.serve.completions import Shape, covered, extension, question
from ui.serve.keys import Caller
from ui.serve.logs import where
from ui.serve.parts import Parts
from ui.serve.schema import (
    Asked,
    ChatRequest,
    Completion,
    DraftRequest,
    FeedbackRequest,
    Model,
    ModelList,
    ProblemBody,
    SearchRequest,
    SearchResult,
    SideBySide,
    SideBySideRequest,
)

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemBody} for status in (400, 401, 404, 413, 429, 500, 503)
}
GONE = 499  # nobody reads it; the log has it
STREAM_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}

# The check itself is Keyed's, before a request is read; here it is described.
v1 = APIRouter(prefix="/v1", responses=PROBLEMS, dependencies=[Depends(HTTPBearer(auto_error=False))])


def parts_of(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


def caller_of(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


InUse = Annotated[Parts, Depends(parts_of)]
Who = Annotated[Caller, Depends(caller_of)]


@v1.get("/models")
def models(parts: InUse, who: Who) -> ModelList:
    """The models that the key opens: each author's default, aliases, versions and base model."""
    return ModelList(data=[_model(served) for served in parts.catalogue.models(who)])


@v1.get("/models/{model:path}")
def model(model: str, parts: InUse, who: Who) -> Model:
    return _model(parts.catalogue.get(model, who))


@v1.post("/search")
def search(body: SearchRequest, parts: InUse, who: Who) -> SearchResult:
    """The passages of one author's that are nearest to the query, best first, whether or not they fit it."""
    from contracts.feature_store.retrieve import search as find

    author = parts.catalogue.author(body.author, who)
    found = find(parts.app.store, body.query, author, body.limit, filters=body.filters.made())
    return SearchResult(author=author, passages=found)


@v1.post(
    "/chat/completions",
    response_model=Completion,
    responses={200: {"description": "Whole, or with `stream` as events", "content": {"text/event-stream": {}}}},
)
async def chat(body: ChatRequest, request: Request, parts: InUse, who: Who) -> Response:
    """Ask a twin. The last message is the question, those before it the conversation; a client that leaves ends it."""
    served = await run_in_threadpool(parts.catalogue.get, body.model, who)
    request.state.model = served.id
    asked, shape = question(body, served.author, who), Shape(body, served)
    heard = _heard(
        _metered(body, asked, parts, lambda stop: parts.app.twin.stream(asked, served.model, stop)), request, parts
    )
    if body.stream:
        first = await unless_gone(request, _first(heard))
        if first is None:
            return Response(status_code=GONE)
        return StreamingResponse(shape.stream(first, heard), media_type="text/event-stream", headers=STREAM_HEADERS)
    answers = await unless_gone(request, _answers(heard))
    return JSONResponse(shape.whole(answers[-1]).model_dump(mode="json")) if answers else Response(status_code=GONE)


@v1.post("/side_by_side", response_model=SideBySide)
async def compare(body: SideBySideRequest, request: Request, parts: InUse, who: Who) -> Response:
    """Several versions of one author's twin answer from the same passages, one after the other."""
    asked_for = [await run_in_threadpool(parts.catalogue.get, name, who) for name in body.models]
    author = asked_for[0].author
    if any(served.author != author for served in asked_for):
        raise UsageError("the models are of different authors", "ask one author's at a time")
    asked, models = question(body, author, who), [served.model for served in asked_for]
    heard = _heard(
        _metered(body, asked, parts, lambda stop: side_by_side(parts.app.twin, asked, models, stop)), request, parts
    )
    answers = await unless_gone(request, _answers(heard))
    if answers is None:
        return Response(status_code=GONE)
    both = SideBySide(author=author, answers=[extension(answer, body, author) for answer in answers])
    return JSONResponse(both.model_dump(mode="json"))


@v1.post("/drafts", response_model=Draft)
async def write(body: DraftRequest, request: Request, parts: InUse, who: Who) -> Response:
    """Draft a post, section by section, each from its own evidence; a point without any says so."""
    served = await run_in_threadpool(parts.catalogue.get, body.model, who)
    request.state.model = served.id
    filters = body.filters.made()
    brief = Brief(served.author, body.title, tuple(body.points), body.words, body.format, who.name, filters)
    heard = _heard(lambda stop: draft(parts.app.twin, brief, served.model, stop), request, parts)
    made = await unless_gone(request, _draft(heard))
    return JSONResponse(made.model_dump(mode="json")) if made else Response(status_code=GONE)


@v1.post("/feedback")
def judge(body: FeedbackRequest, parts: InUse, who: Who) -> Feedback:
    """Keep what somebody made of an answer: better or worse than they had hoped, or the text as it should have been."""
    author = parts.catalogue.author(body.answer.author, who)
    model = parts.app.twin.resolve(Question("", author), body.answer.model)
    verdict = {"verdict": body.verdict, "edited": body.edited.strip(), "by": who.person(body.user)}
    given = Feedback.model_validate({**body.answer.model_dump(), **verdict, "model": model, "sent": True})
    return parts.app.store.feedback.add(given)


def _metered(body: Asked, asked: Question, parts: Parts, start: Start) -> Start:
    twin = parts.app.twin
    return (lambda stop: twin.metered(asked, start(stop), stop)) if body.meters else start


async def _heard(start: Start, request: Request, parts: Parts) -> AsyncGenerator[Any]:
    """The events of what `start` begins; each answer is measured, and what the log may know of how it went is kept."""
    state = request.state
    try:
        async with aclosing(parts.answering.events(start)) as events:
            async for event in events:
                if isinstance(event, Answer):
                    parts.metrics.answered(event.timings, covered(event))
                    state.tokens, state.covered = int(event.timings["tokens"]), covered(event)
                    state.passages, state.citations = len(event.passages), len(event.citations)
                elif isinstance(event, Section):
                    parts.metrics.answered(event.timings, event.status != "nothing")
                elif isinstance(event, Draft):
                    state.tokens = int(sum(section.timings["tokens"] for section in event.sections))
                    state.covered = any(section.status != "nothing" for section in event.sections)
                    state.passages = sum(len(section.evidence) for section in event.sections)
                    state.citations = len(event.citations)
                yield event
    except Exception as error:
        state.error, state.where = type(error).__name__, where(error)
        raise


async def _first(events: AsyncGenerator[Any]) -> list[Any]:
    """What was found, and the event after it: until then a failure still has a status of its own."""
    return [await anext(events), await anext(events)]


async def _answers(events: AsyncGenerator[Any]) -> list[Answer]:
    async with aclosing(events):
        return [event async for event in events if isinstance(event, Answer)]


async def _draft(events: AsyncGenerator[Any]) -> Draft:
    async with aclosing(events):
        *_, made = [event async for event in events]
    assert isinstance(made, Draft)
    return made


def _model(served: Served) -> Model:
    return Model(id=served.id, created=served.created, owned_by=served.author)


open_routes = APIRouter()


@open_routes.get("/health")
def health() -> dict[str, str]:
    """The server runs."""
    return {"status": "ok"}


@open_routes.get("/ready", responses={503: {"description": "Not yet"}})
def ready(parts: InUse) -> JSONResponse:
    """Posts are stored and the models are loaded: the next question is answered without waiting for them."""
    status = parts.readiness.status
    return JSONResponse({"status": status}, 200 if status == "ready" else 503)


@open_routes.get("/metrics", include_in_schema=False)
def metrics(parts: InUse) -> Response:
    return Response(parts.metrics.text(), headers={"content-type": CONTENT_TYPE_LATEST})
