"""Generation on any OpenAI-compatible server: vLLM with LoRA adapters, llama.cpp, Ollama."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import httpx
from langchain.chat_models import init_chat_model
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from contracts.errors import ModelError, UsageError
from contracts.model_registry import ModelVersion
from inference_pipeline.leaving import Waited, waited

LONGEST_LIST = 2**20  # bytes of the list of models
RETRIES = 2  # of what failed before the first byte
LOOKED = 5.0  # seconds that a list of models may take
ENDS = ("http11.response_closed.complete", "connection.start_tls.failed", "proxy.start_tls.failed")  # of a request
REFUSED = (401, 403, 500, 502, 503, 504)  # statuses with which a server writes nothing either; others list no models
LONGEST_TOKEN = 64  # characters: a server that says more than so many for each token that it may say is hung up on


class RemoteEngine:
    """An adapter is asked for by its immutable name, `author@v3`, under which the server must have loaded it."""

    def __init__(self, url: str, base: str | None, api_key: str | None, timeout: float = 60.0) -> None:
        """`timeout`: seconds between two bytes. Raises UsageError for an address that is none."""
        if wrong := _wrong_with(url):
            raise UsageError(
                f"TWIN_REMOTE_URL is no address of a server: {wrong}", "write it as http://127.0.0.1:8000/v1"
            )
        if not base:
            raise UsageError("TWIN_REMOTE_URL is set, but no model", "set TWIN_REMOTE_MODEL to the server's model name")
        self._url, self._base, self._api_key, self._timeout = url.rstrip("/"), base, api_key or "none", timeout
        self._served: frozenset[str] = frozenset()
        # A connection for each request: one that is kept is opened, and could be hung up on, by another one only.
        self._client = httpx.Client(
            limits=httpx.Limits(max_keepalive_connections=0),
            event_hooks={"request": [_can_be_left]},
            follow_redirects=True,
        )

    def chat_model(self, version: ModelVersion | None) -> BaseChatModel:
        """Raises ModelError where the server says that it serves other models, but not this one, and Mismatch for a version
        that was trained with another prompt."""
        for misfit in version.misfits(None) if version else ():
            raise misfit
        name = version.name if version else self._base
        self._check(name)
        server: BaseChatModel = init_chat_model(
            name,
            model_provider="openai",
            base_url=self._url,
            api_key=self._api_key,
            timeout=self._timeout,
            max_retries=RETRIES,
            http_client=self._client,
        )
        return RemoteChatModel(server=server, url=self._url, served=name, secret=self._api_key)

    def _check(self, name: str) -> None:
        """llama.cpp's server answers with whatever it has loaded, whichever name it is asked for."""
        if name in self._served:
            return
        with suppress(ModelError):  # what is wrong with it is told when it is asked to write
            self.served()
        if self._served and not {name, f"{name}:latest"} & self._served:
            raise ModelError(
                f"the server at {self._url} does not serve {name!r} (it serves: {', '.join(sorted(self._served))})",
                f"load it there under that name (twin models export {name}), or ask for another model",
            )

    def served(self) -> frozenset[str]:
        """The names that the server says it serves now; none where it does not say. Raises ModelError where it is away, or
        refuses the key."""
        headers, body = {"Authorization": f"Bearer {self._api_key}"}, b""
        timeout = min(self._timeout, LOOKED)
        try:
            with self._client.stream("GET", f"{self._url}/models", headers=headers, timeout=timeout) as response:
                if response.status_code in REFUSED:
                    raise ModelError(
                        f"the server at {self._url} answers with status {response.status_code}",
                        "start it, and check TWIN_REMOTE_API_KEY",
                    )
                for part in response.iter_bytes():
                    body += part
                    if len(body) > LONGEST_LIST:
                        return frozenset()
            self._served = frozenset(str(model["id"]) for model in json.loads(body)["data"])
        except httpx.HTTPError as error:
            raise ModelError(
                f"the server at {self._url} does not answer: {str(error) or type(error).__name__}",
                "start it, or unset TWIN_REMOTE_URL",
            ) from error
        except (ValueError, TypeError, KeyError):
            return frozenset()
        return self._served


def _wrong_with(url: str) -> str:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        return str(error)
    return "" if address.scheme in ("http", "https") and address.host else "it needs http:// or https:// and a host"


def _can_be_left(request: httpx.Request) -> None:
    """Before each request, also before one that is tried again. Raises Left."""
    if work := waited():
        work.go_on()
        request.extensions["trace"] = _Line(work)


class _Line:
    """Hears how a request fares, and holds its connection: whoever leaves hangs up, also on a server that says nothing."""

    def __init__(self, work: Waited) -> None:
        self._work = work
        self._socket: socket.socket | None = None

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            # A copy, because TLS takes the socket over; while it is open, so is the connection.
            self._socket = info["return_value"].get_extra_info("socket").dup()
            self._work.add(self._hang_up)
        elif self._socket and event in ENDS:
            self._work.remove(self._hang_up)
            self._socket.close()
            self._socket = None

    def _hang_up(self) -> None:
        """Closing alone would not wake a thread that reads."""
        if line := self._socket:
            with suppress(OSError):  # it has ended meanwhile
                line.shutdown(socket.SHUT_RDWR)


class RemoteChatModel(BaseChatModel):
    """The server's model `served`. Whatever fails on the way to it or there is a ModelError."""

    server: Any
    url: str
    served: str
    secret: str

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
        body, room = {**kwargs.pop("extra_body", {}), "max_tokens": max_tokens}, max_tokens * LONGEST_TOKEN
        try:
            # Closed by hand: closing hangs up, and only then does the server stop computing.
            with closing(self.server.stream(messages, stop=stop, extra_body=body, **kwargs)) as pieces:
                for piece in pieces:
                    yield ChatGenerationChunk(message=piece)
                    room -= len(str(piece.content))
                    if room < 0:
                        return
        except Exception as error:
            said = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"the server at {self.url} failed: {self._without_key(said)}",
                f"check that it runs and serves {self.served!r}, or unset TWIN_REMOTE_URL",
            ) from error

    def _without_key(self, text: str) -> str:
        """Some servers repeat the key that they refuse."""
        return text.replace(self.secret, "…") if len(self.secret) > 4 else text
