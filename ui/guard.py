"""Around a whole server: no large request gets in, none under another name, and each answer carries the server's headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from types import MappingProxyType
from typing import Any

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
HOSTS = {b"127.0.0.1", b"localhost", b"[::1]"}
LARGEST_REQUEST = 64 * 1024  # bytes

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]


def nothing(status: int) -> tuple[bytes, bytes]:
    """A refusal without a body: its content type, and the body."""
    return b"text/plain", b""


class Guard:
    """With `hosts`, a request under another name is refused: a page elsewhere whose name was made to point to this machine
    would else be of the same origin to the browser, and could ask the twin and read its answers.

    A body must say how long it is, so that none is read before it is known to be small.
    """

    def __init__(
        self,
        app: Asgi,
        hosts: set[bytes] | None = None,
        headers: Sequence[Header] = (),
        refusal: Callable[[int], tuple[bytes, bytes]] = nothing,
        uploads: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """`uploads`: path → the most bytes that may be posted there; anywhere else it is LARGEST_REQUEST."""
        self._app, self._hosts, self._headers, self._refusal = app, hosts, headers, refusal
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Scope) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        if status := self._refused(scope):
            kind, body = self._refusal(status)
            headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
            await guarded({"type": "http.response.start", "status": status, "headers": headers})
            await guarded({"type": "http.response.body", "body": body})
        else:
            await self._app(scope, receive, guarded)

    def _refused(self, scope: Scope) -> int:
        """The status that the request is refused with; 0 where it may pass."""
        sent = dict(scope.get("headers", ()))
        length = sent.get(b"content-length", b"0")
        host = sent.get(b"host", b"")
        name = host if host.endswith(b"]") else host.rpartition(b":")[0] or host
        if scope["type"] == "http" and self._hosts and name not in self._hosts:
            return 403
        most = self._uploads.get(scope.get("path", ""), LARGEST_REQUEST)
        return 413 if b"transfer-encoding" in sent or not length.isdigit() or int(length) > most else 0
