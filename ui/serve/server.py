"""Run the API: on this machine only unless there are keys, and every answer ends when the server does."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn
from fastapi import FastAPI

from contracts.errors import UsageError
from ui.guard import LOOPBACK
from ui.serve.app import create
from ui.serve.keys import HINT
from ui.serve.logs import Log
from ui.wiring import App

CONNECTIONS = 200  # at once; the next is told 503
PATIENCE = 5  # seconds that an ending server gives its open requests
KEPT_OPEN = 10  # seconds for an idle connection: httpx, and with it most clients, would use one again within 5


class Server(uvicorn.Server):
    """Ends what is being generated before it waits for its connections."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        api = self.config.app
        assert isinstance(api, FastAPI)
        api.state.parts.answering.stop()
        await super().shutdown(sockets)


def serve(
    app: App,
    host: str = "127.0.0.1",
    port: int = 8000,
    ready: Callable[[str], None] | None = None,
    log: Log | None = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM; `ready` is called with the address once the socket listens."""
    with suppress(KeyboardInterrupt), _listening(app, host, port, log) as (server, sock, url):
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn sends it again once it has ended
        if ready:
            ready(url)
        server.run(sockets=[sock])


@contextmanager
def running(app: App, host: str = "127.0.0.1", port: int = 0, log: Log | None = None) -> Iterator[str]:
    """Serve in a thread; the value is the address. Leaving ends every answer, the server and the store."""
    with _listening(app, host, port, log) as (server, sock, url):
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, name="serve")
        thread.start()
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _listening(app: App, host: str, port: int, log: Log | None) -> Iterator[tuple[Server, socket.socket, str]]:
    if host not in LOOPBACK and not app.settings.api_keys:
        raise UsageError(f"the API would be open to everyone who reaches {host}", f"set TWIN_API_KEYS; {HINT}")
    api = create(app, host, log)
    try:
        sock = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise UsageError(f"port {port} of {host} cannot be used: {error.strerror}", "twin serve --port 8001") from error
    config = uvicorn.Config(
        api,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEPT_OPEN,
        timeout_graceful_shutdown=PATIENCE,
        lifespan="on",
        ws="none",
    )
    name = f"[{host}]" if ":" in host else host
    try:
        yield Server(config), sock, f"http://{name}:{sock.getsockname()[1]}"
    finally:
        sock.close()
        app.store.close()
