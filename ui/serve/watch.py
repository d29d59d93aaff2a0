"""The outer layers of the server: who calls, how it went, and a fault that nobody foresaw, told as a bare 500."""

from __future__ import annotations

import time
import uuid
from typing import Any

from ui.guard import Asgi, Receive, Scope, Send
from ui.serve.keys import Keys
from ui.serve.logs import Log, where
from ui.serve.metrics import Metrics
from ui.serve.problems import response

LOCKED = ("/v1/", "/metrics")


class Watched:
    """Outermost: each request is counted, timed and logged once, whatever became of it."""

    def __init__(self, app: Asgi, metrics: Metrics, log: Log) -> None:
        self._app, self._metrics, self._log = app, metrics, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, name = time.perf_counter(), 0, uuid.uuid4().hex
        state = scope.setdefault("state", {})

        async def watched(message: Scope) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", name.encode())]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            state.update(error=type(error).__name__, where=where(error))
            if not status:
                await response(500)(scope, receive, watched)
        finally:
            self._ended(scope, state, name, status, time.perf_counter() - began)

    def _ended(self, scope: Scope, state: dict[str, Any], name: str, status: int, seconds: float) -> None:
        """A route's pattern stands for the path: what a client wrote into it is not kept."""
        route, method = getattr(scope.get("route"), "path", "none"), scope["method"]
        method = method if method in ("GET", "POST") else "other"
        self._metrics.requests.labels(route, method, str(status)).inc()
        self._metrics.took.labels(route).observe(seconds)
        if kind := state.get("error"):
            self._metrics.errors.labels(kind).inc()
        if status == 429:
            self._metrics.refusals.labels("busy").inc()
        told = {
            key: state.get(key) for key in ("error", "where", "model", "tokens", "passages", "citations", "covered")
        }
        caller = state.get("caller")
        self._log(
            {
                "request": name,
                "route": route,
                "method": method,
                "status": status,
                "ms": round(seconds * 1000, 1),
                "caller": caller.name if caller else None,
                **told,
            }
        )


class Keyed:
    """Lets nobody without a key to what a key opens, before a byte of the request is read."""

    def __init__(self, app: Asgi, keys: Keys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(LOCKED):
            await self._app(scope, receive, send)
            return
        sent = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        client = scope.get("client") or ("local", 0)
        caller = self._keys.caller(sent, client[0])
        if caller is None:
            await response(401)(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)
