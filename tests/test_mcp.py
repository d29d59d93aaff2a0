"""Assistants: what they may call, that posts come to them as data, and that nothing but MCP is on stdout."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters, stdio_client

from contracts.records import Mark
from inference_pipeline.grounding.check import NOTHING_FOUND
from inference_pipeline.queue import Queue
from inference_pipeline.twin import Twin
from tests.browser import ADA, SEATPOST, WREN, Small, small, stock, written
from tests.fakes import fill
from tests.served import ada_at_home
from tests.speaking import Engine
from ui.serve.mcp_server import DATA, LONGEST_PAGE, build

Talk = Callable[[Client], Awaitable[Any]]


@pytest.fixture(scope="module")
def small_twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    twin = small(tmp_path_factory.mktemp("mcp"), pause=0.0)
    stock(twin)
    yield twin
    twin.app.store.close()


def talk(twin: Small, what: Talk, only: str | None = None) -> Any:
    """With the SDK's own client, in this process."""

    async def run() -> Any:
        async with Client(build(twin.app, only)) as client:
            return await what(client)

    return asyncio.run(run())


def call(twin: Small, tool: str, only: str | None = None, **arguments: Any) -> Any:
    """The result's structured content, or the words of its error."""
    result = talk(twin, lambda client: client.call_tool(tool, arguments), only)
    if result.is_error:
        return result.content[0].text
    assert result.structured_content["notice"] == DATA
    return result.structured_content


def test_the_tools_say_what_they_take_and_that_they_change_nothing(small_twin: Small) -> None:
    listed = talk(small_twin, lambda client: client.list_tools()).tools
    assert [tool.name for tool in listed] == ["list_authors", "search_posts", "read_post", "ask_twin"]
    for tool in listed:
        assert tool.annotations.read_only_hint
        assert tool.description
        assert "notice" in tool.output_schema["properties"]


def test_an_assistant_finds_reads_and_asks(small_twin: Small) -> None:
    assert call(small_twin, "list_authors")["authors"] == [
        {"name": ADA, "posts": 1, "models": ["base"]},
        {"name": WREN, "posts": 2, "models": [f"{WREN}@v2", f"{WREN}@v1", "base"]},
    ]
    found = call(small_twin, "search_posts", query="the church clock", author=WREN, limit=1)
    [passage] = found["passages"]
    assert passage["title"] == "The church clock"
    whole = call(small_twin, "read_post", id=passage["post_id"], author=WREN)
    assert whole["post"] == {
        **passage,
        "text": "The church clock gains four minutes a week. I regulate the pendulum on Sundays.",
    }
    assert whole["next_offset"] is None
    said = call(small_twin, "ask_twin", question=SEATPOST, author=WREN)
    assert (said["model"], said["author"]) == (f"{WREN}@v2", WREN)
    for marker in set(re.findall(r"\[(\d)\]", said["answer"])):
        assert (
            said["citations"][marker][0]["text"]
            in small_twin.app.store.posts(WREN)[0].text + small_twin.app.store.posts(WREN)[1].text
        )


def test_filters_narrow_a_search(small_twin: Small) -> None:
    for changes, count in (({"after": "2024-05"}, 2), ({"before": "2024"}, 0), ({"format": "reply"}, 0)):
        found = call(small_twin, "search_posts", query="the clock and the clamp", author=WREN, **changes)
        assert len(found["passages"]) == count, changes
    said = call(small_twin, "ask_twin", question=SEATPOST, author=WREN, before="2024")
    assert (said["answer"], said["citations"], said["nearest"]) == (NOTHING_FOUND, {}, [])
    said = call(small_twin, "ask_twin", question="Who paints the ceilings of palaces in Florence?", author=WREN)
    assert said["answer"] == NOTHING_FOUND
    assert call(small_twin, "read_post", id=said["nearest"][0]["post_id"], author=WREN)["post"]["title"]
    assert call(small_twin, "ask_twin", question=SEATPOST, author=WREN, after="2024")["citations"]


def test_an_assistant_is_told_what_the_twin_is(small_twin: Small) -> None:
    said = call(small_twin, "ask_twin", question="What can you do?", author=WREN)
    assert said["answer"].startswith(f"I am a twin of {WREN}, and not {WREN}:")
    assert (said["citations"], said["nearest"]) == ({}, [])


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("search_posts", {"query": "engines"}, "whose posts?"),
        ("search_posts", {"query": "engines", "author": "Nobody"}, "no author 'Nobody'"),
        ("search_posts", {"query": "engines", "author": ADA, "after": "yesterday"}, "is no date"),
        ("ask_twin", {"question": "engines", "author": ADA, "before": "yesterday"}, "is no date"),
        ("search_posts", {"query": "", "author": ADA}, "at least 1 character"),
        ("search_posts", {"query": "x", "author": ADA, "limit": 1000}, "less than or equal"),
        ("read_post", {"id": "none", "author": ADA}, "0 posts"),
        ("ask_twin", {"question": "x" * 5000, "author": ADA}, "at most 4000"),
        ("ask_twin", {"question": "x", "author": ADA, "model": f"{WREN}@v1"}, "is not a version of"),
    ],
)
def test_what_is_wrong_is_told_to_the_assistant(small_twin: Small, tool: str, arguments: Any, words: str) -> None:
    assert words in call(small_twin, tool, **arguments)


def test_one_author_alone_may_be_opened(small_twin: Small) -> None:
    post = small_twin.app.store.posts(ADA)[0]
    assert [one["name"] for one in call(small_twin, "list_authors", WREN)["authors"]] == [WREN]
    assert call(small_twin, "search_posts", WREN, query="engines")["author"] == WREN
    assert "no author 'Ada'" in call(small_twin, "read_post", WREN, id=post.id, author=ADA)
    assert "0 posts" in call(small_twin, "read_post", WREN, id=post.id)


def test_what_is_private_is_masked_and_a_long_post_comes_in_pages(tmp_path: Path) -> None:
    twin = small(tmp_path / "home", pause=0.0)
    text = "Write to me at ada@ada.example about looms. " + "Engines weave patterns of numbers. " * 1000
    mark = Mark(start=15, end=30, kind="private", instead="[e-mail address]")
    fill(twin.app.store, [written(ADA, "Looms", text).model_copy(update={"marks": (mark,)})])
    found = call(twin, "search_posts", query="write to me about looms", limit=1)["passages"][0]
    first = call(twin, "read_post", id=found["post_id"])
    second = call(twin, "read_post", id=found["post_id"], offset=first["next_offset"])
    assert "ada@ada.example" not in str([found, first, second])
    assert "[e-mail address]" in found["text"]
    assert first["next_offset"] == LONGEST_PAGE
    assert first["post"]["text"].replace("[e-mail address]", "ada@ada.example") + second["post"]["text"] == text
    twin.app.store.close()


def test_what_is_private_is_masked_in_an_answer_that_quotes_it(tmp_path: Path) -> None:
    twin = small(tmp_path / "home", pause=0.0)
    text = "Write to me at ada@ada.example about looms. Engines weave patterns of numbers."
    mark = Mark(start=15, end=30, kind="private", instead="[e-mail address]")
    fill(twin.app.store, [written(ADA, "Looms", text).model_copy(update={"marks": (mark,)})])
    said = call(twin, "ask_twin", question="Write about looms: which engines weave patterns of numbers?")
    assert "[e-mail address]" in said["answer"]
    assert "ada@ada.example" not in str(said)
    twin.app.store.close()


def test_an_assistant_that_stops_waiting_ends_the_generation(tmp_path: Path) -> None:
    twin = small(tmp_path / "home", pause=0.02, repeat=1000)
    stock(twin)

    async def give_up(client: Client) -> None:
        asked = asyncio.ensure_future(client.call_tool("ask_twin", {"question": SEATPOST, "author": WREN}))
        while not twin.engine.logs:
            await asyncio.sleep(0.02)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    talk(twin, give_up)
    assert twin.engine.logs[-1].ended.wait(3)
    twin.app.store.close()


def test_assistants_take_turns(tmp_path: Path) -> None:
    """Two questions of one and one of another wait: the other is not behind both."""
    twin = small(tmp_path / "home", pause=0.0)
    stock(twin)
    heard, queue = Engine(), Queue(at_once=1)
    twin.app.twin = Twin(twin.app.store, twin.app.registry, heard, queue=queue)

    async def run() -> None:
        async with Client(build(twin.app)) as one, Client(build(twin.app)) as other:
            calls = []
            with queue.place():
                for client, title in ((one, "seatpost"), (one, "saddle"), (other, "clamp")):
                    question = f"How do I free the seized {title} with oil and heat?"
                    calls.append(
                        asyncio.create_task(client.call_tool("ask_twin", {"question": question, "author": WREN}))
                    )
                    while queue.length() < len(calls):
                        await asyncio.sleep(0.01)
            await asyncio.gather(*calls)

    asyncio.run(run())
    order = [re.search(r"seized (\w+) with", str(messages[-1].content)) for messages in heard.model.heard]
    assert [found[1] for found in order if found] == ["seatpost", "clamp", "saddle"]
    twin.app.store.close()


# ---- as an assistant starts it --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def settled(embedder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ada_at_home(tmp_path_factory.mktemp("settled"), embedder)


def test_the_command_speaks_mcp_and_nothing_else_on_stdout(home: Path, tmp_path: Path) -> None:
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "ui.cli", "mcp"], env=dict(os.environ), cwd=Path(__file__).parents[1]
    )

    async def run(errors: Any) -> tuple[Any, Any, Any]:
        async with Client(stdio_client(parameters, errlog=errors)) as client:
            found = await client.call_tool("search_posts", {"query": "the clock runs slow"})
            said = await client.call_tool("ask_twin", {"question": "When does the clock run slow?"})
            return client.server_info, found, said

    with (tmp_path / "stderr").open("w+", encoding="utf-8") as errors:
        info, found, said = asyncio.run(run(errors))
        errors.seek(0)
        assert errors.read().splitlines() == ["An MCP server: it waits on stdin for an assistant."]
    assert info.name == "llm-twin"
    assert found.structured_content["passages"]
    assert said.structured_content["author"] == ADA
    assert threading.active_count() < 20
