"""A blog on loopback: what it answers to each path, and what it was asked."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from feature_pipeline.sources import Item, RawPost, Refusal, Unchanged
from feature_pipeline.sources.memory import Memory
from feature_pipeline.sources.web.fetch import Fetcher
from feature_pipeline.sources.web.site import MAX_PAGES, read_address
from feature_pipeline.sources.web.visit import MAX_REQUESTS, Visit

PROSE = "It rained all day and I stayed in, mending the kettle and listening to the wireless. " * 3


@dataclass
class Reply:
    """What the server answers to one path; `drip` sends a byte at a time with so many seconds between."""

    body: bytes | str = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drip: float = 0
    cut: int = 0
    """So many bytes fewer than promised."""


def _is_known(handler: http.server.BaseHTTPRequestHandler, reply: Reply) -> bool:
    """Whether the one who asks has it already, as a server with ETags or dates finds out."""
    etag, date = reply.headers.get("ETag"), reply.headers.get("Last-Modified")
    asked = handler.headers
    return bool((etag and asked["If-None-Match"] == etag) or (date and asked["If-Modified-Since"] == date))


class Blog:
    """A server on loopback; `replies` are given in turn, the last one for ever."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        blog = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                blog.asked.append(self.path)
                blog.headers.append({name.lower(): value for name, value in self.headers.items()})
                queue = blog.replies.get(self.path, [Reply("no such page", 404)])
                blog.answer(self, queue.pop(0) if len(queue) > 1 else queue[0])

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a client that hangs up is what some tests are about

        self.server = Server(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __setitem__(self, path: str, reply: Reply | str | list[Reply]) -> None:
        self.replies[path] = reply if isinstance(reply, list) else [Reply(reply) if isinstance(reply, str) else reply]

    def answer(self, handler: http.server.BaseHTTPRequestHandler, reply: Reply) -> None:
        body = reply.body.replace("URL", self.url).encode() if isinstance(reply.body, str) else reply.body
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body)), **reply.headers}
        if _is_known(handler, reply):
            body, reply = b"", replace(reply, status=304)
            headers = {**reply.headers, "Content-Length": "0"}
        handler.send_response(reply.status)
        for name, value in headers.items():
            handler.send_header(name, value.replace("URL", self.url))
        handler.end_headers()
        try:
            for at in range(len(body) if reply.drip else 0):
                handler.wfile.write(body[at : at + 1])
                handler.wfile.flush()
                time.sleep(reply.drip)
            if not reply.drip:
                handler.wfile.write(body[: len(body) - reply.cut])
        except OSError:
            pass
        if reply.cut or reply.drip:
            handler.close_connection = True

    @property
    def pages(self) -> list[str]:
        return [path for path in self.asked if path not in ("/robots.txt", "/sitemap.xml")]


def visit(url: str, deadline_s: float = 30, memory: Memory | None = None, max_pages: int = MAX_PAGES) -> list[Item]:
    fetcher = Fetcher(allow_private=True, deadline_s=deadline_s)
    return list(read_address(url, fetcher, memory, max_pages, pause_s=0))


class Read(Protocol):
    """A platform's reader."""

    def __call__(self, visit: Visit, url: str, api: str) -> Iterator[Item]: ...


class Runs:
    """One run after the other of a platform's reader, each with what the last has learned."""

    def __init__(self, read: Read, url: str, api: str) -> None:
        self.read, self.url, self.api = read, url, api
        self.memory = Memory()

    def again(self, requests: int = MAX_REQUESTS) -> list[Item]:
        """With so many requests left until the cap."""
        self.memory = Memory(before={**self.memory.before, **self.memory.now})
        with Fetcher(allow_private=True) as fetcher:
            visit = Visit(fetcher, self.memory, pause_s=0)
            visit.fetched = MAX_REQUESTS - requests
            return list(self.read(visit, self.url, self.api))


def posts(items: list[Item]) -> list[RawPost]:
    return [item for item in items if isinstance(item, RawPost)]


def reasons(items: list[Item]) -> list[tuple[str, str]]:
    return [(item.source_id, item.reason) for item in items if isinstance(item, Refusal)]


def unchanged(items: list[Item]) -> list[str]:
    return [item.source_id for item in items if isinstance(item, Unchanged)]


def article(title: str, body: str = PROSE, head: str = "") -> str:
    return (
        f"<!doctype html><html><head><title>{title}</title>{head}</head><body><nav><a href='/'>Home</a></nav>"
        f"<article><h1>{title}</h1><p>{body}</p></article></body></html>"
    )


def sitemap(*paths: str, kind: str = "urlset", inner: str = "url", changed: dict[str, str] | None = None) -> str:
    """`changed`: the lastmod of a path."""
    dates = {path: f"<lastmod>{date}</lastmod>" for path, date in (changed or {}).items()}
    places = "".join(f"<{inner}><loc>URL{path}</loc>{dates.get(path, '')}</{inner}>" for path in paths)
    return f'<?xml version="1.0"?><{kind} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}</{kind}>'


def rss(*items: str, channel: str = "") -> Reply:
    body = (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"'
        ' xmlns:atom="http://www.w3.org/2005/Atom">'
        f"<channel><title>Ann</title><link>URL/</link>{channel}{''.join(items)}</channel></rss>"
    )
    return Reply(body, headers={"Content-Type": "text/plain"})  # as many servers mislabel it


def full(number: int) -> str:
    return (
        f"<item><title>Post {number}</title><link>URL/posts/{number}/?utm_source=feed</link><guid>g{number}</guid>"
        f"<pubDate>Sun, 24 Mar 2013 23:30:0{number % 10} -0700</pubDate>"
        f"<content:encoded><![CDATA[<p>Text {number}.</p><p style='display:none'>No.</p>]]></content:encoded></item>"
    )


def summary(path: str, text: str = "Just the beginning […]") -> str:
    return f"<item><title>Sum</title><link>{path}</link><guid>s-{path}</guid><description>{text}</description></item>"
