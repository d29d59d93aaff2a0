"""The HTTP API: what it answers, whom it refuses and in what words, what it logs and counts, and that leaving ends it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.language_models import BaseChatModel

from contracts.errors import ModelError, UsageError
from contracts.model_registry import ModelVersion
from inference_pipeline.queue import Queue
from inference_pipeline.twin import NOTHING_FOUND, Exchange, Twin
from tests.attacks import ACTS
from tests.browser import ADA, SEATPOST, WREN, small, stock
from tests.chat_server import Server
from tests.served import KEY, WRENS_KEY, Site, events, serving, until
from tests.speaking import Engine as Says
from tests.test_inert import Acting
from ui.serve.catalogue import Catalogue
from ui.serve.completions import question, unsaid
from ui.serve.keys import Caller, Keys
from ui.serve.parts import Readiness
from ui.serve.schema import LONGEST_QUESTION, MOST_MESSAGES, ChatRequest
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


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from serving(tmp_path_factory.mktemp("locked"), keys=f"{KEY}, {WREN}:{WRENS_KEY}")


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Each test gives it something to say."""
    yield from serving(tmp_path_factory.mktemp("speaking"))


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Site]:
    """One answer at a time, none waiting; a word every 30 ms, and far more of them than anybody waits for."""
    yield from serving(tmp_path / "home", queue=Queue(at_once=1, waiting=0), pause=0.03, repeat=50)


# ---- answers --------------------------------------------------------------------------------------------------------


def test_every_model_carries_its_author_the_default_first(site: Site) -> None:
    listed = site.client.get("/v1/models").json()["data"]
    assert [model["id"] for model in listed] == [
        ADA,
        f"{ADA}@base",
        WREN,
        f"{WREN}@champion",
        f"{WREN}@v2",
        f"{WREN}@v1",
        f"{WREN}@base",
    ]
    assert all(model["id"].startswith(model["owned_by"]) for model in listed)
    assert site.client.get(f"/v1/models/{WREN}@v1").json() == listed[5]


def test_a_completion_has_its_evidence_beside_it(site: Site) -> None:
    body = site.chat().json()
    twin = body["twin"]
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"]["content"] == twin["answer"]
    assert body["choices"][0]["finish_reason"] == "stop"
    assert (twin["author"], twin["model"], body["system_fingerprint"]) == (WREN, f"{WREN}@v2", twin["snapshot"])
    assert twin["citations"]
    for citation in twin["citations"]:
        post = site.twin.app.store.post(citation["post_id"], WREN)
        assert post.text[citation["start"] : citation["end"]] == citation["text"]
    assert {sentence["support"] for sentence in twin["sentences"]} == {"supported"}
    assert twin["timings"]["first_token"] > 0


def test_the_pieces_of_a_stream_are_the_answer_and_its_end_has_the_evidence(site: Site) -> None:
    response = site.chat(stream=True, stream_options={"include_usage": True})
    first, *pieces, ended, usage = events(response)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert first["twin"]["passages"] == ended["twin"]["passages"]
    text = "".join(piece["choices"][0]["delta"]["content"] for piece in pieces)
    assert text.replace(" ", "") == ended["twin"]["answer"].replace(" [1]", "", 1).replace(" ", "")
    assert ended["choices"][0]["finish_reason"] == "stop"
    assert (usage["choices"], usage["usage"]) == ([], None)  # this engine counts no tokens
    assert len({event["id"] for event in (first, *pieces, ended, usage)}) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ACTS)
def test_an_answer_does_nothing_in_whoever_shows_it(speaking: Site, name: str, stream: bool) -> None:
    speaking.twin.app.twin = Twin(
        speaking.twin.app.store, speaking.twin.app.registry, Says(f"The clamp comes off first.\n\n{ACTS[name]}\n\nOak.")
    )
    response = speaking.chat(stream=stream)
    if stream:
        pieces = [event["choices"][0]["delta"].get("content", "") for event in events(response) if event["choices"]]
        text = "".join(pieces)
        assert len(pieces) > 20  # as it came
    else:
        text = response.json()["choices"][0]["message"]["content"]
    assert text.startswith("The clamp comes off first.")
    assert Acting(text).found == []


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_posts_do_not_cover_is_said_to_be_so(site: Site, stream: bool) -> None:
    response = site.chat("Whither quantum chromodynamics?", stream=stream)
    twin = events(response)[-1]["twin"] if stream else response.json()["twin"]
    assert (twin["answer"], twin["passages"], twin["citations"]) == (NOTHING_FOUND, [], [])
    if stream:
        assert events(response)[1]["choices"][0]["delta"]["content"] == NOTHING_FOUND
    else:
        assert response.json()["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@pytest.mark.parametrize("stream", [False, True])
def test_a_greeting_is_returned_and_counts_as_no_refusal(site: Site, stream: bool) -> None:
    before = site.figures()
    response = site.chat("Hello, who are you?", stream=stream)
    twin = events(response)[-1]["twin"] if stream else response.json()["twin"]
    assert twin["answer"].startswith(f"Hello. I am a twin of {WREN}, and not {WREN}:")
    assert (twin["passages"], twin["citations"], twin["nearest"]) == ([], [], [])
    if stream:
        assert events(response)[1]["choices"][0]["delta"]["content"] == twin["answer"]
    assert site.figures().get("twin_refusals_total", 0) == before.get("twin_refusals_total", 0)


def test_what_has_no_effect_is_named(site: Site) -> None:
    messages = [{"role": "system", "content": "Speak like a pirate."}, {"role": "user", "content": SEATPOST}]
    body = {"model": WREN, "messages": messages, "top_p": 0.5, "not a name": 1, "response_format": {"type": "text"}}
    reply = site.client.post("/v1/chat/completions", json=body).json()
    assert reply["twin"]["ignored"] == ["system message", "top_p"]


def test_versions_answer_side_by_side_from_the_same_passages(site: Site) -> None:
    def compared(*models: str) -> httpx.Response:
        body = {"models": models, "messages": [{"role": "user", "content": SEATPOST}]}
        return site.client.post("/v1/side_by_side", json=body)

    found = compared(f"{WREN}@v1", f"{WREN}@champion", f"{WREN}@base").json()
    assert found["author"] == WREN
    assert [answer["model"] for answer in found["answers"]] == [f"{WREN}@v1", f"{WREN}@v2", "base"]
    assert all(answer["passages"] == found["answers"][0]["passages"] for answer in found["answers"])
    assert compared(f"{WREN}@v1", f"{ADA}@base").json()["error"]["code"] == "bad_request"
    assert compared(f"{WREN}@v2", WREN).json()["error"]["code"] == "bad_request"
    assert [compared(f"{WREN}@v1", f"{WREN}@v9").status_code, compared(WREN).status_code] == [404, 400]


def test_a_post_is_drafted_from_its_own_evidence(site: Site) -> None:
    body = {"model": WREN, "title": "Freeing a seized seatpost", "points": ["Oil and heat free the seized seatpost"]}
    made = site.client.post("/v1/drafts", json=body).json()
    assert (made["author"], made["model"], made["title"]) == (WREN, f"{WREN}@v2", body["title"])
    [section] = made["sections"]
    assert section["status"] == "written"
    for citation in made["citations"]:
        text = site.twin.app.store.post(citation["post_id"], WREN).text
        assert text[citation["start"] : citation["end"]] == citation["text"]
    for wrong in ({"points": []}, {"title": " ", "points": []}, {"points": ["\ud800"]}, {"words": 9}):
        content = json.dumps({"model": WREN, **wrong})
        response = site.client.post("/v1/drafts", content=content, headers={"content-type": "application/json"})
        assert response.status_code == 400, wrong


def test_a_draft_is_counted_section_by_section(speaking: Site) -> None:
    speaking.twin.app.twin = Twin(
        speaking.twin.app.store, speaking.twin.app.registry, Says("The clamp comes off first.")
    )
    before = speaking.figures()
    body = {
        "model": WREN,
        "title": "Old things",
        "points": ["Oil and heat free the seized seatpost", "Quantum chromodynamics"],
    }
    made = speaking.client.post("/v1/drafts", json=body).json()
    assert [section["status"] for section in made["sections"]] == ["written", "nothing"]
    after = speaking.figures()
    grown = {name: round(after[name] - before.get(name, 0)) for name in after if name.startswith("twin_")}
    assert grown["twin_tokens_total"] == len("The clamp comes off first.")
    assert grown["twin_first_token_seconds_count"] == 1
    assert grown["twin_retrieval_seconds_count"] == 2
    assert grown["twin_refusals_total"] == 1
    line = speaking.log[-2]  # the last is of the figures
    assert (line["route"], line["tokens"], line["covered"]) == ("/v1/drafts", grown["twin_tokens_total"], True)
    assert line["citations"] == len(made["citations"])


@pytest.mark.parametrize(
    ("route", "body", "found"),
    [
        (
            "chat/completions",
            {"model": WREN, "messages": [{"role": "user", "content": SEATPOST}]},
            ("twin", "passages"),
        ),
        ("search", {"author": WREN, "query": SEATPOST}, ("passages",)),
        ("drafts", {"model": WREN, "points": [SEATPOST]}, ("sections", 0, "evidence")),
    ],
)
def test_filters_narrow_what_is_found_on_every_route(
    site: Site, route: str, body: dict[str, Any], found: tuple[str | int, ...]
) -> None:
    def asked(**filters: str) -> Any:
        answer = site.client.post(f"/v1/{route}", json={**body, "filters": filters}).json()
        for key in found if "error" not in answer else ():
            answer = answer[key]
        return answer

    assert asked()
    assert asked(after="2024", format="article") == asked()
    assert asked(before="2024") == []
    assert asked(format="reply") == []
    assert "is no date" in asked(after="yesterday")["error"]["message"]
    assert asked(after="2024", until="2025")["error"]["param"] == "filters.until"
    assert "has no source called 'elsewhere'" in asked(source="elsewhere")["error"]["message"]


def test_what_was_made_of_an_answer_is_kept(speaking: Site) -> None:
    app, said = speaking.twin.app, Says("The clamp comes off first.")
    app.twin = Twin(app.store, app.registry, said, challenger_share=0.5)
    app.registry.challenge(f"{WREN}@v1")
    answers = {twin["model"]: twin for twin in (speaking.chat(user=str(n)).json()["twin"] for n in range(12))}
    assert {model: twin["instead"] for model, twin in answers.items()} == {
        f"{WREN}@v1": f"{WREN}@v2",
        f"{WREN}@v2": f"{WREN}@v1",
    }
    twin = answers[f"{WREN}@v1"]

    def judged(answer: Any = twin, verdict: str = "better", **more: Any) -> httpx.Response:
        return speaking.client.post("/v1/feedback", json={"answer": answer, "verdict": verdict, **more})

    kept = [judged(user="7").json(), judged(verdict="edited", edited="Heat it first.\n").json()]
    assert [one.model_dump(mode="json") for one in app.store.feedback.all(WREN)] == kept
    assert (kept[0]["verdict"], kept[0]["by"], kept[0]["question"]) == ("better", "7", SEATPOST)
    assert kept[0]["passages"] == [{key: one[key] for key in ("post_id", "start", "end")} for one in twin["passages"]]
    assert (kept[1]["edited"], kept[1]["instead"], kept[1]["by"]) == ("Heat it first.", f"{WREN}@v2", "")
    assert all(one["sent"] for one in kept)
    refused = [
        judged(verdict="edited"),
        judged(edited="So."),
        judged(verdict="same"),
        judged({**twin, "question": "nul \0"}),
        judged({key: value for key, value in twin.items() if key != "prompt_hash"}),
        judged({**twin, "model": f"{WREN}@v9"}),
        judged({**twin, "author": ADA}),
        judged({**twin, "passages": [{"post_id": "nowhere", "start": 0, "end": 1}]}),
    ]
    assert [response.status_code for response in refused] == [400] * 5 + [404] * 3
    assert len(app.store.feedback.all()) == 2
    app.registry.withdraw(WREN)


def test_search_gives_one_authors_passages(site: Site) -> None:
    body = {"query": "the church clock", "author": WREN, "limit": 1}
    found = site.client.post("/v1/search", json=body).json()
    assert found["author"] == WREN
    assert [passage["title"] for passage in found["passages"]] == ["The church clock"]


def test_two_at_once_hear_their_own_author_alone(site: Site) -> None:
    heard: dict[str, list[httpx.Response]] = {ADA: [], WREN: []}

    def ask(author: str, text: str) -> None:
        heard[author] += [site.chat(text, author) for _ in range(4)]

    asked = {ADA: "What did I write of engines and looms?", WREN: SEATPOST}
    threads = [threading.Thread(target=ask, args=pair) for pair in asked.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for author, responses in heard.items():
        for response in responses:
            twin = response.json()["twin"]
            assert twin["author"] == author
            assert twin["passages"]
            for passage in twin["passages"]:
                assert site.twin.app.store.post(passage["post_id"], author).author == author


# ---- the request ----------------------------------------------------------------------------------------------------


def asked(*messages: tuple[str, Any], **more: Any) -> ChatRequest:
    said = [{"role": role, "content": content} for role, content in messages]
    return ChatRequest.model_validate({"model": WREN, "messages": said, **more})


def test_the_last_message_is_the_question_and_the_others_are_the_conversation() -> None:
    body = asked(
        ("system", "Be brief."),
        ("assistant", "Welcome!"),
        ("user", "How?"),
        ("assistant", "With oil."),
        ("assistant", "And heat."),
        ("user", "And then?"),
        ("user", [{"type": "text", "text": "Which"}, {"type": "text", "text": "oil?"}]),
        max_tokens=9999,
        stop="\n",
        seed=4,
        user="visitor",
    )
    made = question(body, WREN, Caller("key-1"))
    assert (made.text, made.author, made.user, made.key) == ("Which\noil?", WREN, "key-1", "key-1/visitor")
    assert made.history == (Exchange("How?", "With oil.\nAnd heat."), Exchange("And then?", ""))
    assert (made.sampling.max_tokens, made.sampling.stop, made.sampling.seed) == (1024, ("\n",), 4)
    assert made.sampling.temperature is None


@pytest.mark.parametrize(
    ("said", "answer", "rest"),
    [
        ("Oil. Then heat.", "Oil. [1] Then heat. [2]", " [2]"),
        ("Oil. ", "Oil.\n\nI wrote: “Oil” [1]", "\n\nI wrote: “Oil” [1]"),
        ("", NOTHING_FOUND, NOTHING_FOUND),
        ("# Oil\nOil.", "Oil. [1]", ""),
        ("Oil and th", "Oil", ""),
        ("Oil [3]. Heat.", "Oil. [1] Heat.", ""),
    ],
)
def test_a_stream_ends_with_what_was_not_said_yet(said: str, answer: str, rest: str) -> None:
    assert unsaid(said, answer) == rest


def chat_with(**changes: Any) -> dict[str, Any]:
    return {"model": WREN, "messages": [{"role": "user", "content": SEATPOST}], **changes}


def saying(content: Any, role: str = "user", **more: Any) -> dict[str, Any]:
    return chat_with(messages=[{"role": role, "content": content, **more}])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": WREN}, "messages"),
        (chat_with(model=""), "model"),
        (chat_with(messages=[]), "messages"),
        (chat_with(messages="Hello"), "messages"),
        (chat_with(messages=[{"role": "user", "content": "x"}] * (MOST_MESSAGES + 1)), "messages"),
        (saying(SEATPOST, role="assistant"), None),
        (saying("  \n"), None),
        (saying(None), None),
        (saying("x" * (LONGEST_QUESTION + 1)), None),
        (saying("nul \0"), "messages.0.content"),
        (saying("x", role="tool"), "messages.0.role"),
        (saying([{"type": "image_url", "image_url": {"url": "http://evil.example/a.png"}}]), "messages.0.content"),
        (chat_with(n=2), "n"),
        (chat_with(response_format={"type": "json_object"}), "response_format.type"),
        (chat_with(response_format={"type": "json_schema", "json_schema": {"name": "n"}}), "response_format"),
        (chat_with(tools=[{"type": "function", "function": {"name": "f"}}]), "tools"),
        (chat_with(temperature=3), "temperature"),
        (chat_with(max_tokens=0), "max_tokens"),
        (chat_with(seed=2**63), "seed"),
        (chat_with(stop=["a", "b", "c", "d", "e"]), "stop"),
        (chat_with(stop=""), "stop"),
        (chat_with(user="x" * 301), "user"),
        (chat_with(stream="perhaps"), "stream"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong_with_it(site: Site, body: Any, param: str | None) -> None:
    response = site.client.post("/v1/chat/completions", json=body)
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    assert (error["param"] or "").startswith(param or "")
    assert len(error["message"]) < 400


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe\x00",
        b"[" * 20_000,
        b'{"model": NaN, "messages": []}',
        json.dumps(saying("a \ud800 lone surrogate")).encode(),
        json.dumps(chat_with(**{"\ud800": 1}, model="\udfff")).encode(),
        json.dumps(chat_with(seed=10**400)).encode(),
        b'{"model": 1' + b"0" * 5000 + b"}",
    ],
)
def test_what_is_no_request_at_all_is_told_so(site: Site, content: bytes) -> None:
    response = site.client.post("/v1/chat/completions", content=content, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_a_page_elsewhere_cannot_ask_without_saying_json(site: Site) -> None:
    """A browser sends text/plain to any address without asking that address first."""
    content = json.dumps(chat_with()).encode()
    response = site.client.post("/v1/chat/completions", content=content, headers={"content-type": "text/plain"})
    assert (response.status_code, "application/json" in response.text) == (400, True)


def test_what_is_too_large_is_not_read(site: Site) -> None:
    many = chat_with(messages=[{"role": "user", "content": "hello"}] * 10_000)
    responses = [
        site.client.post("/v1/chat/completions", json=saying("x" * 100_000)),
        site.client.post("/v1/chat/completions", json=many),
        site.client.post("/v1/chat/completions", content=iter([b"{}"])),
    ]
    for response in responses:
        assert (response.status_code, response.json()["error"]["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("model", ["gpt-4", f"{WREN}@v9", "Nobody@base", f"{ADA}@v1", "../Ada@v1", f"{WREN}@champion "])
def test_a_model_that_is_not_there_is_not_found(site: Site, model: str) -> None:
    response = site.chat(model=model)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")


def test_a_route_that_is_not_there_and_a_method_that_is_none_have_the_same_shape(site: Site) -> None:
    assert site.client.get("/v1/nothing").json()["error"]["code"] == "not_found"
    response = site.client.get("/v1/chat/completions")
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")


# ---- who may ask ----------------------------------------------------------------------------------------------------


def test_a_name_that_was_made_to_point_here_is_refused(site: Site) -> None:
    response = site.client.get("/v1/models", headers={"host": "evil.example:8000"})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "wrong_host")


@pytest.mark.parametrize("sent", [{}, {"authorization": "Bearer wrong-wrong-wrong-wrong"}, {"authorization": KEY}])
def test_without_a_key_nothing_is_read(locked: Site, sent: dict[str, str]) -> None:
    answers = [
        locked.client.post("/v1/chat/completions", content=b"{", headers=sent),
        locked.client.get("/v1/models", headers=sent),
        locked.client.get("/metrics", headers=sent),
    ]
    for response in answers:
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
        assert response.json()["error"]["code"] == "invalid_api_key"
    for path in ("/health", "/ready"):
        assert until(lambda path=path: locked.client.get(path).status_code == 200)  # it may still load


def test_a_key_of_one_author_opens_that_twin_alone(locked: Site) -> None:
    one, every = ({"authorization": f"Bearer {key}"} for key in (WRENS_KEY, KEY))
    assert {model["owned_by"] for model in locked.client.get("/v1/models", headers=one).json()["data"]} == {WREN}
    assert {model["owned_by"] for model in locked.client.get("/v1/models", headers=every).json()["data"]} == {WREN, ADA}
    twin = locked.client.post("/v1/chat/completions", json=chat_with(model=f"{ADA}@base"), headers=every).json()["twin"]
    for path, body in (
        ("chat/completions", chat_with(model=f"{ADA}@base")),
        ("search", {"query": "x", "author": ADA}),
        ("feedback", {"answer": twin, "verdict": "worse"}),
    ):
        assert locked.client.post(f"/v1/{path}", json=body, headers=one).status_code == 404
        assert locked.client.post(f"/v1/{path}", json=body, headers=every).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::"])
def test_a_public_address_needs_keys(host: str, tmp_path: Path) -> None:
    twin = small(tmp_path)
    with closing(twin.app.store), pytest.raises(UsageError, match="open to everyone"), running(twin.app, host):
        pass


def test_keys_are_long_and_may_name_an_author() -> None:
    keys = Keys(f" {KEY},,Ada: the second:{WRENS_KEY} ")
    assert keys.caller(f"bearer {WRENS_KEY}", "here") == Caller("key-2", "Ada: the second")
    assert keys.caller(f"Basic {KEY}", "here") is None
    assert Keys(None).caller("", "here") == Caller("here", keyed=False)
    with pytest.raises(UsageError, match="key 2 of TWIN_API_KEYS is shorter"):
        Keys(f"{KEY},Ada:short")


# ---- when it goes wrong ---------------------------------------------------------------------------------------------


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
