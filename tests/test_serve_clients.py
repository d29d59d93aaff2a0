"""The clients that people have, unchanged: OpenAI's own and LangChain's, against a server on loopback."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from contracts.errors import ModelError
from feature_pipeline import pipeline
from inference_pipeline.grounding.check import NOTHING_FOUND
from inference_pipeline.queue import Queue
from tests.browser import ADA, SEATPOST, WREN, free_port
from tests.fakes import hear_ctrl_c
from tests.served import KEY, WRENS_KEY, Site, ada_at_home, serving, until
from ui.serve.server import running
from ui.settings import Settings
from ui.wiring import App

EXAMPLES = Path(__file__).parents[1] / "examples"
FIRST = "The clamp comes off first, bolt and all."


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from serving(tmp_path_factory.mktemp("clients"), keys=f"{KEY}, {WREN}:{WRENS_KEY}")


def client(site: Site, key: str = KEY) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{site.client.base_url}/v1", api_key=key, max_retries=0)


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


# ---- openai ---------------------------------------------------------------------------------------------------------


def test_openai_lists_asks_and_reads_the_citations(site: Site) -> None:
    with client(site) as twin:
        names = [model.id for model in twin.models.list()]
        assert {WREN, f"{WREN}@v1", f"{ADA}@base"} <= set(names)
        assert twin.models.retrieve(f"{WREN}@v1").owned_by == WREN
        reply = twin.chat.completions.create(
            model=WREN, messages=user(SEATPOST), temperature=0.2, max_tokens=50, seed=1
        )
    assert (reply.choices[0].message.content or "").startswith(FIRST)
    assert reply.choices[0].finish_reason == "stop"
    citation = (reply.model_extra or {})["twin"]["citations"][0]
    assert (citation["title"], citation["text"]) == ("Freeing a seized seatpost", FIRST)


def test_openai_streams(site: Site) -> None:
    options: Any = {"include_usage": True}
    with client(site) as twin:
        chunks = list(
            twin.chat.completions.create(model=WREN, messages=user(SEATPOST), stream=True, stream_options=options)
        )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.startswith(FIRST)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert (chunks[-2].model_extra or {})["twin"]["citations"]


def test_openai_streams_to_many_at_once(site: Site) -> None:
    async def ask(twin: openai.AsyncOpenAI, model: str, text: str) -> str:
        stream = await twin.chat.completions.create(model=model, messages=user(text), stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def all_of_them() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{site.client.base_url}/v1", api_key=KEY) as twin:
            return await asyncio.gather(*(ask(twin, WREN, SEATPOST) for _ in range(12)))

    assert all(text.startswith(FIRST) for text in asyncio.run(all_of_them()))


def test_openai_raises_the_errors_that_its_users_catch(site: Site) -> None:
    with client(site, "no-such-key") as stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    with client(site, WRENS_KEY) as twin:
        with pytest.raises(openai.NotFoundError) as not_found:
            twin.chat.completions.create(model=f"{ADA}@base", messages=user(SEATPOST))
        assert not_found.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError) as bad:
            twin.chat.completions.create(model=WREN, messages=user(SEATPOST), temperature=2.1)
        assert bad.value.param == "temperature"
        with pytest.raises(openai.APIStatusError) as large:
            twin.chat.completions.create(model=WREN, messages=user("x" * 100_000))
        assert large.value.status_code == 413


def test_openai_hears_that_it_must_wait_and_that_a_stream_broke(tmp_path: Path) -> None:
    broken: Any = {"fails_after": 8, "fails_with": ModelError("the model fell over", "start it again")}
    for site in serving(tmp_path / "home", queue=Queue(1, 0), pause=0.05, **broken):
        with client(site) as twin:
            stream = twin.chat.completions.create(model=WREN, messages=user(SEATPOST), stream=True)
            with pytest.raises(openai.RateLimitError):
                twin.chat.completions.create(model=WREN, messages=user(SEATPOST))
            with pytest.raises(openai.APIError, match="the model fell over"):
                list(stream)


# ---- LangChain ------------------------------------------------------------------------------------------------------


def chain(site: Site, model: str = WREN, key: str = KEY) -> ChatOpenAI:
    return ChatOpenAI(base_url=f"{site.client.base_url}/v1", api_key=SecretStr(key), model=model, max_retries=0)


def test_langchain_invokes_streams_and_batches(site: Site) -> None:
    twin = chain(site)
    talk = [HumanMessage("Who are you?"), AIMessage("I mend clocks."), HumanMessage(SEATPOST)]
    reply = twin.invoke(talk)
    assert str(reply.content).startswith(FIRST)
    assert reply.response_metadata["finish_reason"] == "stop"
    assert reply.response_metadata["system_fingerprint"] == site.twin.app.store.snapshot().id
    assert "".join(str(piece.content) for piece in twin.stream(SEATPOST)).startswith(FIRST)
    assert [str(one.content)[:10] for one in twin.batch([SEATPOST, SEATPOST])] == [FIRST[:10]] * 2


def test_langchain_hears_what_is_wrong(site: Site) -> None:
    with pytest.raises(openai.NotFoundError):
        chain(site, ADA, WRENS_KEY).invoke(SEATPOST)
    with pytest.raises(openai.BadRequestError, match="tools"):
        chain(site).bind_tools([{"name": "f", "description": "", "parameters": {"type": "object"}}]).invoke(SEATPOST)


# ---- the command, and the default models ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def settled(embedder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ada_at_home(tmp_path_factory.mktemp("settled"), embedder)


def test_the_command_serves_until_it_is_told_to_end(home: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "ui.cli", "serve", "--port", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear_ctrl_c
    ) as process:
        try:
            assert until(lambda: answers(f"http://127.0.0.1:{port}/health"), 60)
            twin = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none needed here", max_retries=0)
            assert [model.id for model in twin.models.list()] == [ADA, f"{ADA}@base"]
            reply = twin.chat.completions.create(
                model=ADA, messages=user("When does the clock run slow?"), max_tokens=5
            )
            assert reply.choices[0].message.content
        finally:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert f"The API is at http://127.0.0.1:{port}/v1" in err
    assert '"route": "/v1/chat/completions"' in out
    assert "Traceback" not in out + err


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.slow
def test_the_default_models_answer_openai(own_home: Path) -> None:
    app = App(Settings(engine="torch"), own_home)
    posts = [str(path) for path in sorted((EXAMPLES / "wren_halloway").glob("*-a-*.md"))]
    pipeline.run(posts, WREN, app.store)
    with (
        running(app, log=lambda _: None) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="none needed here", timeout=500) as twin,
    ):
        request: Any = {"model": f"{WREN}@base", "messages": user("How do you free a seized seatpost?"), "seed": 3}
        replies = [twin.chat.completions.create(**request, max_tokens=12, temperature=0.8) for _ in range(2)]
        assert replies[0].choices[0].message.content == replies[1].choices[0].message.content
        used = replies[0].usage
        assert used is not None
        assert used.prompt_tokens > 200
        assert 0 < used.completion_tokens <= 12
        assert (replies[0].model_extra or {})["twin"]["passages"]
        request["messages"] = user("Who won the 2018 football world cup?")
        assert twin.chat.completions.create(**request).choices[0].message.content == NOTHING_FOUND
