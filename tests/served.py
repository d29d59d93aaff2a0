"""A small twin behind its HTTP API, in a thread on loopback, with a client to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from contracts.embedder import SentenceEmbedder
from contracts.feature_store import FeatureStore
from feature_pipeline import pipeline
from inference_pipeline.queue import Queue
from inference_pipeline.twin import Twin
from tests.browser import ADA, SEATPOST, WREN, Small, small, stock
from tests.fakes import WORDS, voice
from ui.serve.server import running
from ui.settings import Settings

KEY, WRENS_KEY = "a-key-for-every-author", "a-key-for-wren-alone"


@dataclass
class Site:
    """A server, a client to it, and what it logged."""

    client: httpx.Client
    twin: Small
    log: list[dict[str, Any]] = field(default_factory=list)

    def chat(self, text: str = SEATPOST, model: str = WREN, **more: Any) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return self.client.post("/v1/chat/completions", json=body)

    def figures(self) -> dict[str, float]:
        """Every sample of /metrics, summed over its labels."""
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(self.client.get("/metrics").text):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
        return sums


def serving(home: Path, keys: str | None = None, queue: Queue | None = None, **model: Any) -> Iterator[Site]:
    twin = small(home, **{"pause": 0.0, **model})
    twin.app.settings = Settings(api_keys=keys)
    if queue:
        twin.app.twin = Twin(twin.app.store, twin.app.registry, twin.engine, queue=queue)
    stock(twin)
    log: list[dict[str, Any]] = []
    with running(twin.app, log=log.append) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield Site(client, twin, log)


def events(response: httpx.Response) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def until(condition: Callable[[], Any], seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(condition())


def ada_at_home(folder: Path, embedder: Path) -> Path:
    """A home with posts of Ada's, for a process of its own."""
    (folder / "posts").mkdir()
    for number in range(4):
        (folder / "posts" / f"{number}.md").write_text(voice(number, WORDS), encoding="utf-8")
    store = FeatureStore(folder / "home", SentenceEmbedder(str(embedder)))
    pipeline.run([str(folder / "posts")], ADA, store)
    store.close()
    return folder / "home"


def chat_with(**changes: Any) -> dict[str, Any]:
    return {"model": WREN, "messages": [{"role": "user", "content": SEATPOST}], **changes}


def saying(content: Any, role: str = "user", **more: Any) -> dict[str, Any]:
    return chat_with(messages=[{"role": role, "content": content, **more}])
