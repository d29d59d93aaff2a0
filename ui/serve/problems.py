"""Every failure in OpenAI's error shape, with the status that its clients know what to do with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from contracts.errors import Busy, NotFound, StoreBusy, TwinError, UsageError
from ui.serve.schema import Problem, ProblemBody

RETRY_AFTER = "5"  # seconds: about what an answer takes
KINDS = {
    400: ("invalid_request_error", "bad_request"),
    401: ("authentication_error", "invalid_api_key"),
    403: ("permission_error", "wrong_host"),
    404: ("invalid_request_error", "not_found"),
    405: ("invalid_request_error", "method_not_allowed"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "busy"),
    500: ("server_error", "internal_error"),
    503: ("server_error", "unavailable"),
}
WORDS = {
    401: "a valid API key is needed: Authorization: Bearer KEY",
    403: "this server answers under the name of this machine alone",
    413: "the request must say its length, and may have 64 KiB",
    500: "something failed inside the twin; its log says what kind of error it was",
}


def problem(status: int, message: str = "", param: str | None = None, code: str | None = None) -> dict[str, Any]:
    kind, usual = KINDS.get(status, KINDS[400 if status < 500 else 500])
    text = message or WORDS.get(status, usual)
    return ProblemBody(error=Problem(message=text, type=kind, param=param, code=code or usual)).model_dump()


def response(status: int, message: str = "", param: str | None = None, code: str | None = None) -> JSONResponse:
    headers = (
        {"www-authenticate": "Bearer"} if status == 401 else {"retry-after": RETRY_AFTER} if status == 429 else None
    )
    return JSONResponse(problem(status, message, param, code), status, headers)


def refusal(status: int) -> tuple[bytes, bytes]:
    """As the guard sends it."""
    return b"application/json", json.dumps(problem(status)).encode()


def status_of(error: Exception) -> int:
    """The status of an error; 500 for all that nobody foresaw."""
    if isinstance(error, UsageError):
        return 400
    if isinstance(error, NotFound):
        return 404
    if isinstance(error, (Busy, StoreBusy)):
        return 429
    return 503 if isinstance(error, TwinError) else 500


def told(error: Exception) -> tuple[int, str]:
    """Status and words for a client; what nobody foresaw is told to the log alone."""
    status = status_of(error)
    if not isinstance(error, TwinError):
        return status, ""
    return status, f"{error.message} ({error.hint})" if error.hint else error.message


def install(api: FastAPI) -> None:
    """Errors that the routes raise, the framework's own and those in a request become responses here."""

    @api.exception_handler(TwinError)
    async def ours(request: Request, error: TwinError) -> JSONResponse:
        request.state.error = type(error).__name__
        status, words = told(error)
        return response(status, words, code="model_not_found" if status == 404 else None)

    @api.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        request.state.error = "RequestValidationError"
        return response(400, *_first(error.errors()))

    @api.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return _with(response(error.status_code, str(error.detail)), error.headers or {})


def _first(errors: Sequence[Mapping[str, Any]]) -> tuple[str, str | None]:
    """What is wrong first, and where. The input itself is not repeated: it may be long, or no valid text."""
    error = errors[0]
    if error["loc"] == ("body",) and error["type"] in ("missing", "model_attributes_type"):
        return "the body must be a JSON object, with Content-Type: application/json", None
    place = ".".join(str(part) for part in error["loc"] if part != "body")
    safe = place.encode("ascii", "backslashreplace").decode()[:100]
    words = str(error["msg"]).removeprefix("Value error, ").encode("utf-8", "backslashreplace").decode()[:300]
    return (f"{safe}: {words}" if safe else words), safe or None


def _with(made: JSONResponse, headers: Mapping[str, str]) -> JSONResponse:
    made.headers.update(headers)
    return made
