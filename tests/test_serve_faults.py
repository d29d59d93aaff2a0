"""The HTTP API when it goes wrong: clients that leave, too many at once, models that fail; what it logs and counts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from langchain_core.language_models import BaseChatModel

from contracts.errors import ModelError, UsageError
from contracts.model_registry import ModelVersion
from inference_pipeline.queue import Queue
from inference_pipeline.twin import Twin
from tests.browser import WREN, small, stock
from tests.chat_server import Server
from tests.served import Site, chat_with, events, serving, until
from ui.serve.catalogue import Catalogue
from ui.serve.parts import Readiness
from ui.serve.server import running
from ui.settings import Settings

CANARY = "xylophone-canary"


class Broken:
    """An engine whose models cannot be loaded."""

    def __init__(self, kind: type[Exception]) -> None:
        self._kind = kind

    def chat_model(self, version: ModelVersion | None) -> BaseChatModel:
        raise self._kind("the disk is gone")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from serving(tmp_path_factory.mktemp("site"))


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Site]:
    """One answer at a time, none waiting; a word every 30 ms, and far more of them than anybody waits for."""
    yield from serving(tmp_path / "home", queue=Queue(at_once=1, waiting=0), pause=0.03, repeat=50)


@pytest.mark.parametrize("stream", [False, True])
def test_leaving_ends_the_generation(slow: Site, stream: bool) -> None:
    body = chat_with(stream=stream)
    if stream:
        with slow.client.stream("POST", "/v1/chat/completions", json=body) as response:
            lines = response.iter_lines()  # kept: when it goes, so does the connection
            assert next(lines).startswith("data:")
    else:
        with pytest.raises(httpx.ReadTimeout):
            slow.client.post("/v1/chat/completions", json=body, timeout=2)
    left = time.monotonic()
    log = next(log for log in slow.twin.engine.logs if log.words)  # the others only warmed
    assert log.ended.wait(3)
    assert log.last - left < 0.5
    assert until(lambda: slow.figures()["twin_answers_open"] == 0)
    assert slow.figures()["twin_stopped_total"] == 1


def test_more_than_can_wait_are_told_to_come_back(slow: Site) -> None:
    with slow.client.stream("POST", "/v1/chat/completions", json=chat_with(stream=True)) as response:
        lines = response.iter_lines()
        next(lines)
        refused = [slow.chat(stream=stream) for stream in (False, True)]
    for response in refused:
        assert (response.status_code, response.json()["error"]["code"]) == (429, "busy")
        assert int(response.headers["retry-after"]) > 0
    assert slow.figures()["twin_refusals_total"] == 2


def test_fifty_at_once_are_answered_or_told_to_come_back(tmp_path: Path) -> None:
    async def ask(client: httpx.AsyncClient) -> int:
        return (await client.post("/v1/chat/completions", json=chat_with())).status_code

    async def all_of_them(url: httpx.URL) -> list[int]:
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=httpx.Limits(max_connections=50)) as client:
            return await asyncio.gather(*(ask(client) for _ in range(50)))

    for site in serving(tmp_path / "home", queue=Queue(at_once=2, waiting=8), pause=0.02):
        statuses = asyncio.run(all_of_them(site.client.base_url))
        assert set(statuses) == {200, 429}
        assert statuses.count(200) >= 10
        assert site.figures()["twin_refusals_total"] == statuses.count(429)
        assert site.chat().status_code == 200


def test_the_server_ends_while_an_answer_is_written(tmp_path: Path) -> None:
    sites = serving(tmp_path / "home", pause=0.03, repeat=500)
    site = next(sites)
    with site.client.stream("POST", "/v1/chat/completions", json=chat_with(stream=True)) as response:
        lines = response.iter_lines()
        next(lines)
        began = time.monotonic()
        assert list(sites) == []
        assert time.monotonic() - began < 4
    assert next(log for log in site.twin.engine.logs if log.words).ended.wait(1)


@pytest.mark.parametrize(
    ("fails_with", "status"), [(ModelError("the model fell over", "start it again"), 503), (ValueError(CANARY), 500)]
)
def test_a_model_that_fails_is_an_error_before_the_first_word_and_an_event_after_it(
    tmp_path: Path, fails_with: Exception, status: int
) -> None:
    for words in (0, 2):
        home = tmp_path / str(words)
        for site in serving(home, fails_after=words, fails_with=fails_with):
            response = site.chat(stream=True)
            if words:
                assert response.status_code == 200
                error = next(event["error"] for event in events(response) if "error" in event)
            else:
                assert response.status_code == status
                error = response.json()["error"]
            assert error["type"] == "server_error"
            assert CANARY not in error["message"]
            assert ("start it again" in error["message"]) == (status == 503)
            assert until(partial(len, site.log))
            assert [line.get("error") for line in site.log] == [type(fails_with).__name__]
            assert CANARY not in json.dumps(site.log)


# ---- what is known of it --------------------------------------------------------------------------------------------


def test_the_log_has_how_it_went_and_no_text(site: Site) -> None:
    site.log.clear()
    site.chat()
    site.chat(model=CANARY)
    site.client.get(f"/v1/models/{CANARY}?{CANARY}")
    site.client.post("/v1/search", json={"query": CANARY, "author": CANARY})
    site.client.request(CANARY.upper(), f"/{CANARY}")
    assert until(lambda: len(site.log) == 5)
    first = site.log[0]
    assert (first["route"], first["status"], first["model"]) == ("/v1/chat/completions", 200, WREN)
    assert first["tokens"] > 0
    assert first["ms"] > 0
    assert [line["status"] for line in site.log[1:]] == [404, 404, 404, 404]
    printed = json.dumps(site.log).lower()
    assert not any(word in printed for word in (CANARY, "seatpost", "clamp", "oil", "four minutes"))


def test_the_metrics_count_what_happened(site: Site) -> None:
    before = site.figures()
    site.chat()
    site.chat("Whither quantum chromodynamics?")
    site.chat(model="gpt-4")
    assert until(lambda: site.figures()["twin_requests_total"] >= before["twin_requests_total"] + 4)
    after = site.figures()
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown["twin_first_token_seconds_count"] == 1
    assert grown["twin_retrieval_seconds_count"] == 2
    assert grown["twin_tokens_total"] > 5
    assert grown["twin_tokens_per_second_count"] == 1
    assert grown["twin_refusals_total"] == 1
    assert grown["twin_errors_total"] == 1
    assert after["twin_queue_waiting"] == after["twin_answers_open"] == 0


def test_it_is_ready_once_there_are_posts_and_models(tmp_path: Path) -> None:
    twin = small(tmp_path / "home")
    with running(twin.app, log=lambda _: None) as url:
        assert until(lambda: httpx.get(f"{url}/ready").json() == {"status": "no posts"})
        assert httpx.get(f"{url}/ready").status_code == 503
        stock(twin)
        assert (httpx.get(f"{url}/ready").status_code, httpx.get(f"{url}/health").status_code) == (200, 200)


def test_what_could_not_be_loaded_is_tried_again_every_few_seconds_at_most(tmp_path: Path) -> None:
    twin = small(tmp_path)
    stock(twin)
    good, twin.app.twin = twin.app.twin, Twin(twin.app.store, twin.app.registry, Broken(OSError))
    ready = Readiness(twin.app, Catalogue(twin.app), again=0.2)
    assert ready.status == "failed: OSError"
    twin.app.twin = good
    assert ready.status == "failed: OSError"  # it was tried a moment ago
    assert until(lambda: ready.status == "ready")
    twin.app.store.close()


def test_it_is_not_ready_while_the_remote_server_is_away(tmp_path: Path, server: Server) -> None:
    twin = small(tmp_path)
    stock(twin)
    server.serves = ["smol"]
    twin.app.settings = Settings(remote_url=server.url, remote_model="smol")
    ready = Readiness(twin.app, Catalogue(twin.app), again=0.5)
    assert (ready.status, ready.status, server.looks) == ("ready", "ready", 1)
    server.status = 503
    assert until(lambda: ready.status == "failed: ModelError, from the remote server")
    server.status = 200
    assert until(lambda: ready.status == "ready")
    twin.app.twin = Twin(twin.app.store, twin.app.registry, Broken(ModelError))
    assert until(lambda: ready.status == "failed: ModelError")  # which is not the server's
    twin.app.store.close()


def test_a_port_in_use_is_said_so(site: Site, tmp_path: Path) -> None:
    twin = small(tmp_path / "home")
    with pytest.raises(UsageError, match="cannot be used"), running(twin.app, port=site.client.base_url.port or 0):
        pass
    twin.app.store.close()
