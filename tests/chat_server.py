"""A chat server on loopback that says what it is told to, for programs that ask an OpenAI-compatible one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Server:
    """An OpenAI-compatible server that streams `words`, and keeps what it was asked."""

    url: str = ""
    words: list[str] = field(default_factory=lambda: ["It ", "runs ", "slow."])
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    serves: list[str] = field(default_factory=list)
    """What it says that it serves."""
    looks: int = 0
    """How often it was asked for that."""
    status: int = 200
    cut: threading.Event = field(default_factory=threading.Event)
    """Set when the client went away before the end."""


@contextmanager
def running() -> Iterator[Server]:
    made = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            made.keys.append(self.headers["Authorization"])
            if made.status != 200:
                self.answer("application/json", json.dumps({"error": {"message": "no such model"}}))
                return
            events = [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": w}}]} for w in made.words]
            events += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
            lines = [json.dumps({"id": "1", "object": "chat.completion.chunk", "model": "m", **e}) for e in events]
            self.answer("text/event-stream", *(f"data: {line}\n\n" for line in [*lines, "[DONE]"]))

        def do_GET(self) -> None:
            """Its models; none where `serves` is empty, as servers do that have no list."""
            made.looks += 1
            if not made.serves:
                self.send_error(404)
                return
            self.answer("application/json", json.dumps({"data": [{"id": name} for name in made.serves]}))

        def answer(self, kind: str, *parts: str) -> None:
            self.send_response(made.status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            try:
                for part in parts:
                    self.wfile.write(part.encode())
                    time.sleep(0.005)
            except OSError:
                made.cut.set()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    yield made
    http.shutdown()
    http.server_close()
    thread.join(10)
