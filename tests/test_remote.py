"""A server that is really llama.cpp's, with an exported adapter: it says what this process says, and stops when told to."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.language_models import BaseChatModel

from contracts.base_model import BaseLanguageModel
from contracts.errors import ModelError
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry
from contracts.prompt import messages
from contracts.records import Answer
from inference_pipeline import twin as inference
from inference_pipeline.engines.local import LocalChatModel, LocalEngine
from inference_pipeline.engines.remote import RemoteEngine
from inference_pipeline.queue import Queue
from tests.conftest import missing
from tests.fakes import WordEmbedder, card, fill, one_thread, post, taught_adapter
from tests.speaking import CLOCK, QUESTION
from tests.test_export import LLAMA_CPP, Twin, tiny
from training_pipeline.export import export
from training_pipeline.export_notes import file_name

QUESTIONS = ("Why brass?", "What of clocks, and of tea?", "Tell me about rain.")


@dataclass(frozen=True)
class Real:
    twin: Twin
    url: str

    def engine(self, **changes: Any) -> RemoteEngine:
        return RemoteEngine(f"{self.url}/v1", "Ada@v1", None, **changes)

    def busy(self) -> bool:
        """Whether the server computes for anybody."""
        slots = httpx.get(f"{self.url}/slots", timeout=10).json()
        return any(slot["is_processing"] for slot in slots)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    if not LLAMA_CPP:
        missing("llamacpp", "llama.cpp is not installed (pip install xllamacpp)")
    import xllamacpp

    home = tmp_path_factory.mktemp("home")
    with one_thread():
        base = BaseLanguageModel(str(tiny(home / "base")), home)
        hashes = {name: getattr(base, name) for name in ("tokenizer_hash", "template_hash")}
        made = card(base_model=base.name, base_model_hash=base.hash, recipe={"rank": 8}, **hashes)
        twin = Twin(base, ModelRegistry(home).register(made, taught_adapter(base, home / "adapter")))
        export(twin.version, twin.base, "gguf", home / "out")
    params = xllamacpp.CommonParams()
    params.model.path = str(home / "out" / f"{file_name(twin.version)}.f16.gguf")
    params.model_alias = {"Ada@v1"}
    params.n_ctx, params.n_parallel, params.warmup, params.verbosity = 1024, 1, False, -1
    params.cpuparams.n_threads = 1
    params.endpoint_slots = True
    server = xllamacpp.Server(params)
    yield Real(twin, server.listening_address)
    del server


def greedy(chat: BaseChatModel, question: str, tokens: int = 40) -> list[str]:
    pieces = chat.stream(messages("Ada", question), max_tokens=tokens, temperature=0)
    return [str(piece.content) for piece in pieces if piece.content]


def until(what: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_says_what_this_process_says_piece_by_piece(real: Real) -> None:
    local = LocalEngine(real.twin.base, graphs=False).chat_model(real.twin.version)
    assert isinstance(local, LocalChatModel)
    plain = local.model_copy(update={"loop": 10_000})
    for question in QUESTIONS:
        with one_thread():
            here = greedy(plain, question, 25)
        there = greedy(real.engine().chat_model(real.twin.version), question, 25)
        assert len(there) > 10
        assert "".join(there) == "".join(here)


def test_closing_hangs_up_and_the_server_stops_computing(real: Real) -> None:
    chat = real.engine().chat_model(real.twin.version)
    stream = chat.stream(
        messages("Ada", "Why brass?"), max_tokens=900, temperature=1.0, extra_body={"ignore_eos": True}
    )
    for _ in range(3):
        next(stream)
    assert real.busy()
    stream.close()  # type: ignore[attr-defined]
    until(lambda: not real.busy(), 1)


def test_a_model_that_it_does_not_serve_is_refused_not_answered_by_another(real: Real) -> None:
    engine = RemoteEngine(f"{real.url}/v1/", "smol", None)
    with pytest.raises(ModelError, match=r"does not serve 'smol' \(it serves: Ada@v1\)") as caught:
        engine.chat_model(None)
    assert "under that name" in caught.value.hint
    assert greedy(engine.chat_model(real.twin.version), "Why brass?", 3)


def test_several_at_once_each_get_their_own(real: Real) -> None:
    alone = {question: "".join(greedy(real.engine().chat_model(None), question, 20)) for question in QUESTIONS}
    together: dict[str, str] = {}

    def ask(question: str) -> None:
        together[question] = "".join(greedy(real.engine().chat_model(None), question, 20))

    threads = [threading.Thread(target=ask, args=(question,)) for question in QUESTIONS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert together == alone


# ---- servers that misbehave -------------------------------------------------------------------------------------------


@pytest.fixture
def mute() -> Iterator[tuple[str, list[socket.socket]]]:
    """Takes connections, and says nothing."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def take() -> None:
            while True:
                try:
                    taken.append(listening.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1", taken
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    for connection in taken:
        connection.close()


def test_a_server_that_says_nothing_is_given_up_after_bounded_tries(mute: tuple[str, list[socket.socket]]) -> None:
    url, taken = mute
    began = time.monotonic()
    with pytest.raises(ModelError, match="timed out"):
        greedy(RemoteEngine(url, "smol", None, timeout=0.1).chat_model(None), "Why?")
    assert time.monotonic() - began < 30
    assert len(taken) == 1 + 3  # the list of models is asked for once, the answer three times


@pytest.mark.parametrize("wait", [0.2, 1.5])  # while it is asked for its models, and while it is asked to write
def test_one_who_stops_before_a_server_says_anything_leaves_at_once(
    mute: tuple[str, list[socket.socket]], tmp_path: Path, wait: float
) -> None:
    store, stop, ended = FeatureStore(tmp_path, WordEmbedder(512)), threading.Event(), list[Answer]()
    fill(store, [post(1, CLOCK)])
    engine = RemoteEngine(mute[0], "smol", None, timeout=1)
    twin = inference.Twin(store, ModelRegistry(tmp_path), engine, queue=Queue(at_once=1, waiting=0))
    found = twin.find(inference.Question(QUESTION, "Ada"))
    thread = threading.Thread(
        target=lambda: ended.extend(e for e in twin.write(found, stop=stop) if not isinstance(e, str))
    )
    thread.start()
    time.sleep(wait)
    assert not ended
    stop.set()
    thread.join(0.5)
    assert not thread.is_alive()
    assert ended[0].citations[0].text in CLOCK  # a quotation, as where nothing was said
    with twin.queue.place() as free:
        assert free
    store.close()


class Falling:
    """A server on loopback that says so much, and then no more; it notes when the other side hangs up."""

    def __init__(self, says: tuple[bytes, ...]) -> None:
        """`says`: to each request that is read, in their order; to the last one it is all that it ever says."""
        self._says, self._listening = says, socket.create_server(("127.0.0.1", 0))
        self.port, self.taken = self._listening.getsockname()[1], 0
        self.silent, self.hung_up = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection = self._listening.accept()[0]
                self.taken += 1
                with connection, suppress(OSError):
                    connection.recv(65536)
                    last = self.taken >= len(self._says)
                    connection.sendall(self._says[min(self.taken, len(self._says)) - 1])
                    if last:
                        self.silent.set()
                        while connection.recv(65536):
                            pass
                        self.hung_up.set()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.thread.join(5)
        assert not self.thread.is_alive()


LISTED = json.dumps({"data": [{"id": "smol"}]}).encode()
NAMES = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (
    len(LISTED),
    LISTED,
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
WORD = json.dumps(
    {"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, "delta": {"content": "It "}}]}
)


@pytest.mark.parametrize(
    ("scheme", "says"),
    [
        ("http", (b"",)),  # it is asked for its models
        ("https", (b"",)),  # it is greeted
        ("http", (NAMES, b"")),  # it is asked to write
        ("http", (NAMES, HEAD + f"data: {WORD}\n\n".encode())),  # it has begun
    ],
)
def test_stop_hangs_up_on_a_server_that_says_no_more(tmp_path: Path, scheme: str, says: tuple[bytes, ...]) -> None:
    server, stop = Falling(says), threading.Event()
    store = FeatureStore(tmp_path, WordEmbedder(512))
    fill(store, [post(1, CLOCK)])
    engine = RemoteEngine(f"{scheme}://127.0.0.1:{server.port}/v1", "smol", None, timeout=30)
    twin = inference.Twin(store, ModelRegistry(tmp_path), engine)
    thread = threading.Thread(target=lambda: list(twin.stream(inference.Question(QUESTION, "Ada"), stop=stop)))
    thread.start()
    assert server.silent.wait(10)
    assert not server.hung_up.wait(0.2)
    stop.set()
    assert server.hung_up.wait(0.5)
    thread.join(5)
    time.sleep(1.5)  # longer than the first pause before another try
    assert server.taken == len(says)
    server.close()
    store.close()


def answering(reply: Callable[[socket.socket], None]) -> tuple[str, threading.Thread, socket.socket]:
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection = listening.accept()[0]
            except OSError:
                return
            with connection:
                connection.recv(65536)
                try:
                    reply(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}/v1", thread, listening


def ended(thread: threading.Thread, listening: socket.socket) -> None:
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(5)
    assert not thread.is_alive()


def test_a_server_that_never_ends_is_hung_up_on() -> None:
    piece = {"index": 0, "delta": {"content": "word " * 50}}
    event = json.dumps({"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": [piece]})

    def babble(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        while True:
            connection.sendall(f"data: {event}\n\n".encode())

    url, *server = answering(babble)
    said = "".join(greedy(RemoteEngine(url, "smol", None).chat_model(None), "Why?", 20))
    assert 20 * 64 < len(said) < 20 * 64 + 300
    ended(*server)


def test_the_key_is_in_no_message_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    body = b'{"error":{"message":"Incorrect API key provided: sk-secret-1234"}}'

    def refuse(connection: socket.socket) -> None:
        head = "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nConnection: close\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    url, *server = answering(refuse)
    with caplog.at_level(logging.DEBUG), pytest.raises(ModelError, match="Incorrect API key provided: …") as caught:
        greedy(RemoteEngine(url, "smol", "sk-secret-1234").chat_model(None), "Why?")
    ended(*server)
    assert "sk-secret" not in str(caught.value)
    assert caplog.records
    assert "sk-secret" not in caplog.text.replace(body.decode(), "")
